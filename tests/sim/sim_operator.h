/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_OPERATOR_H
#define SIM_SIM_OPERATOR_H

/*
 * What operators do to the relay that runs: pauses, replays, requeues and discards. Each is a job
 * of the committer, as from the operators' door, and the truth learns how it was answered.
 *
 * Owns: the jobs under way. Threads: one.
 */

#include "journal/journal_select.h"
#include "memvfs/memvfs.h"
#include "relay/forwarder.h"
#include "sim/sim_check.h"
#include "sim/sim_plant.h"
#include "sim/sim_rng.h"

/* Where orders go, and what they look at. It lives as long as a job is under way. */
struct sim_desk {
    struct sim_rng *rng;
    struct sim_trace *trace;
    struct sim_truth *truth;
    struct sim_replays *replays;
    struct sim_contents *contents;
    const struct memvfs *disk; /* off: nobody is answered */
    enum sim_plant plant;
    struct committer *committer;
    struct forwarder *forwarder;
    struct journal_reader *reader;
    struct journal_select *select; /* NULL: this process has no replays */
    struct sim_check look;
};

/* Pauses or resumes a scope of sim_truth.h. False: the committer did not take it. */
bool sim_operator_pause(struct sim_desk *d, int scope, bool pause);
/* Starts a replay of a few events, somehow selected. */
void sim_operator_replay(struct sim_desk *d);
/* Pauses, resumes or cancels one of the replays. */
void sim_operator_change_replay(struct sim_desk *d);
/* Resumes this replay. False: the committer did not take it. */
bool sim_operator_resume_replay(struct sim_desk *d, int number);
/* Requeues or discards an event that is parked, if any. */
void sim_operator_settle(struct sim_desk *d);

#endif
