/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_AUTH_H
#define RELAY_API_AUTH_H

/*
 * Who may post to a source. The one place that compares secrets.
 *
 * A source asks for any of: a token in a header (two may be live, for rotation), further headers
 * with fixed values, Basic credentials (two passwords may be live). All that is configured must
 * match. Every comparison runs to its end over digests of equal length, whatever matched before, so
 * that the time tells nothing (OWASP ASVS 6.2.8).
 *
 * Owns: digests of the secrets under a key that dies with the process, never their text (promise
 * P10).
 *
 * Threads: check from every http thread; reload from main beside them.
 */

#include "conf/conf.h"
#include "http/http_server.h"

struct auth;

/* NULL when out of memory. Copies what it needs of source. */
struct auth *auth_create(const struct conf_source *source);
void auth_destroy(struct auth *a);

/* Takes over the secrets of a new configuration for the requests from now on. */
void auth_reload(struct auth *a, const struct conf_source *source);

/* Whether the request carries everything that is asked for. */
bool auth_check(struct auth *a, const struct http_req *req);

#endif
