/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_TARGET_H
#define RELAY_BENCH_TARGET_H

/*
 * Where requests go and what their head looks like.
 *
 * Owns the rendered head. Only loopback addresses are accepted, so that a slip of the hand cannot
 * put load on somebody's server; names other than localhost are not looked up.
 *
 * Threads: immutable after target_create.
 */

#include "fail.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define TARGET_URL_MAX     1024
#define TARGET_HEADERS_MAX 16
/* The longest head that target_put_head writes: URL, headers and the fixed lines. */
#define TARGET_HEAD_MAX 16384

struct target_options {
    const char *url;    /* http://127.x.y.z[:port]/path or http://localhost[:port]/path */
    const char *method; /* POST, PUT or GET */
    const char *const
        *headers;        /* "Name: value"; not Host, Content-Length, Transfer-Encoding, Expect */
    size_t header_count; /* 0..TARGET_HEADERS_MAX */
};

struct target;

/* Returns NULL and fills *f when an option is refused or memory ends. */
struct target *target_create(const struct target_options *o, struct fail *f);
void target_destroy(struct target *t);

const struct sockaddr_in *target_address(const struct target *t);

/* True when requests carry a body: always, except with GET. */
bool target_has_body(const struct target *t);

/*
 * Writes the head of a request with a body of body_len bytes (0 without one) so that it ends right
 * before body; at least TARGET_HEAD_MAX bytes before body are writable. Returns the length of the
 * head.
 */
size_t target_put_head(const struct target *t, char *body, size_t body_len);

#endif
