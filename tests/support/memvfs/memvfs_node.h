/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMVFS_MEMVFS_NODE_H
#define MEMVFS_MEMVFS_NODE_H

/*
 * The content of one file: what the process sees, and what of it the disk does not hold yet.
 *
 * Owns: the bytes, and the durable version of every sector that may differ from them.
 *
 * Does not own: its place in the directory, its handles, locks and shared memory; the fields for
 * those are kept here because they live as long as the file.
 *
 * Threads: see memvfs.h.
 *
 * Invariants: bytes from a version's size on are zero, up to `room`. The durable version of a
 * sector is in `saved` when the sector is touched, else it is the sector itself.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memvfs_file;
struct memvfs_shm;

struct memvfs_node {
    struct memvfs_node *next;
    char *name;          /* NULL for a temporary file, which the directory never names */
    bool linked;         /* the directory names it */
    bool durable_linked; /* the directory on the disk names it */
    unsigned n_open;     /* live handles */
    struct memvfs_file *handles;
    struct memvfs_shm *shm;

    unsigned char *now;
    size_t now_bytes;
    size_t durable_bytes;
    size_t
        shrunk_to; /* the smallest size of a truncation since the last sync, SIZE_MAX without one */
    size_t room;
    unsigned char *state; /* one enum memvfs_sector for each sector of room */
    uint32_t *touched;    /* the sectors that are not clean, in the order of their first write */
    unsigned char *saved; /* their durable bytes, in the same order */
    size_t n_touched;
    size_t touched_room;
};

/* The next number of the sequence that starts at *state (splitmix64, Vigna, public domain). */
uint64_t memvfs_node_random(uint64_t *state);

/* name is copied; NULL for a temporary file. */
struct memvfs_node *memvfs_node_create(const char *name);
void memvfs_node_destroy(struct memvfs_node *n);

/* Copies what there is of [offset, offset + len) and returns the number of bytes. */
size_t memvfs_node_read(const struct memvfs_node *n, void *out, size_t len, size_t offset);
/* offset + len is at most MEMVFS_FILE_MAX_BYTES. */
void memvfs_node_write(struct memvfs_node *n, const void *bytes, size_t len, size_t offset);
void memvfs_node_truncate(struct memvfs_node *n, size_t size);

/* Everything written becomes durable, save what an earlier failed sync gave up. */
void memvfs_node_sync(struct memvfs_node *n);
/* Gives up what is unsynced: only another write of it lets it become durable. */
void memvfs_node_sync_failed(struct memvfs_node *n);

/* The content goes back to what is durable. */
void memvfs_node_revert(struct memvfs_node *n);
/* The content becomes the durable one and a torn subset of the unsynced; it is all durable then. */
void memvfs_node_scramble(struct memvfs_node *n, uint64_t *rng);

#endif
