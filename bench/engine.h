/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_ENGINE_H
#define RELAY_BENCH_ENGINE_H

/*
 * The event loop of the load generator: which connection sends what and when.
 *
 * Owns the connections, the epoll instance, the schedule and the retry timers. Does not own its
 * parts (bodies, target, ledger, tally), which outlive it.
 *
 * A run has three phases. Opening: all connections are made, no request is sent, no clock runs.
 * Load: requests are sent. Drain: requests under way are waited for (and sent again, with
 * --retry-unanswered).
 *
 * Closed loop: a connection sends its next request when it has its answer; latency counts from the
 * sending. Open loop: request i is due at start + i / rate and goes to a free connection, or waits
 * for one; latency counts from the due time. The schedule is arithmetic, so that waiting requests
 * take no memory.
 *
 * Invariants: a connection has at most one request; a finished request is in the ledger's buffer
 * before its connection sends another one, and with the kernel before the loop waits again; with
 * key_per_connection a key has at most one request under way.
 *
 * Threads: none; everything happens in engine_run.
 */

#include "bodies.h"
#include "fail.h"
#include "ledger.h"
#include "options.h"
#include "tally.h"
#include "target.h"

#include <stdbool.h>

struct engine_parts {
    const struct options *options;
    const struct target *target;
    struct bodies *bodies;
    struct ledger *ledger; /* NULL for none */
    struct tally *tally;
};

struct engine;

/*
 * Prepares the connections; opens none. Blocks SIGINT, SIGTERM and SIGPIPE in the calling thread,
 * for good. Returns NULL and fills *f when that fails.
 */
struct engine *engine_create(const struct engine_parts *parts, struct fail *f);
void engine_destroy(struct engine *e);

/*
 * Runs to the end, at most duration + drain + 2 seconds; call it once. Returns false and fills *f
 * when a result file could not be written or the loop could not wait; the tally is consistent in
 * any case.
 */
bool engine_run(struct engine *e, struct fail *f);

/* The phase "opening" ends after so long even when a connection is still not made. */
#define ENGINE_OPENING_MAX_MS 1000

#endif
