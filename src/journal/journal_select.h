/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_JOURNAL_SELECT_H
#define RELAY_JOURNAL_JOURNAL_SELECT_H

/*
 * The events of a selection (event/selection.h), in the order of the journal: rows for a replay,
 * and counts for its dry run. Reads over a read-only connection of its own, beside the writer.
 *
 * Never selected are PINGs and what configuration keeps out of Kafka, quarantined bodies, and what
 * is or was parked: Kafka refused it, and its requeue is an event of its own.
 *
 * Type, key and id have no index, on purpose (schema.c): one call looks at a bounded number of rows
 * and says how far it came. Every call is one short read transaction, so that no reader pins the
 * WAL.
 *
 * Threads: belongs to the thread that first uses it.
 */

#include "event/selection.h"
#include "journal/journal_reader.h"

struct journal_select;

/* ST_NOT_FOUND or ST_DENIED: no such journal. */
MUST_CHECK enum status journal_select_open(struct journal_select **out, const char *path,
                                           const char *vfs, struct err *e);
/* NULL is a no-op. */
void journal_select_close(struct journal_select *s);
/* The next thread that calls owns it. */
void journal_select_hand_over(struct journal_select *s);

/* What to look at. */
struct journal_select_range {
    const struct selection *which;
    int64_t after;          /* rows with a higher seq ... */
    int64_t last;           /* ... up to this one */
    int64_t scan;           /* rows to look at, at most */
    size_t max_rows;        /* rows to return, at most (journal_select_rows) */
    size_t max_bytes;       /* and no further one once their bodies reach this */
    struct wall older_than; /* what journal_select_counts() counts as older; 0: nothing */
};

/* How far a call came. */
struct journal_select_end {
    int64_t looked; /* everything up to this seq was looked at: where to go on */
    bool at_end;    /* there is nothing more up to range.last */
};

/* One event, and where it belongs. */
struct journal_selected {
    struct journal_selected *next;
    struct journal_row row; /* its slices lie behind this struct; row.next is not used */
    char org[64];
    char source[64];
    char topic[256];     /* of its lane */
    bool is_unpublished; /* its lane's cursor is not beyond it yet */
    bool is_paused;      /* a pause covers its lane */
};

/* *first is a list in order of seq, freed with journal_select_free(); NULL when there is none. */
MUST_CHECK enum status journal_select_rows(struct journal_select *s,
                                           const struct journal_select_range *range,
                                           struct journal_selected **first,
                                           struct journal_select_end *end, struct err *e);
void journal_select_free(struct journal_selected *first);

/* What a range holds of one lane's topic. */
struct journal_select_count {
    const char *topic; /* borrowed until the callback returns */
    int64_t events;
    int64_t bytes;      /* of bodies */
    struct wall oldest; /* the earliest timestamp that one of their records would have */
    int64_t older;      /* events with one before range.older_than */
};
/* Calls fn once a lane: several lanes can have one topic. No body is read. */
MUST_CHECK enum status
journal_select_counts(struct journal_select *s, const struct journal_select_range *range,
                      void (*fn)(void *arg, const struct journal_select_count *), void *arg,
                      struct journal_select_end *end, struct err *e);

/*
 * The seqs within which everything that is selected lies now: range.after and .last are filled.
 * Received times grow with seq but for the few requests that share a commit and for a clock that
 * is set, so that a time range is found by halving, with JOURNAL_SELECT_MARGIN_US to spare at both
 * ends. ST_NOT_FOUND: there is no such source.
 */
#define JOURNAL_SELECT_MARGIN_US (INT64_C(600) * 1000000)
MUST_CHECK enum status journal_select_bounds(struct journal_select *s,
                                             struct journal_select_range *range, struct err *e);

#endif
