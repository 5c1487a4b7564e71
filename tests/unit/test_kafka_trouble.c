/* SPDX-License-Identifier: Apache-2.0 */
#include "test_kafka_kit.h"

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

static void gives_back_what_a_broker_that_is_away_must_not_get(void **state)
{
    struct bench *b = *state;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    start(b, NULL, 0);
    forward(b, "orders", 0, 9);
    rd_kafka_mock_broker_set_down(b->mock, 1);
    wait_connected(b, false);
    b->next = 10;
    push(b, "orders", 19);
    b->p->ops->abandon(b->p);
    while (b->retried[19] == 0)
        assert_true(turn(b, deadline));
    rd_kafka_mock_broker_set_up(b->mock, 1);
    wait_connected(b, true);
    assert_stored(b, 0, 9, SIZE_MAX);
    /* What was given back can go again. */
    forward(b, "orders", 10, 19);
    assert_stored(b, 0, 19, SIZE_MAX);
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
    /* On a slow machine the producer breaks before its other thread sent the first record; then
     * there is no answer to wait for, and the record is known to be absent. */
    assert_true(b->is_absent[2] || mono_diff_ns(now_mono(), before) >= 2000000000);
    assert_int_equal(b->last[2], PUBLISHER_RETRY);
    assert_int_equal(b->last[3], PUBLISHER_RETRY);
    /* Answered with nonsense: nobody knows. */
    assert_false(b->is_absent[3]);
    rd_kafka_mock_broker_set_rtt(b->mock, 1, 0);
    forward(b, "others", 3, 3);
    forward(b, "orders", 2, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MOCK(rejects_only_the_record_that_is_refused_alone),
        WITH_MOCK(rests_a_topic_that_is_denied_and_serves_the_others),
        WITH_MOCK(makes_the_producer_anew_after_a_fatal_error),
        WITH_MOCK(survives_fatal_errors_in_a_row),
        WITH_MOCK(tells_why_a_connected_producer_fails),
        WITH_MOCK(gives_back_what_a_broker_that_is_away_must_not_get),
        cmocka_unit_test_setup_teardown(gives_up_waiting_for_answers_of_a_broken_producer,
                                        make_bench_of_two, end_bench),
    };
    quiet_unless_asked();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
