/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_REPLY_H
#define RELAY_API_REPLY_H

/*
 * The answers that the relay's listeners give. Threads: re-entrant.
 */

#include "http/http_server.h"
#include "json/json_value.h"

/* The largest answer: a body of 16 MiB of which every byte is escaped, and what is said about it.
 */
#define REPLY_JSON_MAX (112u << 20)

/* Seconds after which a sender may try again: a commit or a freed disk page is sooner than Gladly's
 * first retry (30 s). */
#define REPLY_RETRY_AFTER "5"

/*
 * Answers {"error":"<word>"} with the headers that the status asks for: 401 WWW-Authenticate, 405
 * Allow (allow), 429 and 503 Retry-After. word is one of ours: no quoting is done. allow may be
 * NULL.
 */
void reply_error(struct http_req *req, int status, const char *word, const char *allow);
/* 401 that asks for a bearer token. */
void reply_unauthorized(struct http_req *req);
/* Answers root, which is destroyed; 503 when memory ran out while it was built. */
void reply_json(struct http_req *req, int status, struct json_value *root);
/* {"error":"<word>","reason":"<reason>"} with any text as the reason. */
void reply_refusal(struct http_req *req, int status, const char *word, const char *reason);
/* 200 with a text/plain line. */
void reply_text(struct http_req *req, int status, const char *text);

#endif
