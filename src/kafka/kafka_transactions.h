/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_TRANSACTIONS_H
#define RELAY_KAFKA_KAFKA_TRANSACTIONS_H

/*
 * The transactional calls of librdkafka, on a thread of their own because they block: taking over a
 * transactional id, beginning and committing. (rd_kafka_begin_transaction() takes no timeout and
 * has been seen to hang: github.com/confluentinc/librdkafka/issues/4420.)
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

#include <stdbool.h>

struct kafka_transactions;

struct kafka_transactions_opts {
    struct kafka_checkpoint_source checkpoint; /* its timeout is of one question */
    int timeout_ms;            /* of a transaction; a call is repeated for twice as long */
    const struct wakeup *wake; /* signalled when work is done */
    int hang_ms;               /* 0: KAFKA_TRANSACTIONS_HANG_MS */
};

MUST_CHECK enum status kafka_transactions_create(struct kafka_transactions **out,
                                                 const struct kafka_transactions_opts *opts,
                                                 struct err *e);
/*
 * Ends the work under way, at most a slice and a question later, and aborts what open holds (a
 * client with an open transaction that is not under way, or NULL), so that readers of committed
 * records need not wait for the transaction's timeout. t NULL is a no-op.
 */
void kafka_transactions_destroy(struct kafka_transactions *t, rd_kafka_t *open);

/*
 * Takes the transactional id over: init_transactions, which aborts what the instance before left
 * open and fences it; reads the checkpoint back; commits it again under this process's generation,
 * so that an older instance that comes back sees a younger one; and begins a transaction.
 *
 * was_fenced: the client before was fenced. Then the checkpoint is looked at first, so that a
 * younger instance is left alone. Being fenced alone proves nothing: a broker also fences a
 * producer whose transaction it has aborted because of its age
 * (github.com/confluentinc/librdkafka/issues/3928).
 */
void kafka_transactions_recover(struct kafka_transactions *t, rd_kafka_t *client, bool was_fenced);
/* What the reports of a transaction's records have said. The publisher's callbacks write it, on the
 * thread of the blocking calls while that has the client. */
struct kafka_transactions_reports {
    bool is_failed;   /* a record came back with an error, or was not taken */
    bool is_doubtful; /* one came back as stored without its place (kafka_txn_publisher.h) */
};
/*
 * Commits the client's open transaction and begins the next. Nothing is committed, and the work
 * ends as FAILED with the code 0, when a report leaves a doubt or when, within twice the timeout or
 * at a stop, some are still missing. After a failed one the others are not waited for. reports must
 * live until the work is taken.
 */
void kafka_transactions_commit(struct kafka_transactions *t, rd_kafka_t *client,
                               const struct kafka_transactions_reports *reports);
/*
 * Aborts the client's open transaction and begins the next. FAILED: it did not end within
 * KAFKA_TRANSACTIONS_ABORT_MS; the client can be ended all the same. (A client must not be ended in
 * the middle of a transaction: 2.0.2 then may end the process, because it counts a request for a
 * partition only after it has handed it over, "txn_req_cnt > 0" in rdkafka_txnmgr.c.)
 */
#define KAFKA_TRANSACTIONS_ABORT_MS 3000
void kafka_transactions_abort(struct kafka_transactions *t, rd_kafka_t *client);
/* Finds out why the client's open transaction takes no more records. Always ends as FAILED. */
void kafka_transactions_explain(struct kafka_transactions *t, rd_kafka_t *client);

enum kafka_transactions_end {
    KAFKA_TRANSACTIONS_DONE,
    KAFKA_TRANSACTIONS_SPENT,  /* committed, but this client begins no other: make a new one */
    KAFKA_TRANSACTIONS_FAILED, /* make a new producer and recover */
    KAFKA_TRANSACTIONS_FENCED, /* recovering found a younger instance, or another journal's
                                  checkpoint: for a person */
};
struct kafka_transactions_outcome {
    enum kafka_transactions_end end;
    rd_kafka_resp_err_t code; /* of the call that failed; 0 when none did */
    const char *why;          /* unless DONE; borrowed until the next work */
};
/*
 * Whether the work is done; then how it ended. Work that takes longer than opts.hang_ms, unless it
 * was set KAFKA_TRANSACTIONS_HANG_MS, which is far above all timeouts, is a call into librdkafka
 * that does not come back: then the process ends with a line in the log. A restart is safe by
 * design; a client with a thread inside can neither be used nor ended.
 */
#define KAFKA_TRANSACTIONS_HANG_MS 240000
bool kafka_transactions_take(struct kafka_transactions *t, struct kafka_transactions_outcome *out);
/* After a recovery that is DONE: the checkpoint that was read back. Its number is that of the last
 * committed transaction with events, its generation and journal are this process's. Borrowed until
 * the next work. */
const struct kafka_checkpoint *kafka_transactions_found(const struct kafka_transactions *t);

/* The opaque of checkpoint records: their reports say nothing about events. */
#define KAFKA_TRANSACTIONS_NO_SLOT ((uintptr_t)UINT32_MAX)

/* Whether this error says that another producer took the transactional id over, or that the broker
 * gave up a transaction of this one. */
bool kafka_transactions_is_fence(rd_kafka_resp_err_t err);

/* Adds a checkpoint to the client's open transaction. scratch has KAFKA_CHECKPOINT_TEXT_MAX bytes.
 * Statuses of kafka_send. */
MUST_CHECK enum status kafka_transactions_add(rd_kafka_t *client, const char *topic,
                                              const struct kafka_checkpoint *c, char *scratch,
                                              struct err *e);

#endif
