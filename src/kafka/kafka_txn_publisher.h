/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_TXN_PUBLISHER_H
#define RELAY_KAFKA_KAFKA_TXN_PUBLISHER_H

/*
 * The publisher over librdkafka's transactional producer (exactly-once mode).
 *
 * Owns: the table of the open transaction's records, the watcher (the client, topics), the thread
 * of the blocking calls (kafka_transactions.h). Does not own: records; they are copied. Threads:
 * create and destroy from main or the forwarder, the operations from the forwarder.
 *
 *   waiting ──client──▶ looking ──checkpoint topic ready──▶ recovering ──▶ idle ⇄ open ──▶ ending
 *      ▲                                                        │           ▲               │ │
 *      └──── anything that fails: the client is retired ────────┴───────────┼───────────────┘ │
 *                                                                fenced ◀───┘     committed ◀─┘
 *
 * There is one way out of every failure: a new producer, init_transactions, the checkpoint read
 * back. It decides a commit of unknown outcome by the checkpoint's number. Fencing is final: the
 * younger instance is at work, and only a person knows which of the two is right.
 *
 * A topic whose record made a transaction fail is suspected: its next records go one by one, each
 * in a transaction of its own, until as many as failed had their answer. A record that is refused
 * alone is REJECTED. A denied topic, or one whose records run out of time (no leader), rests for a
 * while that doubles. Other topics go on between the probes.
 *
 * Delivery time is bounded below the transaction timeout, which a broker enforces: a record that
 * runs out of time fails its transaction and is sent again in another.
 *
 * A call into librdkafka that does not come back within KAFKA_TXN_HANG_MS, far above all its
 * timeouts, ends the process with a line in the log: a restart is safe by design.
 */

#include "kafka/kafka_publisher.h"

#define KAFKA_TXN_HANG_MS 240000

struct kafka_txn_opts {
    struct kafka_publisher_opts common;
    const char *journal_id;
    const char *transactional_id; /* the same at each start, and no other relay's */
    const char *checkpoint_topic; /* no other relay's; made compacted when it is missing */
    int timeout_ms;               /* of a transaction, 1000 or more; 0: what suits a relay (30 s) */
};

/* As kafka_publisher_create; the texts are copied, the properties must outlive the publisher. */
MUST_CHECK enum status kafka_txn_publisher_create(struct publisher **out,
                                                  const struct kafka_txn_opts *opts, struct err *e);

#endif
