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
 *   plenty   nothing presses
 *   tight    below the floor: published events go before their retention is over; the ballast file
 *            is given back, so that deleting (which needs WAL space) works; intake goes on while
 *            this brings room
 *   full     still below the floor after that: intake answers 503, publishing goes on and makes
 *            room
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

/* Where the room is heading. */
struct keeper_outlook {
    bool is_known;              /* false: the disk was not looked at yet; nothing below is valid */
    int64_t room_bytes;         /* free in the file system, and in the journal's file */
    int64_t floor_bytes;        /* 0: there is none */
    bool has_rate;              /* false: it has not been watched for long enough */
    double shrinks_bytes_per_s; /* negative: the room grows; with has_rate */
    int64_t floor_in_s; /* 0: the floor is reached; -1: never at this rate, or without has_rate */
};
/* As of the last look, at most a second ago. At the floor published events begin to go early, so
 * webhooks are refused later than that as long as there are any. Any thread. */
void keeper_find_outlook(struct keeper *k, struct keeper_outlook *out);

/* Takes over from the next round on. Any thread. */
void keeper_set_retention(struct keeper *k, int64_t retention_ms, uint64_t retention_bytes);

#endif
