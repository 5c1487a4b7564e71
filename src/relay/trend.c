/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/trend.h"

/* Where samples come seldom, this many windows still say something of now. */
#define WINDOWS_MAX 15

void trend_init(struct trend *t, int64_t step_ms)
{
    *t = (struct trend){.step_ms = step_ms};
}

static int64_t ms_between(struct mono later, struct mono earlier)
{
    return mono_diff_ns(later, earlier) / 1000000;
}

void trend_note(struct trend *t, struct mono now, int64_t value)
{
    const struct trend_sample sample = {now, value};
    const struct trend_sample *last = &t->kept[(t->count + TREND_STEPS - 1) % TREND_STEPS];
    t->newest = sample;
    t->has_newest = true;
    if (t->count && ms_between(now, last->at) < t->step_ms)
        return;
    t->kept[t->count % TREND_STEPS] = sample;
    t->count++;
}

bool trend_find(const struct trend *t, struct mono now, struct trend_rate *out)
{
    const int64_t window_ms = TREND_STEPS * t->step_ms, limit_ms = WINDOWS_MAX * window_ms;
    size_t kept = t->count < TREND_STEPS ? t->count : TREND_STEPS;
    const struct trend_sample *base = NULL;
    if (!t->has_newest || ms_between(now, t->newest.at) > limit_ms)
        return false;
    /* From the newest back: the oldest inside the window, else the first behind it. */
    for (size_t i = 1; i <= kept; i++) {
        const struct trend_sample *s = &t->kept[(t->count - i) % TREND_STEPS];
        const int64_t age_ms = ms_between(t->newest.at, s->at);
        if (age_ms < 2 * t->step_ms)
            continue;
        if (age_ms > (base ? window_ms : limit_ms))
            break;
        base = s;
    }
    if (!base)
        return false;
    out->over_ms = ms_between(t->newest.at, base->at);
    out->per_second = (double)(t->newest.value - base->value) * 1000 / (double)out->over_ms;
    return true;
}
