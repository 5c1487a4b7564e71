/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_KEEPER_H
#define RELAY_RELAY_KEEPER_H

/*
 * Keeps the journal inside its disk: retention, the free-space floor and the ballast (promises P4,
 * P6).
 *
 * Room is what the file system has free plus the pages that the journal's file can reuse. As it
 * shrinks:
 *
 *   plenty ── below the floor ──▶ tight: published events go before their retention is over; the
 * ballast file is given back, so that ▲                          deleting (which needs WAL space)
 * works; intake goes on while this brings room │                             │ still below the
 * floor │                             ▼ └── above it again ◀──── full: intake answers 503,
 * publishing goes on and makes room
 *
 * Everything comes back by itself. The ballast is made again when there is room for it above the
 * floor.
 *
 * Threads: step on the committer's, between transactions; figures from any.
 */

#include "base/metric.h"
#include "relay/committer.h"

struct keeper;

struct keeper_opts {
    const struct clock *clock;
    const char *directory;    /* the journal's */
    const char *ballast_path; /* NULL: none */
    uint64_t ballast_bytes;
    uint64_t floor_bytes;     /* 0: no floor */
    int64_t retention_ms;     /* published events are kept so long */
    uint64_t retention_bytes; /* and not more than so many; 0: no bound */
    /* Free bytes of the file system; NULL: statvfs(3) of directory. For tests and the simulation.
     */
    bool (*free_space)(void *ctx, uint64_t *bytes);
    void *ctx;
    struct metrics *metrics;
};

MUST_CHECK enum status keeper_create(struct keeper **out, const struct keeper_opts *opts,
                                     struct err *e);
void keeper_destroy(struct keeper *k);

/* A little of what is due: a look at the disk once a second, a slice of retention in a transaction
 * of its own. */
MUST_CHECK enum status keeper_step(struct keeper *k, struct journal *j, struct committer *c,
                                   bool *again, struct err *e);

/* Takes over from the next round on. Any thread. */
void keeper_set_retention(struct keeper *k, int64_t retention_ms, uint64_t retention_bytes);

#endif
