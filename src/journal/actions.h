/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_ACTIONS_H
#define RELAY_JOURNAL_ACTIONS_H

/*
 * What operators do to the journal: pause and resume, requeue and discard what is parked. Each
 * leaves a row of who, when and why, in the same transaction.
 *
 * These are rare: statements are prepared for each call.
 *
 * Threads: the writer's, inside a transaction (journal_begin).
 */

#include "journal/action_note.h"
#include "journal/journal.h"

/*
 * Pauses a scope: "all", "source:NAME" or "lane:ID". Nothing of it is published until it is
 * resumed; intake goes on, nothing expires (promise P4). Pausing what is paused changes nothing but
 * leaves its row. ST_BAD_INPUT: no such scope.
 */
MUST_CHECK enum status action_pause(struct journal *j, const char *scope,
                                    const struct action_by *by, struct err *e);
/* Ends it. ST_NOT_FOUND: it was not paused. */
MUST_CHECK enum status action_resume(struct journal *j, const char *scope,
                                     const struct action_by *by, struct err *e);

/*
 * Gives a parked event a new place: a new row with the same bytes, origin requeue and the parked
 * seq as its parent. ev is the event to store, with its topic; the caller has read it
 * (journal_read_event) and, for a quarantined one, decided the topic. *successor is its seq.
 * ST_NOT_FOUND: seq is not waiting.
 */
struct action_requeue {
    int64_t seq; /* the parked event */
    const struct event *ev;
    int64_t source;
};
MUST_CHECK enum status action_requeue(struct journal *j, const struct action_requeue *in,
                                      const struct action_by *by, int64_t *successor,
                                      struct err *e);
/* Gives up a parked event; by->why must say why (ST_BAD_INPUT). Its row stays until its retention
 * is over, the tombstone for ever. */
MUST_CHECK enum status action_discard(struct journal *j, int64_t seq, const struct action_by *by,
                                      struct err *e);

/*
 * The cluster that answers at the address may be another one from now on: the next start binds the
 * cursors to what it finds. by->why must say why.
 */
MUST_CHECK enum status action_rebind(struct journal *j, const struct action_by *by, struct err *e);
/*
 * action_rebind, and a new journal id: a restored backup gives numbers away a second time, and
 * under the old id consumers would take its events for those that they have.
 */
MUST_CHECK enum status action_renew(struct journal *j, const struct action_by *by, struct err *e);

#endif
