/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_SUSPECTS_H
#define RELAY_KAFKA_KAFKA_SUSPECTS_H

/*
 * Which topics made transactions fail, and how they get back in: record by record, each in a
 * transaction of its own, or after a rest.
 *
 * A probe must find the transaction empty, and other topics fill it all the time: so a topic that
 * was turned away has the next transaction to itself, if it comes within KAFKA_SUSPECTS_TURN_MS.
 *
 * Does not own the watcher. Threads: the publisher's.
 */

#include "kafka/kafka_watcher.h"

struct kafka_suspects;

#define KAFKA_SUSPECTS_TURN_MS 50

MUST_CHECK enum status kafka_suspects_create(struct kafka_suspects **out, struct kafka_watcher *w,
                                             struct err *e);
void kafka_suspects_destroy(struct kafka_suspects *s);

/* Whether a record of the topic may join a transaction that holds so many already. */
bool kafka_suspects_may_send(struct kafka_suspects *s, uint32_t topic, size_t held);
/* A record of the topic was committed; was_alone: nothing else was in its transaction. */
void kafka_suspects_clear(struct kafka_suspects *s, uint32_t topic, bool was_alone);
/* A transaction with a record of the topic failed, and nobody knows because of which topic: its
 * next record goes alone. */
void kafka_suspects_suspect(struct kafka_suspects *s, uint32_t topic);
/* A record of a transaction that failed, with the error of its report (0: none of its own). Says
 * what becomes of the record, and keeps what it means for its topic. */
enum publisher_outcome kafka_suspects_judge(struct kafka_suspects *s, uint32_t topic,
                                            rd_kafka_resp_err_t err, bool was_alone);
/* librdkafka did not take a record. True: that only concerns its topic, which rests; the
 * transaction goes on. */
bool kafka_suspects_refused(struct kafka_suspects *s, uint32_t topic, rd_kafka_resp_err_t why);
/* All records of the failed transaction were judged: they are one denial, one timeout. */
void kafka_suspects_end_round(struct kafka_suspects *s);

#endif
