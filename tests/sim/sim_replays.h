/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_REPLAYS_H
#define SIM_SIM_REPLAYS_H

/*
 * What the world outside the relay knows of replays: what operators asked for, which events each of
 * them must therefore publish again, and what of it consumers see. It selects by itself, from what
 * the truth knows, and shares no code with what it checks.
 *
 * Owns: that. Does not own: the truth. Threads: one.
 */

#include "journal/replays.h"
#include "sim/sim_truth.h"

/* Of one schedule; below REPLAYS_OPEN_MAX. */
#define SIM_REPLAYS_MAX  12
#define SIM_REPLAYS_NONE (-1)

struct sim_replays;

struct sim_replays *sim_replays_create(struct sim_truth *truth, struct sim_trace *trace);
void sim_replays_destroy(struct sim_replays *r);
/* Forgets everything. */
void sim_replays_begin(struct sim_replays *r);

/* ---- operators ---- */

/*
 * A replay is asked for, to this topic (an index of sim_content_topic) or, at -1, each event's own.
 * Its number; SIM_REPLAYS_NONE at SIM_REPLAYS_MAX. Rows up to the newest known now are meant.
 */
int sim_replays_order(struct sim_replays *r, const struct selection *which, int topic);
/* Its row is written and perhaps committed. What the journal still holds of its events is marked as
 * seen in the truth's rows; is_known: those marks can be trusted. */
void sim_replays_written(struct sim_replays *r, int number, int64_t id, bool is_known);
/* Whether it was committed. Without this call nobody knows. */
void sim_replays_answered(struct sim_replays *r, int number, bool stored);
int sim_replays_count(const struct sim_replays *r);
/* Its id; 0: it is not known, or there is none. */
int64_t sim_replays_id(const struct sim_replays *r, int number);
/* It is asked to be put into another state: nobody knows which one it is in until the answer. */
void sim_replays_changing(struct sim_replays *r, int number);
/* The answer; changed: it is in this state from now on. */
void sim_replays_changed(struct sim_replays *r, int number, bool changed, enum replays_state state);

/* ---- the journal, as a restart finds it ---- */

void sim_replays_relay_died(struct sim_replays *r);
struct sim_replay_found {
    int64_t id;
    enum replays_state state;
    int64_t position;
    int64_t published;
    int64_t failed;
    int64_t gone;
    int number; /* the journal keeps it as the reason that the operator gave */
};
/* Holds one row of the table against what is known; final: it must be over. */
void sim_replays_found(struct sim_replays *r, const struct sim_replay_found *found, bool is_final);
/* Every row of the table was found. */
void sim_replays_all_found(struct sim_replays *r);

/* ---- Kafka ---- */

/* Which replay a record belongs to; SIM_REPLAYS_NONE: it is a live one. */
int sim_replays_of(const struct sim_replays *r, const struct publisher_record *rec);
/* As sim_truth_produced(), sim_truth_appended() and sim_truth_reported(). */
int64_t sim_replays_produced(struct sim_replays *r, int number, const struct publisher_record *rec);
void sim_replays_appended(struct sim_replays *r, int number, int64_t seq, bool labelled);
void sim_replays_reported(struct sim_replays *r, int number, int64_t seq);

#endif
