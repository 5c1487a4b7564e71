/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_publisher.h"

#include "base/clock.h"
#include "base/log.h"
#include "kafka/kafka_demo.h"

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

/* A mock cluster, a publisher, and a small forwarder that rewinds as the real one does. */
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

static struct mono now_mono(void)
{
    return clock_mono(clock_system());
}

static int until_ms(struct mono deadline)
{
    return mono_until_ms(now_mono(), deadline, DEADLINE_MS);
}

static void on_report(void *arg, const struct publisher_report *r)
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
static bool turn(struct bench *b, struct mono deadline)
{
    struct pollfd pfd = {.fd = b->p->ops->wait_fd(b->p), .events = POLLIN};
    int n = poll(&pfd, 1, until_ms(deadline));
    b->p->ops->poll(b->p, on_report, b);
    return n > 0;
}

static void wait_topic(struct bench *b, const char *topic, enum publisher_topic wanted)
{
    const char *reason = "";
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    while (b->p->ops->topic(b->p, topic, &reason) != wanted)
        if (!turn(b, deadline))
            fail_msg("topic %s is not in state %d: %s", topic, (int)wanted, reason);
}

static void wait_connected(struct bench *b, bool wanted)
{
    bool connected;
    const char *line;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    while (line = b->p->ops->state(b->p, &connected), connected != wanted)
        if (!turn(b, deadline))
            fail_msg("the state is still: %s", line);
}

static enum status produce(struct bench *b, const char *topic, size_t tag, struct err *e)
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

static bool is_inflight(const struct bench *b, size_t tag)
{
    return b->accepted[tag] > b->reported[tag];
}

/* Produces what is neither done nor under way; stops at the first record that is not taken. */
static void push(struct bench *b, const char *topic, size_t last)
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

static bool all_done(const struct bench *b, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++)
        if (!b->is_done[i])
            return false;
    return true;
}

/* Forwards the tags until each is delivered or rejected. */
static void forward(struct bench *b, const char *topic, size_t first, size_t last)
{
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    b->next = first;
    while (push(b, topic, last), !all_done(b, first, last))
        if (!turn(b, deadline))
            fail_msg("tag %zu of %zu to %zu waits for ever", b->next, first, last);
    for (size_t i = first; i <= last; i++)
        assert_int_equal(b->accepted[i], b->reported[i]);
}

static void start(struct bench *b, const struct kafka_property *more, size_t count)
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

static void make_mock(void **state, int brokers)
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

static int make_bench(void **state)
{
    make_mock(state, 1);
    return 0;
}

static int make_bench_of_two(void **state)
{
    make_mock(state, 2);
    return 0;
}

static int end_bench(void **state)
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

static rd_kafka_t *open_reader(const char *bootstrap, const char *topic)
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
static rd_kafka_message_t *read_one(rd_kafka_t *reader, int timeout_ms)
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
static void assert_stored(struct bench *b, size_t first, size_t last, size_t skip)
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

/* -------------------------------------------------------------------------------------- tests */

static void delivers_key_headers_and_timestamp(void **state)
{
    struct bench *b = *state;
    struct publisher_header headers[] = {{"relay-id", slice_of("r1")}, {"empty", {NULL, 0}}};
    struct publisher_record rec = {.topic = "orders",
                                   .key = slice_of("customer-7"),
                                   .value = slice_of("body"),
                                   .headers = headers,
                                   .header_count = 2,
                                   .timestamp = {1700000000123999},
                                   .tag = 9};
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    struct err e;
    rd_kafka_headers_t *got;
    const void *value;
    size_t len;
    start(b, NULL, 0);
    wait_topic(b, "orders", PUBLISHER_TOPIC_READY);
    assert_int_equal(b->p->ops->produce(b->p, &rec, &e), ST_OK);
    b->accepted[9]++;
    while (!b->is_done[9])
        assert_true(turn(b, deadline));
    assert_int_equal(b->last[9], PUBLISHER_DELIVERED);

    rd_kafka_t *reader = open_reader(rd_kafka_mock_cluster_bootstraps(b->mock), "orders");
    rd_kafka_message_t *m = read_one(reader, DEADLINE_MS);
    assert_non_null(m);
    assert_int_equal(m->key_len, 10);
    assert_memory_equal(m->key, "customer-7", 10);
    assert_int_equal(m->len, 4);
    assert_memory_equal(m->payload, "body", 4);
    assert_int_equal(rd_kafka_message_timestamp(m, NULL), 1700000000123);
    assert_int_equal(rd_kafka_message_headers(m, &got), 0);
    assert_int_equal(rd_kafka_header_get_last(got, "relay-id", &value, &len), 0);
    assert_int_equal(len, 2);
    assert_memory_equal(value, "r1", 2);
    assert_int_equal(rd_kafka_header_get_last(got, "empty", &value, &len), 0);
    assert_int_equal(len, 0);
    rd_kafka_message_destroy(m);
    rd_kafka_consumer_close(reader);
    rd_kafka_destroy(reader);
}

static void tells_cluster_and_connection(void **state)
{
    struct bench *b = *state;
    start(b, NULL, 0);
    wait_connected(b, true);
    assert_non_null(b->p->ops->cluster_id(b->p));
    wait_topic(b, "orders", PUBLISHER_TOPIC_READY);
    rd_kafka_mock_broker_set_down(b->mock, 1);
    wait_connected(b, false);
    rd_kafka_mock_broker_set_up(b->mock, 1);
    wait_connected(b, true);
}

static void reports_nothing_while_no_broker_is_there_and_all_in_order_after(void **state)
{
    struct bench *b = *state;
    struct mono soon;
    start(b, NULL, 0);
    forward(b, "orders", 0, 9);
    rd_kafka_mock_broker_set_down(b->mock, 1);
    wait_connected(b, false);
    b->next = 10;
    push(b, "orders", 499);
    assert_int_equal(b->next, 500);
    soon = mono_add_ms(now_mono(), 1500);
    while (until_ms(soon) > 0)
        turn(b, soon);
    for (size_t i = 10; i <= 499; i++)
        assert_int_equal(b->reported[i], 0);
    rd_kafka_mock_broker_set_up(b->mock, 1);
    forward(b, "orders", 10, 499);
    assert_int_equal(kafka_publisher_restarts(b->p), 0);
    assert_stored(b, 0, 499, SIZE_MAX);
}

static void rejects_only_the_record_that_is_refused_alone(void **state)
{
    struct bench *b = *state;
    start(b, NULL, 0);
    forward(b, "orders", 0, 0);
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 2, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    forward(b, "orders", 1, 20);
    assert_int_equal(b->last[1], PUBLISHER_REJECTED);
    for (size_t i = 2; i <= 20; i++) {
        assert_int_equal(b->last[i], PUBLISHER_DELIVERED);
        assert_true(b->retried[i] >= 1);
    }
    assert_int_equal(kafka_publisher_restarts(b->p), 2);
    assert_stored(b, 0, 20, 1);
    /* Then they go together again. */
    forward(b, "orders", 21, 500);
}

static void rests_a_topic_that_is_denied_and_serves_the_others(void **state)
{
    struct bench *b = *state;
    const char *reason;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    start(b, NULL, 0);
    forward(b, "orders", 0, 0);
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    b->next = 1;
    push(b, "orders", 5);
    while (!b->first_denial.reason)
        assert_true(turn(b, deadline));
    assert_int_equal(b->last[1], PUBLISHER_DENIED);
    assert_true(b->is_absent[1]);
    assert_int_equal(b->p->ops->topic(b->p, "orders", &reason), PUBLISHER_TOPIC_PENDING);
    assert_non_null(strstr(reason, "authorization"));
    forward(b, "others", 100, 150);
    assert_int_equal(b->p->ops->topic(b->p, "orders", &reason), PUBLISHER_TOPIC_PENDING);
    forward(b, "orders", 1, 5);
    assert_stored(b, 0, 5, SIZE_MAX);
}

static void makes_the_producer_anew_after_a_fatal_error(void **state)
{
    struct bench *b = *state;
    start(b, NULL, 0);
    forward(b, "orders", 0, 99);
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    forward(b, "orders", 100, 999);
    assert_int_equal(kafka_publisher_restarts(b->p), 1);
    assert_true(b->retried[100] > 0);
    assert_stored(b, 0, 999, SIZE_MAX);
}

static void survives_fatal_errors_in_a_row(void **state)
{
    struct bench *b = *state;
    start(b, NULL, 0);
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 4,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    forward(b, "orders", 0, 99);
    assert_int_equal(kafka_publisher_restarts(b->p), 4);
    assert_stored(b, 0, 99, SIZE_MAX);
}

static void tells_why_a_connected_producer_fails(void **state)
{
    struct bench *b = *state;
    bool connected;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    rd_kafka_mock_push_request_errors(b->mock, API_INIT_PRODUCER_ID, 3,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    start(b, NULL, 0);
    while (!strstr(b->p->ops->state(b->p, &connected), "the producer fails: "))
        assert_true(turn(b, deadline));
    forward(b, "orders", 0, 9);
    assert_null(strstr(b->p->ops->state(b->p, &connected), "fails"));
    assert_stored(b, 0, 9, SIZE_MAX);
}

static void gives_up_waiting_for_answers_of_a_broken_producer(void **state)
{
    struct bench *b = *state;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    rd_kafka_mock_partition_set_leader(b->mock, "orders", 0, 1);
    rd_kafka_mock_partition_set_leader(b->mock, "others", 0, 2);
    start(b, NULL, 0);
    forward(b, "orders", 0, 0);
    forward(b, "others", 1, 1);
    /* Broker 1 leaves a request without an answer; broker 2 breaks the producer. */
    rd_kafka_mock_broker_set_rtt(b->mock, 1, 60000);
    b->next = 2;
    push(b, "orders", 2);
    rd_kafka_mock_broker_push_request_error_rtts(b->mock, 2, API_PRODUCE, 1,
                                                 RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 0);
    struct mono before = now_mono();
    b->next = 3;
    push(b, "others", 3);
    while (kafka_publisher_restarts(b->p) == 0)
        assert_true(turn(b, deadline));
    assert_true(mono_diff_ns(now_mono(), before) >= 2000000000);
    assert_int_equal(b->last[2], PUBLISHER_RETRY);
    assert_int_equal(b->last[3], PUBLISHER_RETRY);
    /* Sent and not answered, or answered with nonsense: nobody knows. */
    assert_false(b->is_absent[2]);
    assert_false(b->is_absent[3]);
    rd_kafka_mock_broker_set_rtt(b->mock, 1, 0);
    forward(b, "others", 3, 3);
    forward(b, "orders", 2, 2);
}

static void says_full_when_the_queue_is_full(void **state)
{
    struct bench *b = *state;
    const struct kafka_property small[] = {{"queue.buffering.max.messages", "10"}};
    struct err e;
    start(b, small, 1);
    wait_topic(b, "orders", PUBLISHER_TOPIC_READY);
    rd_kafka_mock_broker_set_down(b->mock, 1);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(produce(b, "orders", i, &e), ST_OK);
    assert_int_equal(produce(b, "orders", 10, &e), ST_FULL);
    rd_kafka_mock_broker_set_up(b->mock, 1);
    forward(b, "orders", 0, 200);
    assert_stored(b, 0, 200, SIZE_MAX);
}

static void says_too_big_without_asking_a_broker(void **state)
{
    struct bench *b = *state;
    const struct kafka_property limit[] = {{"message.max.bytes", "2000"}};
    char *body = calloc(1, 3000);
    struct err e;
    assert_non_null(body);
    struct publisher_record rec = {
        .topic = "orders", .value = {body, 3000}, .timestamp = {1}, .tag = 1};
    start(b, limit, 1);
    wait_topic(b, "orders", PUBLISHER_TOPIC_READY);
    assert_int_equal(b->p->ops->produce(b->p, &rec, &e), ST_TOO_BIG);
    free(body);
    forward(b, "orders", 2, 5);
    assert_int_equal(kafka_publisher_restarts(b->p), 0);
}

static void takes_no_record_for_a_topic_that_is_not_ready(void **state)
{
    struct bench *b = *state;
    const char *reason;
    struct err e;
    rd_kafka_mock_topic_set_error(b->mock, "absent", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    start(b, NULL, 0);
    assert_int_equal(produce(b, "absent", 0, &e), ST_AGAIN);
    wait_topic(b, "absent", PUBLISHER_TOPIC_MISSING);
    assert_int_equal(produce(b, "absent", 0, &e), ST_AGAIN);
    assert_int_equal(b->p->ops->topic(b->p, "absent", &reason), PUBLISHER_TOPIC_MISSING);
    assert_non_null(strstr(reason, "does not exist"));
    rd_kafka_mock_topic_set_error(b->mock, "absent", RD_KAFKA_RESP_ERR_NO_ERROR);
    forward(b, "absent", 0, 3);
    assert_int_equal(b->p->ops->topic(b->p, "not a topic", &reason), PUBLISHER_TOPIC_MISSING);
}

static void flush_waits_for_the_reports_but_not_longer_than_told(void **state)
{
    struct bench *b = *state;
    start(b, NULL, 0);
    wait_topic(b, "orders", PUBLISHER_TOPIC_READY);
    push(b, "orders", 99);
    b->p->ops->flush(b->p, DEADLINE_MS, on_report, b);
    assert_true(all_done(b, 0, 99));
    rd_kafka_mock_broker_set_down(b->mock, 1);
    push(b, "orders", 199);
    struct mono before = now_mono();
    b->p->ops->flush(b->p, 300, on_report, b);
    assert_true(mono_diff_ns(now_mono(), before) >= 300000000);
    assert_true(mono_diff_ns(now_mono(), before) < 5000000000);
    assert_false(b->is_done[100]);
}

static void ends_in_bounded_time_with_records_queued(void **state)
{
    struct bench *b = *state;
    start(b, NULL, 0);
    forward(b, "orders", 0, 0);
    rd_kafka_mock_broker_set_rtt(b->mock, 1, 60000);
    b->next = 1;
    push(b, "orders", 2000);
    struct mono before = now_mono();
    b->p->ops->destroy(b->p);
    b->p = NULL;
    assert_true(mono_diff_ns(now_mono(), before) < 6000000000);
    rd_kafka_mock_broker_set_rtt(b->mock, 1, 0);
}

static void works_without_any_broker_and_ends_in_bounded_time(void **state)
{
    (void)state;
    struct bench *b = calloc(1, sizeof *b);
    /* Port 1 (tcpmux) is closed on any machine that runs tests. */
    const struct kafka_property nobody = {"bootstrap.servers", "127.0.0.1:1"};
    struct kafka_publisher_opts opts = {
        .properties = &nobody, .property_count = 1, .partitions = -1, .replication_factor = -1};
    struct mono deadline = mono_add_ms(now_mono(), 3000);
    struct err e;
    const char *reason = NULL;
    bool connected = true;
    assert_non_null(b);
    assert_int_equal(kafka_publisher_create(&b->p, &opts, &e), ST_OK);
    while (until_ms(deadline) > 0) {
        assert_int_equal(b->p->ops->topic(b->p, "orders", &reason), PUBLISHER_TOPIC_PENDING);
        turn(b, deadline);
    }
    const char *line = b->p->ops->state(b->p, &connected);
    assert_false(connected);
    if (!strstr(line, "no broker reachable: ") || !strstr(line, "refused"))
        fail_msg("the state is \"%s\"", line);
    assert_string_equal(reason, line + strlen("no broker reachable: "));
    assert_null(b->p->ops->cluster_id(b->p));
    assert_int_equal(produce(b, "orders", 0, &e), ST_AGAIN);
    struct mono before = now_mono();
    b->p->ops->destroy(b->p);
    assert_true(mono_diff_ns(now_mono(), before) < 6000000000);
    free(b);
}

static void demo_broker_serves_a_publisher(void **state)
{
    (void)state;
    struct bench *b = calloc(1, sizeof *b);
    struct kafka_demo *d;
    struct err e;
    assert_non_null(b);
    assert_int_equal(kafka_demo_start(&d, &e), ST_OK);
    assert_memory_equal(kafka_demo_bootstrap(d), "127.0.0.1:", 10);
    const struct kafka_property to = {"bootstrap.servers", kafka_demo_bootstrap(d)};
    struct kafka_publisher_opts opts = {
        .properties = &to, .property_count = 1, .partitions = -1, .replication_factor = -1};
    assert_int_equal(kafka_publisher_create(&b->p, &opts, &e), ST_OK);
    forward(b, "made.by.asking", 0, 99);
    b->p->ops->destroy(b->p);
    kafka_demo_stop(d);
    kafka_demo_stop(NULL);
    free(b);
}

#define WITH_MOCK(test) cmocka_unit_test_setup_teardown(test, make_bench, end_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MOCK(delivers_key_headers_and_timestamp),
        WITH_MOCK(tells_cluster_and_connection),
        WITH_MOCK(reports_nothing_while_no_broker_is_there_and_all_in_order_after),
        WITH_MOCK(rejects_only_the_record_that_is_refused_alone),
        WITH_MOCK(rests_a_topic_that_is_denied_and_serves_the_others),
        WITH_MOCK(makes_the_producer_anew_after_a_fatal_error),
        WITH_MOCK(survives_fatal_errors_in_a_row),
        WITH_MOCK(tells_why_a_connected_producer_fails),
        cmocka_unit_test_setup_teardown(gives_up_waiting_for_answers_of_a_broken_producer,
                                        make_bench_of_two, end_bench),
        WITH_MOCK(says_full_when_the_queue_is_full),
        WITH_MOCK(says_too_big_without_asking_a_broker),
        WITH_MOCK(takes_no_record_for_a_topic_that_is_not_ready),
        WITH_MOCK(flush_waits_for_the_reports_but_not_longer_than_told),
        WITH_MOCK(ends_in_bounded_time_with_records_queued),
        cmocka_unit_test(works_without_any_broker_and_ends_in_bounded_time),
        cmocka_unit_test(demo_broker_serves_a_publisher),
    };
    if (!getenv("RELAY_TEST_LOG"))
        log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
