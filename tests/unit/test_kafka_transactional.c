/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The transactional publisher against librdkafka's mock cluster. The mock knows the requests of
 * transactions, and can be made to answer them with errors, but has neither markers nor fencing:
 * what a reader sees of an aborted transaction is tested with a real Kafka.
 */

#include "test_kafka_txn_kit.h"

/* ---- what goes well ---- */

static void delivers_all_of_a_transaction_in_one_poll_and_keeps_its_checkpoint(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    produce_all(b, "orders", 0, 99);
    produce_all(b, "others", 100, 149);
    commit(b, 149);
    while (b->reports == 0)
        turn_or_fail(b, "a commit");
    assert_int_equal(b->reports, 150);
    assert_outcomes(b, 0, 149, PUBLISHER_DELIVERED);
    assert_position(b, 149);
    reopen(b);
    begin_work(b);
    assert_position(b, 149);
}

static void has_no_checkpoint_on_an_empty_topic(void **state)
{
    struct txn_bench *b = *state;
    struct publisher_checkpoint last;
    begin_work(b);
    assert_int_equal(b->p->ops->standing(b->p, &last), PUBLISHER_ABLE);
    assert_int_equal(last.count, 0);
}

static void does_nothing_in_kafka_before_somebody_asks_for_its_standing(void **state)
{
    struct txn_bench *b = *state;
    const char *reason;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    open_publisher(b, "j-1");
    while (b->p->ops->topic(b->p, "orders", &reason) != PUBLISHER_TOPIC_READY)
        assert_true(turn(b, deadline));
    /* A first look at the standing starts what was not started before. */
    assert_int_equal(produce(b, "orders", 0), ST_AGAIN);
    begin_work(b);
    assert_int_equal(produce(b, "orders", 0), ST_OK);
}

static void takes_nothing_while_a_commit_is_under_way(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    produce_all(b, "orders", 0, 9);
    commit(b, 9);
    assert_int_equal(produce(b, "orders", 10), ST_AGAIN);
    assert_int_equal(try_commit(b, 9), ST_AGAIN);
    b->p->ops->flush(b->p, DEADLINE_MS, on_report, b);
    assert_int_equal(b->reports, 10);
    produce_all(b, "orders", 10, 10);
}

static void commits_nothing_that_was_not_begun(void **state)
{
    struct txn_bench *b = *state;
    open_publisher(b, "j-1");
    assert_int_equal(try_commit(b, 0), ST_AGAIN);
    begin_work(b);
    assert_int_equal(try_commit(b, 0), ST_AGAIN);
}

static void gives_back_an_abandoned_transaction(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    produce_all(b, "orders", 0, 9);
    b->p->ops->abandon(b->p);
    assert_int_equal(produce(b, "orders", 10), ST_AGAIN);
    wait_reports(b, 10);
    assert_outcomes(b, 0, 9, PUBLISHER_RETRY);
    forward(b, "orders", 0, 9);
    assert_position(b, 9);
}

/* ---- errors of Kafka, foundations of the design: which repeat, which make the producer anew ----
 */

struct injection {
    int16_t api;
    int count;
    rd_kafka_resp_err_t err;
};

static void inject(struct txn_bench *b, struct injection i)
{
    for (int n = 0; n < i.count; n++)
        rd_kafka_mock_push_request_errors(b->mock, i.api, 1, i.err);
}

/* A transaction of 20 records of one topic goes through, sooner or later, and so does the next. */
static void assert_survives(struct txn_bench *b, struct injection i)
{
    begin_work(b);
    forward(b, "orders", 0, 4);
    inject(b, i);
    forward(b, "orders", 5, 24);
    assert_outcomes(b, 5, 24, PUBLISHER_DELIVERED);
    forward(b, "orders", 25, 29);
    assert_position(b, 29);
}

#define SURVIVES(name, api, count, err)                               \
    static void name(void **state)                                    \
    {                                                                 \
        assert_survives(*state, (struct injection){api, count, err}); \
    }

SURVIVES(survives_a_coordinator_that_is_away_at_the_end, API_END_TXN, 2,
         RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE)
SURVIVES(survives_a_transaction_that_is_still_completing, API_END_TXN, 2,
         RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS)
SURVIVES(survives_being_fenced_alone_at_the_end, API_END_TXN, 1,
         RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
SURVIVES(survives_an_expired_id_at_the_end, API_END_TXN, 1,
         RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING)
SURVIVES(survives_an_expired_id_at_a_new_partition, API_ADD_PARTITIONS, 1,
         RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING)
SURVIVES(survives_being_fenced_alone_at_a_new_partition, API_ADD_PARTITIONS, 1,
         RD_KAFKA_RESP_ERR_PRODUCER_FENCED)
SURVIVES(survives_a_coordinator_that_moves, API_ADD_PARTITIONS, 1,
         RD_KAFKA_RESP_ERR_NOT_COORDINATOR)
SURVIVES(survives_a_transaction_that_is_still_completing_at_a_new_partition, API_ADD_PARTITIONS, 3,
         RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS)
SURVIVES(survives_too_few_replicas, API_PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS)
SURVIVES(survives_a_gap_in_sequence_numbers, API_PRODUCE, 1,
         RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER)
SURVIVES(survives_a_forgotten_producer, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID)

static void survives_errors_while_it_recovers(void **state)
{
    struct txn_bench *b = *state;
    inject(b, (struct injection){API_INIT_PRODUCER_ID, 2,
                                 RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE});
    inject(b, (struct injection){API_END_TXN, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED});
    begin_work(b);
    forward(b, "orders", 0, 9);
    assert_position(b, 9);
}

/* ---- who is to blame ---- */

static void rejects_only_the_record_that_is_refused_alone(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    forward(b, "orders", 0, 0);
    inject(b, (struct injection){API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
    produce_all(b, "orders", 1, 5);
    wait_reports(b, 6);
    assert_outcomes(b, 1, 5, PUBLISHER_RETRY);
    begin_work(b);
    inject(b, (struct injection){API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
    assert_int_equal(produce(b, "orders", 1), ST_OK);
    assert_int_equal(produce(b, "orders", 2), ST_AGAIN);
    assert_int_equal(produce(b, "others", 100), ST_AGAIN);
    wait_reports(b, 7);
    assert_int_equal(b->last[1], PUBLISHER_REJECTED);
    forward(b, "orders", 2, 10);
    forward(b, "others", 100, 100);
    forward(b, "orders", 11, 200);
    assert_position(b, 200);
}

static void rests_a_topic_that_is_denied_and_serves_the_others(void **state)
{
    struct txn_bench *b = *state;
    const char *reason;
    begin_work(b);
    forward(b, "orders", 0, 0);
    inject(b, (struct injection){API_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
    produce_all(b, "orders", 1, 5);
    wait_reports_of(b, 1, PUBLISHER_DENIED);
    assert_int_equal(b->p->ops->topic(b->p, "orders", &reason), PUBLISHER_TOPIC_PENDING);
    assert_non_null(strstr(reason, "authorization"));
    forward(b, "others", 100, 150);
    forward(b, "orders", 1, 5);
}

/* Kafka denies a partition before it has a record; librdkafka tells of no record then. */
static void finds_the_denied_topic_among_others_that_it_suspects(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    forward(b, "orders", 0, 0);
    forward(b, "others", 1, 1);
    inject(b,
           (struct injection){API_ADD_PARTITIONS, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
    produce_all(b, "orders", 2, 4);
    produce_all(b, "others", 10, 12);
    wait_reports(b, 8);
    assert_outcomes(b, 2, 4, PUBLISHER_RETRY);
    assert_outcomes(b, 10, 12, PUBLISHER_RETRY);
    /* From now on alone: the second denial has one topic to blame. */
    begin_work(b);
    inject(b,
           (struct injection){API_ADD_PARTITIONS, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
    while (produce(b, "orders", 2) != ST_OK)
        turn_or_fail(b, "a probe");
    assert_int_equal(produce(b, "orders", 3), ST_AGAIN);
    assert_int_equal(produce(b, "others", 10), ST_AGAIN);
    wait_reports_of(b, 2, PUBLISHER_DENIED);
    forward(b, "others", 10, 12);
    forward(b, "orders", 2, 4);
}

/* ---- unknown outcomes ---- */

static void finds_an_unanswered_commit_in_the_checkpoint(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    forward(b, "orders", 0, 0);
    produce_all(b, "orders", 1, 5);
    inject(b, (struct injection){API_END_TXN, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED});
    commit(b, 5);
    wait_reports(b, 6);
    /* The mock shows what was produced, so the checkpoint is there. */
    assert_outcomes(b, 1, 5, PUBLISHER_DELIVERED);
    assert_position(b, 5);
}

static void finds_a_commit_that_never_happened_missing_from_the_checkpoint(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    forward(b, "orders", 0, 0);
    inject(b, (struct injection){API_ADD_PARTITIONS, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED});
    produce_all(b, "orders", 1, 5);
    try_commit(b, 5);
    wait_reports(b, 6);
    assert_outcomes(b, 1, 5, PUBLISHER_RETRY);
    begin_work(b);
    assert_position(b, 0);
    forward(b, "orders", 1, 5);
    assert_position(b, 5);
}

static void decides_when_the_broker_is_back_that_went_away_in_a_commit(void **state)
{
    struct txn_bench *b = *state;
    begin_work(b);
    forward(b, "orders", 0, 9);
    produce_all(b, "orders", 10, 19);
    rd_kafka_mock_broker_set_down(b->mock, 1);
    commit(b, 19);
    bool connected;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    while (b->p->ops->state(b->p, &connected), connected)
        assert_true(turn(b, deadline));
    assert_int_equal(b->reports, 10);
    rd_kafka_mock_broker_set_up(b->mock, 1);
    wait_reports(b, 20);
    forward(b, "orders", 10, 19);
    assert_position(b, 19);
}

/* ---- who is in charge ---- */

static void stops_when_a_younger_instance_has_taken_over(void **state)
{
    struct txn_bench *b = *state;
    struct publisher_checkpoint last;
    begin_work(b);
    forward(b, "orders", 0, 9);
    struct publisher *older = b->p;
    b->p = NULL;
    begin_work(b);
    struct publisher *younger = b->p;
    forward(b, "orders", 10, 19);

    b->p = older;
    inject(b, (struct injection){API_ADD_PARTITIONS, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED});
    produce_all(b, "orders", 20, 20);
    try_commit(b, 20);
    while (older->ops->standing(older, &last) != PUBLISHER_FENCED)
        turn_or_fail(b, "being fenced");
    bool connected;
    assert_non_null(strstr(older->ops->state(older, &connected), "has taken over"));
    assert_int_equal(produce(b, "orders", 21), ST_AGAIN);
    b->accepted[20] = 0; /* it gets no report: nobody here knows */
    older->ops->destroy(older);

    b->p = younger;
    forward(b, "orders", 22, 29);
}

static void stops_at_another_journals_checkpoint(void **state)
{
    struct txn_bench *b = *state;
    struct publisher_checkpoint last;
    bool connected;
    begin_work(b);
    forward(b, "orders", 0, 9);
    b->p->ops->destroy(b->p);
    open_publisher(b, "j-2");
    while (b->p->ops->standing(b->p, &last) != PUBLISHER_FENCED)
        turn_or_fail(b, "refusing the checkpoint");
    assert_non_null(strstr(b->p->ops->state(b->p, &connected), "journal j-1"));
    reopen(b);
    begin_work(b);
    assert_position(b, 9);
}

static void ends_in_bounded_time_while_it_recovers(void **state)
{
    struct txn_bench *b = *state;
    struct publisher_checkpoint last;
    rd_kafka_mock_broker_set_rtt(b->mock, 1, 60000);
    open_publisher(b, "j-1");
    b->p->ops->standing(b->p, &last);
    b->p->ops->poll(b->p, on_report, b);
    struct mono before = now_mono();
    b->p->ops->destroy(b->p);
    b->p = NULL;
    assert_true(mono_diff_ns(now_mono(), before) < 15000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TXN(delivers_all_of_a_transaction_in_one_poll_and_keeps_its_checkpoint),
        WITH_TXN(has_no_checkpoint_on_an_empty_topic),
        WITH_TXN(does_nothing_in_kafka_before_somebody_asks_for_its_standing),
        WITH_TXN(takes_nothing_while_a_commit_is_under_way),
        WITH_TXN(commits_nothing_that_was_not_begun),
        WITH_TXN(gives_back_an_abandoned_transaction),
        WITH_TXN(survives_a_coordinator_that_is_away_at_the_end),
        WITH_TXN(survives_a_transaction_that_is_still_completing),
        WITH_TXN(survives_being_fenced_alone_at_the_end),
        WITH_TXN(survives_an_expired_id_at_the_end),
        WITH_TXN(survives_an_expired_id_at_a_new_partition),
        WITH_TXN(survives_being_fenced_alone_at_a_new_partition),
        WITH_TXN(survives_a_coordinator_that_moves),
        WITH_TXN(survives_a_transaction_that_is_still_completing_at_a_new_partition),
        WITH_TXN(survives_too_few_replicas),
        WITH_TXN(survives_a_gap_in_sequence_numbers),
        WITH_TXN(survives_a_forgotten_producer),
        WITH_TXN(survives_errors_while_it_recovers),
        WITH_TXN(rejects_only_the_record_that_is_refused_alone),
        WITH_TXN(rests_a_topic_that_is_denied_and_serves_the_others),
        WITH_TXN(finds_the_denied_topic_among_others_that_it_suspects),
        WITH_TXN(finds_an_unanswered_commit_in_the_checkpoint),
        WITH_TXN(finds_a_commit_that_never_happened_missing_from_the_checkpoint),
        WITH_TXN(decides_when_the_broker_is_back_that_went_away_in_a_commit),
        WITH_TXN(stops_when_a_younger_instance_has_taken_over),
        WITH_TXN(stops_at_another_journals_checkpoint),
        WITH_TXN(ends_in_bounded_time_while_it_recovers),
    };
    if (!getenv("RELAY_TEST_LOG"))
        log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
