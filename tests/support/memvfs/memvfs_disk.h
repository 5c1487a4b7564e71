/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMVFS_MEMVFS_DISK_H
#define MEMVFS_MEMVFS_DISK_H

/*
 * The disk and its directory: which files there are, what fails, and what a cut leaves.
 *
 * Owns: the nodes, fault plans, counters and the random sequence of failures.
 *
 * Does not own: handles and shared memory; a cut lets go of them, and their handles find out by the
 * life number.
 *
 * Threads: see memvfs.h.
 *
 * Invariants: at most one node of a name is linked and at most one is durably linked; a node
 * without a link and without a live handle does not exist.
 */

#include "memvfs/memvfs.h"
#include "memvfs/memvfs_node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memvfs_disk {
    struct memvfs_node *nodes;
    uint64_t life; /* number of cuts so far; a handle of another life is dead */
    bool off;
    uint64_t cut_in; /* calls of MEMVFS_CHANGE until the ordered cut; 0 is no order */
    enum memvfs_mode cut_mode;
    uint64_t capacity_bytes;
    uint64_t rng;
    uint64_t counts[MEMVFS_OP_COUNT];
    struct memvfs_fault faults[MEMVFS_FAULTS_MAX]; /* nth counts down; 0 is due */
    size_t n_faults;
    unsigned n_handles; /* dead ones included */
};

void memvfs_disk_init(struct memvfs_disk *d, uint64_t seed);
void memvfs_disk_fini(struct memvfs_disk *d);

struct memvfs_node *memvfs_disk_find(const struct memvfs_disk *d, const char *name);

/* A new file that the directory names (not yet durably), or a temporary one when name is NULL. */
struct memvfs_node *memvfs_disk_add(struct memvfs_disk *d, const char *name);
void memvfs_disk_unlink(struct memvfs_disk *d, struct memvfs_node *n);
/* Ends one live handle's use. */
void memvfs_disk_release(struct memvfs_disk *d, struct memvfs_node *n);
void memvfs_disk_sync_dir(struct memvfs_disk *d);
uint64_t memvfs_disk_used(const struct memvfs_disk *d);

/*
 * Every call that can fail passes here first, writes excepted: counts it, and returns SQLITE_OK or
 * what the call returns instead of doing its work. change says whether it is of class
 * MEMVFS_CHANGE. name may be NULL.
 */
int memvfs_disk_gate(struct memvfs_disk *d, enum memvfs_op op, const char *name, bool change);

/* The gate and the work of a write and of a change of size, with the capacity. */
int memvfs_disk_write(struct memvfs_disk *d, struct memvfs_node *n, const void *bytes, size_t len,
                      uint64_t offset);
int memvfs_disk_truncate(struct memvfs_disk *d, struct memvfs_node *n, uint64_t size);

void memvfs_disk_cut(struct memvfs_disk *d, enum memvfs_mode mode);

#endif
