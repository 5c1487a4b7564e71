/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a replay publishes what is selected, byte for byte and in order, at its rate, and goes on
 * after a crash with labels where they are due. */
#include "replayer_rig.h"

#include "relay/rate.h"

static void publishes_what_is_selected_as_it_was_and_in_order(void **state)
{
    struct world *w = *state;
    add_events(w, 100);
    create(w, (struct selection){.key = "even"}, "", 100, 0);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 50);
    for (int i = 0; i < 50; i++) {
        const struct sent *s = &w->fake.sent[i];
        char body[32];
        snprintf(body, sizeof body, "body %d", 2 * i + 2);
        assert_int_equal(s->seq, 2 * i + 2);
        assert_string_equal(s->body, body);
        assert_string_equal(s->key, "even");
        assert_string_equal(s->topic, "t");
        assert_string_equal(s->origin, "webhook");
        assert_int_equal(s->replay, 1);
        assert_false(s->is_labelled);
    }
    assert_int_equal(read_replay(w, 1).published, 50);
    assert_int_equal(read_replay(w, 1).position, 100);
    assert_int_equal(replayer_wait_ms(w->replayer), -1);
}

static void publishes_to_another_topic(void **state)
{
    struct world *w = *state;
    add_events(w, 3);
    create(w, (struct selection){0}, "copy", 2, 0);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 2);
    assert_string_equal(w->fake.sent[1].topic, "copy");
}

static void never_has_more_in_the_air_than_it_may(void **state)
{
    struct world *w = *state;
    add_events(w, 100);
    create(w, (struct selection){0}, "", 100, 0);
    for (int i = 0; i < 10; i++)
        turn(w, 3);
    assert_int_equal(replayer_in_air(w->replayer), IN_FLIGHT);
    report(w, 0, PUBLISHER_DELIVERED, false);
    turn(w, 0);
    assert_int_equal(w->fake.count, IN_FLIGHT);
    turns(w, 3);
    assert_int_equal(w->fake.count, IN_FLIGHT + 1);
    run_until(w, 1, REPLAYS_DONE);
}

static void keeps_its_rate(void **state)
{
    struct world *w = *state;
    struct wall began;
    add_events(w, 300);
    create(w, (struct selection){0}, "", 300, 100);
    began = w->rig->now;
    run_until(w, 1, REPLAYS_DONE);
    /* 300 events at 100 a second; the bucket holds five of them. */
    assert_in_range(w->rig->now.us - began.us, 2900000, 3200000);
    assert_int_equal(w->fake.count, 300);
}

static void a_bucket_gives_no_more_than_its_rate_after_a_long_rest(void **state)
{
    struct rate rate;
    struct mono now = {1000000000};
    (void)state;
    rate_init(&rate, 100, now);
    assert_int_equal(rate_tokens(&rate, now), 0);
    assert_int_equal(rate_wait_ms(&rate), RATE_WAIT_MS);
    now = mono_add_ms(now, 3600000);
    assert_int_equal(rate_tokens(&rate, now), 5);
    for (int i = 0; i < 5; i++)
        rate_take(&rate);
    assert_int_equal(rate_tokens(&rate, now), 0);
    rate_init(&rate, 1, now);
    assert_in_range(rate_wait_ms(&rate), 1000, 1001);
    rate_init(&rate, 0, now);
    assert_true(rate_tokens(&rate, now) == SIZE_MAX);
    assert_int_equal(rate_wait_ms(&rate), -1);
}

static void goes_on_after_a_crash_and_labels_what_may_be_there(void **state)
{
    struct world *w = *state;
    add_events(w, 20);
    create(w, (struct selection){0}, "", 20, 0);
    turns(w, 5);
    for (size_t i = 0; i < 4; i++)
        report(w, i, PUBLISHER_DELIVERED, false);
    turns(w, 1);
    assert_int_equal(read_replay(w, 1).position, 4);
    crash(w);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 16);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(w->fake.sent[i].seq, i + 5);
        assert_true(w->fake.sent[i].is_labelled);
    }
    assert_int_equal(read_replay(w, 1).published, 20);
}

static void labels_nothing_beyond_the_mark(void **state)
{
    struct world *w = *state;
    const int count = JOURNAL_MARK_AHEAD + 100;
    int64_t mark;
    add_events(w, count);
    create(w, (struct selection){0}, "", count, 0);
    turns(w, 3);
    deliver_all(w);
    turns(w, 1);
    mark = read_replay(w, 1).mark;
    assert_in_range(mark, JOURNAL_MARK_AHEAD, count - 1);
    crash(w);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, count - IN_FLIGHT);
    for (size_t i = 0; i < w->fake.count; i++)
        assert_int_equal(w->fake.sent[i].is_labelled, w->fake.sent[i].seq <= mark);
}

static void a_record_waits_for_its_mark(void **state)
{
    struct world *w = *state;
    add_events(w, 3);
    create(w, (struct selection){0}, "", 3, 0);
    replayer_step(w->replayer, 100);
    replayer_step(w->replayer, 100);
    assert_int_equal(w->fake.count, 0);
    settle(w);
    replayer_step(w->replayer, 100);
    assert_int_equal(w->fake.count, 3);
}

static void sends_again_what_came_back_and_labels_it_when_unsure(void **state)
{
    struct world *w = *state;
    add_events(w, 4);
    create(w, (struct selection){0}, "", 4, 0);
    turns(w, 3);
    assert_int_equal(w->fake.count, 4);
    report(w, 1, PUBLISHER_RETRY, true);
    report(w, 2, PUBLISHER_RETRY, false);
    report(w, 0, PUBLISHER_DELIVERED, false);
    turns(w, 2);
    assert_int_equal(w->fake.count, 4); /* one is still in the air: nothing may overtake */
    report(w, 3, PUBLISHER_DELIVERED, false);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 6);
    assert_true(w->fake.sent[4].seq == 2 && !w->fake.sent[4].is_labelled);
    assert_true(w->fake.sent[5].seq == 3 && w->fake.sent[5].is_labelled);
    assert_int_equal(read_replay(w, 1).published, 4);
}

static void an_empty_selection_is_done_at_once(void **state)
{
    struct world *w = *state;
    add_events(w, 5000);
    create(w, (struct selection){.key = "nobody"}, "", 5000, 1);
    for (int i = 0; i < 30 && read_replay(w, 1).state != REPLAYS_DONE; i++)
        w->rig->now.us += turn(w, 100) ? 0 : 1000000;
    assert_int_equal(read_replay(w, 1).state, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 0);
}

static void exactly_once_goes_on_behind_the_checkpoint_without_labels(void **state)
{
    struct world *w = *state;
    struct publisher_position at = {0};
    end(w);
    start(w, true);
    add_events(w, 20);
    assert_false(replayer_position(w->replayer, &at));
    create(w, (struct selection){0}, "", 20, 0);
    turns(w, 1);
    /* No mark is waited for, and the place behind what is in the air is the checkpoint's. */
    assert_int_equal(w->fake.count, IN_FLIGHT);
    assert_true(replayer_position(w->replayer, &at));
    assert_true(at.feed == -1 && at.seq == IN_FLIGHT && at.check);
    crash(w);
    replayer_adopt(w->replayer, &at);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 20 - IN_FLIGHT);
    assert_int_equal(w->fake.sent[0].seq, IN_FLIGHT + 1);
    for (size_t i = 0; i < w->fake.count; i++)
        assert_false(w->fake.sent[i].is_labelled);
    assert_int_equal(read_replay(w, 1).published, 20);
}

static void exactly_once_does_not_take_another_replay_of_its_number_for_its_own(void **state)
{
    struct world *w = *state;
    struct publisher_position at = {0};
    end(w);
    start(w, true);
    add_events(w, 4);
    create(w, (struct selection){0}, "", 4, 0);
    turns(w, 1);
    assert_true(replayer_position(w->replayer, &at));
    crash(w);
    at.check ^= 1;
    replayer_adopt(w->replayer, &at);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 4);
}

static void exactly_once_no_checkpoint_passes_what_came_back(void **state)
{
    struct world *w = *state;
    struct publisher_position at = {0};
    end(w);
    start(w, true);
    add_events(w, 4);
    create(w, (struct selection){0}, "", 4, 0);
    turns(w, 1);
    for (size_t i = 0; i < 4; i++)
        report(w, i, i == 1 ? PUBLISHER_REJECTED : PUBLISHER_RETRY, true);
    assert_true(replayer_position(w->replayer, &at));
    assert_int_equal(at.seq, 0);
    turns(w, 2);
    /* Event 2 was refused: event 1 goes alone, then what is behind both. */
    assert_int_equal(w->fake.count, 5);
    assert_true(replayer_position(w->replayer, &at));
    assert_int_equal(at.seq, 1);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 7);
    assert_int_equal(read_replay(w, 1).published, 3);
    assert_int_equal(read_replay(w, 1).failed, 1);
}

static void
exactly_once_no_checkpoint_passes_a_refused_record_before_the_journal_counts_it(void **state)
{
    struct world *w = *state;
    struct publisher_position at = {0};
    end(w);
    start(w, true);
    add_events(w, 3);
    create(w, (struct selection){0}, "", 3, 0);
    turns(w, 1);
    report(w, 0, PUBLISHER_DELIVERED, false);
    report(w, 1, PUBLISHER_REJECTED, true);
    report(w, 2, PUBLISHER_RETRY, true);
    replayer_step(w->replayer, 100);
    assert_true(replayer_position(w->replayer, &at));
    assert_int_equal(at.seq, 1);
    assert_int_equal(w->fake.count, 3);
    /* The count is lost with the power, and made again. */
    crash(w);
    replayer_adopt(w->replayer, &at);
    turns(w, 1);
    assert_int_equal(w->fake.sent[0].seq, 2);
    report(w, 0, PUBLISHER_REJECTED, true);
    report(w, 1, PUBLISHER_RETRY, true);
    turns(w, 2);
    assert_true(replayer_position(w->replayer, &at));
    assert_int_equal(at.seq, 3);
    /* The journal has it: nothing of it is sent or counted again. */
    crash(w);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.sent[0].seq, 3);
    assert_int_equal(read_replay(w, 1).published, 2);
    assert_int_equal(read_replay(w, 1).failed, 1);
}

static void exactly_once_its_place_never_goes_back(void **state)
{
    struct world *w = *state;
    struct publisher_position at = {0};
    end(w);
    start(w, true);
    add_events(w, 20);
    create(w, (struct selection){0}, "", 20, 0);
    turns(w, 1);
    assert_true(replayer_position(w->replayer, &at));
    crash(w);
    replayer_adopt(w->replayer, &at);
    /* Lanes take all the room of this turn. */
    turn(w, 0);
    assert_true(replayer_position(w->replayer, &at));
    assert_int_equal(at.seq, IN_FLIGHT);
}

static void exactly_once_the_journal_gets_the_place_of_one_whose_turn_it_is_not(void **state)
{
    struct world *w = *state;
    struct publisher_position at = {0};
    end(w);
    start(w, true);
    add_events(w, 20);
    create(w, (struct selection){0}, "", 20, 0);
    create(w, (struct selection){0}, "", 2, 0);
    turns(w, 1);
    assert_true(replayer_position(w->replayer, &at));
    set_state(w, 1, REPLAYS_PAUSED);
    crash(w);
    assert_int_equal(read_replay(w, 1).position, 0);
    replayer_adopt(w->replayer, &at);
    run_until(w, 2, REPLAYS_DONE);
    assert_int_equal(read_replay(w, 1).position, IN_FLIGHT);
    assert_int_equal(read_replay(w, 1).published, IN_FLIGHT);
    crash(w);
    set_state(w, 1, REPLAYS_RUNNING);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 20 - IN_FLIGHT);
    assert_int_equal(w->fake.sent[0].seq, IN_FLIGHT + 1);
}

static void a_pause_does_not_forget_what_the_process_before_may_have_sent(void **state)
{
    struct world *w = *state;
    add_events(w, 20);
    create(w, (struct selection){0}, "", 20, 0);
    turns(w, 5);
    crash(w);
    turn(w, 0);
    set_state(w, 1, REPLAYS_PAUSED);
    turns(w, 5);
    set_state(w, 1, REPLAYS_RUNNING);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 20);
    for (size_t i = 0; i < IN_FLIGHT; i++)
        assert_true(w->fake.sent[i].is_labelled);
}

static void without_marks_before_everything_is_labelled(void **state)
{
    struct world *w = *state;
    end(w);
    start(w, true);
    add_events(w, 20);
    create(w, (struct selection){0}, "", 20, 0);
    turns(w, 1);
    w->opts.transactional = false;
    crash(w);
    settle_suspect_replays(w->settle);
    settle(w);
    run_until(w, 1, REPLAYS_DONE);
    assert_int_equal(w->fake.count, 20);
    for (size_t i = 0; i < w->fake.count; i++)
        assert_true(w->fake.sent[i].is_labelled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(publishes_what_is_selected_as_it_was_and_in_order),
        WORLD_TEST(publishes_to_another_topic),
        WORLD_TEST(never_has_more_in_the_air_than_it_may),
        WORLD_TEST(keeps_its_rate),
        cmocka_unit_test(a_bucket_gives_no_more_than_its_rate_after_a_long_rest),
        WORLD_TEST(goes_on_after_a_crash_and_labels_what_may_be_there),
        WORLD_TEST(labels_nothing_beyond_the_mark),
        WORLD_TEST(a_record_waits_for_its_mark),
        WORLD_TEST(sends_again_what_came_back_and_labels_it_when_unsure),
        WORLD_TEST(an_empty_selection_is_done_at_once),
        WORLD_TEST(exactly_once_goes_on_behind_the_checkpoint_without_labels),
        WORLD_TEST(exactly_once_does_not_take_another_replay_of_its_number_for_its_own),
        WORLD_TEST(exactly_once_no_checkpoint_passes_what_came_back),
        WORLD_TEST(exactly_once_no_checkpoint_passes_a_refused_record_before_the_journal_counts_it),
        WORLD_TEST(exactly_once_its_place_never_goes_back),
        WORLD_TEST(exactly_once_the_journal_gets_the_place_of_one_whose_turn_it_is_not),
        WORLD_TEST(a_pause_does_not_forget_what_the_process_before_may_have_sent),
        WORLD_TEST(without_marks_before_everything_is_labelled),
    };
    if (rig_prepare())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
