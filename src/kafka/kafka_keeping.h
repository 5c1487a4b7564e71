/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_KEEPING_H
#define RELAY_KAFKA_KAFKA_KEEPING_H

/*
 * How long a topic keeps a record, from its configuration
 * (kafka.apache.org/documentation/#topicconfigs).
 *
 * Owns nothing. Threads: the one that has the client; the call blocks up to its timeout.
 */

#include "base/err.h"

#include <librdkafka/rdkafka.h>

#include <stdbool.h>
#include <stdint.h>

struct kafka_keeping {
    bool deletes;            /* cleanup.policy has delete: the limits below count */
    bool compacts;           /* it has compact: of each key the newest record stays */
    bool is_append_time;     /* Kafka sets the timestamp when the record arrives */
    int64_t retention_ms;    /* by timestamp; -1: no limit */
    int64_t retention_bytes; /* of a partition; -1: no limit */
};

/* ST_NOT_FOUND: no such topic; ST_DENIED: not allowed to look; ST_AGAIN: nobody answers. */
MUST_CHECK enum status kafka_keeping_ask(rd_kafka_t *rk, const char *topic, int timeout_ms,
                                         struct kafka_keeping *out, struct err *e);

#endif
