/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_TALLY_H
#define RELAY_HTTP_HTTP_TALLY_H

/*
 * What all threads of one server count together: waiting requests, body bytes, connections.
 * Internal to the http room.
 *
 * Owns: the counters. It is reference counted because a request that was given up (answer too late,
 * server stopped) may outlive its server: its body counts until the holder lets go of it.
 *
 * Threads: all functions from every thread; counters are relaxed atomics.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct http_tally {
    atomic_size_t refs;
    atomic_size_t waiting;
    atomic_size_t memory_bytes;
    atomic_size_t connections;
};

/* One reference; NULL when out of memory. */
struct http_tally *http_tally_create(void);
void http_tally_take(struct http_tally *t);
void http_tally_drop(struct http_tally *t);

/* Adds n unless *counter would pass max. */
bool http_tally_try_add(atomic_size_t *counter, size_t n, size_t max);
void http_tally_sub(atomic_size_t *counter, size_t n);
size_t http_tally_read(const atomic_size_t *counter);

#endif
