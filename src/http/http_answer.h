/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_ANSWER_H
#define RELAY_HTTP_HTTP_ANSWER_H

/*
 * A copy of a struct http_reply that lives inside its request. Internal to the http room.
 *
 * Owns: the copied text, inside the struct when it is small. Invariant: reply points into this
 * struct or its heap block, so a struct http_answer must not be moved.
 *
 * Threads: one at a time, as its request.
 */

#include "http/http_server.h"

struct MHD_Response;

/* Room for the usual small JSON answer with its headers; more goes to the heap. */
#define HTTP_ANSWER_INLINE 256

struct http_answer {
    struct http_reply reply;
    char *heap;
    char small[HTTP_ANSWER_INLINE];
};

/* An empty answer; status 0. */
void http_answer_init(struct http_answer *a);
void http_answer_fini(struct http_answer *a);

/* Copies r over an initialised answer. Out of memory stores an empty 503 instead. */
void http_answer_store(struct http_answer *a, const struct http_reply *r);

/*
 * libmicrohttpd's form of r; the body is borrowed, so r must outlive the response. close adds
 * "Connection: close". NULL when out of memory.
 */
struct MHD_Response *http_answer_render(const struct http_reply *r, bool close);

#endif
