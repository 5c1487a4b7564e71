/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: retention deletes what it may and nothing else, and the free-space floor refuses, recovers,
 * and never flutters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "base/ident.h"
#include "base/log.h"
#include "journal/journal_reader.h"
#include "relay/keeper.h"

#define MIB  ((uint64_t)1 << 20)
#define HOUR ((int64_t)3600 * 1000000)

struct world {
    char dir[64];
    char path[96];
    char ballast[96];
    struct mono mono;
    struct wall wall;
    struct clock clock;
    uint64_t disk_free;
    struct metrics *metrics;
    struct journal *journal;
    struct committer *committer;
    struct keeper *keeper;
    int64_t source;
};

static struct mono now_mono(void *ctx)
{
    return ((struct world *)ctx)->mono;
}

static struct wall now_wall(void *ctx)
{
    return ((struct world *)ctx)->wall;
}

static bool disk_free(void *ctx, uint64_t *bytes)
{
    *bytes = ((struct world *)ctx)->disk_free;
    return true;
}

static void make_keeper(struct world *w, uint64_t retention_bytes)
{
    struct err e;
    const struct keeper_opts opts = {.clock = &w->clock,
                                     .directory = w->dir,
                                     .ballast_path = w->ballast,
                                     .ballast_bytes = MIB,
                                     .floor_bytes = 256 * MIB,
                                     .retention_ms = 96 * HOUR / 1000,
                                     .retention_bytes = retention_bytes,
                                     .free_space = disk_free,
                                     .ctx = w,
                                     .metrics = w->metrics};
    assert_int_equal(keeper_create(&w->keeper, &opts, &e), ST_OK);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e;
    assert_non_null(w);
    snprintf(w->dir, sizeof w->dir, "/tmp/test-keeper-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/relay.db", w->dir);
    snprintf(w->ballast, sizeof w->ballast, "%s/ballast", w->dir);
    w->clock = (struct clock){now_mono, now_wall, w};
    w->wall.us = 1000 * HOUR;
    w->disk_free = 1024 * MIB;
    w->metrics = metrics_create();
    const struct journal_opts journal = {.path = w->path,
                                         .clock = &w->clock,
                                         .wal_max_bytes = 16 * MIB,
                                         .checkpoint_pages = 1000,
                                         .window_ms = 48 * HOUR / 1000,
                                         .window_ids_max = 10000};
    assert_int_equal(journal_open(&w->journal, &journal, &e), ST_OK);
    assert_int_equal(journal_source(w->journal, "acme", "gladly", &w->source, &e), ST_OK);
    const struct committer_opts committer = {
        .journal = w->journal, .clock = &w->clock, .mailbox_max = 4, .rows_max = 4};
    assert_int_equal(committer_create(&w->committer, &committer, &e), ST_OK);
    make_keeper(w, 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command_path[160];
    keeper_destroy(w->keeper);
    committer_destroy(w->committer);
    journal_close(w->journal);
    metrics_destroy(w->metrics);
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(command_path, sizeof command_path, "%s%s", w->path, suffixes[i]);
        unlink(command_path);
    }
    unlink(w->ballast);
    rmdir(w->dir);
    free(w);
    return 0;
}

/* Adds count events to the topic and, when published, moves its cursor over them. Returns the last
 * seq. */
static int64_t add(struct world *w, const char *topic, int count, bool published)
{
    struct journal_appended out = {0};
    struct err e;
    char body[512];
    memset(body, 'x', sizeof body);
    assert_int_equal(journal_begin(w->journal, &e), ST_OK);
    for (int i = 0; i < count; i++) {
        struct event ev = {.body = {body, sizeof body},
                           .type = slice_of("CONTACT/STARTED"),
                           .topic = slice_of(topic),
                           .received = w->wall};
        struct journal_append in = {.ev = &ev, .source = w->source};
        assert_int_equal(journal_append(w->journal, &in, &out, &e), ST_OK);
    }
    /* Lanes are numbered in the order of their first event: "a" is 1, "b" is 2. */
    if (published)
        assert_int_equal(journal_set_cursor(w->journal, topic[0] - 'a' + 1, out.seq, &e), ST_OK);
    assert_int_equal(journal_commit(w->journal, &e), ST_OK);
    return out.seq;
}

/* Lets simulated seconds pass, with everything the keeper wants to do in them. */
static void pass(struct world *w, int seconds)
{
    struct err e;
    for (int i = 0; i < seconds; i++) {
        bool again = true;
        w->mono.ns += 1000000000;
        for (int k = 0; k < 1000 && again; k++) {
            again = false;
            assert_int_equal(keeper_step(w->keeper, w->journal, w->committer, &again, &e), ST_OK);
        }
    }
}

static int64_t events_left(struct world *w)
{
    struct journal_reader *r;
    struct journal_counts counts;
    struct err e;
    assert_int_equal(journal_reader_open(&r, w->path, NULL, &e), ST_OK);
    assert_int_equal(journal_count(r, &counts, &e), ST_OK);
    journal_reader_close(r);
    return counts.events;
}

static void keeps_published_events_for_their_retention_then_deletes_them(void **state)
{
    struct world *w = *state;
    add(w, "a", 2500, true);
    w->wall.us += 95 * HOUR;
    pass(w, 30);
    assert_int_equal(events_left(w), 2500);
    w->wall.us += 2 * HOUR;
    pass(w, 30);
    assert_int_equal(events_left(w), 0);
}

static void never_deletes_an_unpublished_event_however_old(void **state)
{
    struct world *w = *state;
    add(w, "a", 100, true);
    add(w, "b", 100, false);
    w->wall.us += 10000 * HOUR;
    pass(w, 60);
    assert_int_equal(events_left(w), 100);
}

static void an_unpublished_head_of_one_lane_holds_back_no_other(void **state)
{
    struct world *w = *state;
    add(w, "a", 5000, false);
    add(w, "b", 5000, true);
    w->wall.us += 100 * HOUR;
    pass(w, 30);
    assert_int_equal(events_left(w), 5000);
}

static void keeps_a_parked_event_that_waits_for_a_person(void **state)
{
    struct world *w = *state;
    struct err e;
    int64_t seq = add(w, "a", 10, true);
    assert_int_equal(journal_begin(w->journal, &e), ST_OK);
    assert_int_equal(journal_park(w->journal, 1, seq - 5, slice_of("too large"), &e), ST_OK);
    assert_int_equal(journal_commit(w->journal, &e), ST_OK);
    w->wall.us += 100 * HOUR;
    pass(w, 30);
    assert_int_equal(events_left(w), 1);
}

static void deletes_early_below_the_floor_and_goes_on_taking_events(void **state)
{
    struct world *w = *state;
    pass(w, 2);
    assert_int_equal(access(w->ballast, F_OK), 0);
    add(w, "a", 2000, true);
    w->disk_free = 255 * MIB;
    /* What the early deletes free inside the file counts as room: two MiB more than the floor's
     * gap, an eighth is wanted. */
    pass(w, 3);
    assert_int_equal(events_left(w), 0);
    assert_int_not_equal(access(w->ballast, F_OK), 0);
}

static void refuses_deliveries_when_nothing_more_can_be_deleted_and_recovers(void **state)
{
    struct world *w = *state;
    add(w, "a", 100, false);
    w->disk_free = 10 * MIB;
    pass(w, 5);
    assert_false(committer_is_ready(w->committer));
    assert_int_equal(events_left(w), 100);
    /* Just above the floor is not enough: it would flutter. */
    w->disk_free = 260 * MIB;
    pass(w, 5);
    assert_false(committer_is_ready(w->committer));
    w->disk_free = 600 * MIB;
    pass(w, 5);
    assert_true(committer_is_ready(w->committer));
    assert_int_equal(access(w->ballast, F_OK), 0);
}

static void deletes_the_oldest_published_events_over_the_size(void **state)
{
    struct world *w = *state;
    int64_t left;
    add(w, "a", 6000, true);
    keeper_set_retention(w->keeper, 96 * HOUR / 1000, 2 * MIB);
    pass(w, 60);
    left = events_left(w);
    assert_true(left > 0);
    assert_true(left < 4000);
}

static void tells_when_the_floor_will_be_reached_at_this_rate(void **state)
{
    struct world *w = *state;
    struct keeper_outlook outlook;
    keeper_find_outlook(w->keeper, &outlook);
    assert_false(outlook.is_known);
    pass(w, 2);
    keeper_find_outlook(w->keeper, &outlook);
    assert_true(outlook.is_known);
    assert_false(outlook.has_rate);
    assert_int_equal(outlook.floor_in_s, -1);
    /* The ballast comes and goes without being taken for a trend. */
    w->disk_free -= MIB;
    pass(w, 120);
    keeper_find_outlook(w->keeper, &outlook);
    assert_true(outlook.has_rate);
    assert_int_equal(outlook.floor_in_s, -1);
    for (int i = 0; i < 400; i++) {
        w->disk_free -= MIB;
        pass(w, 1);
    }
    keeper_find_outlook(w->keeper, &outlook);
    assert_in_range((int64_t)outlook.shrinks_bytes_per_s, MIB - MIB / 100, MIB + MIB / 100);
    assert_in_range(outlook.floor_in_s, 350, 380);
    /* It stands still, then it grows. */
    pass(w, 400);
    keeper_find_outlook(w->keeper, &outlook);
    assert_true(outlook.has_rate);
    assert_int_equal(outlook.floor_in_s, -1);
    w->disk_free = 10 * MIB;
    pass(w, 3);
    keeper_find_outlook(w->keeper, &outlook);
    assert_int_equal(outlook.floor_in_s, 0);
}

/* What operators are alarmed by: see the table of faults in src/api/METRICS.md. */
static int64_t figure(struct world *w, const char *name)
{
    struct buf text;
    const char *at;
    int64_t value;
    buf_init(&text, 1 << 20);
    assert_int_equal(metrics_render(w->metrics, &text), ST_OK);
    assert_int_equal(buf_append(&text, "", 1), ST_OK);
    at = strstr(text.ptr, name);
    while (at && at > text.ptr && (at[-1] != '\n' || at[strlen(name)] != ' '))
        at = strstr(at + 1, name);
    assert_non_null(at);
    value = strtoll(at + strlen(name), NULL, 10);
    buf_fini(&text);
    return value;
}

static void the_metrics_follow_the_disk(void **state)
{
    struct world *w = *state;
    pass(w, 1);
    assert_int_equal(figure(w, "relay_disk_state"), 0);
    assert_int_equal(figure(w, "relay_disk_free_bytes"), 1024 * MIB);
    add(w, "a", 2000, true);
    add(w, "b", 100, false);
    w->disk_free = 100 * MIB;
    pass(w, 1);
    assert_int_equal(figure(w, "relay_disk_state"), 1);
    pass(w, 5);
    assert_int_equal(figure(w, "relay_disk_state"), 2);
    assert_int_equal(figure(w, "relay_pruned_total"), 2000);
    assert_int_equal(figure(w, "relay_disk_free_bytes"), 100 * MIB);
    w->disk_free = 600 * MIB;
    pass(w, 2);
    assert_int_equal(figure(w, "relay_disk_state"), 0);
}

int main(void)
{
    struct err e;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            keeps_published_events_for_their_retention_then_deletes_them, setup, teardown),
        cmocka_unit_test_setup_teardown(never_deletes_an_unpublished_event_however_old, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_unpublished_head_of_one_lane_holds_back_no_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(keeps_a_parked_event_that_waits_for_a_person, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(deletes_early_below_the_floor_and_goes_on_taking_events,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            refuses_deliveries_when_nothing_more_can_be_deleted_and_recovers, setup, teardown),
        cmocka_unit_test_setup_teardown(deletes_the_oldest_published_events_over_the_size, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tells_when_the_floor_will_be_reached_at_this_rate, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_metrics_follow_the_disk, setup, teardown),
    };
    log_set_level(LOG_ERROR);
    if (ident_init(&e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
