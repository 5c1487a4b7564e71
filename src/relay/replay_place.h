/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_REPLAY_PLACE_H
#define RELAY_RELAY_REPLAY_PLACE_H

/*
 * A replay's place in the checkpoint of exactly-once delivery. Internal to the replayer.
 *
 * Replays are numbered by the journal, and one that is put back from a backup gives the same
 * numbers again: two replays of one number differ in when they were made, which is what the check
 * is made of.
 *
 * Owns nothing. Threads: re-entrant.
 */

#include "journal/replays.h"
#include "kafka/publisher.h"

/* The place of a replay of which Kafka has everything up to seq. */
struct publisher_position replay_place(const struct replay *of, int64_t seq);
/* Whether a place is of this replay; one without a check is taken by its number. Another replay's
 * place under the same number is told. */
bool replay_place_is_of(const struct publisher_position *place, const struct replay *of);

#endif
