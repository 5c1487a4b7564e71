/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_WORLD_H
#define SIM_SIM_WORLD_H

/*
 * One machine: its disk and clock, and the process of the relay on it with the real journal,
 * keeper, committer and forwarder, advanced by their steps.
 *
 * Owns: all of that but the truth, the trace and Kafka. Threads: one.
 */

#include "memvfs/memvfs.h"
#include "sim/sim_kafka.h"
#include "sim/sim_operator.h"
#include "sim/sim_plant.h"
#include "sim/sim_truth.h"

struct sim_world;

/* Of one schedule; drawn from its seed. */
struct sim_setup {
    uint64_t seed;
    enum sim_plant plant;
    int64_t window_ms;
    uint64_t window_ids_max;
    int64_t retention_ms;
    int64_t checkpoint_pages;
    uint64_t wal_max_bytes;
    size_t mailbox_max;
    size_t rows_max;
    size_t lane_in_flight;
    size_t read_rows_max;
    size_t transaction_records_max;
    unsigned once_percent; /* of the starts that are exactly-once */
    bool is_born;          /* the disk has a journal that was made before, without events */
    bool has_replays;      /* else processes are without, which is cheaper */
};

struct sim_world_env {
    struct sim_rng *rng;
    struct sim_trace *trace;
    struct sim_truth *truth;
    struct sim_replays *replays;
    struct sim_contents *contents;
    struct sim_kafka *kafka;
};

struct sim_world *sim_world_create(void);
void sim_world_destroy(struct sim_world *w);
const struct clock *sim_world_clock(const struct sim_world *w);

/* A new machine with an empty disk, switched on, its process not running. */
void sim_world_begin(struct sim_world *w, const struct sim_world_env *env,
                     const struct sim_setup *setup);
/* Ends the process and takes the machine away. */
void sim_world_end(struct sim_world *w);
struct memvfs *sim_world_disk(struct sim_world *w);

/* Switches the machine on and starts the process. False: it did not start; *why says with what. */
bool sim_world_start(struct sim_world *w, enum status *why);
bool sim_world_is_running(const struct sim_world *w);
/* The process has to go: the machine was cut, its journal is dead, its forwarder is. */
bool sim_world_is_dying(const struct sim_world *w);

/* Stops like the daemon on SIGTERM: settles what is settled, answers everybody. */
void sim_world_stop(struct sim_world *w);
/* Ends it at once: by the cut that happened, or by one now. */
void sim_world_crash(struct sim_world *w, enum memvfs_mode mode);
/* Ends it after promise P6 told it to. */
void sim_world_exit(struct sim_world *w);

/* ---- one step of something ---- */

void sim_world_submit(struct sim_world *w, const struct sim_content *content);
void sim_world_commit(struct sim_world *w);
/* True when the forwarder wants its next step at once. */
bool sim_world_forward(struct sim_world *w);
void sim_world_advance(struct sim_world *w, int64_t ms);
/* For operators, while the process runs. */
struct sim_desk *sim_world_desk(struct sim_world *w);
/* Makes the journal of a stopped process older: its next seqs are used up. */
void sim_world_age(struct sim_world *w, int64_t seqs);
/* Bytes that the file system has left for the relay; MEMVFS_UNLIMITED: many. */
void sim_world_limit_disk(struct sim_world *w, uint64_t bytes);

/* NULL when everybody is answered, everything is in Kafka or parked and every cursor says so; else
 * what is not at rest. */
const char *sim_world_unrest(struct sim_world *w);
/* The checks of sim_check.h; final when everything was healed and is quiet. */
void sim_world_check(struct sim_world *w, bool is_final);

#endif
