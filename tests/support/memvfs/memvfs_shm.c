/* SPDX-License-Identifier: Apache-2.0 */
#include "memvfs/memvfs_shm.h"

#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>

/* A region indexes 4096 frames: enough for the largest file with the smallest pages. */
#define REGIONS_MAX 128

struct memvfs_shm {
    unsigned n_refs;
    void *regions[REGIONS_MAX];
    unsigned n_shared[SQLITE_SHM_NLOCK];
    unsigned n_exclusive[SQLITE_SHM_NLOCK];
};

struct memvfs_shm *memvfs_shm_create(void)
{
    struct memvfs_shm *shm = calloc(1, sizeof *shm);
    if (!shm) {
        fputs("memvfs: out of memory\n", stderr);
        abort();
    }
    shm->n_refs = 1;
    return shm;
}

void memvfs_shm_take(struct memvfs_shm *shm)
{
    shm->n_refs++;
}

static void unlock(struct memvfs_shm *shm, struct memvfs_shm_hold *hold, uint32_t slots)
{
    for (unsigned i = 0; i < SQLITE_SHM_NLOCK; i++) {
        uint32_t bit = UINT32_C(1) << i & slots;
        if (hold->shared & bit)
            shm->n_shared[i]--;
        if (hold->exclusive & bit)
            shm->n_exclusive[i]--;
    }
    hold->shared &= ~slots;
    hold->exclusive &= ~slots;
}

int memvfs_shm_give(struct memvfs_shm *shm, struct memvfs_shm_hold *hold)
{
    if (!shm)
        return 0;
    unlock(shm, hold, UINT32_MAX);
    if (--shm->n_refs > 0)
        return 0;
    for (int i = 0; i < REGIONS_MAX; i++)
        free(shm->regions[i]);
    free(shm);
    return 1;
}

int memvfs_shm_map(struct memvfs_shm *shm, int region, int region_bytes, int extend,
                   void volatile **out)
{
    *out = NULL;
    if (region < 0 || region >= REGIONS_MAX || region_bytes <= 0)
        return SQLITE_IOERR_SHMSIZE;
    if (!shm->regions[region] && extend) {
        shm->regions[region] = calloc(1, (size_t)region_bytes);
        if (!shm->regions[region])
            return SQLITE_IOERR_NOMEM;
    }
    *out = shm->regions[region];
    return SQLITE_OK;
}

int memvfs_shm_lock(struct memvfs_shm *shm, struct memvfs_shm_hold *hold, int first, int n,
                    int flags)
{
    if (first < 0 || n < 1 || first + n > SQLITE_SHM_NLOCK)
        return SQLITE_IOERR_SHMLOCK;
    uint32_t slots = ((UINT32_C(1) << n) - 1) << first;
    if (flags & SQLITE_SHM_UNLOCK) {
        unlock(shm, hold, slots);
        return SQLITE_OK;
    }
    uint32_t wanted = flags & SQLITE_SHM_SHARED ? slots & ~hold->shared : slots & ~hold->exclusive;
    for (unsigned i = 0; i < SQLITE_SHM_NLOCK; i++) {
        if (!(wanted & UINT32_C(1) << i))
            continue;
        if (shm->n_exclusive[i] > 0)
            return SQLITE_BUSY;
        if (flags & SQLITE_SHM_EXCLUSIVE && shm->n_shared[i] > 0)
            return SQLITE_BUSY;
    }
    for (unsigned i = 0; i < SQLITE_SHM_NLOCK; i++) {
        if (!(wanted & UINT32_C(1) << i))
            continue;
        if (flags & SQLITE_SHM_SHARED)
            shm->n_shared[i]++;
        else
            shm->n_exclusive[i]++;
    }
    if (flags & SQLITE_SHM_SHARED)
        hold->shared |= wanted;
    else
        hold->exclusive |= wanted;
    return SQLITE_OK;
}
