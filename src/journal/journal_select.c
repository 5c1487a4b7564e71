/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal_select.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/thread.h"
#include "journal/row.h"
#include "journal/select_where.h"

enum statement {
    STMT_ROWS,
    STMT_COUNTS,
    STMT_NEXT,
    STMT_SEEK,
    STMT_REQUEUED,
    STMT_LAST,
    STMT_SOURCE,
    STMT_COUNT
};

/* Columns behind those of the row. */
enum { COLUMN_ORG = 16, COLUMN_SOURCE, COLUMN_TOPIC, COLUMN_UNPUBLISHED, COLUMN_PAUSED };

/* As event_record_time(): flag 16 is EVENT_HAS_TIME, and Kafka counts milliseconds from 1970. */
#define RECORD_TIME                                                                 \
    "CASE WHEN (flags & 16) AND event_us <= received_us AND event_us >= 1000 THEN " \
    "event_us ELSE received_us END"

static const char *const statements[] = {
    [STMT_ROWS] =
        "SELECT " ROW_COLUMNS ", "
        "(SELECT org FROM sources WHERE sources.id = events.source), "
        "(SELECT name FROM sources WHERE sources.id = events.source), "
        "(SELECT topic FROM lanes WHERE lanes.id = events.lane), "
        "seq > (SELECT cursor FROM lanes WHERE lanes.id = events.lane), "
        "EXISTS (SELECT 1 FROM pauses WHERE scope = 'all' OR scope = 'lane:' || events.lane OR "
        "scope = 'source:' || (SELECT name FROM sources WHERE sources.id = events.source)) "
        "FROM events WHERE " SELECT_WHERE " ORDER BY seq",
    [STMT_COUNTS] =
        "SELECT (SELECT topic FROM lanes WHERE lanes.id = events.lane), count(*), "
        "sum(length(body)), min(" RECORD_TIME "), sum(" RECORD_TIME " < ?11) FROM events "
        "WHERE " SELECT_WHERE " GROUP BY lane",
    [STMT_NEXT] = "SELECT seq FROM events WHERE seq > ?1 ORDER BY seq LIMIT 1",
    /* A requeue has the received time of the event that was parked, so its place says nothing. */
    [STMT_SEEK] = "SELECT seq, received_us FROM events WHERE seq >= ?1 AND parent IS NULL "
                  "ORDER BY seq LIMIT 1",
    [STMT_REQUEUED] = "SELECT min(seq), max(seq) FROM events WHERE seq IN (SELECT successor FROM "
                      "parked) AND received_us >= ?1 AND received_us < ?2",
    [STMT_LAST] = "SELECT coalesce(max(seq), 0) FROM events",
    [STMT_SOURCE] = "SELECT id FROM sources WHERE name = ?1",
};
_Static_assert(sizeof statements / sizeof statements[0] == STMT_COUNT, "one text a statement");
_Static_assert(EVENT_QUARANTINED == 1 && EVENT_PING == 2 && EVENT_HAS_TIME == 16 &&
                   EVENT_ORIGIN_DEAD_LETTER == 3,
               "SELECT_WHERE and RECORD_TIME say them as numbers");
_Static_assert(SELECT_WHERE_FREE == 11, "STMT_COUNTS says it as a number");

struct journal_select {
    struct thread_owner owner;
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
};

enum status journal_select_open(struct journal_select **out, const char *path, const char *vfs,
                                struct err *e)
{
    const struct db_opts opts = {.path = path, .vfs = vfs, .mode = DB_READER};
    enum status st;
    struct journal_select *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ST_NO_MEM, "journal selection: out of memory");
    st = db_open(&s->db, &opts, e);
    for (int i = 0; i < STMT_COUNT && st == ST_OK; i++)
        st = db_prepare(s->db, &s->stmt[i], statements[i], e);
    if (st != ST_OK) {
        journal_select_close(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

void journal_select_close(struct journal_select *s)
{
    if (!s)
        return;
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(s->stmt[i]);
    db_close(s->db);
    free(s);
}

void journal_select_hand_over(struct journal_select *s)
{
    thread_owner_release(&s->owner);
}

/* ---- one row ---- */

/* One allocation a row: the struct, then its texts, then the body. NULL when out of memory. */
static struct journal_selected *copy_row(sqlite3_stmt *s)
{
    struct row row;
    bool is_intact = row_read(s, &row);
    const struct event *ev = &row.ev;
    size_t size = row_text_bytes(ev);
    struct journal_selected *copy = malloc(sizeof *copy + size);
    if (!copy)
        return NULL;
    *copy = (struct journal_selected){
        .row = {.seq = row.seq,
                .prev = row.prev,
                .lane = row.lane,
                .source = row.source,
                .parent = row.parent,
                .intact = is_intact,
                .ev = *ev},
        .is_unpublished = sqlite3_column_int(s, COLUMN_UNPUBLISHED) != 0,
        .is_paused = sqlite3_column_int(s, COLUMN_PAUSED) != 0,
    };
    db_copy_column(s, COLUMN_ORG, copy->org, sizeof copy->org);
    db_copy_column(s, COLUMN_SOURCE, copy->source, sizeof copy->source);
    db_copy_column(s, COLUMN_TOPIC, copy->topic, sizeof copy->topic);
    row_move_texts(&copy->row.ev, (char *)(copy + 1));
    return copy;
}

void journal_select_free(struct journal_selected *first)
{
    while (first) {
        struct journal_selected *next = first->next;
        free(first);
        first = next;
    }
}

/* ---- ranges ---- */

/* The number that a bound statement gives; *found tells whether there was one. */
static enum status one_number(struct journal_select *s, sqlite3_stmt *stmt, int64_t *out,
                              bool *found, struct err *e)
{
    enum status st = ST_OK;
    int rc = sqlite3_step(stmt);
    *found = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    else if (rc != SQLITE_DONE)
        st = db_error(s->db, e, "selecting events");
    sqlite3_reset(stmt);
    return st;
}

/*
 * The part of the range that one call looks at: (*after, *last]. Rows are dense but where they were
 * pruned, so that as many seqs from the first row on are at most as many rows.
 */
static enum status next_part(struct journal_select *s, const struct journal_select_range *range,
                             int64_t *after, int64_t *last, struct err *e)
{
    int64_t first = 0;
    bool found = false;
    enum status st;
    sqlite3_bind_int64(s->stmt[STMT_NEXT], 1, range->after);
    st = one_number(s, s->stmt[STMT_NEXT], &first, &found, e);
    *after = range->after;
    *last = range->last;
    if (st != ST_OK || !found || first > range->last)
        return st;
    *after = first - 1;
    if (range->last - *after > range->scan)
        *last = *after + range->scan;
    return ST_OK;
}

enum status journal_select_rows(struct journal_select *s, const struct journal_select_range *range,
                                struct journal_selected **first, struct journal_select_end *end,
                                struct err *e)
{
    sqlite3_stmt *stmt = s->stmt[STMT_ROWS];
    struct journal_selected **tail = first;
    int64_t after, last;
    size_t count = 0, bytes = 0;
    int rc = SQLITE_ROW;
    enum status st;
    thread_owner_check(&s->owner);
    *first = NULL;
    st = next_part(s, range, &after, &last, e);
    if (st != ST_OK)
        return st;
    *end = (struct journal_select_end){.looked = after};
    select_where_bind(stmt, range->which, after, last);
    while (count < range->max_rows && bytes < range->max_bytes &&
           (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct journal_selected *copy = copy_row(stmt);
        if (!copy) {
            st = err_set(e, ST_NO_MEM, "selecting events: out of memory");
            break;
        }
        *tail = copy;
        tail = &copy->next;
        end->looked = copy->row.seq;
        bytes += copy->row.ev.body.len;
        count++;
    }
    if (rc == SQLITE_DONE)
        end->looked = last > end->looked ? last : end->looked;
    else if (st == ST_OK && rc != SQLITE_ROW)
        st = db_error(s->db, e, "selecting events");
    end->at_end = end->looked >= range->last;
    sqlite3_reset(stmt);
    if (st != ST_OK) {
        journal_select_free(*first);
        *first = NULL;
    }
    return st;
}

enum status journal_select_counts(struct journal_select *s,
                                  const struct journal_select_range *range,
                                  void (*fn)(void *arg, const struct journal_select_count *),
                                  void *arg, struct journal_select_end *end, struct err *e)
{
    sqlite3_stmt *stmt = s->stmt[STMT_COUNTS];
    int64_t after, last;
    int rc;
    enum status st;
    thread_owner_check(&s->owner);
    st = next_part(s, range, &after, &last, e);
    if (st != ST_OK)
        return st;
    select_where_bind(stmt, range->which, after, last);
    sqlite3_bind_int64(stmt, SELECT_WHERE_FREE, range->older_than.us);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const unsigned char *topic = sqlite3_column_text(stmt, 0);
        const struct journal_select_count count = {.topic = topic ? (const char *)topic : "",
                                                   .events = sqlite3_column_int64(stmt, 1),
                                                   .bytes = sqlite3_column_int64(stmt, 2),
                                                   .oldest.us = sqlite3_column_int64(stmt, 3),
                                                   .older = sqlite3_column_int64(stmt, 4)};
        fn(arg, &count);
    }
    if (rc != SQLITE_DONE)
        st = db_error(s->db, e, "counting events");
    sqlite3_reset(stmt);
    *end = (struct journal_select_end){.looked = last, .at_end = last >= range->last};
    return st;
}

/* ---- bounds ---- */

/* The first seq up to newest that was received at or after since; newest + 1 when none was. */
static enum status first_since(struct journal_select *s, int64_t since_us, int64_t newest,
                               int64_t *out, struct err *e)
{
    sqlite3_stmt *stmt = s->stmt[STMT_SEEK];
    int64_t low = 1, high = newest + 1;
    enum status st = ST_OK;
    while (low < high && st == ST_OK) {
        int64_t middle = low + (high - low) / 2;
        int rc;
        sqlite3_bind_int64(stmt, 1, middle);
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW && sqlite3_column_int64(stmt, 1) < since_us)
            low = sqlite3_column_int64(stmt, 0) + 1;
        else if (rc == SQLITE_ROW || rc == SQLITE_DONE)
            high = middle;
        else
            st = db_error(s->db, e, "looking for a time");
        sqlite3_reset(stmt);
    }
    *out = high;
    return st;
}

/* Requeues whose received time may be meant lie anywhere: the range grows so that it has them. */
static enum status include_requeued(struct journal_select *s, const struct selection *which,
                                    int64_t *first, int64_t *last, struct err *e)
{
    sqlite3_stmt *stmt = s->stmt[STMT_REQUEUED];
    enum status st = ST_OK;
    sqlite3_bind_int64(stmt, 1, which->since.us - JOURNAL_SELECT_MARGIN_US);
    sqlite3_bind_int64(stmt, 2, which->until.us ? which->until.us : INT64_MAX);
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        st = db_error(s->db, e, "looking for requeues");
    } else if (sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
        int64_t lowest = sqlite3_column_int64(stmt, 0), highest = sqlite3_column_int64(stmt, 1);
        *first = lowest < *first ? lowest : *first;
        *last = highest > *last ? highest : *last;
    }
    sqlite3_reset(stmt);
    return st;
}

static enum status check_source(struct journal_select *s, const char *name, struct err *e)
{
    int64_t id;
    bool found = false;
    enum status st;
    if (!name[0])
        return ST_OK;
    db_bind_text(s->stmt[STMT_SOURCE], 1, slice_of(name));
    st = one_number(s, s->stmt[STMT_SOURCE], &id, &found, e);
    if (st == ST_OK && !found)
        st = err_set(e, ST_NOT_FOUND, "there is no source %s", name);
    return st;
}

enum status journal_select_bounds(struct journal_select *s, struct journal_select_range *range,
                                  struct err *e)
{
    const struct selection *which = range->which;
    int64_t newest = 0, first = 1, beyond;
    bool found;
    enum status st;
    thread_owner_check(&s->owner);
    st = check_source(s, which->source, e);
    if (st == ST_OK)
        st = one_number(s, s->stmt[STMT_LAST], &newest, &found, e);
    /* What happened at or after a time was received after it, also when events are sorted by their
     * own time; the reverse does not hold. */
    if (st == ST_OK && which->since.us)
        st = first_since(s, which->since.us - JOURNAL_SELECT_MARGIN_US, newest, &first, e);
    range->last = newest;
    if (st == ST_OK && which->until.us && !which->is_by_event) {
        st = first_since(s, which->until.us + JOURNAL_SELECT_MARGIN_US, newest, &beyond, e);
        range->last = beyond - 1;
    }
    if (st == ST_OK && (which->since.us || which->until.us))
        st = include_requeued(s, which, &first, &range->last, e);
    if (which->from_seq > first)
        first = which->from_seq;
    if (which->to_seq && which->to_seq < range->last)
        range->last = which->to_seq;
    range->after = first - 1;
    if (range->last < range->after)
        range->last = range->after;
    return st;
}
