/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_SEND_H
#define RELAY_KAFKA_KAFKA_SEND_H

/*
 * Hands one record to a librdkafka producer. What both publishers share. Threads: re-entrant for
 * different clients.
 */

#include "kafka/publisher.h"

#include <librdkafka/rdkafka.h>

/*
 * The bytes are copied. opaque comes back with the report. ST_FULL: librdkafka's queue is full;
 * ST_TOO_BIG: over its message limit; ST_BAD_INPUT: a header is refused; ST_AGAIN: any other
 * refusal. *why is librdkafka's error.
 */
MUST_CHECK enum status kafka_send(rd_kafka_t *client, const struct publisher_record *rec,
                                  void *opaque, rd_kafka_resp_err_t *why, struct err *e);

#endif
