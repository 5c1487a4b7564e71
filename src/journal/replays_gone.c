/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/replays_gone.h"

#include <stdlib.h>

#include "journal/select_where.h"

struct open_replay {
    int64_t id;
    int64_t position;
    int64_t last;
    struct selection which;
};

/* A selection that this version cannot read counts as one of everything: rather too much than
 * nothing. */
static void read_open(sqlite3_stmt *s, struct open_replay *out)
{
    struct err ignored;
    *out = (struct open_replay){.id = sqlite3_column_int64(s, 0),
                                .position = sqlite3_column_int64(s, 1),
                                .last = sqlite3_column_int64(s, 2)};
    if (selection_parse(&out->which, db_column(s, 3), &ignored) != ST_OK)
        out->which = (struct selection){0};
}

static enum status open_replays(sqlite3 *db, int64_t before, struct open_replay *out, size_t *count,
                                struct err *e)
{
    sqlite3_stmt *s = NULL;
    int rc;
    enum status st = db_prepare(db, &s,
                                "SELECT id, position, last, json_extract(selection, '$.events') "
                                "FROM replays WHERE state <= 1 AND position < ?1 LIMIT ?2",
                                e);
    *count = 0;
    if (st != ST_OK)
        return st;
    sqlite3_bind_int64(s, 1, before);
    sqlite3_bind_int64(s, 2, REPLAYS_OPEN_MAX);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        read_open(s, &out[(*count)++]);
    if (rc != SQLITE_DONE)
        st = db_error(db, e, "reading replays");
    sqlite3_finalize(s);
    return st;
}

static enum status add_gone(sqlite3 *db, int64_t id, int64_t gone, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum status st = db_prepare(db, &s,
                                "UPDATE replays SET selection = json_set(selection, '$.gone', "
                                "json_extract(selection, '$.gone') + ?2) WHERE id = ?1",
                                e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, gone);
    st = db_run(db, s, e);
    sqlite3_finalize(s);
    return st;
}

static enum status count_one(sqlite3 *db, const struct open_replay *replay, int64_t lane,
                             int64_t after, int64_t last, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int64_t gone = 0;
    enum status st =
        db_prepare(db, &s, "SELECT count(*) FROM events WHERE " SELECT_WHERE " AND lane = ?11", e);
    if (st != ST_OK)
        return st;
    select_where_bind(s, &replay->which, replay->position > after ? replay->position : after,
                      replay->last < last ? replay->last : last);
    sqlite3_bind_int64(s, SELECT_WHERE_FREE, lane);
    if (sqlite3_step(s) == SQLITE_ROW)
        gone = sqlite3_column_int64(s, 0);
    else
        st = db_error(db, e, "counting pruned events");
    sqlite3_finalize(s);
    return st == ST_OK && gone ? add_gone(db, replay->id, gone, e) : st;
}

enum status replays_gone_count(sqlite3 *db, int64_t lane, int64_t after, int64_t last,
                               struct err *e)
{
    struct open_replay *open;
    size_t count = 0;
    int64_t any = 0;
    enum status st;
    if (!lane)
        return ST_OK;
    st = db_int(db, "SELECT EXISTS (SELECT 1 FROM replays WHERE state <= 1)", &any, e);
    if (st != ST_OK || !any)
        return st;
    open = calloc(REPLAYS_OPEN_MAX, sizeof *open);
    if (!open)
        return err_set(e, ST_NO_MEM, "replays: out of memory");
    st = open_replays(db, last, open, &count, e);
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = count_one(db, &open[i], lane, after, last, e);
    free(open);
    return st;
}
