/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_TESTS_TEST_KAFKA_KIT_H
#define RELAY_TESTS_TEST_KAFKA_KIT_H

/*
 * A mock cluster and a publisher on it, for the test_kafka_* programs.
 *
 * Owns: a bench (librdkafka's mock cluster, the publisher, a small forwarder that rewinds as the
 * real one does, a reader). Every wait has a deadline and is ended by the publisher's descriptor
 * alone. Threads: the test's.
 */

#include "base/clock.h"
#include "base/log.h"
#include "kafka/kafka_publisher.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Generous: a loaded machine under a sanitizer. A test that waits this long fails. */
#define DEADLINE_MS 20000

#define TAGS_MAX 4096
/* kafka.apache.org/protocol, "Api Keys" */
#define API_PRODUCE          0
#define API_INIT_PRODUCER_ID 22

struct bench {
    rd_kafka_t *mock_client;
    rd_kafka_mock_cluster_t *mock;
    struct publisher *p;

    unsigned accepted[TAGS_MAX]; /* by produce */
    unsigned reported[TAGS_MAX];
    unsigned retried[TAGS_MAX];
    enum publisher_outcome last[TAGS_MAX];
    struct publisher_report first_denial;
    bool is_done[TAGS_MAX];
    bool is_absent[TAGS_MAX]; /* so said the last report */
    size_t next;              /* of the forwarder */
};

static inline struct mono now_mono(void)
{
    return clock_mono(clock_system());
}

static inline int until_ms(struct mono deadline)
{
    return mono_until_ms(now_mono(), deadline, DEADLINE_MS);
}

static inline void on_report(void *arg, const struct publisher_report *r)
{
    struct bench *b = arg;
    assert_true(r->tag < TAGS_MAX);
    b->reported[r->tag]++;
    assert_true(b->reported[r->tag] <= b->accepted[r->tag]);
    b->last[r->tag] = r->outcome;
    b->is_absent[r->tag] = r->surely_absent;
    if (r->outcome == PUBLISHER_DELIVERED) {
        assert_null(r->reason);
        assert_false(r->surely_absent);
        assert_true(r->partition >= 0);
        assert_true(r->offset >= 0);
    } else {
        assert_non_null(r->reason);
    }
    if (r->outcome == PUBLISHER_DELIVERED || r->outcome == PUBLISHER_REJECTED) {
        assert_false(b->is_done[r->tag]);
        b->is_done[r->tag] = true;
    } else {
        b->retried[r->tag]++;
        if (r->tag < b->next)
            b->next = r->tag;
    }
    if (r->outcome == PUBLISHER_DENIED && !b->first_denial.reason)
        b->first_denial = *r;
}

/* Waits for the descriptor alone: a missing wake-up is a failure. Returns false after the time. */
static inline bool turn(struct bench *b, struct mono deadline)
{
    struct pollfd pfd = {.fd = b->p->ops->wait_fd(b->p), .events = POLLIN};
    int n = poll(&pfd, 1, until_ms(deadline));
    b->p->ops->poll(b->p, on_report, b);
    return n > 0;
}

static inline void wait_topic(struct bench *b, const char *topic, enum publisher_topic wanted)
{
    const char *reason = "";
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    while (b->p->ops->topic(b->p, topic, &reason) != wanted)
        if (!turn(b, deadline))
            fail_msg("topic %s is not in state %d: %s", topic, (int)wanted, reason);
}

static inline void wait_connected(struct bench *b, bool wanted)
{
    bool connected;
    const char *line;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    while (line = b->p->ops->state(b->p, &connected), connected != wanted)
        if (!turn(b, deadline))
            fail_msg("the state is still: %s", line);
}

static inline enum status produce(struct bench *b, const char *topic, size_t tag, struct err *e)
{
    char value[32];
    int len = snprintf(value, sizeof value, "%zu", tag);
    struct publisher_record rec = {
        .topic = topic,
        .key = slice_of("k"),
        .value = {value, (size_t)len},
        .timestamp = {1700000000123456},
        .tag = tag,
    };
    enum status st = b->p->ops->produce(b->p, &rec, e);
    if (st == ST_OK)
        b->accepted[tag]++;
    return st;
}

static inline bool is_inflight(const struct bench *b, size_t tag)
{
    return b->accepted[tag] > b->reported[tag];
}

/* Produces what is neither done nor under way; stops at the first record that is not taken. */
static inline void push(struct bench *b, const char *topic, size_t last)
{
    struct err e;
    for (; b->next <= last; b->next++) {
        if (b->is_done[b->next] || is_inflight(b, b->next))
            continue;
        enum status st = produce(b, topic, b->next, &e);
        if (st == ST_OK)
            continue;
        assert_true(st == ST_AGAIN || st == ST_FULL);
        return;
    }
}

static inline bool all_done(const struct bench *b, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++)
        if (!b->is_done[i])
            return false;
    return true;
}

/* Forwards the tags until each is delivered or rejected. */
static inline void forward(struct bench *b, const char *topic, size_t first, size_t last)
{
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    b->next = first;
    while (push(b, topic, last), !all_done(b, first, last))
        if (!turn(b, deadline))
            fail_msg("tag %zu of %zu to %zu waits for ever", b->next, first, last);
    for (size_t i = first; i <= last; i++)
        assert_int_equal(b->accepted[i], b->reported[i]);
}

static inline void start(struct bench *b, const struct kafka_property *more, size_t count)
{
    struct err e;
    struct kafka_property properties[8] = {
        {"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(b->mock)},
        /* So that records produced in a row are one batch. */
        {"linger.ms", "50"},
    };
    for (size_t i = 0; i < count; i++)
        properties[2 + i] = more[i];
    struct kafka_publisher_opts opts = {.properties = properties,
                                        .property_count = 2 + count,
                                        .partitions = -1,
                                        .replication_factor = -1};
    if (kafka_publisher_create(&b->p, &opts, &e))
        fail_msg("%s", e.text);
}

static inline void make_mock(void **state, int brokers)
{
    char text[256];
    struct bench *b = calloc(1, sizeof *b);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_non_null(b);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    b->mock_client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(b->mock_client);
    b->mock = rd_kafka_mock_cluster_new(b->mock_client, brokers);
    assert_non_null(b->mock);
    assert_int_equal(rd_kafka_mock_topic_create(b->mock, "orders", 1, 1), 0);
    assert_int_equal(rd_kafka_mock_topic_create(b->mock, "others", 1, 1), 0);
    *state = b;
}

static inline int make_bench(void **state)
{
    make_mock(state, 1);
    return 0;
}

static inline int make_bench_of_two(void **state)
{
    make_mock(state, 2);
    return 0;
}

static inline int end_bench(void **state)
{
    struct bench *b = *state;
    if (b->p)
        b->p->ops->destroy(b->p);
    rd_kafka_mock_cluster_destroy(b->mock);
    rd_kafka_destroy(b->mock_client);
    free(b);
    return 0;
}

/* ------------------------------------------------------------------------------ reading back */

static inline rd_kafka_t *open_reader(const char *bootstrap, const char *topic)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    assert_non_null(rk);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(all, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(rk, all), 0);
    rd_kafka_topic_partition_list_destroy(all);
    return rk;
}

/* The next record of partition 0; NULL after the time. */
static inline rd_kafka_message_t *read_one(rd_kafka_t *reader, int timeout_ms)
{
    struct mono deadline = mono_add_ms(now_mono(), timeout_ms);
    while (until_ms(deadline) > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(reader, until_ms(deadline));
        if (m && !m->err)
            return m;
        if (m)
            rd_kafka_message_destroy(m);
    }
    return NULL;
}

/* The tags in partition 0 are exactly those from first to last, in order, without skip. */
static inline void assert_stored(struct bench *b, size_t first, size_t last, size_t skip)
{
    rd_kafka_t *reader = open_reader(rd_kafka_mock_cluster_bootstraps(b->mock), "orders");
    for (size_t i = first; i <= last; i++) {
        char text[32] = "";
        if (i == skip)
            continue;
        rd_kafka_message_t *m = read_one(reader, DEADLINE_MS);
        assert_non_null(m);
        assert_true(m->len < sizeof text);
        memcpy(text, m->payload, m->len);
        assert_int_equal(strtoul(text, NULL, 10), i);
        rd_kafka_message_destroy(m);
    }
    assert_null(read_one(reader, 300));
    rd_kafka_consumer_close(reader);
    rd_kafka_destroy(reader);
}

#define WITH_MOCK(test) cmocka_unit_test_setup_teardown(test, make_bench, end_bench)

/* Log lines of the publisher are seen when RELAY_TEST_LOG is set. */
static inline void quiet_unless_asked(void)
{
    if (!getenv("RELAY_TEST_LOG"))
        log_set_level(LOG_ERROR);
}

#endif
