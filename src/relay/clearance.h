/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_CLEARANCE_H
#define RELAY_RELAY_CLEARANCE_H

/*
 * Whether anything may be published at all. Internal to the forwarder's files.
 *
 * In this order: the cluster that answers is the one that the cursors belong to; exactly-once, the
 * publisher is able and the checkpoint in Kafka was adopted; the journal has a note of how records
 * are sent (meta "delivery"). What stops publishing for good is told once, and intake goes on:
 * another cluster, a younger instance that has taken over, a journal older than the checkpoint. So
 * is a checkpoint without a topic, which ends by itself when there is one.
 *
 * The note is what makes changing between the two ways safe, and it is committed before the first
 * record goes:
 *   at_least_once  (or none) what lies between cursor and mark may be in Kafka;
 *   turning        exactly-once sends, and what an at-least-once process left there may be
 * repeated; exactly_once   what lies beyond the checkpoint's positions is surely not in Kafka. From
 * the latter two to the first, the marks of all lanes go up to the newest event.
 *
 * Owns: the alarms. Threads: the forwarder's.
 */

#include "relay/forwarder.h"
#include "relay/sender.h"
#include "relay/settle.h"

struct clearance;

struct clearance_opts {
    const struct forwarder_opts *forwarder; /* must outlive it, as all below */
    struct settle *settle;
    struct sender *sender;
    int64_t start_seq; /* the newest event when the forwarder began */
    bool is_once;
    /* The place of a feed that is no lane (feed < 0) in the checkpoint that is adopted. May be
     * NULL. */
    void (*on_other_feed)(void *arg, const struct publisher_position *position);
    /* Exactly-once sent before, without marks: what lies ahead may be a repeat. May be NULL. */
    void (*on_suspect)(void *arg);
    void *arg;
};

/* Reads cluster id and note from the journal. */
MUST_CHECK enum status clearance_create(struct clearance **out, const struct clearance_opts *opts,
                                        struct err *e);
void clearance_destroy(struct clearance *c);

/* Whether records may go in this turn. The lanes that were in the journal at the start must be
 * known to the sender. */
bool clearance_is_given(struct clearance *c);
/* The journal has the note (settle_listener). */
void clearance_on_noted(struct clearance *c);
/* It is not given, and what changes that may come without a wake-up. */
bool clearance_must_look_again(const struct clearance *c);
/* Fills in the cluster and the alarms. */
void clearance_show(const struct clearance *c, struct forwarder_kafka_view *view);

#endif
