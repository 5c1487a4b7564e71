/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/retention.h"

#include <stdlib.h>

#include "base/failpoint.h"
#include "journal/replays_gone.h"

enum statement { STMT_LANE, STMT_FIND, STMT_DELETE, STMT_COUNT };

static const char *const statements[] = {
    /* The next lane and how far it is published; lane 0 holds what never will be. */
    [STMT_LANE] = "SELECT id, cursor FROM (SELECT 0 AS id, 9223372036854775807 AS cursor "
                  "UNION ALL SELECT id, cursor FROM lanes) WHERE id >= ?1 ORDER BY id LIMIT 1",
    /* A requeue has the received time of the event that was parked: it says nothing of what lies
     * before it, and waits for that. */
    [STMT_FIND] = "SELECT count(*), max(seq) FROM (SELECT seq, received_us, parent FROM events "
                  "WHERE lane = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4) AS old "
                  "WHERE received_us < ?5 AND (parent IS NULL OR NOT EXISTS (SELECT 1 FROM events "
                  "WHERE lane = ?1 AND seq > ?2 AND seq < old.seq AND received_us >= ?5))",
    /* What waits for a person stays, also when its lane went on. */
    [STMT_DELETE] = "DELETE FROM events WHERE lane = ?1 AND seq > ?2 AND seq <= ?3 AND NOT EXISTS "
                    "(SELECT 1 FROM parked WHERE parked.seq = events.seq AND state = 0)",
};
_Static_assert(sizeof statements / sizeof statements[0] == STMT_COUNT, "one text a statement");

struct retention {
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
    int64_t lane;                            /* whose turn it is */
    int64_t position[JOURNAL_LANES_MAX + 1]; /* up to where each lane was gone through */
};

enum status retention_create(struct retention **out, sqlite3 *db, struct err *e)
{
    enum status st = ST_OK;
    struct retention *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, ST_NO_MEM, "retention: out of memory");
    r->db = db;
    for (int i = 0; i < STMT_COUNT && st == ST_OK; i++)
        st = db_prepare(db, &r->stmt[i], statements[i], e);
    if (st != ST_OK) {
        retention_destroy(r);
        return st;
    }
    *out = r;
    return ST_OK;
}

void retention_destroy(struct retention *r)
{
    if (!r)
        return;
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(r->stmt[i]);
    free(r);
}

/* The lane whose turn it is. False: all had theirs, the next round starts at the first. */
static enum status next_lane(struct retention *r, int64_t *cursor, bool *any, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_LANE];
    enum status st = ST_OK;
    int rc;
    sqlite3_bind_int64(s, 1, r->lane);
    rc = sqlite3_step(s);
    *any = rc == SQLITE_ROW;
    if (*any) {
        r->lane = sqlite3_column_int64(s, 0);
        *cursor = sqlite3_column_int64(s, 1);
    } else if (rc != SQLITE_DONE) {
        st = db_error(r->db, e, "retention");
    }
    sqlite3_reset(s);
    return st;
}

/* Rows at the front of the lane that are old enough. */
struct front {
    int64_t cursor; /* in: how far the lane is published */
    int64_t max_rows;
    struct wall before;
    int64_t count; /* out */
    int64_t last;  /* out: the seq of the last of them */
};

static enum status find_old(struct retention *r, struct front *f, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_FIND];
    enum status st = ST_OK;
    sqlite3_bind_int64(s, 1, r->lane);
    sqlite3_bind_int64(s, 2, r->position[r->lane]);
    sqlite3_bind_int64(s, 3, f->cursor);
    sqlite3_bind_int64(s, 4, f->max_rows);
    sqlite3_bind_int64(s, 5, f->before.us);
    if (sqlite3_step(s) == SQLITE_ROW) {
        f->count = sqlite3_column_int64(s, 0);
        f->last = sqlite3_column_int64(s, 1);
    } else {
        st = db_error(r->db, e, "retention");
    }
    sqlite3_reset(s);
    return st;
}

static enum status delete_rows(struct retention *r, int64_t last, int64_t *deleted, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_DELETE];
    /* A replay that has not come so far tells how many it missed. */
    enum status st = replays_gone_count(r->db, r->lane, r->position[r->lane], last, e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_int64(s, 1, r->lane);
    sqlite3_bind_int64(s, 2, r->position[r->lane]);
    sqlite3_bind_int64(s, 3, last);
    st = db_run(r->db, s, e);
    if (st == ST_OK)
        *deleted = sqlite3_changes64(r->db);
    FAILPOINT("journal.pruned");
    return st;
}

enum status retention_slice(struct retention *r, struct wall before, int64_t max_rows,
                            struct journal_pruned *out, struct err *e)
{
    struct front front = {.max_rows = max_rows, .before = before};
    bool any = false;
    enum status st = next_lane(r, &front.cursor, &any, e);
    *out = (struct journal_pruned){.round_ended = !any};
    if (st != ST_OK)
        return st;
    if (!any) {
        r->lane = 0;
        return ST_OK;
    }
    st = find_old(r, &front, e);
    if (st == ST_OK && front.count)
        st = delete_rows(r, front.last, &out->deleted, e);
    if (st != ST_OK)
        return st;
    if (front.count)
        r->position[r->lane] = front.last;
    /* A full slice may have more behind it: the lane keeps its turn. */
    if (front.count < max_rows)
        r->lane++;
    return ST_OK;
}

void retention_rolled_back(struct retention *r)
{
    r->lane = 0;
    memset(r->position, 0, sizeof r->position);
}
