/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_publisher.h"

#include "base/log.h"
#include "base/thread.h"
#include "base/wakeup.h"
#include "kafka/kafka_client.h"
#include "kafka/kafka_conf.h"
#include "kafka/kafka_inflight.h"
#include "kafka/kafka_send.h"
#include "kafka/kafka_verdict.h"
#include "kafka/kafka_watcher.h"

#include <librdkafka/rdkafka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* How long a broken producer waits for answers to what it sent. */
#define DRAIN_MS 2000

#define RESTART_FIRST_MS 100
#define RESTART_MAX_MS   5000

/* After a denial the topic rests: each try of it restarts the producer of all lanes. */
#define DENIED_FIRST_MS 5000
#define DENIED_MAX_MS   60000

/* The longest silence of a flush; its waits end earlier by the descriptor. */
#define FLUSH_STEP_MS 100

enum phase {
    PHASE_RUNNING,
    PHASE_DRAINING, /* the producer is broken; answers to what it sent may still come */
    PHASE_WAITING,  /* there is no producer */
};

/* What a topic's last answers mean for its next record. */
struct gate {
    uint32_t alone;   /* so many records still go one by one */
    uint32_t denials; /* in a row */
};

struct kafka_publisher {
    struct publisher base;
    struct thread_owner owner;
    struct kafka_log *log;
    struct kafka_hooks hooks;
    rd_kafka_conf_t *conf;
    struct wakeup wake;
    struct kafka_inflight *inflight;
    struct kafka_watcher *watcher;
    rd_kafka_t *client; /* the watcher's; NULL while PHASE_WAITING */
    enum phase phase;
    bool is_broken;      /* a record was refused or the producer is in its fatal state */
    bool has_progressed; /* since the producer was made */
    unsigned setbacks;   /* producers in a row that delivered nothing */
    uint64_t restarts;
    struct mono drain_until;
    char why_broken[256];
    struct gate gates[KAFKA_TOPICS_MAX];
    char topic_reason[KAFKA_TOPIC_REASON_MAX];
    char state_line[KAFKA_TOPIC_REASON_MAX + 64];

    /* While poll runs. */
    void (*on_report)(void *arg, const struct publisher_report *report);
    void *report_arg;
    size_t reported;
};

static struct kafka_publisher *own(struct publisher *p)
{
    struct kafka_publisher *kp = (struct kafka_publisher *)p;
    thread_owner_check(&kp->owner);
    return kp;
}

/* ------------------------------------------------------------------------------------ reports */

static void report(struct kafka_publisher *kp, const struct publisher_report *r)
{
    kp->reported++;
    kp->on_report(kp->report_arg, r);
}

static void mark_broken(struct kafka_publisher *kp, const char *why)
{
    if (kp->is_broken)
        return;
    kp->is_broken = true;
    snprintf(kp->why_broken, sizeof kp->why_broken, "%s", why);
}

static int doubled_ms(int first_ms, unsigned times, int max_ms)
{
    int64_t ms = times < 16 ? (int64_t)first_ms << times : max_ms;
    return ms < max_ms ? (int)ms : max_ms;
}

/* A record of a refused batch: guilty when it was alone, else to be asked again alone. */
static enum publisher_outcome judge_refused(struct kafka_publisher *kp,
                                            const struct kafka_record *rec)
{
    if (rec->is_alone)
        return PUBLISHER_REJECTED;
    kp->gates[rec->topic].alone++;
    return PUBLISHER_RETRY;
}

static enum publisher_outcome judge_denied(struct kafka_publisher *kp,
                                           const struct kafka_record *rec, const char *reason)
{
    struct gate *g = &kp->gates[rec->topic];
    /* The records of one batch are one denial. */
    if (g->alone == 0 || rec->is_alone) {
        kafka_watcher_hold(kp->watcher, rec->topic, reason,
                           doubled_ms(DENIED_FIRST_MS, g->denials, DENIED_MAX_MS));
        g->denials++;
    }
    if (!g->alone)
        g->alone = 1;
    return PUBLISHER_DENIED;
}

/* Translates what librdkafka says of a record and keeps what it means for the ones to come. */
static enum publisher_outcome judge(struct kafka_publisher *kp, const struct kafka_record *rec,
                                    rd_kafka_resp_err_t err)
{
    struct gate *g = &kp->gates[rec->topic];
    const char *reason = rd_kafka_err2str(err);
    enum publisher_outcome outcome = PUBLISHER_RETRY;
    switch (kafka_verdict_of(err)) {
    case KAFKA_VERDICT_DELIVERED:
        outcome = PUBLISHER_DELIVERED;
        g->denials = 0;
        break;
    case KAFKA_VERDICT_BATCH:
        outcome = judge_refused(kp, rec);
        break;
    case KAFKA_VERDICT_DENIED:
        outcome = judge_denied(kp, rec, reason);
        break;
    case KAFKA_VERDICT_NO_TOPIC:
        kafka_watcher_hold(kp->watcher, rec->topic, reason, 0);
        break;
    case KAFKA_VERDICT_AGAIN:
        break;
    }
    if (outcome == PUBLISHER_DELIVERED || outcome == PUBLISHER_REJECTED) {
        kp->has_progressed = true;
        if (rec->is_alone && g->alone)
            g->alone--;
    }
    return outcome;
}

/*
 * Whether Kafka certainly does not have the record. librdkafka keeps "possibly persisted" over all
 * attempts; an answer of a broker that is not about the record ("unknown server error") is no
 * proof.
 */
static bool is_absent(const rd_kafka_message_t *msg)
{
    bool is_local = msg->err <= RD_KAFKA_RESP_ERR__END;
    return msg->err && rd_kafka_message_status(msg) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED &&
           (is_local || kafka_verdict_of(msg->err) != KAFKA_VERDICT_AGAIN);
}

/* Runs inside rd_kafka_poll(). */
static void on_message(void *arg, const rd_kafka_message_t *msg)
{
    struct kafka_publisher *kp = arg;
    struct kafka_record rec = kafka_inflight_take(kp->inflight, (uint32_t)(uintptr_t)msg->_private);
    struct publisher_report r = {
        .tag = rec.tag,
        .outcome = judge(kp, &rec, msg->err),
        .partition = msg->partition,
        .offset = msg->err || msg->offset < 0 ? -1 : msg->offset,
        .surely_absent = is_absent(msg),
        .reason = msg->err ? rd_kafka_err2str(msg->err) : NULL,
    };
    if (msg->err)
        mark_broken(kp, r.reason);
    report(kp, &r);
}

/* Runs inside rd_kafka_poll(). */
static void on_error(void *arg, rd_kafka_resp_err_t err, const char *reason)
{
    struct kafka_publisher *kp = arg;
    if (err != RD_KAFKA_RESP_ERR__FATAL)
        kafka_watcher_tell(kp->watcher, err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, reason);
}

/* ------------------------------------------------------------------- the producer's end and birth
 */

static void serve(struct kafka_publisher *kp)
{
    if (kp->client)
        kafka_client_serve(kp->client, &kp->wake);
}

static void begin_drain(struct kafka_publisher *kp)
{
    char text[256];
    if (rd_kafka_fatal_error(kp->client, text, sizeof text))
        snprintf(kp->why_broken, sizeof kp->why_broken, "%s", text);
    /* A broken producer sends nothing more, so what it has not sent can go at once. */
    rd_kafka_purge(kp->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
    kp->phase = PHASE_DRAINING;
    kp->drain_until = mono_add_ms(clock_mono(clock_system()), DRAIN_MS);
    kafka_watcher_alarm(kp->watcher, kp->drain_until);
}

static void end_drain(struct kafka_publisher *kp)
{
    int delay_ms = 0;
    uint32_t slot;
    if (kp->has_progressed)
        kp->setbacks = 0;
    if (kp->setbacks)
        delay_ms = doubled_ms(RESTART_FIRST_MS, kp->setbacks - 1, RESTART_MAX_MS);
    kp->setbacks++;
    kp->restarts++;
    log_warn("kafka.producer_restart", LOG_S("reason", kp->why_broken),
             LOG_I("records_again", kafka_inflight_count(kp->inflight)),
             LOG_I("delay_ms", delay_ms));
    kafka_client_watch(kp->client, -1);
    kp->client = NULL;
    kp->phase = PHASE_WAITING;
    kafka_watcher_retire(kp->watcher, delay_ms);
    while (kafka_inflight_first(kp->inflight, &slot)) {
        struct kafka_record rec = kafka_inflight_take(kp->inflight, slot);
        struct publisher_report r = {.tag = rec.tag,
                                     .outcome = PUBLISHER_RETRY,
                                     .partition = -1,
                                     .offset = -1,
                                     .reason = kp->why_broken};
        report(kp, &r);
    }
}

static void attach(struct kafka_publisher *kp)
{
    kp->client = kafka_watcher_client(kp->watcher);
    if (!kp->client)
        return;
    kp->phase = PHASE_RUNNING;
    kp->is_broken = false;
    kp->has_progressed = false;
    kafka_client_watch(kp->client, kp->wake.fd);
    /* What came before is not signalled. */
    serve(kp);
}

static void advance(struct kafka_publisher *kp)
{
    if (kp->phase == PHASE_RUNNING &&
        (kp->is_broken || rd_kafka_fatal_error(kp->client, NULL, 0))) {
        begin_drain(kp);
        serve(kp);
    }
    if (kp->phase == PHASE_DRAINING &&
        (kafka_inflight_count(kp->inflight) == 0 ||
         mono_diff_ns(clock_mono(clock_system()), kp->drain_until) >= 0))
        end_drain(kp);
    if (kp->phase == PHASE_WAITING)
        attach(kp);
}

/* --------------------------------------------------------------------------------- operations */

static enum publisher_topic op_topic(struct publisher *p, const char *topic, const char **reason)
{
    struct kafka_publisher *kp = own(p);
    uint32_t unused;
    *reason = kp->topic_reason;
    return kafka_watcher_topic(kp->watcher, topic, &unused, kp->topic_reason);
}

/* What librdkafka's refusal of a record means for its topic. */
static void note_refusal(struct kafka_publisher *kp, const struct kafka_record *rec,
                         rd_kafka_resp_err_t err)
{
    enum kafka_verdict v = kafka_verdict_of(err);
    if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return;
    if (v == KAFKA_VERDICT_NO_TOPIC || v == KAFKA_VERDICT_DENIED)
        kafka_watcher_hold(kp->watcher, rec->topic, rd_kafka_err2str(err), 0);
}

static enum status hand_over(struct kafka_publisher *kp, const struct publisher_record *rec,
                             const struct kafka_record *kept, struct err *e)
{
    rd_kafka_resp_err_t why;
    uint32_t slot = kafka_inflight_add(kp->inflight, kept);
    enum status st = kafka_send(kp->client, rec, (void *)(uintptr_t)slot, &why, e);
    if (st) {
        kafka_inflight_take(kp->inflight, slot);
        note_refusal(kp, kept, why);
    }
    return st;
}

static enum status op_produce(struct publisher *p, const struct publisher_record *rec,
                              struct err *e)
{
    struct kafka_publisher *kp = own(p);
    struct kafka_record kept = {.tag = rec->tag};
    if (kp->phase != PHASE_RUNNING || kp->is_broken)
        return err_set(e, ST_AGAIN, "the producer is being made anew");
    if (kafka_inflight_is_full(kp->inflight))
        return err_set(e, ST_FULL, "the queue of records in flight is full");
    if (kafka_watcher_topic(kp->watcher, rec->topic, &kept.topic, kp->topic_reason) !=
        PUBLISHER_TOPIC_READY)
        return err_set(e, ST_AGAIN, "topic %s is not ready: %s", rec->topic, kp->topic_reason);
    kept.is_alone = kafka_inflight_count_of(kp->inflight, kept.topic) == 0;
    if (kp->gates[kept.topic].alone && !kept.is_alone)
        return err_set(e, ST_AGAIN, "topic %s goes record by record after a refusal", rec->topic);
    /* Only a record that no later one joins is alone in its batch. */
    kept.is_alone = kp->gates[kept.topic].alone > 0;
    return hand_over(kp, rec, &kept, e);
}

static size_t op_poll(struct publisher *p,
                      void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    struct kafka_publisher *kp = own(p);
    kp->on_report = on_report;
    kp->report_arg = arg;
    kp->reported = 0;
    /* Before the queue: what comes after it has been emptied signals again. */
    wakeup_clear(&kp->wake);
    serve(kp);
    advance(kp);
    kp->on_report = NULL;
    return kp->reported;
}

static void op_flush(struct publisher *p, int timeout_ms,
                     void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    struct kafka_publisher *kp = own(p);
    struct mono until = mono_add_ms(clock_mono(clock_system()), timeout_ms);
    op_poll(p, on_report, arg);
    while (kafka_inflight_count(kp->inflight) > 0) {
        int wait_ms = mono_until_ms(clock_mono(clock_system()), until, FLUSH_STEP_MS);
        struct pollfd pfd = {.fd = kp->wake.fd, .events = POLLIN};
        if (wait_ms == 0)
            break;
        poll(&pfd, 1, wait_ms);
        op_poll(p, on_report, arg);
    }
}

static void op_abandon(struct publisher *p)
{
    struct kafka_publisher *kp = own(p);
    if (kp->phase != PHASE_RUNNING)
        return;
    mark_broken(kp, "records were recalled");
    wakeup_signal(&kp->wake);
}

static int op_wait_fd(struct publisher *p)
{
    return own(p)->wake.fd;
}

static const char *op_cluster_id(struct publisher *p)
{
    return kafka_watcher_cluster_id(own(p)->watcher);
}

static const char *op_state(struct publisher *p, bool *connected)
{
    struct kafka_publisher *kp = own(p);
    kafka_watcher_state(kp->watcher, connected, kp->state_line, sizeof kp->state_line);
    /* Brokers answer, and yet nothing is published: then this is what a person wants to know. */
    if (*connected && kp->setbacks > 1 && !kp->has_progressed)
        snprintf(kp->state_line, sizeof kp->state_line, "the producer fails: %s", kp->why_broken);
    return kp->state_line;
}

static void op_destroy(struct publisher *p)
{
    struct kafka_publisher *kp = (struct kafka_publisher *)p;
    if (!kp)
        return;
    if (kp->client) {
        kafka_client_watch(kp->client, -1);
        rd_kafka_purge(kp->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                       RD_KAFKA_PURGE_F_NON_BLOCKING);
    }
    kafka_watcher_destroy(kp->watcher);
    kafka_inflight_destroy(kp->inflight);
    rd_kafka_conf_destroy(kp->conf);
    kafka_conf_log_destroy(kp->log);
    wakeup_fini(&kp->wake);
    free(kp);
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

static enum status check_opts(const struct kafka_publisher_opts *opts, struct err *e)
{
    if (opts->partitions != -1 && opts->partitions < 1)
        return err_set(e, ST_BAD_INPUT, "partitions must be -1 or at least 1");
    if (opts->replication_factor != -1 && opts->replication_factor < 1)
        return err_set(e, ST_BAD_INPUT, "replication_factor must be -1 or at least 1");
    return ST_OK;
}

enum status kafka_publisher_create(struct publisher **out, const struct kafka_publisher_opts *opts,
                                   struct err *e)
{
    size_t max_records;
    enum status st = check_opts(opts, e);
    if (st)
        return st;
    struct kafka_publisher *kp = calloc(1, sizeof *kp);
    if (!kp)
        return err_set(e, ST_NO_MEM, "Kafka publisher: out of memory");
    kp->base.ops = &ops;
    kp->phase = PHASE_WAITING;
    kp->log = kafka_conf_log_create();
    kp->hooks = (struct kafka_hooks){kp->log, on_message, on_error, kp};
    if (!kp->log) {
        st = err_set(e, ST_NO_MEM, "Kafka publisher: out of memory");
        goto out_free;
    }
    const struct kafka_conf_opts conf_opts = {.properties = opts->properties,
                                              .property_count = opts->property_count,
                                              .hooks = &kp->hooks};
    st = kafka_conf_create(&kp->conf, &max_records, &conf_opts, e);
    if (st)
        goto out_log;
    st = wakeup_init(&kp->wake, e);
    if (st)
        goto out_conf;
    kp->inflight = kafka_inflight_create(max_records, KAFKA_TOPICS_MAX);
    if (!kp->inflight) {
        st = err_set(e, ST_NO_MEM, "Kafka publisher: out of memory");
        goto out_wake;
    }
    const struct kafka_watcher_opts watcher_opts = {.conf = kp->conf,
                                                    .create_topics = opts->create_topics,
                                                    .partitions = opts->partitions,
                                                    .replication_factor = opts->replication_factor,
                                                    .wake = &kp->wake};
    st = kafka_watcher_create(&kp->watcher, &watcher_opts, e);
    if (st)
        goto out_inflight;
    attach(kp);
    *out = &kp->base;
    return ST_OK;

out_inflight:
    kafka_inflight_destroy(kp->inflight);
out_wake:
    wakeup_fini(&kp->wake);
out_conf:
    rd_kafka_conf_destroy(kp->conf);
out_log:
    kafka_conf_log_destroy(kp->log);
out_free:
    free(kp);
    return st;
}

uint64_t kafka_publisher_restarts(const struct publisher *p)
{
    return ((const struct kafka_publisher *)p)->restarts;
}
