/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_kafka.h"

#include <stdlib.h>

/* Records in the air; above the largest queue limit that a schedule sets. */
#define AIR_MAX       128
#define QUEUE_DEFAULT 64
#define RECREATE_MS   150

enum stage {
    STAGE_QUEUED,
    STAGE_DECIDED, /* its outcome stands; the relay has not heard it */
};

struct record {
    uint64_t tag;
    int64_t seq;
    int source;
    enum sim_kind kind;
    enum stage stage;
    enum publisher_outcome outcome;
    bool doomed; /* produced behind a failure that the relay had not heard of */
    bool silent; /* its report came already, or never comes */
    bool appended;
    bool labelled; /* as a possible duplicate */
};

struct partition {
    struct record air[AIR_MAX]; /* oldest first */
    size_t count;
    struct {
        int64_t seq;
        int source;
    } log[4 * SIM_ROWS_MAX]; /* what a consumer reads */
    size_t log_count;
};

struct topic {
    enum publisher_topic state;
    bool denied;
    struct partition partitions[SIM_PARTITIONS];
};

struct sim_kafka {
    struct publisher base;
    struct sim_kafka_env env;
    enum sim_plant plant;
    struct topic topics[SIM_TOPICS];
    bool up;
    bool known;  /* the producer has seen the cluster */
    bool broken; /* the producer is to be made anew */
    bool prompt; /* reports do not linger */
    bool strict; /* takes nothing between a failure's report and that of the last one in the air */
    bool draining;
    struct mono usable_at;
    size_t queue_max;
    size_t in_air;
    char journal_id[64];
    uint64_t early[AIR_MAX]; /* planted: reports that are lies */
    size_t early_count;
};

static struct partition *partition_at(struct sim_kafka *k, unsigned i)
{
    return &k->topics[i / SIM_PARTITIONS].partitions[i % SIM_PARTITIONS];
}
#define PARTITIONS ((unsigned)(SIM_TOPICS * SIM_PARTITIONS))

static int topic_index(const char *name)
{
    int i = 0;
    while (i < SIM_TOPICS && strcmp(sim_content_topic[i], name) != 0)
        i++;
    CHECK(i < SIM_TOPICS);
    return i;
}

/* ---- deciding ---- */

static void decide(struct record *r, enum publisher_outcome outcome)
{
    r->stage = STAGE_DECIDED;
    r->outcome = outcome;
}

static void append(struct sim_kafka *k, struct partition *p, struct record *r)
{
    CHECK(p->log_count < sizeof p->log / sizeof p->log[0]);
    p->log[p->log_count].seq = r->seq;
    p->log[p->log_count].source = r->source;
    p->log_count++;
    r->appended = true;
    sim_trace_note(k->env.trace, "kafka: seq %lld is in the log", (long long)r->seq);
    sim_truth_appended(k->env.truth, r->seq, r->labelled);
}

static size_t first_queued(const struct partition *p)
{
    size_t i = 0;
    while (i < p->count && p->air[i].stage == STAGE_DECIDED)
        i++;
    return i;
}

/* Whether brokers would append it now. */
static bool is_welcome(const struct topic *t, const struct record *r)
{
    return !r->doomed && r->kind == SIM_PLAIN && !t->denied;
}

/* From record at on all come back, after up to `arrived` of them were appended. */
static void fail_from(struct sim_kafka *k, unsigned partition, size_t at, size_t arrived)
{
    struct partition *p = partition_at(k, partition);
    for (; at < p->count; at++) {
        if (p->air[at].stage == STAGE_DECIDED)
            continue;
        if (arrived > 0 && is_welcome(&k->topics[partition / SIM_PARTITIONS], &p->air[at])) {
            append(k, p, &p->air[at]);
            arrived--;
        } else {
            arrived = 0;
        }
        decide(&p->air[at], PUBLISHER_RETRY);
    }
}

static size_t part_of(struct sim_kafka *k, size_t n)
{
    return sim_rng_below(k->env.rng, (unsigned)n + 1);
}

/* Some rejections end the producer, as a refused batch does. */
static void reject(struct sim_kafka *k, struct record *r)
{
    decide(r, PUBLISHER_REJECTED);
    if (sim_rng_chance(k->env.rng, 40))
        sim_kafka_fail_all(k);
}

static void tick_partition(struct sim_kafka *k, struct topic *t, struct partition *p)
{
    size_t at = first_queued(p);
    size_t todo = part_of(k, p->count - at);
    for (; at < p->count && (todo > 0 || p->air[at].doomed); at++) {
        struct record *r = &p->air[at];
        if (r->stage == STAGE_DECIDED)
            continue;
        if (r->doomed) {
            decide(r, PUBLISHER_RETRY);
        } else if (!k->up) {
            return;
        } else if (t->denied) {
            for (size_t i = at; i < p->count; i++)
                decide(&p->air[i], PUBLISHER_DENIED);
        } else if (r->kind == SIM_POISON) {
            reject(k, r);
        } else {
            append(k, p, r);
            decide(r, PUBLISHER_DELIVERED);
        }
        todo -= todo > 0;
    }
}

void sim_kafka_tick(struct sim_kafka *k)
{
    k->known |= k->up;
    for (unsigned i = 0; i < PARTITIONS; i++)
        tick_partition(k, &k->topics[i / SIM_PARTITIONS], partition_at(k, i));
}

void sim_kafka_fail_some(struct sim_kafka *k)
{
    unsigned start = sim_rng_below(k->env.rng, PARTITIONS);
    for (unsigned n = 0; n < PARTITIONS; n++) {
        unsigned i = (start + n) % PARTITIONS;
        const struct partition *p = partition_at(k, i);
        size_t first_waiting = first_queued(p), at, arrived;
        if (first_waiting == p->count)
            continue;
        at = first_waiting + sim_rng_below(k->env.rng, (unsigned)(p->count - first_waiting));
        /* Nothing arrives before what stands in front of it. */
        arrived = k->up && at == first_waiting ? part_of(k, p->count - at) : 0;
        fail_from(k, i, at, arrived);
        return;
    }
}

void sim_kafka_fail_all(struct sim_kafka *k)
{
    k->broken = true;
    k->usable_at = mono_add_ms(clock_mono(k->env.clock), RECREATE_MS);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct partition *p = partition_at(k, i);
        size_t at = first_queued(p);
        size_t confirmed = k->up ? part_of(k, p->count - at) : 0;
        for (; confirmed > 0 && is_welcome(&k->topics[i / SIM_PARTITIONS], &p->air[at]);
             confirmed--, at++) {
            append(k, p, &p->air[at]);
            decide(&p->air[at], PUBLISHER_DELIVERED);
        }
        fail_from(k, i, at, k->up ? part_of(k, p->count - at) : 0);
    }
}

/* ---- the publisher's door ---- */

static struct sim_kafka *own(struct publisher *p)
{
    return (struct sim_kafka *)p;
}

static enum publisher_topic op_topic(struct publisher *p, const char *topic, const char **reason)
{
    struct sim_kafka *k = own(p);
    *reason = "the model says so";
    return k->known ? k->topics[topic_index(topic)].state : PUBLISHER_TOPIC_PENDING;
}

/* Records with a key keep together; the others go round. */
static unsigned partition_of(const struct publisher_record *rec, int64_t seq)
{
    return rec->key.len ? (unsigned char)rec->key.ptr[rec->key.len - 1] % SIM_PARTITIONS
                        : (unsigned)seq % SIM_PARTITIONS;
}

/* The truth compares what would be in the log; a planted bug changes it on the way. */
static int64_t compare_record(struct sim_kafka *k, const struct publisher_record *rec)
{
    struct publisher_record changed = *rec;
    struct publisher_header headers[PUBLISHER_HEADERS_MAX];
    char byte[1] = {'?'};
    memcpy(headers, rec->headers, rec->header_count * sizeof headers[0]);
    changed.headers = headers;
    if (k->plant == SIM_PLANT_CHANGED_BYTE && sim_rng_chance(k->env.rng, 2))
        changed.value = (struct slice){byte, 1};
    for (size_t i = 0; i < rec->header_count; i++)
        if (k->plant == SIM_PLANT_BROKEN_CHAIN && sim_rng_chance(k->env.rng, 2) &&
            strcmp(headers[i].name, "relay-prev-seq") == 0)
            headers[i].value = slice_of("7777");
    return sim_truth_produced(k->env.truth, &changed, k->journal_id);
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

static bool is_labelled(const struct publisher_record *rec)
{
    for (size_t i = 0; i < rec->header_count; i++)
        if (strcmp(rec->headers[i].name, "relay-possible-duplicate") == 0)
            return true;
    return false;
}

static void plant_in_queue(struct sim_kafka *k, struct partition *p, struct record *r)
{
    if (k->plant == SIM_PLANT_CURSOR_BEFORE_DELIVERY) {
        k->early[k->early_count++] = r->tag;
        r->silent = true;
    }
    if (k->plant == SIM_PLANT_REORDER && p->count > 1 && r[-1].stage == STAGE_QUEUED &&
        sim_rng_chance(k->env.rng, 20)) {
        struct record swapped = r[-1];
        r[-1] = *r;
        *r = swapped;
    }
}

static enum status op_produce(struct publisher *pub, const struct publisher_record *rec,
                              struct err *e)
{
    struct sim_kafka *k = own(pub);
    const struct sim_row *row;
    struct partition *p;
    int topic = topic_index(rec->topic);
    int64_t seq;
    if (k->broken || k->draining || !k->known)
        return err_set(e, ST_AGAIN, "the producer is being made anew");
    if (k->topics[topic].state != PUBLISHER_TOPIC_READY)
        return err_set(e, ST_AGAIN, "the topic is not ready");
    if (k->in_air >= k->queue_max)
        return err_set(e, ST_FULL, "the queue is full");
    seq = compare_record(k, rec);
    row = sim_truth_row(k->env.truth, seq);
    if (!row)
        return err_set(e, ST_AGAIN, "the run has failed");
    if (row->content->kind == SIM_BIG)
        return err_set(e, ST_TOO_BIG, "over the limit");
    p = &k->topics[topic].partitions[partition_of(rec, seq)];
    CHECK(p->count < AIR_MAX);
    p->air[p->count] = (struct record){.tag = rec->tag,
                                       .seq = seq,
                                       .source = row->content->source,
                                       .kind = row->content->kind,
                                       .labelled = is_labelled(rec),
                                       .doomed = has_unheard_failure(p)};
    p->count++;
    k->in_air++;
    sim_trace_note(k->env.trace, "produce seq %lld%s", (long long)seq,
                   p->air[p->count - 1].doomed ? ", behind a failure" : "");
    plant_in_queue(k, p, &p->air[p->count - 1]);
    return ST_OK;
}

static void report_first(struct sim_kafka *k, struct partition *p,
                         void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    struct record r = p->air[0];
    struct publisher_report report = {.tag = r.tag,
                                      .outcome = r.outcome,
                                      .offset = -1,
                                      .surely_absent =
                                          !r.appended && sim_rng_chance(k->env.rng, 50),
                                      .reason = r.outcome == PUBLISHER_DELIVERED ? NULL : "model"};
    p->count--;
    memmove(&p->air[0], &p->air[1], p->count * sizeof p->air[0]);
    k->in_air--;
    if (k->plant == SIM_PLANT_LOST_REWIND && r.outcome == PUBLISHER_RETRY)
        report.outcome = PUBLISHER_DELIVERED;
    if (r.silent || (k->plant == SIM_PLANT_LOST_REPORT && r.outcome == PUBLISHER_DELIVERED &&
                     sim_rng_chance(k->env.rng, 3)))
        return;
    sim_trace_note(k->env.trace, "report seq %lld outcome %d", (long long)r.seq,
                   (int)report.outcome);
    k->draining = k->in_air > 0 && k->strict && (k->draining || r.outcome != PUBLISHER_DELIVERED);
    if (report.outcome == PUBLISHER_DELIVERED)
        sim_truth_reported(k->env.truth, r.seq);
    on_report(arg, &report);
}

/* Planted: says of records in the queue that they are delivered. */
static size_t report_early(struct sim_kafka *k,
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
    struct sim_kafka *k = own(pub);
    size_t reported = report_early(k, on_report, arg);
    unsigned first = sim_rng_below(k->env.rng, PARTITIONS);
    if (k->broken && k->in_air == 0 && clock_mono(k->env.clock).ns >= k->usable_at.ns)
        k->broken = false;
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct partition *p = partition_at(k, (first + i) % PARTITIONS);
        if (!k->prompt && sim_rng_chance(k->env.rng, 30))
            continue;
        while (p->count && p->air[0].stage == STAGE_DECIDED &&
               (k->prompt || sim_rng_chance(k->env.rng, 80))) {
            report_first(k, p, on_report, arg);
            reported++;
        }
    }
    if (k->broken && k->in_air > 0)
        k->usable_at = mono_add_ms(clock_mono(k->env.clock), RECREATE_MS);
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
    struct sim_kafka *k = own(p);
    sim_trace_note(k->env.trace, "the relay recalls what is in the air");
    sim_kafka_fail_all(k);
}

static int op_wait_fd(struct publisher *p)
{
    (void)p;
    return -1;
}

static const char *op_cluster_id(struct publisher *p)
{
    return own(p)->known ? "sim-cluster" : NULL;
}

static const char *op_state(struct publisher *p, bool *connected)
{
    *connected = own(p)->up;
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

struct sim_kafka *sim_kafka_create(const struct sim_kafka_env *env)
{
    struct sim_kafka *k = calloc(1, sizeof *k);
    CHECK(k);
    k->base.ops = &ops;
    k->env = *env;
    return k;
}

void sim_kafka_destroy(struct sim_kafka *k)
{
    free(k);
}

void sim_kafka_begin(struct sim_kafka *k, enum sim_plant plant)
{
    for (unsigned i = 0; i < PARTITIONS; i++) {
        partition_at(k, i)->count = 0;
        partition_at(k, i)->log_count = 0;
    }
    for (int i = 0; i < SIM_TOPICS; i++) {
        k->topics[i].state = PUBLISHER_TOPIC_READY;
        k->topics[i].denied = false;
    }
    k->plant = plant;
    k->up = true;
    k->prompt = false;
    /* The door's promise is strict; the forwarder keeps the order without that part of it too. */
    k->strict = sim_rng_chance(k->env.rng, 50);
    k->queue_max = QUEUE_DEFAULT;
    k->in_air = 0;
    k->early_count = 0;
}

struct publisher *sim_kafka_connect(struct sim_kafka *k, const char *journal_id)
{
    size_t len = strlen(journal_id);
    CHECK(k->in_air == 0 && len < sizeof k->journal_id);
    memcpy(k->journal_id, journal_id, len + 1);
    k->known = false;
    k->broken = false;
    k->draining = false;
    return &k->base;
}

void sim_kafka_disconnect(struct sim_kafka *k)
{
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct partition *p = partition_at(k, i);
        size_t at = first_queued(p);
        fail_from(k, i, at, k->up ? part_of(k, p->count - at) : 0);
        p->count = 0;
    }
    k->in_air = 0;
    k->early_count = 0;
}

void sim_kafka_set_up(struct sim_kafka *k, bool up)
{
    k->up = up;
}

bool sim_kafka_is_up(const struct sim_kafka *k)
{
    return k->up;
}

void sim_kafka_set_topic(struct sim_kafka *k, int topic, enum publisher_topic state)
{
    k->topics[topic].state = state;
}

void sim_kafka_set_denied(struct sim_kafka *k, int topic, bool denied)
{
    k->topics[topic].denied = denied;
}

void sim_kafka_set_queue(struct sim_kafka *k, size_t records_max)
{
    CHECK(records_max <= AIR_MAX);
    k->queue_max = records_max;
}

void sim_kafka_heal(struct sim_kafka *k)
{
    k->up = true;
    k->prompt = true;
    k->queue_max = QUEUE_DEFAULT;
    for (int i = 0; i < SIM_TOPICS; i++) {
        k->topics[i].state = PUBLISHER_TOPIC_READY;
        k->topics[i].denied = false;
    }
}

bool sim_kafka_is_idle(const struct sim_kafka *k)
{
    return k->in_air == 0 && !k->broken;
}

/* ---- a consumer ---- */

/* Whether the rows from prev (not it) up to before seq are all explained: parked, so not here. */
static bool is_explained(struct sim_kafka *k, bool const *seen, int64_t seq)
{
    const struct sim_row *row = sim_truth_row(k->env.truth, seq);
    while (row->prev && !seen[row->prev]) {
        row = sim_truth_row(k->env.truth, row->prev);
        if (!row || !row->parked)
            return false;
    }
    return true;
}

void sim_kafka_check_chains(struct sim_kafka *k)
{
    bool seen[SIM_ROWS_MAX + 1] = {false};
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct partition *p = partition_at(k, i);
        for (size_t n = 0; n < p->log_count; n++)
            seen[p->log[n].seq] = true;
    }
    for (int64_t seq = 1; seq <= sim_truth_last_seq(k->env.truth); seq++)
        if (seen[seq] && !is_explained(k, seen, seq))
            sim_trace_fail(k->env.trace, "P11", "the chain before seq %lld has a hole",
                           (long long)seq);
}
