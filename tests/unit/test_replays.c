/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: replays are kept with what was asked for and how far they are, change their state only as
 * they may, are bounded in number, and know what was pruned before they came to it. */
#include "journal_rig.h"

#include "base/ident.h"
#include "journal/journal_internal.h"
#include "journal/journal_list.h"
#include "journal/replays.h"

static const struct action_by me = {"me", "because"};

static int64_t create(struct rig *r, const struct selection *which, int64_t last,
                      enum status wanted)
{
    const struct replays_order order = {.which = which, .last = last, .topic = "copy", .rate = 5};
    int64_t id = 0;
    struct err e = {0};
    begin(r);
    assert_int_equal(replays_create(r->journal, &order, &me, &id, &e), wanted);
    commit(r);
    return id;
}

static void set_state(struct rig *r, int64_t id, enum replays_state state, enum status wanted)
{
    struct err e = {0};
    begin(r);
    assert_int_equal(replays_set_state(r->journal, id, state, &me, &e), wanted);
    commit(r);
}

static void progress(struct rig *r, const struct replays_progress *p)
{
    struct err e = {0};
    begin(r);
    assert_int_equal(replays_progress(r->journal, p, &e), ST_OK);
    commit(r);
}

static struct replay read_replay(const struct rig *r, int64_t id)
{
    struct replays *replays;
    struct replay replay;
    struct err e = {0};
    assert_int_equal(replays_open(&replays, r->path, NULL, &e), ST_OK);
    if (id)
        assert_int_equal(replays_one(replays, id, &replay, &e), ST_OK);
    else if (replays_first(replays, &replay, &e) != ST_OK)
        replay.id = 0;
    replays_close(replays);
    return replay;
}

static void keeps_what_was_asked_for_over_a_restart(void **state)
{
    struct rig *r = *state;
    const struct selection which = {.key = "k\"1", .from_seq = 3};
    struct selection again;
    struct replay replay;
    struct err e = {0};
    assert_int_equal(create(r, &which, 9, ST_OK), 1);
    reopen(r);
    replay = read_replay(r, 1);
    assert_int_equal(replay.state, REPLAYS_RUNNING);
    assert_string_equal(replay.topic, "copy");
    assert_int_equal(replay.rate, 5);
    assert_int_equal(replay.last, 9);
    assert_string_equal(replay.who, "me");
    assert_string_equal(replay.why, "because");
    assert_int_equal(selection_parse(&again, slice_of(replay.selection), &e), ST_OK);
    assert_memory_equal(&again, &which, sizeof which);
}

static void progress_is_absolute_and_ends_only_what_is_open(void **state)
{
    struct rig *r = *state;
    const struct selection every = {0};
    struct replays_progress p = {.id = 1,
                                 .position = 4,
                                 .mark = 7,
                                 .published = 3,
                                 .failed = 1,
                                 .failure = "event 2: \"no\"",
                                 .waits = "topic x"};
    struct replay replay;
    create(r, &every, 9, ST_OK);
    progress(r, &p);
    progress(r, &p);
    replay = read_replay(r, 1);
    assert_true(replay.position == 4 && replay.mark == 7 && replay.published == 3);
    assert_int_equal(replay.failed, 1);
    assert_string_equal(replay.failure, "event 2: \"no\"");
    assert_string_equal(replay.waits, "topic x");
    set_state(r, 1, REPLAYS_CANCELLED, ST_OK);
    p.is_over = true;
    p.end = REPLAYS_DONE;
    progress(r, &p);
    assert_int_equal(read_replay(r, 1).state, REPLAYS_CANCELLED);
    create(r, &every, 9, ST_OK);
    p.id = 2;
    progress(r, &p);
    assert_int_equal(read_replay(r, 2).state, REPLAYS_DONE);
}

static void changes_state_only_where_it_may(void **state)
{
    struct rig *r = *state;
    const struct selection every = {0};
    create(r, &every, 9, ST_OK);
    set_state(r, 1, REPLAYS_RUNNING, ST_NOT_FOUND);
    set_state(r, 1, REPLAYS_PAUSED, ST_OK);
    set_state(r, 1, REPLAYS_PAUSED, ST_NOT_FOUND);
    set_state(r, 1, REPLAYS_RUNNING, ST_OK);
    set_state(r, 1, REPLAYS_PAUSED, ST_OK);
    set_state(r, 1, REPLAYS_CANCELLED, ST_OK);
    set_state(r, 1, REPLAYS_CANCELLED, ST_NOT_FOUND);
    set_state(r, 1, REPLAYS_RUNNING, ST_NOT_FOUND);
    set_state(r, 7, REPLAYS_PAUSED, ST_NOT_FOUND);
}

static void the_oldest_that_runs_has_its_turn(void **state)
{
    struct rig *r = *state;
    const struct selection every = {0};
    assert_int_equal(read_replay(r, 0).id, 0);
    create(r, &every, 9, ST_OK);
    create(r, &every, 9, ST_OK);
    assert_int_equal(read_replay(r, 0).id, 1);
    set_state(r, 1, REPLAYS_PAUSED, ST_OK);
    assert_int_equal(read_replay(r, 0).id, 2);
    set_state(r, 1, REPLAYS_RUNNING, ST_OK);
    assert_int_equal(read_replay(r, 0).id, 1);
}

static void only_so_many_can_be_open(void **state)
{
    struct rig *r = *state;
    const struct selection every = {0};
    for (int i = 0; i < REPLAYS_OPEN_MAX; i++)
        create(r, &every, 9, ST_OK);
    assert_int_equal(create(r, &every, 9, ST_TOO_BIG), 0);
    set_state(r, 3, REPLAYS_CANCELLED, ST_OK);
    assert_int_equal(create(r, &every, 9, ST_OK), REPLAYS_OPEN_MAX + 1);
}

static void on_action(void *arg, const struct journal_action *action)
{
    char *text = arg;
    size_t len = strlen(text);
    snprintf(text + len, 256 - len, "%s %s %s;", action->who, action->action, action->target);
}

static void each_change_leaves_its_row_of_who_and_why(void **state)
{
    struct rig *r = *state;
    const struct selection every = {0};
    const struct action_by silent = {"me", ""};
    struct journal_list *list;
    char text[256] = "";
    struct err e = {0};
    create(r, &every, 9, ST_OK);
    set_state(r, 1, REPLAYS_PAUSED, ST_OK);
    set_state(r, 1, REPLAYS_RUNNING, ST_OK);
    begin(r);
    assert_int_equal(replays_set_state(r->journal, 1, REPLAYS_CANCELLED, &silent, &e),
                     ST_BAD_INPUT);
    commit(r);
    set_state(r, 1, REPLAYS_CANCELLED, ST_OK);
    assert_int_equal(journal_list_open(&list, r->path, &e), ST_OK);
    assert_int_equal(journal_list_actions(list, 10, on_action, text, &e), ST_OK);
    assert_string_equal(text, "me replay cancel replay:1;me replay resume replay:1;"
                              "me replay pause replay:1;me replay start replay:1;");
    journal_list_close(list);
}

static void count_gone(struct rig *r, int64_t lane, int64_t after, int64_t last)
{
    struct err e = {0};
    begin(r);
    assert_int_equal(replays_gone_count(journal_writer(r->journal), lane, after, last, &e), ST_OK);
    commit(r);
}

static void what_is_pruned_before_a_replay_comes_to_it_is_counted(void **state)
{
    struct rig *r = *state;
    const struct selection every = {0}, one = {.key = "key-1"}, none = {.key = "another"};
    const struct replays_progress p = {.id = 1, .position = 2};
    count_gone(r, 1, 0, 10);
    for (int i = 0; i < 6; i++)
        store(r, i == 5 ? "two" : "one", "", "{}");
    create(r, &every, 6, ST_OK);
    create(r, &one, 4, ST_OK);
    create(r, &none, 6, ST_OK);
    create(r, &every, 6, ST_OK);
    set_state(r, 4, REPLAYS_CANCELLED, ST_OK);
    progress(r, &p);
    /* Lane 1 holds 1 to 5; replay 1 has come to 2, replay 2 ends with 4. */
    count_gone(r, 1, 0, 5);
    assert_int_equal(read_replay(r, 1).gone, 3);
    assert_int_equal(read_replay(r, 2).gone, 4);
    assert_int_equal(read_replay(r, 3).gone, 0);
    assert_int_equal(read_replay(r, 4).gone, 0);
    count_gone(r, 2, 0, 6);
    assert_int_equal(read_replay(r, 1).gone, 4);
    assert_int_equal(read_replay(r, 2).gone, 4);
    count_gone(r, 0, 0, 100);
    assert_int_equal(read_replay(r, 1).gone, 4);
    /* Progress that was on its way leaves the count alone. */
    progress(r, &p);
    assert_int_equal(read_replay(r, 1).gone, 4);
}

static int set_up(void **state)
{
    rig_set_up(state);
    open_journal(*state);
    return 0;
}

#define OPEN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN_TEST(keeps_what_was_asked_for_over_a_restart),
        OPEN_TEST(progress_is_absolute_and_ends_only_what_is_open),
        OPEN_TEST(changes_state_only_where_it_may),
        OPEN_TEST(the_oldest_that_runs_has_its_turn),
        OPEN_TEST(only_so_many_can_be_open),
        OPEN_TEST(each_change_leaves_its_row_of_who_and_why),
        OPEN_TEST(what_is_pruned_before_a_replay_comes_to_it_is_counted),
    };
    if (rig_prepare())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
