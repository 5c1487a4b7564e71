/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_INSTANT_H
#define RELAY_BENCH_INSTANT_H

/*
 * Time for the bench programs: monotonic for every latency, wall time only for what is written
 * down.
 *
 * The two are different struct types, as in the relay, so that they cannot be mixed.
 *
 * Threads: all functions from every thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define INSTANT_NS_PER_S  INT64_C(1000000000)
#define INSTANT_NS_PER_MS INT64_C(1000000)

struct mono {
    int64_t ns; /* since an arbitrary start; never goes back */
};

struct wall {
    int64_t us; /* since 1970-01-01T00:00:00Z */
};

static inline struct mono instant_mono(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct mono){(int64_t)ts.tv_sec * INSTANT_NS_PER_S + ts.tv_nsec};
}

static inline struct wall instant_wall(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (struct wall){(int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000};
}

static inline struct mono instant_add_ns(struct mono t, int64_t ns)
{
    return (struct mono){t.ns + ns};
}

static inline struct mono instant_add_ms(struct mono t, int64_t ms)
{
    return (struct mono){t.ns + ms * INSTANT_NS_PER_MS};
}

/* True when now is at or after t. */
static inline bool instant_reached(struct mono now, struct mono t)
{
    return now.ns >= t.ns;
}

/* Microseconds from a to b, cut; negative when b is before a. */
static inline int64_t instant_us(struct mono a, struct mono b)
{
    return (b.ns - a.ns) / 1000;
}

#endif
