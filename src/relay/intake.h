/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_INTAKE_H
#define RELAY_RELAY_INTAKE_H

/*
 * The way of an event into the journal: one item is one delivery, handed to the committer and told
 * how it ended after COMMIT or, when it asks for that, after Kafka has confirmed the event
 * (acks.h).
 *
 * What will not go to Kafka waits for no confirmation: duplicates, PING, quarantined and oversize
 * events, and what configuration keeps in the journal.
 *
 * Does not own: items; they are embedded in the sender's own struct and come back in done().
 *
 * Threads: submit from every thread; done() runs on the committer's, with acks also on those that
 * acks.h names.
 */

#include "relay/acks.h"
#include "relay/committer.h"

struct intake_item {
    struct commit_job job; /* private */
    const struct event *ev;
    int64_t source;                 /* from intake_source() */
    struct acks *acks;              /* NULL: done() after COMMIT */
    struct mono ack_by;             /* with acks: no longer than this */
    struct ack_waiter waiter;       /* private; but since, when ack_waited */
    enum ack_outcome ack;           /* valid in done() with ST_OK */
    bool ack_waited;                /* valid as ack: it waited since waiter.since */
    struct journal_digest digest;   /* private */
    struct journal_appended result; /* valid in done() with ST_OK */
    void (*done)(struct intake_item *item, enum status outcome);
};

/* The number of a source in the journal, made on first use. Thread: main, before the committer
 * runs. */
MUST_CHECK enum status intake_source(struct journal *j, const char *org, const char *name,
                                     int64_t *source, struct err *e);

/* Where copies of the source's parked events go, see journal.h. Thread: as intake_source(). */
void intake_dead_letters(struct journal *j, int64_t source, const struct journal_dead_letters *to);

/*
 * Hands the item over; ev, its slices and the item stay as they are until done(). org is the scope
 * of deduplication. ST_FULL or ST_DENIED: not taken, done() is not called. Any thread; computes the
 * digests on it.
 */
MUST_CHECK enum status intake_submit(struct committer *c, struct journal *j, struct slice org,
                                     struct intake_item *item);

#endif
