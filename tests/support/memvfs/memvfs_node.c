/* SPDX-License-Identifier: Apache-2.0 */
#include "memvfs/memvfs_node.h"

#include "memvfs/memvfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum memvfs_sector {
    SECTOR_CLEAN,
    SECTOR_DIRTY,
    SECTOR_GIVEN_UP, /* a sync of it failed */
};

/* Small enough for many small databases, large enough that a WAL doubles only a few times. */
#define FIRST_ROOM_BYTES (64 * 1024)
#define FIRST_TOUCHED    64

uint64_t memvfs_node_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void *must(void *memory)
{
    if (!memory) {
        fputs("memvfs: out of memory\n", stderr);
        abort();
    }
    return memory;
}

struct memvfs_node *memvfs_node_create(const char *name)
{
    struct memvfs_node *n = must(calloc(1, sizeof *n));
    n->shrunk_to = SIZE_MAX;
    if (name)
        n->name = must(strdup(name));
    return n;
}

void memvfs_node_destroy(struct memvfs_node *n)
{
    if (!n)
        return;
    free(n->name);
    free(n->now);
    free(n->state);
    free(n->touched);
    free(n->saved);
    free(n);
}

/* A fresh allocation, because the kernel gives zeros without touching what is never used. */
static unsigned char *grown(unsigned char *old, size_t used, size_t len)
{
    unsigned char *bytes = must(calloc(1, len));
    if (used > 0)
        memcpy(bytes, old, used);
    free(old);
    return bytes;
}

static void reserve(struct memvfs_node *n, size_t size)
{
    if (size <= n->room)
        return;
    size_t room = n->room ? n->room : FIRST_ROOM_BYTES;
    while (room < size)
        room *= 2;
    n->now = grown(n->now, n->now_bytes, room);
    n->state = grown(n->state, n->room / MEMVFS_SECTOR_BYTES, room / MEMVFS_SECTOR_BYTES);
    n->room = room;
}

static unsigned char *saved_at(const struct memvfs_node *n, size_t i)
{
    return n->saved + i * MEMVFS_SECTOR_BYTES;
}

static unsigned char *sector_at(const struct memvfs_node *n, size_t i)
{
    return n->now + (size_t)n->touched[i] * MEMVFS_SECTOR_BYTES;
}

static void save_sector(struct memvfs_node *n, size_t s)
{
    if (n->n_touched == n->touched_room) {
        n->touched_room = n->touched_room ? n->touched_room * 2 : FIRST_TOUCHED;
        n->touched = must(realloc(n->touched, n->touched_room * sizeof *n->touched));
        n->saved = must(realloc(n->saved, n->touched_room * MEMVFS_SECTOR_BYTES));
    }
    size_t i = n->n_touched++;
    n->touched[i] = (uint32_t)s;
    memcpy(saved_at(n, i), sector_at(n, i), MEMVFS_SECTOR_BYTES);
}

/* Before the bytes [begin, end) change. */
static void touch(struct memvfs_node *n, size_t begin, size_t end)
{
    if (begin >= end)
        return;
    for (size_t s = begin / MEMVFS_SECTOR_BYTES; s <= (end - 1) / MEMVFS_SECTOR_BYTES; s++) {
        if (n->state[s] == SECTOR_CLEAN)
            save_sector(n, s);
        n->state[s] = SECTOR_DIRTY;
    }
}

size_t memvfs_node_read(const struct memvfs_node *n, void *out, size_t len, size_t offset)
{
    if (offset >= n->now_bytes)
        return 0;
    size_t have = n->now_bytes - offset;
    if (have > len)
        have = len;
    memcpy(out, n->now + offset, have);
    return have;
}

void memvfs_node_write(struct memvfs_node *n, const void *bytes, size_t len, size_t offset)
{
    if (len == 0)
        return;
    reserve(n, offset + len);
    touch(n, offset, offset + len);
    memcpy(n->now + offset, bytes, len);
    if (offset + len > n->now_bytes)
        n->now_bytes = offset + len;
}

void memvfs_node_truncate(struct memvfs_node *n, size_t size)
{
    if (size < n->now_bytes) {
        if (size < n->shrunk_to)
            n->shrunk_to = size;
        touch(n, size, n->now_bytes);
        memset(n->now + size, 0, n->now_bytes - size);
    } else {
        reserve(n, size);
    }
    n->now_bytes = size;
}

/* Makes the saved bytes from `size` on zero. */
static void cut_saved(struct memvfs_node *n, size_t size)
{
    for (size_t i = 0; i < n->n_touched; i++) {
        size_t begin = (size_t)n->touched[i] * MEMVFS_SECTOR_BYTES;
        size_t keep = begin < size ? size - begin : 0;
        if (keep < MEMVFS_SECTOR_BYTES)
            memset(saved_at(n, i) + keep, 0, MEMVFS_SECTOR_BYTES - keep);
    }
}

void memvfs_node_sync(struct memvfs_node *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->n_touched; i++) {
        size_t s = n->touched[i];
        if (n->state[s] == SECTOR_DIRTY) {
            n->state[s] = SECTOR_CLEAN;
            continue;
        }
        n->touched[kept] = (uint32_t)s;
        memmove(saved_at(n, kept), saved_at(n, i), MEMVFS_SECTOR_BYTES);
        kept++;
    }
    n->n_touched = kept;
    /* The size goes with the journal of the file system, whatever became of the bytes. */
    cut_saved(n, n->now_bytes);
    n->durable_bytes = n->now_bytes;
    n->shrunk_to = SIZE_MAX;
}

void memvfs_node_sync_failed(struct memvfs_node *n)
{
    for (size_t i = 0; i < n->n_touched; i++)
        n->state[n->touched[i]] = SECTOR_GIVEN_UP;
}

/* What is seen now is durable, with this size. */
static void settle(struct memvfs_node *n, size_t size)
{
    for (size_t i = 0; i < n->n_touched; i++)
        n->state[n->touched[i]] = SECTOR_CLEAN;
    n->n_touched = 0;
    n->now_bytes = size;
    n->durable_bytes = size;
    n->shrunk_to = SIZE_MAX;
}

void memvfs_node_revert(struct memvfs_node *n)
{
    for (size_t i = 0; i < n->n_touched; i++)
        memcpy(sector_at(n, i), saved_at(n, i), MEMVFS_SECTOR_BYTES);
    settle(n, n->durable_bytes);
}

/*
 * A truncation is one step of the file system's journal: it reached the disk whole, with everything
 * behind it free for new bytes, or not at all, with everything behind it as it was. Half of it
 * would be a disk that no ordered journal produces: a WAL cut in its middle would take back commits
 * that are already in the database.
 */
static void decide_truncation(struct memvfs_node *n, uint64_t *rng)
{
    size_t from = n->shrunk_to;
    if (from >= n->durable_bytes)
        return;
    if (memvfs_node_random(rng) & 1) {
        cut_saved(n, from);
        n->durable_bytes = from;
        return;
    }
    for (size_t i = 0; i < n->n_touched; i++) {
        size_t begin = (size_t)n->touched[i] * MEMVFS_SECTOR_BYTES;
        size_t keep = begin < from ? from - begin : 0;
        if (keep < MEMVFS_SECTOR_BYTES)
            memcpy(sector_at(n, i) + keep, saved_at(n, i) + keep, MEMVFS_SECTOR_BYTES - keep);
    }
    n->now_bytes = n->durable_bytes;
}

/* The file has only grown, or kept its size, since what is durable now. */
static size_t size_after_cut(const struct memvfs_node *n, uint64_t *rng)
{
    switch (memvfs_node_random(rng) % 4) {
    case 0:
        return n->durable_bytes;
    case 1:
        return n->now_bytes;
    default:
        return n->durable_bytes +
               (size_t)(memvfs_node_random(rng) % (n->now_bytes - n->durable_bytes + 1));
    }
}

/*
 * Decides one sector in n->now. A torn sector has new bytes on one side of a point and old ones on
 * the other, so bytes that were not written stay what they were. A sector that is new at the end of
 * the file and did not reach the disk may show whatever was there before, as SQLite expects of a
 * file system that grows a file first.
 */
static void decide_sector(struct memvfs_node *n, size_t i, unsigned percent, uint64_t *rng)
{
    unsigned char *new_bytes = sector_at(n, i);
    const unsigned char *old_bytes = saved_at(n, i);
    uint64_t r = memvfs_node_random(rng);
    size_t split = (size_t)(r >> 32) % (MEMVFS_SECTOR_BYTES + 1);
    if (r % 8 == 0) {
        if (r & 8)
            memcpy(new_bytes, old_bytes, split);
        else
            memcpy(new_bytes + split, old_bytes + split, MEMVFS_SECTOR_BYTES - split);
    } else if ((r >> 4) % 100 >= percent) {
        memcpy(new_bytes, old_bytes, MEMVFS_SECTOR_BYTES);
        if ((size_t)n->touched[i] * MEMVFS_SECTOR_BYTES >= n->durable_bytes && (r >> 16) % 4 == 0)
            memset(new_bytes, (int)(r >> 56), MEMVFS_SECTOR_BYTES);
    }
}

void memvfs_node_scramble(struct memvfs_node *n, uint64_t *rng)
{
    decide_truncation(n, rng);
    size_t size = size_after_cut(n, rng);
    /* From nearly nothing to nearly everything, so that both ends are met often. */
    unsigned percent = (unsigned)(memvfs_node_random(rng) % 101);
    for (size_t i = 0; i < n->n_touched; i++) {
        size_t begin = (size_t)n->touched[i] * MEMVFS_SECTOR_BYTES;
        size_t keep = begin < size ? size - begin : 0;
        decide_sector(n, i, percent, rng);
        if (keep < MEMVFS_SECTOR_BYTES)
            memset(sector_at(n, i) + keep, 0, MEMVFS_SECTOR_BYTES - keep);
    }
    settle(n, size);
}
