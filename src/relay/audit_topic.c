/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/audit_chain.h"
#include "relay/audit_load.h"
#include "relay/audit_order.h"
#include "relay/audit_place.h"
#include "relay/audit_record.h"
#include "relay/audit_start.h"

struct topic {
    const char *name;
    const struct audit_opts *opts;
    struct audit_result *result;
    struct ident digest_key;
    struct audit_lanes lanes;
    struct audit_lane stray; /* what names no lane of the topic */
    int64_t last_seq;
    int partitions;
    struct audit_place *place;
    struct audit_start *start;
    bool is_front;  /* what lies before a late start is read now */
    bool is_placed; /* every key is where the default partitioner puts it */
    int pass;
    int64_t read, of; /* records of this pass */
    struct audit_rows *rows;
    int64_t rows_after, rows_to; /* the window of rows */
    struct audit_chain *chain;
    int64_t chain_from; /* the window of deleted rows begins here */
    int64_t chain_low;  /* the lowest of them that any record tells of; 0: none */
    struct audit_order *order;
    int64_t next_offset; /* behind what was read last */
    int64_t stop_at;     /* records from this offset on are not for now */
    int64_t check_end;
    enum status st; /* of what a callback did */
    struct err *e;
};

/* ---- findings ---- */

static void report(struct topic *t, struct audit_lane *lane, const struct audit_finding *what)
{
    struct audit_finding finding = *what;
    finding.lane = lane;
    lane->found[what->kind]++;
    t->result->findings++;
    t->opts->on_finding(t->opts->ctx, &finding);
}

/* Of a record. */
static void blame(struct topic *t, struct audit_lane *lane, enum audit_kind kind,
                  const struct audit_record *r, const char *detail)
{
    report(t, lane,
           &(struct audit_finding){.kind = kind,
                                   .seq = r->seq,
                                   .partition = r->in->partition,
                                   .offset = r->in->offset,
                                   .detail = detail});
}

/* Of an event that has no record. */
static void miss(struct topic *t, struct audit_lanes_one *lane, enum audit_kind kind, int64_t seq,
                 const char *detail)
{
    report(t, &lane->out,
           &(struct audit_finding){
               .kind = kind, .seq = seq, .partition = -1, .offset = -1, .detail = detail});
}

/* ---- records ---- */

static bool is_in_window(const struct topic *t, int64_t seq)
{
    return seq > t->rows_after && seq <= t->rows_to;
}

/* The row of the record: in the lane that it names, or in another one of the topic. */
static struct audit_rows_entry *find_row(struct topic *t, struct audit_lanes_one *named,
                                         int64_t seq, struct audit_lanes_one **owner)
{
    struct audit_rows_entry *entry = NULL;
    if (!is_in_window(t, seq))
        return NULL;
    for (size_t i = 0; i <= t->lanes.count && !entry; i++) {
        struct audit_lanes_one *lane = i ? &t->lanes.list[i - 1] : named;
        if (!lane || !lane->is_wanted)
            continue;
        *owner = lane;
        entry = audit_rows_find(t->rows, lane->part, seq);
    }
    return entry;
}

/* Holds a record against its row, read once more. ST_NOT_FOUND: the row is deleted. */
static enum status compare(struct topic *t, const struct audit_record *r,
                           struct audit_comparison *out)
{
    enum status st = audit_lanes_compare(&t->lanes, r, out, t->e);
    if (st != ST_OK && st != ST_NOT_FOUND)
        t->st = st;
    return st;
}

static void blame_altered(struct topic *t, struct audit_lanes_one *lane,
                          const struct audit_record *r)
{
    struct audit_comparison c;
    enum status st = compare(t, r, &c);
    blame(t, &lane->out, AUDIT_ALTERED, r,
          st == ST_OK && c.differs ? c.difference : "not what the journal had");
}

static void judge_first(struct topic *t, const struct audit_lanes_one *named,
                        const struct audit_record *r)
{
    const struct audit_order_record record = {.lane = (size_t)(named - t->lanes.list),
                                              .key = r->in->key,
                                              .seq = r->seq,
                                              .offset = r->in->offset};
    if (r->in->key.len)
        audit_order_suspect(t->order, &record);
}

static void judge_repeat(struct topic *t, struct audit_lanes_one *lane,
                         const struct audit_record *r)
{
    lane->out.repeated++;
    /* The one that was read first comes later in the topic. */
    if (!r->is_labelled && !t->is_front)
        blame(t, &lane->out, AUDIT_UNLABELLED, r, "a repeat without relay-possible-duplicate");
}

/* A record with a row in the window; suspect_of is its lane when it came behind a higher seq. */
static void judge_row(struct topic *t, struct audit_lanes_one *lane, struct audit_rows_entry *entry,
                      const struct audit_record *r, const struct audit_lanes_one *suspect_of)
{
    unsigned state = entry->state, fate = state & AUDIT_LOAD_FATE;
    struct ident digest;
    if (fate == AUDIT_LOAD_OUTSIDE)
        return;
    if (state & AUDIT_LOAD_SEEN)
        judge_repeat(t, lane, r);
    else if (suspect_of)
        judge_first(t, suspect_of, r);
    state |= AUDIT_LOAD_SEEN;
    digest = audit_record_digest(r, &t->digest_key);
    if (fate == AUDIT_LOAD_DAMAGED || audit_rows_is_same(entry, &digest))
        state |= AUDIT_LOAD_INTACT;
    else
        blame_altered(t, lane, r);
    entry->state = (uint8_t)state;
}

static void note_low(struct topic *t, int64_t seq)
{
    if (!t->chain_low || seq < t->chain_low)
        t->chain_low = seq;
}

/* A record whose row is deleted. */
static void judge_pruned(struct topic *t, struct audit_lanes_one *lane,
                         const struct audit_record *r, const struct audit_lanes_one *suspect_of)
{
    bool in_time = audit_lanes_is_in_time(&t->lanes, r->received);
    /* Then none of the deleted ones is asked for. */
    if (audit_start_is_late(t->start))
        return;
    note_low(t, r->seq);
    if (r->prev && in_time) {
        note_low(t, r->prev);
        if (audit_chain_covers(t->chain, r->prev))
            audit_chain_name(t->chain, lane->part, r->prev);
    }
    if (!audit_chain_covers(t->chain, r->seq))
        return;
    bool before = audit_chain_see(t->chain, lane->part, r->seq);
    if (!in_time)
        return;
    if (before) {
        judge_repeat(t, lane, r);
        return;
    }
    lane->out.pruned++;
    if (suspect_of)
        judge_first(t, suspect_of, r);
}

static void judge_rowless(struct topic *t, struct audit_lanes_one *named,
                          const struct audit_record *r, const struct audit_lanes_one *suspect_of)
{
    if (!named) {
        if (is_in_window(t, r->seq) && !t->opts->lane &&
            audit_lanes_is_in_time(&t->lanes, r->received))
            blame(t, &t->stray, AUDIT_UNKNOWN, r, "ce_source names no source of this topic");
        return;
    }
    if (!named->is_wanted)
        return;
    if (r->seq <= named->floor)
        judge_pruned(t, named, r, suspect_of);
    else if (is_in_window(t, r->seq) && audit_lanes_is_in_time(&t->lanes, r->received)) {
        if (r->seq <= named->gone_to)
            named->out.pruned++;
        else
            blame(t, &named->out, AUDIT_UNKNOWN, r, "the lane never had this seq");
    }
}

/* For the rule of what is expired. */
static void note_place(struct topic *t, size_t lane, const struct audit_record *r)
{
    const struct audit_feed *feed = t->opts->feed;
    audit_place_see(t->place, lane, r->in->partition, r->seq);
    if (r->in->key.len && t->is_placed)
        t->is_placed = feed->place(feed->ctx, r->in->key) == r->in->partition;
}

static void judge(struct topic *t, const struct audit_record *r)
{
    struct audit_lanes_one *named = audit_lanes_find(&t->lanes, r->source), *owner = NULL;
    const struct audit_lanes_one *suspect_of = NULL;
    struct audit_rows_entry *entry;
    if (named) {
        size_t lane = (size_t)(named - t->lanes.list);
        note_place(t, lane, r);
        if (audit_order_pass(t->order, lane, r->seq))
            suspect_of = named;
    }
    entry = find_row(t, named, r->seq, &owner);
    if (entry)
        judge_row(t, owner, entry, r, suspect_of);
    else
        judge_rowless(t, named, r, suspect_of);
}

/* Of any lane, also of another topic; in the first pass only. */
static void judge_replay(struct topic *t, const struct audit_record *r)
{
    struct audit_comparison c;
    struct audit_lanes_one *named = audit_lanes_find(&t->lanes, r->source);
    struct audit_lane *out = named ? &named->out : &t->stray;
    enum status st;
    if (!audit_lanes_is_in_time(&t->lanes, r->received) ||
        (t->opts->lane && out->id != t->opts->lane))
        return;
    out->replayed++;
    st = compare(t, r, &c);
    if (st == ST_OK && c.differs)
        blame(t, out, AUDIT_ALTERED, r, c.difference);
}

static void tell_progress(struct topic *t)
{
    if (t->opts->on_progress && t->read % AUDIT_PROGRESS_STEP == 0)
        t->opts->on_progress(t->opts->ctx, t->name, t->pass, t->read, t->of);
}

static bool on_record(void *arg, const struct kafka_reader_record *in)
{
    struct topic *t = arg;
    struct audit_record r;
    bool is_first = t->pass == 1;
    if (in->offset >= t->stop_at)
        return false;
    t->next_offset = in->offset + 1;
    t->read++;
    tell_progress(t);
    audit_record_read(&r, in, t->opts->journal_id);
    if (!r.is_ours) {
        t->result->foreign += is_first;
        return true;
    }
    t->result->records += is_first;
    if (r.seq == 0 || r.seq > t->last_seq) {
        if (is_first && !t->opts->lane)
            blame(t, &t->stray, AUDIT_UNKNOWN, &r,
                  r.seq ? "the journal has not come to this seq" : "relay-seq is no number");
    } else if (!r.is_replay) {
        judge(t, &r);
    } else if (is_first) {
        judge_replay(t, &r);
    }
    return t->st == ST_OK && !audit_order_is_full(t->order);
}

/* ---- order ---- */

static bool on_record_again(void *arg, const struct kafka_reader_record *in)
{
    struct topic *t = arg;
    struct audit_lanes_one *named = NULL;
    struct audit_record r;
    char detail[64];
    audit_record_read(&r, in, t->opts->journal_id);
    if (r.is_ours && !r.is_replay && r.seq && r.seq <= t->last_seq && in->key.len)
        named = audit_lanes_find(&t->lanes, r.source);
    if (named) {
        const struct audit_order_record record = {(size_t)(named - t->lanes.list), in->key, r.seq,
                                                  in->offset};
        int64_t high = audit_order_check(t->order, &record);
        snprintf(detail, sizeof detail, "behind seq %" PRId64 " of the same key", high);
        if (high)
            blame(t, &named->out, AUDIT_DISORDERED, &r, detail);
    }
    return in->offset + 1 < t->check_end;
}

static enum status read_partition(struct topic *t, int partition)
{
    const struct audit_feed *feed = t->opts->feed;
    int64_t low, end, late = audit_start_offset(t->start, partition);
    bool was_full = true;
    enum status st = feed->span(feed->ctx, partition, &low, &end, t->e);
    t->next_offset = t->is_front || late < low ? low : late;
    t->stop_at = t->is_front ? late : INT64_MAX;
    audit_order_begin(t->order);
    while (st == ST_OK && was_full) {
        st = feed->read(feed->ctx, partition, t->next_offset, on_record, t, t->e);
        if (st == ST_OK)
            st = t->st;
        was_full = audit_order_is_full(t->order);
        t->check_end = audit_order_end(t->order);
        if (st == ST_OK && t->check_end)
            st = feed->read(feed->ctx, partition, low, on_record_again, t, t->e);
        audit_order_clear(t->order);
    }
    return st;
}

/* ---- what is not there ---- */

struct placing {
    const struct audit_feed *feed;
    int place; /* of the row's key; -1: any */
};

static void on_row_to_place(void *arg, const struct journal_audit_row *row)
{
    struct placing *p = arg;
    if (row->row.intact && row->row.ev.key.len)
        p->place = p->feed->place(p->feed->ctx, row->row.ev.key);
}

static bool is_expired(struct topic *t, const struct audit_lanes_one *lane, int64_t seq)
{
    const struct audit_journal *journal = t->opts->journal;
    size_t number = (size_t)(lane - t->lanes.list);
    struct placing p = {t->opts->feed, -1};
    struct err ignored; /* a row that is gone meanwhile may be anywhere */
    if (!audit_place_may_be_expired(t->place, number, seq, -1))
        return false;
    if (!t->is_placed || journal->row(journal->ctx, seq, on_row_to_place, &p, &ignored) != ST_OK)
        return true;
    return audit_place_may_be_expired(t->place, number, seq, p.place);
}

static void count_row(struct topic *t, struct audit_lanes_one *lane, unsigned state, int64_t seq)
{
    bool is_seen = state & AUDIT_LOAD_SEEN;
    switch (state & AUDIT_LOAD_FATE) {
    case AUDIT_LOAD_PARKED:
        lane->out.parked++;
        break;
    case AUDIT_LOAD_REQUEUED:
        lane->out.requeued++;
        break;
    case AUDIT_LOAD_DISCARDED:
        lane->out.discarded++;
        break;
    case AUDIT_LOAD_DAMAGED:
        miss(t, lane, AUDIT_DAMAGED, seq, "its checksum does not hold: journal verify");
        break;
    case AUDIT_LOAD_PUBLISHED:
    case AUDIT_LOAD_WAITS:
        if (state & AUDIT_LOAD_INTACT)
            lane->out.complete++;
        else if (!is_seen && (state & AUDIT_LOAD_FATE) == AUDIT_LOAD_WAITS)
            lane->out.waiting++;
        else if (!is_seen && seq <= lane->in_other)
            lane->out.elsewhere++;
        else if (!is_seen && is_expired(t, lane, seq))
            lane->out.expired++;
        else if (!is_seen)
            miss(t, lane, AUDIT_MISSING, seq, "published by the journal's account");
        break;
    default:
        break;
    }
}

static enum status count_holes(struct topic *t, struct audit_lanes_one *lane)
{
    const struct audit_journal *journal = t->opts->journal;
    enum status st = ST_OK;
    bool was_parked;
    for (int64_t seq = 0; st == ST_OK && audit_chain_next_hole(t->chain, lane->part, &seq); seq++) {
        st = journal->was_parked(journal->ctx, seq, &was_parked, t->e);
        if (st != ST_OK || was_parked)
            continue;
        if (seq <= lane->in_other)
            lane->out.elsewhere++;
        else if (audit_place_may_be_expired(t->place, (size_t)(lane - t->lanes.list), seq, -1))
            lane->out.expired++;
        else
            miss(t, lane, AUDIT_HOLE, seq, "the next record names it; its row is deleted");
    }
    return st;
}

static enum status judge_absent(struct topic *t)
{
    enum status st = ST_OK;
    int64_t seq;
    for (int p = 0; p < t->partitions && st == ST_OK; p++) {
        int64_t low = 0, end;
        st = t->opts->feed->span(t->opts->feed->ctx, p, &low, &end, t->e);
        audit_place_begins_at(t->place, p, low);
    }
    for (size_t i = 0; i < t->lanes.count && st == ST_OK; i++) {
        struct audit_lanes_one *lane = &t->lanes.list[i];
        if (!lane->is_wanted)
            continue;
        for (size_t n = 0; n < audit_rows_count(t->rows, lane->part); n++) {
            const struct audit_rows_entry *entry = audit_rows_at(t->rows, lane->part, n, &seq);
            count_row(t, lane, entry->state, seq);
        }
        st = count_holes(t, lane);
    }
    return st;
}

/* ---- windows ---- */

/* The next window of deleted rows, which ends before the last one or with the newest of them. */
static void place_chain(struct topic *t)
{
    int64_t before = t->chain_from;
    bool is_timeless = t->opts->since.us == INT64_MIN && t->opts->until.us == INT64_MAX;
    for (size_t i = 0; i < t->lanes.count && t->pass == 1; i++) {
        int64_t floor = t->lanes.list[i].is_wanted ? t->lanes.list[i].floor : 0;
        if (floor >= before)
            before = floor + 1;
        if (floor && is_timeless)
            note_low(t, floor);
    }
    if (before <= 1 || audit_start_is_late(t->start)) {
        audit_chain_reset(t->chain, 0, 0);
        return;
    }
    t->chain_from = before - audit_chain_capacity(t->chain);
    if (t->chain_from < 1)
        t->chain_from = 1;
    audit_chain_reset(t->chain, t->chain_from, before);
    for (size_t i = 0; i < t->lanes.count; i++) {
        const struct audit_lanes_one *lane = &t->lanes.list[i];
        /* The journal itself names the last deleted one, in its oldest row or its cursor. */
        if (is_timeless && lane->is_wanted && lane->floor < before &&
            audit_chain_covers(t->chain, lane->floor))
            audit_chain_name(t->chain, lane->part, lane->floor);
    }
}

static enum status read_partitions(struct topic *t)
{
    enum status st = ST_OK;
    for (int p = 0; p < t->partitions && st == ST_OK; p++)
        st = read_partition(t, p);
    return st;
}

/* Whether an event of this pass that should be there was not met yet. */
static bool is_something_absent(const struct topic *t)
{
    const unsigned mask = AUDIT_LOAD_FATE | AUDIT_LOAD_SEEN;
    for (size_t i = 0; i < t->lanes.count; i++) {
        const struct audit_lanes_one *lane = &t->lanes.list[i];
        if (lane->is_wanted &&
            audit_rows_has(t->rows, lane->part, lane->in_other, mask, AUDIT_LOAD_PUBLISHED))
            return true;
    }
    return false;
}

static enum status run_passes(struct topic *t)
{
    enum status st = ST_OK;
    bool more = true;
    t->rows_after = audit_start_after(t->start);
    while (st == ST_OK && more) {
        t->pass++;
        t->read = 0;
        t->rows_to = t->last_seq;
        audit_place_begin(t->place);
        st = audit_load_rows(&t->lanes, t->rows, &t->digest_key, t->rows_after, &t->rows_to, t->e);
        place_chain(t);
        if (st == ST_OK)
            st = read_partitions(t);
        t->is_front = audit_start_is_late(t->start) && is_something_absent(t);
        if (st == ST_OK && t->is_front)
            st = read_partitions(t);
        t->is_front = false;
        if (st == ST_OK)
            st = judge_absent(t);
        t->rows_after = t->rows_to;
        more = t->rows_to < t->last_seq || (t->chain_low && t->chain_low < t->chain_from);
        if (t->chain_from <= 1 || !t->chain_low || t->chain_low >= t->chain_from)
            t->chain_from = 0;
    }
    if (t->pass > t->result->passes)
        t->result->passes = t->pass;
    return st;
}

/* ---- beginning and end ---- */

/* Cursors, then ends, then lanes again: what is published meanwhile is beyond the cursors. */
static enum status look(struct topic *t)
{
    const struct audit_journal *journal = t->opts->journal;
    const struct audit_feed *feed = t->opts->feed;
    enum status st = audit_lanes_look(&t->lanes, t->e);
    if (st == ST_OK)
        st = feed->open(feed->ctx, t->name, &t->partitions, t->e);
    if (st == ST_NOT_FOUND) {
        t->partitions = 0;
        st = ST_OK;
    }
    for (int p = 0; p < t->partitions && st == ST_OK; p++) {
        int64_t low = 0, end = 0;
        st = feed->span(feed->ctx, p, &low, &end, t->e);
        t->of += end - low;
    }
    if (st == ST_OK)
        st = audit_lanes_look(&t->lanes, t->e);
    if (st == ST_OK)
        st = journal->last_seq(journal->ctx, &t->last_seq, t->e);
    return st == ST_OK ? audit_lanes_settle(&t->lanes, t->e) : st;
}

static enum status prepare(struct topic *t)
{
    size_t sixteenth = t->opts->memory_bytes / 16;
    bool is_pruned = t->lanes.is_pruned;
    t->rows = audit_rows_create(t->lanes.wanted, (is_pruned ? 12 : 15) * sixteenth);
    t->chain = audit_chain_create(t->lanes.wanted, is_pruned ? 3 * sixteenth : 0);
    t->order = audit_order_create(t->lanes.count, sixteenth);
    t->place = audit_place_create(t->lanes.count, t->partitions);
    t->start = audit_start_create(t->partitions);
    if (!t->rows || !t->chain || !t->order || !t->place || !t->start)
        return err_set(t->e, ST_NO_MEM, "audit: out of memory");
    return audit_start_find(t->start, &t->lanes, t->last_seq, t->e);
}

static void tell_lanes(const struct topic *t)
{
    bool is_stray = t->stray.replayed > 0;
    for (size_t i = 0; i < t->lanes.count; i++)
        if (t->lanes.list[i].is_wanted)
            t->opts->on_lane(t->opts->ctx, &t->lanes.list[i].out);
    for (int kind = 0; kind < AUDIT_KINDS; kind++)
        is_stray |= t->stray.found[kind] > 0;
    if (is_stray)
        t->opts->on_lane(t->opts->ctx, &t->stray);
}

enum status audit_topic_run(const char *name, const struct audit_opts *opts,
                            struct audit_result *out, struct err *e)
{
    struct topic t = {.name = name,
                      .opts = opts,
                      .result = out,
                      .digest_key = ident_random(),
                      .stray = {.source = "", .topic = name},
                      .is_placed = true,
                      .e = e};
    enum status st;
    audit_lanes_init(&t.lanes, name, opts);
    st = look(&t);
    if (st == ST_OK)
        st = prepare(&t);
    if (st == ST_OK)
        st = run_passes(&t);
    if (st == ST_OK)
        tell_lanes(&t);
    audit_rows_destroy(t.rows);
    audit_chain_destroy(t.chain);
    audit_order_destroy(t.order);
    audit_place_destroy(t.place);
    audit_start_destroy(t.start);
    audit_lanes_fini(&t.lanes);
    return st;
}
