/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a selection finds exactly the events that are meant by each criterion, in order and in
 * bounded steps, and never one that must not be published again. */
#include "journal_rig.h"

#include "base/ident.h"
#include "journal/actions.h"
#include "journal/journal_select.h"

#define SECOND INT64_C(1000000)

/* What was selected, as "1 2 3". */
struct told {
    char text[256];
};

static struct journal_select *open_select(const struct rig *r)
{
    struct journal_select *s;
    struct err e = {0};
    assert_int_equal(journal_select_open(&s, r->path, NULL, &e), ST_OK);
    return s;
}

static void append_told(struct told *t, const struct journal_selected *rows)
{
    for (; rows; rows = rows->next) {
        size_t len = strlen(t->text);
        snprintf(t->text + len, sizeof t->text - len, "%s%lld", len ? " " : "",
                 (long long)rows->row.seq);
    }
}

static struct journal_select_end
select_range(const struct rig *r, const struct journal_select_range *range, const char *expected)
{
    struct journal_select *s = open_select(r);
    struct journal_selected *rows;
    struct journal_select_end end;
    struct told told = {0};
    struct err e = {0};
    assert_int_equal(journal_select_rows(s, range, &rows, &end, &e), ST_OK);
    append_told(&told, rows);
    assert_string_equal(told.text, expected);
    journal_select_free(rows);
    journal_select_close(s);
    return end;
}

static struct journal_select_range all_of(const struct selection *which)
{
    return (struct journal_select_range){
        .which = which, .last = 1000, .scan = 1000, .max_rows = 100, .max_bytes = 1 << 20};
}

static void expect(const struct rig *r, struct selection which, const char *expected)
{
    const struct journal_select_range range = all_of(&which);
    struct journal_select_end end = select_range(r, &range, expected);
    assert_true(end.at_end);
}

/* One second after the one before. */
static int64_t add(struct rig *r, struct event ev)
{
    struct journal_appended out;
    r->now.us += SECOND;
    ev.received = r->now;
    if (!ev.body.len)
        ev.body = slice_of("{}");
    begin(r);
    out = put(r, &ev);
    commit(r);
    return out.seq;
}

#define TYPE(t) .type = {t, sizeof t - 1}, .topic = {"t", 1}

static void selects_by_each_criterion(void **state)
{
    struct rig *r = *state;
    const struct wall start = r->now;
    int64_t first = r->source, second;
    struct err e = {0};
    assert_int_equal(journal_source(r->journal, "org", "other", &second, &e), ST_OK);
    add(r, (struct event){TYPE("CONTACT/STARTED"), .key = {"k1", 2}, .id = {"i1", 2}});
    add(r, (struct event){TYPE("CONTACT/ENDED"), .key = {"k2", 2}, .id = {"i2", 2}});
    add(r, (struct event){TYPE("CONVERSATION_STATUS/UPDATED"), .key = {"k1", 2}, .id = {"i3", 2}});
    r->source = second;
    add(r, (struct event){TYPE("CONTACT/STARTED"), .key = {"K1", 2}, .id = {"i4", 2}});
    add(r, (struct event){TYPE("NOSLASH"), .flags = EVENT_HAS_TIME,
                          .event_time = {start.us - 100 * SECOND}});
    r->source = first;
    expect(r, (struct selection){0}, "1 2 3 4 5");
    expect(r, (struct selection){.from_seq = 2, .to_seq = 4}, "2 3 4");
    expect(r, (struct selection){.from_seq = 5}, "5");
    expect(r, (struct selection){.source = "main"}, "1 2 3");
    expect(r, (struct selection){.source = "other"}, "4 5");
    expect(r, (struct selection){.source = "nobody"}, "");
    expect(r, (struct selection){.family = "contact"}, "1 2 4");
    expect(r, (struct selection){.family = "conversation-status"}, "3");
    expect(r, (struct selection){.family = "contac"}, "");
    expect(r, (struct selection){.type = "CONTACT/STARTED"}, "1 4");
    expect(r, (struct selection){.type = "CONTACT"}, "");
    expect(r, (struct selection){.key = "k1"}, "1 3");
    expect(r, (struct selection){.id = "i2"}, "2");
    expect(r, (struct selection){.key = "k1", .type = "CONTACT/STARTED"}, "1");
    expect(r, (struct selection){.since = {start.us + 2 * SECOND}}, "2 3 4 5");
    expect(r, (struct selection){.until = {start.us + 2 * SECOND}}, "1");
    expect(r,
           (struct selection){.since = {start.us + 2 * SECOND}, .until = {start.us + 4 * SECOND}},
           "2 3");
    /* Event 5 happened before all the others; those without a time of their own count by when they
     * were received. */
    expect(r, (struct selection){.until = {start.us + 2 * SECOND}, .is_by_event = true}, "1 5");
    expect(r, (struct selection){.since = {start.us + 4 * SECOND}, .is_by_event = true}, "4");
}

static void never_selects_what_is_not_to_be_published_again(void **state)
{
    struct rig *r = *state;
    const struct action_by by = {"me", "because"};
    const struct event rescued = {.body = slice_of("{}"), .topic = slice_of("t")};
    const struct action_requeue requeue = {.seq = 3, .ev = &rescued, .source = r->source};
    int64_t successor;
    struct err e = {0};
    add(r, (struct event){TYPE("A/X")});
    add(r, (struct event){.type = slice_of("PING"), .flags = EVENT_PING});
    add(r, (struct event){.flags = EVENT_QUARANTINED, .reason = slice_of("broken")});
    add(r, (struct event){.type = slice_of("A/X"), .flags = EVENT_UNROUTED});
    add(r, (struct event){TYPE("A/X"), .flags = EVENT_OVERSIZE, .reason = slice_of("large")});
    add(r, (struct event){TYPE("A/X")});
    begin(r);
    assert_int_equal(journal_park(r->journal, 1, 6, slice_of("refused"), &e), ST_OK);
    assert_int_equal(action_requeue(r->journal, &requeue, &by, &successor, &e), ST_OK);
    commit(r);
    assert_int_equal(successor, 7);
    expect(r, (struct selection){0}, "1 7");
}

static void looks_at_a_bounded_number_of_rows_and_says_where_to_go_on(void **state)
{
    struct rig *r = *state;
    const struct selection rare = {.type = "RARE/X"}, every = {0};
    struct journal_select_range range = all_of(&rare);
    struct journal_select_end end;
    for (int i = 1; i <= 9; i++)
        add(r, i == 8 ? (struct event){TYPE("RARE/X")} : (struct event){TYPE("A/X")});
    range.last = 9;
    range.scan = 4;
    end = select_range(r, &range, "");
    assert_true(end.looked == 4 && !end.at_end);
    range.after = end.looked;
    end = select_range(r, &range, "8");
    assert_true(end.looked == 8 && !end.at_end);
    range.after = end.looked;
    end = select_range(r, &range, "");
    assert_true(end.looked == 9 && end.at_end);
    range = all_of(&every);
    range.max_rows = 2;
    end = select_range(r, &range, "1 2");
    assert_true(end.looked == 2 && !end.at_end);
    range.max_rows = 100;
    range.max_bytes = 1;
    select_range(r, &range, "1");
    range.max_bytes = 5;
    select_range(r, &range, "1 2 3");
    range = all_of(&every);
    range.last = 3;
    end = select_range(r, &range, "1 2 3");
    assert_true(end.looked == 3 && end.at_end);
}

static void steps_over_pruned_rows_at_once(void **state)
{
    struct rig *r = *state;
    const struct selection every = {0};
    struct journal_select_range range = all_of(&every);
    struct journal_select_end end;
    for (int i = 0; i < 9; i++)
        add(r, (struct event){TYPE("A/X")});
    journal_close(r->journal);
    run_sql(r, "DELETE FROM events WHERE seq < 8");
    open_journal(r);
    range.last = 9;
    range.scan = 2;
    end = select_range(r, &range, "8 9");
    assert_true(end.at_end);
}

static void says_where_a_row_belongs_and_what_holds_it(void **state)
{
    struct rig *r = *state;
    static const char *const scopes[] = {"all", "source:main", "lane:1"};
    const struct action_by by = {"me", "because"};
    const struct selection every = {0};
    const struct journal_select_range range = all_of(&every);
    struct journal_select *s;
    struct journal_selected *rows;
    struct journal_select_end end;
    struct err e = {0};
    add(r, (struct event){TYPE("A/X"), .key = {"k", 1}});
    add(r, (struct event){TYPE("A/X")});
    begin(r);
    assert_int_equal(journal_set_cursor(r->journal, 1, 1, &e), ST_OK);
    commit(r);
    s = open_select(r);
    assert_int_equal(journal_select_rows(s, &range, &rows, &end, &e), ST_OK);
    assert_string_equal(rows->org, "org");
    assert_string_equal(rows->source, "main");
    assert_string_equal(rows->topic, "t");
    assert_true(rows->row.intact && slice_eq(rows->row.ev.key, slice_of("k")));
    assert_false(rows->is_unpublished);
    assert_true(rows->next->is_unpublished);
    assert_false(rows->is_paused);
    journal_select_free(rows);
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
        begin(r);
        assert_int_equal(action_pause(r->journal, scopes[i], &by, &e), ST_OK);
        commit(r);
        assert_int_equal(journal_select_rows(s, &range, &rows, &end, &e), ST_OK);
        assert_true(rows->is_paused);
        journal_select_free(rows);
        begin(r);
        assert_int_equal(action_resume(r->journal, scopes[i], &by, &e), ST_OK);
        commit(r);
    }
    journal_select_close(s);
}

static void on_count(void *arg, const struct journal_select_count *count)
{
    char *text = arg;
    size_t len = strlen(text);
    snprintf(text + len, 256 - len, "%s %lld %lld %lld;", count->topic, (long long)count->events,
             (long long)count->bytes, (long long)(count->oldest.us / SECOND));
}

static void on_older(void *arg, const struct journal_select_count *count)
{
    int64_t *older = arg;
    older[count->topic[0] - 'a'] = count->older;
}

/* How many of the topics a and b have a record time before that one. */
static void expect_older(struct journal_select *s, struct journal_select_range range,
                         int64_t than_us, int64_t a, int64_t b)
{
    struct journal_select_end end;
    struct err e = {0};
    int64_t older[2] = {-1, -1};
    range.older_than.us = than_us;
    assert_int_equal(journal_select_counts(s, &range, on_older, older, &end, &e), ST_OK);
    assert_int_equal(older[0], a);
    assert_int_equal(older[1], b);
}

static void counts_events_bytes_and_the_oldest_of_each_topic(void **state)
{
    struct rig *r = *state;
    const struct wall start = r->now;
    const struct selection every = {0};
    struct journal_select_range range = all_of(&every);
    struct journal_select *s = open_select(r);
    struct journal_select_end end;
    char text[256] = "", wanted[256];
    struct err e = {0};
    add(r, (struct event){.topic = {"a", 1}, .body = {"123", 3}});
    add(r, (struct event){.topic = {"b", 1}, .body = {"1", 1}});
    add(r, (struct event){.topic = {"a", 1},
                          .body = {"12", 2},
                          .flags = EVENT_HAS_TIME,
                          .event_time = {start.us - 50 * SECOND}});
    /* A time in the future is not the record's (event_record_time). */
    add(r, (struct event){.topic = {"b", 1},
                          .flags = EVENT_HAS_TIME,
                          .event_time = {start.us + 500 * SECOND}});
    assert_int_equal(journal_select_counts(s, &range, on_count, text, &end, &e), ST_OK);
    snprintf(wanted, sizeof wanted, "a 2 5 %lld;b 2 3 %lld;", (long long)(start.us / SECOND - 50),
             (long long)(start.us / SECOND + 2));
    assert_string_equal(text, wanted);
    assert_true(end.at_end);
    expect_older(s, range, 0, 0, 0);
    expect_older(s, range, start.us - 50 * SECOND, 0, 0);
    expect_older(s, range, start.us - 50 * SECOND + 1, 1, 0);
    expect_older(s, range, start.us + 1000 * SECOND, 2, 2);
    text[0] = 0;
    range.scan = 1;
    assert_int_equal(journal_select_counts(s, &range, on_count, text, &end, &e), ST_OK);
    assert_true(end.looked == 1 && !end.at_end);
    journal_select_close(s);
}

static void narrows_the_range_to_where_the_times_lie(void **state)
{
    struct rig *r = *state;
    const struct wall start = r->now;
    struct selection which = {0};
    struct journal_select_range range = {.which = &which};
    struct journal_select *s = open_select(r);
    struct err e = {0};
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_OK);
    assert_true(range.after == 0 && range.last == 0);
    begin(r);
    for (int i = 1; i <= 100; i++) {
        struct event ev = event_of(r, "t", "", "{}");
        ev.received.us = start.us + i * 60 * SECOND;
        put(r, &ev);
    }
    commit(r);
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_OK);
    assert_true(range.after == 0 && range.last == 100);
    which.since.us = start.us + 50 * 60 * SECOND;
    which.until.us = start.us + 60 * 60 * SECOND;
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_OK);
    assert_int_equal(range.after, 39);
    assert_int_equal(range.last, 69);
    /* What happened before a time may be received long after it. */
    which.is_by_event = true;
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_OK);
    assert_true(range.after == 39 && range.last == 100);
    which = (struct selection){.from_seq = 20, .to_seq = 500};
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_OK);
    assert_true(range.after == 19 && range.last == 100);
    which = (struct selection){.from_seq = 300};
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_OK);
    assert_int_equal(range.after, range.last);
    which = (struct selection){.source = "nobody"};
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_NOT_FOUND);
    journal_select_close(s);
}

/* A requeue has the received time of the event that was parked, long before that of its place. */
static void finds_the_times_around_and_of_requeues(void **state)
{
    struct rig *r = *state;
    const struct wall start = r->now;
    const struct action_by by = {"me", "because"};
    struct selection which = {0};
    struct journal_select_range range = {.which = &which};
    struct journal_select *s = open_select(r);
    struct err e = {0};
    begin(r);
    for (int i = 1; i <= 100; i++) {
        int64_t successor = 0;
        struct event ev = event_of(r, "t", "", "{}");
        const struct action_requeue requeue = {.seq = 5, .ev = &ev, .source = r->source};
        ev.received.us = start.us + (i == 75 ? 5 : i) * 60 * SECOND;
        if (i != 75) {
            put(r, &ev);
            continue;
        }
        assert_int_equal(journal_park(r->journal, 1, 5, slice_of("refused"), &e), ST_OK);
        assert_int_equal(action_requeue(r->journal, &requeue, &by, &successor, &e), ST_OK);
        assert_int_equal(successor, 75);
    }
    commit(r);
    which.since.us = start.us + 80 * 60 * SECOND;
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_OK);
    assert_true(range.after == 69 && range.last == 100);
    which = (struct selection){.until.us = start.us + 10 * 60 * SECOND};
    assert_int_equal(journal_select_bounds(s, &range, &e), ST_OK);
    assert_true(range.after == 0 && range.last == 75);
    journal_select_close(s);
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
        OPEN_TEST(selects_by_each_criterion),
        OPEN_TEST(never_selects_what_is_not_to_be_published_again),
        OPEN_TEST(looks_at_a_bounded_number_of_rows_and_says_where_to_go_on),
        OPEN_TEST(steps_over_pruned_rows_at_once),
        OPEN_TEST(says_where_a_row_belongs_and_what_holds_it),
        OPEN_TEST(counts_events_bytes_and_the_oldest_of_each_topic),
        OPEN_TEST(narrows_the_range_to_where_the_times_lie),
        OPEN_TEST(finds_the_times_around_and_of_requeues),
    };
    if (rig_prepare())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
