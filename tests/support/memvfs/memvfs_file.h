/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMVFS_MEMVFS_FILE_H
#define MEMVFS_MEMVFS_FILE_H

/*
 * One open file: SQLite's sqlite3_io_methods over a node.
 *
 * Owns: its locks and its reference to shared memory.
 *
 * Does not own: its own memory (SQLite allocates it), the node, the disk.
 *
 * Threads: see memvfs.h.
 *
 * Invariant: a handle whose life is not the disk's is dead and never looks at its node again.
 */

#include "memvfs/memvfs_disk.h"
#include "memvfs/memvfs_shm.h"

#include <sqlite3.h>

#include <stdbool.h>
#include <stdint.h>

struct memvfs_file {
    sqlite3_file base; /* first: SQLite passes this address */
    struct memvfs_disk *disk;
    struct memvfs_node *node;
    struct memvfs_file *next; /* of the same node */
    uint64_t life;
    int lock; /* SQLITE_LOCK_* */
    struct memvfs_shm *shm;
    struct memvfs_shm_hold hold;
    const char *vfs_name;
    bool sync_dir_too; /* the next sync covers the directory */
    bool persist_wal;
    bool delete_on_close;
};

/* Opens n, which exists. flags are those of xOpen. vfs_name lives at least as long as f. */
void memvfs_file_init(struct memvfs_file *f, struct memvfs_disk *disk, struct memvfs_node *n,
                      int flags, const char *vfs_name);

#endif
