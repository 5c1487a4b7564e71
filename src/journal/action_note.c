/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/action_note.h"

#include "journal/db.h"

enum status action_note_check(const struct action_by *by, bool needs_why, struct err *e)
{
    if (!by->who[0] || strlen(by->who) > ACTION_WHO_MAX)
        return err_set(e, ST_BAD_INPUT, "who must have 1 to %d bytes", ACTION_WHO_MAX);
    if (strlen(by->why) > ACTION_WHY_MAX)
        return err_set(e, ST_BAD_INPUT, "why has more than %d bytes", ACTION_WHY_MAX);
    if (needs_why && !by->why[0])
        return err_set(e, ST_BAD_INPUT, "why is missing");
    return ST_OK;
}

enum status action_note_write(struct sqlite3 *db, struct wall at, const struct action_by *by,
                              const char *action, const char *target, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum status st = db_prepare(
        db, &s, "INSERT INTO actions(at_us, who, action, target, why) VALUES(?1, ?2, ?3, ?4, ?5)",
        e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_int64(s, 1, at.us);
    sqlite3_bind_text(s, 2, by->who, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, action, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, target, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, by->why, -1, SQLITE_STATIC);
    st = db_run(db, s, e);
    sqlite3_finalize(s);
    return st;
}
