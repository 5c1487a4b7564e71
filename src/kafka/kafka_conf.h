/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_CONF_H
#define RELAY_KAFKA_KAFKA_CONF_H

/*
 * The configuration of a librdkafka client: the relay's values, then the operator's, then the
 * hooks; and librdkafka's log lines as events of base/log.h.
 *
 * Owns: the limiter of log lines. Threads: kafka_conf_create from the one that makes the publisher;
 * librdkafka calls log_cb from its own threads.
 * Invariant: what breaks a promise cannot be set (kafka_property.h).
 */

#include "base/err.h"
#include "kafka/kafka_property.h"

#include <librdkafka/rdkafka.h>

struct kafka_log;

/* A client's opaque: where its callbacks go. It outlives the client. */
struct kafka_hooks {
    struct kafka_log *log;
    void (*on_report)(void *arg, const rd_kafka_message_t *msg); /* from rd_kafka_poll() */
    void (*on_error)(void *arg, rd_kafka_resp_err_t err,
                     const char *reason); /* from rd_kafka_poll() */
    void *arg;
};

/*
 * Limits librdkafka's lines: one line a facility ("FAIL", "ERROR") in 10 s; the next one says how
 * many were left out. Debug lines are not limited: whoever sets "debug" wants them. NULL when out
 * of memory.
 */
struct kafka_log *kafka_conf_log_create(void);
void kafka_conf_log_destroy(struct kafka_log *log);
/* librdkafka's log callback; the client's opaque is a struct kafka_hooks. */
void kafka_conf_log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text);

struct kafka_conf_opts {
    const struct kafka_property *properties;
    size_t property_count;
    const char *transactional_id; /* NULL: an idempotent producer without transactions */
    int transaction_timeout_ms;   /* with a transactional id */
    struct kafka_hooks *hooks;
};

/*
 * The producer's configuration (to be given to rd_kafka_conf_dup) and how many records may be in
 * flight. ST_BAD_INPUT: a property is refused, or bootstrap.servers is missing.
 */
MUST_CHECK enum status kafka_conf_create(rd_kafka_conf_t **out, size_t *max_records,
                                         const struct kafka_conf_opts *opts, struct err *e);

#endif
