/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_REPLY_H
#define RELAY_API_REPLY_H

/*
 * The answers that the relay's listeners give. Threads: re-entrant.
 */

#include "http/http_server.h"

/* Seconds after which a sender may try again: a commit or a freed disk page is sooner than Gladly's
 * first retry (30 s). */
#define REPLY_RETRY_AFTER "5"

/*
 * Answers {"error":"<word>"} with the headers that the status asks for: 401 WWW-Authenticate, 405
 * Allow (allow), 429 and 503 Retry-After. word is one of ours: no quoting is done. allow may be
 * NULL.
 */
void reply_error(struct http_req *req, int status, const char *word, const char *allow);
/* 200 with a text/plain line. */
void reply_text(struct http_req *req, int status, const char *text);

#endif
