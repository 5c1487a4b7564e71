/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_TREND_H
#define RELAY_RELAY_TREND_H

/*
 * How fast a figure changes: a few samples of it over time, the newest compared with one about
 * TREND_STEPS steps before. Nothing is guessed: too few samples, or too old ones, give no rate.
 *
 * Embedded; owns nothing. Threads: one at a time, whoever embeds it sees to that.
 */

#include "base/clock.h"

#define TREND_STEPS 12 /* kept samples; the window is so many steps long */

struct trend_sample {
    struct mono at;
    int64_t value;
};

struct trend {
    int64_t step_ms;
    struct trend_sample kept[TREND_STEPS]; /* a ring, at least a step apart */
    size_t count;                          /* ever */
    struct trend_sample newest;
    bool has_newest;
};

struct trend_rate {
    double per_second; /* positive: it grows */
    int64_t over_ms;   /* measured over so long */
};

/* step_ms: how far apart samples are kept. */
void trend_init(struct trend *t, int64_t step_ms);
/* Any number of samples may come; now never goes back. */
void trend_note(struct trend *t, struct mono now, int64_t value);
/*
 * False: unknown. That is so for the first two steps, and when the newest sample and the one before
 * it are more than fifteen windows apart or the newest is that old.
 */
bool trend_find(const struct trend *t, struct mono now, struct trend_rate *out);

#endif
