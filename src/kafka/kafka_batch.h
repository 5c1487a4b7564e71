/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_BATCH_H
#define RELAY_KAFKA_KAFKA_BATCH_H

/*
 * The records of one transaction, from produce to its outcome, and who is to blame when it failed.
 *
 * Owns: one entry a record, allocated at birth for the whole capacity. Does not own: the suspects,
 * record bytes. Threads: one at a time; the publisher hands the batch to the thread of the blocking
 * calls and back together with the client.
 *
 * Invariant: each kept record is reported exactly once, with the outcome of its transaction.
 */

#include "kafka/kafka_suspects.h"

struct kafka_batch;

/* A batch of up to capacity records (1 or more). */
MUST_CHECK enum status kafka_batch_create(struct kafka_batch **out, size_t capacity,
                                          struct kafka_suspects *suspects, struct err *e);
void kafka_batch_destroy(struct kafka_batch *b);

size_t kafka_batch_count(const struct kafka_batch *b);
bool kafka_batch_is_full(const struct kafka_batch *b);

/* Opens a slot, which becomes the record's when _keep follows. The batch must not be full. */
uint32_t kafka_batch_open(struct kafka_batch *b, uint64_t tag, uint32_t topic);
void kafka_batch_keep(struct kafka_batch *b);

/* What librdkafka reports of a slot's record. */
void kafka_batch_note(struct kafka_batch *b, uint32_t slot, rd_kafka_resp_err_t err);

typedef void kafka_batch_report_fn(void *arg, const struct publisher_report *report);

/* The outcome: reports every record and empties the batch. */
void kafka_batch_committed(struct kafka_batch *b, kafka_batch_report_fn *fn, void *arg);
/*
 * Nothing of it is in the feed of a read_committed consumer. code and why are the transaction's
 * own: Kafka's refusal of a partition (AddPartitionsToTxn) names no record. Then the only topic is
 * to blame, or each of several is suspected.
 */
void kafka_batch_aborted(struct kafka_batch *b, rd_kafka_resp_err_t code, const char *why,
                         kafka_batch_report_fn *fn, void *arg);

#endif
