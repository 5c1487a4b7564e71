/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_PUBLISHER_H
#define RELAY_KAFKA_KAFKA_PUBLISHER_H

/*
 * The publisher over librdkafka's idempotent producer (at-least-once mode).
 *
 * Owns: the reports, the table of records in flight, the watcher and through it the producer
 * (kafka_watcher.h). Does not own: records; they are copied. Threads: create and destroy from main
 * or the forwarder, the operations from the forwarder.
 *
 * Order (promise P3). Nothing that was produced to a partition after a record passes it, unless the
 * report of that record says REJECTED:
 * - delivery time and retries are without limit, so no record gives up while later ones go on;
 * - a batch that a broker refuses stops the whole producer (enable.gapless.guarantee). The records
 *   without a report come back as RETRY, the producer is made anew, and the forwarder produces from
 *   the first of them on. That costs all lanes a new connection, so what is too large should be
 *   stopped before: keep message.max.bytes and batch.size at or below the topics'
 *   max.message.bytes;
 * - a broker refuses a batch and does not say which record is to blame. All its records come back
 *   as RETRY and their topic goes one by one until each had its answer: only a record that was
 *   refused alone is REJECTED.
 * What remains: a request that a broker has received and answers after the producer ended may
 * store its records after the repetition. The producer's end waits up to 2 s for answers.
 *
 * A fatal error (CHANGELOG.md of librdkafka 2.3.0, issue 4438: an idempotent producer turns a
 * possibly persisted record into a fatal sequence error) is routine here and goes the same way. The
 * next producer is made at once when the last one delivered anything, else after 100 ms, doubled up
 * to 5 s.
 *
 * Invariant: each produced record is reported exactly once, or not at all when destroy comes first.
 */

#include "kafka/kafka_property.h"
#include "kafka/publisher.h"

struct kafka_publisher_opts {
    const struct kafka_property
        *properties; /* passed to librdkafka after the relay's own defaults */
    size_t property_count;
    bool create_topics;
    int partitions;         /* of topics created here, 1 or more; -1: the broker's default */
    int replication_factor; /* likewise */
};

/*
 * Checks the properties and creates the producer; no broker need be reachable. bootstrap.servers
 * must be among them. ST_BAD_INPUT: librdkafka refuses a property, or it is one that would break a
 * promise (kafka_property_check); the text names it.
 */
MUST_CHECK enum status kafka_publisher_create(struct publisher **out,
                                              const struct kafka_publisher_opts *opts,
                                              struct err *e);

/* How many times the producer was made anew. p comes from kafka_publisher_create; the forwarder's
 * thread. */
uint64_t kafka_publisher_restarts(const struct publisher *p);

#endif
