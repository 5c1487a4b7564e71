/* SPDX-License-Identifier: Apache-2.0 */
#include "memvfs/memvfs.h"

#include "memvfs/memvfs_disk.h"
#include "memvfs/memvfs_file.h"

#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 512
/* 1970-01-01 as a Julian day number in milliseconds, the unit of xCurrentTimeInt64. */
#define UNIX_EPOCH_JULIAN_MS INT64_C(210866760000000)
#define START_TIME_MS        INT64_C(1767225600000)

struct memvfs {
    sqlite3_vfs base;
    struct memvfs_disk disk;
    char *name;
    uint64_t os_rng; /* its own sequence: what SQLite draws does not shift the failures */
    int64_t time_ms;
};

static struct memvfs *self_of(sqlite3_vfs *base)
{
    return base->pAppData;
}

static int on_open(sqlite3_vfs *base, const char *name, sqlite3_file *file, int flags,
                   int *out_flags)
{
    struct memvfs *v = self_of(base);
    struct memvfs_node *n = name ? memvfs_disk_find(&v->disk, name) : NULL;
    file->pMethods = NULL;
    int code = memvfs_disk_gate(&v->disk, MEMVFS_OPEN, name, !n && flags & SQLITE_OPEN_CREATE);
    if (code != SQLITE_OK)
        return code;
    if (!n && !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    if (n && flags & SQLITE_OPEN_CREATE && flags & SQLITE_OPEN_EXCLUSIVE)
        return SQLITE_CANTOPEN;
    if (!n)
        n = memvfs_disk_add(&v->disk, name);
    memvfs_file_init((struct memvfs_file *)(void *)file, &v->disk, n, flags, v->name);
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *base, const char *name, int sync_dir)
{
    struct memvfs *v = self_of(base);
    int code = memvfs_disk_gate(&v->disk, MEMVFS_DELETE, name, true);
    if (code != SQLITE_OK)
        return code;
    struct memvfs_node *n = memvfs_disk_find(&v->disk, name);
    if (!n)
        return SQLITE_IOERR_DELETE_NOENT;
    memvfs_disk_unlink(&v->disk, n);
    if (sync_dir)
        memvfs_disk_sync_dir(&v->disk);
    return SQLITE_OK;
}

/* As in the unix VFS an empty file counts as absent for EXISTS: an empty journal is not hot. */
static int on_access(sqlite3_vfs *base, const char *name, int flags, int *result)
{
    struct memvfs *v = self_of(base);
    *result = 0;
    if (v->disk.off)
        return SQLITE_IOERR;
    const struct memvfs_node *n = memvfs_disk_find(&v->disk, name);
    *result = n && (flags != SQLITE_ACCESS_EXISTS || n->now_bytes > 0);
    return SQLITE_OK;
}

static int on_full_pathname(sqlite3_vfs *base, const char *name, int room, char *out)
{
    (void)base;
    size_t len = strlen(name);
    if (len + 1 > (size_t)room)
        return SQLITE_CANTOPEN;
    memcpy(out, name, len + 1);
    return SQLITE_OK;
}

static int on_randomness(sqlite3_vfs *base, int len, char *out)
{
    struct memvfs *v = self_of(base);
    for (int i = 0; i < len; i++)
        out[i] = (char)(memvfs_node_random(&v->os_rng) & 0x7f);
    return len;
}

static int on_sleep(sqlite3_vfs *base, int us)
{
    (void)base;
    return us;
}

static int on_current_time_ms(sqlite3_vfs *base, sqlite3_int64 *julian_ms)
{
    *julian_ms = self_of(base)->time_ms + UNIX_EPOCH_JULIAN_MS;
    return SQLITE_OK;
}

static int on_current_time(sqlite3_vfs *base, double *julian_days)
{
    *julian_days = (double)(self_of(base)->time_ms + UNIX_EPOCH_JULIAN_MS) / 86400000.0;
    return SQLITE_OK;
}

struct memvfs *memvfs_create(const char *name, uint64_t seed)
{
    if (sqlite3_vfs_find(name))
        return NULL;
    struct memvfs *v = calloc(1, sizeof *v);
    char *copy = strdup(name);
    if (!v || !copy) {
        fputs("memvfs: out of memory\n", stderr);
        abort();
    }
    uint64_t state = seed;
    memvfs_disk_init(&v->disk, memvfs_node_random(&state));
    v->os_rng = memvfs_node_random(&state);
    v->time_ms = START_TIME_MS;
    v->name = copy;
    v->base = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(struct memvfs_file),
        .mxPathname = NAME_MAX_BYTES,
        .zName = copy,
        .pAppData = v,
        .xOpen = on_open,
        .xDelete = on_delete,
        .xAccess = on_access,
        .xFullPathname = on_full_pathname,
        .xRandomness = on_randomness,
        .xSleep = on_sleep,
        .xCurrentTime = on_current_time,
        .xCurrentTimeInt64 = on_current_time_ms,
    };
    if (sqlite3_vfs_register(&v->base, 0) == SQLITE_OK)
        return v;
    memvfs_disk_fini(&v->disk);
    free(copy);
    free(v);
    return NULL;
}

void memvfs_destroy(struct memvfs *v)
{
    if (!v)
        return;
    sqlite3_vfs_unregister(&v->base);
    memvfs_disk_fini(&v->disk);
    free(v->name);
    free(v);
}

void memvfs_set_default(struct memvfs *v)
{
    sqlite3_vfs_register(&v->base, 1);
    sqlite3_randomness(0, NULL);
}

void memvfs_power_cut(struct memvfs *v, enum memvfs_mode mode)
{
    memvfs_disk_cut(&v->disk, mode);
}

void memvfs_cut_at(struct memvfs *v, uint64_t n, enum memvfs_mode mode)
{
    v->disk.cut_in = n;
    v->disk.cut_mode = mode;
}

bool memvfs_is_cut(const struct memvfs *v)
{
    return v->disk.off;
}

void memvfs_power_on(struct memvfs *v)
{
    v->disk.off = false;
}

void memvfs_sync_dir(struct memvfs *v)
{
    if (!v->disk.off)
        memvfs_disk_sync_dir(&v->disk);
}

void memvfs_fail_at(struct memvfs *v, struct memvfs_fault fault)
{
    if (v->disk.n_faults == MEMVFS_FAULTS_MAX) {
        fputs("memvfs: too many faults wait\n", stderr);
        abort();
    }
    v->disk.faults[v->disk.n_faults++] = fault;
}

void memvfs_clear_faults(struct memvfs *v)
{
    v->disk.n_faults = 0;
}

void memvfs_set_capacity(struct memvfs *v, uint64_t bytes)
{
    v->disk.capacity_bytes = bytes;
}

uint64_t memvfs_used_bytes(const struct memvfs *v)
{
    return memvfs_disk_used(&v->disk);
}

uint64_t memvfs_count(const struct memvfs *v, enum memvfs_op op)
{
    return v->disk.counts[op];
}

void memvfs_set_time(struct memvfs *v, struct wall now)
{
    v->time_ms = now.us / 1000;
}

int64_t memvfs_file_size(const struct memvfs *v, const char *name)
{
    const struct memvfs_node *n = memvfs_disk_find(&v->disk, name);
    return n ? (int64_t)n->now_bytes : -1;
}

unsigned memvfs_open_files(const struct memvfs *v)
{
    return v->disk.n_handles;
}

void memvfs_put_file(struct memvfs *v, const char *name, const void *bytes, size_t len)
{
    struct memvfs_node *n = memvfs_disk_add(&v->disk, name);
    memvfs_node_write(n, bytes, len, 0);
    memvfs_node_sync(n);
    n->durable_linked = true;
}

size_t memvfs_get_file(const struct memvfs *v, const char *name, void *out, size_t len)
{
    const struct memvfs_node *n = memvfs_disk_find(&v->disk, name);
    return n ? memvfs_node_read(n, out, len, 0) : 0;
}
