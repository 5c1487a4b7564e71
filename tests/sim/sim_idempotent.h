/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_IDEMPOTENT_H
#define SIM_SIM_IDEMPOTENT_H

/*
 * A model of the at-least-once producer, behind the publisher's door.
 *
 * A partition takes records in the order of producing (idempotent producer, acks=all). Each record
 * is decided once: appended and confirmed; appended while its report says RETRY (a lost answer);
 * or not appended. What is behind a record that failed is not appended either until the relay has
 * heard of the failure: that is the producer's gapless guarantee. Reports come in the order of a
 * partition, late, and in any order between partitions.
 *
 * Owns: what is in the air, which does not outlive the relay. Threads: one.
 */

#include "sim/sim_cluster.h"

struct sim_idempotent;

/* cluster must outlive it. */
struct sim_idempotent *sim_idempotent_create(struct sim_cluster *cluster);
void sim_idempotent_destroy(struct sim_idempotent *k);
void sim_idempotent_begin(struct sim_idempotent *k);

/* A new process of the relay. Nothing may be in the air. */
struct publisher *sim_idempotent_connect(struct sim_idempotent *k);
/* The process died: some of what is in the air arrives, the rest is forgotten. */
void sim_idempotent_disconnect(struct sim_idempotent *k);

/* As in sim_kafka.h. */
void sim_idempotent_tick(struct sim_idempotent *k);
void sim_idempotent_fail_some(struct sim_idempotent *k);
void sim_idempotent_fail_all(struct sim_idempotent *k);
bool sim_idempotent_is_idle(const struct sim_idempotent *k);

#endif
