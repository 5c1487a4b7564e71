/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_VERDICT_H
#define RELAY_KAFKA_KAFKA_VERDICT_H

/*
 * What an error of librdkafka means for a record. Pure; any thread.
 */

#include <librdkafka/rdkafka.h>

enum kafka_verdict {
    KAFKA_VERDICT_DELIVERED,
    KAFKA_VERDICT_AGAIN,    /* not delivered or not known, for a reason outside the record */
    KAFKA_VERDICT_BATCH,    /* the broker refuses the batch because of one of its records */
    KAFKA_VERDICT_DENIED,   /* not authorized */
    KAFKA_VERDICT_NO_TOPIC, /* the topic or the partition is gone */
};

/*
 * Errors as the Kafka protocol guide lists them ("Error codes"). A refusal names a whole batch: a
 * broker answers one error for all its records (Produce response up to version 7, which 2.0.2
 * speaks), and librdkafka does not split a batch.
 */
enum kafka_verdict kafka_verdict_of(rd_kafka_resp_err_t err);

#endif
