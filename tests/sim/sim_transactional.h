/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_TRANSACTIONAL_H
#define SIM_SIM_TRANSACTIONAL_H

/*
 * A model of the exactly-once producer and of what brokers keep for it, behind the publisher's
 * door.
 *
 * Consumers read committed records only: the truth hears of a transaction's records when it is
 * committed, together with its checkpoint. A transaction fails by itself (a record that Kafka
 * refuses, an abort), with its producer, or it is not known how it ended: then a new producer's
 * init_transactions decides it, and the checkpoint that is read back says how.
 *
 * A process that dies while its commit is on the way leaves it there: it arrives before the next
 * process has begun, or it is refused because that one has fenced it.
 *
 * Owns: the checkpoint, the epoch and the commit on the way, which outlive the relay; the open
 * transaction, which does not. Threads: one.
 */

#include "sim/sim_cluster.h"

struct sim_transactional;

/* cluster must outlive it. */
struct sim_transactional *sim_transactional_create(struct sim_cluster *cluster);
void sim_transactional_destroy(struct sim_transactional *k);
/* No transaction was ever made. */
void sim_transactional_begin(struct sim_transactional *k);

/* A new process of the relay. */
struct publisher *sim_transactional_connect(struct sim_transactional *k);
/* The process died. */
void sim_transactional_disconnect(struct sim_transactional *k);
/* An at-least-once process begins: long after, so that nothing is on the way any more. */
void sim_transactional_leave(struct sim_transactional *k);

/* Brokers and the producer's recovery go one step. */
void sim_transactional_tick(struct sim_transactional *k);
/* The open transaction may fail. */
void sim_transactional_fail(struct sim_transactional *k);
/* The producer is lost, and with it how a commit on the way ends. */
void sim_transactional_lose(struct sim_transactional *k);
/* Another instance takes over. */
void sim_transactional_fence(struct sim_transactional *k);
bool sim_transactional_is_fenced(const struct sim_transactional *k);
bool sim_transactional_is_idle(const struct sim_transactional *k);

#endif
