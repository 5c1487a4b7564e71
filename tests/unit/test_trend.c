/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a rate is measured over the window, and unknown rather than guessed. */
#include "relay/trend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define STEP_MS   1000
#define WINDOW_MS (TREND_STEPS * STEP_MS)

static struct mono at_ms(int64_t ms)
{
    return mono_add_ms((struct mono){1}, ms);
}

static int64_t milli(const struct trend_rate *r)
{
    return (int64_t)(r->per_second * 1000 + (r->per_second < 0 ? -0.5 : 0.5));
}

static void knows_nothing_of_the_first_two_steps(void **state)
{
    struct trend_rate rate;
    struct trend t;
    (void)state;
    trend_init(&t, STEP_MS);
    assert_false(trend_find(&t, at_ms(0), &rate));
    for (int64_t ms = 0; ms < 2 * STEP_MS; ms += 100) {
        trend_note(&t, at_ms(ms), ms);
        assert_false(trend_find(&t, at_ms(ms), &rate));
    }
    trend_note(&t, at_ms(2 * STEP_MS), 20000);
    assert_true(trend_find(&t, at_ms(2 * STEP_MS), &rate));
    assert_int_equal(rate.over_ms, 2 * STEP_MS);
    assert_int_equal(milli(&rate), 10000000);
}

static void looks_back_over_the_window_and_no_further(void **state)
{
    struct trend_rate rate;
    struct trend t;
    int64_t value = 1000000;
    (void)state;
    trend_init(&t, STEP_MS);
    /* It falls for long, then stands still for a window and a bit. */
    for (int64_t ms = 0; ms < 10 * WINDOW_MS; ms += 250, value -= 100)
        trend_note(&t, at_ms(ms), value);
    assert_true(trend_find(&t, at_ms(10 * WINDOW_MS), &rate));
    assert_int_equal(milli(&rate), -400000);
    assert_in_range(rate.over_ms, WINDOW_MS - 2 * STEP_MS, WINDOW_MS);
    for (int64_t ms = 10 * WINDOW_MS; ms < 12 * WINDOW_MS; ms += 250)
        trend_note(&t, at_ms(ms), value);
    assert_true(trend_find(&t, at_ms(12 * WINDOW_MS), &rate));
    assert_int_equal(milli(&rate), 0);
}

static void makes_do_with_samples_that_come_seldom(void **state)
{
    struct trend_rate rate;
    struct trend t;
    (void)state;
    trend_init(&t, STEP_MS);
    trend_note(&t, at_ms(0), 0);
    trend_note(&t, at_ms(5 * WINDOW_MS), 60);
    trend_note(&t, at_ms(10 * WINDOW_MS), 180);
    assert_true(trend_find(&t, at_ms(10 * WINDOW_MS), &rate));
    assert_int_equal(rate.over_ms, 5 * WINDOW_MS);
    assert_int_equal(milli(&rate), 2000);
}

static void forgets_what_is_too_old(void **state)
{
    struct trend_rate rate;
    struct trend t;
    (void)state;
    trend_init(&t, STEP_MS);
    trend_note(&t, at_ms(0), 0);
    trend_note(&t, at_ms(WINDOW_MS), 60);
    assert_true(trend_find(&t, at_ms(2 * WINDOW_MS), &rate));
    assert_false(trend_find(&t, at_ms(30 * WINDOW_MS), &rate));
    trend_note(&t, at_ms(30 * WINDOW_MS), 60);
    assert_false(trend_find(&t, at_ms(30 * WINDOW_MS), &rate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_nothing_of_the_first_two_steps),
        cmocka_unit_test(looks_back_over_the_window_and_no_further),
        cmocka_unit_test(makes_do_with_samples_that_come_seldom),
        cmocka_unit_test(forgets_what_is_too_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
