/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include <stdlib.h>

struct tally *tally_create(int64_t run_ms, struct fail *f)
{
    struct tally *t = calloc(1, sizeof *t);
    if (t == NULL)
        goto out_fail;
    t->second_count = (size_t)(run_ms / 1000) + 2;
    t->second = calloc(t->second_count, sizeof *t->second);
    t->latency = histogram_create();
    if (t->second == NULL || t->latency == NULL)
        goto out_fail;
    return t;
out_fail:
    fail_set(f, "no memory for the counters");
    tally_destroy(t);
    return NULL;
}

void tally_destroy(struct tally *t)
{
    if (t == NULL)
        return;
    histogram_destroy(t->latency);
    free(t->second);
    free(t);
}

void tally_answer(struct tally *t, int status, struct mono now)
{
    CHECK(status >= 100 && status < TALLY_STATUS_END);
    int64_t second = instant_us(t->start, now) / 1000000;
    size_t i = second < 0 ? 0 : (size_t)second;
    if (i >= t->second_count)
        i = t->second_count - 1;
    if (i >= t->second_used)
        t->second_used = i + 1;
    t->last_answer = now;
    t->status[status]++;
    if (status >= 200 && status <= 299) {
        t->second[i].answered_2xx++;
        t->answered_2xx++;
    } else {
        t->second[i].other++;
        t->other++;
    }
}

double tally_elapsed_s(const struct tally *t)
{
    return (double)instant_us(t->start, t->last_answer) / 1e6;
}

double tally_rate(const struct tally *t)
{
    double elapsed_s = tally_elapsed_s(t);
    return elapsed_s > 0 ? (double)t->answered_2xx / elapsed_s : 0.0;
}
