/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_transactional.h"

#include <stdlib.h>

#include "relay/sender.h"

/* A lane for each topic of each source. */
#define LANES_MAX (SIM_SOURCES * SIM_TOPICS)
/* And the replay that runs. */
#define PLACES_MAX (LANES_MAX + 1)
/* How long a producer may take to begin, while nothing is prompt. */
#define INIT_MS  3000
#define NO_TOPIC (-1)

struct record {
    uint64_t tag;
    struct sim_sent sent;
    enum publisher_outcome outcome;
    bool silent; /* planted: its report came already */
};

struct places {
    struct publisher_position list[PLACES_MAX];
    size_t count;
};

struct attempt {
    struct record records[SIM_AIR_MAX];
    size_t count;
    struct places places;
};

enum stage {
    STAGE_NONE,
    STAGE_OPEN,
    STAGE_FLUSHING, /* commit was called */
    STAGE_ENDING,   /* its last request is on the way */
    STAGE_UNKNOWN,  /* nobody knows how it ended, until a new producer has looked */
    STAGE_DECIDED,  /* the relay has not heard it */
};

struct sim_transactional {
    struct publisher base;
    struct sim_cluster *cluster;
    /* At the brokers. */
    struct places checkpoint;
    struct attempt late; /* a dead process's commit on the way; count 0: none */
    bool is_late_fenced;
    /* The process. */
    bool is_connected;
    enum publisher_standing standing;
    struct mono usable_at;
    enum stage stage;
    bool was_committed; /* valid in STAGE_UNKNOWN */
    struct attempt open;
    int suspect;                   /* a topic that is tried alone; NO_TOPIC */
    int64_t passed[LANES_MAX + 1]; /* planted: the newest refused seq of a lane */
};

static bool chance(struct sim_transactional *k, unsigned percent)
{
    return sim_rng_chance(k->cluster->env.rng, percent);
}

/* What only happens while nothing is prompt. */
static bool mischance(struct sim_transactional *k, unsigned percent)
{
    return !k->cluster->prompt && chance(k, percent);
}

static struct sim_trace *trace_of(struct sim_transactional *k)
{
    return k->cluster->env.trace;
}

/* ---- at the brokers ---- */

static int64_t place_of(const struct places *p, int64_t feed)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].feed == feed)
            return p->list[i].seq;
    return 0;
}

/* Of several replays only the one that runs has a place. */
static bool has_place(const struct places *p, int64_t feed)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].feed == feed)
            return true;
    return false;
}

static void keep_checkpoint(struct sim_transactional *k, const struct places *places)
{
    for (size_t i = 0; i < k->checkpoint.count; i++) {
        const struct publisher_position *old = &k->checkpoint.list[i];
        /* Planted bugs are left to deeper checks. */
        bool is_left = old->feed < 0 && !has_place(places, old->feed);
        if (!is_left && place_of(places, old->feed) < old->seq &&
            k->cluster->plant == SIM_PLANT_NONE)
            sim_trace_fail(trace_of(k), "once", "the checkpoint of lane %lld goes back from %lld",
                           (long long)old->feed, (long long)old->seq);
    }
    k->checkpoint = *places;
}

static void make_visible(struct sim_transactional *k, const struct attempt *a)
{
    sim_trace_note(trace_of(k), "kafka: a transaction of %zu is committed", a->count);
    for (size_t i = 0; i < a->count; i++)
        sim_cluster_appended(k->cluster, &a->records[i].sent);
    if (k->cluster->plant != SIM_PLANT_CHECKPOINT_OUTSIDE)
        keep_checkpoint(k, &a->places);
}

static void late_arrives(struct sim_transactional *k)
{
    if (!k->is_late_fenced || k->cluster->plant == SIM_PLANT_ZOMBIE_NOT_FENCED) {
        sim_trace_note(trace_of(k), "a dead process's commit arrives");
        make_visible(k, &k->late);
    } else {
        sim_trace_note(trace_of(k), "a dead process's commit arrives and is fenced");
    }
    k->late.count = 0;
}

/* What init_transactions does: waits for a commit that is being written, ends everything else. */
static void fence_others(struct sim_transactional *k)
{
    if (k->late.count && !k->is_late_fenced && chance(k, 50))
        late_arrives(k);
    k->is_late_fenced = true;
}

/* ---- the producer ---- */

static void recover(struct sim_transactional *k)
{
    unsigned more_ms = k->cluster->prompt ? 0 : sim_rng_below(k->cluster->env.rng, INIT_MS);
    k->standing = PUBLISHER_RECOVERING;
    k->usable_at = mono_add_ms(clock_mono(k->cluster->env.clock), SIM_RECREATE_MS + more_ms);
}

static void decide(struct sim_transactional *k, enum publisher_outcome outcome)
{
    k->stage = STAGE_DECIDED;
    for (size_t i = 0; i < k->open.count; i++)
        k->open.records[i].outcome = outcome;
    sim_trace_note(trace_of(k), "the transaction %s",
                   outcome == PUBLISHER_DELIVERED ? "is through" : "failed");
}

static void commit_open(struct sim_transactional *k)
{
    make_visible(k, &k->open);
    if (k->suspect != NO_TOPIC && k->open.records[0].sent.log == k->suspect)
        k->suspect = NO_TOPIC;
}

/* The outcome of a record that Kafka refuses, else RETRY. */
static enum publisher_outcome refusal(const struct sim_transactional *k, const struct record *r)
{
    if (k->cluster->topics[r->sent.log].denied)
        return PUBLISHER_DENIED;
    return r->sent.kind == SIM_PLAIN ? PUBLISHER_RETRY : PUBLISHER_REJECTED;
}

/* A refused record ends the transaction; not each of them may be known. */
static bool fail_if_refused(struct sim_transactional *k)
{
    bool is_one_known = false;
    for (size_t i = 0; i < k->open.count; i++)
        is_one_known |= refusal(k, &k->open.records[i]) != PUBLISHER_RETRY;
    if (!is_one_known)
        return false;
    decide(k, PUBLISHER_RETRY);
    is_one_known = false;
    for (size_t i = 0; i < k->open.count; i++) {
        struct record *r = &k->open.records[i];
        enum publisher_outcome outcome = refusal(k, r);
        if (outcome == PUBLISHER_RETRY || (is_one_known && chance(k, 50)))
            continue;
        is_one_known = true;
        r->outcome = outcome;
        k->suspect = r->sent.log;
    }
    if (chance(k, 30))
        recover(k);
    return true;
}

static void become_unknown(struct sim_transactional *k, bool was_committed)
{
    sim_trace_note(trace_of(k), "how the transaction ended is not known");
    k->stage = STAGE_UNKNOWN;
    k->was_committed = was_committed;
    recover(k);
}

static void tick_ending(struct sim_transactional *k)
{
    if (!k->cluster->up) {
        if (chance(k, 5))
            become_unknown(k, false);
    } else if (mischance(k, 14)) {
        commit_open(k);
        become_unknown(k, true);
    } else if (mischance(k, 14)) {
        become_unknown(k, false);
    } else if (mischance(k, 14)) {
        decide(k, PUBLISHER_RETRY);
    } else {
        commit_open(k);
        decide(k, PUBLISHER_DELIVERED);
    }
}

static void tick_flushing(struct sim_transactional *k)
{
    if (mischance(k, 20) || fail_if_refused(k))
        return;
    k->stage = STAGE_ENDING;
    if (!mischance(k, 50))
        tick_ending(k);
}

/* init_transactions, and reading the checkpoint back. */
static void tick_recovery(struct sim_transactional *k)
{
    if (!k->cluster->up || clock_mono(k->cluster->env.clock).ns < k->usable_at.ns ||
        mischance(k, 20))
        return;
    fence_others(k);
    k->standing = PUBLISHER_ABLE;
    sim_trace_note(trace_of(k), "the producer is able");
    if (k->stage != STAGE_UNKNOWN)
        return;
    if (!k->was_committed && chance(k, 30)) {
        commit_open(k);
        k->was_committed = true;
    }
    decide(k, k->was_committed ? PUBLISHER_DELIVERED : PUBLISHER_RETRY);
}

void sim_transactional_tick(struct sim_transactional *k)
{
    if (k->late.count && k->cluster->up && (k->cluster->prompt || chance(k, 25)))
        late_arrives(k);
    if (!k->is_connected)
        return;
    if (k->suspect != NO_TOPIC && (k->cluster->prompt || chance(k, 5)))
        k->suspect = NO_TOPIC;
    if (k->standing == PUBLISHER_RECOVERING)
        tick_recovery(k);
    else if (k->stage == STAGE_ENDING)
        tick_ending(k);
    else if (k->stage == STAGE_FLUSHING && k->cluster->up)
        tick_flushing(k);
    else if (k->stage == STAGE_OPEN && k->cluster->up && mischance(k, 30))
        fail_if_refused(k);
}

static void abort_open(struct sim_transactional *k)
{
    if (k->stage == STAGE_OPEN || k->stage == STAGE_FLUSHING)
        decide(k, PUBLISHER_RETRY);
}

void sim_transactional_fail(struct sim_transactional *k)
{
    if (chance(k, 40))
        abort_open(k);
}

void sim_transactional_lose(struct sim_transactional *k)
{
    if (k->standing != PUBLISHER_ABLE)
        return;
    abort_open(k);
    if (k->stage == STAGE_ENDING)
        become_unknown(k, false);
    else
        recover(k);
}

void sim_transactional_fence(struct sim_transactional *k)
{
    /* A producer that is about to begin fences the other one in turn. */
    if (k->standing != PUBLISHER_ABLE)
        return;
    abort_open(k);
    if (k->stage == STAGE_ENDING) {
        bool was_first = chance(k, 50);
        if (was_first)
            commit_open(k);
        decide(k, was_first ? PUBLISHER_DELIVERED : PUBLISHER_RETRY);
    }
    k->standing = PUBLISHER_FENCED;
}

bool sim_transactional_is_fenced(const struct sim_transactional *k)
{
    return k->standing == PUBLISHER_FENCED;
}

/* ---- the publisher's door ---- */

static struct sim_transactional *own(struct publisher *p)
{
    return (struct sim_transactional *)p;
}

static enum publisher_topic op_topic(struct publisher *p, const char *topic, const char **reason)
{
    return sim_cluster_topic(own(p)->cluster, topic, reason);
}

/* A topic that is suspected of a failure and the others keep apart. */
static bool must_keep_apart(const struct sim_transactional *k, int topic)
{
    return k->stage == STAGE_OPEN && k->suspect != NO_TOPIC &&
           (topic == k->suspect) != (k->open.records[0].sent.log == k->suspect);
}

static enum status op_produce(struct publisher *p, const struct publisher_record *rec,
                              struct err *e)
{
    struct sim_transactional *k = own(p);
    int topic = sim_cluster_topic_index(rec->topic);
    struct sim_sent sent;
    struct record *r;
    enum status st;
    if (k->standing != PUBLISHER_ABLE)
        sim_trace_fail(trace_of(k), "once", "a record comes while the producer is not able");
    if ((k->stage != STAGE_NONE && k->stage != STAGE_OPEN) || must_keep_apart(k, topic))
        return err_set(e, ST_AGAIN, "not now");
    if (k->stage == STAGE_NONE)
        k->open.count = 0;
    st = sim_cluster_accept(k->cluster, rec, k->open.count, &sent, e);
    if (st == ST_TOO_BIG && sent.replay == SIM_REPLAYS_NONE &&
        k->cluster->plant == SIM_PLANT_PARK_PASSED)
        k->passed[sender_tag_place(rec->tag) + 1] = sent.seq;
    if (st != ST_OK)
        return st;
    k->stage = STAGE_OPEN;
    r = &k->open.records[k->open.count++];
    *r = (struct record){.tag = rec->tag, .sent = sent};
    sim_trace_note(trace_of(k), "produce seq %lld of feed %d", (long long)sent.seq, sent.replay);
    return ST_OK;
}

static void tell(struct sim_transactional *k, struct record *r,
                 void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    const struct publisher_report report = {.tag = r->tag,
                                            .outcome = r->outcome,
                                            .offset = -1,
                                            .surely_absent = r->outcome != PUBLISHER_DELIVERED,
                                            .reason =
                                                r->outcome == PUBLISHER_DELIVERED ? NULL : "model"};
    if (r->silent || (k->cluster->plant == SIM_PLANT_LOST_REPORT &&
                      r->outcome == PUBLISHER_DELIVERED && chance(k, 3)))
        return;
    sim_trace_note(trace_of(k), "report seq %lld outcome %d", (long long)r->sent.seq,
                   (int)r->outcome);
    if (report.outcome == PUBLISHER_DELIVERED)
        sim_cluster_reported(k->cluster, &r->sent);
    on_report(arg, &report);
}

/* Planted: how many records are said to be delivered which are only queued, or whose commit is
 * under way. The last of those that are queued stays, so that there is a commit at all. */
static size_t early_count(const struct sim_transactional *k)
{
    bool is_under_way = k->stage == STAGE_FLUSHING || k->stage == STAGE_ENDING;
    if (k->cluster->plant == SIM_PLANT_SUCCESS_BEFORE_COMMIT)
        return is_under_way ? k->open.count : 0;
    return k->stage == STAGE_OPEN ? k->open.count - 1 : 0;
}

static size_t tell_early(struct sim_transactional *k,
                         void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    size_t count = early_count(k), told = 0;
    for (size_t i = 0; i < count; i++) {
        struct record *r = &k->open.records[i];
        const struct publisher_report report = {.tag = r->tag, .outcome = PUBLISHER_DELIVERED};
        bool is_lie = k->cluster->plant == SIM_PLANT_SUCCESS_BEFORE_COMMIT ||
                      sim_cluster_lies_early(k->cluster, &r->sent);
        if (r->silent || !is_lie)
            continue;
        r->silent = true;
        on_report(arg, &report);
        told++;
    }
    return told;
}

static size_t op_poll(struct publisher *p,
                      void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    struct sim_transactional *k = own(p);
    size_t early = tell_early(k, on_report, arg);
    if (k->stage != STAGE_DECIDED || mischance(k, 30))
        return early;
    k->stage = STAGE_NONE;
    for (size_t i = 0; i < k->open.count; i++) {
        if (k->cluster->plant == SIM_PLANT_LOST_REWIND)
            k->open.records[i].outcome = PUBLISHER_DELIVERED;
        tell(k, &k->open.records[i], on_report, arg);
    }
    return k->open.count;
}

static void op_flush(struct publisher *p, int timeout_ms,
                     void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    (void)timeout_ms;
    op_poll(p, on_report, arg);
}

static void op_abandon(struct publisher *p)
{
    sim_trace_note(trace_of(own(p)), "the relay recalls what is in the air");
    sim_transactional_lose(own(p));
}

static void show_checkpoint(const struct sim_transactional *k, struct publisher_checkpoint *last)
{
    const struct places *p = &k->checkpoint;
    size_t left_out =
        k->cluster->plant == SIM_PLANT_REPLAY_PLACE_IGNORED && p->count && p->list[0].feed < 0;
    *last = (struct publisher_checkpoint){p->list + left_out, p->count - left_out};
}

static enum publisher_standing op_standing(struct publisher *p, struct publisher_checkpoint *last)
{
    struct sim_transactional *k = own(p);
    if (k->standing == PUBLISHER_ABLE && k->cluster->plant != SIM_PLANT_CHECKPOINT_IGNORED)
        show_checkpoint(k, last);
    return k->standing;
}

/* Planted: the replay's place does not wait for the transaction. */
static void keep_replay_outside(struct sim_transactional *k, const struct places *places)
{
    struct places changed = {0};
    for (size_t i = 0; i < places->count; i++)
        if (places->list[i].feed < 0)
            changed.list[changed.count++] = places->list[i];
    for (size_t i = 0; i < k->checkpoint.count; i++)
        if (k->checkpoint.list[i].feed > 0)
            changed.list[changed.count++] = k->checkpoint.list[i];
    k->checkpoint = changed;
}

static void copy_checkpoint(struct sim_transactional *k, const struct publisher_checkpoint *cp)
{
    struct places *places = &k->open.places;
    CHECK(cp->count <= PLACES_MAX);
    places->count = cp->count;
    for (size_t i = 0; i < cp->count; i++) {
        places->list[i] = cp->positions[i];
        CHECK(i == 0 || cp->positions[i - 1].feed < cp->positions[i].feed);
        if (cp->positions[i].feed > 0 && places->list[i].seq < k->passed[places->list[i].feed]) {
            places->list[i].seq = k->passed[places->list[i].feed];
            places->list[i].check = 0; /* the row's that it had */
        }
    }
    if (k->cluster->plant == SIM_PLANT_CHECKPOINT_OUTSIDE)
        keep_checkpoint(k, places);
    if (k->cluster->plant == SIM_PLANT_REPLAY_PLACE_OUTSIDE)
        keep_replay_outside(k, places);
}

static enum status op_commit(struct publisher *p, const struct publisher_checkpoint *cp,
                             struct err *e)
{
    struct sim_transactional *k = own(p);
    if (k->stage != STAGE_OPEN)
        return err_set(e, ST_AGAIN, "there is no open transaction");
    copy_checkpoint(k, cp);
    sim_trace_note(trace_of(k), "commit of %zu", k->open.count);
    k->stage = STAGE_FLUSHING;
    return ST_OK;
}

static int op_wait_fd(struct publisher *p)
{
    (void)p;
    return -1;
}

static const char *op_cluster_id(struct publisher *p)
{
    return own(p)->cluster->known ? "sim-cluster" : NULL;
}

static const char *op_state(struct publisher *p, bool *connected)
{
    *connected = own(p)->cluster->up;
    return "model";
}

static void op_destroy(struct publisher *p)
{
    (void)p;
}

static const struct publisher_ops ops = {
    .topic = op_topic,
    .produce = op_produce,
    .poll = op_poll,
    .flush = op_flush,
    .abandon = op_abandon,
    .standing = op_standing,
    .commit = op_commit,
    .wait_fd = op_wait_fd,
    .cluster_id = op_cluster_id,
    .state = op_state,
    .destroy = op_destroy,
};

/* ---- life ---- */

struct sim_transactional *sim_transactional_create(struct sim_cluster *cluster)
{
    struct sim_transactional *k = calloc(1, sizeof *k);
    CHECK(k);
    k->base.ops = &ops;
    k->cluster = cluster;
    return k;
}

void sim_transactional_destroy(struct sim_transactional *k)
{
    free(k);
}

void sim_transactional_begin(struct sim_transactional *k)
{
    k->checkpoint.count = 0;
    k->late.count = 0;
    k->is_late_fenced = false;
    k->is_connected = false;
    k->standing = PUBLISHER_RECOVERING;
    k->stage = STAGE_NONE;
}

struct publisher *sim_transactional_connect(struct sim_transactional *k)
{
    k->is_connected = true;
    k->stage = STAGE_NONE;
    k->open.count = 0;
    k->suspect = NO_TOPIC;
    memset(k->passed, 0, sizeof k->passed);
    recover(k);
    return &k->base;
}

/* The last request of a commit that was asked for may have gone out by now. */
static bool is_on_its_way(struct sim_transactional *k)
{
    if (k->stage == STAGE_FLUSHING && chance(k, 70) && !fail_if_refused(k))
        return true;
    return k->stage == STAGE_ENDING || (k->stage == STAGE_UNKNOWN && !k->was_committed);
}

void sim_transactional_disconnect(struct sim_transactional *k)
{
    if (is_on_its_way(k)) {
        k->late = k->open;
        k->is_late_fenced = false;
    }
    k->is_connected = false;
    k->standing = PUBLISHER_RECOVERING;
    k->stage = STAGE_NONE;
}

void sim_transactional_leave(struct sim_transactional *k)
{
    fence_others(k);
    k->late.count = 0;
}

bool sim_transactional_is_idle(const struct sim_transactional *k)
{
    return k->standing == PUBLISHER_ABLE && k->stage == STAGE_NONE;
}
