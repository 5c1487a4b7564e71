/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_watcher.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "kafka/kafka_admin.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Creating waits for the controller; a cluster that needs longer is asked again. */
#define MAKE_TOPIC_MS 5000

/* A new topic has its leaders within this time, or is asked about with the usual back-off. */
#define SETTLE_TRIES   40
#define SETTLE_STEP_MS 100

#define PROBE_LEADERS_MS   1000  /* with needs_all_leaders */
#define PROBE_CONNECTED_MS 5000  /* notices a broker that is connected and dead */
#define PROBE_LIST_MS      60000 /* without a ready topic the question is for all: seldom */
#define PROBE_DOWN_MS      250
#define BIRTH_RETRY_MS     5000

/* The longest wait without a reason to wake; it only bounds arithmetic. */
#define IDLE_MS 60000

struct kafka_watcher {
    struct kafka_watcher_opts opts;
    struct thread *thread;
    struct lock *lock;
    struct wakeup changed; /* ends the thread's wait */
    atomic_bool interrupt; /* stop or retire: questions that can give up do */

    /* Under the lock. */
    struct kafka_topics *topics;
    rd_kafka_t *client;
    rd_kafka_t *retired;
    struct mono birth_at; /* of the next client, while there is none */
    struct mono probe_at;
    struct mono alarm_at;
    bool is_alarm_set;
    bool is_stopping;
    bool is_connected;
    uint32_t probe_topic;
    bool is_policy_checked;
    char client_reason[KAFKA_TOPIC_REASON_MAX]; /* the client's last complaint since it was up */
    char ask_reason[KAFKA_TOPIC_REASON_MAX];    /* why the last question had no answer */
    char cluster_id[KAFKA_CLUSTER_ID_MAX];      /* written once */
    char other_id[KAFKA_CLUSTER_ID_MAX];        /* likewise: of a cluster that took its place */
};

static struct mono now_mono(void)
{
    return clock_mono(clock_system());
}

static bool is_past(struct mono t, struct mono now)
{
    return mono_diff_ns(now, t) >= 0;
}

/* Waits for a change until t; the lock is held before and after. */
static void wait_until(struct kafka_watcher *w, struct mono t)
{
    struct pollfd pfd = {.fd = w->changed.fd, .events = POLLIN};
    lock_give(w->lock);
    poll(&pfd, 1, mono_until_ms(now_mono(), t, IDLE_MS));
    wakeup_clear(&w->changed);
    lock_take(w->lock);
}

/* Why nobody is connected; the client knows it best ("Connection refused"). */
static const char *down_reason(const struct kafka_watcher *w)
{
    return w->client_reason[0] ? w->client_reason : w->ask_reason;
}

static void note_down(struct kafka_watcher *w, const char *reason)
{
    if (reason)
        snprintf(w->ask_reason, sizeof w->ask_reason, "%s", reason);
    if (w->is_connected)
        wakeup_signal(w->opts.wake);
    w->is_connected = false;
    w->probe_at = mono_add_ms(now_mono(), PROBE_DOWN_MS);
}

static void note_cluster_id(struct kafka_watcher *w, const char *id)
{
    if (!w->cluster_id[0]) {
        snprintf(w->cluster_id, sizeof w->cluster_id, "%s", id);
    } else if (id[0] && !w->other_id[0] && strcmp(w->cluster_id, id) != 0) {
        snprintf(w->other_id, sizeof w->other_id, "%s", id);
        log_error("kafka.cluster_changed", LOG_S("was", w->cluster_id), LOG_S("now", id));
        wakeup_signal(w->opts.wake);
    }
}

static void note_up(struct kafka_watcher *w, const char *cluster_id)
{
    uint32_t unused = 0;
    bool has_ready = kafka_topics_next_ready(w->topics, &unused);
    int in_ms = w->opts.needs_all_leaders ? PROBE_LEADERS_MS : PROBE_CONNECTED_MS;
    w->probe_at = mono_add_ms(now_mono(), has_ready ? in_ms : PROBE_LIST_MS);
    bool was_known = w->cluster_id[0] != '\0';
    note_cluster_id(w, cluster_id);
    if (w->is_connected && was_known)
        return;
    w->is_connected = true;
    w->client_reason[0] = '\0';
    wakeup_signal(w->opts.wake);
}

/* ------------------------------------------------------------------ questions (lock released) */

static void want_all_leaders(const struct kafka_watcher *w, struct kafka_answer *a)
{
    if (a->kind != KAFKA_ANSWER_YES || !a->leaderless || !w->opts.needs_all_leaders)
        return;
    a->kind = KAFKA_ANSWER_SETTLING;
    snprintf(a->reason, sizeof a->reason, "%d of %d partitions have no leader", a->leaderless,
             a->partitions);
}

static struct kafka_answer ask(struct kafka_watcher *w, uint32_t index)
{
    rd_kafka_t *rk = w->client;
    const char *name = kafka_topics_name(w->topics, index);
    lock_give(w->lock);
    struct kafka_answer a = kafka_admin_ask(rk, name, KAFKA_WATCHER_ASK_MS);
    lock_take(w->lock);
    want_all_leaders(w, &a);
    return a;
}

static bool is_compacted(const struct kafka_watcher *w, const char *name)
{
    return w->opts.compacted_topic && strcmp(name, w->opts.compacted_topic) == 0;
}

static int partitions_of(const struct kafka_watcher *w, uint32_t index)
{
    return is_compacted(w, kafka_topics_name(w->topics, index)) ? 1 : w->opts.partitions;
}

static struct kafka_answer make(struct kafka_watcher *w, uint32_t index)
{
    rd_kafka_t *rk = w->client;
    const char *name = kafka_topics_name(w->topics, index);
    struct kafka_admin_topic wanted = {.name = name,
                                       .partitions = partitions_of(w, index),
                                       .replication_factor = w->opts.replication_factor,
                                       .is_compacted = is_compacted(w, name)};
    lock_give(w->lock);
    struct kafka_answer a = kafka_admin_make_topic(rk, &wanted, MAKE_TOPIC_MS, &w->interrupt);
    if (a.kind == KAFKA_ANSWER_YES)
        log_info("kafka.topic_created", LOG_S("topic", wanted.name),
                 LOG_I("partitions", wanted.partitions),
                 LOG_I("replication_factor", wanted.replication_factor));
    lock_take(w->lock);
    return a;
}

/* Creates the topic and waits until all its partitions have leaders: a client that sees only some
 * of the partitions would place keys by a smaller number. */
static struct kafka_answer make_and_settle(struct kafka_watcher *w, uint32_t index)
{
    struct kafka_answer a = make(w, index);
    if (a.kind != KAFKA_ANSWER_YES)
        return a;
    for (int i = 0; i < SETTLE_TRIES && !atomic_load(&w->interrupt); i++) {
        a = ask(w, index);
        if (a.kind == KAFKA_ANSWER_UNREACHABLE || a.kind == KAFKA_ANSWER_REFUSED)
            return a;
        if (a.kind == KAFKA_ANSWER_YES && a.leaderless == 0 &&
            a.partitions >= partitions_of(w, index))
            return a;
        wait_until(w, mono_add_ms(now_mono(), SETTLE_STEP_MS));
    }
    a.kind = KAFKA_ANSWER_SETTLING;
    snprintf(a.reason, sizeof a.reason, "the new topic has no leaders yet");
    return a;
}

/* Once: a checkpoint on a topic that forgets is lost when the relay was idle for long enough. */
static void check_policy(struct kafka_watcher *w, uint32_t index)
{
    rd_kafka_t *rk = w->client;
    const char *name = kafka_topics_name(w->topics, index);
    if (w->is_policy_checked || !is_compacted(w, name))
        return;
    w->is_policy_checked = true;
    lock_give(w->lock);
    struct kafka_answer a = kafka_admin_is_compacted(rk, name, KAFKA_WATCHER_ASK_MS, &w->interrupt);
    lock_take(w->lock);
    if (a.kind == KAFKA_ANSWER_NO)
        log_warn("kafka.checkpoint_topic_forgets", LOG_S("topic", name), LOG_S("reason", a.reason),
                 LOG_S("effect", "set cleanup.policy=compact, or the checkpoint is deleted with "
                                 "time and events may be published again"));
}

/* A person who reads why the topic is missing can make it. */
static void set_missing(struct kafka_watcher *w, uint32_t index, const char *why)
{
    char reason[KAFKA_TOPIC_REASON_MAX];
    bool is_own = is_compacted(w, kafka_topics_name(w->topics, index));
    snprintf(reason, sizeof reason, "%.180s%s", why,
             is_own ? "; it needs 1 partition and cleanup.policy=compact" : "");
    kafka_topics_set_failed(w->topics, index, PUBLISHER_TOPIC_MISSING, reason, now_mono());
}

static void apply(struct kafka_watcher *w, uint32_t index, const struct kafka_answer *a)
{
    const char *unused;
    enum publisher_topic was = kafka_topics_state(w->topics, index, &unused);
    struct mono now = now_mono();
    if (a->kind == KAFKA_ANSWER_UNREACHABLE) {
        note_down(w, a->reason);
        return;
    }
    if (w->other_id[0])
        /* Its topics are not those that the records belong to. */
        kafka_topics_set_failed(w->topics, index, PUBLISHER_TOPIC_PENDING,
                                "another Kafka cluster answers", now);
    else if (a->kind == KAFKA_ANSWER_YES)
        kafka_topics_set_ready(w->topics, index);
    else if (a->kind == KAFKA_ANSWER_SETTLING)
        kafka_topics_set_failed(w->topics, index, PUBLISHER_TOPIC_PENDING, a->reason, now);
    else
        set_missing(w, index, a->reason);
    if (was != kafka_topics_state(w->topics, index, &unused)) {
        wakeup_signal(w->opts.wake);
        if (was == PUBLISHER_TOPIC_READY)
            log_warn("kafka.topic_lost", LOG_S("topic", kafka_topics_name(w->topics, index)),
                     LOG_S("reason", a->reason));
    }
    /* Last: how soon it probes depends on whether a topic is ready. */
    note_up(w, a->cluster_id);
}

static void ask_and_apply(struct kafka_watcher *w, uint32_t index)
{
    struct kafka_answer a = ask(w, index);
    if (a.kind != KAFKA_ANSWER_UNREACHABLE)
        note_cluster_id(w, a.cluster_id);
    if (a.kind == KAFKA_ANSWER_NO && !w->other_id[0] && w->opts.create_topics &&
        !atomic_load(&w->interrupt))
        a = make_and_settle(w, index);
    else if (a.kind == KAFKA_ANSWER_YES)
        check_policy(w, index);
    /* An answer to a client that was retired meanwhile says nothing about the next one. */
    if (!w->client || w->is_stopping)
        return;
    apply(w, index, &a);
}

/* Of one question for all; the client knows no topic that is not in the table. */
static void on_known_topic(void *arg, const char *name, struct kafka_answer *a)
{
    struct kafka_watcher *w = arg;
    struct err unused_error;
    const char *unused;
    uint32_t index;
    lock_take(w->lock);
    note_cluster_id(w, a->cluster_id);
    want_all_leaders(w, a);
    if (w->client && !w->is_stopping &&
        kafka_topics_find(w->topics, name, now_mono(), &index, &unused_error) == ST_OK &&
        kafka_topics_state(w->topics, index, &unused) == PUBLISHER_TOPIC_READY)
        apply(w, index, a);
    lock_give(w->lock);
}

/* What an answer that was asked for without the lock says of the brokers; takes the lock. */
static void hear(struct kafka_watcher *w, const struct kafka_answer *a)
{
    lock_take(w->lock);
    if (!w->client || w->is_stopping)
        return;
    if (a->kind == KAFKA_ANSWER_UNREACHABLE)
        note_down(w, a->reason);
    else
        note_up(w, a->cluster_id);
}

/* Notices soon that a topic has lost a leader, before a record goes there. */
static void probe_all(struct kafka_watcher *w)
{
    rd_kafka_t *rk = w->client;
    lock_give(w->lock);
    struct kafka_answer a = kafka_admin_ask_known(rk, KAFKA_WATCHER_ASK_MS, on_known_topic, w);
    hear(w, &a);
}

/* Asks something in order to see whether a broker answers; a topic that is in use is best. */
static void probe(struct kafka_watcher *w)
{
    struct mono unused;
    uint32_t index = w->probe_topic;
    if (w->opts.needs_all_leaders && kafka_topics_next_ready(w->topics, &index)) {
        probe_all(w);
        return;
    }
    if (kafka_topics_next_ready(w->topics, &index)) {
        w->probe_topic = index;
        ask_and_apply(w, index);
        return;
    }
    if (kafka_topics_due(w->topics, now_mono(), &index, &unused)) {
        ask_and_apply(w, index);
        return;
    }
    rd_kafka_t *rk = w->client;
    lock_give(w->lock);
    struct kafka_answer a = kafka_admin_ping(rk, KAFKA_WATCHER_ASK_MS);
    hear(w, &a);
}

/* ------------------------------------------------------------------------- the client's life */

static enum status make_client(rd_kafka_t **out, const rd_kafka_conf_t *conf, struct err *e)
{
    char text[ERR_TEXT_MAX];
    rd_kafka_conf_t *copy = rd_kafka_conf_dup(conf);
    *out = rd_kafka_new(RD_KAFKA_PRODUCER, copy, text, sizeof text);
    if (*out)
        return ST_OK;
    rd_kafka_conf_destroy(copy);
    return err_set(e, ST_BAD_INPUT, "librdkafka: %s", text);
}

static void bury(struct kafka_watcher *w)
{
    rd_kafka_t *rk = w->retired;
    w->retired = NULL;
    lock_give(w->lock);
    rd_kafka_destroy(rk);
    lock_take(w->lock);
    atomic_store(&w->interrupt, w->is_stopping);
}

static void give_birth(struct kafka_watcher *w)
{
    struct err e;
    rd_kafka_t *rk;
    lock_give(w->lock);
    enum status st = make_client(&rk, w->opts.conf, &e);
    lock_take(w->lock);
    if (st) {
        log_error("kafka.producer_failed", LOG_S("reason", e.text));
        note_down(w, e.text);
        w->birth_at = mono_add_ms(now_mono(), BIRTH_RETRY_MS);
        return;
    }
    w->client = rk;
    w->probe_at = now_mono();
    wakeup_signal(w->opts.wake);
}

/* ---------------------------------------------------------------------------------- the thread */

static struct mono earlier(struct mono a, struct mono b)
{
    return a.ns < b.ns ? a : b;
}

/* One piece of work, or one wait; the lock is held before and after. */
static void step(struct kafka_watcher *w)
{
    struct mono now = now_mono(), next = mono_add_ms(now, IDLE_MS), due = next;
    uint32_t index;
    if (w->is_alarm_set && is_past(w->alarm_at, now)) {
        w->is_alarm_set = false;
        wakeup_signal(w->opts.wake);
    }
    if (w->is_alarm_set)
        next = earlier(next, w->alarm_at);
    if (w->retired) {
        bury(w);
    } else if (!w->client) {
        if (is_past(w->birth_at, now))
            give_birth(w);
        else
            wait_until(w, earlier(next, w->birth_at));
    } else if (w->is_connected && kafka_topics_due(w->topics, now, &index, &due)) {
        ask_and_apply(w, index);
    } else if (is_past(w->probe_at, now)) {
        probe(w);
    } else {
        wait_until(w, earlier(earlier(next, due), w->probe_at));
    }
}

static void run(void *arg)
{
    struct kafka_watcher *w = arg;
    lock_take(w->lock);
    while (!w->is_stopping)
        step(w);
    lock_give(w->lock);
}

enum status kafka_watcher_create(struct kafka_watcher **out, const struct kafka_watcher_opts *opts,
                                 struct err *e)
{
    enum status st;
    struct kafka_watcher *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ST_NO_MEM, "Kafka watcher: out of memory");
    w->opts = *opts;
    w->probe_at = now_mono();
    snprintf(w->ask_reason, sizeof w->ask_reason, "no broker has answered yet");
    st = wakeup_init(&w->changed, e);
    if (st)
        goto out_free;
    w->lock = lock_create();
    w->topics = kafka_topics_create();
    if (!w->topics) {
        st = err_set(e, ST_NO_MEM, "Kafka watcher: out of memory");
        goto out_sync;
    }
    st = make_client(&w->client, opts->conf, e);
    if (st)
        goto out_topics;
    st = thread_start(&w->thread, "kafka-watcher", run, w, e);
    if (st)
        goto out_client;
    *out = w;
    return ST_OK;

out_client:
    rd_kafka_destroy(w->client);
out_topics:
    kafka_topics_destroy(w->topics);
out_sync:
    lock_destroy(w->lock);
    wakeup_fini(&w->changed);
out_free:
    free(w);
    return st;
}

void kafka_watcher_destroy(struct kafka_watcher *w)
{
    if (!w)
        return;
    lock_take(w->lock);
    w->is_stopping = true;
    atomic_store(&w->interrupt, true);
    wakeup_signal(&w->changed);
    lock_give(w->lock);
    thread_join(w->thread);
    if (w->retired)
        rd_kafka_destroy(w->retired);
    if (w->client)
        rd_kafka_destroy(w->client);
    kafka_topics_destroy(w->topics);
    lock_destroy(w->lock);
    wakeup_fini(&w->changed);
    free(w);
}

/* ------------------------------------------------------------------------ for the publisher */

rd_kafka_t *kafka_watcher_client(struct kafka_watcher *w)
{
    lock_take(w->lock);
    rd_kafka_t *rk = w->client;
    lock_give(w->lock);
    return rk;
}

void kafka_watcher_retire(struct kafka_watcher *w, int delay_ms)
{
    lock_take(w->lock);
    CHECK(w->client && !w->retired);
    w->retired = w->client;
    w->client = NULL;
    w->birth_at = mono_add_ms(now_mono(), delay_ms);
    kafka_topics_set_unknown(w->topics, now_mono());
    atomic_store(&w->interrupt, true);
    wakeup_signal(&w->changed);
    lock_give(w->lock);
}

void kafka_watcher_alarm(struct kafka_watcher *w, struct mono when)
{
    lock_take(w->lock);
    w->is_alarm_set = true;
    w->alarm_at = when;
    wakeup_signal(&w->changed);
    lock_give(w->lock);
}

enum publisher_topic kafka_watcher_topic(struct kafka_watcher *w, const char *name, uint32_t *index,
                                         char reason[KAFKA_TOPIC_REASON_MAX])
{
    struct err e;
    const char *why;
    enum publisher_topic state = PUBLISHER_TOPIC_MISSING;
    lock_take(w->lock);
    size_t known = kafka_topics_count(w->topics);
    if (kafka_topics_find(w->topics, name, now_mono(), index, &e)) {
        *index = UINT32_MAX;
        snprintf(reason, KAFKA_TOPIC_REASON_MAX, "%.*s", KAFKA_TOPIC_REASON_MAX - 1, e.text);
    } else {
        state = kafka_topics_state(w->topics, *index, &why);
        if (state == PUBLISHER_TOPIC_PENDING && !w->is_connected)
            why = down_reason(w);
        snprintf(reason, KAFKA_TOPIC_REASON_MAX, "%s", why);
    }
    if (kafka_topics_count(w->topics) != known)
        wakeup_signal(&w->changed);
    lock_give(w->lock);
    return state;
}

void kafka_watcher_hold(struct kafka_watcher *w, uint32_t topic, const char *reason, int hold_ms)
{
    lock_take(w->lock);
    kafka_topics_set_held(w->topics, topic, reason, mono_add_ms(now_mono(), hold_ms));
    wakeup_signal(&w->changed);
    lock_give(w->lock);
}

void kafka_watcher_tell(struct kafka_watcher *w, bool is_down, const char *reason)
{
    lock_take(w->lock);
    if (is_down)
        note_down(w, NULL);
    else
        snprintf(w->client_reason, sizeof w->client_reason, "%s", reason);
    wakeup_signal(&w->changed);
    lock_give(w->lock);
}

const char *kafka_watcher_cluster_id(struct kafka_watcher *w)
{
    lock_take(w->lock);
    const char *id = w->other_id[0] ? w->other_id : w->cluster_id;
    bool is_known = id[0] != '\0';
    lock_give(w->lock);
    return is_known ? id : NULL;
}

void kafka_watcher_state(struct kafka_watcher *w, bool *connected, char *line, size_t size)
{
    lock_take(w->lock);
    *connected = w->is_connected && w->client;
    if (!w->client)
        snprintf(line, size, "making a new producer");
    else if (w->is_connected)
        snprintf(line, size, "connected to cluster %s", w->cluster_id[0] ? w->cluster_id : "-");
    else
        snprintf(line, size, "no broker reachable: %s", down_reason(w));
    lock_give(w->lock);
}
