/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/replay_told.h"

/* How long a reason to wait must last before it is written down, and how often a scan that finds
 * nothing is. */
#define WAITS_LAST_MS    500
#define POSITION_LAST_MS 200

void replay_told_begin(struct replay_told *t, const struct replay *job, struct mono now)
{
    t->last = (struct replays_progress){.id = job->id,
                                        .position = job->position,
                                        .mark = job->mark,
                                        .published = job->published,
                                        .failed = job->failed,
                                        .serial = t->last.serial};
    memcpy(t->last.failure, job->failure, sizeof t->last.failure);
    memcpy(t->last.waits, job->waits, sizeof t->last.waits);
    t->settled = t->last.serial;
    t->at = now;
}

static bool is_same(const struct replays_progress *a, const struct replays_progress *b)
{
    return a->position == b->position && a->mark == b->mark && a->published == b->published &&
           a->failed == b->failed && a->is_over == b->is_over &&
           strcmp(a->failure, b->failure) == 0 && strcmp(a->waits, b->waits) == 0;
}

static bool has_grown(const struct replays_progress *a, const struct replays_progress *b)
{
    return a->mark != b->mark || a->published != b->published || a->failed != b->failed;
}

bool replay_told_tell(struct replay_told *t, struct settle *settle, const struct replay_telling *w)
{
    struct replays_progress *p = w->progress;
    bool is_time =
        (p->position != t->last.position && w->now.ns >= mono_add_ms(t->at, POSITION_LAST_MS).ns) ||
        (strcmp(p->waits, t->last.waits) != 0 &&
         w->now.ns >= mono_add_ms(w->waits_since, WAITS_LAST_MS).ns);
    bool is_due = w->is_urgent || is_time || has_grown(p, &t->last);
    p->serial = t->last.serial + 1;
    if (is_same(p, &t->last) || !is_due || !settle_replay(settle, p))
        return false;
    t->last = *p;
    t->at = w->now;
    return true;
}

void replay_told_settled(struct replay_told *t, uint64_t serial)
{
    t->settled = serial;
}

bool replay_told_is_settling(const struct replay_told *t)
{
    return t->settled != t->last.serial;
}
