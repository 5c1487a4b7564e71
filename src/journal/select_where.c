/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/select_where.h"

static void bind_time(sqlite3_stmt *s, int index, struct wall t)
{
    if (t.us)
        sqlite3_bind_int64(s, index, t.us);
    else
        sqlite3_bind_null(s, index);
}

void select_where_bind(sqlite3_stmt *s, const struct selection *which, int64_t after, int64_t last)
{
    const char *const texts[] = {which->source, which->family, which->type, which->key, which->id};
    if (which->from_seq && after < which->from_seq - 1)
        after = which->from_seq - 1;
    if (which->to_seq && last > which->to_seq)
        last = which->to_seq;
    sqlite3_bind_int64(s, 1, after);
    sqlite3_bind_int64(s, 2, last);
    bind_time(s, 3, which->since);
    bind_time(s, 4, which->until);
    sqlite3_bind_int(s, 5, which->is_by_event);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        /* An empty slice binds NULL: not given. */
        int rc = db_bind_text(s, (int)i + 6, slice_of(texts[i]));
        CHECK(rc == SQLITE_OK);
    }
}
