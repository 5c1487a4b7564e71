/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: what is parked leaves its copy in the same transaction, complete, once, and no copy of a
 * copy; and a copy becomes a record that says what it is. */
#include "unit/journal_rig.h"

#include "base/metric.h"
#include "event/route.h"
#include "event/selection.h"
#include "journal/actions.h"
#include "journal/journal_select.h"
#include "journal/verify.h"
#include "relay/record.h"

#define BODY_MAX 64

/* A rig whose source has dead letters. */
struct office {
    struct rig *r;
    struct routes *routes;
    struct metrics *metrics;
    struct journal_dead_letters to;
};

static void open_office(struct office *o, struct rig *r, const char *topic)
{
    const struct routes_opts opts = {
        .template_text = topic, .source = "main", .org = "org", .keys = &envelope_keys_default};
    struct err e = {0};
    *o = (struct office){.r = r};
    assert_int_equal(routes_create(&o->routes, &opts, &e), ST_OK);
    o->metrics = metrics_create();
    o->to = (struct journal_dead_letters){
        .routes = o->routes,
        .body_max = BODY_MAX,
        .count = metric_child(metric_family(o->metrics, METRIC_COUNTER, "relay_dead_letters_total",
                                            "source", "copies"),
                              slice_of("main"), slice_of(""), slice_of(""))};
    if (!r->journal)
        open_journal(r);
    journal_set_dead_letters(r->journal, r->source, &o->to);
}

static void close_office(struct office *o)
{
    journal_close(o->r->journal);
    o->r->journal = NULL;
    routes_destroy(o->routes);
    metrics_destroy(o->metrics);
}

static void park(struct rig *r, int64_t lane, int64_t seq, const char *reason)
{
    struct err e = {0};
    assert_int_equal(journal_park(r->journal, lane, seq, slice_of(reason), &e), ST_OK);
}

static void park_now(struct rig *r, int64_t lane, int64_t seq, const char *reason)
{
    begin(r);
    park(r, lane, seq, reason);
    commit(r);
}

static int64_t number_of(const struct rig *r, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int64_t number;
    assert_int_equal(sqlite3_open_v2(r->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    number = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return number;
}

static int64_t rows_of(const struct rig *r)
{
    return number_of(r, "SELECT count(*) FROM events");
}

/* The copy under seq, which must be intact and a copy of parent. */
static struct journal_row *read_copy(const struct rig *r, int64_t seq, int64_t parent)
{
    struct journal_row *row = read_event(r, seq);
    assert_non_null(row);
    assert_true(row->intact);
    assert_int_equal(row->ev.origin, EVENT_ORIGIN_DEAD_LETTER);
    assert_int_equal(row->parent, parent);
    assert_int_equal(row->source, r->source);
    assert_true(row->lane > 0);
    return row;
}

static void assert_text(struct slice got, const char *want)
{
    if (!slice_eq(got, slice_of(want)))
        fail_msg("\"%.*s\" should be \"%s\"", (int)got.len, got.ptr ? got.ptr : "", want);
}

static struct event quarantined(const struct rig *r)
{
    return (struct event){.body = {"no\0json\xff", 8},
                          .content_headers = slice_of("Content-Type: text/plain\n"
                                                      "Content-Encoding: gzip\n"),
                          .reason = slice_of("not JSON:\n line two"),
                          .received = r->now,
                          .flags = EVENT_QUARANTINED};
}

static void verify_file(const struct rig *r);

/* ---- the journal ---- */

static void copies_what_kafka_refused_into_a_lane_of_its_own(void **state)
{
    struct rig *r = *state;
    struct office o;
    struct event ev;
    struct journal_row *row;
    struct wall born = r->now;
    open_office(&o, r, "dead.{family}");
    ev = event_of(r, "gladly.contact", "id-1", "{\"a\":1}");
    ev.trace = slice_of("00-11-22-01\nvendor=1");
    ev.flags = EVENT_HAS_TIME;
    ev.event_time.us = born.us - 5000000;
    begin(r);
    assert_int_equal(put(r, &ev).seq, 1);
    commit(r);
    store(r, "gladly.contact", "id-2", "{\"a\":2}");
    r->now.us += 60000000;
    park_now(r, 1, 1, "poison");
    row = read_copy(r, 3, 1);
    assert_int_equal(row->lane, 2);
    assert_int_equal(row->prev, 0);
    assert_text(row->ev.body, "{\"a\":1}");
    assert_text(row->ev.id, "id-1");
    assert_text(row->ev.type, "CONTACT/STARTED");
    assert_text(row->ev.key, "key-1");
    assert_text(row->ev.trace, "00-11-22-01\nvendor=1");
    assert_text(row->ev.content_headers, "Relay-Park-Reason: poison\n");
    assert_int_equal(row->ev.flags, EVENT_HAS_TIME);
    assert_int_equal(row->ev.event_time.us, born.us - 5000000);
    assert_int_equal(row->ev.received.us, r->now.us);
    journal_row_free(row);
    assert_int_equal(number_of(r, "SELECT count(*) FROM lanes WHERE topic = 'dead.contact'"), 1);
    park_now(r, 1, 2, "more");
    row = read_copy(r, 4, 2);
    assert_int_equal(row->prev, 3);
    /* Its record has the timestamp that the event's own would have had. */
    assert_int_equal(event_record_time(&row->ev).us, born.us);
    journal_row_free(row);
    assert_int_equal(metric_value(o.to.count), 2);
    verify_file(r);
    close_office(&o);
}

static void parking_twice_leaves_one_copy(void **state)
{
    struct rig *r = *state;
    struct office o;
    open_office(&o, r, "dead");
    store(r, "gladly.contact", "id-1", "{}");
    begin(r);
    park(r, 1, 1, "poison");
    park(r, 1, 1, "again");
    commit(r);
    park_now(r, 1, 1, "after a restart");
    assert_int_equal(rows_of(r), 2);
    assert_int_equal(metric_value(o.to.count), 1);
    close_office(&o);
}

static void copies_a_quarantined_body_byte_for_byte_at_birth(void **state)
{
    struct rig *r = *state;
    struct office o;
    struct event ev;
    struct journal_row *row;
    open_office(&o, r, "dead.{family}");
    ev = quarantined(r);
    begin(r);
    /* Of the event itself, not of its copy, is what the sender is told. */
    assert_int_equal(put(r, &ev).seq, 1);
    assert_int_equal(put(r, &ev).seq, 3);
    commit(r);
    row = read_copy(r, 2, 1);
    assert_true(slice_eq(row->ev.body, ev.body));
    assert_text(row->ev.content_headers, "Content-Type: text/plain\nContent-Encoding: gzip\n"
                                         "Relay-Park-Reason: not JSON:  line two\n");
    assert_int_equal(row->ev.flags, EVENT_HAS_TIME);
    journal_row_free(row);
    row = read_copy(r, 4, 3);
    assert_int_equal(row->prev, 2);
    journal_row_free(row);
    assert_int_equal(number_of(r, "SELECT count(*) FROM lanes WHERE topic = 'dead.other'"), 1);
    assert_int_equal(number_of(r, "SELECT count(*) FROM parked"), 2);
    close_office(&o);
}

static void leaves_out_a_body_that_no_record_holds(void **state)
{
    struct rig *r = *state;
    char large[BODY_MAX + 2] = {0};
    struct office o;
    struct event ev;
    struct journal_row *row;
    memset(large, 'x', BODY_MAX + 1);
    open_office(&o, r, "dead");
    ev = event_of(r, "gladly.contact", "id-1", large);
    ev.flags = EVENT_OVERSIZE;
    ev.reason = slice_of("too large");
    begin(r);
    put(r, &ev);
    ev = quarantined(r);
    ev.body = slice_of(large);
    put(r, &ev);
    ev.body.len--;
    put(r, &ev);
    commit(r);
    row = read_copy(r, 2, 1);
    assert_int_equal(row->ev.body.len, 0);
    assert_text(row->ev.content_headers, "Relay-Park-Reason: too large\nRelay-Body-Omitted: 65\n");
    journal_row_free(row);
    row = read_copy(r, 4, 3);
    assert_int_equal(row->ev.body.len, 0);
    journal_row_free(row);
    row = read_copy(r, 6, 5);
    assert_int_equal(row->ev.body.len, BODY_MAX);
    journal_row_free(row);
    verify_file(r);
    close_office(&o);
}

static void a_refused_copy_is_tried_once_more_without_its_body(void **state)
{
    struct rig *r = *state;
    struct office o;
    struct journal_row *row;
    open_office(&o, r, "dead");
    store(r, "gladly.contact", "id-1", "{\"a\":1}");
    park_now(r, 1, 1, "poison");
    park_now(r, 2, 2, "too large for this topic");
    row = read_copy(r, 3, 1);
    assert_int_equal(row->ev.body.len, 0);
    assert_text(row->ev.content_headers, "Relay-Park-Reason: poison\nRelay-Body-Omitted: 7\n");
    journal_row_free(row);
    /* The first copy is no business of a person's. */
    assert_int_equal(number_of(r, "SELECT successor FROM parked WHERE seq = 2 AND state = 1"), 3);
    assert_int_equal(number_of(r, "SELECT count(*) FROM parked WHERE state = 0"), 1);
    park_now(r, 2, 3, "not allowed");
    assert_int_equal(rows_of(r), 3);
    assert_int_equal(number_of(r, "SELECT count(*) FROM parked WHERE state = 0"), 2);
    verify_file(r);
    close_office(&o);
}

static void a_requeue_that_is_parked_again_is_copied_again(void **state)
{
    struct rig *r = *state;
    const struct action_by by = {"ann", "why not"};
    struct office o;
    struct event ev;
    struct action_requeue requeue = {.seq = 1, .ev = &ev, .source = 0};
    struct err e = {0};
    int64_t successor = 0;
    open_office(&o, r, "dead");
    requeue.source = r->source;
    ev = quarantined(r);
    begin(r);
    put(r, &ev);
    commit(r);
    ev.topic = slice_of("rescued");
    begin(r);
    assert_int_equal(action_requeue(r->journal, &requeue, &by, &successor, &e), ST_OK);
    commit(r);
    assert_int_equal(successor, 3);
    park_now(r, 2, 3, "still poison");
    journal_row_free(read_copy(r, 4, 3));
    close_office(&o);
}

static void believes_nothing_of_a_damaged_row(void **state)
{
    struct rig *r = *state;
    struct office o;
    struct journal_row *row;
    open_office(&o, r, "dead");
    store(r, "gladly.contact", "id-1", "{\"a\":1}");
    close_office(&o);
    run_sql(r, "UPDATE events SET key = 'key-2', source = 9 WHERE seq = 1");
    open_office(&o, r, "dead");
    park_now(r, 1, 1, "checksum mismatch");
    row = read_copy(r, 2, 1);
    assert_int_equal(row->ev.key.len + row->ev.id.len + row->ev.type.len + row->ev.body.len, 0);
    assert_text(row->ev.content_headers,
                "Relay-Park-Reason: checksum mismatch\nRelay-Body-Omitted: 7\n");
    journal_row_free(row);
    close_office(&o);
}

static void a_rollback_takes_park_and_copy_along(void **state)
{
    struct rig *r = *state;
    struct office o;
    struct event ev;
    open_office(&o, r, "dead");
    store(r, "gladly.contact", "id-1", "{}");
    begin(r);
    park(r, 1, 1, "poison");
    journal_rollback(r->journal);
    assert_int_equal(number_of(r, "SELECT count(*) FROM parked"), 0);
    assert_int_equal(number_of(r, "SELECT count(*) FROM lanes"), 1);
    assert_int_equal(rows_of(r), 1);
    ev = quarantined(r);
    begin(r);
    put(r, &ev);
    journal_rollback(r->journal);
    assert_int_equal(rows_of(r), 1);
    assert_int_equal(metric_value(o.to.count), 0);
    /* A process that ends in the middle leaves neither. */
    begin(r);
    park(r, 1, 1, "poison");
    reopen(r);
    journal_set_dead_letters(r->journal, r->source, &o.to);
    assert_int_equal(number_of(r, "SELECT count(*) FROM parked"), 0);
    assert_int_equal(rows_of(r), 1);
    park_now(r, 1, 1, "poison");
    journal_row_free(read_copy(r, 2, 1));
    assert_int_equal(metric_value(o.to.count), 1);
    close_office(&o);
}

static void without_the_option_parks_alone(void **state)
{
    struct rig *r = *state;
    struct event ev;
    open_journal(r);
    store(r, "gladly.contact", "id-1", "{}");
    ev = quarantined(r);
    begin(r);
    put(r, &ev);
    park(r, 1, 1, "poison");
    commit(r);
    assert_int_equal(rows_of(r), 2);
    assert_int_equal(number_of(r, "SELECT count(*) FROM parked"), 2);
}

static void a_copy_is_known_to_no_window_and_to_no_replay(void **state)
{
    struct rig *r = *state;
    const struct selection all = {0};
    struct journal_select_range range = {
        .which = &all, .last = 100, .scan = 100, .max_rows = 10, .max_bytes = 1 << 20};
    struct journal_select *select;
    struct journal_selected *rows;
    struct journal_select_end end;
    struct office o;
    struct err e = {0};
    open_office(&o, r, "dead");
    assert_int_equal(store(r, "gladly.contact", "id-1", "{}").seq, 1);
    park_now(r, 1, 1, "poison");
    assert_int_equal(store(r, "gladly.contact", "id-1", "{}").seq, 1);
    reopen(r);
    journal_set_dead_letters(r->journal, r->source, &o.to);
    assert_int_equal(store(r, "gladly.contact", "id-1", "{}").seq, 1);
    assert_int_equal(store(r, "gladly.contact", "id-2", "{}").seq, 3);
    assert_int_equal(journal_select_open(&select, r->path, NULL, &e), ST_OK);
    assert_int_equal(journal_select_rows(select, &range, &rows, &end, &e), ST_OK);
    assert_non_null(rows);
    assert_int_equal(rows->row.seq, 3);
    assert_null(rows->next);
    journal_select_free(rows);
    journal_select_close(select);
    close_office(&o);
}

/* Parks as one who needs a lane that is not there. */
static void parks_also_when_there_is_no_lane_left(void **state)
{
    struct rig *r = *state;
    char topic[32];
    struct office o;
    struct event ev;
    open_office(&o, r, "dead");
    begin(r);
    for (int i = 0; i < JOURNAL_LANES_MAX; i++) {
        snprintf(topic, sizeof topic, "t%d", i);
        ev = event_of(r, topic, topic, "{}");
        put(r, &ev);
    }
    commit(r);
    park_now(r, 1, 1, "poison");
    assert_int_equal(number_of(r, "SELECT count(*) FROM parked"), 1);
    assert_int_equal(rows_of(r), JOURNAL_LANES_MAX);
    assert_int_equal(metric_value(o.to.count), 0);
    close_office(&o);
}

static void retention_deletes_published_copies(void **state)
{
    struct rig *r = *state;
    struct journal_pruned pruned = {0};
    struct office o;
    struct err e = {0};
    open_office(&o, r, "dead");
    store(r, "gladly.contact", "id-1", "{}");
    begin(r);
    park(r, 1, 1, "poison");
    assert_int_equal(journal_set_cursor(r->journal, 1, 1, &e), ST_OK);
    commit(r);
    r->now.us += 60000000;
    for (int round = 0; round < 2; round++) {
        begin(r);
        do
            assert_int_equal(journal_prune(r->journal, r->now, 100, &pruned, &e), ST_OK);
        while (!pruned.round_ended);
        /* The parked event waits for a person; the copy goes when Kafka has it. */
        if (round == 0)
            assert_int_equal(journal_set_cursor(r->journal, 2, 2, &e), ST_OK);
        commit(r);
        assert_int_equal(rows_of(r), 2 - round);
    }
    assert_int_equal(number_of(r, "SELECT max(seq) FROM events"), 1);
    close_office(&o);
}

static void on_finding(void *ctx, enum verify_finding finding, int64_t seq, const char *detail)
{
    (void)ctx;
    fail_msg("%s, seq %d: %s", verify_finding_name(finding), (int)seq, detail);
}

static void verify_file(const struct rig *r)
{
    const struct verify_opts opts = {.path = r->path, .on_finding = on_finding};
    struct verify_result result;
    struct err e = {0};
    assert_int_equal(verify_run(&opts, &result, &e), ST_OK);
    assert_int_equal(result.findings, 0);
}

/* ---- its record ---- */

static const struct publisher_header *header_of(const struct record *record, const char *name)
{
    for (size_t i = 0; i < record->out.header_count; i++)
        if (strcmp(record->headers[i].name, name) == 0)
            return &record->headers[i];
    return NULL;
}

static void assert_header(const struct record *record, const char *name, const char *want)
{
    const struct publisher_header *found = header_of(record, name);
    if (!found)
        fail_msg("there is no header %s", name);
    else
        assert_text(found->value, want);
}

static void its_record_says_what_was_parked_and_why(void **state)
{
    struct rig *r = *state;
    const struct record_origin origin = {"journal", "org", "main", "dead"};
    struct record record;
    struct office o;
    struct event ev;
    struct journal_row *row;
    open_office(&o, r, "dead");
    ev = quarantined(r);
    begin(r);
    put(r, &ev);
    ev.body = slice_of("x");
    ev.content_headers = slice_of("Content-Language: en\n");
    put(r, &ev);
    commit(r);
    row = read_copy(r, 2, 1);
    record_build(&record, row, &origin, 0);
    assert_true(slice_eq(record.out.value, row->ev.body));
    assert_null(record.out.key.ptr);
    assert_header(&record, "relay-origin", "dead_letter");
    assert_header(&record, "relay-dead-letter-of", "1");
    assert_header(&record, "relay-park-reason", "not JSON:  line two");
    assert_header(&record, "content-type", "text/plain");
    assert_header(&record, "content-encoding", "gzip");
    assert_null(header_of(&record, "relay-requeue-of"));
    assert_null(header_of(&record, "relay-body-omitted"));
    journal_row_free(row);
    row = read_copy(r, 4, 3);
    record_build(&record, row, &origin, 0);
    assert_header(&record, "content-type", "application/octet-stream");
    assert_header(&record, "content-language", "en");
    journal_row_free(row);
    close_office(&o);
}

static void a_record_with_everything_has_room_for_its_headers(void **state)
{
    const struct record_origin origin = {"journal", "org", "main", "dead"};
    const struct journal_row row = {
        .seq = 9,
        .prev = 8,
        .parent = 7,
        .intact = true,
        .ev = {.body = slice_of("{}"),
               .id = slice_of("id"),
               .type = slice_of("CONTACT/STARTED"),
               .key = slice_of("key"),
               .trace = slice_of("00-11-22-01\nvendor=1"),
               .content_headers = slice_of("Content-Type: a/b\nContent-Encoding: gzip\n"
                                           "Content-Language: en\nRelay-Park-Reason: poison\n"
                                           "Relay-Body-Omitted: 12\n"),
               .flags = EVENT_CONFLICT,
               .origin = EVENT_ORIGIN_DEAD_LETTER}};
    struct record record;
    (void)state;
    record_build(&record, &row, &origin, 0);
    record_label_repeat(&record);
    record_label_replay(&record, 1);
    assert_header(&record, "relay-park-reason", "poison");
    assert_header(&record, "relay-body-omitted", "12");
    assert_header(&record, "relay-replay", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(copies_what_kafka_refused_into_a_lane_of_its_own),
        RIG_TEST(parking_twice_leaves_one_copy),
        RIG_TEST(copies_a_quarantined_body_byte_for_byte_at_birth),
        RIG_TEST(leaves_out_a_body_that_no_record_holds),
        RIG_TEST(a_refused_copy_is_tried_once_more_without_its_body),
        RIG_TEST(a_requeue_that_is_parked_again_is_copied_again),
        RIG_TEST(believes_nothing_of_a_damaged_row),
        RIG_TEST(a_rollback_takes_park_and_copy_along),
        RIG_TEST(without_the_option_parks_alone),
        RIG_TEST(a_copy_is_known_to_no_window_and_to_no_replay),
        RIG_TEST(parks_also_when_there_is_no_lane_left),
        RIG_TEST(retention_deletes_published_copies),
        RIG_TEST(its_record_says_what_was_parked_and_why),
        cmocka_unit_test(a_record_with_everything_has_room_for_its_headers),
    };
    return rig_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
