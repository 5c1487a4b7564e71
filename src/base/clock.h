/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_CLOCK_H
#define RELAY_BASE_CLOCK_H

/*
 * Time behind a door, so that the simulation can turn the hands.
 *
 * Monotonic and wall time are different struct types: the compiler refuses to mix a deadline with a
 * date. Deadlines and latencies are monotonic; what is stored or sent is wall time.
 *
 * Threads: clock_system() may be used from every thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mono {
    int64_t ns; /* since an arbitrary start; never goes back */
};

struct wall {
    int64_t us; /* since 1970-01-01T00:00:00Z; may jump when the machine's clock is set */
};

struct clock {
    struct mono (*mono)(void *ctx);
    struct wall (*wall)(void *ctx);
    void *ctx;
};

/* The machine's clocks; never NULL, lives for ever. */
const struct clock *clock_system(void);

static inline struct mono clock_mono(const struct clock *c)
{
    return c->mono(c->ctx);
}

static inline struct wall clock_wall(const struct clock *c)
{
    return c->wall(c->ctx);
}

static inline struct mono mono_add_ms(struct mono t, int64_t ms)
{
    return (struct mono){t.ns + ms * 1000000};
}

/* a - b in nanoseconds. */
static inline int64_t mono_diff_ns(struct mono a, struct mono b)
{
    return a.ns - b.ns;
}

/* Milliseconds from now until t, rounded up, at least 0 and at most max_ms: the argument of a poll.
 */
int mono_until_ms(struct mono now, struct mono t, int max_ms);

#define WALL_TEXT_MAX 32

/* Writes t as RFC 3339 in UTC with milliseconds ("2026-01-02T03:04:05.678Z"). Returns its length.
 */
size_t wall_format(struct wall t, char out[WALL_TEXT_MAX]);

/*
 * Reads an RFC 3339 date-time (upper or lower case T and Z, 0 to 9 fraction digits, Z or a numeric
 * offset) of len bytes. Fractions below a microsecond are cut. Returns false when it is malformed
 * or names a day that does not exist. A leap second (:60) reads as the first second of the next
 * minute.
 */
bool wall_parse(const char *text, size_t len, struct wall *out);

#endif
