/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/replays.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/thread.h"
#include "journal/journal_internal.h"

/*
 * The column `selection` is a JSON object of what was asked for (events, topic, rate, first) and of
 * what became of it beyond the table's other columns (failed, gone, failure, waits). It is made and
 * read by SQLite's own JSON functions, here and in replays_gone.c.
 */
#define REPLAY_COLUMNS                                                                        \
    "id, state, json_extract(selection, '$.events'), json_extract(selection, '$.topic'), "    \
    "json_extract(selection, '$.rate'), json_extract(selection, '$.first'), position, last, " \
    "mark, "                                                                                  \
    "published, json_extract(selection, '$.failed'), json_extract(selection, '$.gone'), "     \
    "json_extract(selection, '$.failure'), json_extract(selection, '$.waits'), created_us, "  \
    "changed_us, who, why"

enum statement { STMT_LIST, STMT_ONE, STMT_FIRST, STMT_COUNT };

static const char *const statements[] = {
    [STMT_LIST] = "SELECT " REPLAY_COLUMNS " FROM replays ORDER BY id DESC LIMIT ?1",
    [STMT_ONE] = "SELECT " REPLAY_COLUMNS " FROM replays WHERE id = ?1",
    [STMT_FIRST] = "SELECT " REPLAY_COLUMNS " FROM replays WHERE state = 0 ORDER BY id LIMIT 1",
};
_Static_assert(sizeof statements / sizeof statements[0] == STMT_COUNT, "one text a statement");

struct replays {
    struct thread_owner owner;
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
};

const char *replays_state_name(enum replays_state state)
{
    static const char *const names[] = {"running", "paused", "done", "cancelled", "failed"};
    CHECK((unsigned)state < sizeof names / sizeof names[0]);
    return names[state];
}

/* ---- the writer's side ---- */

/* Runs a statement that the caller has bound and gives it back. */
static enum status finish(struct journal *j, sqlite3_stmt *s, int64_t *changes, struct err *e)
{
    enum status st = db_run(journal_writer(j), s, e);
    if (st == ST_OK && changes)
        *changes = sqlite3_changes64(journal_writer(j));
    sqlite3_finalize(s);
    return journal_judge(j, st);
}

static enum status prepare(struct journal *j, sqlite3_stmt **s, const char *sql, struct err *e)
{
    return journal_judge(j, db_prepare(journal_writer(j), s, sql, e));
}

static enum status note(struct journal *j, const struct action_by *by, const char *action,
                        int64_t id, struct err *e)
{
    char target[32];
    snprintf(target, sizeof target, "replay:%" PRId64, id);
    return journal_note(j, by, action, target, e);
}

enum status replays_create(struct journal *j, const struct replays_order *order,
                           const struct action_by *by, int64_t *id, struct err *e)
{
    char events[SELECTION_JSON_MAX];
    sqlite3_stmt *s = NULL;
    int64_t open = 0;
    enum status st = action_note_check(by, true, e);
    if (st == ST_OK)
        st = selection_print(order->which, events, e);
    if (st == ST_OK)
        st = journal_judge(j, db_int(journal_writer(j),
                                     "SELECT count(*) FROM replays WHERE state <= 1", &open, e));
    if (st != ST_OK)
        return st;
    if (open >= REPLAYS_OPEN_MAX)
        return err_set(e, ST_TOO_BIG, "%d replays are open already: wait for one, or cancel it",
                       REPLAYS_OPEN_MAX);
    st = prepare(j, &s,
                 "INSERT INTO replays(state, selection, position, last, mark, published, "
                 "created_us, changed_us, who, why) VALUES(0, json_object('events', json(?1), "
                 "'topic', ?2, 'rate', ?3, 'first', ?4, 'failed', 0, 'gone', 0, 'failure', '', "
                 "'waits', ''), ?4, ?5, ?4, 0, ?6, ?6, ?7, ?8)",
                 e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_text(s, 1, events, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, order->topic, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, order->rate);
    sqlite3_bind_int64(s, 4, order->after);
    sqlite3_bind_int64(s, 5, order->last);
    sqlite3_bind_int64(s, 6, journal_now(j).us);
    sqlite3_bind_text(s, 7, by->who, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 8, by->why, -1, SQLITE_STATIC);
    st = finish(j, s, NULL, e);
    if (st != ST_OK)
        return st;
    *id = sqlite3_last_insert_rowid(journal_writer(j));
    return note(j, by, "replay start", *id, e);
}

enum status replays_set_state(struct journal *j, int64_t id, enum replays_state state,
                              const struct action_by *by, struct err *e)
{
    static const char *const actions[] = {
        [REPLAYS_RUNNING] = "replay resume",
        [REPLAYS_PAUSED] = "replay pause",
        [REPLAYS_CANCELLED] = "replay cancel",
    };
    sqlite3_stmt *s = NULL;
    int64_t changes = 0;
    enum status st = action_note_check(by, state == REPLAYS_CANCELLED, e);
    if (st == ST_OK)
        st = prepare(j, &s,
                     "UPDATE replays SET state = ?2, changed_us = ?3, "
                     "selection = json_set(selection, '$.waits', '') WHERE id = ?1 AND "
                     "state = CASE ?2 WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE min(state, 1) END",
                     e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, state);
    sqlite3_bind_int64(s, 3, journal_now(j).us);
    st = finish(j, s, &changes, e);
    if (st == ST_OK && !changes)
        return err_set(e, ST_NOT_FOUND, "replay %" PRId64 " is in no state for that", id);
    return st == ST_OK ? note(j, by, actions[state], id, e) : st;
}

enum status replays_progress(struct journal *j, const struct replays_progress *p, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum status st = prepare(
        j, &s,
        "UPDATE replays SET position = ?2, mark = ?3, published = ?4, changed_us = ?5, "
        "selection = json_set(selection, '$.failed', ?6, '$.failure', ?7, '$.waits', ?8), "
        "state = CASE WHEN ?9 IS NOT NULL AND state <= 1 THEN ?9 ELSE state END WHERE id = ?1",
        e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_int64(s, 1, p->id);
    sqlite3_bind_int64(s, 2, p->position);
    sqlite3_bind_int64(s, 3, p->mark);
    sqlite3_bind_int64(s, 4, p->published);
    sqlite3_bind_int64(s, 5, journal_now(j).us);
    sqlite3_bind_int64(s, 6, p->failed);
    sqlite3_bind_text(s, 7, p->failure, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 8, p->waits, -1, SQLITE_STATIC);
    if (p->is_over)
        sqlite3_bind_int64(s, 9, p->end);
    return finish(j, s, NULL, e);
}

enum status replays_suspect(struct journal *j, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum status st = prepare(j, &s, "UPDATE replays SET mark = last WHERE state <= 1", e);
    return st == ST_OK ? finish(j, s, NULL, e) : st;
}

/* ---- the reader's side ---- */

enum status replays_open(struct replays **out, const char *path, const char *vfs, struct err *e)
{
    const struct db_opts opts = {.path = path, .vfs = vfs, .mode = DB_READER};
    enum status st;
    struct replays *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, ST_NO_MEM, "replays: out of memory");
    st = db_open(&r->db, &opts, e);
    for (int i = 0; i < STMT_COUNT && st == ST_OK; i++)
        st = db_prepare(r->db, &r->stmt[i], statements[i], e);
    if (st != ST_OK) {
        replays_close(r);
        return st;
    }
    *out = r;
    return ST_OK;
}

void replays_close(struct replays *r)
{
    if (!r)
        return;
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(r->stmt[i]);
    db_close(r->db);
    free(r);
}

void replays_hand_over(struct replays *r)
{
    thread_owner_release(&r->owner);
}

static void read_replay(sqlite3_stmt *s, struct replay *out)
{
    int64_t state = sqlite3_column_int64(s, 1);
    *out = (struct replay){.id = sqlite3_column_int64(s, 0),
                           /* A state of a newer version is none to go on from. */
                           .state =
                               state <= REPLAYS_FAILED ? (enum replays_state)state : REPLAYS_FAILED,
                           .rate = sqlite3_column_int64(s, 4),
                           .first = sqlite3_column_int64(s, 5),
                           .position = sqlite3_column_int64(s, 6),
                           .last = sqlite3_column_int64(s, 7),
                           .mark = sqlite3_column_int64(s, 8),
                           .published = sqlite3_column_int64(s, 9),
                           .failed = sqlite3_column_int64(s, 10),
                           .gone = sqlite3_column_int64(s, 11),
                           .created.us = sqlite3_column_int64(s, 14),
                           .changed.us = sqlite3_column_int64(s, 15)};
    db_copy_column(s, 2, out->selection, sizeof out->selection);
    db_copy_column(s, 3, out->topic, sizeof out->topic);
    db_copy_column(s, 12, out->failure, sizeof out->failure);
    db_copy_column(s, 13, out->waits, sizeof out->waits);
    db_copy_column(s, 16, out->who, sizeof out->who);
    db_copy_column(s, 17, out->why, sizeof out->why);
}

enum status replays_list(struct replays *r, size_t max,
                         void (*fn)(void *arg, const struct replay *), void *arg, struct err *e)
{
    sqlite3_stmt *s = r->stmt[STMT_LIST];
    enum status st = ST_OK;
    int rc;
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(s, 1, (int64_t)max);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct replay replay;
        read_replay(s, &replay);
        fn(arg, &replay);
    }
    if (rc != SQLITE_DONE)
        st = db_error(r->db, e, "reading replays");
    sqlite3_reset(s);
    return st;
}

static enum status read_one(struct replays *r, sqlite3_stmt *s, struct replay *out, struct err *e)
{
    enum status st = ST_OK;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        read_replay(s, out);
    else if (rc == SQLITE_DONE)
        st = err_set(e, ST_NOT_FOUND, "there is no such replay");
    else
        st = db_error(r->db, e, "reading a replay");
    sqlite3_reset(s);
    return st;
}

enum status replays_one(struct replays *r, int64_t id, struct replay *out, struct err *e)
{
    thread_owner_check(&r->owner);
    sqlite3_bind_int64(r->stmt[STMT_ONE], 1, id);
    return read_one(r, r->stmt[STMT_ONE], out, e);
}

enum status replays_first(struct replays *r, struct replay *out, struct err *e)
{
    thread_owner_check(&r->owner);
    return read_one(r, r->stmt[STMT_FIRST], out, e);
}
