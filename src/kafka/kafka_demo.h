/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_DEMO_H
#define RELAY_KAFKA_KAFKA_DEMO_H

/*
 * The embedded in-memory broker of `serve --demo`: librdkafka's mock cluster on a loopback port. It
 * keeps 5 MiB a partition, forgets everything at exit and neither fences nor hides aborted records
 * (rdkafka_mock.c of 2.0.2), so it is for trying the relay out and for fault injection, never a
 * store. It answers no CreateTopics, but it makes each topic that it is asked about, with 4
 * partitions (it speaks Metadata up to version 2, which cannot forbid that). Any Kafka client may
 * connect (kcat does).
 *
 * Owns: a librdkafka client whose only purpose is the mock, with its threads. Threads: main.
 */

#include "base/err.h"

struct kafka_demo;

/* ST_NO_MEM, or ST_IO when no port can be had. */
MUST_CHECK enum status kafka_demo_start(struct kafka_demo **out, struct err *e);
/* "127.0.0.1:port"; lives as long as the broker. */
const char *kafka_demo_bootstrap(const struct kafka_demo *d);
/* Ends the broker and closes its connections. NULL is a no-op. */
void kafka_demo_stop(struct kafka_demo *d);

#endif
