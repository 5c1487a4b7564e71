/* SPDX-License-Identifier: Apache-2.0 */
#include "test_audit_kit.h"

static void a_clean_feed_has_no_finding_and_every_event_is_complete(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    expect(r, "");
    assert_int_equal(r->lane_count, LANES);
    for (size_t i = 0; i < LANES; i++)
        assert_int_equal(r->lanes[i].complete, 200);
    assert_int_equal(r->result.records, 600);
    assert_true(r->result.passes > 3);
}

static void names_an_event_without_a_record(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    remove_record(r, 301);
    remove_record(r, 600);
    expect(r, "missing 301 of lane 1: published by the journal's account\n"
              "missing 600 of lane 3: published by the journal's account\n");
}

static void takes_a_topic_that_is_not_there_for_an_empty_one(void **state)
{
    struct rig *r = *state;
    add_row(r, 3, 1);
    r->is_without_topic[1] = true;
    expect(r, "missing 1 of lane 3: published by the journal's account\n");
    r->cursor[3] = 0;
    expect(r, "");
    assert_int_equal(r->lanes[2].waiting, 1);
}

static void tells_labelled_repeats_from_unlabelled_ones(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    for (int64_t seq = 580; seq <= 590; seq++)
        add_record(r, seq)->is_labelled = true;
    expect(r, "");
    add_record(r, 591);
    expect(r, "unlabelled 591 of lane 3: a repeat without relay-possible-duplicate\n");
    assert_int_equal(r->lanes[0].repeated + r->lanes[1].repeated + r->lanes[2].repeated, 12);
}

static void finds_two_records_of_a_key_that_changed_places(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    swap_records(r, 301, 313);
    expect(r, "disordered 301 of lane 1: behind seq 313 of the same key\n");
}

static void records_of_different_keys_may_change_places(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    swap_records(r, 301, 304); /* of one lane, keys 0 and 3, which share a partition */
    assert_int_equal(record_of(r, 301)->partition, record_of(r, 304)->partition);
    expect(r, "");
}

static void finds_every_record_of_a_key_in_reverse_order(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 100; i++)
        add_row(r, 1, 1);
    for (int64_t seq = 100; seq > 0; seq--)
        add_record(r, seq);
    run_within(r, AMPLE_BYTES);
    assert_int_equal(r->lanes[0].found[AUDIT_DISORDERED], 99);
    run_within(r, TINY_BYTES);
    assert_int_equal(r->lanes[0].found[AUDIT_DISORDERED], 99);
    assert_int_equal(r->result.findings, 99);
}

static void a_record_that_overtakes_and_comes_again_is_out_of_order(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 4; i++)
        add_row(r, 1, 1);
    add_record(r, 1);
    add_record(r, 3);
    add_record(r, 2);
    add_record(r, 3)->is_labelled = true;
    add_record(r, 4);
    expect(r, "disordered 2 of lane 1: behind seq 3 of the same key\n");
}

static void names_what_was_altered(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    record_of(r, 100)->change = CHANGED_VALUE;
    record_of(r, 200)->change = CHANGED_KEY;
    record_of(r, 300)->change = CHANGED_ID;
    record_of(r, 400)->change = CHANGED_TYPE;
    record_of(r, 500)->change = CHANGED_PREV;
    expect(r, "altered 100 of lane 1: value\n"
              "altered 200 of lane 2: key\n"
              "altered 300 of lane 3: ce_id\n"
              "altered 400 of lane 1: ce_type\n"
              "altered 500 of lane 2: relay-prev-seq\n");
    assert_int_equal(r->lanes[0].complete, 198);
}

static void finds_a_repeat_that_is_altered(void **state)
{
    struct rig *r = *state;
    struct fake_record *record;
    add_events(r, 30);
    record = add_record(r, 10);
    record->is_labelled = true;
    record->change = CHANGED_VALUE;
    expect(r, "altered 10 of lane 1: value\n");
    assert_int_equal(r->lanes[0].complete, 10);
}

static void finds_records_that_the_journal_never_had(void **state)
{
    struct rig *r = *state;
    add_events(r, 60);
    add_row(r, 0, 1); /* kept from Kafka */
    add_events(r, 60);
    add_record(r, 61);           /* of no lane */
    add_record(r, 3)->topic = 0; /* lane 3 has another topic */
    r->rows[500] = (struct fake_row){.lane = 1};
    add_record(r, 500); /* not yet there */
    record_of(r, 8)->change = CHANGED_SEQ;
    expect(r, "missing 8 of lane 2: published by the journal's account\n"
              "unknown 0 of lane 0: relay-seq is no number\n"
              "unknown 3 of lane 1: the lane never had this seq\n"
              "unknown 500 of lane 0: the journal has not come to this seq\n"
              "unknown 61 of lane 1: the lane never had this seq\n");
}

static void a_record_of_another_journal_is_none_of_its_business(void **state)
{
    struct rig *r = *state;
    add_events(r, 30);
    add_record(r, 10)->change = CHANGED_JOURNAL;
    expect(r, "");
    assert_int_equal(r->result.foreign, 1);
}

static void a_record_that_names_no_source_of_the_topic_is_judged_by_its_row(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    record_of(r, 10)->change = CHANGED_SOURCE;
    expect(r, "");
    add_row(r, 0, 1);
    add_record(r, 601)->change = CHANGED_SOURCE;
    expect(r, "unknown 601 of lane 0: ce_source names no source of this topic\n");
}

static void what_waits_or_was_parked_may_be_absent(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    r->rows[100].fate = JOURNAL_PARKED;
    r->rows[103].fate = JOURNAL_REQUEUED;
    r->rows[106].fate = JOURNAL_DISCARDED;
    remove_record(r, 100);
    remove_record(r, 103);
    remove_record(r, 106);
    r->cursor[1] = 580;
    remove_record(r, 595);
    remove_record(r, 598);
    expect(r, "");
    assert_int_equal(r->lanes[0].parked, 1);
    assert_int_equal(r->lanes[0].requeued, 1);
    assert_int_equal(r->lanes[0].discarded, 1);
    assert_int_equal(r->lanes[0].waiting, 2);
    assert_int_equal(r->lanes[0].complete, 195);
}

static void a_damaged_row_is_a_finding(void **state)
{
    struct rig *r = *state;
    add_events(r, 30);
    r->rows[10].is_damaged = true;
    expect(r, "damaged 10 of lane 1: its checksum does not hold: journal verify\n");
}

static void deleted_rows_are_judged_by_the_chain(void **state)
{
    struct rig *r = *state;
    add_events(r, 2400);
    delete_rows(r, 2100);
    expect(r, "");
    assert_int_equal(r->lanes[0].pruned, 700);
    assert_int_equal(r->lanes[0].complete, 100);
    remove_record(r, 4);    /* named by 7 */
    remove_record(r, 2098); /* the last deleted one, named by the oldest row */
    add_record(r, 1000);
    add_record(r, 1003)->is_labelled = true;
    expect(r, "hole 2098 of lane 1: the next record names it; its row is deleted\n"
              "hole 4 of lane 1: the next record names it; its row is deleted\n"
              "unlabelled 1000 of lane 1: a repeat without relay-possible-duplicate\n");
    swap_records(r, 301, 313);
    run_within(r, TINY_BYTES);
    assert_int_equal(r->lanes[0].found[AUDIT_DISORDERED], 1);
}

static void a_lane_whose_rows_are_all_deleted_is_judged_up_to_its_cursor(void **state)
{
    struct rig *r = *state;
    add_events(r, 60);
    delete_rows(r, 60);
    expect(r, "");
    remove_record(r, 60);
    expect(r, "hole 60 of lane 3: the next record names it; its row is deleted\n");
}

static void a_parked_event_is_no_hole(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    r->rows[100].fate = JOURNAL_PARKED; /* its row stays */
    r->rows[200].fate = JOURNAL_DISCARDED;
    remove_record(r, 100);
    remove_record(r, 200);
    delete_rows(r, 500);
    expect(r, "");
    assert_int_equal(r->lanes[0].parked, 1);
    assert_int_equal(r->lanes[1].discarded, 1);
}

/* Deletes a partition's records up to the one of this seq. */
static void expire(struct rig *r, int64_t seq)
{
    struct fake_record *record = record_of(r, seq);
    r->low[record->topic][record->partition] = record - r->records + 1;
}

static void what_kafka_deleted_is_expired_and_not_missing(void **state)
{
    struct rig *r = *state;
    int64_t expired = 0;
    add_events(r, 600);
    expire(r, 121); /* key 0 of lane 1: partition 0, with keys 3, 6 and 9 */
    expect(r, "");
    for (size_t i = 0; i < LANES; i++)
        expired += r->lanes[i].expired;
    assert_int_equal(expired, 41);
    remove_record(r, 302); /* keys 1, 4, ... are in partition 1, where nothing was deleted */
    expect(r, "missing 302 of lane 2: published by the journal's account\n");
}

static void beside_another_partitioner_expired_means_any_partition(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    for (size_t i = 0; i < r->record_count; i++)
        r->records[i].partition = (r->records[i].partition + 1) % PARTITIONS;
    r->low[0][1] = 600; /* a partition without any record of the topic left */
    remove_record(r, 599);
    run_within(r, AMPLE_BYTES);
    assert_string_equal(r->text, "");
}

static void expired_is_also_the_beginning_of_the_chain(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    delete_rows(r, 500);
    for (int partition = 0; partition < PARTITIONS; partition++)
        r->low[0][partition] = r->low[1][partition] = 120;
    expect(r, "");
    assert_int_equal(r->lanes[0].expired, 1); /* the one before the first that is there */
}

static void replays_are_counted_by_themselves(void **state)
{
    struct rig *r = *state;
    add_events(r, 60);
    delete_rows(r, 15);
    for (int64_t seq = 5; seq <= 40; seq++)
        add_record(r, seq)->is_replay = true;
    add_record(r, 3)->is_replay = true;
    expect(r, "");
    assert_int_equal(r->lanes[0].replayed + r->lanes[1].replayed + r->lanes[2].replayed, 37);
    assert_int_equal(r->lanes[0].repeated, 0);
    struct fake_record *record = add_record(r, 40);
    record->is_replay = true;
    record->change = CHANGED_VALUE;
    expect(r, "altered 40 of lane 1: value\n");
}

static void only_the_lane_that_is_asked_for_is_judged(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    remove_record(r, 301);
    remove_record(r, 302);
    r->opts.lane = 2;
    expect(r, "missing 302 of lane 2: published by the journal's account\n");
    assert_int_equal(r->lane_count, 1);
    assert_int_equal(r->lanes[0].complete, 199);
}

static void refuses_a_lane_that_is_not_there(void **state)
{
    struct rig *r = *state;
    struct audit_journal journal = journal_door;
    struct err e;
    journal.ctx = r;
    r->opts.journal = &journal;
    r->opts.lane = 9;
    assert_int_equal(audit_run(&r->opts, &r->result, &e), ST_NOT_FOUND);
}

static void only_the_time_that_is_asked_for_is_judged(void **state)
{
    struct rig *r = *state;
    add_events(r, 600);
    remove_record(r, 99);
    remove_record(r, 301);
    remove_record(r, 502);
    r->opts.since.us = FIRST_US + 100 * SECOND_US;
    r->opts.until.us = FIRST_US + 501 * SECOND_US;
    expect(r, "missing 301 of lane 1: published by the journal's account\n");
    assert_int_equal(r->lanes[0].complete, 133);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_clean_feed_has_no_finding_and_every_event_is_complete),
        TEST(names_an_event_without_a_record),
        TEST(takes_a_topic_that_is_not_there_for_an_empty_one),
        TEST(tells_labelled_repeats_from_unlabelled_ones),
        TEST(finds_two_records_of_a_key_that_changed_places),
        TEST(records_of_different_keys_may_change_places),
        TEST(finds_every_record_of_a_key_in_reverse_order),
        TEST(a_record_that_overtakes_and_comes_again_is_out_of_order),
        TEST(names_what_was_altered),
        TEST(finds_a_repeat_that_is_altered),
        TEST(finds_records_that_the_journal_never_had),
        TEST(a_record_of_another_journal_is_none_of_its_business),
        TEST(a_record_that_names_no_source_of_the_topic_is_judged_by_its_row),
        TEST(what_waits_or_was_parked_may_be_absent),
        TEST(a_damaged_row_is_a_finding),
        TEST(deleted_rows_are_judged_by_the_chain),
        TEST(a_lane_whose_rows_are_all_deleted_is_judged_up_to_its_cursor),
        TEST(a_parked_event_is_no_hole),
        TEST(what_kafka_deleted_is_expired_and_not_missing),
        TEST(beside_another_partitioner_expired_means_any_partition),
        TEST(expired_is_also_the_beginning_of_the_chain),
        TEST(replays_are_counted_by_themselves),
        TEST(only_the_lane_that_is_asked_for_is_judged),
        TEST(refuses_a_lane_that_is_not_there),
        TEST(only_the_time_that_is_asked_for_is_judged),
    };
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
