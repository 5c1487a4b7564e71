/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: an audit since some time reads no more than it must, and never tells of less than is
 * missing or of more. */
#include "test_audit_kit.h"

#include "relay/audit_start.h"

/* So many events, one a second: the margin is 3600 s. */
#define EVENTS 4000
#define SINCE  3901

static void ask_since(struct rig *r, int64_t seq)
{
    r->opts.since = received_of(seq);
}

/* How many records were read with ample memory, which takes one pass. */
static int64_t records_read(struct rig *r, const char *findings)
{
    run_within(r, AMPLE_BYTES);
    assert_string_equal(r->text, findings);
    assert_int_equal(r->result.passes, 1);
    return r->result.records;
}

static int64_t complete(const struct rig *r)
{
    int64_t sum = 0;
    for (size_t i = 0; i < r->lane_count; i++)
        sum += r->lanes[i].complete;
    return sum;
}

/* Each partition begins with the first record within the margin. */
static void expect_late(struct rig *r, int64_t first)
{
    int64_t from = first - AUDIT_START_MARGIN_US / SECOND_US;
    assert_int_equal(records_read(r, ""), EVENTS - from + 1);
}

static void reads_from_the_margin_before_the_first_event_on(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    ask_since(r, SINCE);
    expect(r, "");
    assert_int_equal(complete(r), EVENTS - SINCE + 1);
    expect_late(r, SINCE);
}

/* Events that were received so long after the time that they name. */
static void late_in_each_lane(struct rig *r, int64_t seq, int64_t time)
{
    for (int i = 0; i < LANES; i++, seq++)
        r->rows[seq].late_s = (int)(seq - time);
}

static void begins_with_the_earliest_timestamp_of_an_event_that_came_late(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    ask_since(r, SINCE);
    late_in_each_lane(r, 3950, 3700);
    expect(r, "");
    expect_late(r, 3700);
    late_in_each_lane(r, 3950, 50);
    expect(r, "");
    assert_int_equal(records_read(r, ""), EVENTS);
    assert_int_equal(complete(r), EVENTS - SINCE + 1);
}

static void what_until_leaves_out_is_read_for_the_order(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    swap_records(r, 3902, 3950); /* one lane, one key */
    ask_since(r, SINCE);
    r->opts.until = received_of(3920);
    expect(r, "disordered 3902 of lane 2: behind seq 3950 of the same key\n"
              "disordered 3914 of lane 2: behind seq 3950 of the same key\n");
}

static void reads_nothing_when_nothing_was_received_since(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    ask_since(r, EVENTS + 1);
    expect(r, "");
    assert_int_equal(records_read(r, ""), 0);
}

static void what_is_missing_is_looked_for_in_the_whole_topic(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    remove_record(r, 3950);
    ask_since(r, SINCE);
    expect(r, "missing 3950 of lane 2: published by the journal's account\n");
    assert_int_equal(records_read(r, "missing 3950 of lane 2: published by the journal's "
                                     "account\n"),
                     EVENTS - 1 - 300 / LANES); /* the other topic is not read whole */
}

static void a_record_with_a_wrong_timestamp_is_found_in_front(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < EVENTS; i++)
        add_row(r, 1, -1);
    add_record(r, 3950)->is_misdated = true;
    for (int64_t seq = 1; seq <= EVENTS; seq++)
        if (seq != 3950)
            add_record(r, seq);
    ask_since(r, SINCE);
    assert_int_equal(records_read(r, ""), EVENTS);
    assert_int_equal(complete(r), EVENTS - SINCE + 1);
    run_within(r, TINY_BYTES);
    assert_string_equal(r->text, "");
    assert_int_equal(complete(r), EVENTS - SINCE + 1);
}

static void its_labelled_repeat_that_was_read_before_is_no_finding(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < EVENTS; i++)
        add_row(r, 1, -1);
    add_record(r, 3950)->is_misdated = true;
    for (int64_t seq = 1; seq < EVENTS; seq++)
        if (seq != 3951)
            add_record(r, seq)->is_labelled = seq == 3950;
    ask_since(r, SINCE);
    /* 3951 is missing, so that the front is read. */
    assert_int_equal(records_read(r, "missing 3951 of lane 1: published by the journal's "
                                     "account\nmissing 4000 of lane 1: published by the "
                                     "journal's account\n"),
                     EVENTS - 1);
    assert_int_equal(r->lanes[0].repeated, 1);
}

static void rows_that_retention_took_long_before_do_not_matter(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    delete_rows(r, 100);
    ask_since(r, SINCE);
    expect(r, "");
    expect_late(r, SINCE);
    assert_int_equal(complete(r), EVENTS - SINCE + 1);
}

static void reads_the_whole_topic_when_retention_took_what_is_asked_for(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    delete_rows(r, 3950);
    ask_since(r, SINCE);
    expect(r, "");
    assert_int_equal(records_read(r, ""), EVENTS);
    remove_record(r, 3920);
    expect(r, "hole 3920 of lane 2: the next record names it; its row is deleted\n");
}

static void a_parked_row_that_is_left_does_not_hide_what_retention_took(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    for (int64_t seq = 10; seq < 10 + LANES; seq++) {
        r->rows[seq].fate = JOURNAL_PARKED;
        remove_record(r, seq);
    }
    delete_rows(r, 3950);
    ask_since(r, SINCE);
    run_within(r, AMPLE_BYTES);
    assert_string_equal(r->text, "");
    assert_int_equal(r->result.records, EVENTS - LANES);
}

static void a_damaged_row_is_told_of_whatever_its_time(void **state)
{
    struct rig *r = *state;
    add_events(r, EVENTS);
    r->rows[50].is_damaged = true;
    ask_since(r, SINCE);
    expect(r, "damaged 50 of lane 2: its checksum does not hold: journal verify\n");
}

/* ---- after a rebind or renew ---- */

static void what_was_published_before_the_journal_was_bound_anew_is_elsewhere(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    r->bound_after[1] = 298; /* the last of lane 1 up to 300 */
    r->bound_after[2] = 299;
    for (int64_t seq = 1; seq <= 300; seq++)
        if (r->rows[seq].lane < 3)
            remove_record(r, seq);
    remove_record(r, 301);
    expect(r, "missing 301 of lane 1: published by the journal's account\n");
    assert_int_equal(r->lanes[0].elsewhere, 100);
    assert_int_equal(r->lanes[0].complete, 99);
    assert_int_equal(r->lanes[1].elsewhere, 100);
    assert_int_equal(r->lanes[2].elsewhere, 0);
    assert_int_equal(r->lanes[2].complete, 200);
}

static void what_is_there_all_the_same_is_judged(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    r->bound_after[1] = 298;
    record_of(r, 4)->change = CHANGED_VALUE;
    expect(r, "altered 4 of lane 1: value\n");
    assert_int_equal(r->lanes[0].elsewhere, 0);
    assert_int_equal(r->lanes[0].complete, 199);
}

static void a_deleted_row_from_before_is_no_hole(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    r->bound_after[1] = 298;
    for (int64_t seq = 1; seq <= 298; seq++)
        if (r->rows[seq].lane == 1)
            remove_record(r, seq);
    delete_rows(r, 400);
    expect(r, "");
    assert_int_equal(r->lanes[0].elsewhere, 1); /* the one that the next record names */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_from_the_margin_before_the_first_event_on),
        TEST(begins_with_the_earliest_timestamp_of_an_event_that_came_late),
        TEST(what_until_leaves_out_is_read_for_the_order),
        TEST(reads_nothing_when_nothing_was_received_since),
        TEST(what_is_missing_is_looked_for_in_the_whole_topic),
        TEST(a_record_with_a_wrong_timestamp_is_found_in_front),
        TEST(its_labelled_repeat_that_was_read_before_is_no_finding),
        TEST(rows_that_retention_took_long_before_do_not_matter),
        TEST(reads_the_whole_topic_when_retention_took_what_is_asked_for),
        TEST(a_parked_row_that_is_left_does_not_hide_what_retention_took),
        TEST(a_damaged_row_is_told_of_whatever_its_time),
        TEST(what_was_published_before_the_journal_was_bound_anew_is_elsewhere),
        TEST(what_is_there_all_the_same_is_judged),
        TEST(a_deleted_row_from_before_is_no_hole),
    };
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
