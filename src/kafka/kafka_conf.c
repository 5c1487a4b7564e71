/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_conf.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* librdkafka knows about 50 facilities; the rarest share the last place. */
#define FACILITIES_MAX 32
#define FACILITY_MAX   24

#define LOG_WINDOW_MS 10000

/* Numbers of syslog(3), as librdkafka passes them. */
#define SEVERITY_CRITICAL 2
#define SEVERITY_WARNING  4
#define SEVERITY_INFO     6

struct facility {
    char name[FACILITY_MAX];
    struct mono window; /* when its last line was written */
    int64_t left_out;
};

struct kafka_log {
    struct lock *lock; /* of all below */
    struct facility facilities[FACILITIES_MAX];
    size_t count;
};

struct kafka_log *kafka_conf_log_create(void)
{
    struct kafka_log *log = calloc(1, sizeof *log);
    if (log)
        log->lock = lock_create();
    return log;
}

void kafka_conf_log_destroy(struct kafka_log *log)
{
    if (!log)
        return;
    lock_destroy(log->lock);
    free(log);
}

/* Whether a line of the facility may be written now; *left_out is how many were not before it. */
static bool pass(struct kafka_log *log, const char *name, int64_t *left_out)
{
    struct mono now = clock_mono(clock_system());
    struct facility *f = NULL;
    bool may = true;
    *left_out = 0;
    lock_take(log->lock);
    for (size_t i = 0; i < log->count && !f; i++)
        if (strncmp(log->facilities[i].name, name, FACILITY_MAX - 1) == 0)
            f = &log->facilities[i];
    if (!f) {
        if (log->count < FACILITIES_MAX)
            log->count++;
        f = &log->facilities[log->count - 1];
        *f = (struct facility){.left_out = 0};
        snprintf(f->name, sizeof f->name, "%s", name);
        f->window = now;
    } else if (mono_diff_ns(now, f->window) < (int64_t)LOG_WINDOW_MS * 1000000) {
        f->left_out++;
        may = false;
    } else {
        *left_out = f->left_out;
        f->left_out = 0;
        f->window = now;
    }
    lock_give(log->lock);
    return may;
}

/*
 * Lines that only repeat what the relay does on purpose: it ends a producer that still holds
 * records (the journal has them), it sets an experimental property, and it logs a fatal error or a
 * failed transaction when it makes the producer anew.
 */
static bool is_expected(const char *facility, const char *text)
{
    return strcmp(facility, "TERMINATE") == 0 || strcmp(facility, "FATAL") == 0 ||
           strcmp(facility, "TXNERR") == 0 ||
           (strcmp(facility, "CONFWARN") == 0 && strstr(text, "enable.gapless.guarantee"));
}

void kafka_conf_log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct kafka_hooks *hooks = rk ? rd_kafka_opaque(rk) : NULL;
    enum log_level own = LOG_DEBUG;
    int64_t left_out = 0;
    if (level <= SEVERITY_CRITICAL)
        own = LOG_ERROR;
    else if (level <= SEVERITY_WARNING)
        own = LOG_WARN;
    else if (level <= SEVERITY_INFO)
        own = LOG_INFO;
    if (!log_is_enabled(own) || is_expected(facility, text))
        return;
    if (own != LOG_DEBUG && hooks && !pass(hooks->log, facility, &left_out))
        return;
    log_write(own, "kafka.librdkafka", LOG_S("facility", facility), LOG_S("text", text),
              LOG_I("left_out", left_out), LOG_END);
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
    const struct kafka_hooks *hooks = opaque;
    (void)rk;
    hooks->on_report(hooks->arg, msg);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    const struct kafka_hooks *hooks = opaque;
    (void)rk;
    hooks->on_error(hooks->arg, (rd_kafka_resp_err_t)err, reason);
}

/*
 * The relay's values. Those of promise and order cannot be changed by an operator
 * (kafka_property.c); the others are starting points.
 */
static const struct kafka_property defaults[] = {
    {"client.id", "gladly-relay"},
    {"enable.idempotence", "true"},
    {"acks", "all"},
    /* One request at a time: librdkafka takes a batch that a broker refused ("not leader", as while
     * a topic is born) for stored when a later one of its partition succeeds, and a broker that has
     * nothing of this producer in the partition takes the later one
     * (github.com/confluentinc/confluent-kafka-go/issues/921). */
    {"max.in.flight", "1"},
    {"message.timeout.ms", "0"},
    /* A refused batch stops the producer (ERR__GAPLESS_GUARANTEE) instead of letting later records
     * of the same partition pass it: rdkafka_request.c, rd_kafka_handle_Produce_error. */
    {"enable.gapless.guarantee", "true"},
    /* Asking about a misspelt topic must not make it. */
    {"allow.auto.create.topics", "false"},
    {"queue.buffering.max.messages", "50000"},
    {"queue.buffering.max.kbytes", "65536"},
    {"linger.ms", "2"},
    {"compression.type", "lz4"},
    /* As the Java client places keys. */
    {"partitioner", "murmur2_random"},
    {"socket.nagle.disable", "true"},
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "500"},
    {"topic.metadata.refresh.interval.ms", "60000"},
};

static enum status set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *e)
{
    char text[ERR_TEXT_MAX];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
        return err_set(e, ST_BAD_INPUT, "Kafka property %s: %s", name, text);
    return ST_OK;
}

/*
 * In transactions, several requests at a time: a transaction is a request for each partition, and
 * its time is theirs. A batch that was refused and yet taken for stored shows by its missing
 * offset, and then the transaction is not committed (kafka_txn_publisher.h).
 */
static const struct kafka_property at_a_time = {"max.in.flight", "5"};

static enum status set_all(rd_kafka_conf_t *conf, const struct kafka_conf_opts *opts, struct err *e)
{
    enum status st;
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        st = set(conf, defaults[i].name, defaults[i].value, e);
        if (st)
            return st;
    }
    if (opts->transactional_id) {
        st = set(conf, at_a_time.name, at_a_time.value, e);
        if (st)
            return st;
    }
    for (size_t i = 0; i < opts->property_count; i++) {
        const struct kafka_property *p = &opts->properties[i];
        st = kafka_property_check(p->name, p->value, e);
        if (!st)
            st = set(conf, p->name, p->value, e);
        if (st)
            return st;
    }
    return ST_OK;
}

/*
 * What transactions change. A record gives up in time to fail its transaction before the broker
 * does; a failed transaction leaves nothing, so no gap needs a guarantee.
 */
static enum status set_transactional(rd_kafka_conf_t *conf, const struct kafka_conf_opts *opts,
                                     struct err *e)
{
    char timeout[NUM_I64_MAX], delivery[NUM_I64_MAX];
    if (!opts->transactional_id)
        return ST_OK;
    num_format_i64(opts->transaction_timeout_ms, timeout);
    num_format_i64(opts->transaction_timeout_ms / 3, delivery);
    const struct kafka_property own[] = {{"transactional.id", opts->transactional_id},
                                         {"transaction.timeout.ms", timeout},
                                         {"message.timeout.ms", delivery},
                                         {"enable.gapless.guarantee", "false"}};
    enum status st = ST_OK;
    for (size_t i = 0; i < sizeof own / sizeof own[0] && !st; i++)
        st = set(conf, own[i].name, own[i].value, e);
    return st;
}

enum status kafka_conf_create(rd_kafka_conf_t **out, size_t *max_records,
                              const struct kafka_conf_opts *opts, struct err *e)
{
    char text[256];
    size_t size = sizeof text;
    uint64_t records = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum status st = set_all(conf, opts, e);
    if (!st)
        st = set_transactional(conf, opts, e);
    if (st)
        goto out_conf;
    if (rd_kafka_conf_get(conf, "bootstrap.servers", NULL, &size) != RD_KAFKA_CONF_OK ||
        size <= 1) {
        st = err_set(e, ST_BAD_INPUT, "Kafka property bootstrap.servers is missing");
        goto out_conf;
    }
    size = sizeof text;
    if (rd_kafka_conf_get(conf, "queue.buffering.max.messages", text, &size) == RD_KAFKA_CONF_OK)
        st = num_parse_u64(slice_of(text), 1, SIZE_MAX, &records, e);
    if (st)
        goto out_conf;
    *max_records = (size_t)records;
    rd_kafka_conf_set_opaque(conf, opts->hooks);
    rd_kafka_conf_set_log_cb(conf, kafka_conf_log_cb);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    *out = conf;
    return ST_OK;

out_conf:
    rd_kafka_conf_destroy(conf);
    return st;
}
