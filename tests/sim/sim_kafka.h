/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_KAFKA_H
#define SIM_SIM_KAFKA_H

/*
 * A model of Kafka and of the two producers for it: sim_idempotent.h (at least once) and
 * sim_transactional.h (exactly once). A process of the relay has one of them.
 *
 * Owns: the cluster, which outlives the relay, and the producers, of which only the transactional
 * one leaves something behind. Does not own: the truth, which knows what consumers read. Threads:
 * one.
 */

#include "sim/sim_cluster.h"

struct sim_kafka;

struct sim_kafka *sim_kafka_create(const struct sim_kafka_env *env);
void sim_kafka_destroy(struct sim_kafka *k);
/* An empty cluster, up, whose topics are ready. */
void sim_kafka_begin(struct sim_kafka *k, enum sim_plant plant);

/* A producer for a new process of the relay, whose journal is named so. Nothing may be in the air.
 */
struct publisher *sim_kafka_connect(struct sim_kafka *k, const char *journal_id, bool once);
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
/* The records behind a point of one partition come back, some of them appended; or the transaction
 * fails. */
void sim_kafka_fail_some(struct sim_kafka *k);
/* The producer ends in its fatal state: what has no report comes back, some of it appended; or the
 * transaction's outcome is unknown until a new producer has looked. */
void sim_kafka_fail_all(struct sim_kafka *k);
/* Another relay with the same transactional.id begins, and is gone again. */
void sim_kafka_fence(struct sim_kafka *k);
bool sim_kafka_is_fenced(const struct sim_kafka *k);
/* Everything works from now on, and reports come at once. */
void sim_kafka_heal(struct sim_kafka *k);

bool sim_kafka_is_idle(const struct sim_kafka *k);

#endif
