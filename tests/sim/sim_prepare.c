/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_prepare.h"

#include <stdlib.h>

#include "base/err.h"

/* SQLite's own, as the linker names them then. */
int real_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **out,
                    const char **tail) __asm__("__real_sqlite3_prepare_v3");
int real_finalize(sqlite3_stmt *s) __asm__("__real_sqlite3_finalize");
int real_reset(sqlite3_stmt *s) __asm__("__real_sqlite3_reset");
int real_step(sqlite3_stmt *s) __asm__("__real_sqlite3_step");
const char *real_sql(sqlite3_stmt *s) __asm__("__real_sqlite3_sql");
int real_bind_int(sqlite3_stmt *s, int i, int v) __asm__("__real_sqlite3_bind_int");
int real_bind_int64(sqlite3_stmt *s, int i, sqlite3_int64 v) __asm__("__real_sqlite3_bind_int64");
int real_bind_null(sqlite3_stmt *s, int i) __asm__("__real_sqlite3_bind_null");
int real_bind_text(sqlite3_stmt *s, int i, const char *text, int len,
                   void (*done)(void *)) __asm__("__real_sqlite3_bind_text");
int real_bind_blob(sqlite3_stmt *s, int i, const void *bytes, int len,
                   void (*done)(void *)) __asm__("__real_sqlite3_bind_blob");
int real_column_int(sqlite3_stmt *s, int i) __asm__("__real_sqlite3_column_int");
sqlite3_int64 real_column_int64(sqlite3_stmt *s, int i) __asm__("__real_sqlite3_column_int64");
const unsigned char *real_column_text(sqlite3_stmt *s, int i) __asm__("__real_sqlite3_column_text");
const void *real_column_blob(sqlite3_stmt *s, int i) __asm__("__real_sqlite3_column_blob");
int real_column_bytes(sqlite3_stmt *s, int i) __asm__("__real_sqlite3_column_bytes");
int real_column_type(sqlite3_stmt *s, int i) __asm__("__real_sqlite3_column_type");

/* Stands where a statement of SQLite begins with the address of its connection. */
static const char waiting;

struct waiting {
    const char *kind; /* &waiting */
    sqlite3 *db;
    const char *sql; /* a literal of the relay's */
    unsigned flags;
    int code; /* of preparing it */
    sqlite3_stmt *real;
};

static struct waiting *waiting_of(sqlite3_stmt *s)
{
    struct waiting *w = (struct waiting *)(void *)s;
    return w && w->kind == &waiting ? w : NULL;
}

/* SQLite's statement; NULL when it cannot be prepared, which step tells. */
static sqlite3_stmt *real_of(sqlite3_stmt *s)
{
    struct waiting *w = waiting_of(s);
    if (!w)
        return s;
    if (!w->real)
        w->code = real_prepare_v3(w->db, w->sql, -1, w->flags, &w->real, NULL);
    return w->real;
}

int sim_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **out,
                   const char **tail)
{
    struct waiting *w = calloc(1, sizeof *w);
    CHECK(w && len == -1 && !tail);
    *w = (struct waiting){.kind = &waiting, .db = db, .sql = sql, .flags = flags};
    *out = (sqlite3_stmt *)(void *)w;
    return SQLITE_OK;
}

int sim_prepare_finalize(sqlite3_stmt *s)
{
    struct waiting *w = waiting_of(s);
    int code = real_finalize(w ? w->real : s);
    free(w);
    return code;
}

int sim_prepare_reset(sqlite3_stmt *s)
{
    struct waiting *w = waiting_of(s);
    return real_reset(w ? w->real : s);
}

int sim_prepare_step(sqlite3_stmt *s)
{
    sqlite3_stmt *real = real_of(s);
    return real ? real_step(real) : waiting_of(s)->code;
}

const char *sim_prepare_sql(sqlite3_stmt *s)
{
    struct waiting *w = waiting_of(s);
    return w ? w->sql : real_sql(s);
}

/* ---- what a statement that could not be prepared takes in silence ---- */

int sim_prepare_bind_int(sqlite3_stmt *s, int i, int v)
{
    sqlite3_stmt *real = real_of(s);
    return real ? real_bind_int(real, i, v) : SQLITE_OK;
}

int sim_prepare_bind_int64(sqlite3_stmt *s, int i, sqlite3_int64 v)
{
    sqlite3_stmt *real = real_of(s);
    return real ? real_bind_int64(real, i, v) : SQLITE_OK;
}

int sim_prepare_bind_null(sqlite3_stmt *s, int i)
{
    sqlite3_stmt *real = real_of(s);
    return real ? real_bind_null(real, i) : SQLITE_OK;
}

int sim_prepare_bind_text(sqlite3_stmt *s, int i, const char *text, int len, void (*done)(void *))
{
    sqlite3_stmt *real = real_of(s);
    return real ? real_bind_text(real, i, text, len, done) : SQLITE_OK;
}

int sim_prepare_bind_blob(sqlite3_stmt *s, int i, const void *bytes, int len, void (*done)(void *))
{
    sqlite3_stmt *real = real_of(s);
    return real ? real_bind_blob(real, i, bytes, len, done) : SQLITE_OK;
}

/* ---- columns: there is a row, so it is prepared ---- */

int sim_prepare_column_int(sqlite3_stmt *s, int i)
{
    return real_column_int(real_of(s), i);
}

sqlite3_int64 sim_prepare_column_int64(sqlite3_stmt *s, int i)
{
    return real_column_int64(real_of(s), i);
}

const unsigned char *sim_prepare_column_text(sqlite3_stmt *s, int i)
{
    return real_column_text(real_of(s), i);
}

const void *sim_prepare_column_blob(sqlite3_stmt *s, int i)
{
    return real_column_blob(real_of(s), i);
}

int sim_prepare_column_bytes(sqlite3_stmt *s, int i)
{
    return real_column_bytes(real_of(s), i);
}

int sim_prepare_column_type(sqlite3_stmt *s, int i)
{
    return real_column_type(real_of(s), i);
}
