/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_topics.h"

#include "kafka/kafka_inflight.h"
#include "kafka/kafka_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mono at_ms(int64_t ms)
{
    return (struct mono){ms * 1000000};
}

static uint32_t find(struct kafka_topics *t, const char *name, int64_t now_ms)
{
    uint32_t index = UINT32_MAX;
    assert_int_equal(kafka_topics_find(t, name, at_ms(now_ms), &index, NULL), ST_OK);
    return index;
}

static void new_topic_is_pending_and_due_at_once(void **state)
{
    (void)state;
    struct kafka_topics *t = kafka_topics_create();
    uint32_t index = find(t, "orders", 100), due;
    struct mono next = at_ms(0);
    const char *reason;
    assert_int_equal(kafka_topics_state(t, index, &reason), PUBLISHER_TOPIC_PENDING);
    assert_string_not_equal(reason, "");
    assert_true(kafka_topics_due(t, at_ms(100), &due, &next));
    assert_int_equal(due, index);
    assert_int_equal(find(t, "orders", 200), index);
    assert_int_equal(kafka_topics_count(t), 1);
    kafka_topics_destroy(t);
}

static void refuses_names_that_kafka_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4", "a\n"};
    struct kafka_topics *t = kafka_topics_create();
    char longest[251];
    uint32_t index;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(kafka_topics_find(t, bad[i], at_ms(0), &index, NULL), ST_BAD_INPUT);
    memset(longest, 'x', 250);
    longest[250] = '\0';
    assert_int_equal(kafka_topics_find(t, longest, at_ms(0), &index, NULL), ST_BAD_INPUT);
    longest[249] = '\0';
    assert_int_equal(kafka_topics_find(t, longest, at_ms(0), &index, NULL), ST_OK);
    assert_int_equal(kafka_topics_count(t), 1);
    kafka_topics_destroy(t);
}

static void holds_its_bound_of_topics_and_finds_each(void **state)
{
    (void)state;
    struct kafka_topics *t = kafka_topics_create();
    char name[32];
    uint32_t index;
    for (uint32_t i = 0; i < KAFKA_TOPICS_MAX; i++) {
        snprintf(name, sizeof name, "topic-%u", i);
        assert_int_equal(find(t, name, 0), i);
    }
    assert_int_equal(kafka_topics_find(t, "one-more", at_ms(0), &index, NULL), ST_FULL);
    for (uint32_t i = 0; i < KAFKA_TOPICS_MAX; i++) {
        snprintf(name, sizeof name, "topic-%u", i);
        assert_int_equal(find(t, name, 0), i);
        assert_string_equal(kafka_topics_name(t, i), name);
    }
    kafka_topics_destroy(t);
}

static void failures_double_the_wait_up_to_ten_seconds(void **state)
{
    (void)state;
    static const int64_t waits_ms[] = {250, 500, 1000, 2000, 4000, 8000, 10000, 10000};
    struct kafka_topics *t = kafka_topics_create();
    uint32_t index = find(t, "orders", 0), due;
    struct mono next;
    const char *reason;
    int64_t now = 0;
    for (size_t i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++) {
        kafka_topics_set_failed(t, index, PUBLISHER_TOPIC_MISSING, "no such topic", at_ms(now));
        assert_int_equal(kafka_topics_state(t, index, &reason), PUBLISHER_TOPIC_MISSING);
        assert_string_equal(reason, "no such topic");
        assert_false(kafka_topics_due(t, at_ms(now + waits_ms[i] - 1), &due, &next));
        assert_int_equal(next.ns, at_ms(now + waits_ms[i]).ns);
        now += waits_ms[i];
        assert_true(kafka_topics_due(t, at_ms(now), &due, &next));
    }
    kafka_topics_set_ready(t, index);
    assert_false(kafka_topics_due(t, at_ms(now + 100000), &due, &next));
    kafka_topics_set_failed(t, index, PUBLISHER_TOPIC_MISSING, "gone", at_ms(now));
    assert_true(kafka_topics_due(t, at_ms(now + 250), &due, &next));
    kafka_topics_destroy(t);
}

static void asks_the_longest_due_first(void **state)
{
    (void)state;
    struct kafka_topics *t = kafka_topics_create();
    uint32_t late = find(t, "late", 300), early = find(t, "early", 100), due;
    struct mono next;
    assert_true(kafka_topics_due(t, at_ms(500), &due, &next));
    assert_int_equal(due, early);
    kafka_topics_set_ready(t, early);
    assert_true(kafka_topics_due(t, at_ms(500), &due, &next));
    assert_int_equal(due, late);
    kafka_topics_destroy(t);
}

static void new_producer_makes_only_ready_topics_pending(void **state)
{
    (void)state;
    struct kafka_topics *t = kafka_topics_create();
    uint32_t ready = find(t, "ready", 0), held = find(t, "held", 0), gone = find(t, "gone", 0), due;
    struct mono next;
    const char *reason;
    kafka_topics_set_ready(t, ready);
    kafka_topics_set_held(t, held, "denied", at_ms(5000));
    kafka_topics_set_failed(t, gone, PUBLISHER_TOPIC_MISSING, "no", at_ms(0));
    kafka_topics_set_unknown(t, at_ms(10));
    assert_int_equal(kafka_topics_state(t, ready, &reason), PUBLISHER_TOPIC_PENDING);
    assert_int_equal(kafka_topics_state(t, gone, &reason), PUBLISHER_TOPIC_MISSING);
    assert_true(kafka_topics_due(t, at_ms(10), &due, &next));
    assert_int_equal(due, ready);
    kafka_topics_set_ready(t, ready);
    kafka_topics_set_ready(t, gone);
    assert_false(kafka_topics_due(t, at_ms(4999), &due, &next));
    assert_int_equal(next.ns, at_ms(5000).ns);
    kafka_topics_destroy(t);
}

static void ready_topics_take_turns(void **state)
{
    (void)state;
    struct kafka_topics *t = kafka_topics_create();
    uint32_t a = find(t, "a", 0), index = 0;
    find(t, "b", 0);
    uint32_t c = find(t, "c", 0);
    assert_false(kafka_topics_next_ready(t, &index));
    kafka_topics_set_ready(t, a);
    kafka_topics_set_ready(t, c);
    assert_true(kafka_topics_next_ready(t, &index));
    assert_int_equal(index, c);
    assert_true(kafka_topics_next_ready(t, &index));
    assert_int_equal(index, a);
    kafka_topics_destroy(t);
}

static void inflight_keeps_order_and_bound(void **state)
{
    (void)state;
    struct kafka_inflight *f = kafka_inflight_create(4, 3);
    uint32_t slots[4], slot;
    assert_false(kafka_inflight_first(f, &slot));
    for (uint32_t i = 0; i < 4; i++) {
        assert_false(kafka_inflight_is_full(f));
        slots[i] = kafka_inflight_add(f, &(struct kafka_record){.tag = 100 + i, .topic = i % 3});
    }
    assert_true(kafka_inflight_is_full(f));
    assert_int_equal(kafka_inflight_count_of(f, 0), 2);
    /* From the middle, the end and the start. */
    assert_int_equal(kafka_inflight_take(f, slots[2]).tag, 102);
    assert_int_equal(kafka_inflight_take(f, slots[3]).tag, 103);
    assert_true(kafka_inflight_first(f, &slot));
    assert_int_equal(kafka_inflight_take(f, slot).tag, 100);
    assert_int_equal(kafka_inflight_count_of(f, 0), 0);
    kafka_inflight_add(f, &(struct kafka_record){.tag = 200, .is_alone = true});
    assert_true(kafka_inflight_first(f, &slot));
    assert_int_equal(kafka_inflight_take(f, slot).tag, 101);
    assert_true(kafka_inflight_first(f, &slot));
    struct kafka_record last = kafka_inflight_take(f, slot);
    assert_int_equal(last.tag, 200);
    assert_true(last.is_alone);
    assert_int_equal(kafka_inflight_count(f), 0);
    assert_false(kafka_inflight_first(f, &slot));
    kafka_inflight_destroy(f);
}

static void errors_that_say_nothing_about_the_record_are_retried(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t again[] = {
        RD_KAFKA_RESP_ERR__FATAL,
        RD_KAFKA_RESP_ERR__PURGE_QUEUE,
        RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
        RD_KAFKA_RESP_ERR__BAD_MSG,
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_UNKNOWN,
    };
    for (size_t i = 0; i < sizeof again / sizeof again[0]; i++)
        assert_int_equal(kafka_verdict_of(again[i]), KAFKA_VERDICT_AGAIN);
    assert_int_equal(kafka_verdict_of(RD_KAFKA_RESP_ERR_NO_ERROR), KAFKA_VERDICT_DELIVERED);
    assert_int_equal(kafka_verdict_of(RD_KAFKA_RESP_ERR_INVALID_RECORD), KAFKA_VERDICT_BATCH);
    assert_int_equal(kafka_verdict_of(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC), KAFKA_VERDICT_NO_TOPIC);
    assert_int_equal(kafka_verdict_of(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED),
                     KAFKA_VERDICT_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_topic_is_pending_and_due_at_once),
        cmocka_unit_test(refuses_names_that_kafka_refuses),
        cmocka_unit_test(holds_its_bound_of_topics_and_finds_each),
        cmocka_unit_test(failures_double_the_wait_up_to_ten_seconds),
        cmocka_unit_test(asks_the_longest_due_first),
        cmocka_unit_test(new_producer_makes_only_ready_topics_pending),
        cmocka_unit_test(ready_topics_take_turns),
        cmocka_unit_test(inflight_keeps_order_and_bound),
        cmocka_unit_test(errors_that_say_nothing_about_the_record_are_retried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
