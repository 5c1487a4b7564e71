/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_DB_H
#define RELAY_JOURNAL_DB_H

/*
 * What every file of this room needs of SQLite: open with the settings that the promises rest on,
 * prepare, run, and one translation of result codes. Internal to the room; nobody else sees
 * sqlite3.
 *
 * Threads: a connection belongs to the thread of its owner (opened with SQLITE_OPEN_NOMUTEX).
 */

#include <sqlite3.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum db_mode {
    DB_WRITER, /* the one read-write connection; creates the file */
    DB_READER, /* read-only; cannot checkpoint even by accident */
};

struct db_opts {
    const char *path;
    const char *vfs; /* NULL: the system's */
    enum db_mode mode;
    bool secure_delete;
    uint64_t wal_max_bytes; /* what the WAL file is cut back to when it is reset; writer only */
};

/*
 * Opens and applies the settings; for a writer also reads back journal_mode=WAL and
 * synchronous=FULL and fails when they are not in force (promise P1). ST_NOT_FOUND: a reader and no
 * file.
 */
MUST_CHECK enum status db_open(sqlite3 **out, const struct db_opts *opts, struct err *e);
/* Closes; NULL is a no-op. Every statement must be finalized. */
void db_close(sqlite3 *db);

/*
 * Makes the names in the directory of path durable. SQLite does so for a new WAL and ignores how it
 * ended (os_unix.c, unixSync), so whoever rests a promise on a new name does it again. ST_IO,
 * ST_NO_MEM.
 */
MUST_CHECK enum status db_sync_directory(const char *path, struct err *e);

/*
 * SQLite's extended result as a status: FULL -> ST_FULL, any IOERR -> ST_IO (the outcome is
 * unknown, promise P6), CORRUPT and NOTADB -> ST_CORRUPT, BUSY -> ST_BUSY, READONLY and CANTOPEN ->
 * ST_DENIED. Fills *e with what and SQLite's text and code.
 */
enum status db_error(sqlite3 *db, struct err *e, const char *what);

/* Runs SQL without results. */
MUST_CHECK enum status db_exec(sqlite3 *db, const char *sql, struct err *e);
/* Prepares a statement that is kept for the life of the connection. */
MUST_CHECK enum status db_prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, struct err *e);
/* Runs a bound statement that gives no row, and resets it. */
MUST_CHECK enum status db_run(sqlite3 *db, sqlite3_stmt *stmt, struct err *e);
/* The one integer that sql gives; ST_NOT_FOUND when there is no row. */
MUST_CHECK enum status db_int(sqlite3 *db, const char *sql, int64_t *out, struct err *e);
/* Runs sql with one text parameter and copies the one text it gives; ST_NOT_FOUND when there is no
 * row. */
MUST_CHECK enum status db_text(sqlite3 *db, const char *sql, const char *param, char *out,
                               size_t size, struct err *e);

/* Binds borrowed bytes that outlive the step; an empty slice binds NULL. */
int db_bind_text(sqlite3_stmt *stmt, int index, struct slice text);
/* The bytes of a column; borrowed until the statement moves. */
struct slice db_column(sqlite3_stmt *stmt, int index);
/* Copies a text column into an array; a long one is cut, NULL is "". */
void db_copy_column(sqlite3_stmt *stmt, int index, char *out, size_t size);

#endif
