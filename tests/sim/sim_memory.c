/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_memory.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Blocks of 16 to SMALL_MAX bytes have lists; larger ones are the C library's. */
#define STEP      16
#define SMALL_MAX 4096
#define CLASSES   (SMALL_MAX / STEP)
#define CHUNK     (1u << 20)

/* Before each block; keeps its alignment. */
union head {
    size_t size;
    union head *next; /* of a free one */
    long double align;
};

static union head *lists[CLASSES + 1];
static char *chunk;
static size_t chunk_left;

static int round_up(int size)
{
    return (size + STEP - 1) / STEP * STEP;
}

static union head *carve(size_t bytes)
{
    if (chunk_left < bytes) {
        chunk = malloc(CHUNK);
        CHECK(chunk);
        chunk_left = CHUNK;
    }
    chunk_left -= bytes;
    return (union head *)(void *)(chunk + chunk_left);
}

static void *allocate(int size)
{
    size_t rounded = (size_t)round_up(size), at = rounded / STEP;
    union head *h;
    if (rounded > SMALL_MAX) {
        h = malloc(sizeof *h + rounded);
    } else if (lists[at]) {
        h = lists[at];
        lists[at] = h->next;
    } else {
        h = carve(sizeof *h + rounded);
    }
    if (!h)
        return NULL;
    h->size = rounded;
    return h + 1;
}

static int size_of(void *block)
{
    return block ? (int)((union head *)block)[-1].size : 0;
}

static void release(void *block)
{
    union head *h = (union head *)block - 1;
    size_t at;
    if (!block)
        return;
    at = h->size / STEP;
    if (h->size > SMALL_MAX) {
        free(h);
        return;
    }
    h->next = lists[at];
    lists[at] = h;
}

static void *resize(void *block, int size)
{
    void *grown;
    if (size_of(block) >= size)
        return block;
    grown = allocate(size);
    if (!grown || !block)
        return grown;
    memcpy(grown, block, (size_t)size_of(block));
    release(block);
    return grown;
}

static int init(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void shut_down(void *unused)
{
    (void)unused;
}

void sim_memory_install(void)
{
    static const sqlite3_mem_methods methods = {allocate, release, resize,    size_of,
                                                round_up, init,    shut_down, NULL};
    CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
}
