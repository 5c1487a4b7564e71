/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/rate.h"

#define BURST_NS       (INT64_C(50) * 1000000)
#define SECOND_NS      INT64_C(1000000000)
#define MILLISECOND_NS 1000000

void rate_init(struct rate *r, int64_t per_second, struct mono now)
{
    *r = (struct rate){.per_second = per_second, .at = now};
}

size_t rate_tokens(struct rate *r, struct mono now)
{
    int64_t each_ns, most_ns;
    if (!r->per_second)
        return SIZE_MAX;
    each_ns = SECOND_NS / r->per_second;
    most_ns = each_ns > BURST_NS ? each_ns : BURST_NS;
    r->credit_ns += mono_diff_ns(now, r->at);
    if (r->credit_ns > most_ns)
        r->credit_ns = most_ns;
    r->at = now;
    return r->credit_ns > 0 ? (size_t)(r->credit_ns / each_ns) : 0;
}

void rate_take(struct rate *r)
{
    if (r->per_second)
        r->credit_ns -= SECOND_NS / r->per_second;
}

int rate_wait_ms(const struct rate *r)
{
    int64_t due_ns;
    if (!r->per_second)
        return -1;
    due_ns = SECOND_NS / r->per_second - r->credit_ns;
    return due_ns > RATE_WAIT_MS * MILLISECOND_NS ? (int)(due_ns / MILLISECOND_NS) + 1
                                                  : RATE_WAIT_MS;
}
