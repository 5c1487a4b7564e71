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
 * Nothing is done in Kafka before the first question for the standing: whoever asks has made sure
 * that it is the right cluster.
 *
 * There is one way out of every failure: a new producer, init_transactions, the checkpoint read
 * back. It decides a commit of unknown outcome by the checkpoint's number. (librdkafka's own way
 * out, abort_transaction, leaves gaps in sequence numbers behind a refused batch; it serves for
 * transactions that are called back, and at the end.)
 *
 * A younger instance has a higher generation in its checkpoint: finding one is final, and what was
 * being committed then gets no report. Being fenced without one is routine.
 *
 * A topic whose record made a transaction fail is suspected: its next records go one by one, each
 * in a transaction of its own, until as many as failed had their answer. A record that is refused
 * alone is REJECTED. A denied topic, or one whose records run out of time (no leader), rests for a
 * while that doubles. Other topics go on between the probes. A topic that is known to have a
 * partition without a leader is not probed: a record for that partition would keep the transaction
 * of all topics open until it runs out of time, so the topic waits as a whole until each partition
 * has its leader. When Kafka refuses a partition without
 * naming a record, all topics of the transaction are suspected, and the probes tell which it was.
 *
 * With several requests in flight librdkafka 2.0.2 takes a batch that a broker refused for stored
 * when a later one of its partition succeeds (kafka_conf.c): a gap in a committed transaction. Such
 * a record has no offset in its report (rdkafka_broker.c, rd_kafka_dr_implicit_ack), and neither
 * has the first of a batch that a broker calls a duplicate; what a broker confirmed has one. So all
 * reports are waited for before the commit, and a transaction in which one says "stored" without
 * saying where is given up. That its records may be there is no harm: they are never committed.
 *
 * Delivery time is bounded below the transaction timeout, which a broker enforces: a record that
 * runs out of time fails its transaction and is sent again in another.
 *
 * A call into librdkafka that does not come back ends the process (kafka_transactions.h).
 */

#include "kafka/kafka_publisher.h"

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
