/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_SCHEDULE_H
#define SIM_SIM_SCHEDULE_H

/*
 * One seed, one schedule: a setup, a mood (which actions and faults are likely), and a random
 * interleaving of actions, then healing, quiescence and the final checks.
 *
 * Owns: world, truth, contents, Kafka, reused from schedule to schedule. Threads: one.
 */

#include "sim/sim_plant.h"
#include "sim/sim_trace.h"

struct sim_schedule;

struct sim_schedule *sim_schedule_create(struct sim_trace *trace);
void sim_schedule_destroy(struct sim_schedule *s);

/* How records are sent; by the seed when any. */
enum sim_delivery {
    SIM_ANY,
    SIM_AT_LEAST_ONCE,
    SIM_EXACTLY_ONCE,
    SIM_CHANGING, /* one or the other at each start */
    SIM_DELIVERIES,
};
extern const char *const sim_schedule_delivery[SIM_DELIVERIES];

struct sim_run {
    uint64_t seed;
    unsigned steps; /* actions before healing */
    enum sim_plant plant;
    enum sim_delivery delivery;
};
/* True when every promise held; else the trace knows which one did not. */
bool sim_schedule_run(struct sim_schedule *s, const struct sim_run *run);

#endif
