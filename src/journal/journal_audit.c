/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal_audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/thread.h"
#include "journal/row.h"

enum statement {
    STMT_LANES,
    STMT_ROWS,
    STMT_ROW,
    STMT_PARKED,
    STMT_WAS_PARKED,
    STMT_KEPT,
    STMT_COUNT
};

#define STATE "(SELECT state FROM parked WHERE parked.seq = events.seq)"

/* The place of STATE behind the columns of a row. */
#define STATE_COLUMN 16

static const char *const statements[] = {
    [STMT_LANES] =
        "SELECT lanes.id, lanes.source, org, name, topic, cursor, mark, coalesce((SELECT prev "
        "FROM events WHERE lane = lanes.id AND NOT EXISTS (SELECT 1 FROM parked WHERE parked.seq = "
        "events.seq) ORDER BY seq LIMIT 1), cursor), coalesce((SELECT CAST(value AS INTEGER) FROM "
        "meta WHERE meta.name = 'bound_after:' || lanes.id), 0) FROM lanes "
        "JOIN sources ON sources.id = lanes.source ORDER BY lanes.id",
    [STMT_ROWS] = "SELECT " ROW_COLUMNS ", " STATE " FROM events "
                  "WHERE lane = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4",
    [STMT_ROW] = "SELECT " ROW_COLUMNS ", " STATE " FROM events WHERE seq = ?1",
    [STMT_PARKED] = "SELECT seq, lane, parked_us, state FROM parked ORDER BY seq",
    [STMT_WAS_PARKED] = "SELECT count(*) FROM parked WHERE seq = ?1",
    [STMT_KEPT] = "SELECT count(*) FROM events WHERE lane = 0 AND received_us >= ?1 AND "
                  "received_us < ?2 AND " STATE " IS NULL",
};
_Static_assert(sizeof statements / sizeof statements[0] == STMT_COUNT, "one text a statement");

struct journal_audit {
    struct thread_owner owner;
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
};

enum status journal_audit_open(struct journal_audit **out, const char *path, struct err *e)
{
    const struct db_opts opts = {.path = path, .mode = DB_READER};
    enum status st;
    struct journal_audit *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(e, ST_NO_MEM, "audit: out of memory");
    st = db_open(&a->db, &opts, e);
    for (int i = 0; i < STMT_COUNT && st == ST_OK; i++)
        st = db_prepare(a->db, &a->stmt[i], statements[i], e);
    if (st != ST_OK) {
        journal_audit_close(a);
        return st;
    }
    *out = a;
    return ST_OK;
}

void journal_audit_close(struct journal_audit *a)
{
    if (!a)
        return;
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(a->stmt[i]);
    db_close(a->db);
    free(a);
}

/* Of the parked table's state column. */
static enum journal_fate fate_of(sqlite3_stmt *s, int column)
{
    if (sqlite3_column_type(s, column) == SQLITE_NULL)
        return JOURNAL_PUBLISHED;
    switch (sqlite3_column_int64(s, column)) {
    case 0:
        return JOURNAL_PARKED;
    case 1:
        return JOURNAL_REQUEUED;
    default:
        return JOURNAL_DISCARDED;
    }
}

/* Ends a statement that ran to rc; what is the error's context. */
static enum status finish(struct journal_audit *a, sqlite3_stmt *s, int rc, const char *what,
                          struct err *e)
{
    enum status st = ST_OK;
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        st = db_error(a->db, e, what);
    sqlite3_reset(s);
    return st;
}

enum status journal_audit_lanes(struct journal_audit *a, journal_audit_lane_fn *fn, void *arg,
                                struct err *e)
{
    sqlite3_stmt *s = a->stmt[STMT_LANES];
    int rc;
    thread_owner_check(&a->owner);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct journal_audit_lane lane = {.lane = {.id = sqlite3_column_int64(s, 0),
                                                   .source = sqlite3_column_int64(s, 1),
                                                   .cursor = sqlite3_column_int64(s, 5),
                                                   .mark = sqlite3_column_int64(s, 6)},
                                          .pruned_to = sqlite3_column_int64(s, 7),
                                          .bound_after = sqlite3_column_int64(s, 8)};
        db_copy_column(s, 2, lane.lane.org, sizeof lane.lane.org);
        db_copy_column(s, 3, lane.lane.source_name, sizeof lane.lane.source_name);
        db_copy_column(s, 4, lane.lane.topic, sizeof lane.lane.topic);
        fn(arg, &lane);
    }
    return finish(a, s, rc, "reading lanes", e);
}

static void tell_row(sqlite3_stmt *s, journal_audit_row_fn *fn, void *arg)
{
    struct row row;
    bool intact = row_read(s, &row);
    struct journal_audit_row out = {.row = {.seq = row.seq,
                                            .prev = row.prev,
                                            .lane = row.lane,
                                            .source = row.source,
                                            .parent = row.parent,
                                            .intact = intact,
                                            .ev = row.ev},
                                    .fate = fate_of(s, STATE_COLUMN)};
    fn(arg, &out);
}

enum status journal_audit_rows(struct journal_audit *a, const struct journal_audit_want *want,
                               journal_audit_row_fn *fn, void *arg, int64_t *count, struct err *e)
{
    sqlite3_stmt *s = a->stmt[STMT_ROWS];
    int rc;
    thread_owner_check(&a->owner);
    *count = 0;
    sqlite3_bind_int64(s, 1, want->lane);
    sqlite3_bind_int64(s, 2, want->after);
    sqlite3_bind_int64(s, 3, want->upto);
    sqlite3_bind_int64(s, 4, want->max_rows);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        tell_row(s, fn, arg);
        ++*count;
    }
    return finish(a, s, rc, "reading a lane", e);
}

enum status journal_audit_row(struct journal_audit *a, int64_t seq, journal_audit_row_fn *fn,
                              void *arg, struct err *e)
{
    sqlite3_stmt *s = a->stmt[STMT_ROW];
    enum status st;
    int rc;
    thread_owner_check(&a->owner);
    sqlite3_bind_int64(s, 1, seq);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        tell_row(s, fn, arg);
    st = finish(a, s, rc, "reading an event", e);
    if (st == ST_OK && rc == SQLITE_DONE)
        st = err_set(e, ST_NOT_FOUND, "no event with seq %lld", (long long)seq);
    return st;
}

enum status journal_audit_parked(struct journal_audit *a,
                                 void (*fn)(void *arg, const struct journal_audit_parked *),
                                 void *arg, struct err *e)
{
    sqlite3_stmt *s = a->stmt[STMT_PARKED];
    int rc;
    thread_owner_check(&a->owner);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct journal_audit_parked parked = {.seq = sqlite3_column_int64(s, 0),
                                              .lane = sqlite3_column_int64(s, 1),
                                              .parked.us = sqlite3_column_int64(s, 2),
                                              .fate = fate_of(s, 3)};
        fn(arg, &parked);
    }
    return finish(a, s, rc, "reading parked events", e);
}

/* The one number of a bound statement. */
static enum status number(struct journal_audit *a, sqlite3_stmt *s, int64_t *out, struct err *e)
{
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    return finish(a, s, rc, sqlite3_sql(s), e);
}

enum status journal_audit_was_parked(struct journal_audit *a, int64_t seq, bool *out, struct err *e)
{
    sqlite3_stmt *s = a->stmt[STMT_WAS_PARKED];
    int64_t found = 0;
    enum status st;
    thread_owner_check(&a->owner);
    sqlite3_bind_int64(s, 1, seq);
    st = number(a, s, &found, e);
    *out = found > 0;
    return st;
}

enum status journal_audit_kept(struct journal_audit *a, struct wall since, struct wall until,
                               int64_t *count, struct err *e)
{
    sqlite3_stmt *s = a->stmt[STMT_KEPT];
    thread_owner_check(&a->owner);
    sqlite3_bind_int64(s, 1, since.us);
    sqlite3_bind_int64(s, 2, until.us);
    return number(a, s, count, e);
}

enum status journal_audit_last_seq(struct journal_audit *a, int64_t *seq, struct err *e)
{
    thread_owner_check(&a->owner);
    return db_int(a->db, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'",
                  seq, e);
}

enum status journal_audit_meta(struct journal_audit *a, const char *name, char *out, size_t size,
                               struct err *e)
{
    thread_owner_check(&a->owner);
    return db_text(a->db, "SELECT value FROM meta WHERE name = ?1", name, out, size, e);
}
