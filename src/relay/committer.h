/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_COMMITTER_H
#define RELAY_RELAY_COMMITTER_H

/*
 * The one place where the journal is written: takes jobs from a mailbox, applies as many as wait in
 * one transaction, commits, and only then tells each of them how it ended (group commit, promises
 * P1 and P8).
 *
 * There is no timer: while one commit runs, the next batch gathers in the mailbox. The idea and its
 * reasons are kivaloo's (kvlds/dispatch.c, poke_mr).
 *
 * Owns: the mailbox, the journal's writer side. Does not own: jobs; they belong to their senders,
 * who get them back in done().
 *
 * Outcomes (promise P6): ST_OK, durable. ST_FULL, ST_BUSY, ST_NO_MEM: rolled back, nothing is
 * stored, the process goes on and recovers by itself. ST_IO: unknown; the committer is dead, every
 * later job ends with ST_IO, and the process must exit.
 *
 * Threads: submit from every thread; step from one, the committer's (a loop around step, or the
 * simulation).
 */

#include "base/mailbox.h"
#include "base/metric.h"
#include "journal/journal.h"

struct committer;

/* Embedded in the sender's own struct. */
struct commit_job {
    struct mail mail;
    /*
     * Applies the job inside the open transaction. A status other than ST_OK ends the whole
     * transaction with it; what is wrong with this job alone is kept in the job and reported by its
     * done(). Thread: committer.
     */
    enum status (*apply)(struct commit_job *job, struct journal *j, struct err *e);
    /* How it ended; the committer does not touch job afterwards. e is NULL with ST_OK. Thread:
     * committer. */
    void (*done)(struct commit_job *job, enum status outcome, const struct err *e);
    bool needs_room; /* an intake job: refused with ST_FULL while the disk is below its floor */
};

struct committer_opts {
    struct journal *journal; /* must outlive the committer */
    const struct clock *clock;
    size_t mailbox_max; /* jobs that may wait: more are refused */
    size_t rows_max;    /* jobs in one transaction */
    /*
     * After each batch's done() calls: wake whoever writes the answers and, when intake jobs were
     * committed, the forwarder. May be NULL.
     */
    void (*on_batch)(void *ctx, bool stored_events);
    /*
     * Between transactions, after the answers of each batch and when none came in time; does a
     * little and returns. *again: there is more to do, do not wait long. May be NULL.
     */
    enum status (*housekeeping)(void *ctx, struct journal *j, bool *again, struct err *e);
    void *ctx;
    struct metrics *metrics; /* NULL: none */
};

MUST_CHECK enum status committer_create(struct committer **out, const struct committer_opts *opts,
                                        struct err *e);
/* The mailbox must be empty (drained). NULL is a no-op. */
void committer_destroy(struct committer *c);

/*
 * Hands a job over. ST_OK: done() will be called exactly once. ST_FULL: the mailbox is full;
 * ST_DENIED: shutting down or dead; the caller keeps the job. Any thread.
 */
MUST_CHECK enum status committer_submit(struct committer *c, struct commit_job *job);

enum committer_state {
    COMMITTER_WORKING,
    COMMITTER_DRAINED, /* closed and everything is answered */
    COMMITTER_DEAD,    /* promise P6: exit the process */
};

/*
 * One turn: waits up to timeout_ms for jobs (0: not at all), then one transaction, its answers, a
 * checkpoint if due, and housekeeping. Thread: committer.
 */
enum committer_state committer_step(struct committer *c, int timeout_ms);

/* No more jobs; step() drains what waits. Any thread. */
void committer_close(struct committer *c);

/* While closed to intake, jobs with needs_room end with ST_FULL (free-space floor). Any thread. */
void committer_set_room(struct committer *c, bool has_room);
/* The last transaction committed and there is room: what /readyz says. Any thread. */
bool committer_is_ready(const struct committer *c);
/* Jobs waiting in the mailbox. Any thread. */
size_t committer_depth(const struct committer *c);

#endif
