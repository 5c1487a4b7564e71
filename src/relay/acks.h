/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_ACKS_H
#define RELAY_RELAY_ACKS_H

/*
 * Deliveries that are committed to the journal and whose answer waits for Kafka as well (ack =
 * kafka): a bounded table of waiters by seq, each with a deadline.
 *
 * Owns: the table and a timer. Does not own: waiters; they are embedded in their owner's struct and
 * come back in done(). Knows nothing of HTTP.
 *
 * The way of a waiter: acks_expect() inside the transaction that gives the event its seq, so that
 * no delivery report can come before it; then acks_cancel() when the transaction did not commit, or
 * acks_commit() when it did. From then on the first of these ends it: the report, its deadline,
 * acks_close().
 *
 * While Kafka is away nobody gains by waiting: when a waiter reached its deadline and not one event
 * of any lane was delivered during its wait, waiters are turned away at once until the next
 * delivery report. The forwarder goes on with the backlog, so that report comes by itself. A lane
 * that is paused or waits alone does not count as that; its waiters wait for their deadlines.
 *
 * Invariants: done() is called exactly once after acks_commit() took the waiter, never before it
 * and never after acks_cancel(); not while the lock is held.
 *
 * Threads: every function from every thread; expect, commit and cancel of one waiter one after the
 * other (the committer's). done() runs on the thread that ended the wait.
 */

#include "base/clock.h"
#include "base/err.h"

#include <stddef.h>

struct acks;

enum ack_outcome {
    ACK_NONE,     /* it does not wait for Kafka */
    ACK_KAFKA,    /* Kafka has confirmed the event */
    ACK_TIMEOUT,  /* it has not, by the deadline */
    ACK_AWAY,     /* Kafka confirms nothing at all: not waited for */
    ACK_FULL,     /* the table is full: not waited for */
    ACK_STOPPING, /* the relay stops */
    ACK_OUTCOME_COUNT
};
/* A constant word ("timeout") for metrics. */
const char *ack_outcome_name(enum ack_outcome outcome);

enum ack_state { ACK_IDLE, ACK_EXPECTED, ACK_WAITING };

/* Embedded in the owner's struct, zeroed before its first use. */
struct ack_waiter {
    void (*done)(struct ack_waiter *w, enum ack_outcome outcome); /* the owner's; w may go in it */
    struct mono deadline; /* the owner's, set before acks_expect() */
    size_t bytes;         /* the owner's: what it keeps in memory while it waits */
    struct mono since;    /* set by acks_commit() */
    /* private */
    int64_t seq;
    uint64_t delivered_before; /* events, when the wait began */
    enum ack_state state;
    bool is_delivered; /* reported before acks_commit() */
    struct ack_waiter *next_in_bucket;
    struct ack_waiter *earlier; /* the list by deadlines, while ACK_WAITING */
    struct ack_waiter *later;
};

struct acks_opts {
    const struct clock *clock;
    size_t waiters_max; /* more are turned away, as are those that would pass bytes_max */
    size_t bytes_max;
    /* After done() calls, on the same thread: wake whoever writes the answers. May be NULL. */
    void (*on_answers)(void *ctx);
    void *ctx;
};

MUST_CHECK enum status acks_create(struct acks **out, const struct acks_opts *opts, struct err *e);
/* Nobody may wait. NULL is a no-op. */
void acks_destroy(struct acks *a);

/*
 * Takes a place for the event with this seq, in the transaction that stores it. ACK_KAFKA: taken,
 * acks_commit() or acks_cancel() must follow. Anything else: not taken, and why.
 */
MUST_CHECK enum ack_outcome acks_expect(struct acks *a, struct ack_waiter *w, int64_t seq);
/*
 * The event is durable in the journal: from now on w may end. True: it waits, and done() is called,
 * now or later. False: there is nothing to wait for and *outcome says how it ended; done() is not
 * called.
 */
MUST_CHECK bool acks_commit(struct acks *a, struct ack_waiter *w, enum ack_outcome *outcome);
/* The transaction did not commit. A no-op for a waiter that was not taken. */
void acks_cancel(struct acks *a, struct ack_waiter *w);

/* Kafka has the event for good (in exactly-once mode: its transaction is committed). Cheap when
 * nobody waits. */
void acks_delivered(struct acks *a, int64_t seq);
/* The same with an untyped first argument, for a hook; NULL is a no-op. */
void acks_on_delivered(void *acks, int64_t seq);

/* Readable when a deadline may have passed: call acks_expire(). */
int acks_timer_fd(const struct acks *a);
/* Ends everybody whose deadline has passed. */
void acks_expire(struct acks *a);
/* Ends everybody; from now on all are turned away. */
void acks_close(struct acks *a);

/* How many wait, or are about to. */
size_t acks_waiting(const struct acks *a);

#endif
