/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/actions.h"

#include <inttypes.h>

#include "journal/journal_internal.h"
#include "journal/parked.h"
#include "journal/replays.h"

/* Runs a statement with up to four texts and numbers bound in order; *changes may be NULL. */
struct bound {
    const char *text; /* NULL: number */
    int64_t number;
};

static enum status run(struct journal *j, const char *sql, const struct bound *values, size_t n,
                       int64_t *changes, struct err *e)
{
    sqlite3 *db = journal_writer(j);
    sqlite3_stmt *s = NULL;
    enum status st = db_prepare(db, &s, sql, e);
    if (st != ST_OK)
        return journal_judge(j, st);
    for (size_t i = 0; i < n; i++) {
        if (values[i].text)
            sqlite3_bind_text(s, (int)i + 1, values[i].text, -1, SQLITE_STATIC);
        else
            sqlite3_bind_int64(s, (int)i + 1, values[i].number);
    }
    st = db_run(db, s, e);
    if (st == ST_OK && changes)
        *changes = sqlite3_changes64(db);
    sqlite3_finalize(s);
    return journal_judge(j, st);
}

static struct bound text(const char *value)
{
    return (struct bound){value, 0};
}

static struct bound number(int64_t value)
{
    return (struct bound){NULL, value};
}

static enum status count_of(struct journal *j, const char *sql, struct bound value, int64_t *out,
                            struct err *e)
{
    sqlite3 *db = journal_writer(j);
    sqlite3_stmt *s = NULL;
    enum status st = db_prepare(db, &s, sql, e);
    if (st != ST_OK)
        return st;
    if (value.text)
        sqlite3_bind_text(s, 1, value.text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(s, 1, value.number);
    if (sqlite3_step(s) == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    else
        st = db_error(db, e, sql);
    sqlite3_finalize(s);
    return st;
}

/* A scope must name something that is there: a typing error would pause nothing, silently. */
static enum status check_scope(struct journal *j, const char *scope, struct err *e)
{
    int64_t found = 0;
    enum status st = ST_OK;
    if (strcmp(scope, "all") == 0)
        return ST_OK;
    if (strncmp(scope, "source:", 7) == 0)
        st =
            count_of(j, "SELECT count(*) FROM sources WHERE name = ?1", text(scope + 7), &found, e);
    else if (strncmp(scope, "lane:", 5) == 0)
        st = count_of(j, "SELECT count(*) FROM lanes WHERE CAST(id AS TEXT) = ?1", text(scope + 5),
                      &found, e);
    if (st == ST_OK && !found)
        st =
            err_set(e, ST_BAD_INPUT,
                    "there is no %s: say all, source:NAME or lane:ID (gladly-relay status)", scope);
    return st;
}

enum status action_pause(struct journal *j, const char *scope, const struct action_by *by,
                         struct err *e)
{
    const struct bound values[] = {text(scope), number(journal_now(j).us), text(by->who),
                                   text(by->why)};
    enum status st = action_note_check(by, false, e);
    if (st == ST_OK)
        st = check_scope(j, scope, e);
    if (st == ST_OK)
        st = run(j,
                 "INSERT INTO pauses(scope, since_us, who, why) VALUES(?1, ?2, ?3, ?4) "
                 "ON CONFLICT(scope) DO NOTHING",
                 values, 4, NULL, e);
    return st == ST_OK ? journal_note(j, by, "pause", scope, e) : st;
}

enum status action_resume(struct journal *j, const char *scope, const struct action_by *by,
                          struct err *e)
{
    const struct bound values[] = {text(scope)};
    int64_t changes = 0;
    enum status st = action_note_check(by, false, e);
    if (st == ST_OK)
        st = run(j, "DELETE FROM pauses WHERE scope = ?1", values, 1, &changes, e);
    if (st == ST_OK && !changes)
        return err_set(e, ST_NOT_FOUND, "%s is not paused", scope);
    return st == ST_OK ? journal_note(j, by, "resume", scope, e) : st;
}

/* ---- parked events ---- */

static enum status settle_parked(struct journal *j, int64_t seq, enum parked_state state,
                                 int64_t successor, const struct action_by *by, struct err *e)
{
    const struct parked_end end = {
        .seq = seq, .state = state, .successor = successor, .at = journal_now(j)};
    return journal_judge(j, parked_settle(journal_writer(j), &end, by, e));
}

enum status action_requeue(struct journal *j, const struct action_requeue *in,
                           const struct action_by *by, int64_t *successor, struct err *e)
{
    struct event fresh = *in->ev;
    struct journal_append append = {.ev = &fresh, .source = in->source, .parent = in->seq};
    struct journal_appended appended;
    int64_t waits = 0;
    enum status st = action_note_check(by, false, e);
    if (st == ST_OK)
        st = count_of(j, "SELECT count(*) FROM parked WHERE seq = ?1 AND state = 0",
                      number(in->seq), &waits, e);
    if (st != ST_OK)
        return st;
    if (!waits)
        return err_set(e, ST_NOT_FOUND, "event %" PRId64 " is not parked", in->seq);
    fresh.origin = EVENT_ORIGIN_REQUEUE;
    fresh.flags &= ~(unsigned)(EVENT_QUARANTINED | EVENT_OVERSIZE | EVENT_UNROUTED);
    if (!fresh.topic.len)
        return err_set(e, ST_BAD_INPUT, "event %" PRId64 " has no topic: name one", in->seq);
    /* No digest: a requeue is a repeat on purpose, and must not be taken for one by the window. */
    st = journal_append(j, &append, &appended, e);
    if (st == ST_OK)
        st = settle_parked(j, in->seq, PARKED_REQUEUED, appended.seq, by, e);
    if (st == ST_OK)
        *successor = appended.seq;
    return st;
}

enum status action_discard(struct journal *j, int64_t seq, const struct action_by *by,
                           struct err *e)
{
    enum status st = action_note_check(by, true, e);
    return st == ST_OK ? settle_parked(j, seq, PARKED_DISCARDED, 0, by, e) : st;
}

/*
 * Nothing is known of what the cluster has of this journal: everything that waits may be there, and
 * is labelled (the marks), whichever way it was sent before (the note, clearance.h).
 */
static enum status forget_cluster(struct journal *j, struct err *e)
{
    enum status st =
        run(j, "DELETE FROM meta WHERE name IN ('kafka_cluster_id', 'delivery')", NULL, 0, NULL, e);
    if (st == ST_OK)
        st = run(j,
                 "UPDATE lanes SET mark = max(mark, coalesce((SELECT seq FROM sqlite_sequence "
                 "WHERE name = 'events'), 0))",
                 NULL, 0, NULL, e);
    /* An audit must not look for what went before in the new cluster or under the new identity. */
    if (st == ST_OK)
        st = run(j,
                 "INSERT OR REPLACE INTO meta(name, value) "
                 "SELECT 'bound_after:' || id, cursor FROM lanes WHERE cursor > 0",
                 NULL, 0, NULL, e);
    return st == ST_OK ? replays_suspect(j, e) : st;
}

static enum status bind_anew(struct journal *j, const struct action_by *by, const char *action,
                             struct err *e)
{
    enum status st = action_note_check(by, true, e);
    if (st == ST_OK)
        st = forget_cluster(j, e);
    return st == ST_OK ? journal_note(j, by, action, journal_id(j), e) : st;
}

enum status action_rebind(struct journal *j, const struct action_by *by, struct err *e)
{
    return bind_anew(j, by, "rebind", e);
}

enum status action_renew(struct journal *j, const struct action_by *by, struct err *e)
{
    char id_text[IDENT_TEXT_MAX];
    struct ident id = ident_random();
    enum status st = bind_anew(j, by, "renew", e);
    ident_format(&id, id_text);
    return st == ST_OK ? journal_set_meta(j, "journal_id", id_text, e) : st;
}
