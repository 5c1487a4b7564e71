/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_check.h"

#include <sqlite3.h>
#include <stdio.h>

#define NOT_A_FLAG_OF_BIRTH ((unsigned)EVENT_CONFLICT)

/* Whatever fails here without a fault in the way means a damaged file. */
static bool is_fine(const struct sim_check *c, sqlite3 *db, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return true;
    sim_trace_fail(c->trace, "P1", "the journal cannot be read: %s (%d)", sqlite3_errmsg(db),
                   sqlite3_extended_errcode(db));
    return false;
}

static sqlite3 *open_db(const struct sim_check *c, int flags)
{
    sqlite3 *db = NULL;
    int rc =
        sqlite3_open_v2(c->path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, c->vfs);
    if (is_fine(c, db, rc))
        return db;
    sqlite3_close(db);
    return NULL;
}

static struct slice column(sqlite3_stmt *s, int i)
{
    const char *bytes = sqlite3_column_blob(s, i);
    return (struct slice){bytes, (size_t)sqlite3_column_bytes(s, i)};
}

/* Calls on_row for each row of sql until it is through or something failed. */
static void each(const struct sim_check *c, sqlite3 *db, const char *sql,
                 void (*on_row)(const struct sim_check *c, sqlite3_stmt *s))
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    while (is_fine(c, db, rc) && (rc = sqlite3_step(s)) == SQLITE_ROW &&
           !sim_trace_promise(c->trace))
        on_row(c, s);
    is_fine(c, db, rc);
    sqlite3_finalize(s);
}

/* ---- events ---- */

enum {
    COL_SEQ,
    COL_SOURCE,
    COL_RECEIVED,
    COL_FLAGS,
    COL_PREV,
    COL_TYPE,
    COL_ID,
    COL_KEY,
    COL_TRACE,
    COL_HEADERS,
    COL_BODY
};

static void read_event(sqlite3_stmt *s, struct event *ev)
{
    *ev = (struct event){.received = {sqlite3_column_int64(s, COL_RECEIVED)},
                         .flags = (unsigned)sqlite3_column_int64(s, COL_FLAGS),
                         .type = column(s, COL_TYPE),
                         .id = column(s, COL_ID),
                         .key = column(s, COL_KEY),
                         .trace = column(s, COL_TRACE),
                         .content_headers = column(s, COL_HEADERS),
                         .body = column(s, COL_BODY)};
}

/* A row may be gone when it is published or never will be, and old enough. */
static void check_gone(const struct sim_check *c, int64_t seq)
{
    struct sim_row *row = sim_truth_row(c->truth, seq);
    bool has_lane = row->content->topic >= 0;
    unsigned never = EVENT_PING | EVENT_UNROUTED;
    if (row->gone)
        return;
    row->gone = true;
    if (has_lane ? !row->in_kafka : !(row->content->ev.flags & never))
        sim_trace_fail(c->trace, has_lane && row->is_answered ? "P1" : "P4",
                       "seq %lld is gone and was not published", (long long)seq);
    else if (has_lane && row->parked)
        sim_trace_fail(c->trace, "P4", "seq %lld is parked and gone", (long long)seq);
    else if (c->retention_ms >= 0 && row->received.us > c->now.us - c->retention_ms * 1000)
        sim_trace_fail(c->trace, "P4", "seq %lld is gone before its retention is over",
                       (long long)seq);
}

static void on_event(const struct sim_check *c, sqlite3_stmt *s)
{
    int64_t seq = sqlite3_column_int64(s, COL_SEQ);
    int source = (int)sqlite3_column_int64(s, COL_SOURCE) - 1;
    struct event ev;
    struct sim_row *row;
    const struct event *want;
    read_event(s, &ev);
    if (seq > sim_truth_last_seq(c->truth))
        sim_truth_found(c->truth, seq, source, &ev, c->now);
    row = sim_truth_row(c->truth, seq);
    if (!row || sim_trace_promise(c->trace))
        return;
    row->seen = true;
    want = &row->content->ev;
    if (!slice_eq(ev.body, want->body))
        sim_trace_fail(c->trace, "P7", "seq %lld: the bytes changed", (long long)seq);
    if (source != row->content->source || ev.received.us != row->received.us ||
        !slice_eq(ev.type, want->type) || !slice_eq(ev.id, want->id) ||
        !slice_eq(ev.key, want->key) || !slice_eq(ev.trace, want->trace) ||
        !slice_eq(ev.content_headers, want->content_headers) ||
        (ev.flags & ~NOT_A_FLAG_OF_BIRTH) != want->flags)
        sim_trace_fail(c->trace, "P1", "seq %lld: what is beside the bytes changed",
                       (long long)seq);
    if ((ev.flags & EVENT_CONFLICT ? true : false) != row->conflict)
        sim_trace_fail(c->trace, "P9", "seq %lld: the conflict flag is wrong", (long long)seq);
    if (sqlite3_column_int64(s, COL_PREV) != row->prev)
        sim_trace_fail(c->trace, "P11", "seq %lld: prev is %lld, the lane's is %lld",
                       (long long)seq, (long long)sqlite3_column_int64(s, COL_PREV),
                       (long long)row->prev);
}

/* ---- parked events ---- */

static void on_parked(const struct sim_check *c, sqlite3_stmt *s)
{
    int64_t seq = sqlite3_column_int64(s, 0);
    struct sim_row *row = sim_truth_row(c->truth, seq);
    if (!row) {
        sim_trace_fail(c->trace, "P2", "seq %lld is parked and does not exist", (long long)seq);
        return;
    }
    row->parked = true;
    if (row->content->topic >= 0 && row->content->kind == SIM_PLAIN)
        sim_trace_fail(c->trace, "P2", "seq %lld is parked though Kafka would take it",
                       (long long)seq);
    else if (row->in_kafka && sim_truth_is_once(c->truth))
        sim_trace_fail(c->trace, "once", "seq %lld is parked and in Kafka", (long long)seq);
}

static void check_rows(const struct sim_check *c)
{
    const unsigned parked_at_birth = EVENT_QUARANTINED | EVENT_OVERSIZE;
    for (int64_t seq = 1; seq <= sim_truth_last_seq(c->truth); seq++) {
        const struct sim_row *row = sim_truth_row(c->truth, seq);
        if (!row)
            continue;
        if (!row->seen)
            check_gone(c, seq);
        else if (row->content->ev.flags & parked_at_birth && !row->parked)
            sim_trace_fail(c->trace, "P5", "seq %lld must be parked and is not", (long long)seq);
        else if (c->is_final && row->content->topic >= 0 && !row->in_kafka && !row->parked)
            sim_trace_fail(c->trace, "P1", "seq %lld was never published", (long long)seq);
    }
}

/* ---- lanes ---- */

static int topic_index(struct slice topic)
{
    int i = 0;
    while (i < SIM_TOPICS && !slice_eq(topic, slice_of(sim_content_topic[i])))
        i++;
    return i;
}

static void on_lane(const struct sim_check *c, sqlite3_stmt *s)
{
    int source = (int)sqlite3_column_int64(s, 0) - 1;
    int topic = topic_index(column(s, 1));
    int64_t cursor = sqlite3_column_int64(s, 2), last = 0;
    for (int64_t seq = 1; seq <= sim_truth_last_seq(c->truth); seq++) {
        struct sim_row *row = sim_truth_row(c->truth, seq);
        if (!row || row->content->source != source || row->content->topic != topic)
            continue;
        last = seq;
        row->below_cursor = seq <= cursor;
        if (row->below_cursor && !row->in_kafka && !row->parked)
            sim_trace_fail(c->trace, "P2",
                           "seq %lld is below its lane's cursor, neither in Kafka nor parked",
                           (long long)seq);
    }
    if (cursor > last || (c->is_final && cursor != last))
        sim_trace_fail(c->trace, "P2", "the cursor of %s is %lld, its last row %lld",
                       topic < SIM_TOPICS ? sim_content_topic[topic] : "?", (long long)cursor,
                       (long long)last);
}

/* ---- pauses ---- */

static void on_pause(const struct sim_check *c, sqlite3_stmt *s)
{
    for (int i = 0; i < SIM_SCOPES; i++)
        if (slice_eq(column(s, 0), slice_of(sim_truth_scope[i])))
            sim_truth_pause(c->truth, i, true);
}

/* ---- all ---- */

void sim_check_journal(const struct sim_check *c)
{
    sqlite3 *db = open_db(c, SQLITE_OPEN_READONLY);
    if (!db)
        return;
    for (int64_t seq = 1; seq <= sim_truth_last_seq(c->truth); seq++) {
        struct sim_row *row = sim_truth_row(c->truth, seq);
        if (row)
            row->seen = false;
    }
    each(c, db,
         "SELECT seq, source, received_us, flags, prev, type, id, key, trace, headers, body "
         "FROM events ORDER BY seq",
         on_event);
    each(c, db, "SELECT seq FROM parked", on_parked);
    /* An operator who was not answered looks again. */
    for (int i = 0; i < SIM_SCOPES; i++)
        sim_truth_pause(c->truth, i, false);
    each(c, db, "SELECT scope FROM pauses", on_pause);
    if (!sim_trace_promise(c->trace))
        check_rows(c);
    if (!sim_trace_promise(c->trace))
        each(c, db, "SELECT source, topic, cursor FROM lanes", on_lane);
    sim_truth_all_found(c->truth);
    sqlite3_close(db);
}

static int64_t query(const struct sim_check *c, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t value = -1;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (is_fine(c, db, rc))
        rc = sqlite3_step(s);
    if (is_fine(c, db, rc) && rc == SQLITE_ROW)
        value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

bool sim_check_is_drained(const struct sim_check *c)
{
    sqlite3 *db = open_db(c, SQLITE_OPEN_READONLY);
    int64_t left = db ? query(c, db,
                              "SELECT count(*) FROM lanes JOIN events ON events.lane = lanes.id "
                              "WHERE seq > cursor")
                      : 0;
    sqlite3_close(db);
    return left == 0;
}

static bool change(const struct sim_check *c, const char *sql)
{
    sqlite3 *db = open_db(c, SQLITE_OPEN_READWRITE);
    bool done = db && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_close(db);
    return done;
}

void sim_check_delete_unpublished(const struct sim_check *c)
{
    change(c, "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events JOIN lanes "
              "ON events.lane = lanes.id WHERE seq > cursor)");
}

void sim_check_age(const struct sim_check *c, int64_t seqs)
{
    char sql[96];
    int64_t last = sim_truth_last_seq(c->truth);
    snprintf(sql, sizeof sql, "UPDATE sqlite_sequence SET seq = %lld WHERE name = 'events'",
             (long long)(last + seqs));
    if (last && sim_truth_skip(c->truth, seqs))
        CHECK(change(c, sql));
}
