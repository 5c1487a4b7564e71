/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/settle.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"

struct park {
    int64_t lane;
    int64_t seq;
    char reason[SETTLE_REASON_MAX];
};

/* One batch of what is to be written. Cursors and marks are indexed by lane, 0 is none; lanes lists
 * those that moved. */
struct sheet {
    int64_t cursor[JOURNAL_LANES_MAX + 1];
    int64_t mark[JOURNAL_LANES_MAX + 1];
    int64_t lanes[JOURNAL_LANES_MAX];
    size_t lane_count;
    struct park parks[SETTLE_PARKS_MAX];
    size_t park_count;
    char cluster_id[128];
    char delivery[SETTLE_DELIVERY_MAX];
    struct replays_progress replay; /* id 0: none */
    bool suspects_replays;
};

struct settle {
    struct commit_job job;
    struct committer *committer;
    const struct wakeup *wakeup;
    struct sheet *gathering; /* the forwarder writes here */
    struct sheet *sent;      /* the committer reads here while under_way */
    _Atomic bool under_way;
    _Atomic bool failed; /* the last one did not commit: `sent` must go again */
    struct mono retry_at;
    bool is_to_take; /* `sent` went out and nobody was told yet */
    void (*on_replay)(void *arg, const struct replays_progress *progress); /* may be NULL */
    void *replay_arg;
};

/* How soon a settlement that did not commit (full disk) goes again. */
#define RETRY_MS 250

static bool is_empty(const struct sheet *s)
{
    return !s->lane_count && !s->park_count && !s->cluster_id[0] && !s->delivery[0] &&
           !s->replay.id && !s->suspects_replays;
}

static void clear(struct sheet *s)
{
    for (size_t i = 0; i < s->lane_count; i++) {
        s->cursor[s->lanes[i]] = 0;
        s->mark[s->lanes[i]] = 0;
    }
    s->lane_count = 0;
    s->park_count = 0;
    s->cluster_id[0] = 0;
    s->delivery[0] = 0;
    s->replay.id = 0;
    s->suspects_replays = false;
}

static enum status apply_lane(const struct sheet *sheet, int64_t lane, struct journal *j,
                              struct err *e)
{
    enum status st = ST_OK;
    if (sheet->mark[lane])
        st = journal_set_mark(j, lane, sheet->mark[lane], e);
    FAILPOINT("settle.applying_lane");
    if (st == ST_OK && sheet->cursor[lane])
        st = journal_set_cursor(j, lane, sheet->cursor[lane], e);
    return st;
}

static enum status apply(struct commit_job *job, struct journal *j, struct err *e)
{
    struct settle *s = (struct settle *)job;
    const struct sheet *sheet = s->sent;
    enum status st = ST_OK;
    for (size_t i = 0; i < sheet->park_count && st == ST_OK; i++)
        st = journal_park(j, sheet->parks[i].lane, sheet->parks[i].seq,
                          slice_of(sheet->parks[i].reason), e);
    for (size_t i = 0; i < sheet->lane_count && st == ST_OK; i++)
        st = apply_lane(sheet, sheet->lanes[i], j, e);
    if (st == ST_OK && sheet->cluster_id[0])
        st = journal_set_meta(j, "kafka_cluster_id", sheet->cluster_id, e);
    if (st == ST_OK && sheet->delivery[0])
        st = journal_set_meta(j, "delivery", sheet->delivery, e);
    if (st == ST_OK && sheet->suspects_replays)
        st = replays_suspect(j, e);
    if (st == ST_OK && sheet->replay.id)
        st = replays_progress(j, &sheet->replay, e);
    return st;
}

static void done(struct commit_job *job, enum status outcome, const struct err *e)
{
    struct settle *s = (struct settle *)job;
    (void)e; /* the committer has logged it */
    s->failed = outcome != ST_OK;
    FAILPOINT("settle.committed");
    s->under_way = false;
    wakeup_signal(s->wakeup);
}

enum status settle_create(struct settle **out, struct committer *committer,
                          const struct wakeup *wakeup, struct err *e)
{
    struct settle *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ST_NO_MEM, "settlement: out of memory");
    s->committer = committer;
    s->wakeup = wakeup;
    s->job.apply = apply;
    s->job.done = done;
    s->gathering = calloc(1, sizeof *s->gathering);
    s->sent = calloc(1, sizeof *s->sent);
    if (!s->gathering || !s->sent) {
        settle_destroy(s);
        return err_set(e, ST_NO_MEM, "settlement: out of memory");
    }
    *out = s;
    return ST_OK;
}

void settle_destroy(struct settle *s)
{
    if (!s)
        return;
    CHECK(!s->under_way);
    free(s->gathering);
    free(s->sent);
    free(s);
}

static void list_lane(struct sheet *sheet, int64_t lane)
{
    CHECK(lane > 0 && lane <= JOURNAL_LANES_MAX);
    if (!sheet->cursor[lane] && !sheet->mark[lane])
        sheet->lanes[sheet->lane_count++] = lane;
}

void settle_cursor(struct settle *s, int64_t lane, int64_t seq)
{
    struct sheet *sheet = s->gathering;
    list_lane(sheet, lane);
    if (sheet->cursor[lane] < seq)
        sheet->cursor[lane] = seq;
}

void settle_mark(struct settle *s, int64_t lane, int64_t seq)
{
    struct sheet *sheet = s->gathering;
    list_lane(sheet, lane);
    if (sheet->mark[lane] < seq)
        sheet->mark[lane] = seq;
}

void settle_take(struct settle *s, const struct settle_listener *listener)
{
    const struct sheet *sheet = s->sent;
    if (!s->is_to_take || s->under_way || s->failed)
        return;
    for (size_t i = 0; i < sheet->lane_count; i++) {
        int64_t lane = sheet->lanes[i];
        listener->on_lane(listener->arg, lane, sheet->cursor[lane], sheet->mark[lane]);
    }
    if (sheet->delivery[0])
        listener->on_delivery(listener->arg);
    if (sheet->park_count && listener->on_parked)
        listener->on_parked(listener->arg);
    if (sheet->replay.id && s->on_replay)
        s->on_replay(s->replay_arg, &sheet->replay);
    s->is_to_take = false;
    FAILPOINT("settle.marks_taken");
}

bool settle_park(struct settle *s, int64_t lane, int64_t seq, const char *reason)
{
    struct sheet *sheet = s->gathering;
    if (sheet->park_count == SETTLE_PARKS_MAX)
        return false;
    struct park *p = &sheet->parks[sheet->park_count++];
    p->lane = lane;
    p->seq = seq;
    snprintf(p->reason, sizeof p->reason, "%s", reason);
    return true;
}

void settle_cluster(struct settle *s, const char *cluster_id)
{
    snprintf(s->gathering->cluster_id, sizeof s->gathering->cluster_id, "%s", cluster_id);
}

void settle_delivery(struct settle *s, const char *delivery)
{
    snprintf(s->gathering->delivery, sizeof s->gathering->delivery, "%s", delivery);
}

void settle_suspect_replays(struct settle *s)
{
    s->gathering->suspects_replays = true;
}

bool settle_replay(struct settle *s, const struct replays_progress *progress)
{
    struct replays_progress *waiting = &s->gathering->replay;
    if (waiting->id && waiting->id != progress->id)
        return false;
    *waiting = *progress;
    return true;
}

void settle_listen_replay(struct settle *s,
                          void (*on_replay)(void *arg, const struct replays_progress *progress),
                          void *arg)
{
    s->on_replay = on_replay;
    s->replay_arg = arg;
}

void settle_submit(struct settle *s, struct mono now)
{
    if (s->under_way || (s->failed && now.ns < s->retry_at.ns))
        return;
    /* It may have ended since its end was looked for: what it says comes first, the wake-up brings
     * the next turn. */
    if (!s->failed && s->is_to_take)
        return;
    if (!s->failed) {
        struct sheet *through = s->sent;
        clear(through);
        if (is_empty(s->gathering))
            return;
        s->sent = s->gathering;
        s->gathering = through;
    }
    s->retry_at = mono_add_ms(now, RETRY_MS);
    s->is_to_take = true;
    s->failed = false;
    s->under_way = true;
    FAILPOINT("settle.submitting");
    if (committer_submit(s->committer, &s->job) != ST_OK) {
        /* A full mailbox empties, a closed one ends the process: the sheet stays and goes with a
         * later call. */
        s->failed = true;
        s->under_way = false;
    }
}

bool settle_is_under_way(const struct settle *s)
{
    return s->under_way;
}

bool settle_is_pending(const struct settle *s)
{
    return s->under_way || s->failed || !is_empty(s->gathering);
}
