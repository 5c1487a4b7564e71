/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_RETENTION_H
#define RELAY_JOURNAL_RETENTION_H

/*
 * Deleting what is published and old, in small slices, lane by lane (promise P4: nothing else is
 * ever deleted). Internal to the room; journal_prune() is the door.
 *
 * A slice reads one lane from where the last one ended, over the lane's index, so neither a paused
 * lane nor parked rows are walked over again and again. Deleted rows leave whole pages on SQLite's
 * freelist, which the next appends reuse.
 *
 * Threads: the writer's.
 */

#include "journal/db.h"
#include "journal/journal.h"

struct retention;

MUST_CHECK enum status retention_create(struct retention **out, sqlite3 *db, struct err *e);
void retention_destroy(struct retention *r);

/* As journal_prune(). */
MUST_CHECK enum status retention_slice(struct retention *r, struct wall before, int64_t max_rows,
                                       struct journal_pruned *out, struct err *e);
/* What the open transaction deleted is back: start over. */
void retention_rolled_back(struct retention *r);

#endif
