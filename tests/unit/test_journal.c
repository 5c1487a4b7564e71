/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/journal_rig.h"

static void assert_slice(struct slice got, const char *want)
{
    assert_true(slice_eq(got, slice_of(want)));
}

struct lanes {
    struct journal_lane lane[8];
    size_t count;
};

static void on_lane(void *arg, const struct journal_lane *lane)
{
    struct lanes *l = arg;
    assert_true(l->count < 8);
    l->lane[l->count++] = *lane;
}

static struct lanes read_lanes(const struct rig *r)
{
    struct journal_reader *reader = open_reader(r);
    struct lanes lanes = {.count = 0};
    struct err e = {0};
    assert_int_equal(journal_reader_lanes(reader, 0, on_lane, &lanes, &e), ST_OK);
    journal_reader_close(reader);
    return lanes;
}

/* ---- appending and reading ---- */

static void gives_back_every_part_of_an_event(void **state)
{
    struct rig *r = *state;
    struct event ev;
    struct journal_row *row;
    open_journal(r);
    ev = event_of(r, "gladly.contact", "id-1", "{\"a\":1}");
    ev.body = (struct slice){"a\0b\xff", 4};
    ev.trace = slice_of("00-11-22-01\nvendor=1");
    ev.flags = EVENT_HAS_TIME;
    ev.event_time.us = 42;
    begin(r);
    assert_int_equal(put(r, &ev).seq, 1);
    commit(r);
    row = read_event(r, 1);
    assert_non_null(row);
    assert_true(row->intact);
    assert_int_equal(row->prev, 0);
    assert_int_equal(row->source, r->source);
    assert_true(slice_eq(row->ev.body, ev.body));
    assert_slice(row->ev.id, "id-1");
    assert_slice(row->ev.type, "CONTACT/STARTED");
    assert_slice(row->ev.key, "key-1");
    assert_slice(row->ev.trace, "00-11-22-01\nvendor=1");
    assert_int_equal(row->ev.flags, EVENT_HAS_TIME);
    assert_int_equal(row->ev.event_time.us, 42);
    assert_int_equal(row->ev.received.us, r->now.us);
    journal_row_free(row);
    assert_null(read_event(r, 2));
}

struct seen {
    int64_t seq[8];
    size_t count;
    size_t enough; /* then it wants no more; 0: all */
};

static bool see_row(void *arg, const struct journal_row *row)
{
    struct seen *seen = arg;
    seen->seq[seen->count++] = row->seq;
    return seen->count != seen->enough;
}

static void reads_a_lane_in_order_and_in_slices(void **state)
{
    struct rig *r = *state;
    struct journal_reader *reader;
    struct seen seen = {0};
    struct lanes lanes;
    struct err e = {0};
    size_t count;
    open_journal(r);
    for (int i = 0; i < 6; i++)
        store(r, i % 2 ? "gladly.contact" : "gladly.other", "", "{}");
    lanes = read_lanes(r);
    assert_int_equal(lanes.count, 2);
    assert_string_equal(lanes.lane[0].topic, "gladly.other");
    assert_string_equal(lanes.lane[0].source_name, "main");
    assert_string_equal(lanes.lane[0].org, "org");
    reader = open_reader(r);
    struct journal_slice want = {
        .lane = lanes.lane[0].id, .after = 1, .max_rows = 10, .max_bytes = 1000};
    assert_int_equal(journal_read_lane(reader, &want, see_row, &seen, &count, &e), ST_OK);
    assert_int_equal(count, 2);
    assert_int_equal(seen.seq[0], 3);
    assert_int_equal(seen.seq[1], 5);
    want = (struct journal_slice){lanes.lane[0].id, 0, 1, 1000};
    assert_int_equal(journal_read_lane(reader, &want, see_row, &seen, &count, &e), ST_OK);
    assert_int_equal(count, 1);
    /* The row that reaches the bytes is the last one. */
    want = (struct journal_slice){lanes.lane[0].id, 0, 10, 3};
    assert_int_equal(journal_read_lane(reader, &want, see_row, &seen, &count, &e), ST_OK);
    assert_int_equal(count, 2);
    /* So is the one after which no more are wanted. */
    seen = (struct seen){.enough = 2};
    want = (struct journal_slice){lanes.lane[0].id, 0, 10, 1000};
    assert_int_equal(journal_read_lane(reader, &want, see_row, &seen, &count, &e), ST_OK);
    assert_int_equal(count, 2);
    journal_reader_close(reader);
}

static void reads_a_span_of_all_lanes_and_tells_its_end(void **state)
{
    struct rig *r = *state;
    struct journal_reader *reader;
    struct seen seen = {0};
    struct err e = {0};
    bool is_end = false;
    open_journal(r);
    for (int i = 0; i < 5; i++)
        store(r, i % 2 ? "gladly.contact" : i == 4 ? "" : "gladly.other", "", "{}");
    reader = open_reader(r);
    struct journal_span want = {.after = 1, .max_rows = 5, .max_bytes = 1000};
    assert_int_equal(journal_read_span(reader, &want, see_row, &seen, &is_end, &e), ST_OK);
    assert_true(is_end);
    assert_int_equal(seen.count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen.seq[i], i + 2);
    /* What a bound, or the caller, cuts off may have more behind it. */
    want.max_rows = 4;
    assert_int_equal(journal_read_span(reader, &want, see_row, &seen, &is_end, &e), ST_OK);
    assert_false(is_end);
    want = (struct journal_span){0, 8, 3};
    seen = (struct seen){0};
    assert_int_equal(journal_read_span(reader, &want, see_row, &seen, &is_end, &e), ST_OK);
    assert_int_equal(seen.count, 2);
    assert_false(is_end);
    want = (struct journal_span){3, 8, 1000};
    seen = (struct seen){.enough = 2};
    assert_int_equal(journal_read_span(reader, &want, see_row, &seen, &is_end, &e), ST_OK);
    assert_false(is_end);
    want.after = 5;
    assert_int_equal(journal_read_span(reader, &want, see_row, &seen, &is_end, &e), ST_OK);
    assert_true(is_end);
    journal_reader_close(reader);
}

static void reads_one_state_between_begin_and_end(void **state)
{
    struct rig *r = *state;
    struct journal_reader *reader;
    struct seen seen = {0};
    struct err e = {0};
    size_t count;
    open_journal(r);
    store(r, "gladly.contact", "", "{}");
    reader = open_reader(r);
    const struct journal_slice want = {1, 0, 8, 1000};
    assert_int_equal(journal_reader_begin(reader, &e), ST_OK);
    assert_int_equal(journal_read_lane(reader, &want, see_row, &seen, &count, &e), ST_OK);
    assert_int_equal(count, 1);
    store(r, "gladly.contact", "", "{}");
    assert_int_equal(journal_read_lane(reader, &want, see_row, &seen, &count, &e), ST_OK);
    assert_int_equal(count, 1);
    journal_reader_end(reader);
    assert_int_equal(journal_read_lane(reader, &want, see_row, &seen, &count, &e), ST_OK);
    assert_int_equal(count, 2);
    journal_reader_close(reader);
}

static void chains_the_rows_of_each_lane(void **state)
{
    static const int64_t prev[] = {0, 0, 1, 2, 3, 4};
    struct rig *r = *state;
    open_journal(r);
    for (int i = 0; i < 6; i++) {
        store(r, i % 2 ? "gladly.contact" : "gladly.other", "", "{}");
        if (i == 3)
            reopen(r);
    }
    for (int i = 0; i < 6; i++) {
        struct journal_row *row = read_event(r, i + 1);
        assert_non_null(row);
        assert_int_equal(row->prev, prev[i]);
        journal_row_free(row);
    }
}

/* ---- settling ---- */

static void moves_a_cursor_forward_only(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    open_journal(r);
    store(r, "gladly.contact", "", "{}");
    store(r, "gladly.contact", "", "{}");
    begin(r);
    assert_int_equal(journal_set_cursor(r->journal, 1, 2, &e), ST_OK);
    assert_int_equal(journal_set_cursor(r->journal, 1, 1, &e), ST_OK);
    commit(r);
    assert_int_equal(read_lanes(r).lane[0].cursor, 2);
}

static void parks_once_and_at_birth(void **state)
{
    struct rig *r = *state;
    struct journal_reader *reader;
    struct journal_counts counts;
    struct event ev;
    struct err e = {0};
    open_journal(r);
    ev = event_of(r, "", "", "no JSON");
    ev.flags = EVENT_QUARANTINED;
    ev.reason = slice_of("no JSON");
    begin(r);
    put(r, &ev);
    ev = event_of(r, "gladly.contact", "", "large");
    ev.flags = EVENT_OVERSIZE;
    ev.reason = slice_of("large");
    put(r, &ev);
    commit(r);
    store(r, "gladly.contact", "", "{}");
    begin(r);
    assert_int_equal(journal_park(r->journal, 1, 3, slice_of("poison"), &e), ST_OK);
    assert_int_equal(journal_park(r->journal, 1, 3, slice_of("again"), &e), ST_OK);
    assert_int_equal(journal_set_cursor(r->journal, 1, 3, &e), ST_OK);
    commit(r);
    reader = open_reader(r);
    assert_int_equal(journal_count(reader, &counts, &e), ST_OK);
    journal_reader_close(reader);
    assert_int_equal(counts.events, 3);
    assert_int_equal(counts.parked, 3);
    assert_int_equal(counts.quarantined, 1);
    assert_int_equal(counts.unpublished, 0);
}

/* ---- rollback ---- */

static void forgets_everything_of_a_rolled_back_transaction(void **state)
{
    struct rig *r = *state;
    struct event ev;
    struct journal_appended out;
    open_journal(r);
    store(r, "gladly.contact", "id-1", "{}");
    begin(r);
    ev = event_of(r, "gladly.contact", "id-2", "{}");
    assert_int_equal(put(r, &ev).seq, 2);
    ev = event_of(r, "gladly.new", "id-3", "{}");
    assert_int_equal(put(r, &ev).seq, 3);
    journal_rollback(r->journal);
    assert_int_equal(read_lanes(r).count, 1);
    /* The seq, the lane's place in the chain and the window are as before. */
    out = store(r, "gladly.contact", "id-2", "{}");
    assert_int_equal(out.seq, 2);
    assert_false(out.duplicate);
    struct journal_row *row = read_event(r, 2);
    assert_int_equal(row->prev, 1);
    journal_row_free(row);
    /* A lane that was born and undone is born again. */
    assert_int_equal(store(r, "gladly.newer", "id-3", "{}").seq, 3);
    assert_string_equal(read_lanes(r).lane[1].topic, "gladly.newer");
}

/* ---- the sequence ---- */

static void never_uses_a_seq_again(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    for (int i = 0; i < 3; i++)
        store(r, "gladly.contact", "", "{}");
    journal_close(r->journal);
    r->journal = NULL;
    run_sql(r, "UPDATE lanes SET cursor = 3; DELETE FROM events");
    open_journal(r);
    assert_int_equal(store(r, "gladly.contact", "", "{}").seq, 4);
    /* The chain goes on behind what is gone. */
    struct journal_row *row = read_event(r, 4);
    assert_int_equal(row->prev, 3);
    journal_row_free(row);
}

/* ---- the dedupe window ---- */

static void tells_repeats_from_conflicts(void **state)
{
    struct rig *r = *state;
    struct journal_appended out;
    open_journal(r);
    assert_int_equal(store(r, "gladly.contact", "id-1", "{}").seq, 1);
    for (int i = 0; i < 2; i++) {
        out = store(r, "gladly.contact", "id-1", "{}");
        assert_true(out.duplicate);
        assert_int_equal(out.seq, 1);
        out = store(r, "gladly.contact", "id-1", i ? "{\"b\":2}" : "{\"b\":1}");
        assert_false(out.duplicate);
        assert_true(out.conflict);
        reopen(r);
    }
    out = store(r, "gladly.contact", "id-1", "{\"b\":2}");
    assert_true(out.duplicate);
    assert_int_equal(out.seq, 3);
    struct journal_row *row = read_event(r, 2);
    assert_true(row->ev.flags & EVENT_CONFLICT);
    journal_row_free(row);
}

static void finds_repeats_within_one_transaction(void **state)
{
    struct rig *r = *state;
    struct event ev;
    open_journal(r);
    ev = event_of(r, "gladly.contact", "id-1", "{}");
    begin(r);
    assert_int_equal(put(r, &ev).seq, 1);
    assert_true(put(r, &ev).duplicate);
    commit(r);
}

static void keeps_organisations_and_nameless_events_apart(void **state)
{
    struct rig *r = *state;
    struct event ev;
    struct journal_digest a, b;
    open_journal(r);
    ev = event_of(r, "gladly.contact", "id-1", "{}");
    a = journal_digest(r->journal, slice_of("org"), &ev);
    b = journal_digest(r->journal, slice_of("other"), &ev);
    assert_true(a.present);
    assert_false(ident_eq(&a.id, &b.id));
    assert_int_equal(a.body, b.body);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store(r, "gladly.contact", "", "{}").seq, i + 1);
}

static void lets_repeats_pass_after_the_window(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    store(r, "gladly.contact", "id-1", "{}");
    r->now.us += (WINDOW_MS - 1) * INT64_C(1000);
    assert_true(store(r, "gladly.contact", "id-1", "{}").duplicate);
    r->now.us += WINDOW_MS * INT64_C(2000);
    /* What left the window is dropped when newer ids come in. */
    store(r, "gladly.contact", "id-2", "{}");
    assert_false(store(r, "gladly.contact", "id-1", "{}").duplicate);
    /* The same after a restart. */
    r->now.us += WINDOW_MS * INT64_C(2000);
    reopen(r);
    assert_false(store(r, "gladly.contact", "id-1", "{}").duplicate);
}

static void shortens_the_window_at_its_bound(void **state)
{
    struct rig *r = *state;
    struct journal_figures figures;
    char id[32];
    r->opts.window_ids_max = 64;
    open_journal(r);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "id-%d", i);
        store(r, "gladly.contact", id, "{}");
    }
    journal_figures(r->journal, &figures);
    assert_true(figures.window_short);
    assert_in_range(figures.window_ids, 1, 80);
    assert_false(store(r, "gladly.contact", "id-0", "{}").duplicate);
    assert_true(store(r, "gladly.contact", "id-199", "{}").duplicate);
    reopen(r);
    journal_figures(r->journal, &figures);
    assert_in_range(figures.window_ids, 1, 80);
    assert_true(store(r, "gladly.contact", "id-199", "{}").duplicate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(gives_back_every_part_of_an_event),
        RIG_TEST(reads_a_lane_in_order_and_in_slices),
        RIG_TEST(reads_a_span_of_all_lanes_and_tells_its_end),
        RIG_TEST(reads_one_state_between_begin_and_end),
        RIG_TEST(chains_the_rows_of_each_lane),
        RIG_TEST(moves_a_cursor_forward_only),
        RIG_TEST(parks_once_and_at_birth),
        RIG_TEST(forgets_everything_of_a_rolled_back_transaction),
        RIG_TEST(never_uses_a_seq_again),
        RIG_TEST(tells_repeats_from_conflicts),
        RIG_TEST(finds_repeats_within_one_transaction),
        RIG_TEST(keeps_organisations_and_nameless_events_apart),
        RIG_TEST(lets_repeats_pass_after_the_window),
        RIG_TEST(shortens_the_window_at_its_bound),
    };
    return rig_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
