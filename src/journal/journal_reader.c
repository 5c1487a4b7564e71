/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal_reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread.h"
#include "journal/row.h"

enum statement {
    STMT_LANES,
    STMT_LANE_ROWS,
    STMT_SPAN,
    STMT_EVENT,
    STMT_CHECKSUM,
    STMT_PAUSES,
    STMT_PARKED,
    STMT_BACKLOG,
    STMT_BEGIN,
    STMT_END,
    STMT_COUNT
};

static const char *const statements[] = {
    [STMT_LANES] =
        "SELECT lanes.id, lanes.source, org, name, topic, cursor, mark FROM lanes "
        "JOIN sources ON sources.id = lanes.source WHERE lanes.id > ?1 ORDER BY lanes.id",
    [STMT_LANE_ROWS] = "SELECT " ROW_COLUMNS " FROM events "
                       "WHERE lane = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    [STMT_SPAN] = "SELECT " ROW_COLUMNS " FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [STMT_PAUSES] = "SELECT scope, since_us, who, why FROM pauses ORDER BY scope",
    [STMT_PARKED] =
        "SELECT parked.seq, parked.lane, events.source, parked_us, flags, topic, type, reason, "
        "length(body) FROM parked JOIN events USING(seq) LEFT JOIN lanes ON lanes.id = parked.lane "
        "WHERE state = 0 AND parked.seq > ?1 ORDER BY parked.seq LIMIT ?2",
    [STMT_BACKLOG] =
        "SELECT count(*), coalesce((SELECT received_us FROM events WHERE lane = ?1 "
        "AND seq > ?2 ORDER BY seq LIMIT 1), 0) FROM events WHERE lane = ?1 AND seq > ?2",
    [STMT_EVENT] = "SELECT " ROW_COLUMNS " FROM events WHERE seq = ?1",
    [STMT_CHECKSUM] = "SELECT checksum FROM events WHERE seq = ?1",
    [STMT_BEGIN] = "BEGIN",
    [STMT_END] = "COMMIT",
};
_Static_assert(sizeof statements / sizeof statements[0] == STMT_COUNT, "one text a statement");

struct journal_reader {
    struct thread_owner owner;
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
};

enum status journal_reader_open(struct journal_reader **out, const char *path, const char *vfs,
                                struct err *e)
{
    const struct db_opts opts = {.path = path, .vfs = vfs, .mode = DB_READER};
    enum status st;
    struct journal_reader *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, ST_NO_MEM, "journal reader: out of memory");
    st = db_open(&r->db, &opts, e);
    for (int i = 0; i < STMT_COUNT && st == ST_OK; i++)
        st = db_prepare(r->db, &r->stmt[i], statements[i], e);
    if (st != ST_OK) {
        journal_reader_close(r);
        return st;
    }
    *out = r;
    return ST_OK;
}

void journal_reader_close(struct journal_reader *r)
{
    if (!r)
        return;
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(r->stmt[i]);
    db_close(r->db);
    free(r);
}

void journal_reader_hand_over(struct journal_reader *r)
{
    thread_owner_release(&r->owner);
}

enum status journal_reader_lanes(struct journal_reader *r, int64_t after,
                                 void (*on_lane)(void *arg, const struct journal_lane *), void *arg,
                                 struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_LANES];
    enum status st = ST_OK;
    int rc;
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(s, 1, after);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct journal_lane lane = {.id = sqlite3_column_int64(s, 0),
                                    .source = sqlite3_column_int64(s, 1),
                                    .cursor = sqlite3_column_int64(s, 5),
                                    .mark = sqlite3_column_int64(s, 6)};
        db_copy_column(s, 2, lane.org, sizeof lane.org);
        db_copy_column(s, 3, lane.source_name, sizeof lane.source_name);
        db_copy_column(s, 4, lane.topic, sizeof lane.topic);
        on_lane(arg, &lane);
    }
    if (rc != SQLITE_DONE)
        st = db_error(r->db, e, "reading lanes");
    sqlite3_reset(s);
    return st;
}

static struct journal_row shown(const struct row *row, bool intact)
{
    return (struct journal_row){.seq = row->seq,
                                .prev = row->prev,
                                .lane = row->lane,
                                .source = row->source,
                                .parent = row->parent,
                                .intact = intact,
                                .ev = row->ev};
}

enum status journal_reader_begin(struct journal_reader *r, struct err *e)
{
    thread_owner_check(&r->owner);
    return db_run(r->db, r->stmt[STMT_BEGIN], e);
}

void journal_reader_end(struct journal_reader *r)
{
    struct err e;
    thread_owner_check(&r->owner);
    /* SQLite has ended it by itself after some errors; if this fails, so does the next begin. */
    if (!sqlite3_get_autocommit(r->db) && db_run(r->db, r->stmt[STMT_END], &e) != ST_OK)
        log_error("journal.read_not_ended", LOG_S("reason", e.text));
}

/* Where the rows of a bound statement go. */
struct showing {
    bool (*on_row)(void *arg, const struct journal_row *);
    void *arg;
    size_t max_bytes;
    size_t count;
    bool is_through; /* the statement had no further row */
};

static enum status show_rows(struct journal_reader *r, sqlite3_stmt *s, struct showing *to,
                             struct err *e)
{
    enum status st = ST_OK;
    bool more = true;
    size_t bytes = 0;
    int rc = SQLITE_ROW;
    while (more && bytes < to->max_bytes && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct row row;
        bool intact = row_read(s, &row);
        const struct journal_row show = shown(&row, intact);
        bytes += row.ev.body.len;
        to->count++;
        more = to->on_row(to->arg, &show);
    }
    to->is_through = rc == SQLITE_DONE;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = db_error(r->db, e, "reading events");
    sqlite3_reset(s);
    return st;
}

enum status journal_read_lane(struct journal_reader *r, const struct journal_slice *want,
                              bool (*on_row)(void *arg, const struct journal_row *), void *arg,
                              size_t *count, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_LANE_ROWS];
    struct showing to = {.on_row = on_row, .arg = arg, .max_bytes = want->max_bytes};
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(s, 1, want->lane);
    sqlite3_bind_int64(s, 2, want->after);
    sqlite3_bind_int64(s, 3, (int64_t)want->max_rows);
    enum status st = show_rows(r, s, &to, e);
    *count = to.count;
    return st;
}

enum status journal_read_span(struct journal_reader *r, const struct journal_span *want,
                              bool (*on_row)(void *arg, const struct journal_row *), void *arg,
                              bool *is_end, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_SPAN];
    struct showing to = {.on_row = on_row, .arg = arg, .max_bytes = want->max_bytes};
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(s, 1, want->after);
    sqlite3_bind_int64(s, 2, (int64_t)want->max_rows);
    enum status st = show_rows(r, s, &to, e);
    *is_end = to.is_through && to.count < want->max_rows;
    return st;
}

/* One allocation: the struct, then its texts, then the body. */
static struct journal_row *copy_row(const struct row *row, bool intact)
{
    struct journal_row *copy = malloc(sizeof *copy + row_text_bytes(&row->ev));
    if (!copy)
        return NULL;
    *copy = shown(row, intact);
    row_move_texts(&copy->ev, (char *)(copy + 1));
    return copy;
}

enum status journal_read_event(struct journal_reader *r, int64_t seq, struct journal_row **row,
                               struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_EVENT];
    enum status st = ST_OK;
    struct row found;
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(s, 1, seq);
    switch (sqlite3_step(s)) {
    case SQLITE_ROW: {
        bool intact = row_read(s, &found);
        *row = copy_row(&found, intact);
        if (!*row)
            st = err_set(e, ST_NO_MEM, "reading event %lld: out of memory", (long long)seq);
        break;
    }
    case SQLITE_DONE:
        st = err_set(e, ST_NOT_FOUND, "no event with seq %lld", (long long)seq);
        break;
    default:
        st = db_error(r->db, e, "reading an event");
    }
    sqlite3_reset(s);
    return st;
}

enum status journal_read_checksum(struct journal_reader *r, int64_t seq, uint32_t *checksum,
                                  struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_CHECKSUM];
    enum status st = ST_OK;
    int rc;
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(s, 1, seq);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *checksum = (uint32_t)sqlite3_column_int64(s, 0);
    else if (rc == SQLITE_DONE)
        st = err_set(e, ST_NOT_FOUND, "no event with seq %lld", (long long)seq);
    else
        st = db_error(r->db, e, "reading a checksum");
    sqlite3_reset(s);
    return st;
}

void journal_row_free(struct journal_row *row)
{
    free(row);
}

enum status journal_read_meta(struct journal_reader *r, const char *name, char *out, size_t size,
                              struct err *e)
{
    thread_owner_check(&r->owner);
    return db_text(r->db, "SELECT value FROM meta WHERE name = ?1", name, out, size, e);
}

enum status journal_read_pauses(struct journal_reader *r,
                                void (*on_pause)(void *arg, const struct journal_pause *),
                                void *arg, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_PAUSES];
    enum status st = ST_OK;
    int rc;
    thread_owner_check(&r->owner);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct journal_pause pause = {.since.us = sqlite3_column_int64(s, 1)};
        db_copy_column(s, 0, pause.scope, sizeof pause.scope);
        db_copy_column(s, 2, pause.who, sizeof pause.who);
        db_copy_column(s, 3, pause.why, sizeof pause.why);
        on_pause(arg, &pause);
    }
    if (rc != SQLITE_DONE)
        st = db_error(r->db, e, "reading pauses");
    sqlite3_reset(s);
    return st;
}

enum status journal_read_parked(struct journal_reader *r, int64_t after, int64_t max,
                                void (*on_parked)(void *arg, const struct journal_parked *),
                                void *arg, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_PARKED];
    enum status st = ST_OK;
    int rc;
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(s, 1, after);
    sqlite3_bind_int64(s, 2, max);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct journal_parked p = {.seq = sqlite3_column_int64(s, 0),
                                   .lane = sqlite3_column_int64(s, 1),
                                   .source = sqlite3_column_int64(s, 2),
                                   .parked.us = sqlite3_column_int64(s, 3),
                                   .quarantined = sqlite3_column_int64(s, 4) & EVENT_QUARANTINED,
                                   .body_bytes = (uint64_t)sqlite3_column_int64(s, 8)};
        db_copy_column(s, 5, p.topic, sizeof p.topic);
        db_copy_column(s, 6, p.type, sizeof p.type);
        db_copy_column(s, 7, p.reason, sizeof p.reason);
        on_parked(arg, &p);
    }
    if (rc != SQLITE_DONE)
        st = db_error(r->db, e, "reading parked events");
    sqlite3_reset(s);
    return st;
}

enum status journal_read_backlog(struct journal_reader *r, int64_t lane, int64_t cursor,
                                 int64_t *events, struct wall *oldest, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_BACKLOG];
    enum status st = ST_OK;
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(s, 1, lane);
    sqlite3_bind_int64(s, 2, cursor);
    if (sqlite3_step(s) == SQLITE_ROW) {
        *events = sqlite3_column_int64(s, 0);
        oldest->us = sqlite3_column_int64(s, 1);
    } else {
        st = db_error(r->db, e, "counting a backlog");
    }
    sqlite3_reset(s);
    return st;
}

enum status journal_read_last_seq(struct journal_reader *r, int64_t *seq, struct err *e)
{
    thread_owner_check(&r->owner);
    return db_int(r->db, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'",
                  seq, e);
}

enum status journal_count(struct journal_reader *r, struct journal_counts *out, struct err *e)
{
    static const struct {
        const char *sql;
        size_t offset;
    } figures[] = {
        {"SELECT count(*) FROM events", offsetof(struct journal_counts, events)},
        {"SELECT coalesce(min(seq), 0) FROM events", offsetof(struct journal_counts, first_seq)},
        {"SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'",
         offsetof(struct journal_counts, last_seq)},
        {"SELECT coalesce(sum((SELECT count(*) FROM events WHERE lane = lanes.id "
         "AND seq > cursor)), 0) FROM lanes",
         offsetof(struct journal_counts, unpublished)},
        {"SELECT coalesce(min((SELECT received_us FROM events WHERE lane = lanes.id "
         "AND seq > cursor ORDER BY seq LIMIT 1)), 0) FROM lanes",
         offsetof(struct journal_counts, oldest_unpublished_us)},
        {"SELECT count(*) FROM parked WHERE state = 0", offsetof(struct journal_counts, parked)},
        {"SELECT count(*) FROM parked JOIN events USING(seq) WHERE state = 0 AND flags & 1",
         offsetof(struct journal_counts, quarantined)},
    };
    enum status st = ST_OK;
    thread_owner_check(&r->owner);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0] && st == ST_OK; i++)
        st = db_int(r->db, figures[i].sql, (int64_t *)(void *)((char *)out + figures[i].offset), e);
    return st;
}
