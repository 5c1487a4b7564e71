/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_TRANSACTIONS_H
#define RELAY_KAFKA_KAFKA_TRANSACTIONS_H

/*
 * The transactional calls of librdkafka that block, on a thread of their own: taking over a
 * transactional id, and committing.
 *
 * One piece of work at a time. Each call that is worth repeating (rd_kafka_error_is_retriable) is
 * repeated up to a bound, in short slices so that a stop is heard; anything else ends the work with
 * its reason, and the caller makes a new producer (one recovery path for all, KIP-618).
 *
 * Owns: the thread, the generation of this process. Does not own: the client, which must live until
 * the work is taken. Reports of records come from rd_kafka_commit_transaction() on this thread
 * while a commit is under way; the caller polls the client itself at all other times.
 *
 * Threads: all functions from one thread, the publisher's.
 */

#include "base/wakeup.h"
#include "kafka/kafka_checkpoint.h"

#include <librdkafka/rdkafka.h>

struct kafka_transactions;

struct kafka_transactions_opts {
    struct kafka_checkpoint_source checkpoint; /* its timeout is of one question */
    const struct wakeup *wake;                 /* signalled when work is done */
};

/* How long one piece of work may take before it is given up: twice the transaction timeout. */
#define KAFKA_TRANSACTIONS_TIMEOUT_MS 30000
#define KAFKA_TRANSACTIONS_BOUND_MS   (2 * KAFKA_TRANSACTIONS_TIMEOUT_MS)

MUST_CHECK enum status kafka_transactions_create(struct kafka_transactions **out,
                                                 const struct kafka_transactions_opts *opts,
                                                 struct err *e);
/* Ends the work under way, at most a slice and a question later. NULL is a no-op. */
void kafka_transactions_destroy(struct kafka_transactions *t);

/*
 * Takes the transactional id over: init_transactions, which aborts what the instance before left
 * open and fences it; reads the checkpoint back; and commits it again under this process's
 * generation, so that an older instance that comes back sees a younger one.
 */
void kafka_transactions_recover(struct kafka_transactions *t, rd_kafka_t *client);
/* Commits the client's open transaction. */
void kafka_transactions_commit(struct kafka_transactions *t, rd_kafka_t *client);

enum kafka_transactions_end {
    KAFKA_TRANSACTIONS_DONE,
    KAFKA_TRANSACTIONS_FAILED, /* make a new producer and recover */
    KAFKA_TRANSACTIONS_FENCED, /* recovering found a younger instance, or another journal's
                                  checkpoint: for a person */
};
/* Whether the work is done; then how it ended, and for FAILED and FENCED why (borrowed until the
 * next work). */
bool kafka_transactions_take(struct kafka_transactions *t, enum kafka_transactions_end *end,
                             const char **why);
/* After a recovery that is DONE: the checkpoint that was read back. Its number is that of the last
 * committed transaction with events, its generation and journal are this process's. Borrowed until
 * the next work. */
const struct kafka_checkpoint *kafka_transactions_found(const struct kafka_transactions *t);

/* The opaque of checkpoint records: their reports say nothing about events. */
#define KAFKA_TRANSACTIONS_NO_SLOT ((uintptr_t)UINT32_MAX)

/* Adds a checkpoint to the client's open transaction. scratch has KAFKA_CHECKPOINT_TEXT_MAX bytes.
 * Statuses of kafka_send. */
MUST_CHECK enum status kafka_transactions_add(rd_kafka_t *client, const char *topic,
                                              const struct kafka_checkpoint *c, char *scratch,
                                              struct err *e);

#endif
