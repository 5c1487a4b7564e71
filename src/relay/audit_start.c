/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_start.h"

#include <stdlib.h>

/* So short are the journal's read transactions. */
#define ROWS_AT_ONCE 1000

struct audit_start {
    int partitions;
    bool is_late;
    int64_t after;
    int64_t offsets[];
};

/* What a walk over the rows finds. */
struct walk {
    const struct audit_lanes *lanes;
    int64_t done;       /* the last row that was looked at */
    int64_t first;      /* the lowest seq that is asked for, or damaged; INT64_MAX: none */
    struct wall oldest; /* the earliest timestamp of one that is asked for; INT64_MAX: none */
    bool has_older;     /* a row of this lane, never parked, was received before */
};

struct audit_start *audit_start_create(int partitions)
{
    struct audit_start *s = calloc(1, sizeof *s + (size_t)partitions * sizeof s->offsets[0]);
    if (s)
        s->partitions = partitions;
    return s;
}

void audit_start_destroy(struct audit_start *s)
{
    free(s);
}

static void on_row(void *arg, const struct journal_audit_row *row)
{
    struct walk *w = arg;
    const struct event *ev = &row->row.ev;
    bool is_asked_for = row->row.intact && ev->received.us >= w->lanes->opts->since.us;
    w->done = row->row.seq;
    /* A damaged row is told of whatever its time, which nobody knows. */
    if ((is_asked_for || !row->row.intact) && row->row.seq < w->first)
        w->first = row->row.seq;
    if (is_asked_for && event_record_time(ev).us < w->oldest.us)
        w->oldest = event_record_time(ev);
    /* A requeue has the received time of long before, wherever it stands. */
    if (row->row.intact && !is_asked_for && row->fate == JOURNAL_PUBLISHED && !row->row.parent)
        w->has_older = true;
}

/* Retention deletes a lane from its front: when a row that it left is older than what is asked
 * for, so is what it took. */
static enum status walk_lane(struct walk *w, const struct audit_lanes_one *lane, int64_t last_seq,
                             struct err *e)
{
    const struct audit_journal *journal = w->lanes->opts->journal;
    enum status st = ST_OK;
    int64_t count = 1;
    w->done = lane->floor;
    w->has_older = lane->floor == 0;
    while (st == ST_OK && count && w->done < last_seq) {
        const struct journal_audit_want want = {lane->in.id, w->done, last_seq, ROWS_AT_ONCE};
        st = journal->rows(journal->ctx, &want, on_row, w, &count, e);
    }
    return st;
}

static enum status find_offsets(struct audit_start *s, const struct walk *w, struct err *e)
{
    const struct audit_feed *feed = w->lanes->opts->feed;
    struct wall from = {w->oldest.us - AUDIT_START_MARGIN_US};
    enum status st = ST_OK;
    int64_t low;
    for (int p = 0; p < s->partitions && st == ST_OK; p++) {
        if (w->oldest.us == INT64_MAX)
            st = feed->span(feed->ctx, p, &low, &s->offsets[p], e);
        else
            st = feed->find(feed->ctx, p, from, &s->offsets[p], e);
    }
    return st;
}

enum status audit_start_find(struct audit_start *s, const struct audit_lanes *lanes,
                             int64_t last_seq, struct err *e)
{
    struct walk w = {.lanes = lanes, .first = INT64_MAX, .oldest.us = INT64_MAX};
    bool is_late = lanes->opts->since.us != INT64_MIN;
    enum status st = ST_OK;
    for (size_t i = 0; i < lanes->count && st == ST_OK && is_late; i++) {
        if (!lanes->list[i].is_wanted)
            continue;
        st = walk_lane(&w, &lanes->list[i], last_seq, e);
        is_late = w.has_older;
    }
    if (st != ST_OK || !is_late)
        return st;
    s->is_late = true;
    s->after = w.first <= last_seq ? w.first - 1 : last_seq;
    return find_offsets(s, &w, e);
}

bool audit_start_is_late(const struct audit_start *s)
{
    return s->is_late;
}

int64_t audit_start_offset(const struct audit_start *s, int partition)
{
    CHECK(partition >= 0 && partition < s->partitions);
    return s->is_late ? s->offsets[partition] : 0;
}

int64_t audit_start_after(const struct audit_start *s)
{
    return s->after;
}
