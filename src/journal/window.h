/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_WINDOW_H
#define RELAY_JOURNAL_WINDOW_H

/*
 * The dedupe window: which (org, id, bytes) came in lately, and under which seq (promise P9).
 * Internal to the room.
 *
 * On disk: one row of table `window` a commit, with 28 bytes an event: that is an append to the
 * table's last page, where a unique index would dirty one page an id. In memory: a fingerprint and
 * the seq in 8 bytes, in hash tables by age ("generations"); a generation that left the window is
 * dropped whole. A fingerprint only leads to a candidate: the row on disk decides, with the full
 * 128-bit digest of the id and 64 bits of that of the bytes, both keyed.
 *
 * Bounds: ids_max ids; when they are reached before window_ms is over, the oldest generation goes
 * early and the window is short (a metric, an alarm, and a line in the documents).
 *
 * Threads: the writer's; window_figures from any.
 */

#include "base/clock.h"
#include "journal/db.h"
#include "journal/journal.h"

struct window;

struct window_opts {
    sqlite3 *db; /* the writer's connection; must outlive the window */
    int64_t window_ms;
    uint64_t ids_max;
};

/* Prepares the statements and reads what is still inside the window from disk: about 28 bytes an
 * id. */
MUST_CHECK enum status window_create(struct window **out, const struct window_opts *opts,
                                     struct wall now, struct err *e);
void window_destroy(struct window *w);

struct window_match {
    int64_t duplicate_of; /* 0: none; else the seq of the same id with the same bytes */
    bool conflict;        /* the same id stands there with other bytes */
};

/* Looks digest up, also among what was added in the open transaction. */
MUST_CHECK enum status window_find(struct window *w, const struct journal_digest *digest,
                                   struct window_match *out, struct err *e);
/* Remembers it under seq. ST_NO_MEM. */
MUST_CHECK enum status window_add(struct window *w, const struct journal_digest *digest,
                                  int64_t seq, struct wall received, struct err *e);

/* Before COMMIT: writes what was added as one row. */
MUST_CHECK enum status window_flush(struct window *w, struct err *e);
/* After COMMIT, or after a rollback. */
void window_committed(struct window *w);
void window_rolled_back(struct window *w);

/* Deletes rows that left the window, at most max_rows, in the caller's transaction. */
MUST_CHECK enum status window_prune(struct window *w, struct wall now, int64_t max_rows,
                                    struct err *e);

/* Ids in memory, and whether ids_max made the window short. Any thread. */
void window_figures(const struct window *w, int64_t *ids, bool *is_short);

#endif
