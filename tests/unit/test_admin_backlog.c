/* SPDX-License-Identifier: Apache-2.0 */
/* admin_backlog over a real journal, with a clock that moves by a set step at each look: what a
 * count costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/admin_backlog.h"
#include "journal_rig.h"

struct ticking {
    int64_t now_ms;
    int64_t step_ms;
};

static struct mono tick(void *arg)
{
    struct ticking *t = arg;
    t->now_ms += t->step_ms;
    return (struct mono){t->now_ms * 1000000};
}

/* The backlog of the journal's two lanes, asked for as a scrape would. */
static void ask(const struct rig *r, struct admin_backlog *b, int64_t first, int64_t second)
{
    struct admin_lane items[2] = {{.lane.id = 1}, {.lane.id = 2}};
    struct admin_lanes lanes = {.items = items, .count = 2};
    struct journal_reader *reader = open_reader(r);
    struct err e = {0};
    assert_int_equal(admin_backlog_fill(b, reader, &lanes, &e), ST_OK);
    assert_int_equal(items[0].backlog, first);
    assert_int_equal(items[1].backlog, second);
    assert_int_equal(items[0].oldest.us, first ? r->now.us : 0);
    journal_reader_close(reader);
}

static void open_two_lanes(struct rig *r)
{
    open_journal(r);
    store(r, "gladly.contact", "", "{}");
    store(r, "gladly.other", "", "{}");
}

static void counts_anew_each_time_while_that_is_cheap(void **state)
{
    struct rig *r = *state;
    struct ticking t = {.step_ms = ADMIN_BACKLOG_CHEAP_MS - 1};
    const struct clock clock = {.mono = tick, .ctx = &t};
    struct admin_backlog *b = admin_backlog_create(&clock);
    open_two_lanes(r);
    ask(r, b, 1, 1);
    store(r, "gladly.contact", "", "{}");
    ask(r, b, 2, 1);
    admin_backlog_destroy(b);
}

static void gives_a_dear_count_again_until_its_share_has_passed(void **state)
{
    struct rig *r = *state;
    struct ticking t = {.step_ms = 100};
    const struct clock clock = {.mono = tick, .ctx = &t};
    struct admin_backlog *b = admin_backlog_create(&clock);
    open_two_lanes(r);
    ask(r, b, 1, 1);
    int64_t counted_ms = t.now_ms;
    store(r, "gladly.contact", "", "{}");
    t.step_ms = 0;
    t.now_ms = counted_ms + 100 * ADMIN_BACKLOG_SHARE - 1;
    ask(r, b, 1, 1);
    t.now_ms = counted_ms + 100 * ADMIN_BACKLOG_SHARE;
    ask(r, b, 2, 1);
    admin_backlog_destroy(b);
}

static void gives_a_lane_that_is_younger_than_the_count_no_backlog(void **state)
{
    struct rig *r = *state;
    struct ticking t = {.step_ms = 100};
    const struct clock clock = {.mono = tick, .ctx = &t};
    struct admin_backlog *b = admin_backlog_create(&clock);
    struct admin_lane item = {.lane.id = 1};
    struct admin_lanes only = {.items = &item, .count = 1};
    struct journal_reader *reader;
    struct err e = {0};
    open_two_lanes(r);
    reader = open_reader(r);
    assert_int_equal(admin_backlog_fill(b, reader, &only, &e), ST_OK);
    journal_reader_close(reader);
    t.step_ms = 0;
    ask(r, b, 1, 0);
    admin_backlog_destroy(b);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(counts_anew_each_time_while_that_is_cheap),
        RIG_TEST(gives_a_dear_count_again_until_its_share_has_passed),
        RIG_TEST(gives_a_lane_that_is_younger_than_the_count_no_backlog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
