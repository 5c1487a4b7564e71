/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/db.h"

/* The file is durable when it and the name in its directory are. */
static enum status sync_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum status st = ST_OK;
    if (fd < 0 || fsync(fd) < 0)
        st = err_set_errno(e, ST_IO, errno, "sync of %s", path);
    if (fd >= 0)
        close(fd);
    return st == ST_OK ? db_sync_directory(path, e) : st;
}

/* Steps of SQLite's machine between two looks at the new file: some tens of milliseconds of
 * copying. */
#define STEPS_PER_LOOK 1000000

struct look {
    const struct copy_progress *progress;
    const char *target;
    uint64_t of_bytes;
};

static uint64_t size_of(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 ? (uint64_t)s.st_size : 0;
}

static int on_steps(void *ctx)
{
    const struct look *l = ctx;
    l->progress->on_progress(l->progress->ctx, size_of(l->target), l->of_bytes);
    return 0;
}

static enum status vacuum_into(sqlite3 *db, const char *target, struct err *e)
{
    sqlite3_stmt *s = NULL;
    enum status st = db_prepare(db, &s, "VACUUM INTO ?1", e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_text(s, 1, target, -1, SQLITE_STATIC);
    st = db_run(db, s, e);
    sqlite3_finalize(s);
    return st;
}

enum status copy_backup(const char *path, const char *target, const struct copy_progress *progress,
                        struct err *e)
{
    const struct db_opts opts = {.path = path, .mode = DB_READER};
    struct look look = {progress, target, size_of(path)};
    sqlite3 *db = NULL;
    enum status st;
    if (access(target, F_OK) == 0)
        return err_set(e, ST_BUSY, "%s exists: name another file", target);
    st = db_open(&db, &opts, e);
    if (st == ST_OK && progress)
        sqlite3_progress_handler(db, STEPS_PER_LOOK, on_steps, &look);
    if (st == ST_OK)
        st = vacuum_into(db, target, e);
    db_close(db);
    if (st == ST_OK)
        st = sync_file(target, e);
    if (st != ST_OK)
        unlink(target);
    return st;
}

/* The relay's own lock: while we hold it none can start. Returns the descriptor, or -1 with *e set.
 */
static int lock(const char *path, struct err *e)
{
    char name[4200];
    int fd;
    snprintf(name, sizeof name, "%s-lock", path);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_set_errno(e, ST_DENIED, errno, "journal lock %s", name);
    } else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        err_set(e, ST_BUSY, "journal %s is in use: stop the relay first", path);
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Everything into the main file, so that the WAL can be left behind. */
static enum status flatten(const char *path, struct err *e)
{
    const struct db_opts opts = {.path = path, .mode = DB_WRITER};
    sqlite3 *db = NULL;
    enum status st = db_open(&db, &opts, e);
    if (st == ST_OK &&
        sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        st = db_error(db, e, "checkpoint");
    db_close(db);
    return st;
}

enum status copy_compact(const char *path, const struct copy_progress *progress,
                         struct copy_compacted *out, struct err *e)
{
    char target[4200];
    int fd = lock(path, e);
    enum status st;
    if (fd < 0)
        return e->code;
    snprintf(target, sizeof target, "%s-compact", path);
    unlink(target);
    out->before_bytes = size_of(path);
    st = access(path, F_OK) == 0 ? flatten(path, e)
                                 : err_set(e, ST_NOT_FOUND, "there is no journal %s", path);
    if (st == ST_OK)
        st = copy_backup(path, target, progress, e);
    if (st == ST_OK && rename(target, path) < 0)
        st = err_set_errno(e, ST_IO, errno, "rename to %s", path);
    if (st == ST_OK)
        st = sync_file(path, e);
    out->after_bytes = size_of(path);
    close(fd);
    return st;
}
