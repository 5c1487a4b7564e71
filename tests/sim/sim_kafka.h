/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_KAFKA_H
#define SIM_SIM_KAFKA_H

/*
 * A model of Kafka and of a producer for it, behind the publisher's door.
 *
 * A partition takes records in the order of producing (idempotent producer, acks=all). Each record
 * is decided once: appended and confirmed; appended while its report says RETRY (a lost answer);
 * or not appended. What is behind a record that failed is not appended either until the relay has
 * heard of the failure: that is the producer's gapless guarantee. Reports come in the order of a
 * partition, late, and in any order between partitions.
 *
 * Owns: the cluster (topics and logs, which outlive the relay) and the producer (what is in the
 * air, which does not). Does not own: the truth. Threads: one.
 */

#include "kafka/publisher.h"
#include "sim/sim_plant.h"
#include "sim/sim_truth.h"

struct sim_kafka;

struct sim_kafka_env {
    struct sim_rng *rng;
    struct sim_trace *trace;
    struct sim_truth *truth;
    const struct clock *clock;
};

struct sim_kafka *sim_kafka_create(const struct sim_kafka_env *env);
void sim_kafka_destroy(struct sim_kafka *k);
/* An empty cluster, up, whose topics are ready. */
void sim_kafka_begin(struct sim_kafka *k, enum sim_plant plant);

/* A producer for a new process of the relay, whose journal is named so. Nothing may be in the air.
 */
struct publisher *sim_kafka_connect(struct sim_kafka *k, const char *journal_id);
/* The process died: some of what is in the air arrives, the rest is forgotten. */
void sim_kafka_disconnect(struct sim_kafka *k);

/* ---- what happens to it ---- */

/* Brokers take some records. */
void sim_kafka_tick(struct sim_kafka *k);
void sim_kafka_set_up(struct sim_kafka *k, bool up);
bool sim_kafka_is_up(const struct sim_kafka *k);
void sim_kafka_set_topic(struct sim_kafka *k, int topic, enum publisher_topic state);
void sim_kafka_set_denied(struct sim_kafka *k, int topic, bool denied);
void sim_kafka_set_queue(struct sim_kafka *k, size_t records_max);
/* The records behind a point of one partition come back; some of them were appended. */
void sim_kafka_fail_some(struct sim_kafka *k);
/* The producer ends in its fatal state: what has no report comes back, some of it appended. */
void sim_kafka_fail_all(struct sim_kafka *k);
/* Everything works from now on, and reports come at once. */
void sim_kafka_heal(struct sim_kafka *k);

bool sim_kafka_is_idle(const struct sim_kafka *k);
/* Reads the logs as a consumer does and follows relay-prev-seq (promise P11). */
void sim_kafka_check_chains(struct sim_kafka *k);

#endif
