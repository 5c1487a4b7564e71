/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_JSON_H
#define RELAY_API_ADMIN_JSON_H

/* Values that several admin answers share. Threads: a tree belongs to one. */

#include "base/clock.h"
#include "http/http_server.h"
#include "json/json_value.h"

/* RFC 3339 in UTC, or null for 0. */
void admin_json_time(struct json_value *into, const char *name, struct wall t);
/* "body" with text that is UTF-8 without a zero byte, else "body_base64" (RFC 4648 section 4).
 * False when out of memory. */
bool admin_json_body(struct json_value *into, struct slice body);
/* Answers a failed reading: 404 for ST_NOT_FOUND, 400 for ST_BAD_INPUT, else 503. */
void admin_json_failed(struct http_req *req, const struct err *e);

#endif
