/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The transactional publisher and partitions without a leader, against librdkafka's mock cluster.
 * What a coordinator does that misses one is shown by a real Kafka (tests/e2e/test_three_brokers).
 */

#include "test_kafka_txn_kit.h"

static void a_partition_without_a_leader_holds_back_only_its_topic(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    forward(b, "orders", 0, 0);
    rd_kafka_mock_partition_set_leader(b->mock, "orders", 0, -1);
    produce_all(b, "orders", 1, 5);
    produce_all(b, "others", 100, 105);
    wait_reports(b, 12);
    assert_outcomes(b, 1, 5, PUBLISHER_RETRY);
    assert_outcomes(b, 100, 105, PUBLISHER_RETRY);
    forward(b, "others", 100, 105);
    rd_kafka_mock_partition_set_leader(b->mock, "orders", 0, 1);
    forward(b, "orders", 1, 5);
}

/* A record for it would make the transaction of all topics fail. */
static void a_topic_of_which_some_partitions_have_no_leader_waits_as_a_whole(void **state)
{
    struct txn_bench *b = *state;
    const char *reason = "";
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    assert_int_equal(rd_kafka_mock_topic_create(b->mock, "wide", 3, 1), 0);
    rd_kafka_mock_partition_set_leader(b->mock, "wide", 2, -1);
    begin_work(b);
    while (!strstr(reason, "1 of 3 partitions")) {
        assert_int_equal(b->p->ops->topic(b->p, "wide", &reason), PUBLISHER_TOPIC_PENDING);
        assert_true(mono_diff_ns(now_mono(), deadline) < 0);
        turn(b, mono_add_ms(now_mono(), 50)); /* pending as before: no wake-up */
    }
    assert_int_equal(produce(b, "wide", 0), ST_AGAIN);
    forward(b, "others", 1, 5);
    rd_kafka_mock_partition_set_leader(b->mock, "wide", 2, 1);
    forward(b, "wide", 0, 0);
}

static void a_topic_that_loses_a_leader_is_set_aside_before_a_record_goes_there(void **state)
{
    struct txn_bench *b = *state;
    const char *reason = "";
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    begin_work(b);
    forward(b, "orders", 0, 0);
    rd_kafka_mock_partition_set_leader(b->mock, "orders", 0, -1);
    while (b->p->ops->topic(b->p, "orders", &reason) == PUBLISHER_TOPIC_READY)
        assert_true(turn(b, deadline));
    assert_non_null(strstr(reason, "leader"));
    assert_int_equal(produce(b, "orders", 1), ST_AGAIN);
    forward(b, "others", 2, 5);
    assert_int_equal(b->reports, 5);
    rd_kafka_mock_partition_set_leader(b->mock, "orders", 0, 1);
    forward(b, "orders", 1, 1);
    assert_int_equal(b->retried[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TXN(a_partition_without_a_leader_holds_back_only_its_topic),
        WITH_TXN(a_topic_of_which_some_partitions_have_no_leader_waits_as_a_whole),
        WITH_TXN(a_topic_that_loses_a_leader_is_set_aside_before_a_record_goes_there),
    };
    if (!getenv("RELAY_TEST_LOG"))
        log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
