/* SPDX-License-Identifier: Apache-2.0 */
#include "memvfs/memvfs_file.h"

#include <stdatomic.h>
#include <string.h>

/* SQLITE_DEFAULT_SECTOR_SIZE, as os_unix.c of SQLite 3.40.1 reports it. */
#define REPORTED_SECTOR_BYTES 4096

static struct memvfs_file *file_of(sqlite3_file *base)
{
    return (struct memvfs_file *)(void *)base;
}

static bool is_dead(const struct memvfs_file *f)
{
    return f->life != f->disk->life;
}

static int on_unmap(sqlite3_file *base, int delete_flag)
{
    (void)delete_flag; /* nothing survives the last user anyway */
    struct memvfs_file *f = file_of(base);
    int gone = memvfs_shm_give(f->shm, &f->hold);
    if (gone && !is_dead(f))
        f->node->shm = NULL;
    f->shm = NULL;
    return SQLITE_OK;
}

static int on_close(sqlite3_file *base)
{
    struct memvfs_file *f = file_of(base);
    struct memvfs_disk *d = f->disk;
    on_unmap(base, 0);
    d->n_handles--;
    if (!is_dead(f)) {
        struct memvfs_file **at = &f->node->handles;
        while (*at != f)
            at = &(*at)->next;
        *at = f->next;
        if (f->delete_on_close)
            f->node->linked = false;
        memvfs_disk_release(d, f->node);
    }
    memset(f, 0, sizeof *f);
    return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *out, int len, sqlite3_int64 offset)
{
    struct memvfs_file *f = file_of(base);
    if (is_dead(f))
        return SQLITE_IOERR;
    int code = memvfs_disk_gate(f->disk, MEMVFS_READ, f->node->name, false);
    if (code != SQLITE_OK)
        return code;
    size_t have = memvfs_node_read(f->node, out, (size_t)len, (size_t)offset);
    if (have == (size_t)len)
        return SQLITE_OK;
    memset((char *)out + have, 0, (size_t)len - have);
    return SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 offset)
{
    struct memvfs_file *f = file_of(base);
    if (is_dead(f))
        return SQLITE_IOERR;
    return memvfs_disk_write(f->disk, f->node, bytes, (size_t)len, (uint64_t)offset);
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct memvfs_file *f = file_of(base);
    if (is_dead(f))
        return SQLITE_IOERR;
    return memvfs_disk_truncate(f->disk, f->node, (uint64_t)size);
}

static int on_sync(sqlite3_file *base, int flags)
{
    (void)flags; /* a sync of the data brings the size with it, like fdatasync */
    struct memvfs_file *f = file_of(base);
    if (is_dead(f))
        return SQLITE_IOERR;
    int code = memvfs_disk_gate(f->disk, MEMVFS_SYNC, f->node->name, true);
    if (code != SQLITE_OK) {
        if (!is_dead(f))
            memvfs_node_sync_failed(f->node);
        return code;
    }
    memvfs_node_sync(f->node);
    if (f->sync_dir_too) {
        f->sync_dir_too = false;
        memvfs_disk_sync_dir(f->disk);
    }
    return SQLITE_OK;
}

static int on_file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    struct memvfs_file *f = file_of(base);
    if (is_dead(f))
        return SQLITE_IOERR;
    *size = (sqlite3_int64)f->node->now_bytes;
    return SQLITE_OK;
}

/* The strongest lock that another handle has on the file. */
static int others_lock(const struct memvfs_file *f)
{
    int lock = SQLITE_LOCK_NONE;
    for (const struct memvfs_file *o = f->node->handles; o; o = o->next) {
        if (o != f && o->lock > lock)
            lock = o->lock;
    }
    return lock;
}

/* The rules of lockfile in os_unix.c, with PENDING kept while EXCLUSIVE waits. */
static int on_lock(sqlite3_file *base, int wanted)
{
    struct memvfs_file *f = file_of(base);
    if (is_dead(f))
        return SQLITE_IOERR;
    if (f->lock >= wanted)
        return SQLITE_OK;
    int others = others_lock(f);
    if (wanted == SQLITE_LOCK_SHARED) {
        if (others >= SQLITE_LOCK_PENDING)
            return SQLITE_BUSY;
        f->lock = SQLITE_LOCK_SHARED;
        return SQLITE_OK;
    }
    if (others >= SQLITE_LOCK_RESERVED)
        return SQLITE_BUSY;
    if (wanted == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
        f->lock = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    f->lock = wanted;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *base, int wanted)
{
    struct memvfs_file *f = file_of(base);
    if (is_dead(f))
        return SQLITE_IOERR;
    if (f->lock > wanted)
        f->lock = wanted;
    return SQLITE_OK;
}

static int on_check_reserved_lock(sqlite3_file *base, int *reserved)
{
    struct memvfs_file *f = file_of(base);
    if (is_dead(f))
        return SQLITE_IOERR;
    *reserved = f->lock >= SQLITE_LOCK_RESERVED || others_lock(f) >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int on_file_control(sqlite3_file *base, int op, void *arg)
{
    struct memvfs_file *f = file_of(base);
    switch (op) {
    case SQLITE_FCNTL_PERSIST_WAL: {
        int *value = arg;
        if (*value >= 0)
            f->persist_wal = *value != 0;
        else
            *value = f->persist_wal;
        return SQLITE_OK;
    }
    case SQLITE_FCNTL_LOCKSTATE:
        *(int *)arg = f->lock;
        return SQLITE_OK;
    case SQLITE_FCNTL_VFSNAME:
        *(char **)arg = sqlite3_mprintf("%s", f->vfs_name);
        return SQLITE_OK;
    default:
        return SQLITE_NOTFOUND;
    }
}

static int on_sector_size(sqlite3_file *base)
{
    (void)base;
    return REPORTED_SECTOR_BYTES;
}

static int on_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int on_shm_map(sqlite3_file *base, int region, int region_bytes, int extend,
                      void volatile **out)
{
    struct memvfs_file *f = file_of(base);
    *out = NULL;
    if (is_dead(f))
        return SQLITE_IOERR;
    if (!f->shm) {
        if (f->node->shm)
            memvfs_shm_take(f->node->shm);
        else
            f->node->shm = memvfs_shm_create();
        f->shm = f->node->shm;
    }
    return memvfs_shm_map(f->shm, region, region_bytes, extend, out);
}

static int on_shm_lock(sqlite3_file *base, int first, int n, int flags)
{
    struct memvfs_file *f = file_of(base);
    if (is_dead(f) || !f->shm)
        return SQLITE_IOERR;
    return memvfs_shm_lock(f->shm, &f->hold, first, n, flags);
}

static void on_shm_barrier(sqlite3_file *base)
{
    (void)base;
    atomic_thread_fence(memory_order_seq_cst);
}

/* Version 2: WAL, without the memory-mapped reads of version 3. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_file_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_reserved_lock,
    .xFileControl = on_file_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_unmap,
};

void memvfs_file_init(struct memvfs_file *f, struct memvfs_disk *disk, struct memvfs_node *n,
                      int flags, const char *vfs_name)
{
    int dir_types = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
    memset(f, 0, sizeof *f);
    f->base.pMethods = &methods;
    f->disk = disk;
    f->node = n;
    f->life = disk->life;
    f->lock = SQLITE_LOCK_NONE;
    f->vfs_name = vfs_name;
    f->sync_dir_too = flags & SQLITE_OPEN_CREATE && flags & dir_types;
    f->delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
    f->next = n->handles;
    n->handles = f;
    n->n_open++;
    disk->n_handles++;
}
