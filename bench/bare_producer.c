/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A producer with nothing around it: what Kafka alone costs. It reads records that stand in Kafka
 * already (those that a relay published) into memory, and then sends the same keys, values and
 * headers to other topics, whose names have a prefix more. The clock runs from the first record
 * handed over to the last delivery report, or commit.
 *
 *   bare_producer --topics A,B --count N --prefix P --set NAME=VALUE...
 *                 [--transaction-rows N] [--rate R --sent-log FILE]
 *
 * --transaction-rows N: transactions of N records; needs --set transactional.id=....
 * --rate R: record i is due at start + i / R; --sent-log gets "<ce_id> <unix microseconds>" of when
 * it was due. A transaction then ends, too, when no record is due: those that come while it is
 * committed are the next. With --transaction-rows 1 each is a transaction of its own.
 *
 * Prints JSON: records, seconds, records_per_s, cpu_us_per_record (of this process, while the clock
 * ran), commit_p50_us (transactions).
 */

#include "fail.h"
#include "histogram.h"
#include "instant.h"
#include "topic_set.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define READ_IDLE_MS 20000
#define COMMIT_MS    60000
#define FLUSH_MS     120000
#define FULL_MS      5

struct options {
    const char *topics;
    const char *prefix;
    const char *sent_log;
    size_t count;
    size_t transaction_rows;
    double rate;
    struct topic_set_settings settings;
};

struct record {
    rd_kafka_message_t *message;
    char topic[256];
};

struct run {
    struct options o;
    struct record *records;
    size_t count;
    rd_kafka_t *client;
    FILE *log;
    struct histogram *commits;
    size_t open; /* records in the transaction */
    size_t delivered;
    size_t failed;
};

static bool read_options(struct options *o, int argc, char *const *argv, struct fail *f)
{
    static const struct option names[] = {{"topics", required_argument, NULL, 't'},
                                          {"count", required_argument, NULL, 'c'},
                                          {"prefix", required_argument, NULL, 'p'},
                                          {"transaction-rows", required_argument, NULL, 'x'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"sent-log", required_argument, NULL, 'l'},
                                          {"set", required_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 't')
            o->topics = optarg;
        else if (c == 'c')
            o->count = strtoul(optarg, NULL, 10);
        else if (c == 'p')
            o->prefix = optarg;
        else if (c == 'x')
            o->transaction_rows = strtoul(optarg, NULL, 10);
        else if (c == 'r')
            o->rate = strtod(optarg, NULL);
        else if (c == 'l')
            o->sent_log = optarg;
        else if (c == 's' && o->settings.count < TOPIC_SET_SETTINGS_MAX)
            o->settings.text[o->settings.count++] = optarg;
        else
            return fail_set(f, "wrong usage; see the head of bare_producer.c");
    }
    if (o->topics == NULL || o->prefix == NULL || o->count == 0)
        return fail_set(f, "--topics, --count and --prefix are required");
    return true;
}

/* The first --count records of the topics. */
static bool read_records(struct run *r, struct fail *f)
{
    struct topic_set_settings only_address = {{r->o.settings.text[0]}, 1};
    struct topic_set *s = topic_set_open(r->o.topics, false, &only_address, f);
    struct mono last = instant_mono();
    if (s == NULL)
        return false;
    while (r->count < r->o.count && instant_us(last, instant_mono()) < READ_IDLE_MS * 1000) {
        rd_kafka_message_t *m = topic_set_next(s, 100);
        if (m == NULL)
            continue;
        last = instant_mono();
        struct record *record = &r->records[r->count++];
        record->message = m;
        snprintf(record->topic, sizeof record->topic, "%s%s", r->o.prefix,
                 rd_kafka_topic_name(m->rkt));
        rd_kafka_headers_t *headers;
        /* Fetched now, while nothing is measured. */
        if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
            return fail_set(f, "a record has no headers");
    }
    /* The client stays: what it fetched belongs to it. */
    topic_set_rest(s);
    return r->count == r->o.count ||
           fail_set(f, "only %zu of %zu records came", r->count, r->o.count);
}

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *m, void *arg)
{
    struct run *r = arg;
    (void)client;
    if (m->err)
        r->failed++;
    else
        r->delivered++;
}

static bool open_producer(struct run *r, struct fail *f)
{
    char reason[256];
    rd_kafka_conf_t *conf = topic_set_conf(&r->o.settings, f);
    if (conf == NULL)
        return false;
    rd_kafka_conf_set_opaque(conf, r);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    r->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (r->client == NULL)
        return fail_set(f, "producer: %s", reason);
    for (size_t i = 0; i < r->count; i++) {
        /* Each topic is asked for once; a repeated look-up is answered from memory. */
        if (i > 0 && strcmp(r->records[i].topic, r->records[i - 1].topic) == 0)
            continue;
        rd_kafka_topic_t *t = rd_kafka_topic_new(r->client, r->records[i].topic, NULL);
        rd_kafka_topic_destroy(t);
    }
    const struct rd_kafka_metadata *all;
    if (rd_kafka_metadata(r->client, 1, NULL, &all, COMMIT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_set(f, "no broker answers");
    rd_kafka_metadata_destroy(all);
    if (r->o.transaction_rows == 0)
        return true;
    rd_kafka_error_t *err = rd_kafka_init_transactions(r->client, COMMIT_MS);
    return err == NULL || fail_set(f, "init_transactions: %s", rd_kafka_error_string(err));
}

static bool commit(struct run *r, struct fail *f)
{
    struct mono began = instant_mono();
    rd_kafka_error_t *err = rd_kafka_commit_transaction(r->client, COMMIT_MS);
    histogram_add(r->commits, instant_us(began, instant_mono()));
    r->open = 0;
    return err == NULL || fail_set(f, "commit_transaction: %s", rd_kafka_error_string(err));
}

static bool begin(struct run *r, struct fail *f)
{
    rd_kafka_error_t *err = rd_kafka_begin_transaction(r->client);
    return err == NULL || fail_set(f, "begin_transaction: %s", rd_kafka_error_string(err));
}

static void log_due(struct run *r, const rd_kafka_headers_t *headers, int64_t due_us)
{
    const void *id;
    size_t size;
    if (r->log != NULL &&
        rd_kafka_header_get_last(headers, "ce_id", &id, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
        fprintf(r->log, "%.*s %" PRId64 "\n", (int)size, (const char *)id, due_us);
}

static bool send_record(struct run *r, const struct record *record, int64_t due_us, struct fail *f)
{
    const rd_kafka_message_t *m = record->message;
    rd_kafka_headers_t *headers;
    rd_kafka_resp_err_t err;
    if (r->o.transaction_rows && r->open == 0 && !begin(r, f))
        return false;
    rd_kafka_message_headers(m, &headers);
    log_due(r, headers, due_us);
    do {
        rd_kafka_headers_t *copy = rd_kafka_headers_copy(headers);
        err = rd_kafka_producev(r->client, RD_KAFKA_VTYPE_TOPIC, record->topic,
                                RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_KEY,
                                m->key, m->key_len, RD_KAFKA_VTYPE_VALUE, m->payload, m->len,
                                RD_KAFKA_VTYPE_HEADERS, copy, RD_KAFKA_VTYPE_END);
        if (err)
            rd_kafka_headers_destroy(copy);
        rd_kafka_poll(r->client, err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? FULL_MS : 0);
    } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (err)
        return fail_set(f, "produce: %s", rd_kafka_err2str(err));
    if (r->o.transaction_rows == 0)
        return true;
    return ++r->open < r->o.transaction_rows || commit(r, f);
}

/* When record i is due, after the start; without a rate, at once. */
static int64_t due_ns(const struct run *r, size_t i)
{
    return r->o.rate > 0 ? (int64_t)((double)i * 1e9 / r->o.rate) : 0;
}

static bool wait_until_due(struct run *r, struct mono due, struct fail *f)
{
    if (r->o.rate <= 0)
        return true;
    if (r->open > 0 && !instant_reached(instant_mono(), due) && !commit(r, f))
        return false;
    while (!instant_reached(instant_mono(), due)) {
        int64_t left_ms = instant_us(instant_mono(), due) / 1000;
        rd_kafka_poll(r->client, left_ms > 0 ? 1 : 0);
    }
    return true;
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static bool produce_all(struct run *r, struct fail *f)
{
    double cpu = cpu_us();
    struct mono start = instant_mono();
    int64_t start_us = instant_wall().us;
    for (size_t i = 0; i < r->count; i++) {
        int64_t ns = due_ns(r, i);
        if (!wait_until_due(r, instant_add_ns(start, ns), f) ||
            !send_record(r, &r->records[i], start_us + ns / 1000, f))
            return false;
    }
    if (r->open > 0 && !commit(r, f))
        return false;
    rd_kafka_flush(r->client, FLUSH_MS);
    double seconds = (double)instant_us(start, instant_mono()) / 1e6;
    cpu = cpu_us() - cpu;
    if (r->delivered != r->count)
        return fail_set(f, "%zu of %zu delivered, %zu refused", r->delivered, r->count, r->failed);
    printf("{\"records\":%zu,\"seconds\":%.3f,\"records_per_s\":%.1f,\"cpu_us_per_record\":%.2f,"
           "\"commits\":%" PRIu64 ",\"commit_p50_us\":%" PRId64 ",\"commit_p99_us\":%" PRId64 "}\n",
           r->count, seconds, (double)r->count / seconds, cpu / (double)r->count,
           histogram_count(r->commits), histogram_percentile_us(r->commits, 500000),
           histogram_percentile_us(r->commits, 990000));
    return true;
}

int main(int argc, char **argv)
{
    struct run r = {0};
    struct fail f = {""};
    bool ok = read_options(&r.o, argc, argv, &f);
    if (ok && r.o.sent_log != NULL && (r.log = fopen(r.o.sent_log, "w")) == NULL)
        ok = fail_set(&f, "%s cannot be written", r.o.sent_log);
    if (ok) {
        r.records = calloc(r.o.count, sizeof *r.records);
        r.commits = histogram_create();
        CHECK(r.records != NULL && r.commits != NULL);
    }
    ok = ok && read_records(&r, &f) && open_producer(&r, &f) && produce_all(&r, &f);
    if (r.log != NULL && fclose(r.log) != 0)
        ok = fail_set(&f, "%s cannot be written", r.o.sent_log);
    if (!ok)
        fprintf(stderr, "bare_producer: %s\n", f.text);
    /* The clients and the records end with the process. */
    return ok ? 0 : 1;
}
