/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_ADMIN_H
#define RELAY_KAFKA_KAFKA_ADMIN_H

/*
 * Questions to the cluster that wait for their answer.
 *
 * Owns nothing; the client is the producer's own, so that its metadata is warm afterwards: the
 * first record to a topic that it does not know is late by up to 1 s (CHANGELOG.md of librdkafka
 * 2.10.1, issue 5032). Threads: the watcher's only (kafka_watcher.h), because the calls block up to
 * their timeout.
 */

#include <librdkafka/rdkafka.h>

#include <stdatomic.h>
#include <stdbool.h>

enum kafka_answer_kind {
    KAFKA_ANSWER_YES,         /* it is there; it was made */
    KAFKA_ANSWER_SETTLING,    /* it is there and cannot be used yet */
    KAFKA_ANSWER_NO,          /* there is no such topic */
    KAFKA_ANSWER_REFUSED,     /* not allowed, or not possible */
    KAFKA_ANSWER_UNREACHABLE, /* nobody answered in time */
};

/* A cluster id is 22 characters (base64 of a UUID); others may be chosen by hand. */
#define KAFKA_CLUSTER_ID_MAX 128

struct kafka_answer {
    enum kafka_answer_kind kind;
    int partitions;                        /* of a topic that is there */
    int leaderless;                        /* how many of them have no leader now */
    char reason[256];                      /* for people; "" when YES */
    char cluster_id[KAFKA_CLUSTER_ID_MAX]; /* of whoever answered; "" when it did not say */
};

/* Whether the topic is there. */
struct kafka_answer kafka_admin_ask(rd_kafka_t *rk, const char *topic, int timeout_ms);

/*
 * The same of every topic that the client knows, in one question: calls on_topic for each, and
 * returns whether there was an answer at all (YES or UNREACHABLE).
 */
struct kafka_answer kafka_admin_ask_known(rd_kafka_t *rk, int timeout_ms,
                                          void (*on_topic)(void *arg, const char *topic,
                                                           struct kafka_answer *answer),
                                          void *arg);

/* Whether any broker answers, without naming a topic (asks for the whole list: use it seldom). */
struct kafka_answer kafka_admin_ping(rd_kafka_t *rk, int timeout_ms);

struct kafka_admin_topic {
    const char *name;
    int partitions;         /* -1: the broker's default (needs brokers >= 2.4, rdkafka.h) */
    int replication_factor; /* likewise */
    bool is_compacted;      /* keeps the newest record of each key, in small segments */
};

/*
 * Makes the topic. YES also when somebody else was faster. Returns UNREACHABLE at the latest
 * KAFKA_ADMIN_SLICE_MS after *give_up became true.
 */
#define KAFKA_ADMIN_SLICE_MS 100
struct kafka_answer kafka_admin_make_topic(rd_kafka_t *rk, const struct kafka_admin_topic *topic,
                                           int timeout_ms, const atomic_bool *give_up);

/*
 * Whether the topic keeps the newest record of each key for ever. NO says in reason what it does
 * instead; anything else than YES and NO: nobody knows. Gives up as the function above.
 */
struct kafka_answer kafka_admin_is_compacted(rd_kafka_t *rk, const char *topic, int timeout_ms,
                                             const atomic_bool *give_up);

#endif
