/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_LANE_RING_H
#define RELAY_RELAY_LANE_RING_H

/*
 * What a lane has between journal and Kafka: a ring of seqs in order, each with the state of its
 * record. Reports come in any order (one topic has several partitions); the cursor moves only over
 * a prefix that is finished.
 *
 *          head                next                 tail
 *   ... ────┼──D──S──D──D──S────┼──W──W───────────────┼──── (rows not read yet)
 *     passed      sent or done        to be sent again
 *
 * W waits to be sent, S sent, D done (delivered or parked). A record that was not delivered turns
 * its entry to W, and next goes back to it once nothing is in the air; entries that are D are then
 * stepped over, so nothing that Kafka has is sent twice.
 *
 * Pure data structure: no I/O, no clock. Threads: the forwarder's.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum lane_entry_state {
    LANE_WAITS,  /* as a report: came back, and Kafka surely does not have it */
    LANE_UNSURE, /* as a report: came back, but Kafka may have it; then it waits, and its repeat is
                    labelled */
    LANE_SENT,
    LANE_DELIVERED,
    LANE_TO_PARK,
};

struct lane_ring;

/* capacity: how many may be between journal and Kafka (1 to 2^20; rounded up to a power of two).
 * NULL: out of memory. */
struct lane_ring *lane_ring_create(size_t capacity);
void lane_ring_destroy(struct lane_ring *r);

/* Free places at the end. */
size_t lane_ring_room(const struct lane_ring *r);
/* Entries from head to tail. */
size_t lane_ring_count(const struct lane_ring *r);
/* Of them sent and without a report. */
size_t lane_ring_in_air(const struct lane_ring *r);
/* True when entries before the tail wait to be sent again. */
bool lane_ring_has_resend(const struct lane_ring *r);
/* True while next cannot go back yet because reports are still to come: whatever went out now could
 * overtake the entry that came back (promise P3), so nothing may be offered. */
bool lane_ring_must_wait(const struct lane_ring *r);
/* True when the next offer may only be a new row. */
bool lane_ring_is_at_tail(const struct lane_ring *r);

/* True when an entry to park lies before next. In exactly-once mode nothing may be offered beyond
 * it then, so that no position in Kafka ever passes a park that is not in the journal. */
bool lane_ring_is_barred(const struct lane_ring *r);
/*
 * Exactly-once: the lane's place in a checkpoint, which is the seq of the last entry before which
 * all were delivered or are in the air; floor when the first is neither.
 */
int64_t lane_ring_position(const struct lane_ring *r, int64_t floor);

/* The seq behind which reading goes on: that before next (resend), or of the last entry; floor when
 * the ring is empty. */
int64_t lane_ring_read_after(const struct lane_ring *r, int64_t floor);

/*
 * What to do with the row of this seq, which must come in the order of lane_ring_read_after(): its
 * serial, and whether it must be sent (false: Kafka has it already, step over). A new seq needs
 * lane_ring_room(). The entry stays in state WAITS.
 */
bool lane_ring_offer(struct lane_ring *r, int64_t seq, uint64_t *serial);
/* Whether the offered row was sent before by this process and may have arrived. */
bool lane_ring_is_repeat(const struct lane_ring *r);
/* The offered row was handed to the publisher, or must be parked (LANE_TO_PARK); next moves past
 * it. */
void lane_ring_step(struct lane_ring *r, enum lane_entry_state state);

/* A report. Returns the entry's seq. 0: the serial is not in the air (a late report of a lane that
 * was reset), nothing is done. */
int64_t lane_ring_report(struct lane_ring *r, uint64_t serial, enum lane_entry_state state);

/*
 * Moves the head over the finished prefix: delivered entries freely, an entry to park only while
 * take_park(arg, seq) says that it could be noted. Returns the seq of the last entry passed, or 0
 * when none was.
 */
int64_t lane_ring_advance(struct lane_ring *r, bool (*take_park)(void *arg, int64_t seq),
                          void *arg);

#endif
