/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/forwarder.h"

#include "unit/forwarder_rig.h"

static void sends_nothing_before_the_publisher_is_able(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    s->fake.standing = PUBLISHER_RECOVERING;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 0);
    s->fake.standing = PUBLISHER_ABLE;
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    strike_stage(s);
}

static void commits_when_there_is_no_more_and_settles_when_it_is_through(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 6; i++)
        arrive(s, i % 2 ? "b" : "a");
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.commits, 1);
    assert_int_equal(s->fake.open_count, 6);
    assert_int_equal(place_of(s, 1), 5);
    assert_int_equal(place_of(s, 2), 6);
    assert_int_equal(s->delivered_count, 0);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->delivered_count, 6);
    assert_int_equal(s->fake.commits, 1);
    /* A restart that finds nothing in Kafka goes on from the cursors. */
    end_process(s);
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static void ends_a_transaction_at_its_bound(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 12; i++)
        arrive(s, i % 2 ? "b" : "a");
    s->transaction_records_max = 5;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.commits, 1);
    assert_int_equal(s->fake.open_count, 5);
    strike_stage(s);
}

static void goes_on_from_the_checkpoint_where_the_journal_lags(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 4; i++)
        arrive(s, "a");
    s->fake.last[0] = (struct publisher_position){.feed = 1, .seq = 3};
    s->fake.last_count = 1;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 4);
    /* The cursor is settled at once, without anything delivered. */
    end_process(s);
    s->fake.last_count = 0;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    strike_stage(s);
}

static void the_journal_counts_where_the_checkpoint_lags(void **state)
{
    struct stage *s = set_stage(state);
    struct err e = {0};
    for (int i = 0; i < 4; i++)
        arrive(s, "a");
    begin(s->rig);
    assert_int_equal(journal_set_cursor(s->rig->journal, 1, 3, &e), ST_OK);
    commit(s->rig);
    s->fake.last[0] = (struct publisher_position){.feed = 1, .seq = 2};
    s->fake.last_count = 1;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 4);
    strike_stage(s);
}

/* Two events are in the journal when the process begins; Kafka has this. */
static void stops_at(void **state, struct publisher_position in_kafka)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "a");
    s->fake.last[0] = in_kafka;
    s->fake.last_count = 1;
    begin_process(s);
    /* Intake goes on; the new events take the seqs that Kafka has of others. */
    assert_int_equal(arrive(s, "a"), 3);
    arrive(s, "b");
    run(s);
    assert_true(view_of(s).journal_behind);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static void stops_when_the_checkpoint_names_an_event_that_the_journal_never_had(void **state)
{
    stops_at(state, (struct publisher_position){.feed = 1, .seq = 3});
}

static void stops_when_the_checkpoint_names_a_lane_that_the_journal_never_had(void **state)
{
    stops_at(state, (struct publisher_position){.feed = 3, .seq = 1});
}

/* What the last commit carried is what the next start finds in Kafka. */
static void keep_in_kafka(struct stage *s)
{
    memcpy(s->fake.last, s->fake.asked, sizeof s->fake.last);
    s->fake.last_count = s->fake.asked_count;
}

static void publish_all(struct stage *s)
{
    begin_process(s);
    run(s);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    keep_in_kafka(s);
    end_process(s);
}

/* A backup is taken, or comes back. */
static void swap_backup(struct stage *s, bool is_coming_back)
{
    char copy[128], name[128], sql[160];
    snprintf(copy, sizeof copy, "%s-backup", s->rig->path);
    journal_close(s->rig->journal);
    s->rig->journal = NULL;
    if (is_coming_back) {
        snprintf(name, sizeof name, "%s-wal", s->rig->path);
        unlink(name);
        snprintf(name, sizeof name, "%s-shm", s->rig->path);
        unlink(name);
        assert_int_equal(rename(copy, s->rig->path), 0);
    } else {
        snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy);
        run_sql(s->rig, sql);
    }
    open_journal(s->rig);
}

/* Kafka was away at the first start after a backup was put back; when it answers, new events have
 * the seqs of the lost ones. */
static void stops_when_an_older_journal_has_grown_past_the_checkpoint(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "b");
    swap_backup(s, false);
    arrive(s, "a");
    publish_all(s);
    swap_backup(s, true);
    assert_int_equal(arrive(s, "a"), 3);
    assert_int_equal(arrive(s, "a"), 4);
    begin_process(s);
    run(s);
    assert_true(view_of(s).journal_behind);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

/* The same, and the new event with that seq went to another lane. */
static void stops_when_the_newest_published_seq_is_in_another_lane(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "b");
    swap_backup(s, false);
    arrive(s, "a");
    publish_all(s);
    swap_backup(s, true);
    arrive(s, "b");
    arrive(s, "b");
    begin_process(s);
    run(s);
    assert_true(view_of(s).journal_behind);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static void goes_on_when_the_newest_published_event_is_its_own(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "b");
    publish_all(s);
    arrive(s, "a");
    begin_process(s);
    run(s);
    assert_false(view_of(s).journal_behind);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 3);
    strike_stage(s);
}

/* Two events of one lane are published; the second is deleted, and the journal's cursor is here. */
static bool is_stopped_without_its_row(void **state, int cursor)
{
    struct stage *s = set_stage(state);
    char sql[128];
    bool is_stopped;
    arrive(s, "a");
    arrive(s, "a");
    publish_all(s);
    journal_close(s->rig->journal);
    s->rig->journal = NULL;
    snprintf(sql, sizeof sql, "DELETE FROM events WHERE seq = 2; UPDATE lanes SET cursor = %d",
             cursor);
    run_sql(s->rig, sql);
    open_journal(s->rig);
    begin_process(s);
    arrive(s, "a");
    run(s);
    is_stopped = view_of(s).journal_behind;
    assert_int_equal(s->fake.open_count, is_stopped ? 0 : 1);
    strike_stage(s);
    return is_stopped;
}

static void goes_on_when_retention_has_deleted_the_newest_published_event(void **state)
{
    assert_false(is_stopped_without_its_row(state, 2));
}

static void stops_when_the_newest_published_event_was_never_there(void **state)
{
    assert_true(is_stopped_without_its_row(state, 1));
}

static void waits_for_the_topic_of_the_checkpoint_with_an_alarm(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    s->fake.standing = PUBLISHER_TOPICLESS;
    begin_process(s);
    run(s);
    assert_true(view_of(s).checkpoint_missing);
    assert_int_equal(s->fake.open_count, 0);
    s->fake.standing = PUBLISHER_RECOVERING;
    run(s);
    assert_false(view_of(s).checkpoint_missing);
    assert_true(view_of(s).recovering_s > 0);
    s->fake.standing = PUBLISHER_ABLE;
    run(s);
    assert_int_equal(view_of(s).recovering_s, 0);
    assert_int_equal(s->fake.open_count, 1);
    strike_stage(s);
}

static void stops_when_it_is_fenced(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    begin_process(s);
    run(s);
    s->fake.standing = PUBLISHER_FENCED;
    decide(s, PUBLISHER_RETRY);
    run(s);
    assert_true(view_of(s).fenced);
    assert_int_equal(s->fake.open_count, 0);
    /* For good, whatever the publisher says later. */
    s->fake.standing = PUBLISHER_ABLE;
    run(s);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static void a_refused_record_bars_its_lane_until_its_park_is_in_the_journal(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 3; i++)
        arrive(s, "a");
    arrive(s, "b");
    s->fake.too_big = 2;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 2); /* 1 and 4 */
    assert_int_equal(place_of(s, 1), 1);
    assert_int_equal(place_of(s, 2), 4);
    /* The park is noted, and the journal does not come to it. */
    decide(s, PUBLISHER_DELIVERED);
    turn(s, false);
    arrive(s, "b");
    turn(s, false);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 5);
    assert_int_equal(place_of(s, 1), 1);
    assert_int_equal(count_parked(s), 0);
    run(s);
    assert_int_equal(count_parked(s), 1);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 3);
    assert_int_equal(place_of(s, 1), 3);
    strike_stage(s);
}

static void a_rejected_record_is_parked_and_the_rest_goes_again(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 4; i++)
        arrive(s, "a");
    begin_process(s);
    run(s);
    s->fake.rejected = 2;
    decide(s, PUBLISHER_RETRY);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 1);
    assert_int_equal(place_of(s, 1), 1);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(count_parked(s), 1);
    assert_int_equal(s->fake.open_count, 2);
    assert_int_equal(s->fake.open[0].seq, 3);
    assert_int_equal(place_of(s, 1), 4);
    strike_stage(s);
}

static void a_lane_that_waits_is_no_part_of_the_transaction(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "b");
    arrive(s, "c");
    s->fake.waiting = "a";
    s->fake.missing = "b";
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.commits, 1);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(place_of(s, 1), 0);
    assert_int_equal(place_of(s, 2), 0);
    assert_int_equal(place_of(s, 3), 3);
    strike_stage(s);
}

static void the_first_lane_that_had_to_wait_begins_the_next_transaction(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "b");
    s->fake.waiting = "b";
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open[0].seq, 1);
    arrive(s, "a");
    s->fake.waiting = NULL;
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->fake.open_count, 2);
    assert_int_equal(s->fake.open[0].seq, 2);
    strike_stage(s);
}

static void finishing_commits_what_is_open(void **state)
{
    struct stage *s = set_stage(state);
    s->transaction_records_max = 64;
    arrive(s, "a");
    begin_process(s);
    while (s->fake.open_count == 0) {
        forwarder_step(s->forwarder);
        committer_step(s->committer, 0);
    }
    assert_int_equal(s->fake.commits, 0);
    arrive(s, "a");
    forwarder_finish(s->forwarder, 0);
    run(s);
    assert_int_equal(s->fake.commits, 1);
    assert_int_equal(s->fake.open_count, 1);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->delivered_count, 1);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static bool is_any_labelled(const struct stage *s)
{
    for (size_t i = 0; i < s->fake.open_count; i++)
        if (s->fake.open[i].labelled)
            return true;
    return false;
}

static void nothing_is_labelled_after_a_crash(void **state)
{
    struct stage *s = set_stage(state);
    begin_process(s);
    arrive(s, "a");
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 2);
    assert_false(is_any_labelled(s));
    end_process(s);
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 2);
    assert_false(is_any_labelled(s));
    strike_stage(s);
}

static void what_an_at_least_once_process_left_is_labelled_once(void **state)
{
    struct stage *s = set_stage(state);
    s->at_least_once = true;
    begin_process(s);
    arrive(s, "a");
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 2);
    end_process(s);
    s->at_least_once = false;
    begin_process(s);
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 3);
    assert_true(s->fake.open[0].labelled && s->fake.open[1].labelled);
    assert_false(s->fake.open[2].labelled);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    arrive(s, "a");
    run(s);
    end_process(s);
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_false(is_any_labelled(s));
    strike_stage(s);
}

static void what_an_exactly_once_process_left_is_labelled_at_least_once(void **state)
{
    struct stage *s = set_stage(state);
    begin_process(s);
    arrive(s, "a");
    arrive(s, "a");
    run(s);
    end_process(s);
    s->at_least_once = true;
    begin_process(s);
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 3);
    assert_true(s->fake.open[0].labelled && s->fake.open[1].labelled);
    assert_false(s->fake.open[2].labelled);
    strike_stage(s);
}

static void
a_process_that_could_not_read_the_lanes_does_not_note_that_nothing_may_repeat(void **state)
{
    struct stage *s = set_stage(state);
    struct err e;
    s->at_least_once = true;
    begin_process(s);
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    end_process(s);
    s->at_least_once = false;
    begin_process(s);
    run_sql(s->rig, "ALTER TABLE lanes RENAME TO away");
    run(s);
    assert_true(forwarder_is_dead(s->forwarder, &e));
    end_process(s);
    run_sql(s->rig, "ALTER TABLE away RENAME TO lanes");
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_true(s->fake.open[0].labelled);
    strike_stage(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(sends_nothing_before_the_publisher_is_able),
        RIG_TEST(commits_when_there_is_no_more_and_settles_when_it_is_through),
        RIG_TEST(ends_a_transaction_at_its_bound),
        RIG_TEST(goes_on_from_the_checkpoint_where_the_journal_lags),
        RIG_TEST(the_journal_counts_where_the_checkpoint_lags),
        RIG_TEST(stops_when_the_checkpoint_names_an_event_that_the_journal_never_had),
        RIG_TEST(stops_when_the_checkpoint_names_a_lane_that_the_journal_never_had),
        RIG_TEST(stops_when_an_older_journal_has_grown_past_the_checkpoint),
        RIG_TEST(stops_when_the_newest_published_seq_is_in_another_lane),
        RIG_TEST(goes_on_when_the_newest_published_event_is_its_own),
        RIG_TEST(goes_on_when_retention_has_deleted_the_newest_published_event),
        RIG_TEST(stops_when_the_newest_published_event_was_never_there),
        RIG_TEST(waits_for_the_topic_of_the_checkpoint_with_an_alarm),
        RIG_TEST(stops_when_it_is_fenced),
        RIG_TEST(a_refused_record_bars_its_lane_until_its_park_is_in_the_journal),
        RIG_TEST(a_rejected_record_is_parked_and_the_rest_goes_again),
        RIG_TEST(a_lane_that_waits_is_no_part_of_the_transaction),
        RIG_TEST(the_first_lane_that_had_to_wait_begins_the_next_transaction),
        RIG_TEST(finishing_commits_what_is_open),
        RIG_TEST(nothing_is_labelled_after_a_crash),
        RIG_TEST(what_an_at_least_once_process_left_is_labelled_once),
        RIG_TEST(what_an_exactly_once_process_left_is_labelled_at_least_once),
        RIG_TEST(a_process_that_could_not_read_the_lanes_does_not_note_that_nothing_may_repeat),
    };
    if (rig_prepare() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
