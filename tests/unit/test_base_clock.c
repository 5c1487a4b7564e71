/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
/* 2019-07-03T04:30:12Z; `date -u -d 2019-07-03T04:30:12Z +%s`. */
#define EXAMPLE (INT64_C(1562128212) * SECOND)

static void reads_date_times(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2019-07-03T04:30:12Z", EXAMPLE},
        {"2019-07-03t04:30:12z", EXAMPLE},
        {"2019-07-03T04:30:12.07Z", EXAMPLE + 70000},
        {"2019-07-03T04:30:12.07272933Z", EXAMPLE + 72729},
        {"2019-07-03T04:30:12.486566336Z", EXAMPLE + 486566},
        {"2019-07-03T04:30:12.000000999Z", EXAMPLE},
        {"2019-07-03T04:30:12.1Z", EXAMPLE + 100000},
        {"2019-07-03T06:30:12+02:00", EXAMPLE},
        {"2019-07-02T20:45:12-07:45", EXAMPLE},
        {"2019-07-03T04:30:12-00:00", EXAMPLE},
        {"2019-07-04T04:29:12+23:59", EXAMPLE},
        {"2000-02-29T00:00:00Z", INT64_C(951782400) * SECOND},
        {"2024-02-29T23:59:59Z", INT64_C(1709251199) * SECOND},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800) * SECOND},
        {"2017-01-01T00:00:00Z", INT64_C(1483228800) * SECOND},
        {"2100-03-01T00:00:00Z", INT64_C(4107542400) * SECOND},
        {"0001-01-01T00:00:00Z", INT64_C(-62135596800) * SECOND},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200) * SECOND},
        {"9999-12-31T23:59:59.999999999Z", INT64_C(253402300799) * SECOND + 999999},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wall t = {42};
        if (!wall_parse(rows[i].text, strlen(rows[i].text), &t))
            fail_msg("\"%s\" is refused", rows[i].text);
        if (t.us != rows[i].us)
            fail_msg("\"%s\" reads as %lld", rows[i].text, (long long)t.us);
    }
}

static void refuses_malformed_and_impossible_dates(void **state)
{
    static const char *const texts[] = {
        "",
        "2019",
        "2019-07-03",
        "2019-07-03T04:30:12",
        "2019-07-03 04:30:12Z",
        "2019-07-03T04:30Z",
        "2019-7-03T04:30:12Z",
        "19-07-03T04:30:12Z",
        "+2019-07-03T04:30:12Z",
        "02019-07-03T04:30:12Z",
        " 2019-07-03T04:30:12Z",
        "2019-07-03T04:30:12Z ",
        "2019-07-03T04:30:12ZZ",
        "2019-07-03T04:30:12.Z",
        "2019-07-03T04:30:12,5Z",
        "2019-07-03T04:30:12.1234567890Z",
        "2019-00-03T04:30:12Z",
        "2019-13-03T04:30:12Z",
        "2019-07-00T04:30:12Z",
        "2019-07-32T04:30:12Z",
        "2019-06-31T04:30:12Z",
        "2019-02-29T04:30:12Z",
        "2100-02-29T04:30:12Z",
        "2024-02-30T04:30:12Z",
        "2019-07-03T24:00:00Z",
        "2019-07-03T04:60:12Z",
        "2019-07-03T04:30:61Z",
        "2019-07-03T04:30:12+02",
        "2019-07-03T04:30:12+0200",
        "2019-07-03T04:30:12+24:00",
        "2019-07-03T04:30:12+02:60",
        "2019-07-03T04:30:12 +02:00",
        "2019/07/03T04:30:12Z",
        "2019-07-03T04.30.12Z",
        "1562128212",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct wall t = {42};
        if (wall_parse(texts[i], strlen(texts[i]), &t))
            fail_msg("\"%s\" is taken", texts[i]);
        assert_int_equal(t.us, 42);
    }
    struct wall t;
    assert_false(wall_parse(NULL, 0, &t));
}

static void every_prefix_of_a_date_is_refused(void **state)
{
    static const char text[] = "2019-07-03T04:30:12.123456789+00:00";
    struct wall t;
    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++)
        assert_false(wall_parse(text, n, &t));
    assert_true(wall_parse(text, sizeof text - 1, &t));
}

static void writes_utc_with_milliseconds(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {EXAMPLE + 678999, "2019-07-03T04:30:12.678Z"},
        {INT64_C(951782400) * SECOND, "2000-02-29T00:00:00.000Z"},
        {INT64_C(-62135596800) * SECOND, "0001-01-01T00:00:00.000Z"},
        {INT64_C(253402300799) * SECOND, "9999-12-31T23:59:59.000Z"},
    };
    char text[WALL_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = wall_format((struct wall){rows[i].us}, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(n, strlen(text));
    }
}

static void writes_any_time_within_its_bound(void **state)
{
    char text[WALL_TEXT_MAX];
    (void)state;
    size_t n = wall_format((struct wall){INT64_MAX}, text);
    assert_int_equal(n, strlen(text));
    n = wall_format((struct wall){INT64_MIN}, text);
    assert_int_equal(n, strlen(text));
}

static void reads_what_it_wrote_for_every_day_of_400_years(void **state)
{
    char text[WALL_TEXT_MAX];
    struct wall back;
    (void)state;
    for (int64_t day = 0; day < 146097; day++) {
        struct wall t = {day * 86400 * SECOND + 123000};
        size_t n = wall_format(t, text);
        assert_true(wall_parse(text, n, &back));
        assert_int_equal(back.us, t.us);
    }
}

static void waits_are_rounded_up_and_bounded(void **state)
{
    const struct mono now = {1000000000};
    (void)state;
    assert_int_equal(mono_until_ms(now, now, 100), 0);
    assert_int_equal(mono_until_ms(now, (struct mono){0}, 100), 0);
    assert_int_equal(mono_until_ms(now, (struct mono){now.ns + 1}, 100), 1);
    assert_int_equal(mono_until_ms(now, mono_add_ms(now, 7), 100), 7);
    assert_int_equal(mono_until_ms(now, mono_add_ms(now, 100000), 100), 100);
    assert_int_equal(mono_until_ms(now, (struct mono){INT64_MAX}, INT_MAX), INT_MAX);
    assert_int_equal(mono_diff_ns(mono_add_ms(now, 2), now), 2000000);
}

static void the_system_clocks_go_on(void **state)
{
    struct mono before = clock_mono(clock_system());
    struct mono after = clock_mono(clock_system());
    (void)state;
    assert_true(mono_diff_ns(after, before) >= 0);
    /* 2020; a machine whose clock is set earlier cannot run the tests. */
    assert_true(clock_wall(clock_system()).us > INT64_C(1577836800) * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_date_times),
        cmocka_unit_test(refuses_malformed_and_impossible_dates),
        cmocka_unit_test(every_prefix_of_a_date_is_refused),
        cmocka_unit_test(writes_utc_with_milliseconds),
        cmocka_unit_test(writes_any_time_within_its_bound),
        cmocka_unit_test(reads_what_it_wrote_for_every_day_of_400_years),
        cmocka_unit_test(waits_are_rounded_up_and_bounded),
        cmocka_unit_test(the_system_clocks_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
