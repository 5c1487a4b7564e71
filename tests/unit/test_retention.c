/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/retention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/actions.h"
#include "journal_rig.h"

#define HOUR_US (INT64_C(3600) * 1000000)

static int64_t prune(struct rig *r, struct wall before)
{
    struct journal_pruned pruned = {0};
    struct err e;
    int64_t deleted = 0;
    while (!pruned.round_ended) {
        begin(r);
        assert_int_equal(journal_prune(r->journal, before, 100, &pruned, &e), ST_OK);
        commit(r);
        deleted += pruned.deleted;
    }
    return deleted;
}

/* Seq 1 is parked, 2 and 3 are published and an hour younger, 4 is the requeue of 1. */
static void store_with_requeue(struct rig *r)
{
    const struct action_by by = {"me", "because"};
    struct event old = event_of(r, "t", "", "{}");
    const struct action_requeue requeue = {.seq = 1, .ev = &old, .source = r->source};
    int64_t successor = 0;
    struct err e;
    store(r, "t", "", "{}");
    r->now.us += HOUR_US;
    store(r, "t", "", "{}");
    store(r, "t", "", "{}");
    begin(r);
    assert_int_equal(journal_park(r->journal, 1, 1, slice_of("refused"), &e), ST_OK);
    assert_int_equal(action_requeue(r->journal, &requeue, &by, &successor, &e), ST_OK);
    assert_int_equal(successor, 4);
    assert_int_equal(journal_set_cursor(r->journal, 1, 4, &e), ST_OK);
    commit(r);
}

/* Its received time is that of the event that was parked. */
static void a_requeue_takes_no_younger_event_with_it(void **state)
{
    struct rig *r = *state;
    const struct wall between = {r->now.us + HOUR_US / 2};
    open_journal(r);
    store_with_requeue(r);
    assert_int_equal(prune(r, between), 1);
    struct journal_row *row = read_event(r, 2);
    assert_non_null(row);
    journal_row_free(row);
}

static void a_requeue_goes_with_what_lies_before_it(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    store_with_requeue(r);
    assert_int_equal(prune(r, (struct wall){r->now.us + 1}), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_requeue_takes_no_younger_event_with_it),
        RIG_TEST(a_requeue_goes_with_what_lies_before_it),
    };
    if (rig_prepare())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
