/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_TOPICS_H
#define RELAY_KAFKA_KAFKA_TOPICS_H

/*
 * The table of topics that lanes asked for: the state of each and when it is to be asked next.
 *
 * Owns: names and states. Does not own: a connection; the watcher (kafka_watcher.h) asks Kafka and
 * writes the answers here. Threads: none of its own; the watcher's mutex guards every call, except
 * that a name may be read without it.
 * Invariants: topics are never removed, so an index and a name stay valid as long as the table; a
 * topic that is not ready is always due at some time, by back-off from 0.25 s to 10 s.
 */

#include "base/clock.h"
#include "base/err.h"
#include "kafka/publisher.h"

/* Lanes are configured by people: thousands would be a mistake. It bounds memory and the time of a
 * full scan. */
#define KAFKA_TOPICS_MAX 4096

/* A reason is one line for people. */
#define KAFKA_TOPIC_REASON_MAX 256

struct kafka_topics;

/* NULL when out of memory. */
struct kafka_topics *kafka_topics_create(void);
void kafka_topics_destroy(struct kafka_topics *t);

/*
 * The topic's index; a new one is pending and due at once. ST_BAD_INPUT: Kafka allows no such name
 * (org.apache.kafka.common.internals.Topic: 1 to 249 of letters, digits, '.', '_' and '-', not "."
 * or ".."). ST_FULL: KAFKA_TOPICS_MAX topics are there. ST_NO_MEM.
 */
MUST_CHECK enum status kafka_topics_find(struct kafka_topics *t, const char *name, struct mono now,
                                         uint32_t *index, struct err *e);

size_t kafka_topics_count(const struct kafka_topics *t);
const char *kafka_topics_name(const struct kafka_topics *t, uint32_t index);
/* *reason (borrowed until the next change) is "" for a ready topic. */
enum publisher_topic kafka_topics_state(const struct kafka_topics *t, uint32_t index,
                                        const char **reason);

/* Kafka has it. */
void kafka_topics_set_ready(struct kafka_topics *t, uint32_t index);
/* It cannot be used (state PENDING or MISSING) for this reason; asked again after the back-off. */
void kafka_topics_set_failed(struct kafka_topics *t, uint32_t index, enum publisher_topic state,
                             const char *reason, struct mono now);
/* Pending for this reason and not asked before until. */
void kafka_topics_set_held(struct kafka_topics *t, uint32_t index, const char *reason,
                           struct mono until);
/* Every ready topic is pending and due now: a new producer knows nothing of it. */
void kafka_topics_set_unknown(struct kafka_topics *t, struct mono now);

/*
 * The topic that has been due the longest. Returns false when none is due at now; then *next is
 * when the first will be, unchanged when no topic waits.
 */
bool kafka_topics_due(const struct kafka_topics *t, struct mono now, uint32_t *index,
                      struct mono *next);

/* The next ready topic after *index, round and round; false when none is ready. */
bool kafka_topics_next_ready(const struct kafka_topics *t, uint32_t *index);

#endif
