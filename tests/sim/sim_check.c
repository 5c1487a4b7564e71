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
    if (c->is_quiet)
        return false;
    sim_trace_fail(c->trace, "P1", "the journal cannot be read: %s (%d)", sqlite3_errmsg(db),
                   sqlite3_extended_errcode(db));
    return false;
}

static sqlite3 *open_new(const struct sim_check *c, int flags)
{
    sqlite3 *db = NULL;
    int rc =
        sqlite3_open_v2(c->path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, c->vfs);
    if (is_fine(c, db, rc))
        return db;
    sqlite3_close(db);
    return NULL;
}

static sqlite3 *open_db(const struct sim_check *c)
{
    if (!*c->kept)
        *c->kept = open_new(c, SQLITE_OPEN_READONLY);
    return *c->kept;
}

void sim_check_leave(sqlite3 **kept)
{
    CHECK(sqlite3_close(*kept) == SQLITE_OK);
    *kept = NULL;
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
    COL_BODY,
    COL_ORIGIN,
    COL_PARENT,
    COL_TOPIC,
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
                         .body = column(s, COL_BODY),
                         .topic = column(s, COL_TOPIC),
                         .origin = (enum event_origin)sqlite3_column_int64(s, COL_ORIGIN)};
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
    if (!row->settled && (has_lane ? !row->in_kafka : !(row->content->ev.flags & never)))
        sim_trace_fail(c->trace, has_lane && row->is_answered ? "P1" : "P4",
                       "seq %lld is gone and was not published", (long long)seq);
    else if (row->parked && !row->settled)
        sim_trace_fail(c->trace, "P4", "seq %lld is parked and gone", (long long)seq);
    else if (c->retention_ms >= 0 && row->received.us > c->now.us - c->retention_ms * 1000)
        sim_trace_fail(c->trace, "P4", "seq %lld is gone before its retention is over",
                       (long long)seq);
}

static void on_event(const struct sim_check *c, sqlite3_stmt *s)
{
    int64_t seq = sqlite3_column_int64(s, COL_SEQ);
    int source = (int)sqlite3_column_int64(s, COL_SOURCE) - 1;
    int64_t parent = sqlite3_column_int64(s, COL_PARENT);
    struct event ev;
    struct sim_row *row;
    const struct event *want;
    read_event(s, &ev);
    if (seq > sim_truth_last_seq(c->truth))
        sim_truth_found(c->truth, &(struct sim_found){seq, source, parent, ev, c->now});
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
        (ev.flags & ~NOT_A_FLAG_OF_BIRTH) != want->flags || ev.origin != want->origin ||
        parent != row->content->parent)
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

/* Columns: seq, state, successor. */
static void check_settled(const struct sim_check *c, sqlite3_stmt *s, int64_t seq)
{
    struct sim_row *row = sim_truth_row(c->truth, seq);
    int64_t state = sqlite3_column_int64(s, 1), successor = sqlite3_column_int64(s, 2);
    const struct sim_row *next = sim_truth_row(c->truth, successor);
    if (row->settled && state == 0)
        sim_trace_fail(c->trace, "P1", "seq %lld waits, an operator was told that it is settled",
                       (long long)seq);
    if (row->requeued && state != 1)
        sim_trace_fail(c->trace, "P1", "seq %lld is not requeued, an operator was told that it is",
                       (long long)seq);
    row->settled = state != 0;
    if (state == 1 && (!next || next->content->parent != seq))
        sim_trace_fail(c->trace, "P1", "seq %lld is requeued as seq %lld, which is not that",
                       (long long)seq, (long long)successor);
}

static void on_parked(const struct sim_check *c, sqlite3_stmt *s)
{
    int64_t seq = sqlite3_column_int64(s, 0);
    struct sim_row *row = sim_truth_row(c->truth, seq);
    if (!row) {
        sim_trace_fail(c->trace, "P2", "seq %lld is parked and does not exist", (long long)seq);
        return;
    }
    row->parked = true;
    check_settled(c, s, seq);
    if (row->content->topic >= 0 && row->content->kind == SIM_PLAIN)
        sim_trace_fail(c->trace, "P2", "seq %lld is parked though Kafka would take it",
                       (long long)seq);
    else if (row->in_kafka && sim_truth_is_once(c->truth))
        sim_trace_fail(c->trace, "once", "seq %lld is parked and in Kafka", (long long)seq);
}

static void check_rows(const struct sim_check *c)
{
    const unsigned parked_at_birth = EVENT_QUARANTINED | EVENT_OVERSIZE;
    for (int64_t seq = sim_truth_next(c->truth, 0); seq <= sim_truth_last_seq(c->truth);
         seq = sim_truth_next(c->truth, seq)) {
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
    for (int64_t seq = sim_truth_next(c->truth, 0); seq <= sim_truth_last_seq(c->truth);
         seq = sim_truth_next(c->truth, seq)) {
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

/* ---- replays ---- */

/* The reason that the operator gave is "order N". */
static void on_replay(const struct sim_check *c, sqlite3_stmt *s)
{
    const struct sim_replay_found found = {.id = sqlite3_column_int64(s, 0),
                                           .state = (enum replays_state)sqlite3_column_int64(s, 1),
                                           .position = sqlite3_column_int64(s, 2),
                                           .published = sqlite3_column_int64(s, 3),
                                           .failed = sqlite3_column_int64(s, 4),
                                           .gone = sqlite3_column_int64(s, 5),
                                           .number = (int)sqlite3_column_int64(s, 6)};
    sim_replays_found(c->replays, &found, c->is_final);
}

static void check_replays(const struct sim_check *c, sqlite3 *db)
{
    each(c, db,
         "SELECT id, state, position, published, json_extract(selection, '$.failed'), "
         "json_extract(selection, '$.gone'), CAST(substr(why, 7) AS INTEGER) FROM replays",
         on_replay);
    sim_replays_all_found(c->replays);
}

/* ---- all ---- */

static void clear_seen(const struct sim_check *c)
{
    for (int64_t seq = sim_truth_next(c->truth, 0); seq <= sim_truth_last_seq(c->truth);
         seq = sim_truth_next(c->truth, seq))
        sim_truth_row(c->truth, seq)->seen = false;
}

void sim_check_journal(const struct sim_check *c)
{
    sqlite3 *db = open_db(c);
    if (!db)
        return;
    clear_seen(c);
    each(c, db,
         "SELECT seq, source, received_us, flags, prev, type, id, key, trace, headers, body, "
         "origin, parent, (SELECT topic FROM lanes WHERE lanes.id = events.lane) "
         "FROM events ORDER BY seq",
         on_event);
    each(c, db, "SELECT seq, state, successor FROM parked", on_parked);
    /* An operator who was not answered looks again. */
    for (int i = 0; i < SIM_SCOPES; i++)
        sim_truth_pause(c->truth, i, false);
    each(c, db, "SELECT scope FROM pauses", on_pause);
    if (!sim_trace_promise(c->trace))
        check_rows(c);
    if (!sim_trace_promise(c->trace))
        each(c, db, "SELECT source, topic, cursor FROM lanes", on_lane);
    if (!sim_trace_promise(c->trace))
        check_replays(c, db);
    sim_truth_all_found(c->truth);
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
    sqlite3 *db = open_db(c);
    int64_t left = db ? query(c, db,
                              "SELECT (SELECT count(*) FROM lanes JOIN events ON events.lane = "
                              "lanes.id WHERE seq > cursor) + (SELECT count(*) FROM replays "
                              "WHERE state = 0)")
                      : 0;
    return left == 0;
}

static void on_seen(const struct sim_check *c, sqlite3_stmt *s)
{
    struct sim_row *row = sim_truth_row(c->truth, sqlite3_column_int64(s, 0));
    if (row)
        row->seen = true;
}

bool sim_check_mark_seen(const struct sim_check *c)
{
    sqlite3 *db = open_db(c);
    bool good = db != NULL;
    clear_seen(c);
    if (good)
        each(c, db, "SELECT seq FROM events", on_seen);
    good = good && sqlite3_errcode(db) == SQLITE_OK;
    return good;
}

int sim_check_parked(const struct sim_check *c, int64_t *seqs, int max)
{
    sqlite3 *db = open_db(c);
    sqlite3_stmt *s = NULL;
    int count = 0;
    if (db && sqlite3_prepare_v2(db, "SELECT seq FROM parked WHERE state = 0 ORDER BY seq DESC", -1,
                                 &s, NULL) == SQLITE_OK)
        while (count < max && sqlite3_step(s) == SQLITE_ROW)
            seqs[count++] = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return count;
}

static bool change(const struct sim_check *c, const char *sql)
{
    sqlite3 *db = open_new(c, SQLITE_OPEN_READWRITE);
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
