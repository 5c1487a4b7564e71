/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_TALLY_H
#define RELAY_BENCH_TALLY_H

/*
 * What a run of the load generator counted.
 *
 * Owns the latency histogram and the per-second series. The engine writes it, the report reads it;
 * the counters are plain members, because every one of them has one writer and means what its
 * comment says.
 *
 * Invariant after a run: sent = answered_2xx + refused + unanswered.
 *
 * Threads: none of its own; one thread at a time.
 */

#include "fail.h"
#include "histogram.h"
#include "instant.h"

#include <stddef.h>
#include <stdint.h>

#define TALLY_STATUS_END 600

struct tally_second {
    uint32_t answered_2xx;
    uint32_t other;
};

struct tally {
    uint64_t sent;         /* distinct requests whose first byte was handed to a socket */
    uint64_t answered_2xx; /* requests that ended with a 2xx answer */
    uint64_t other;   /* answers that were not 2xx; a request that is sent again may count many */
    uint64_t refused; /* requests that ended with an answer that was not 2xx */
    uint64_t unanswered; /* requests that ended without an answer */
    uint64_t resent;     /* sendings of a request after its first */
    uint64_t unsent;     /* open loop: requests that were due but never sent */

    uint64_t connect_failed;
    uint64_t broken;      /* connections that ended with a request under way */
    uint64_t timed_out;   /* of those, closed by us because the answer was late */
    uint64_t idle_closed; /* connections that the server ended without a request under way */
    uint64_t bad_answers; /* connections closed because the server broke the protocol */
    const char *bad_why;  /* the first reason; NULL for none */

    uint64_t status[TALLY_STATUS_END]; /* answers by HTTP status */
    struct histogram *latency;         /* of 2xx answers */
    struct mono start;
    struct mono last_answer; /* equals start until there is one */
    struct tally_second *second;
    size_t second_count; /* seconds that the series has room for */
    size_t second_used;
};

/* A run of at most run_ms milliseconds. Returns NULL and fills *f when there is no memory. */
struct tally *tally_create(int64_t run_ms, struct fail *f);
void tally_destroy(struct tally *t);

/* Counts one answer at `now`, with an HTTP status of 100..599, in the counters of answers and the
 * series. */
void tally_answer(struct tally *t, int status, struct mono now);

/* Seconds from the start to the last answer. */
double tally_elapsed_s(const struct tally *t);

/* 2xx answers per second of tally_elapsed_s; 0 without an answer. */
double tally_rate(const struct tally *t);

#endif
