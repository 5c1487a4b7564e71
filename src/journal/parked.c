/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/parked.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct parked {
    sqlite3 *db;
    sqlite3_stmt *add;
};

enum status parked_create(struct parked **out, sqlite3 *db, struct err *e)
{
    enum status st;
    struct parked *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ST_NO_MEM, "parked events: out of memory");
    p->db = db;
    st = db_prepare(db, &p->add,
                    "INSERT INTO parked(seq, lane, parked_us, reason) VALUES(?1, ?2, ?3, ?4) "
                    "ON CONFLICT(seq) DO NOTHING",
                    e);
    if (st != ST_OK) {
        parked_destroy(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

void parked_destroy(struct parked *p)
{
    if (!p)
        return;
    sqlite3_finalize(p->add);
    free(p);
}

enum status parked_add(struct parked *p, const struct parked_event *event, bool *is_new,
                       struct err *e)
{
    struct slice reason = event->reason;
    enum status st;
    sqlite3_bind_int64(p->add, 1, event->seq);
    sqlite3_bind_int64(p->add, 2, event->lane);
    sqlite3_bind_int64(p->add, 3, event->at.us);
    sqlite3_bind_text(p->add, 4, reason.len ? reason.ptr : "", (int)reason.len, SQLITE_STATIC);
    st = db_run(p->db, p->add, e);
    *is_new = st == ST_OK && sqlite3_changes(p->db) > 0;
    return st;
}

static enum status write_end(sqlite3 *db, const struct parked_end *end, const struct action_by *by,
                             int64_t *changes, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum status st =
        db_prepare(db, &s,
                   "UPDATE parked SET state = ?2, settled_us = ?3, settled_by = ?4, "
                   "settled_why = ?5, successor = nullif(?6, 0) WHERE seq = ?1 AND state = 0",
                   e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_int64(s, 1, end->seq);
    sqlite3_bind_int64(s, 2, end->state);
    sqlite3_bind_int64(s, 3, end->at.us);
    sqlite3_bind_text(s, 4, by->who, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, by->why, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 6, end->successor);
    st = db_run(db, s, e);
    *changes = sqlite3_changes64(db);
    sqlite3_finalize(s);
    return st;
}

enum status parked_settle(sqlite3 *db, const struct parked_end *end, const struct action_by *by,
                          struct err *e)
{
    char target[32];
    int64_t changes = 0;
    enum status st = write_end(db, end, by, &changes, e);
    if (st != ST_OK)
        return st;
    if (!changes)
        return err_set(e, ST_NOT_FOUND, "event %" PRId64 " is not parked", end->seq);
    snprintf(target, sizeof target, "seq:%" PRId64, end->seq);
    return action_note_write(db, end->at, by, end->state == PARKED_REQUEUED ? "requeue" : "discard",
                             target, e);
}
