/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the copy of what Kafka refused goes out as soon as the park is committed, also when nothing
 * else comes in, and over kills once or labelled. */
#include "unit/forwarder_rig.h"

#include "event/route.h"

/* Of two lanes: "a" for events, "dead" for copies. */
static struct stage *set_office(void **state, struct routes **routes, bool at_least_once)
{
    const struct routes_opts opts = {
        .template_text = "dead", .source = "main", .org = "org", .keys = &envelope_keys_default};
    struct stage *s = set_stage(state);
    struct err e = {0};
    assert_int_equal(routes_create(routes, &opts, &e), ST_OK);
    const struct journal_dead_letters to = {.routes = *routes, .body_max = 1000};
    journal_set_dead_letters(s->rig->journal, s->rig->source, &to);
    s->at_least_once = at_least_once;
    return s;
}

static void strike_office(struct stage *s, struct routes *routes)
{
    strike_stage(s);
    routes_destroy(routes);
}

static void check_copy_goes_out(void **state, bool at_least_once)
{
    struct routes *routes;
    struct stage *s = set_office(state, &routes, at_least_once);
    arrive(s, "a");
    s->fake.too_big = 1;
    begin_process(s);
    run(s);
    assert_int_equal(count_parked(s), 1);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 2);
    assert_false(s->fake.open[0].labelled);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->delivered_count, 1);
    /* What was reported does not go again after a kill; nor is a second copy made. */
    end_process(s);
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 0);
    assert_int_equal(count_parked(s), 1);
    strike_office(s, routes);
}

static void a_copy_goes_out_without_anything_else_coming_in(void **state)
{
    check_copy_goes_out(state, true);
}

static void a_copy_goes_out_in_a_transaction_of_its_own(void **state)
{
    check_copy_goes_out(state, false);
}

static void a_copy_in_the_air_goes_again_labelled_after_a_kill(void **state)
{
    struct routes *routes;
    struct stage *s = set_office(state, &routes, true);
    arrive(s, "a");
    s->fake.too_big = 1;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    end_process(s);
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 2);
    assert_true(s->fake.open[0].labelled);
    strike_office(s, routes);
}

static void a_refused_copy_is_followed_by_one_without_its_body(void **state)
{
    struct routes *routes;
    struct stage *s = set_office(state, &routes, true);
    arrive(s, "a");
    s->fake.too_big = 1;
    begin_process(s);
    run(s);
    s->fake.rejected = 2;
    decide(s, PUBLISHER_RETRY);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 3);
    /* And that is all: the last one is parked. */
    s->fake.rejected = 3;
    decide(s, PUBLISHER_RETRY);
    run(s);
    assert_int_equal(s->fake.open_count, 0);
    assert_int_equal(count_parked(s), 2);
    strike_office(s, routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_copy_goes_out_without_anything_else_coming_in),
        RIG_TEST(a_copy_goes_out_in_a_transaction_of_its_own),
        RIG_TEST(a_copy_in_the_air_goes_again_labelled_after_a_kill),
        RIG_TEST(a_refused_copy_is_followed_by_one_without_its_body),
    };
    return rig_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
