/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_schedule.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "sim/sim_random.h"
#include "sim/sim_world.h"

/* Turns after healing in which everything must have come to rest; a schedule needs about a tenth.
 */
#define HEAL_ROUNDS 8000
/* Time of one of these turns: several of them are longer than any of the relay's own delays. */
#define HEAL_ROUND_MS 200
/* Starts of the process that may fail in a row while faults are armed. */
#define START_TRIES 6

#define MINUTE_MS INT64_C(60000)

struct sim_schedule {
    struct sim_trace *trace;
    struct sim_truth *truth;
    struct sim_replays *replays;
    struct sim_contents *contents;
    struct sim_kafka *kafka;
    struct sim_world *world;
    struct sim_rng rng;
    struct sim_run run;
    int64_t window_ms;
    unsigned weights[32];
    bool fault_armed;  /* since the process last started well */
    bool sync_doubted; /* a sync failed: the page cache may hold what the disk does not */
    bool full;         /* the disk is bounded */
    bool is_healing;
};

static unsigned below(struct sim_schedule *s, unsigned n)
{
    return sim_rng_below(&s->rng, n);
}

static bool chance(struct sim_schedule *s, unsigned percent)
{
    return sim_rng_chance(&s->rng, percent);
}

/* ---- actions ---- */

static const struct sim_content *choose_content(struct sim_schedule *s)
{
    int sent = sim_truth_submission_count(s->truth);
    unsigned draw = below(s, 100);
    const struct sim_content *other;
    if (!sent || draw < 70)
        return sim_contents_fresh(s->contents, &s->rng);
    /* Mostly a late one: senders retry what was not answered just now. */
    if (sent > 8 && chance(s, 70))
        other = sim_truth_submission(s->truth, sent - 1 - (int)below(s, 8))->content;
    else
        other = sim_truth_submission(s->truth, (int)below(s, (unsigned)sent))->content;
    return draw < 90 ? other : sim_contents_conflicting(s->contents, &s->rng, other);
}

static void act_submit(struct sim_schedule *s)
{
    for (unsigned n = 1 + (chance(s, 30) ? below(s, 8) : 0); n > 0; n--) {
        const struct sim_content *content = choose_content(s);
        if (content)
            sim_world_submit(s->world, content);
    }
}

static void act_commit(struct sim_schedule *s)
{
    sim_world_commit(s->world);
}

static void act_forward(struct sim_schedule *s)
{
    /* The thread comes back at once as long as there is more; here not always. */
    for (unsigned n = 1 + below(s, 4); n > 0 && sim_world_forward(s->world); n--)
        continue;
}

static void act_tick(struct sim_schedule *s)
{
    for (unsigned n = 1 + below(s, 3); n > 0; n--)
        sim_kafka_tick(s->kafka);
}

static void act_clock(struct sim_schedule *s)
{
    int64_t ms = chance(s, 70) ? below(s, 300) : below(s, 60000);
    sim_world_advance(s->world, ms);
}

static void act_long_clock(struct sim_schedule *s)
{
    int64_t ms = below(s, 30) * MINUTE_MS;
    if (chance(s, 30))
        ms += s->window_ms;
    sim_trace_note(s->trace, "%lld s pass", (long long)(ms / 1000));
    sim_world_advance(s->world, ms);
}

static void act_broker(struct sim_schedule *s)
{
    sim_kafka_set_up(s->kafka, !sim_kafka_is_up(s->kafka));
    sim_trace_note(s->trace, "broker %s", sim_kafka_is_up(s->kafka) ? "up" : "down");
}

static void act_topic(struct sim_schedule *s)
{
    int topic = (int)below(s, SIM_LOGS);
    enum publisher_topic state = (enum publisher_topic)below(s, 3);
    sim_kafka_set_topic(s->kafka, topic, state);
    sim_trace_note(s->trace, "topic %d in state %d", topic, (int)state);
}

static void act_queue(struct sim_schedule *s)
{
    size_t max = chance(s, 50) ? 64 : below(s, 6);
    sim_kafka_set_queue(s->kafka, max);
    sim_trace_note(s->trace, "producer queue of %zu", max);
}

static void act_fail_some(struct sim_schedule *s)
{
    sim_trace_note(s->trace, "records of one partition come back");
    sim_kafka_fail_some(s->kafka);
}

static void act_fail_all(struct sim_schedule *s)
{
    sim_trace_note(s->trace, "the producer fails for good");
    sim_kafka_fail_all(s->kafka);
}

static void act_fence(struct sim_schedule *s)
{
    sim_trace_note(s->trace, "another relay takes over");
    sim_kafka_fence(s->kafka);
}

static void act_deny(struct sim_schedule *s)
{
    int topic = (int)below(s, SIM_LOGS);
    bool denied = chance(s, 40);
    sim_kafka_set_denied(s->kafka, topic, denied);
    sim_trace_note(s->trace, "topic %d %s", topic, denied ? "denied" : "allowed");
}

static void act_fault(struct sim_schedule *s)
{
    static const struct memvfs_fault faults[] = {
        {.op = MEMVFS_SYNC, .code = SQLITE_IOERR_FSYNC, .suffix = "-wal"},
        {.op = MEMVFS_SYNC, .code = SQLITE_IOERR_FSYNC},
        {.op = MEMVFS_SYNC, .code = SQLITE_IOERR_FSYNC, .sticky = true},
        {.op = MEMVFS_WRITE, .code = SQLITE_IOERR_WRITE},
        {.op = MEMVFS_WRITE, .code = SQLITE_IOERR_WRITE, .sticky = true},
        {.op = MEMVFS_WRITE, .code = SQLITE_IOERR_WRITE, .suffix = ".db"},
        {.op = MEMVFS_WRITE, .code = SQLITE_FULL},
        {.op = MEMVFS_READ, .code = SQLITE_IOERR_READ},
        {.op = MEMVFS_TRUNCATE, .code = SQLITE_IOERR_TRUNCATE},
    };
    struct memvfs_fault fault = faults[below(s, sizeof faults / sizeof faults[0])];
    if (s->fault_armed)
        return;
    fault.nth = 1 + below(s, 12);
    memvfs_fail_at(sim_world_disk(s->world), fault);
    s->fault_armed = true;
    s->sync_doubted |= fault.op == MEMVFS_SYNC;
    sim_trace_note(s->trace, "fault: operation %d code %d at call %llu%s", (int)fault.op,
                   fault.code, (unsigned long long)fault.nth, fault.sticky ? " and later" : "");
}

static void act_full(struct sim_schedule *s)
{
    s->full = !s->full;
    uint64_t bytes = s->full ? below(s, chance(s, 50) ? 60000 : 5000) : MEMVFS_UNLIMITED;
    sim_world_limit_disk(s->world, bytes);
    sim_trace_note(s->trace, s->full ? "disk: %llu bytes left" : "disk: room (%llu)",
                   (unsigned long long)bytes);
}

static enum memvfs_mode any_cut(struct sim_schedule *s)
{
    static const enum memvfs_mode modes[] = {MEMVFS_KILL, MEMVFS_STRICT, MEMVFS_RANDOM,
                                             MEMVFS_RANDOM};
    return modes[below(s, 4)];
}

static const char *cut_name(enum memvfs_mode mode)
{
    return mode == MEMVFS_KILL ? "kill" : mode == MEMVFS_STRICT ? "power cut" : "ragged power cut";
}

static void act_crash(struct sim_schedule *s)
{
    enum memvfs_mode mode = any_cut(s);
    sim_trace_note(s->trace, "%s", cut_name(mode));
    /* What the page cache held of a failed sync is gone with the power. */
    s->sync_doubted &= mode == MEMVFS_KILL;
    sim_world_crash(s->world, mode);
}

static void act_crash_later(struct sim_schedule *s)
{
    enum memvfs_mode mode = s->sync_doubted ? MEMVFS_KILL : any_cut(s);
    unsigned n = 1 + below(s, 14);
    memvfs_cut_at(sim_world_disk(s->world), n, mode);
    sim_trace_note(s->trace, "%s ordered at change %u", cut_name(mode), n);
}

static void disarm(struct sim_schedule *s)
{
    memvfs_clear_faults(sim_world_disk(s->world));
    memvfs_cut_at(sim_world_disk(s->world), 0, MEMVFS_KILL);
    s->fault_armed = false;
}

static void act_stop(struct sim_schedule *s)
{
    sim_trace_note(s->trace, "clean stop");
    sim_world_stop(s->world);
    /* So that lanes outrun their marks. */
    if (!memvfs_is_cut(sim_world_disk(s->world)) && !s->full && !s->sync_doubted &&
        !sim_truth_has_unknown(s->truth) && chance(s, 50)) {
        disarm(s);
        sim_world_age(s->world, 3000 + below(s, 10000));
    }
}

static void act_pause(struct sim_schedule *s)
{
    int scope = (int)below(s, SIM_SCOPES);
    bool pause = chance(s, 40);
    sim_trace_note(s->trace, "%s %s", pause ? "pause" : "resume", sim_truth_scope[scope]);
    sim_operator_pause(sim_world_desk(s->world), scope, pause);
}

static void act_replay(struct sim_schedule *s)
{
    sim_operator_replay(sim_world_desk(s->world));
}

static void act_change_replay(struct sim_schedule *s)
{
    sim_operator_change_replay(sim_world_desk(s->world));
}

static void act_settle(struct sim_schedule *s)
{
    sim_operator_settle(sim_world_desk(s->world));
}

enum action {
    ACTION_SUBMIT,
    ACTION_COMMIT,
    ACTION_FORWARD,
    ACTION_TICK,
    ACTION_CLOCK,
    ACTION_LONG_CLOCK,
    ACTION_BROKER,
    ACTION_TOPIC,
    ACTION_QUEUE,
    ACTION_FAIL_SOME,
    ACTION_FAIL_ALL,
    ACTION_DENY,
    ACTION_FAULT,
    ACTION_FULL,
    ACTION_CRASH,
    ACTION_CRASH_LATER,
    ACTION_PAUSE,
    ACTION_STOP,
    ACTION_FENCE,
    ACTION_REPLAY,
    ACTION_CHANGE_REPLAY,
    ACTION_SETTLE,
    ACTIONS
};

static const struct {
    void (*act)(struct sim_schedule *s);
    unsigned weight;
    bool is_trouble; /* left out of some schedules, so that each trouble also comes alone */
} actions[ACTIONS] = {
    [ACTION_SUBMIT] = {act_submit, 60, false},
    [ACTION_COMMIT] = {act_commit, 40, false},
    [ACTION_FORWARD] = {act_forward, 50, false},
    [ACTION_TICK] = {act_tick, 40, false},
    [ACTION_CLOCK] = {act_clock, 30, false},
    [ACTION_LONG_CLOCK] = {act_long_clock, 2, true},
    [ACTION_BROKER] = {act_broker, 4, true},
    [ACTION_TOPIC] = {act_topic, 4, true},
    [ACTION_QUEUE] = {act_queue, 2, true},
    [ACTION_FAIL_SOME] = {act_fail_some, 8, true},
    [ACTION_FAIL_ALL] = {act_fail_all, 4, true},
    [ACTION_DENY] = {act_deny, 3, true},
    [ACTION_FAULT] = {act_fault, 2, true},
    [ACTION_FULL] = {act_full, 3, true},
    [ACTION_CRASH] = {act_crash, 2, true},
    [ACTION_CRASH_LATER] = {act_crash_later, 3, true},
    [ACTION_PAUSE] = {act_pause, 3, true},
    [ACTION_STOP] = {act_stop, 1, true},
    [ACTION_FENCE] = {act_fence, 1, true},
    [ACTION_REPLAY] = {act_replay, 7, true},
    [ACTION_CHANGE_REPLAY] = {act_change_replay, 6, true},
    [ACTION_SETTLE] = {act_settle, 4, true},
};
_Static_assert(ACTIONS <= 32, "struct sim_schedule has a weight for each");

static void draw_mood(struct sim_schedule *s)
{
    for (size_t i = 0; i < ACTIONS; i++) {
        s->weights[i] = actions[i].weight * (1 + below(s, 3));
        if (actions[i].is_trouble && chance(s, 50))
            s->weights[i] = 0;
    }
}

static void act(struct sim_schedule *s)
{
    unsigned sum = 0, draw;
    size_t i = 0;
    for (size_t n = 0; n < ACTIONS; n++)
        sum += s->weights[n];
    draw = below(s, sum);
    while (draw >= s->weights[i])
        draw -= s->weights[i++];
    actions[i].act(s);
}

/* ---- lives ---- */

/*
 * A start may meet a cut or a fault of its own; but not while a failed sync is in doubt. Then the
 * page cache shows what the disk may never have got, and a cut in the middle of writing it anew is
 * beyond what any program can answer for (Rebello and others, USENIX ATC 2020).
 */
static void arm_start(struct sim_schedule *s, int attempt)
{
    disarm(s);
    /* Writing anew takes room, and so does the birth of a journal. */
    if (s->full && (s->sync_doubted || sim_truth_last_seq(s->truth) == 0))
        act_full(s);
    if (s->sync_doubted || attempt > 2)
        return;
    if (s->weights[ACTION_CRASH_LATER] && chance(s, 15))
        act_crash_later(s);
    else if (s->weights[ACTION_FAULT] && chance(s, 10))
        act_fault(s);
}

/* Starts the process, as its supervisor does, until it runs. */
static void start(struct sim_schedule *s)
{
    enum status why = ST_OK;
    for (int i = 0; i < START_TRIES && !sim_trace_promise(s->trace); i++) {
        bool armed;
        arm_start(s, i);
        armed = s->fault_armed;
        bool cut_ordered = i <= 2;
        if (sim_world_start(s->world, &why)) {
            bool doubted = s->sync_doubted;
            disarm(s);
            s->sync_doubted = false;
            if (!sim_world_is_dying(s->world))
                sim_world_check(s->world, false);
            /* What the start wrote anew must be on the disk when it says that it started. */
            if (doubted && sim_world_is_running(s->world) && chance(s, 50))
                act_crash(s);
            return;
        }
        if (!armed && !cut_ordered)
            sim_trace_fail(s->trace, "P6", "the process does not start: %s", status_name(why));
    }
}

/* Ends a process that has to go, and starts the next. */
static void keep_alive(struct sim_schedule *s)
{
    while (!sim_trace_promise(s->trace)) {
        if (sim_world_is_dying(s->world)) {
            sim_trace_note(s->trace, "the process ends");
            if (chance(s, 50))
                sim_world_crash(s->world, MEMVFS_KILL);
            else
                sim_world_exit(s->world);
        }
        /* Somebody sees the alarm. */
        if (sim_world_is_running(s->world) && sim_kafka_is_fenced(s->kafka) &&
            (s->is_healing || chance(s, 10))) {
            sim_trace_note(s->trace, "an operator ends the fenced process");
            sim_world_stop(s->world);
        }
        if (sim_world_is_running(s->world))
            return;
        start(s);
    }
}

/* ---- one schedule ---- */

const char *const sim_schedule_delivery[SIM_DELIVERIES] = {"any", "at_least_once", "exactly_once",
                                                           "changing"};

/* Of a hundred starts, how many are exactly-once. */
static unsigned draw_delivery(struct sim_schedule *s)
{
    static const unsigned percent[SIM_DELIVERIES] = {
        [SIM_AT_LEAST_ONCE] = 0, [SIM_EXACTLY_ONCE] = 100, [SIM_CHANGING] = 50};
    unsigned draw = below(s, 20);
    if (s->run.delivery != SIM_ANY)
        return percent[s->run.delivery];
    return draw < 9 ? 0 : draw < 18 ? 100 : 50;
}

static void draw_setup(struct sim_schedule *s, struct sim_setup *setup)
{
    static const size_t small[] = {1, 2, 4, 8, 16, 64};
    *setup = (struct sim_setup){
        .seed = s->run.seed,
        .plant = s->run.plant,
        .window_ms = (10 + below(s, 110)) * MINUTE_MS,
        .window_ids_max = chance(s, 10) ? 16 + below(s, 64) : 100000,
        .retention_ms = chance(s, 50) ? below(s, 40) * MINUTE_MS : 100000 * MINUTE_MS,
        .checkpoint_pages = 2 + (int64_t)below(s, 40),
        .wal_max_bytes = below(s, 2) * 65536,
        .mailbox_max = chance(s, 30) ? 4 + below(s, 8) : 256,
        .rows_max = chance(s, 30) ? 1 + below(s, 4) : 64,
        .lane_in_flight = small[below(s, 6)],
        .read_rows_max = small[below(s, 6)],
        .transaction_records_max = small[below(s, 6)],
    };
    setup->once_percent = draw_delivery(s);
    setup->is_born = chance(s, 75);
    setup->has_replays = s->weights[ACTION_REPLAY] > 0;
    s->window_ms = setup->window_ms;
}

static void heal(struct sim_schedule *s)
{
    s->is_healing = true;
    disarm(s);
    sim_trace_note(s->trace, "everything heals");
    if (s->full)
        sim_world_limit_disk(s->world, MEMVFS_UNLIMITED);
    s->full = false;
    sim_kafka_heal(s->kafka);
    keep_alive(s);
    disarm(s);
    for (int i = 0; i < SIM_SCOPES; i++)
        while (!sim_operator_pause(sim_world_desk(s->world), i, false))
            sim_world_commit(s->world);
    for (int i = 0; i < sim_replays_count(s->replays); i++)
        while (!sim_operator_resume_replay(sim_world_desk(s->world), i))
            sim_world_commit(s->world);
    const char *unrest = "nothing was done";
    for (int round = 0; round < HEAL_ROUNDS && !sim_trace_promise(s->trace); round++) {
        sim_world_commit(s->world);
        sim_world_forward(s->world);
        sim_kafka_tick(s->kafka);
        sim_world_advance(s->world, HEAL_ROUND_MS);
        if (sim_world_is_dying(s->world))
            sim_trace_fail(s->trace, "quiescence", "the process dies on a healthy machine");
        if (round % 4 == 3 && !(unrest = sim_world_unrest(s->world)))
            return;
    }
    sim_trace_fail(s->trace, "quiescence", "after %d healthy turns %s", HEAL_ROUNDS, unrest);
}

bool sim_schedule_run(struct sim_schedule *s, const struct sim_run *run)
{
    const struct sim_world_env env = {&s->rng,    s->trace,    s->truth,
                                      s->replays, s->contents, s->kafka};
    struct sim_setup setup;
    s->run = *run;
    s->rng = (struct sim_rng){run->seed};
    s->fault_armed = false;
    s->sync_doubted = false;
    s->full = false;
    s->is_healing = false;
    sim_random_seed(run->seed);
    sim_trace_begin(s->trace);
    draw_mood(s);
    draw_setup(s, &setup);
    sim_contents_begin(s->contents);
    sim_truth_begin(s->truth, setup.window_ms, setup.once_percent == 100);
    sim_replays_begin(s->replays);
    sim_kafka_begin(s->kafka, run->plant);
    sim_world_begin(s->world, &env, &setup);
    keep_alive(s);
    for (unsigned i = 0; i < run->steps && !sim_trace_promise(s->trace); i++) {
        act(s);
        keep_alive(s);
    }
    if (!sim_trace_promise(s->trace))
        heal(s);
    if (!sim_trace_promise(s->trace))
        sim_world_check(s->world, true);
    sim_world_end(s->world);
    return !sim_trace_promise(s->trace);
}

struct sim_schedule *sim_schedule_create(struct sim_trace *trace)
{
    struct sim_schedule *s = calloc(1, sizeof *s);
    CHECK(s);
    s->trace = trace;
    s->truth = sim_truth_create(trace);
    s->replays = sim_replays_create(s->truth, trace);
    s->contents = sim_contents_create();
    s->world = sim_world_create();
    s->kafka = sim_kafka_create(
        &(struct sim_kafka_env){&s->rng, trace, s->truth, s->replays, sim_world_clock(s->world)});
    return s;
}

void sim_schedule_destroy(struct sim_schedule *s)
{
    if (!s)
        return;
    sim_kafka_destroy(s->kafka);
    sim_world_destroy(s->world);
    sim_contents_destroy(s->contents);
    sim_replays_destroy(s->replays);
    sim_truth_destroy(s->truth);
    free(s);
}
