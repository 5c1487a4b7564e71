/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_RATE_H
#define RELAY_RELAY_RATE_H

/*
 * A token bucket: so many events a second. It holds the tokens of 50 ms, at least one, so that a
 * second sees hardly more than the rate, and it begins empty.
 *
 * Embedded in its owner. Threads: its owner's.
 */

#include <stddef.h>

#include "base/clock.h"

struct rate {
    int64_t per_second; /* 0: no limit */
    int64_t credit_ns;
    struct mono at;
};

/* per_second: 0 to 10^9. */
void rate_init(struct rate *r, int64_t per_second, struct mono now);
/* How many may go now; SIZE_MAX without a limit. */
size_t rate_tokens(struct rate *r, struct mono now);
/* One went. */
void rate_take(struct rate *r);
/* Milliseconds from the last rate_tokens() until a token is there, at least RATE_WAIT_MS so that
 * several go at once; -1 without a limit. */
#define RATE_WAIT_MS 10
int rate_wait_ms(const struct rate *r);

#endif
