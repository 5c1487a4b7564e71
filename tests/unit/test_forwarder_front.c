/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: lanes that are caught up are read together; whatever takes one of them away from there or
 * brings it back, each of its events is sent once and in order. */
#include "journal/actions.h"
#include "unit/forwarder_rig.h"

#include <limits.h>

/* ---- what is asked of the journal ---- */

/* Statements on connections that only read. */
static struct asked {
    int begins;
    int alone;    /* reads of one lane */
    int together; /* reads of all */
} asked;

static int on_statement(unsigned what, void *ctx, void *stmt, void *text)
{
    (void)what;
    (void)ctx;
    if (sqlite3_db_readonly(sqlite3_db_handle(stmt), "main") != 1)
        return 0;
    asked.begins += strcmp(text, "BEGIN") == 0;
    asked.alone += strstr(text, "WHERE lane = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3") != NULL;
    asked.together += strstr(text, "FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2") != NULL;
    return 0;
}

static int watch(sqlite3 *db, const char **why, const void *api)
{
    (void)why;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
}

/* ---- events of lanes "a", "b" and so on ---- */

static char lane_of[RECORDS_MAX + 1];
static int64_t last;

static void deliver(struct stage *s)
{
    decide(s, PUBLISHER_DELIVERED);
    run(s);
}

/* Committed, and the forwarder did not hear of it yet. */
static void come_unheard(struct stage *s, const char *lanes)
{
    for (; *lanes; lanes++) {
        const char topic[] = {*lanes, '\0'};
        last = store(s->rig, topic, "", "{}").seq;
        assert_in_range(last, 1, RECORDS_MAX);
        lane_of[last] = *lanes;
    }
}

static void come(struct stage *s, const char *lanes)
{
    come_unheard(s, lanes);
    if (s->forwarder)
        forwarder_notify(s->forwarder);
}

/* A process that has published one event of each of these lanes and looked for more. */
static struct stage *set_front(void **state, const char *lanes, bool at_least_once)
{
    struct stage *s = set_stage(state);
    s->at_least_once = at_least_once;
    come(s, lanes);
    begin_process(s);
    run(s);
    deliver(s);
    assert_int_equal(s->delivered_count, strlen(lanes));
    asked = (struct asked){0};
    return s;
}

/* The lanes of the records in the air, in the order in which they went. */
static const char *in_air(const struct stage *s)
{
    static char text[RECORDS_MAX + 1];
    for (size_t i = 0; i < s->fake.open_count; i++)
        text[i] = lane_of[s->fake.open[i].seq];
    text[s->fake.open_count] = '\0';
    return text;
}

/* Each event but the one was delivered once, those of a lane in order. */
static void check_all_but(const struct stage *s, int64_t parked)
{
    int64_t newest[CHAR_MAX + 1] = {0};
    assert_int_equal(s->delivered_count, (size_t)last - (parked != 0));
    for (size_t i = 0; i < s->delivered_count; i++) {
        int64_t seq = s->delivered[i];
        int lane = lane_of[seq];
        assert_int_not_equal(seq, parked);
        assert_true(seq > newest[lane]);
        newest[lane] = seq;
    }
}

/* An event of each lane goes, and none of them reads alone for it. */
static void check_all_at_front(struct stage *s, const char *lanes)
{
    asked = (struct asked){0};
    come(s, lanes);
    run(s);
    assert_string_equal(in_air(s), lanes);
    assert_int_equal(asked.alone, 0);
    deliver(s);
}

static struct forwarder_lane_view lane_view(struct stage *s, size_t place)
{
    struct forwarder_lane_view views[4];
    assert_in_range(forwarder_view(s->forwarder, views, 4), place + 1, 4);
    return views[place];
}

static void set_pause(struct stage *s, const char *scope, bool paused)
{
    const struct action_by by = {"ann", "test"};
    struct err e = {0};
    begin(s->rig);
    assert_int_equal(paused ? action_pause(s->rig->journal, scope, &by, &e)
                            : action_resume(s->rig->journal, scope, &by, &e),
                     ST_OK);
    commit(s->rig);
    forwarder_reload_pauses(s->forwarder);
}

/* ---- together ---- */

static void one_query_finds_a_new_event_of_any_lane(void **state)
{
    struct stage *s = set_front(state, "abc", true);
    come(s, "b");
    run(s);
    assert_string_equal(in_air(s), "b");
    assert_int_equal(asked.together, 1);
    assert_int_equal(asked.alone, 0);
    assert_int_equal(asked.begins, 1);
    strike_stage(s);
}

static void events_of_several_lanes_go_in_the_order_in_which_they_came(void **state)
{
    struct stage *s = set_front(state, "abc", true);
    come(s, "cabbac");
    run(s);
    assert_string_equal(in_air(s), "cabbac");
    assert_int_equal(asked.together, 1);
    deliver(s);
    check_all_but(s, 0);
    strike_stage(s);
}

static void a_turn_that_reads_nothing_opens_no_transaction(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    run(s);
    assert_int_equal(asked.begins, 0);
    strike_stage(s);
}

static void what_was_published_before_a_start_is_not_read_again(void **state)
{
    struct stage *s = set_front(state, "aabbaabbaabb", true);
    end_process(s);
    begin_process(s);
    run(s);
    asked = (struct asked){0};
    come(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(asked.together, 1);
    strike_stage(s);
}

static void a_long_run_at_the_front_is_read_in_slices(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    /* Four rows a lane in a read. */
    come(s, "aaabbbaaabbbaaabbb");
    assert_true(forwarder_step(s->forwarder));
    assert_true(forwarder_step(s->forwarder));
    assert_false(forwarder_step(s->forwarder));
    assert_string_equal(in_air(s), "aaabbbaaabbbaaabbb");
    assert_int_equal(asked.together, 3);
    assert_int_equal(asked.alone, 0);
    deliver(s);
    check_all_but(s, 0);
    strike_stage(s);
}

static void a_transaction_that_is_full_goes_on_with_the_next(void **state)
{
    struct stage *s = set_stage(state);
    s->transaction_records_max = 3;
    come(s, "ab");
    begin_process(s);
    run(s);
    deliver(s);
    asked = (struct asked){0};
    come(s, "abababab");
    run(s);
    assert_string_equal(in_air(s), "aba");
    deliver(s);
    assert_string_equal(in_air(s), "bab");
    deliver(s);
    deliver(s);
    check_all_but(s, 0);
    assert_int_equal(asked.alone, 0);
    strike_stage(s);
}

static void a_backlog_behind_does_not_keep_the_front_waiting(void **state)
{
    struct stage *s = set_stage(state);
    s->transaction_records_max = 3;
    come(s, "a");
    begin_process(s);
    run(s);
    deliver(s);
    come(s, "bbbbbbbbbbbba");
    run(s);
    assert_string_equal(in_air(s), "bbb");
    deliver(s);
    assert_string_equal(in_air(s), "abb");
    strike_stage(s);
}

static void the_lane_that_was_refused_begins_the_next_turn(void **state)
{
    struct stage *s = set_stage(state);
    s->transaction_records_max = 64;
    s->fake.waiting = "b";
    come(s, "aaaaaaaab");
    begin_process(s);
    while (s->fake.open_count == 0) {
        forwarder_step(s->forwarder);
        committer_step(s->committer, 0);
    }
    assert_string_equal(in_air(s), "aaaa");
    s->fake.waiting = NULL;
    forwarder_step(s->forwarder);
    assert_string_equal(in_air(s), "aaaabaaaa");
    strike_stage(s);
}

/* As many as one read of the front looks at, and some more. */
static void the_front_passes_the_events_of_others_for_good(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    set_pause(s, "lane:1", true);
    for (int i = 0; i < 70; i++)
        store(s->rig, "a", "", "{}");
    int64_t seq = arrive(s, "b");
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, seq);
    strike_stage(s);
}

/* ---- joining ---- */

static void a_new_lane_joins_while_others_are_far_from_the_end(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    /* The new lane reads its event by itself at once, and finds its end before the front does. */
    come(s, "aabbaabbaabbaabbaabbaabbaabbc");
    forwarder_step(s->forwarder);
    forwarder_step(s->forwarder);
    assert_int_equal(s->fake.open_count, 8 + 12 + 1);
    /* There it takes also what comes before the front is through. */
    asked = (struct asked){0};
    come_unheard(s, "cc");
    run(s);
    assert_int_equal(s->fake.open_count, 31);
    assert_int_equal(asked.alone, 0);
    deliver(s);
    check_all_but(s, 0);
    check_all_at_front(s, "cab");
    strike_stage(s);
}

static void an_event_of_a_lane_that_is_not_known_yet_is_found_later(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    come(s, "aabbaabbaabb");
    forwarder_step(s->forwarder);
    assert_int_equal(s->fake.open_count, 8);
    come_unheard(s, "cb");
    forwarder_step(s->forwarder);
    assert_string_equal(in_air(s), "aabbaabbaabbb");
    come(s, "a");
    run(s);
    deliver(s);
    check_all_but(s, 0);
    strike_stage(s);
}

/* ---- leaving ---- */

static void a_full_lane_leaves_the_front_and_loses_nothing(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    /* Sixteen of a lane may be in the air. */
    come(s, "aaaaaaaaabaaaaaaaaabaaaab");
    run(s);
    assert_string_equal(in_air(s), "aaaaaaaaabaaaaaaabb");
    deliver(s);
    assert_string_equal(in_air(s), "aaaaaa");
    deliver(s);
    check_all_but(s, 0);
    check_all_at_front(s, "ba");
    strike_stage(s);
}

static void a_lane_that_the_publisher_refuses_does_not_hold_the_others(void **state)
{
    struct stage *s = set_front(state, "abc", true);
    s->fake.waiting = "b";
    come(s, "abcabc");
    run(s);
    assert_string_equal(in_air(s), "acac");
    s->fake.waiting = NULL;
    come(s, "a");
    run(s);
    deliver(s);
    check_all_but(s, 0);
    check_all_at_front(s, "cba");
    strike_stage(s);
}

static void a_lane_whose_topic_is_lost_does_not_hold_the_others(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    s->fake.missing = "a";
    come(s, "abab");
    run(s);
    assert_string_equal(in_air(s), "bb");
    assert_string_equal(lane_view(s, 0).state, "waits");
    s->fake.missing = NULL;
    run(s);
    assert_string_equal(in_air(s), "bbaa");
    assert_string_equal(lane_view(s, 0).state, "open");
    deliver(s);
    check_all_but(s, 0);
    strike_stage(s);
}

static void a_paused_lane_holds_no_other_and_goes_on_where_it_was(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    set_pause(s, "lane:1", true);
    come(s, "abaab");
    run(s);
    assert_string_equal(in_air(s), "bb");
    assert_int_equal(asked.alone, 0);
    deliver(s);
    come(s, "ab");
    run(s);
    set_pause(s, "lane:1", false);
    run(s);
    deliver(s);
    check_all_but(s, 0);
    check_all_at_front(s, "ba");
    strike_stage(s);
}

static void a_resumed_lane_without_events_is_open_again(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    set_pause(s, "all", true);
    run(s);
    assert_string_equal(lane_view(s, 1).state, "paused");
    set_pause(s, "all", false);
    run(s);
    assert_string_equal(lane_view(s, 1).state, "open");
    strike_stage(s);
}

static void what_came_back_goes_again_before_what_came_since(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    come(s, "abab");
    run(s);
    assert_string_equal(in_air(s), "abab");
    decide(s, PUBLISHER_RETRY);
    come(s, "ba");
    run(s);
    assert_int_equal(s->fake.open_count, 6);
    deliver(s);
    check_all_but(s, 0);
    check_all_at_front(s, "ba");
    strike_stage(s);
}

static void an_event_beyond_the_mark_waits_for_it_and_is_not_lost(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    static const char jump[] = "UPDATE sqlite_sequence SET seq = seq + 20000 WHERE name = 'events'";
    end_process(s);
    journal_close(s->rig->journal);
    s->rig->journal = NULL;
    run_sql(s->rig, jump);
    open_journal(s->rig);
    begin_process(s);
    run(s);
    asked = (struct asked){0};
    arrive(s, "a");
    turn(s, false);
    assert_int_equal(s->fake.open_count, 0);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_true(asked.together > 0);
    strike_stage(s);
}

/* Of two lanes, so that one stands before the start of the process when it has caught up. */
static void what_is_through_at_the_front_is_labelled_in_no_later_life(void **state)
{
    struct stage *s = set_stage(state);
    s->at_least_once = true;
    come(s, "ab");
    begin_process(s);
    run(s);
    end_process(s);
    s->at_least_once = false;
    begin_process(s);
    run(s);
    assert_string_equal(in_air(s), "ab");
    assert_true(s->fake.open[0].labelled && s->fake.open[1].labelled);
    deliver(s);
    come(s, "b");
    run(s);
    assert_string_equal(in_air(s), "b");
    deliver(s);
    come(s, "a");
    run(s);
    end_process(s);
    begin_process(s);
    run(s);
    assert_string_equal(in_air(s), "a");
    assert_false(s->fake.open[0].labelled);
    strike_stage(s);
}

static void a_parked_event_at_the_front_bars_its_lane_only(void **state)
{
    struct stage *s = set_front(state, "ab", false);
    s->fake.too_big = 4;
    come(s, "aaaab");
    turn(s, false);
    assert_string_equal(in_air(s), "ab");
    assert_int_equal(place_of(s, 1), 3);
    assert_int_equal(place_of(s, 2), 7);
    deliver(s);
    deliver(s);
    assert_int_equal(count_parked(s), 1);
    check_all_but(s, 4);
    check_all_at_front(s, "ba");
    strike_stage(s);
}

/* ---- damage ---- */

static void damage(struct stage *s, const char *change, int64_t seq)
{
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE events SET %s WHERE seq = %d", change, (int)seq);
    run_sql(s->rig, sql);
}

static void check_damage(void **state, bool at_least_once)
{
    struct stage *s = set_front(state, "ab", at_least_once);
    come(s, "abaab");
    damage(s, "body = 'x'", 5);
    run(s);
    deliver(s);
    deliver(s);
    assert_int_equal(count_parked(s), 1);
    check_all_but(s, 5);
    check_all_at_front(s, "ba");
    assert_int_equal(count_parked(s), 1);
    strike_stage(s);
}

static void a_damaged_event_is_parked_once_and_the_rest_goes_on(void **state)
{
    check_damage(state, true);
}

static void a_damaged_event_is_parked_once_in_transactions_too(void **state)
{
    check_damage(state, false);
}

static void note_lane(void *arg, const struct journal_parked *parked)
{
    *(int64_t *)arg = parked->lane;
}

/* The index of lanes says the truth, the row says "b". SQLite may answer with either when the lane
 * is read alone: then the event is damaged, or it is not; but it is never one of "b". */
static void a_damaged_event_that_names_another_lane_stays_with_its_own(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    struct err e = {0};
    int64_t lane = 0;
    come(s, "abaab");
    run_sql(s->rig, "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, "
                    "'events(lane)', 'events(prev)') WHERE name = 'events_lane'");
    damage(s, "lane = 2", 5);
    run_sql(s->rig, "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, "
                    "'events(prev)', 'events(lane)') WHERE name = 'events_lane'");
    run(s);
    deliver(s);
    deliver(s);
    struct journal_reader *reader = open_reader(s->rig);
    assert_int_equal(journal_read_parked(reader, 0, 1, note_lane, &lane, &e), ST_OK);
    journal_reader_close(reader);
    assert_int_not_equal(lane, 2);
    check_all_but(s, lane ? 5 : 0);
    check_all_at_front(s, "ba");
    strike_stage(s);
}

static void a_damaged_event_that_no_lane_has_stops_nobody(void **state)
{
    struct stage *s = set_front(state, "ab", true);
    come(s, "abaab");
    damage(s, "lane = 99", 5);
    run(s);
    deliver(s);
    assert_int_equal(count_parked(s), 0);
    check_all_but(s, 5);
    check_all_at_front(s, "ba");
    strike_stage(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(one_query_finds_a_new_event_of_any_lane),
        RIG_TEST(events_of_several_lanes_go_in_the_order_in_which_they_came),
        RIG_TEST(a_turn_that_reads_nothing_opens_no_transaction),
        RIG_TEST(what_was_published_before_a_start_is_not_read_again),
        RIG_TEST(a_long_run_at_the_front_is_read_in_slices),
        RIG_TEST(a_transaction_that_is_full_goes_on_with_the_next),
        RIG_TEST(a_backlog_behind_does_not_keep_the_front_waiting),
        RIG_TEST(the_lane_that_was_refused_begins_the_next_turn),
        RIG_TEST(the_front_passes_the_events_of_others_for_good),
        RIG_TEST(a_new_lane_joins_while_others_are_far_from_the_end),
        RIG_TEST(an_event_of_a_lane_that_is_not_known_yet_is_found_later),
        RIG_TEST(a_full_lane_leaves_the_front_and_loses_nothing),
        RIG_TEST(a_lane_that_the_publisher_refuses_does_not_hold_the_others),
        RIG_TEST(a_lane_whose_topic_is_lost_does_not_hold_the_others),
        RIG_TEST(a_paused_lane_holds_no_other_and_goes_on_where_it_was),
        RIG_TEST(a_resumed_lane_without_events_is_open_again),
        RIG_TEST(what_came_back_goes_again_before_what_came_since),
        RIG_TEST(an_event_beyond_the_mark_waits_for_it_and_is_not_lost),
        RIG_TEST(what_is_through_at_the_front_is_labelled_in_no_later_life),
        RIG_TEST(a_parked_event_at_the_front_bars_its_lane_only),
        RIG_TEST(a_damaged_event_is_parked_once_and_the_rest_goes_on),
        RIG_TEST(a_damaged_event_is_parked_once_in_transactions_too),
        RIG_TEST(a_damaged_event_that_names_another_lane_stays_with_its_own),
        RIG_TEST(a_damaged_event_that_no_lane_has_stops_nobody),
    };
    sqlite3_auto_extension((void (*)(void))watch);
    return rig_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
