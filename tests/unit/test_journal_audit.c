/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal_audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/actions.h"
#include "journal_rig.h"

static void on_lane(void *arg, const struct journal_audit_lane *lane)
{
    int64_t *pruned_to = arg;
    *pruned_to = lane->pruned_to;
}

/* Of the only lane. */
static int64_t pruned_to(const struct rig *r)
{
    struct journal_audit *a = NULL;
    struct err e;
    int64_t found = -1;
    assert_int_equal(journal_audit_open(&a, r->path, &e), ST_OK);
    assert_int_equal(journal_audit_lanes(a, on_lane, &found, &e), ST_OK);
    journal_audit_close(a);
    return found;
}

static void store_some(struct rig *r, int n)
{
    for (int i = 0; i < n; i++)
        store(r, "t", "", "{}");
}

static void publish(struct rig *r, int64_t seq)
{
    struct err e;
    begin(r);
    assert_int_equal(journal_set_cursor(r->journal, 1, seq, &e), ST_OK);
    commit(r);
}

static void park(struct rig *r, int64_t seq)
{
    struct err e;
    begin(r);
    assert_int_equal(journal_park(r->journal, 1, seq, slice_of("too large"), &e), ST_OK);
    commit(r);
}

static void prune(struct rig *r)
{
    struct journal_pruned pruned = {0};
    struct err e;
    while (!pruned.round_ended) {
        begin(r);
        assert_int_equal(journal_prune(r->journal, (struct wall){r->now.us + 1}, 100, &pruned, &e),
                         ST_OK);
        commit(r);
    }
}

static void nothing_is_pruned_of_a_new_lane(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    store_some(r, 3);
    assert_int_equal(pruned_to(r), 0);
    publish(r, 3);
    assert_int_equal(pruned_to(r), 0);
}

static void rows_beyond_the_cursor_tell_how_far_retention_came(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    store_some(r, 10);
    publish(r, 7);
    prune(r);
    assert_int_equal(pruned_to(r), 7);
}

static void a_lane_without_rows_is_pruned_up_to_its_cursor(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    store_some(r, 10);
    publish(r, 10);
    prune(r);
    assert_int_equal(pruned_to(r), 10);
}

/* Its row stays while the ones behind it go; and still is there a while after it was settled. */
static void a_parked_row_does_not_hide_what_was_pruned_behind_it(void **state)
{
    const struct action_by by = {"somebody", "it is old"};
    struct rig *r = *state;
    struct journal_audit *a = NULL;
    struct err e;
    bool was_parked = false;
    open_journal(r);
    store_some(r, 10);
    park(r, 3);
    publish(r, 7);
    assert_int_equal(pruned_to(r), 0);
    prune(r);
    struct journal_row *row = read_event(r, 3);
    assert_non_null(row);
    journal_row_free(row);
    assert_int_equal(pruned_to(r), 7);
    begin(r);
    assert_int_equal(action_discard(r->journal, 3, &by, &e), ST_OK);
    commit(r);
    assert_int_equal(pruned_to(r), 7);
    assert_int_equal(journal_audit_open(&a, r->path, &e), ST_OK);
    assert_int_equal(journal_audit_was_parked(a, 3, &was_parked, &e), ST_OK);
    assert_true(was_parked);
    assert_int_equal(journal_audit_was_parked(a, 4, &was_parked, &e), ST_OK);
    assert_false(was_parked);
    journal_audit_close(a);
}

static void on_row(void *arg, const struct journal_audit_row *row)
{
    char *fates = arg;
    assert_true(row->row.intact);
    assert_true(slice_eq(row->row.ev.body, slice_of("{}")));
    fates[row->row.seq] = (char)('0' + row->fate);
}

static void rows_come_with_what_became_of_them(void **state)
{
    const struct action_by by = {"somebody", "it is old"};
    struct journal_audit_want want = {.lane = 1, .after = 1, .upto = 5, .max_rows = 3};
    struct rig *r = *state;
    struct journal_audit *a = NULL;
    char fates[8] = "-------";
    struct err e;
    int64_t count = 0, last = 0;
    open_journal(r);
    store_some(r, 6);
    park(r, 3);
    park(r, 4);
    begin(r);
    assert_int_equal(action_discard(r->journal, 4, &by, &e), ST_OK);
    commit(r);
    assert_int_equal(journal_audit_open(&a, r->path, &e), ST_OK);
    assert_int_equal(journal_audit_rows(a, &want, on_row, fates, &count, &e), ST_OK);
    assert_int_equal(count, 3);
    want.after = 4;
    assert_int_equal(journal_audit_rows(a, &want, on_row, fates, &count, &e), ST_OK);
    assert_int_equal(count, 1);
    const char wanted[8] = {'-',
                            '-',
                            '0' + JOURNAL_PUBLISHED,
                            '0' + JOURNAL_PARKED,
                            '0' + JOURNAL_DISCARDED,
                            '0' + JOURNAL_PUBLISHED,
                            '-',
                            0};
    assert_string_equal(fates, wanted);
    assert_int_equal(journal_audit_row(a, 99, on_row, fates, &e), ST_NOT_FOUND);
    assert_int_equal(journal_audit_last_seq(a, &last, &e), ST_OK);
    assert_int_equal(last, 6);
    journal_audit_close(a);
}

static void counts_what_is_kept_from_kafka(void **state)
{
    struct rig *r = *state;
    struct event ev = event_of(r, "", "ping", "{}");
    struct journal_audit *a = NULL;
    struct err e;
    int64_t kept = 0;
    open_journal(r);
    store_some(r, 2);
    begin(r);
    ev.flags = EVENT_PING;
    put(r, &ev);
    ev.flags = EVENT_QUARANTINED;
    put(r, &ev);
    commit(r);
    assert_int_equal(journal_audit_open(&a, r->path, &e), ST_OK);
    assert_int_equal(journal_audit_kept(a, r->now, (struct wall){INT64_MAX}, &kept, &e), ST_OK);
    assert_int_equal(kept, 1);
    assert_int_equal(
        journal_audit_kept(a, (struct wall){r->now.us + 1}, (struct wall){INT64_MAX}, &kept, &e),
        ST_OK);
    assert_int_equal(kept, 0);
    journal_audit_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(nothing_is_pruned_of_a_new_lane),
        RIG_TEST(rows_beyond_the_cursor_tell_how_far_retention_came),
        RIG_TEST(a_lane_without_rows_is_pruned_up_to_its_cursor),
        RIG_TEST(a_parked_row_does_not_hide_what_was_pruned_behind_it),
        RIG_TEST(rows_come_with_what_became_of_them),
        RIG_TEST(counts_what_is_kept_from_kafka),
    };
    if (rig_prepare())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
