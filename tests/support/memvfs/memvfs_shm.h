/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMVFS_MEMVFS_SHM_H
#define MEMVFS_MEMVFS_SHM_H

/*
 * The WAL index of one file: shared memory and its lock slots, for the connections of one process.
 *
 * Owns: the regions and the count of holders of each slot.
 *
 * Does not own: the users; each holds one reference, and a dead connection's reference keeps the
 * memory readable because SQLite reads it through plain pointers until it unmaps.
 *
 * Threads: see memvfs.h.
 *
 * Invariant: a slot has either one exclusive holder or any number of shared ones, as in unixShmLock
 * of os_unix.c.
 */

#include <stdint.h>

struct memvfs_shm;

/* What one connection has locked: a bit for each slot. */
struct memvfs_shm_hold {
    uint32_t shared;
    uint32_t exclusive;
};

/* With one reference, the caller's. */
struct memvfs_shm *memvfs_shm_create(void);
void memvfs_shm_take(struct memvfs_shm *shm);
/*
 * Gives one reference and its locks back. Returns 1 when it was the last and the memory is gone,
 * else 0. NULL does nothing.
 */
int memvfs_shm_give(struct memvfs_shm *shm, struct memvfs_shm_hold *hold);

/* As xShmMap: *out is NULL when the region does not exist and extend is 0. */
int memvfs_shm_map(struct memvfs_shm *shm, int region, int region_bytes, int extend,
                   void volatile **out);
/* As xShmLock; flags are SQLITE_SHM_*. */
int memvfs_shm_lock(struct memvfs_shm *shm, struct memvfs_shm_hold *hold, int first, int n,
                    int flags);

#endif
