/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_TOPIC_SET_H
#define RELAY_BENCH_TOPIC_SET_H

/*
 * A consumer of all partitions of some topics, without a group, and the settings that the Kafka
 * programs of the bench take on their command line.
 *
 * Owns its librdkafka client. Reads committed transactions only. Threads: one.
 */

#include "fail.h"

#include <librdkafka/rdkafka.h>

#include <stdbool.h>
#include <stddef.h>

#define TOPIC_SET_SETTINGS_MAX 32

/* librdkafka properties as "name=value", borrowed. */
struct topic_set_settings {
    const char *text[TOPIC_SET_SETTINGS_MAX];
    size_t count;
};

/* A configuration with these properties; the caller destroys it or gives it to a client. NULL and
 * *f when one is refused. */
rd_kafka_conf_t *topic_set_conf(const struct topic_set_settings *settings, struct fail *f);

struct topic_set;

/* Begins at the beginning of every partition of the topics (separated by commas), or at their ends
 * as they are now. NULL and *f when a topic is unknown or no broker answers within a minute. */
struct topic_set *topic_set_open(const char *topics, bool at_end,
                                 const struct topic_set_settings *settings, struct fail *f);
void topic_set_close(struct topic_set *s);

/* The next record, or NULL when none came within timeout_ms. The caller destroys it
 * (rd_kafka_message_destroy). */
rd_kafka_message_t *topic_set_next(struct topic_set *s, int timeout_ms);

/* Stops fetching; records that were returned stay valid. */
void topic_set_rest(struct topic_set *s);

#endif
