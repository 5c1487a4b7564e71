/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal_list.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/thread.h"
#include "journal/db.h"

enum statement {
    STMT_AFTER,
    STMT_NEWEST,
    STMT_ONE,
    STMT_PARKING,
    STMT_PARKED_COUNT,
    STMT_ACTIONS,
    STMT_SEEK,
    STMT_LAST,
    STMT_COUNT
};

/* length() of a BLOB is in the row's header: the body's pages are not read. */
#define LISTED                                                                                     \
    "SELECT e.seq, e.lane, s.name, l.topic, e.received_us, e.flags, e.origin, e.parent, p.state, " \
    "l.cursor, e.type, e.id, e.key, length(e.body) FROM events e "                                 \
    "LEFT JOIN sources s ON s.id = e.source LEFT JOIN lanes l ON l.id = e.lane "                   \
    "LEFT JOIN parked p ON p.seq = e.seq "

static const char *const statements[] = {
    [STMT_AFTER] = LISTED "WHERE e.seq > ?1 ORDER BY e.seq",
    [STMT_NEWEST] = LISTED "ORDER BY e.seq DESC",
    [STMT_ONE] = LISTED "WHERE e.seq = ?1",
    [STMT_PARKING] = "SELECT state, parked_us, settled_us, successor, reason, settled_by, "
                     "settled_why FROM parked WHERE seq = ?1",
    [STMT_PARKED_COUNT] = "SELECT count(*), coalesce(sum(flags & 1), 0) FROM parked "
                          "JOIN events USING(seq) WHERE state = 0",
    [STMT_ACTIONS] =
        "SELECT id, at_us, who, action, target, why FROM actions ORDER BY id DESC LIMIT ?1",
    [STMT_SEEK] = "SELECT seq, received_us FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1",
    [STMT_LAST] = "SELECT seq, received_us FROM events ORDER BY seq DESC LIMIT 1",
};
_Static_assert(sizeof statements / sizeof statements[0] == STMT_COUNT, "one text a statement");

struct journal_list {
    struct thread_owner owner;
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
};

const char *journal_fate_name(enum journal_fate fate)
{
    static const char *const names[] = {
        [JOURNAL_PUBLISHED] = "published", [JOURNAL_WAITS] = "waits",
        [JOURNAL_KEPT] = "kept",           [JOURNAL_PARKED] = "parked",
        [JOURNAL_REQUEUED] = "requeued",   [JOURNAL_DISCARDED] = "discarded"};
    CHECK((unsigned)fate < sizeof names / sizeof names[0]);
    return names[fate];
}

enum status journal_list_open(struct journal_list **out, const char *path, struct err *e)
{
    const struct db_opts opts = {.path = path, .mode = DB_READER};
    enum status st;
    struct journal_list *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, ST_NO_MEM, "journal list: out of memory");
    st = db_open(&l->db, &opts, e);
    for (int i = 0; i < STMT_COUNT && st == ST_OK; i++)
        st = db_prepare(l->db, &l->stmt[i], statements[i], e);
    if (st != ST_OK) {
        journal_list_close(l);
        return st;
    }
    *out = l;
    return ST_OK;
}

void journal_list_close(struct journal_list *l)
{
    if (!l)
        return;
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(l->stmt[i]);
    db_close(l->db);
    free(l);
}

static const char *text_or_empty(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return text ? (const char *)text : "";
}

/* Of the parked table's state column. */
static enum journal_fate fate_of_state(int64_t state)
{
    if (state == 0)
        return JOURNAL_PARKED;
    return state == 1 ? JOURNAL_REQUEUED : JOURNAL_DISCARDED;
}

static enum journal_fate fate_of(sqlite3_stmt *s)
{
    if (sqlite3_column_type(s, 8) != SQLITE_NULL)
        return fate_of_state(sqlite3_column_int64(s, 8));
    if (sqlite3_column_int64(s, 1) == 0)
        return JOURNAL_KEPT;
    return sqlite3_column_int64(s, 0) > sqlite3_column_int64(s, 9) ? JOURNAL_WAITS
                                                                   : JOURNAL_PUBLISHED;
}

static void read_listed(sqlite3_stmt *s, struct journal_listed *out)
{
    *out = (struct journal_listed){.seq = sqlite3_column_int64(s, 0),
                                   .lane = sqlite3_column_int64(s, 1),
                                   .source = text_or_empty(s, 2),
                                   .topic = text_or_empty(s, 3),
                                   .received.us = sqlite3_column_int64(s, 4),
                                   .flags = (unsigned)sqlite3_column_int64(s, 5),
                                   .origin = (enum event_origin)sqlite3_column_int64(s, 6),
                                   .parent = sqlite3_column_int64(s, 7),
                                   .fate = fate_of(s),
                                   .type = db_column(s, 10),
                                   .id = db_column(s, 11),
                                   .key = db_column(s, 12),
                                   .body_bytes = sqlite3_column_int64(s, 13)};
}

static bool matches(const struct journal_query *q, const struct journal_listed *event)
{
    return (!q->source.len || slice_eq(q->source, slice_of(event->source))) &&
           (!q->type.len || slice_eq(q->type, event->type)) &&
           (!q->key.len || slice_eq(q->key, event->key));
}

/* Steps a bound statement of LISTED until enough was told, enough was looked at, or its end. */
static enum status walk(struct journal_list *l, sqlite3_stmt *s, const struct journal_query *q,
                        struct journal_listing *out, struct err *e)
{
    enum status st = ST_OK;
    size_t told = 0;
    int rc = SQLITE_ROW;
    for (int i = 0; i < JOURNAL_LIST_SCAN_MAX && told < q->max; i++) {
        struct journal_listed event;
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW)
            break;
        read_listed(s, &event);
        out->last = event.seq;
        if (!matches(q, &event))
            continue;
        q->fn(q->arg, &event);
        told++;
    }
    out->at_end = rc == SQLITE_DONE;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = db_error(l->db, e, "listing events");
    sqlite3_reset(s);
    return st;
}

enum status journal_list_events(struct journal_list *l, const struct journal_query *q,
                                struct journal_listing *out, struct err *e)
{
    sqlite3_stmt *s = l->stmt[q->after == JOURNAL_LIST_NEWEST ? STMT_NEWEST : STMT_AFTER];
    thread_owner_check(&l->owner);
    *out = (struct journal_listing){.last = q->after > 0 ? q->after : 0};
    if (q->after != JOURNAL_LIST_NEWEST)
        sqlite3_bind_int64(s, 1, q->after);
    return walk(l, s, q, out, e);
}

enum status journal_list_one(struct journal_list *l, int64_t seq, journal_listed_fn *fn, void *arg,
                             struct err *e)
{
    const struct journal_query q = {.max = 1, .fn = fn, .arg = arg};
    struct journal_listing listing = {0};
    enum status st;
    thread_owner_check(&l->owner);
    sqlite3_bind_int64(l->stmt[STMT_ONE], 1, seq);
    st = walk(l, l->stmt[STMT_ONE], &q, &listing, e);
    if (st == ST_OK && listing.last != seq)
        st = err_set(e, ST_NOT_FOUND, "there is no event %lld", (long long)seq);
    return st;
}

enum status journal_list_parking(struct journal_list *l, int64_t seq, struct journal_parking *out,
                                 struct err *e)
{
    sqlite3_stmt *s = l->stmt[STMT_PARKING];
    enum status st = ST_OK;
    int rc;
    thread_owner_check(&l->owner);
    sqlite3_bind_int64(s, 1, seq);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        *out = (struct journal_parking){.fate = fate_of_state(sqlite3_column_int64(s, 0)),
                                        .parked.us = sqlite3_column_int64(s, 1),
                                        .settled.us = sqlite3_column_int64(s, 2),
                                        .successor = sqlite3_column_int64(s, 3)};
        db_copy_column(s, 4, out->reason, sizeof out->reason);
        db_copy_column(s, 5, out->settled_by, sizeof out->settled_by);
        db_copy_column(s, 6, out->settled_why, sizeof out->settled_why);
    } else if (rc == SQLITE_DONE) {
        st = err_set(e, ST_NOT_FOUND, "event %lld is not parked", (long long)seq);
    } else {
        st = db_error(l->db, e, "reading a parked event");
    }
    sqlite3_reset(s);
    return st;
}

/* The two numbers of the first row that s gives; *found tells whether there was one. */
static enum status two_numbers(struct journal_list *l, sqlite3_stmt *s, int64_t out[2], bool *found,
                               struct err *e)
{
    enum status st = ST_OK;
    int rc = sqlite3_step(s);
    *found = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW) {
        out[0] = sqlite3_column_int64(s, 0);
        out[1] = sqlite3_column_int64(s, 1);
    } else if (rc != SQLITE_DONE) {
        st = db_error(l->db, e, sqlite3_sql(s));
    }
    sqlite3_reset(s);
    return st;
}

enum status journal_list_parked_count(struct journal_list *l, int64_t *parked, int64_t *quarantined,
                                      struct err *e)
{
    int64_t numbers[2] = {0, 0};
    bool found;
    enum status st;
    thread_owner_check(&l->owner);
    st = two_numbers(l, l->stmt[STMT_PARKED_COUNT], numbers, &found, e);
    *parked = numbers[0];
    *quarantined = numbers[1];
    return st;
}

enum status journal_list_actions(struct journal_list *l, size_t max,
                                 void (*fn)(void *arg, const struct journal_action *), void *arg,
                                 struct err *e)
{
    sqlite3_stmt *s = l->stmt[STMT_ACTIONS];
    enum status st = ST_OK;
    int rc;
    thread_owner_check(&l->owner);
    sqlite3_bind_int64(s, 1, (int64_t)max);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct journal_action action = {.id = sqlite3_column_int64(s, 0),
                                        .at.us = sqlite3_column_int64(s, 1)};
        db_copy_column(s, 2, action.who, sizeof action.who);
        db_copy_column(s, 3, action.action, sizeof action.action);
        db_copy_column(s, 4, action.target, sizeof action.target);
        db_copy_column(s, 5, action.why, sizeof action.why);
        fn(arg, &action);
    }
    if (rc != SQLITE_DONE)
        st = db_error(l->db, e, "reading actions");
    sqlite3_reset(s);
    return st;
}

enum status journal_list_recent(struct journal_list *l, struct wall since,
                                struct journal_recent *out, struct err *e)
{
    int64_t row[2], low = 1, high;
    bool found = false;
    enum status st;
    thread_owner_check(&l->owner);
    *out = (struct journal_recent){0};
    st = two_numbers(l, l->stmt[STMT_LAST], row, &found, e);
    if (st != ST_OK || !found)
        return st;
    out->last_seq = row[0];
    out->last_received.us = row[1];
    if (row[1] < since.us)
        return ST_OK;
    /* The first one lies in [low, high]; high is one that is new enough. */
    high = row[0];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_bind_int64(l->stmt[STMT_SEEK], 1, middle);
        st = two_numbers(l, l->stmt[STMT_SEEK], row, &found, e);
        if (st != ST_OK || !found)
            return st;
        if (row[1] < since.us)
            low = row[0] + 1;
        else
            high = middle;
    }
    out->first_seq = high;
    return ST_OK;
}
