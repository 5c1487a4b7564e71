/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_TEST_AUDIT_KIT_H
#define UNIT_TEST_AUDIT_KIT_H

/*
 * A journal of three lanes and two topics made of arrays, and an audit over them: every feed is
 * audited with ample memory and with next to none, and both must say the same. Threads: one.
 */

#include "relay/audit.h"
#include "relay/audit_record.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JOURNAL "11111111-2222-4333-8444-555555555555"

#define ROWS_MAX    4096
#define RECORDS_MAX 8192
#define LANES       3
#define PARTITIONS  3
#define SECOND_US   INT64_C(1000000)
#define FIRST_US    INT64_C(1767225600000000)

/* The smallest bound: a few rows and 192 deleted ones a pass, one suspect of order. */
#define TINY_BYTES  AUDIT_MEMORY_MIN_BYTES
#define AMPLE_BYTES (1u << 20)

struct fake_row {
    int64_t prev;
    int64_t lane;
    enum journal_fate fate;
    int key; /* "k0".."k99"; negative: none */
    bool is_deleted;
    bool is_damaged;
    int late_s; /* so long it was received after its own time, which its timestamp is */
};

enum change {
    CHANGED_NOTHING,
    CHANGED_VALUE,
    CHANGED_KEY,
    CHANGED_ID,
    CHANGED_TYPE,
    CHANGED_PREV,
    CHANGED_SEQ,
    CHANGED_JOURNAL,
    CHANGED_SOURCE,
};

struct fake_record {
    int64_t seq;
    int topic; /* 0 or 1 */
    int partition;
    enum change change;
    bool is_labelled;
    bool is_replay;
    bool is_misdated; /* its timestamp is far before its own */
};

/* Lanes 1 (source a) and 2 (source b) share topic t0, lane 3 (source a) has t1. */
struct rig {
    struct fake_row rows[ROWS_MAX]; /* index is the seq */
    int64_t last_seq;
    int64_t cursor[LANES + 1], last_of[LANES + 1], bound_after[LANES + 1];
    struct fake_record records[RECORDS_MAX]; /* those of a partition in order */
    size_t record_count;
    int64_t low[2][PARTITIONS];
    bool is_without_topic[2];
    int open; /* topic */
    /* What a test judges. */
    struct audit_opts opts;
    struct audit_result result;
    struct audit_lane lanes[8];
    size_t lane_count;
    char text[8192]; /* findings, one a line, sorted */
    char *lines[256];
    size_t line_count;
};

static const char *const topics[] = {"t0", "t1"};

static inline int topic_of(int64_t lane)
{
    return lane == 3;
}

/* ---- the journal ---- */

struct content {
    struct journal_audit_row row;
    char id[32], key[8], body[64];
};

static inline struct wall received_of(int64_t seq)
{
    return (struct wall){FIRST_US + seq * SECOND_US};
}

/* The timestamp of its record. */
static inline struct wall time_of(const struct rig *r, int64_t seq)
{
    return (struct wall){received_of(seq).us - r->rows[seq].late_s * SECOND_US};
}

static inline void make_row(const struct rig *r, int64_t seq, struct content *c)
{
    const struct fake_row *row = &r->rows[seq];
    snprintf(c->id, sizeof c->id, "event-%" PRId64, seq);
    snprintf(c->key, sizeof c->key, "k%d", row->key);
    snprintf(c->body, sizeof c->body, "{\"id\":\"event-%" PRId64 "\"}", seq);
    c->row = (struct journal_audit_row){
        .row = {.seq = seq,
                .prev = row->prev,
                .lane = row->lane,
                .source = row->lane == 2 ? 2 : 1,
                .intact = !row->is_damaged,
                .ev = {.flags = EVENT_HAS_TIME,
                       .event_time = time_of(r, seq),
                       .body = slice_of(c->body),
                       .id = slice_of(c->id),
                       .type = slice_of("CONTACT/STARTED"),
                       .key = row->key < 0 ? (struct slice){0} : slice_of(c->key),
                       .received = received_of(seq)}},
        .fate = row->fate};
}

static inline struct journal_audit_lane make_lane(const struct rig *r, int64_t id)
{
    struct journal_audit_lane lane = {
        .lane = {.id = id, .source = id == 2 ? 2 : 1, .org = "org", .cursor = r->cursor[id]},
        .pruned_to = r->cursor[id],
        .bound_after = r->bound_after[id]};
    snprintf(lane.lane.source_name, sizeof lane.lane.source_name, "%s", id == 2 ? "b" : "a");
    snprintf(lane.lane.topic, sizeof lane.lane.topic, "%s", topics[topic_of(id)]);
    for (int64_t seq = r->last_seq; seq > 0; seq--) {
        const struct fake_row *row = &r->rows[seq];
        if (row->lane == id && !row->is_deleted && row->fate == JOURNAL_PUBLISHED)
            lane.pruned_to = row->prev;
    }
    return lane;
}

static inline enum status fake_lanes(void *ctx, journal_audit_lane_fn *fn, void *arg, struct err *e)
{
    (void)e;
    for (int64_t id = 1; id <= LANES; id++) {
        struct journal_audit_lane lane = make_lane(ctx, id);
        fn(arg, &lane);
    }
    return ST_OK;
}

static inline enum status fake_rows(void *ctx, const struct journal_audit_want *want,
                                    journal_audit_row_fn *fn, void *arg, int64_t *count,
                                    struct err *e)
{
    const struct rig *r = ctx;
    (void)e;
    *count = 0;
    for (int64_t seq = want->after + 1;
         seq <= want->upto && seq <= r->last_seq && *count < want->max_rows; seq++) {
        struct content c;
        if (r->rows[seq].lane != want->lane || r->rows[seq].is_deleted)
            continue;
        make_row(r, seq, &c);
        fn(arg, &c.row);
        ++*count;
    }
    return ST_OK;
}

static inline enum status fake_row(void *ctx, int64_t seq, journal_audit_row_fn *fn, void *arg,
                                   struct err *e)
{
    const struct rig *r = ctx;
    struct content c;
    if (seq > r->last_seq || r->rows[seq].is_deleted)
        return err_set(e, ST_NOT_FOUND, "no such row");
    make_row(r, seq, &c);
    fn(arg, &c.row);
    return ST_OK;
}

static inline enum status fake_parked(void *ctx,
                                      void (*fn)(void *arg, const struct journal_audit_parked *),
                                      void *arg, struct err *e)
{
    const struct rig *r = ctx;
    (void)e;
    for (int64_t seq = 1; seq <= r->last_seq; seq++) {
        const struct journal_audit_parked parked = {
            .seq = seq, .lane = r->rows[seq].lane, .fate = r->rows[seq].fate};
        if (parked.fate != JOURNAL_PUBLISHED)
            fn(arg, &parked);
    }
    return ST_OK;
}

static inline enum status fake_was_parked(void *ctx, int64_t seq, bool *out, struct err *e)
{
    const struct rig *r = ctx;
    (void)e;
    *out = r->rows[seq].fate != JOURNAL_PUBLISHED;
    return ST_OK;
}

static inline enum status fake_last_seq(void *ctx, int64_t *seq, struct err *e)
{
    (void)e;
    *seq = ((const struct rig *)ctx)->last_seq;
    return ST_OK;
}

static const struct audit_journal journal_door = {
    NULL, fake_lanes, fake_rows, fake_row, fake_parked, fake_was_parked, fake_last_seq};

/* ---- the topics ---- */

static inline enum status fake_open(void *ctx, const char *topic, int *partitions, struct err *e)
{
    struct rig *r = ctx;
    r->open = strcmp(topic, topics[1]) == 0;
    *partitions = PARTITIONS;
    if (r->is_without_topic[r->open])
        return err_set(e, ST_NOT_FOUND, "no such topic");
    return ST_OK;
}

static inline enum status fake_span(void *ctx, int partition, int64_t *low, int64_t *end,
                                    struct err *e)
{
    const struct rig *r = ctx;
    (void)e;
    *low = r->low[r->open][partition];
    *end = RECORDS_MAX;
    return ST_OK;
}

static inline void set_header(struct publisher_header *headers, size_t count, const char *name,
                              const char *value)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(headers[i].name, name) == 0)
            headers[i].value = slice_of(value);
}

static inline void apply_change(enum change change, struct kafka_reader_record *in,
                                struct publisher_header *h)
{
    size_t n = in->header_count;
    if (change == CHANGED_VALUE)
        in->value = slice_of("{}");
    else if (change == CHANGED_KEY)
        in->key = slice_of("k77");
    else if (change == CHANGED_ID)
        set_header(h, n, "ce_id", "another");
    else if (change == CHANGED_TYPE)
        set_header(h, n, "ce_type", "CONTACT/ENDED");
    else if (change == CHANGED_PREV)
        set_header(h, n, "relay-prev-seq", "1");
    else if (change == CHANGED_SEQ)
        set_header(h, n, "relay-seq", "none");
    else if (change == CHANGED_JOURNAL)
        set_header(h, n, "relay-journal", "99999999-2222-4333-8444-555555555555");
    else if (change == CHANGED_SOURCE)
        set_header(h, n, "ce_source", "/gladly/org/nobody");
}

/* seq may be beyond the journal: a record that it never had. */
static inline bool tell(struct rig *r, const struct fake_record *record, int64_t offset,
                        kafka_reader_fn *fn, void *arg)
{
    struct record_origin origin = {JOURNAL, "org", "a", topics[record->topic]};
    struct audit_expected made;
    struct publisher_header headers[PUBLISHER_HEADERS_MAX];
    struct content c;
    make_row(r, record->seq, &c);
    origin.source = c.row.row.source == 2 ? "b" : "a";
    audit_record_expect(&made, &c.row.row, &origin);
    made.in.partition = record->partition;
    made.in.offset = offset;
    memcpy(headers, made.in.headers, made.in.header_count * sizeof *headers);
    made.in.headers = headers;
    if (record->is_labelled)
        headers[made.in.header_count++] =
            (struct publisher_header){"relay-possible-duplicate", slice_of("true")};
    if (record->is_replay)
        headers[made.in.header_count++] = (struct publisher_header){"relay-replay", slice_of("1")};
    apply_change(record->change, &made.in, headers);
    return fn(arg, &made.in);
}

/* A record's offset is its index. */
static inline enum status fake_read(void *ctx, int partition, int64_t from, kafka_reader_fn *fn,
                                    void *arg, struct err *e)
{
    struct rig *r = ctx;
    int64_t low = r->low[r->open][partition];
    (void)e;
    for (size_t i = (size_t)(from > low ? from : low); i < r->record_count; i++) {
        const struct fake_record *record = &r->records[i];
        if (record->topic == r->open && record->partition == partition &&
            !tell(r, record, (int64_t)i, fn, arg))
            break;
    }
    return ST_OK;
}

static inline int fake_place(void *ctx, struct slice key)
{
    (void)ctx;
    return (int)(strtol(key.ptr + 1, NULL, 10) % PARTITIONS);
}

static inline enum status fake_find(void *ctx, int partition, struct wall t, int64_t *offset,
                                    struct err *e)
{
    struct rig *r = ctx;
    (void)e;
    *offset = RECORDS_MAX;
    for (size_t i = r->record_count; i-- > 0;) {
        const struct fake_record *record = &r->records[i];
        if (record->topic == r->open && record->partition == partition &&
            time_of(r, record->seq).us >= t.us && !record->is_misdated)
            *offset = (int64_t)i;
    }
    return ST_OK;
}

static const struct audit_feed feed_door = {NULL,      fake_open, fake_span,
                                            fake_read, fake_find, fake_place};

/* ---- the rig ---- */

static inline int64_t add_row(struct rig *r, int64_t lane, int key)
{
    int64_t seq = ++r->last_seq;
    assert_true(seq < ROWS_MAX);
    r->rows[seq] = (struct fake_row){.prev = r->last_of[lane], .lane = lane, .key = key};
    if (lane)
        r->last_of[lane] = r->cursor[lane] = seq;
    return seq;
}

static inline struct fake_record *add_record(struct rig *r, int64_t seq)
{
    struct fake_record *record = &r->records[r->record_count++];
    const struct fake_row *row = &r->rows[seq];
    assert_true(r->record_count < RECORDS_MAX);
    *record = (struct fake_record){.seq = seq,
                                   .topic = topic_of(row->lane),
                                   .partition = row->key < 0 ? 0 : row->key % PARTITIONS};
    return record;
}

/* So many events over the three lanes with 12 keys, all published. */
static inline void add_events(struct rig *r, int n)
{
    for (int i = 0; i < n; i++)
        add_record(r, add_row(r, 1 + i % LANES, i % 12));
}

static inline void remove_record(struct rig *r, int64_t seq)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->record_count; i++)
        if (r->records[i].seq != seq)
            r->records[kept++] = r->records[i];
    r->record_count = kept;
}

static inline struct fake_record *record_of(struct rig *r, int64_t seq)
{
    for (size_t i = 0; i < r->record_count; i++)
        if (r->records[i].seq == seq)
            return &r->records[i];
    fail();
    return NULL;
}

static inline void swap_records(struct rig *r, int64_t a, int64_t b)
{
    struct fake_record *first = record_of(r, a), *second = record_of(r, b), kept = *first;
    *first = *second;
    *second = kept;
}

static inline void delete_rows(struct rig *r, int64_t upto)
{
    for (int64_t seq = 1; seq <= upto; seq++)
        r->rows[seq].is_deleted = r->rows[seq].fate != JOURNAL_PARKED;
}

static inline void on_finding(void *ctx, const struct audit_finding *f)
{
    struct rig *r = ctx;
    assert_true(r->line_count < 256);
    assert_true(asprintf(&r->lines[r->line_count++], "%s %" PRId64 " of lane %" PRId64 ": %s\n",
                         audit_kind_name(f->kind), f->seq, f->lane->id, f->detail) > 0);
}

static inline void on_lane(void *ctx, const struct audit_lane *lane)
{
    struct rig *r = ctx;
    assert_true(r->lane_count < 8);
    struct audit_lane *kept = &r->lanes[r->lane_count++];
    *kept = *lane;
    kept->source = kept->topic = NULL;
}

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void run_within(struct rig *r, size_t bytes)
{
    struct audit_journal journal = journal_door;
    struct audit_feed feed = feed_door;
    struct err e = {0};
    size_t len = 0;
    journal.ctx = feed.ctx = r;
    r->opts.journal = &journal;
    r->opts.feed = &feed;
    r->opts.memory_bytes = bytes;
    r->lane_count = r->line_count = 0;
    assert_int_equal(audit_run(&r->opts, &r->result, &e), ST_OK);
    assert_int_equal(r->result.findings, r->line_count);
    qsort(r->lines, r->line_count, sizeof *r->lines, by_text);
    r->text[0] = 0;
    for (size_t i = 0; i < r->line_count; i++) {
        len += (size_t)snprintf(r->text + len, sizeof r->text - len, "%s", r->lines[i]);
        assert_true(len < sizeof r->text);
        free(r->lines[i]);
    }
}

/* Runs with ample memory and with next to none; both must say these findings. */
static inline void expect(struct rig *r, const char *findings)
{
    struct audit_lane ample[8];
    struct audit_result result;
    run_within(r, AMPLE_BYTES);
    assert_string_equal(r->text, findings);
    memcpy(ample, r->lanes, sizeof ample);
    result = r->result;
    run_within(r, TINY_BYTES);
    assert_string_equal(r->text, findings);
    assert_memory_equal(ample, r->lanes, r->lane_count * sizeof *ample);
    assert_int_equal(r->result.records, result.records);
    assert_int_equal(r->result.foreign, result.foreign);
}

static inline int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->opts = (struct audit_opts){.journal_id = JOURNAL,
                                  .since.us = INT64_MIN,
                                  .until.us = INT64_MAX,
                                  .on_finding = on_finding,
                                  .on_lane = on_lane,
                                  .ctx = r};
    *state = r;
    return 0;
}

static inline int tear_down(void **state)
{
    free(*state);
    return 0;
}

#endif
