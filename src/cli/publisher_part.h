/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_PUBLISHER_PART_H
#define RELAY_CLI_PUBLISHER_PART_H

/*
 * The daemon's way to Kafka: the publisher that the configuration asks for, and the demo's broker.
 *
 * Owns both, and copies of the librdkafka properties. Threads: start and stop from main.
 */

#include "conf/conf.h"
#include "kafka/publisher.h"

struct publisher_part;

struct publisher_part_opts {
    const struct conf_kafka *conf; /* read at start only */
    const char *journal_id;
    bool demo; /* on an embedded broker */
};

/* ST_BAD_INPUT: librdkafka refuses a property; ST_NO_MEM. No broker need be reachable. */
MUST_CHECK enum status publisher_part_start(struct publisher_part **out,
                                            const struct publisher_part_opts *opts, struct err *e);
/* NULL is a no-op. */
void publisher_part_stop(struct publisher_part *p);

/* Lives as long as p. */
struct publisher *publisher_part_get(const struct publisher_part *p);

#endif
