/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_REPLAYS_GONE_H
#define RELAY_JOURNAL_REPLAYS_GONE_H

/*
 * What retention takes away from replays: counted in each open one that had not come so far, in the
 * transaction that deletes it. Internal to the room, but for the bound.
 *
 * Keeps no state. Threads: the writer's, inside a transaction.
 */

#include <stdint.h>

#include "base/err.h"

struct sqlite3;

/* Replays that run, wait or are paused: a bound for the list that every pruning looks at. */
#define REPLAYS_OPEN_MAX 17

/* Retention is about to delete the lane's rows in (after, last]: counts those that an open replay
 * would still have come to. ST_NO_MEM. */
MUST_CHECK enum status replays_gone_count(struct sqlite3 *db, int64_t lane, int64_t after,
                                          int64_t last, struct err *e);

#endif
