/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: lists of events are in order, filtered and bounded, say what became of each event, and find
 * the last minute's events without walking the journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ident.h"
#include "journal/actions.h"
#include "journal/journal.h"
#include "journal/journal_list.h"

#define SECOND INT64_C(1000000)
#define START  (INT64_C(1700000000) * SECOND)

struct world {
    char dir[64];
    char path[96];
    struct journal *journal;
    struct journal_list *list;
    int64_t sources[2];
    int64_t received_us;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct journal_opts opts = {.clock = clock_system(),
                                .wal_max_bytes = 1 << 20,
                                .checkpoint_pages = 1000,
                                .window_ids_max = 1000};
    struct err e;
    assert_non_null(w);
    snprintf(w->dir, sizeof w->dir, "/tmp/relay-list-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/relay.db", w->dir);
    opts.path = w->path;
    w->received_us = START;
    assert_int_equal(journal_open(&w->journal, &opts, &e), ST_OK);
    assert_int_equal(journal_source(w->journal, "acme", "one", &w->sources[0], &e), ST_OK);
    assert_int_equal(journal_source(w->journal, "acme", "two", &w->sources[1], &e), ST_OK);
    assert_int_equal(journal_list_open(&w->list, w->path, &e), ST_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    struct world *w = *state;
    journal_list_close(w->list);
    journal_close(w->journal);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", w->path, suffixes[i]);
        unlink(path);
    }
    rmdir(w->dir);
    free(w);
    return 0;
}

static void begin(struct world *w)
{
    struct err e;
    assert_int_equal(journal_begin(w->journal, &e), ST_OK);
}

static void commit(struct world *w)
{
    struct err e;
    assert_int_equal(journal_commit(w->journal, &e), ST_OK);
}

/* One second after the one before; topic "" is none. */
static int64_t add(struct world *w, int source, const char *type, const char *topic, unsigned flags)
{
    const struct event ev = {.body = {"{}", 2},
                             .type = slice_of(type),
                             .key = {"k", 1},
                             .topic = slice_of(topic),
                             .reason = {"why", 3},
                             .received = {w->received_us},
                             .flags = flags};
    const struct journal_append append = {.ev = &ev, .source = w->sources[source]};
    struct journal_appended appended;
    struct err e;
    w->received_us += SECOND;
    assert_int_equal(journal_append(w->journal, &append, &appended, &e), ST_OK);
    return appended.seq;
}

/* What a listing told, as "1 2 3". */
struct told {
    char text[256];
    enum journal_fate last_fate;
    int64_t last_parent;
    size_t count;
};

static void on_event(void *arg, const struct journal_listed *event)
{
    struct told *t = arg;
    size_t len = strlen(t->text);
    snprintf(t->text + len, sizeof t->text - len, "%s%lld", len ? " " : "", (long long)event->seq);
    t->last_fate = event->fate;
    t->last_parent = event->parent;
    t->count++;
}

static struct journal_listing list(struct world *w, struct journal_query q, const char *expected)
{
    struct told told = {0};
    struct journal_listing listing;
    struct err e;
    q.fn = on_event;
    q.arg = &told;
    assert_int_equal(journal_list_events(w->list, &q, &listing, &e), ST_OK);
    assert_string_equal(told.text, expected);
    return listing;
}

static void lists_in_order_and_says_where_to_go_on(void **state)
{
    struct world *w = *state;
    struct journal_listing l;
    l = list(w, (struct journal_query){.max = 10}, "");
    assert_true(l.at_end && l.last == 0);
    begin(w);
    for (int i = 0; i < 5; i++)
        add(w, i % 2, i == 3 ? "B/X" : "A/X", "t", 0);
    commit(w);
    l = list(w, (struct journal_query){.max = 10}, "1 2 3 4 5");
    assert_true(l.at_end && l.last == 5);
    l = list(w, (struct journal_query){.after = 1, .max = 2}, "2 3");
    assert_true(!l.at_end && l.last == 3);
    l = list(w, (struct journal_query){.after = 5, .max = 2}, "");
    assert_true(l.at_end && l.last == 5);
    list(w, (struct journal_query){.after = JOURNAL_LIST_NEWEST, .max = 3}, "5 4 3");
    list(w, (struct journal_query){.max = 10, .type = slice_of("B/X")}, "4");
    list(w, (struct journal_query){.max = 10, .type = slice_of("B")}, "");
    list(w, (struct journal_query){.max = 10, .source = slice_of("two")}, "2 4");
    list(w, (struct journal_query){.max = 10, .key = slice_of("k")}, "1 2 3 4 5");
    list(w, (struct journal_query){.max = 10, .key = slice_of("K")}, "");
}

static void looks_at_a_bounded_number_of_rows(void **state)
{
    struct world *w = *state;
    struct journal_listing l;
    const struct slice rare = slice_of("RARE/X");
    begin(w);
    for (int i = 0; i < JOURNAL_LIST_SCAN_MAX + 1; i++)
        add(w, 0, i == JOURNAL_LIST_SCAN_MAX ? "RARE/X" : "A/X", "", 0);
    commit(w);
    l = list(w, (struct journal_query){.max = 10, .type = rare}, "");
    assert_true(!l.at_end && l.last == JOURNAL_LIST_SCAN_MAX);
    list(w, (struct journal_query){.after = l.last, .max = 10, .type = rare}, "20001");
}

static void expect_fate(struct world *w, int64_t seq, enum journal_fate fate, int64_t parent)
{
    struct told told = {0};
    struct err e;
    assert_int_equal(journal_list_one(w->list, seq, on_event, &told, &e), ST_OK);
    assert_string_equal(journal_fate_name(told.last_fate), journal_fate_name(fate));
    assert_int_equal(told.last_parent, parent);
}

static void says_what_became_of_an_event(void **state)
{
    struct world *w = *state;
    const struct event ev = {.body = {"{}", 2}, .topic = {"t", 1}};
    const struct action_requeue requeue = {.seq = 4, .ev = &ev, .source = w->sources[0]};
    const struct action_by by = {"me", "because"};
    struct journal_parking parking;
    struct told told = {0};
    int64_t successor = 0, parked = 0, quarantined = 0;
    struct err e;
    begin(w);
    add(w, 0, "A/X", "t", 0);
    add(w, 0, "A/X", "t", 0);
    add(w, 0, "PING", "", EVENT_PING);
    add(w, 0, "", "", EVENT_QUARANTINED);
    add(w, 0, "", "", EVENT_QUARANTINED);
    add(w, 0, "A/X", "t", EVENT_OVERSIZE);
    assert_int_equal(journal_set_cursor(w->journal, 1, 1, &e), ST_OK);
    assert_int_equal(action_requeue(w->journal, &requeue, &by, &successor, &e), ST_OK);
    assert_int_equal(action_discard(w->journal, 5, &by, &e), ST_OK);
    commit(w);
    expect_fate(w, 1, JOURNAL_PUBLISHED, 0);
    expect_fate(w, 2, JOURNAL_WAITS, 0);
    expect_fate(w, 3, JOURNAL_KEPT, 0);
    expect_fate(w, 4, JOURNAL_REQUEUED, 0);
    expect_fate(w, 5, JOURNAL_DISCARDED, 0);
    expect_fate(w, 6, JOURNAL_PARKED, 0);
    expect_fate(w, successor, JOURNAL_WAITS, 4);
    assert_int_equal(journal_list_one(w->list, 99, on_event, &told, &e), ST_NOT_FOUND);

    assert_int_equal(journal_list_parked_count(w->list, &parked, &quarantined, &e), ST_OK);
    assert_int_equal(parked, 1);
    assert_int_equal(quarantined, 0);
    assert_int_equal(journal_list_parking(w->list, 4, &parking, &e), ST_OK);
    assert_int_equal(parking.successor, successor);
    assert_string_equal(parking.settled_by, "me");
    assert_int_equal(journal_list_parking(w->list, 6, &parking, &e), ST_OK);
    assert_int_equal(parking.settled.us, 0);
    assert_int_equal(journal_list_parking(w->list, 1, &parking, &e), ST_NOT_FOUND);
}

static void on_action(void *arg, const struct journal_action *action)
{
    char *text = arg;
    size_t len = strlen(text);
    snprintf(text + len, 256 - len, "%s %s %s %s;", action->who, action->action, action->target,
             action->why);
}

static void tells_what_operators_did_newest_first(void **state)
{
    struct world *w = *state;
    const struct action_by ann = {"ann", "upgrade"}, bob = {"bob", ""};
    char text[256] = "";
    struct err e;
    begin(w);
    assert_int_equal(action_pause(w->journal, "all", &ann, &e), ST_OK);
    assert_int_equal(action_resume(w->journal, "all", &bob, &e), ST_OK);
    commit(w);
    assert_int_equal(journal_list_actions(w->list, 10, on_action, text, &e), ST_OK);
    assert_string_equal(text, "bob resume all ;ann pause all upgrade;");
    text[0] = '\0';
    assert_int_equal(journal_list_actions(w->list, 1, on_action, text, &e), ST_OK);
    assert_string_equal(text, "bob resume all ;");
}

static void finds_the_first_event_since_a_time(void **state)
{
    struct world *w = *state;
    struct journal_recent r;
    struct err e;
    assert_int_equal(journal_list_recent(w->list, (struct wall){0}, &r, &e), ST_OK);
    assert_int_equal(r.last_seq, 0);
    begin(w);
    for (int i = 0; i < 100; i++)
        add(w, 0, "A/X", "", 0);
    commit(w);
    for (int i = 0; i < 100; i++) {
        const struct wall since = {START + i * SECOND};
        assert_int_equal(journal_list_recent(w->list, since, &r, &e), ST_OK);
        assert_int_equal(r.first_seq, i + 1);
        assert_int_equal(r.last_seq, 100);
    }
    assert_int_equal(journal_list_recent(w->list, (struct wall){START + 100 * SECOND}, &r, &e),
                     ST_OK);
    assert_int_equal(r.first_seq, 0);
    assert_int_equal(r.last_received.us, START + 99 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_in_order_and_says_where_to_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(looks_at_a_bounded_number_of_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_became_of_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_what_operators_did_newest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_the_first_event_since_a_time, setup, teardown),
    };
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
