/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_reader.h"

#include "base/clock.h"
#include "kafka/kafka_conf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many messages are taken from librdkafka at once, and how long one look waits. */
#define BATCH    1000
#define SLICE_MS 100

struct kafka_reader {
    struct kafka_hooks hooks;
    rd_kafka_t *ends;    /* asks, as read_uncommitted */
    rd_kafka_t *records; /* reads */
    int timeout_ms, patience_ms;
    char *cluster_id;
    char *topic;
    rd_kafka_topic_t *rkt; /* of `records` */
    int64_t *end;          /* of each partition */
    int partitions;
    char trouble[256]; /* what librdkafka said last while nothing came */
};

static void on_error(void *arg, rd_kafka_resp_err_t err, const char *reason)
{
    struct kafka_reader *r = arg;
    snprintf(r->trouble, sizeof r->trouble, "%s: %s", rd_kafka_err2name(err), reason);
}

static void error_cb(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct kafka_hooks *hooks = opaque;
    (void)rk;
    hooks->on_error(hooks->arg, (rd_kafka_resp_err_t)err, reason);
}

/* The operator's properties of producers are no mistake here. */
static void log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    if (strcmp(facility, "CONFWARN") != 0)
        kafka_conf_log_cb(rk, level, facility, text);
}

static enum status set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *e)
{
    char text[ERR_TEXT_MAX];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
        return err_set(e, ST_BAD_INPUT, "Kafka property %s: %s", name, text);
    return ST_OK;
}

static enum status set_all(rd_kafka_conf_t *conf, const struct kafka_reader_opts *opts,
                           const char *isolation, struct err *e)
{
    char ahead[16];
    enum status st = set(conf, "client.id", "gladly-relay-audit", e);
    for (size_t i = 0; i < opts->property_count && st == ST_OK; i++) {
        const struct kafka_property *p = &opts->properties[i];
        st = kafka_property_check(p->name, p->value, e);
        if (st == ST_OK)
            st = set(conf, p->name, p->value, e);
    }
    snprintf(ahead, sizeof ahead, "%d", KAFKA_READER_AHEAD_KIB);
    const struct kafka_property own[] = {{"isolation.level", isolation},
                                         {"enable.partition.eof", "true"},
                                         {"enable.auto.commit", "false"},
                                         {"enable.auto.offset.store", "false"},
                                         {"auto.offset.reset", "earliest"},
                                         {"allow.auto.create.topics", "false"},
                                         {"queued.max.messages.kbytes", ahead},
                                         {"queued.min.messages", "10000"},
                                         /* An empty answer tells that a partition's end is
                                          * reached: it must not be late. */
                                         {"fetch.wait.max.ms", "10"}};
    for (size_t i = 0; i < sizeof own / sizeof own[0] && st == ST_OK; i++)
        st = set(conf, own[i].name, own[i].value, e);
    return st;
}

static enum status make_client(struct kafka_reader *r, const struct kafka_reader_opts *opts,
                               const char *isolation, rd_kafka_t **out, struct err *e)
{
    char text[ERR_TEXT_MAX];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum status st = set_all(conf, opts, isolation, e);
    if (st != ST_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    rd_kafka_conf_set_opaque(conf, &r->hooks);
    rd_kafka_conf_set_log_cb(conf, log_cb);
    rd_kafka_conf_set_error_cb(conf, error_cb);
    *out = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (*out)
        return ST_OK;
    rd_kafka_conf_destroy(conf);
    return err_set(e, ST_BAD_INPUT, "Kafka consumer: %s", text);
}

enum status kafka_reader_create(struct kafka_reader **out, const struct kafka_reader_opts *opts,
                                struct err *e)
{
    enum status st;
    struct kafka_reader *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, ST_NO_MEM, "Kafka reader: out of memory");
    r->timeout_ms = opts->timeout_ms;
    r->patience_ms = opts->timeout_ms;
    r->hooks = (struct kafka_hooks){.log = kafka_conf_log_create(), .on_error = on_error, .arg = r};
    st = r->hooks.log ? ST_OK : err_set(e, ST_NO_MEM, "Kafka reader: out of memory");
    if (st == ST_OK)
        st = make_client(r, opts, "read_uncommitted", &r->ends, e);
    if (st == ST_OK)
        st = make_client(r, opts, "read_committed", &r->records, e);
    if (st != ST_OK) {
        kafka_reader_destroy(r);
        return st;
    }
    *out = r;
    return ST_OK;
}

void kafka_reader_set_patience(struct kafka_reader *r, int patience_ms)
{
    r->patience_ms = patience_ms;
}

static void forget_topic(struct kafka_reader *r)
{
    if (r->rkt)
        rd_kafka_topic_destroy(r->rkt);
    r->rkt = NULL;
    free(r->topic);
    r->topic = NULL;
    free(r->end);
    r->end = NULL;
    r->partitions = 0;
}

void kafka_reader_destroy(struct kafka_reader *r)
{
    if (!r)
        return;
    forget_topic(r);
    if (r->records)
        rd_kafka_destroy(r->records);
    if (r->cluster_id)
        rd_kafka_mem_free(r->ends, r->cluster_id);
    if (r->ends)
        rd_kafka_destroy(r->ends);
    kafka_conf_log_destroy(r->hooks.log);
    free(r);
}

/* Lets the client's error callback speak. */
static void hear(rd_kafka_t *rk)
{
    rd_kafka_poll(rk, 0);
}

static enum status failure(struct kafka_reader *r, const char *what, rd_kafka_resp_err_t err,
                           struct err *e)
{
    enum status st = ST_AGAIN;
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        st = ST_NOT_FOUND;
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        st = ST_DENIED;
        break;
    default:
        break;
    }
    hear(r->ends);
    hear(r->records);
    return err_set_detail(e, st, (int)err, "%s: %s%s%s", what, rd_kafka_err2str(err),
                          r->trouble[0] ? "; " : "", r->trouble);
}

enum status kafka_reader_cluster(struct kafka_reader *r, const char **id, struct err *e)
{
    if (!r->cluster_id)
        r->cluster_id = rd_kafka_clusterid(r->ends, r->timeout_ms);
    if (!r->cluster_id)
        return failure(r, "Kafka", RD_KAFKA_RESP_ERR__TIMED_OUT, e);
    *id = r->cluster_id;
    return ST_OK;
}

/* How many partitions the topic has. */
static enum status count_partitions(struct kafka_reader *r, const char *topic, int *count,
                                    struct err *e)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(r->ends, topic, NULL);
    rd_kafka_resp_err_t err;
    enum status st = ST_OK;
    if (!rkt)
        return failure(r, topic, rd_kafka_last_error(), e);
    err = rd_kafka_metadata(r->ends, 0, rkt, &md, r->timeout_ms);
    rd_kafka_topic_destroy(rkt);
    if (!err && md->topic_cnt != 1)
        err = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (!err)
        err = md->topics[0].err;
    if (err)
        st = failure(r, topic, err, e);
    else
        *count = md->topics[0].partition_cnt;
    if (md)
        rd_kafka_metadata_destroy(md);
    return st;
}

static enum status ask_span(struct kafka_reader *r, int partition, int64_t *low, int64_t *end,
                            struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(clock_system()), r->timeout_ms);
    rd_kafka_resp_err_t err;
    do {
        int left = mono_until_ms(clock_mono(clock_system()), until, r->timeout_ms);
        err = rd_kafka_query_watermark_offsets(r->ends, r->topic, partition, low, end, left);
        /* While a leader is being elected the question may be asked again. */
    } while ((err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
              err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) &&
             mono_diff_ns(until, clock_mono(clock_system())) > 0);
    return err ? failure(r, r->topic, err, e) : ST_OK;
}

enum status kafka_reader_open(struct kafka_reader *r, const char *topic, int *partitions,
                              struct err *e)
{
    int64_t low;
    enum status st;
    int count = 0;
    forget_topic(r);
    r->trouble[0] = 0;
    st = count_partitions(r, topic, &count, e);
    if (st != ST_OK)
        return st;
    r->topic = strdup(topic);
    r->end = calloc((size_t)count + 1, sizeof *r->end);
    r->rkt = rd_kafka_topic_new(r->records, topic, NULL);
    if (!r->topic || !r->end || !r->rkt)
        return err_set(e, ST_NO_MEM, "Kafka reader: out of memory");
    r->partitions = count;
    for (int p = 0; p < count && st == ST_OK; p++)
        st = ask_span(r, p, &low, &r->end[p], e);
    *partitions = count;
    return st;
}

enum status kafka_reader_span(struct kafka_reader *r, int partition, int64_t *low, int64_t *end,
                              struct err *e)
{
    int64_t now;
    CHECK(partition >= 0 && partition < r->partitions);
    *end = r->end[partition];
    return ask_span(r, partition, low, &now, e);
}

enum status kafka_reader_find(struct kafka_reader *r, int partition, struct wall t, int64_t *offset,
                              struct err *e)
{
    rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(asked, r->topic, partition);
    rd_kafka_resp_err_t err;
    CHECK(partition >= 0 && partition < r->partitions);
    one->offset = t.us > 0 ? t.us / 1000 : 0;
    err = rd_kafka_offsets_for_times(r->ends, asked, r->timeout_ms);
    if (!err)
        err = one->err;
    /* RD_KAFKA_OFFSET_END: no record is so young. */
    *offset = one->offset >= 0 && one->offset < r->end[partition] ? one->offset : r->end[partition];
    rd_kafka_topic_partition_list_destroy(asked);
    return err ? failure(r, r->topic, err, e) : ST_OK;
}

/* ---- reading ---- */

struct reading {
    struct kafka_reader *r;
    kafka_reader_fn *fn;
    void *arg;
    int64_t end;
    int64_t next;        /* offset that comes next */
    struct mono give_up; /* unless something comes */
    bool done;
};

static size_t take_headers(const rd_kafka_message_t *msg, struct publisher_header *out)
{
    rd_kafka_headers_t *headers;
    size_t n = 0;
    if (rd_kafka_message_headers(msg, &headers))
        return 0;
    while (n < KAFKA_READER_HEADERS_MAX) {
        const void *value;
        if (rd_kafka_header_get_all(headers, n, &out[n].name, &value, &out[n].value.len))
            break;
        out[n++].value.ptr = value;
    }
    return n;
}

static void tell(struct reading *g, const rd_kafka_message_t *msg)
{
    struct publisher_header headers[KAFKA_READER_HEADERS_MAX];
    struct kafka_reader_record record = {.partition = msg->partition,
                                         .offset = msg->offset,
                                         .key = {msg->key, msg->key_len},
                                         .value = {msg->payload, msg->len},
                                         .headers = headers,
                                         .header_count = take_headers(msg, headers)};
    if (!g->fn(g->arg, &record))
        g->done = true;
}

/* One message or event of the partition. */
static enum status take(struct reading *g, const rd_kafka_message_t *msg, struct err *e)
{
    bool is_end = msg->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (msg->err && !is_end) {
        enum status st = failure(g->r, g->r->topic, msg->err, e);
        snprintf(g->r->trouble, sizeof g->r->trouble, "%s", rd_kafka_message_errstr(msg));
        /* What may pass is left to the deadline. */
        return st == ST_AGAIN ? ST_OK : st;
    }
    if (msg->offset > g->next || (!is_end && msg->offset == g->next))
        g->give_up = mono_add_ms(clock_mono(clock_system()), g->r->patience_ms);
    if (msg->offset >= g->end)
        g->done = true;
    else if (!is_end && msg->offset >= g->next)
        tell(g, msg);
    if (msg->offset >= g->next)
        g->next = is_end ? msg->offset : msg->offset + 1;
    if (g->next >= g->end)
        g->done = true;
    return ST_OK;
}

static enum status take_batch(struct reading *g, int partition, struct err *e)
{
    rd_kafka_message_t *batch[BATCH];
    enum status st = ST_OK;
    ssize_t n = 0, more = 0;
    /* rd_kafka_consume_batch() waits until the batch is full, so the waiting is done for one. */
    batch[0] = rd_kafka_consume(g->r->rkt, partition, SLICE_MS);
    if (batch[0]) {
        n = 1;
        more = rd_kafka_consume_batch(g->r->rkt, partition, 0, batch + 1, BATCH - 1);
    }
    n += more > 0 ? more : 0;
    for (ssize_t i = 0; i < n; i++) {
        if (st == ST_OK && !g->done)
            st = take(g, batch[i], e);
        rd_kafka_message_destroy(batch[i]);
    }
    hear(g->r->records);
    if (st == ST_OK && !g->done && mono_diff_ns(clock_mono(clock_system()), g->give_up) > 0)
        st = err_set(e, ST_AGAIN,
                     "%s: partition %d gives nothing from offset %" PRId64 " of %" PRId64
                     " on: no broker answers, or a transaction is open there%s%s",
                     g->r->topic, partition, g->next, g->end, g->r->trouble[0] ? "; " : "",
                     g->r->trouble);
    return st;
}

enum status kafka_reader_read(struct kafka_reader *r, int partition, int64_t from,
                              kafka_reader_fn *fn, void *arg, struct err *e)
{
    struct reading g = {.r = r, .fn = fn, .arg = arg, .next = from};
    enum status st = ST_OK;
    CHECK(partition >= 0 && partition < r->partitions);
    g.end = r->end[partition];
    if (from >= g.end)
        return ST_OK;
    g.give_up = mono_add_ms(clock_mono(clock_system()), r->patience_ms);
    if (rd_kafka_consume_start(r->rkt, partition, from) != 0)
        return failure(r, r->topic, rd_kafka_last_error(), e);
    while (st == ST_OK && !g.done)
        st = take_batch(&g, partition, e);
    rd_kafka_consume_stop(r->rkt, partition);
    return st;
}

enum status kafka_reader_keeping(struct kafka_reader *r, const char *topic,
                                 struct kafka_keeping *out, struct err *e)
{
    enum status st = kafka_keeping_ask(r->ends, topic, r->timeout_ms, out, e);
    hear(r->ends);
    return st;
}

int kafka_reader_place(struct kafka_reader *r, struct slice key)
{
    return (int)rd_kafka_msg_partitioner_murmur2(r->rkt, key.ptr, key.len, r->partitions, NULL,
                                                 NULL);
}
