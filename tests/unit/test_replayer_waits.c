/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a replay waits where it must and says why, obeys its operators, and loses nothing in
 * silence. */
#include "replayer_rig.h"

static void counts_refused_records_and_goes_on(void **state)
{
    struct world *w = *state;
    add_events(w, 5);
    w->fake.refused = 2;
    create(w, (struct selection){0}, "", 5, 0);
    turns(w, 3);
    assert_int_equal(w->fake.count, 4);
    report(w, 1, PUBLISHER_REJECTED, true);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(read_replay(w, 1).published, 3);
    assert_int_equal(read_replay(w, 1).failed, 2);
    assert_string_equal(read_replay(w, 1).failure, "event 3: because");
}

static void counts_a_damaged_row_and_goes_on(void **state)
{
    struct world *w = *state;
    add_events(w, 3);
    end(w);
    journal_close(w->rig->journal);
    run_sql(w->rig, "UPDATE events SET body = 'forged' WHERE seq = 2");
    open_journal(w->rig);
    start(w, false);
    create(w, (struct selection){0}, "", 3, 0);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 2);
    assert_int_equal(read_replay(w, 1).failed, 1);
    assert_non_null(strstr(read_replay(w, 1).failure, "event 2"));
}

static void rows_pruned_under_it_are_counted_and_not_waited_for(void **state)
{
    struct world *w = *state;
    add_events(w, 30);
    create(w, (struct selection){0}, "", 30, 0);
    turns(w, 3);
    assert_int_equal(w->fake.count, IN_FLIGHT);
    deliver_all(w);
    turn(w, 0);
    prune(w, 1, 20);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.sent[IN_FLIGHT].seq, 21);
    assert_int_equal(read_replay(w, 1).published, IN_FLIGHT + 10);
    assert_int_equal(read_replay(w, 1).gone, 20 - IN_FLIGHT);
}

static void rows_pruned_before_they_can_go_again_are_passed_over(void **state)
{
    struct world *w = *state;
    add_events(w, 4);
    create(w, (struct selection){0}, "", 4, 0);
    turns(w, 3);
    assert_int_equal(w->fake.count, 4);
    prune(w, 3, 4);
    for (size_t i = 0; i < 4; i++)
        report(w, i, PUBLISHER_RETRY, true);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 6);
    assert_int_equal(read_replay(w, 1).published, 2);
    assert_int_equal(read_replay(w, 1).gone, 2);
    assert_int_equal(read_replay(w, 1).failed, 0);
}

static void a_missing_topic_is_waited_for_with_its_reason(void **state)
{
    struct world *w = *state;
    add_events(w, 3);
    w->fake.topic = PUBLISHER_TOPIC_MISSING;
    create(w, (struct selection){0}, "nowhere", 3, 0);
    turns(w, 700);
    assert_int_equal(w->fake.count, 0);
    assert_string_equal(read_replay(w, 1).waits, "topic nowhere: it does not exist");
    assert_in_range(replayer_wait_ms(w->replayer), 0, 50);
    w->fake.topic = PUBLISHER_TOPIC_READY;
    run_until(w, 1, REPLAYS_DONE);
    assert_string_equal(read_replay(w, 1).waits, "");
}

static void a_full_queue_is_waited_for(void **state)
{
    struct world *w = *state;
    add_events(w, 3);
    w->fake.answer = ST_FULL;
    create(w, (struct selection){0}, "", 3, 0);
    turns(w, 700);
    assert_string_equal(read_replay(w, 1).waits, "the queue is full");
    w->fake.answer = ST_OK;
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 3);
}

static void never_overtakes_the_first_publication(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    add_events(w, 2);
    store(w->rig, "t", "", "late");
    create(w, (struct selection){0}, "", 3, 0);
    for (int i = 0; i < 700; i++) {
        deliver_all(w);
        turn(w, 100);
    }
    assert_int_equal(w->fake.count, 2);
    assert_string_equal(read_replay(w, 1).waits,
                        "event 3 waits to be published for the first time");
    begin(w->rig);
    assert_int_equal(journal_set_cursor(w->rig->journal, 1, 3, &e), ST_OK);
    commit(w->rig);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 3);
}

static void a_pause_of_its_lane_holds_it(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    add_events(w, 100);
    create(w, (struct selection){0}, "copy", 100, 0);
    turns(w, 3);
    begin(w->rig);
    assert_int_equal(action_pause(w->rig->journal, "all", &me, &e), ST_OK);
    commit(w->rig);
    replayer_reload(w->replayer);
    report(w, 0, PUBLISHER_DELIVERED, false);
    turns(w, 700);
    assert_int_equal(w->fake.count, IN_FLIGHT);
    assert_string_equal(read_replay(w, 1).waits, "a pause holds topic t of source main");
    /* What a pause finds in the air is called back. */
    assert_true(w->fake.abandoned > 0);
    begin(w->rig);
    assert_int_equal(action_resume(w->rig->journal, "all", &me, &e), ST_OK);
    commit(w->rig);
    replayer_reload(w->replayer);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(read_replay(w, 1).published, 100);
}

static void a_paused_replay_goes_on_where_it_was_without_labels(void **state)
{
    struct world *w = *state;
    add_events(w, 20);
    create(w, (struct selection){0}, "", 20, 0);
    turns(w, 3);
    set_state(w, 1, REPLAYS_PAUSED);
    turns(w, 3);
    deliver_all(w);
    turns(w, 10);
    assert_int_equal(w->fake.count, IN_FLIGHT);
    assert_int_equal(read_replay(w, 1).position, IN_FLIGHT);
    set_state(w, 1, REPLAYS_RUNNING);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(w->fake.sent[i].seq, i + 1);
        assert_false(w->fake.sent[i].is_labelled);
    }
}

static void a_cancelled_replay_sends_nothing_more_and_the_next_begins(void **state)
{
    struct world *w = *state;
    add_events(w, 40);
    create(w, (struct selection){0}, "", 40, 0);
    create(w, (struct selection){.to_seq = 5}, "other", 5, 0);
    turns(w, 3);
    assert_int_equal(w->fake.count, IN_FLIGHT);
    set_state(w, 1, REPLAYS_CANCELLED);
    turns(w, 10);
    /* Its records are still in the air: the next one waits. */
    assert_int_equal(w->fake.count, IN_FLIGHT);
    run_until(w, 2, REPLAYS_DONE);
    assert_int_equal(w->fake.count, IN_FLIGHT + 5);
    assert_int_equal(w->fake.sent[IN_FLIGHT].replay, 2);
    assert_int_equal(read_replay(w, 1).state, REPLAYS_CANCELLED);
    assert_int_equal(read_replay(w, 1).published, IN_FLIGHT);
}

static void one_runs_after_the_other(void **state)
{
    struct world *w = *state;
    add_events(w, 20);
    create(w, (struct selection){0}, "one", 20, 0);
    create(w, (struct selection){0}, "two", 20, 0);
    run_until(w, 2, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 40);
    for (size_t i = 0; i < 40; i++)
        assert_string_equal(w->fake.sent[i].topic, i < 20 ? "one" : "two");
}

static void a_selection_that_cannot_be_read_fails_the_replay(void **state)
{
    struct world *w = *state;
    add_events(w, 2);
    create(w, (struct selection){0}, "", 2, 0);
    end(w);
    journal_close(w->rig->journal);
    run_sql(w->rig, "UPDATE replays SET selection = json_set(selection, '$.events.colour', 1)");
    open_journal(w->rig);
    start(w, false);
    run_until(w, 1, REPLAYS_FAILED);
    assert_int_equal(w->fake.count, 0);
    assert_non_null(strstr(read_replay(w, 1).failure, "selection"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(counts_refused_records_and_goes_on),
        WORLD_TEST(counts_a_damaged_row_and_goes_on),
        WORLD_TEST(rows_pruned_under_it_are_counted_and_not_waited_for),
        WORLD_TEST(rows_pruned_before_they_can_go_again_are_passed_over),
        WORLD_TEST(a_missing_topic_is_waited_for_with_its_reason),
        WORLD_TEST(a_full_queue_is_waited_for),
        WORLD_TEST(never_overtakes_the_first_publication),
        WORLD_TEST(a_pause_of_its_lane_holds_it),
        WORLD_TEST(a_paused_replay_goes_on_where_it_was_without_labels),
        WORLD_TEST(a_cancelled_replay_sends_nothing_more_and_the_next_begins),
        WORLD_TEST(one_runs_after_the_other),
        WORLD_TEST(a_selection_that_cannot_be_read_fails_the_replay),
    };
    if (rig_prepare())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
