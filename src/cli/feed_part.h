/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_FEED_PART_H
#define RELAY_CLI_FEED_PART_H

/*
 * A reader of topics with the configuration's own way to Kafka, for commands that look by
 * themselves.
 *
 * Owns nothing. Threads: main.
 */

#include "conf/conf.h"
#include "kafka/kafka_reader.h"

/* timeout_ms for one question to the cluster. ST_BAD_INPUT, ST_NO_MEM. */
MUST_CHECK enum status feed_part_open(struct kafka_reader **out, const struct conf_kafka *conf,
                                      int timeout_ms, struct err *e);

#endif
