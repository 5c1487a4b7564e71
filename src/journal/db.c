/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/db.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A foreign process that holds a lock is a fault, not load: one writer and read-only readers never
 * wait for each other in WAL mode. So wait briefly, then say so.
 */
#define BUSY_TIMEOUT_MS 500

/* The head and the tail of the journal are all that is needed; negative: KiB. */
#define WRITER_CACHE_KIB 8192
#define READER_CACHE_KIB 4096

enum status db_error(sqlite3 *db, struct err *e, const char *what)
{
    int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    enum status st;
    switch (code & 0xff) {
    case SQLITE_FULL:
        st = ST_FULL;
        break;
    case SQLITE_IOERR:
        st = ST_IO;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        st = ST_CORRUPT;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        st = ST_BUSY;
        break;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        st = ST_DENIED;
        break;
    case SQLITE_NOMEM:
        st = ST_NO_MEM;
        break;
    default:
        st = ST_FATAL;
    }
    return err_set_detail(e, st, code, "%s: %s (SQLite %d)", what,
                          db ? sqlite3_errmsg(db) : "out of memory", code);
}

enum status db_exec(sqlite3 *db, const char *sql, struct err *e)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_error(db, e, sql);
    return ST_OK;
}

enum status db_prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, struct err *e)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return db_error(db, e, sql);
    return ST_OK;
}

enum status db_run(sqlite3 *db, sqlite3_stmt *stmt, struct err *e)
{
    enum status st = ST_OK;
    if (sqlite3_step(stmt) != SQLITE_DONE)
        st = db_error(db, e, sqlite3_sql(stmt));
    /* A statement left open would pin the WAL. */
    sqlite3_reset(stmt);
    return st;
}

enum status db_int(sqlite3 *db, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum status st = ST_OK;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return db_error(db, e, sql);
    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW:
        *out = sqlite3_column_int64(stmt, 0);
        break;
    case SQLITE_DONE:
        st = err_set(e, ST_NOT_FOUND, "%s: no row", sql);
        break;
    default:
        st = db_error(db, e, sql);
    }
    sqlite3_finalize(stmt);
    return st;
}

enum status db_text(sqlite3 *db, const char *sql, const char *param, char *out, size_t size,
                    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum status st = ST_OK;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return db_error(db, e, sql);
    if (param)
        sqlite3_bind_text(stmt, 1, param, -1, SQLITE_STATIC);
    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW:
        snprintf(out, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
        break;
    case SQLITE_DONE:
        st = err_set(e, ST_NOT_FOUND, "%s: no row", sql);
        break;
    default:
        st = db_error(db, e, sql);
    }
    sqlite3_finalize(stmt);
    return st;
}

int db_bind_text(sqlite3_stmt *stmt, int index, struct slice text)
{
    if (!text.len)
        return sqlite3_bind_null(stmt, index);
    return sqlite3_bind_text(stmt, index, text.ptr, (int)text.len, SQLITE_STATIC);
}

struct slice db_column(sqlite3_stmt *stmt, int index)
{
    const char *bytes = sqlite3_column_blob(stmt, index);
    return (struct slice){bytes, (size_t)sqlite3_column_bytes(stmt, index)};
}

void db_copy_column(sqlite3_stmt *stmt, int index, char *out, size_t size)
{
    struct slice text = db_column(stmt, index);
    snprintf(out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

/* Reads a setting back: a promise that rests on a setting must not rest on having asked for it. */
static enum status expect(sqlite3 *db, const char *pragma, const char *want, struct err *e)
{
    char sql[64], got[32];
    enum status st;
    snprintf(sql, sizeof sql, "PRAGMA %s", pragma);
    st = db_text(db, sql, NULL, got, sizeof got, e);
    if (st == ST_OK && strcmp(got, want) != 0)
        st = err_set(e, ST_DENIED, "SQLite setting %s is %s, the journal needs %s", pragma, got,
                     want);
    return st;
}

static enum status set_writer(sqlite3 *db, const struct db_opts *opts, struct err *e)
{
    char sql[256];
    enum status st;
    /* page_size only matters for a new file; it cannot change later in WAL mode. */
    snprintf(sql, sizeof sql,
             "PRAGMA page_size=4096;PRAGMA auto_vacuum=NONE;PRAGMA journal_mode=WAL;"
             "PRAGMA synchronous=FULL;PRAGMA cache_size=-%d;PRAGMA journal_size_limit=%" PRIu64 ";"
             "PRAGMA secure_delete=%d;",
             WRITER_CACHE_KIB, opts->wal_max_bytes, opts->secure_delete);
    st = db_exec(db, sql, e);
    if (st == ST_OK)
        st = expect(db, "journal_mode", "wal", e);
    if (st == ST_OK)
        st = expect(db, "synchronous", "2", e);
    return st;
}

static enum status set_common(sqlite3 *db, struct err *e)
{
    char sql[192];
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    /* Checkpoints are explicit, on the writer only: two checkpointers can hit the WAL-reset bug
     * (sqlite.org/wal.html). */
    sqlite3_wal_autocheckpoint(db, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    snprintf(sql, sizeof sql,
             "PRAGMA mmap_size=0;PRAGMA temp_store=MEMORY;PRAGMA cell_size_check=ON;"
             "PRAGMA cache_size=-%d;",
             READER_CACHE_KIB);
    return db_exec(db, sql, e);
}

enum status db_open(sqlite3 **out, const struct db_opts *opts, struct err *e)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    enum status st;
    flags |=
        opts->mode == DB_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (sqlite3_open_v2(opts->path, &db, flags, opts->vfs) != SQLITE_OK) {
        st = db_error(db, e, "cannot open");
        goto out_close;
    }
    st = set_common(db, e);
    if (st == ST_OK && opts->mode == DB_WRITER)
        st = set_writer(db, opts, e);
    if (st != ST_OK)
        goto out_close;
    *out = db;
    return ST_OK;

out_close:
    sqlite3_close(db);
    err_context(e, "journal %s", opts->path);
    return st;
}

void db_close(sqlite3 *db)
{
    if (!db)
        return;
    int rc = sqlite3_close(db);
    CHECK(rc == SQLITE_OK);
}

enum status db_sync_directory(const char *path, struct err *e)
{
    char *directory = strdup(path);
    char *slash = directory ? strrchr(directory, '/') : NULL;
    enum status st = ST_OK;
    int fd;
    if (!directory)
        return err_set(e, ST_NO_MEM, "sync of a directory: out of memory");
    /* "/name" is in "/". */
    if (slash)
        slash[slash == directory] = 0;
    fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        st = err_set_errno(e, ST_IO, errno, "sync of the directory of %s", path);
    if (fd >= 0)
        close(fd);
    free(directory);
    return st;
}
