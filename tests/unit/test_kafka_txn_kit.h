/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_TESTS_TEST_KAFKA_TXN_KIT_H
#define RELAY_TESTS_TEST_KAFKA_TXN_KIT_H

/*
 * A mock cluster, a transactional publisher on it, and a small forwarder that commits when it has
 * nothing more to send and begins again with what was not delivered.
 *
 * Owns: a bench. Every wait has a deadline and is ended by the publisher's descriptor alone.
 * Threads: the test's. Invariant, checked at each report: a record is reported once for each time
 * that it was accepted, and what is not delivered is surely absent.
 */

#include "base/clock.h"
#include "base/log.h"
#include "kafka/kafka_txn_publisher.h"

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
#define DEADLINE_MS 40000

/* Of a transaction; a third of it is what a record has to get through. */
#define TIMEOUT_MS 6000

#define TAGS_MAX 1024
/* kafka.apache.org/protocol, "Api Keys" */
#define API_PRODUCE          0
#define API_INIT_PRODUCER_ID 22
#define API_ADD_PARTITIONS   24
#define API_END_TXN          26

struct txn_bench {
    rd_kafka_t *mock_client;
    rd_kafka_mock_cluster_t *mock;
    struct kafka_property property; /* outlives the publisher */
    struct publisher *p;
    size_t reports;
    unsigned accepted[TAGS_MAX];
    unsigned reported[TAGS_MAX];
    unsigned retried[TAGS_MAX];
    enum publisher_outcome last[TAGS_MAX];
    bool is_done[TAGS_MAX];
};

static inline struct mono now_mono(void)
{
    return clock_mono(clock_system());
}

static inline void on_report(void *arg, const struct publisher_report *r)
{
    struct txn_bench *b = arg;
    assert_true(r->tag < TAGS_MAX);
    b->reports++;
    b->reported[r->tag]++;
    assert_true(b->reported[r->tag] <= b->accepted[r->tag]);
    b->last[r->tag] = r->outcome;
    if (r->outcome == PUBLISHER_DELIVERED) {
        assert_null(r->reason);
    } else {
        assert_non_null(r->reason);
        assert_true(r->reason[0] != '\0');
        assert_true(r->surely_absent);
        b->retried[r->tag]++;
    }
    if (r->outcome == PUBLISHER_DELIVERED || r->outcome == PUBLISHER_REJECTED) {
        assert_false(b->is_done[r->tag]);
        b->is_done[r->tag] = true;
    }
}

/* Waits for the descriptor alone: a missing wake-up is a failure. Returns false after the time. */
static inline bool turn(struct txn_bench *b, struct mono deadline)
{
    struct pollfd pfd = {.fd = b->p->ops->wait_fd(b->p), .events = POLLIN};
    int n = poll(&pfd, 1, mono_until_ms(now_mono(), deadline, DEADLINE_MS));
    b->p->ops->poll(b->p, on_report, b);
    return n > 0;
}

static inline void turn_or_fail(struct txn_bench *b, const char *what)
{
    bool connected;
    if (!turn(b, mono_add_ms(now_mono(), DEADLINE_MS)))
        fail_msg("%s waits for ever; the state is: %s", what, b->p->ops->state(b->p, &connected));
}

static inline void open_publisher(struct txn_bench *b, const char *journal)
{
    struct err e;
    b->property =
        (struct kafka_property){"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(b->mock)};
    const struct kafka_txn_opts opts = {.common = {.properties = &b->property,
                                                   .property_count = 1,
                                                   .partitions = -1,
                                                   .replication_factor = -1},
                                        .journal_id = journal,
                                        .transactional_id = "relay-1",
                                        .checkpoint_topic = "checkpoint",
                                        .timeout_ms = TIMEOUT_MS};
    if (kafka_txn_publisher_create(&b->p, &opts, &e))
        fail_msg("%s", e.text);
}

static inline void reopen(struct txn_bench *b)
{
    b->p->ops->destroy(b->p);
    open_publisher(b, "j-1");
}

/* Waits until records are taken. */
static inline void begin_work(struct txn_bench *b)
{
    struct publisher_checkpoint last;
    const char *reason;
    if (!b->p)
        open_publisher(b, "j-1");
    while (b->p->ops->standing(b->p, &last) != PUBLISHER_ABLE)
        turn_or_fail(b, "the recovery");
    while (b->p->ops->topic(b->p, "orders", &reason) != PUBLISHER_TOPIC_READY ||
           b->p->ops->topic(b->p, "others", &reason) != PUBLISHER_TOPIC_READY)
        turn_or_fail(b, "a topic");
}

static inline enum status produce(struct txn_bench *b, const char *topic, size_t tag)
{
    struct err e;
    char value[32];
    int len = snprintf(value, sizeof value, "%zu", tag);
    const struct publisher_record rec = {
        .topic = topic,
        .key = slice_of("k"),
        .value = {value, (size_t)len},
        .timestamp = {1700000000123456},
        .tag = tag,
    };
    enum status st = b->p->ops->produce(b->p, &rec, &e);
    if (st == ST_OK)
        b->accepted[tag]++;
    return st;
}

static inline void produce_all(struct txn_bench *b, const char *topic, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++)
        assert_int_equal(produce(b, topic, i), ST_OK);
}

/* With a checkpoint that says seq of feed 1. */
static inline enum status try_commit(struct txn_bench *b, size_t seq)
{
    struct err e;
    const struct publisher_position position = {.feed = 1, .seq = (int64_t)seq};
    const struct publisher_checkpoint cp = {&position, 1};
    return b->p->ops->commit(b->p, &cp, &e);
}

static inline void commit(struct txn_bench *b, size_t seq)
{
    assert_int_equal(try_commit(b, seq), ST_OK);
}

static inline void wait_reports(struct txn_bench *b, size_t count)
{
    while (b->reports < count)
        turn_or_fail(b, "a report");
    assert_int_equal(b->reports, count);
}

/* Waits until the tag's last report has this outcome. Nothing is committed: the checkpoint's
 * request could meet the injected error instead. */
static inline void wait_reports_of(struct txn_bench *b, size_t tag, enum publisher_outcome outcome)
{
    while (b->reported[tag] == 0 || b->last[tag] != outcome)
        turn_or_fail(b, "an outcome");
}

static inline void assert_outcomes(const struct txn_bench *b, size_t first, size_t last,
                                   enum publisher_outcome wanted)
{
    for (size_t i = first; i <= last; i++)
        if (b->last[i] != wanted)
            fail_msg("tag %zu has outcome %d", i, (int)b->last[i]);
}

/* The last committed checkpoint says seq of feed 1. */
static inline void assert_position(struct txn_bench *b, size_t seq)
{
    struct publisher_checkpoint last;
    assert_int_equal(b->p->ops->standing(b->p, &last), PUBLISHER_ABLE);
    assert_int_equal(last.count, 1);
    assert_int_equal(last.positions[0].feed, 1);
    assert_int_equal(last.positions[0].seq, seq);
}

static inline bool all_done(const struct txn_bench *b, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++)
        if (!b->is_done[i])
            return false;
    return true;
}

/* Produces what is neither done nor under way, in order, and commits, until all are done. */
static inline void forward(struct txn_bench *b, const char *topic, size_t first, size_t last)
{
    struct publisher_checkpoint unused;
    while (!all_done(b, first, last)) {
        bool is_open = false;
        b->p->ops->standing(b->p, &unused);
        for (size_t i = first; i <= last; i++) {
            if (b->is_done[i])
                continue;
            if (b->accepted[i] == b->reported[i] && produce(b, topic, i) != ST_OK)
                break;
            is_open = true;
        }
        if (is_open)
            try_commit(b, last);
        turn_or_fail(b, "forwarding");
    }
}

static inline int make_txn_bench(void **state)
{
    char text[256];
    struct txn_bench *b = calloc(1, sizeof *b);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_non_null(b);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    b->mock_client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(b->mock_client);
    b->mock = rd_kafka_mock_cluster_new(b->mock_client, 1);
    assert_non_null(b->mock);
    assert_int_equal(rd_kafka_mock_topic_create(b->mock, "orders", 1, 1), 0);
    assert_int_equal(rd_kafka_mock_topic_create(b->mock, "others", 1, 1), 0);
    assert_int_equal(rd_kafka_mock_topic_create(b->mock, "checkpoint", 1, 1), 0);
    *state = b;
    return 0;
}

static inline int end_txn_bench(void **state)
{
    struct txn_bench *b = *state;
    if (b->p)
        b->p->ops->destroy(b->p);
    rd_kafka_mock_cluster_destroy(b->mock);
    rd_kafka_destroy(b->mock_client);
    free(b);
    return 0;
}

#define WITH_TXN(test) cmocka_unit_test_setup_teardown(test, make_txn_bench, end_txn_bench)

#endif
