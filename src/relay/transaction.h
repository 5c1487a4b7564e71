/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_TRANSACTION_H
#define RELAY_RELAY_TRANSACTION_H

/*
 * Exactly-once: when the open transaction is committed, and the checkpoint inside it. Internal to
 * the forwarder's files.
 *
 * The batch follows the backlog: it is committed as soon as a turn finds nothing more to send, so
 * it is small when caught up, and as large as its bound when behind. While its outcome is not known
 * nothing is sent.
 *
 * Owns: the checkpoint's positions. Threads: the forwarder's.
 */

#include "kafka/publisher.h"
#include "relay/sender.h"

struct transaction;

struct transaction_opts {
    struct publisher *publisher; /* with commit; must outlive it, as all below */
    struct sender *sender;
    struct journal_reader *reader;
    size_t records_max; /* of one transaction */
    /*
     * The places of feeds that are no lanes (feed < 0): writes at most max of them in order of
     * feed, returns how many. Called once a commit. May be NULL.
     */
    size_t (*other_feeds)(void *arg, struct publisher_position *out, size_t max);
    void *arg;
};

/* NULL when out of memory. */
struct transaction *transaction_create(const struct transaction_opts *opts);
void transaction_destroy(struct transaction *t);

/* How many more records may go now, with in_air of them without a report; 0 while a commit's
 * outcome is not known. Once a turn, after the reports. */
size_t transaction_room(struct transaction *t, size_t in_air);
/* The end of a turn in which sent records went: commits if it is time. True when the next turn
 * should come at once. */
bool transaction_end_turn(struct transaction *t, size_t in_air, size_t sent);

#endif
