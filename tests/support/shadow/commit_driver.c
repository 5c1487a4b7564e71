/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program under the shadow: commits one row at a time and says which.
 *
 *   shadow_commit_driver insert <database> <synchronous> <checkpoint_every>
 *       WAL, wal_autocheckpoint=0; a PASSIVE checkpoint after every checkpoint_every rows (0:
 * never). After each commit it writes the row's id and a newline to stdout at once. Ends when
 * killed, when stdout is closed, after ROWS_MAX rows, with its parent, or with status 3 and "error
 * <extended code>" on stderr. shadow_commit_driver check <database> Writes "<count> <max id>
 * <result of integrity_check>".
 */
#include <sqlite3.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Nobody waits for so many: the end of a driver that was forgotten. */
#define ROWS_MAX 1000000

static int fail(sqlite3 *db)
{
    fprintf(stderr, "error %d %s\n", sqlite3_extended_errcode(db), sqlite3_errmsg(db));
    return 3;
}

static int exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int say(sqlite3_int64 id)
{
    char line[32];
    int len = snprintf(line, sizeof line, "%lld\n", (long long)id);
    return write(STDOUT_FILENO, line, (size_t)len) == len;
}

static int insert(const char *path, const char *synchronous, long checkpoint_every)
{
    char pragma[64];
    sqlite3 *db = NULL;
    int status = 0;
    snprintf(pragma, sizeof pragma, "PRAGMA synchronous=%s", synchronous);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        exec(db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0") != SQLITE_OK ||
        exec(db, pragma) != SQLITE_OK ||
        exec(db, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, body BLOB)") != SQLITE_OK) {
        status = fail(db);
        goto out;
    }
    for (long n = 1; n <= ROWS_MAX; n++) {
        if (exec(db, "INSERT INTO t(body) VALUES(randomblob(600))") != SQLITE_OK) {
            status = fail(db);
            goto out;
        }
        if (!say(sqlite3_last_insert_rowid(db)))
            goto out;
        if (checkpoint_every > 0 && n % checkpoint_every == 0 &&
            exec(db, "PRAGMA wal_checkpoint(PASSIVE)") != SQLITE_OK) {
            status = fail(db);
            goto out;
        }
    }
out:
    sqlite3_close(db);
    return status;
}

static int check(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int status = 0;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        status = fail(db);
        goto out;
    }
    /* A power cut before the first durable commit leaves no table: that is no row, not an error. */
    int code =
        sqlite3_prepare_v2(db, "SELECT count(*), coalesce(max(id), 0) FROM t", -1, &st, NULL);
    if (code == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        printf("%lld %lld ", (long long)sqlite3_column_int64(st, 0),
               (long long)sqlite3_column_int64(st, 1));
    else
        printf("0 0 ");
    sqlite3_finalize(st);
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW)
        status = fail(db);
    else
        printf("%s\n", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
out:
    sqlite3_close(db);
    return status;
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 5 && strcmp(argv[1], "insert") == 0)
        return insert(argv[2], argv[3], strtol(argv[4], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return check(argv[2]);
    fputs("usage: shadow_commit_driver insert <database> <synchronous> <checkpoint_every>\n"
          "       shadow_commit_driver check <database>\n",
          stderr);
    return 2;
}
