/* SPDX-License-Identifier: Apache-2.0 */
#include "test_kafka_kit.h"

#include "kafka/kafka_demo.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MOCK(delivers_key_headers_and_timestamp),
        WITH_MOCK(tells_cluster_and_connection),
        WITH_MOCK(reports_nothing_while_no_broker_is_there_and_all_in_order_after),
        WITH_MOCK(says_full_when_the_queue_is_full),
        WITH_MOCK(says_too_big_without_asking_a_broker),
        WITH_MOCK(takes_no_record_for_a_topic_that_is_not_ready),
        WITH_MOCK(flush_waits_for_the_reports_but_not_longer_than_told),
        WITH_MOCK(ends_in_bounded_time_with_records_queued),
        cmocka_unit_test(works_without_any_broker_and_ends_in_bounded_time),
        cmocka_unit_test(demo_broker_serves_a_publisher),
    };
    quiet_unless_asked();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
