/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_JOURNAL_AUDIT_H
#define RELAY_JOURNAL_JOURNAL_AUDIT_H

/*
 * What an audit reads of the journal: lanes with what retention took from them, rows with what
 * became of them, and the parked table, whose rows outlive the events.
 *
 * Reads over a read-only connection of its own, beside the writer or without one. Every call is one
 * short read transaction, so that an audit of hours pins no WAL; so the journal may change between
 * two calls.
 *
 * Threads: belongs to the thread that first uses it.
 */

#include "journal/journal_list.h"
#include "journal/journal_reader.h"

struct journal_audit;

/* ST_NOT_FOUND or ST_DENIED: no such journal. */
MUST_CHECK enum status journal_audit_open(struct journal_audit **out, const char *path,
                                          struct err *e);
/* NULL is a no-op. */
void journal_audit_close(struct journal_audit *a);

struct journal_audit_lane {
    struct journal_lane lane;
    /*
     * Retention deletes a lane's rows from its front, but for those that wait for a person. So of
     * the rows up to pruned_to only such may be left, and every row beyond it is there. It is the
     * prev of the first row that was never parked, or the cursor when there is no such row.
     */
    int64_t pruned_to;
    /* The cursor when the journal was last bound anew or renewed (actions.h); 0: never. */
    int64_t bound_after;
};
typedef void journal_audit_lane_fn(void *arg, const struct journal_audit_lane *lane);
/* Calls fn for each lane in the order of ids. */
MUST_CHECK enum status journal_audit_lanes(struct journal_audit *a, journal_audit_lane_fn *fn,
                                           void *arg, struct err *e);

struct journal_audit_row {
    struct journal_row row; /* next is NULL; the slices are borrowed until the callback returns */
    enum journal_fate fate; /* PARKED, REQUEUED, DISCARDED; else PUBLISHED, whatever the cursor */
};
typedef void journal_audit_row_fn(void *arg, const struct journal_audit_row *row);

struct journal_audit_want {
    int64_t lane;
    int64_t after; /* rows with after < seq <= upto */
    int64_t upto;
    int64_t max_rows; /* in one call */
};
/* Calls fn for rows of a lane in order; *count tells how many, 0 at the end. */
MUST_CHECK enum status journal_audit_rows(struct journal_audit *a,
                                          const struct journal_audit_want *want,
                                          journal_audit_row_fn *fn, void *arg, int64_t *count,
                                          struct err *e);
/* Calls fn for one row of any lane. ST_NOT_FOUND. */
MUST_CHECK enum status journal_audit_row(struct journal_audit *a, int64_t seq,
                                         journal_audit_row_fn *fn, void *arg, struct err *e);

/* An event that is or was parked; its row may be deleted. */
struct journal_audit_parked {
    int64_t seq;
    int64_t lane; /* 0: parked at birth */
    struct wall parked;
    enum journal_fate fate;
};
/* Calls fn for each. */
MUST_CHECK enum status journal_audit_parked(struct journal_audit *a,
                                            void (*fn)(void *arg,
                                                       const struct journal_audit_parked *),
                                            void *arg, struct err *e);
/* Whether an event was ever parked. */
MUST_CHECK enum status journal_audit_was_parked(struct journal_audit *a, int64_t seq, bool *out,
                                                struct err *e);

/* How many rows that were received at or after since and before until are kept from Kafka (a PING,
 * a family that is only journaled) and were never parked. Walks their index. */
MUST_CHECK enum status journal_audit_kept(struct journal_audit *a, struct wall since,
                                          struct wall until, int64_t *count, struct err *e);

/* The seq of the newest event that was ever committed, 0 before the first. */
MUST_CHECK enum status journal_audit_last_seq(struct journal_audit *a, int64_t *seq, struct err *e);
/* A value of the meta table ("journal_id"); ST_NOT_FOUND. */
MUST_CHECK enum status journal_audit_meta(struct journal_audit *a, const char *name, char *out,
                                          size_t size, struct err *e);

#endif
