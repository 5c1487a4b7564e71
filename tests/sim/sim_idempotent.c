/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_idempotent.h"

#include <stdlib.h>

enum stage {
    STAGE_QUEUED,
    STAGE_DECIDED, /* its outcome stands; the relay has not heard it */
};

struct record {
    uint64_t tag;
    struct sim_sent sent;
    enum stage stage;
    enum publisher_outcome outcome;
    bool doomed; /* produced behind a failure that the relay had not heard of */
    bool silent; /* its report came already, or never comes */
    bool appended;
};

struct partition {
    struct record air[SIM_AIR_MAX]; /* oldest first */
    size_t count;
};

struct sim_idempotent {
    struct publisher base;
    struct sim_cluster *cluster;
    struct partition partitions[SIM_LOGS * SIM_PARTITIONS];
    bool broken; /* the producer is to be made anew */
    bool strict; /* takes nothing between a failure's report and that of the last one in the air */
    bool draining;
    struct mono usable_at;
    size_t in_air;
    uint64_t early[SIM_AIR_MAX]; /* planted: reports that are lies */
    size_t early_count;
};

#define PARTITIONS ((unsigned)(SIM_LOGS * SIM_PARTITIONS))

static struct partition *partition_at(struct sim_idempotent *k, unsigned i)
{
    return &k->partitions[i];
}

static bool is_denied(const struct sim_idempotent *k, unsigned partition)
{
    return k->cluster->topics[partition / SIM_PARTITIONS].denied;
}

/* ---- deciding ---- */

static void decide(struct record *r, enum publisher_outcome outcome)
{
    r->stage = STAGE_DECIDED;
    r->outcome = outcome;
}

static void append(struct sim_idempotent *k, struct record *r)
{
    r->appended = true;
    sim_cluster_appended(k->cluster, &r->sent);
}

static size_t first_queued(const struct partition *p)
{
    size_t i = 0;
    while (i < p->count && p->air[i].stage == STAGE_DECIDED)
        i++;
    return i;
}

/* Whether brokers would append it now. */
static bool is_welcome(const struct sim_idempotent *k, unsigned partition, const struct record *r)
{
    return !r->doomed && r->sent.kind == SIM_PLAIN && !is_denied(k, partition);
}

/* From record at on all come back, after up to `arrived` of them were appended. */
static void fail_from(struct sim_idempotent *k, unsigned partition, size_t at, size_t arrived)
{
    struct partition *p = partition_at(k, partition);
    for (; at < p->count; at++) {
        if (p->air[at].stage == STAGE_DECIDED)
            continue;
        if (arrived > 0 && is_welcome(k, partition, &p->air[at])) {
            append(k, &p->air[at]);
            arrived--;
        } else {
            arrived = 0;
        }
        decide(&p->air[at], PUBLISHER_RETRY);
    }
}

static size_t part_of(struct sim_idempotent *k, size_t n)
{
    return sim_rng_below(k->cluster->env.rng, (unsigned)n + 1);
}

/* Some rejections end the producer, as a refused batch does. */
static void reject(struct sim_idempotent *k, struct record *r)
{
    decide(r, PUBLISHER_REJECTED);
    if (sim_rng_chance(k->cluster->env.rng, 40))
        sim_idempotent_fail_all(k);
}

static void tick_partition(struct sim_idempotent *k, unsigned partition)
{
    struct partition *p = partition_at(k, partition);
    size_t at = first_queued(p);
    size_t todo = part_of(k, p->count - at);
    for (; at < p->count && (todo > 0 || p->air[at].doomed); at++) {
        struct record *r = &p->air[at];
        if (r->stage == STAGE_DECIDED)
            continue;
        if (r->doomed) {
            decide(r, PUBLISHER_RETRY);
        } else if (!k->cluster->up) {
            return;
        } else if (is_denied(k, partition)) {
            for (size_t i = at; i < p->count; i++)
                decide(&p->air[i], PUBLISHER_DENIED);
        } else if (r->sent.kind == SIM_POISON) {
            reject(k, r);
        } else {
            append(k, r);
            decide(r, PUBLISHER_DELIVERED);
        }
        todo -= todo > 0;
    }
}

void sim_idempotent_tick(struct sim_idempotent *k)
{
    for (unsigned i = 0; i < PARTITIONS; i++)
        tick_partition(k, i);
}

void sim_idempotent_fail_some(struct sim_idempotent *k)
{
    unsigned start = sim_rng_below(k->cluster->env.rng, PARTITIONS);
    for (unsigned n = 0; n < PARTITIONS; n++) {
        unsigned i = (start + n) % PARTITIONS;
        const struct partition *p = partition_at(k, i);
        size_t first_waiting = first_queued(p), at, arrived;
        if (first_waiting == p->count)
            continue;
        at = first_waiting +
             sim_rng_below(k->cluster->env.rng, (unsigned)(p->count - first_waiting));
        /* Nothing arrives before what stands in front of it. */
        arrived = k->cluster->up && at == first_waiting ? part_of(k, p->count - at) : 0;
        fail_from(k, i, at, arrived);
        return;
    }
}

void sim_idempotent_fail_all(struct sim_idempotent *k)
{
    k->broken = true;
    k->usable_at = mono_add_ms(clock_mono(k->cluster->env.clock), SIM_RECREATE_MS);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct partition *p = partition_at(k, i);
        size_t at = first_queued(p);
        size_t confirmed = k->cluster->up ? part_of(k, p->count - at) : 0;
        for (; confirmed > 0 && is_welcome(k, i, &p->air[at]); confirmed--, at++) {
            append(k, &p->air[at]);
            decide(&p->air[at], PUBLISHER_DELIVERED);
        }
        fail_from(k, i, at, k->cluster->up ? part_of(k, p->count - at) : 0);
    }
}

/* ---- the publisher's door ---- */

static struct sim_idempotent *own(struct publisher *p)
{
    return (struct sim_idempotent *)p;
}

static enum publisher_topic op_topic(struct publisher *p, const char *topic, const char **reason)
{
    return sim_cluster_topic(own(p)->cluster, topic, reason);
}

static bool has_unheard_failure(const struct partition *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->air[i].doomed ||
            (p->air[i].stage == STAGE_DECIDED &&
             (p->air[i].outcome == PUBLISHER_RETRY || p->air[i].outcome == PUBLISHER_DENIED)))
            return true;
    return false;
}

static void plant_in_queue(struct sim_idempotent *k, struct partition *p, struct record *r)
{
    if (sim_cluster_lies_early(k->cluster, &r->sent)) {
        k->early[k->early_count++] = r->tag;
        r->silent = true;
    }
    if (k->cluster->plant == SIM_PLANT_REORDER && p->count > 1 && r[-1].stage == STAGE_QUEUED &&
        sim_rng_chance(k->cluster->env.rng, 20)) {
        struct record swapped = r[-1];
        r[-1] = *r;
        *r = swapped;
    }
}

static enum status op_produce(struct publisher *pub, const struct publisher_record *rec,
                              struct err *e)
{
    struct sim_idempotent *k = own(pub);
    struct partition *p;
    struct sim_sent sent;
    enum status st;
    if (k->broken || k->draining || !k->cluster->known)
        return err_set(e, ST_AGAIN, "the producer is being made anew");
    st = sim_cluster_accept(k->cluster, rec, k->in_air, &sent, e);
    if (st != ST_OK)
        return st;
    p = partition_at(k, (unsigned)sent.log * SIM_PARTITIONS + sim_cluster_partition(rec, sent.seq));
    CHECK(p->count < SIM_AIR_MAX);
    p->air[p->count] =
        (struct record){.tag = rec->tag, .sent = sent, .doomed = has_unheard_failure(p)};
    p->count++;
    k->in_air++;
    sim_trace_note(k->cluster->env.trace, "produce seq %lld of feed %d%s", (long long)sent.seq,
                   sent.replay, p->air[p->count - 1].doomed ? ", behind a failure" : "");
    plant_in_queue(k, p, &p->air[p->count - 1]);
    return ST_OK;
}

static void report_first(struct sim_idempotent *k, struct partition *p,
                         void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    struct record r = p->air[0];
    struct publisher_report report = {.tag = r.tag,
                                      .outcome = r.outcome,
                                      .offset = -1,
                                      .surely_absent =
                                          !r.appended && sim_rng_chance(k->cluster->env.rng, 50),
                                      .reason = r.outcome == PUBLISHER_DELIVERED ? NULL : "model"};
    p->count--;
    memmove(&p->air[0], &p->air[1], p->count * sizeof p->air[0]);
    k->in_air--;
    k->draining = k->in_air > 0 && k->strict && (k->draining || r.outcome != PUBLISHER_DELIVERED);
    if (k->cluster->plant == SIM_PLANT_LOST_REWIND && r.outcome == PUBLISHER_RETRY)
        report.outcome = PUBLISHER_DELIVERED;
    if (r.silent || (k->cluster->plant == SIM_PLANT_LOST_REPORT &&
                     r.outcome == PUBLISHER_DELIVERED && sim_rng_chance(k->cluster->env.rng, 3)))
        return;
    sim_trace_note(k->cluster->env.trace, "report seq %lld outcome %d", (long long)r.sent.seq,
                   (int)report.outcome);
    if (report.outcome == PUBLISHER_DELIVERED)
        sim_cluster_reported(k->cluster, &r.sent);
    on_report(arg, &report);
}

/* Planted: says of records in the queue that they are delivered. */
static size_t report_early(struct sim_idempotent *k,
                           void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    size_t count = k->early_count;
    for (size_t i = 0; i < count; i++) {
        struct publisher_report report = {.tag = k->early[i], .outcome = PUBLISHER_DELIVERED};
        on_report(arg, &report);
    }
    k->early_count = 0;
    return count;
}

static size_t op_poll(struct publisher *pub,
                      void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    struct sim_idempotent *k = own(pub);
    size_t reported = report_early(k, on_report, arg);
    unsigned first = sim_rng_below(k->cluster->env.rng, PARTITIONS);
    if (k->broken && k->in_air == 0 && clock_mono(k->cluster->env.clock).ns >= k->usable_at.ns)
        k->broken = false;
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct partition *p = partition_at(k, (first + i) % PARTITIONS);
        if (!k->cluster->prompt && sim_rng_chance(k->cluster->env.rng, 30))
            continue;
        while (p->count && p->air[0].stage == STAGE_DECIDED &&
               (k->cluster->prompt || sim_rng_chance(k->cluster->env.rng, 80))) {
            report_first(k, p, on_report, arg);
            reported++;
        }
    }
    if (k->broken && k->in_air > 0)
        k->usable_at = mono_add_ms(clock_mono(k->cluster->env.clock), SIM_RECREATE_MS);
    return reported;
}

static void op_flush(struct publisher *p, int timeout_ms,
                     void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    (void)timeout_ms;
    op_poll(p, on_report, arg);
}

static void op_abandon(struct publisher *p)
{
    struct sim_idempotent *k = own(p);
    sim_trace_note(k->cluster->env.trace, "the relay recalls what is in the air");
    sim_idempotent_fail_all(k);
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
    .wait_fd = op_wait_fd,
    .cluster_id = op_cluster_id,
    .state = op_state,
    .destroy = op_destroy,
};

/* ---- life ---- */

struct sim_idempotent *sim_idempotent_create(struct sim_cluster *cluster)
{
    struct sim_idempotent *k = calloc(1, sizeof *k);
    CHECK(k);
    k->base.ops = &ops;
    k->cluster = cluster;
    return k;
}

void sim_idempotent_destroy(struct sim_idempotent *k)
{
    free(k);
}

void sim_idempotent_begin(struct sim_idempotent *k)
{
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_at(k, i)->count = 0;
    /* The door's promise is strict; the forwarder keeps the order without that part of it too. */
    k->strict = sim_rng_chance(k->cluster->env.rng, 50);
    k->in_air = 0;
    k->early_count = 0;
}

struct publisher *sim_idempotent_connect(struct sim_idempotent *k)
{
    CHECK(k->in_air == 0);
    k->broken = false;
    k->draining = false;
    return &k->base;
}

void sim_idempotent_disconnect(struct sim_idempotent *k)
{
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct partition *p = partition_at(k, i);
        size_t at = first_queued(p);
        fail_from(k, i, at, k->cluster->up ? part_of(k, p->count - at) : 0);
        p->count = 0;
    }
    k->in_air = 0;
    k->early_count = 0;
}

bool sim_idempotent_is_idle(const struct sim_idempotent *k)
{
    return k->in_air == 0 && !k->broken;
}
