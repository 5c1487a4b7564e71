/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_REPLAY_AIR_H
#define RELAY_RELAY_REPLAY_AIR_H

/*
 * What a replay has between journal and Kafka: a lane's ring (lane_ring.h), and for each of its
 * entries whether Kafka has confirmed it, so that what was pruned before it could be sent again is
 * not counted as published.
 *
 * Internal to replayer.c. No I/O, no clock. Threads: the forwarder's.
 */

#include "relay/lane_ring.h"

struct replay_air;

/* in_flight: records at most, 1 to 2^19. NULL: out of memory. */
struct replay_air *replay_air_create(size_t in_flight);
void replay_air_destroy(struct replay_air *a);
/* Forgets everything; nothing may be in the air. False: out of memory, nothing was done. */
MUST_CHECK bool replay_air_clear(struct replay_air *a);

/* For looking, and for lane_ring_step(). */
struct lane_ring *replay_air_ring(const struct replay_air *a);
/* New rows that may be offered. */
size_t replay_air_room(const struct replay_air *a);

/* As lane_ring_offer(). */
bool replay_air_offer(struct replay_air *a, int64_t seq, uint64_t *serial);
/* As lane_ring_report(). */
int64_t replay_air_report(struct replay_air *a, uint64_t serial, enum lane_entry_state state);
/* The next row is in Kafka already: it is passed over as a confirmed one. */
void replay_air_step_over(struct replay_air *a, int64_t seq);
/* Every row up to last was looked at. What still waits to be sent again was pruned: an entry behind
 * last lets the ring pass over it. */
void replay_air_close(struct replay_air *a, int64_t last);

struct replay_air_passed {
    int64_t seq; /* of the last entry, at most last; 0: none */
    int64_t published;
    int64_t failed;
    int64_t waits; /* the refused entry behind counted that it stopped at; 0: none */
};
/* Moves over the finished prefix; last as in replay_air_close(). A refused entry is passed only up
 * to counted (INT64_MAX: always). */
struct replay_air_passed replay_air_advance(struct replay_air *a, int64_t last, int64_t counted);

#endif
