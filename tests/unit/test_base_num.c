/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define UNTOUCHED UINT64_C(4711)

typedef enum status parse_fn(struct slice, uint64_t, uint64_t, uint64_t *, struct err *);

struct accepted {
    const char *text;
    uint64_t value;
};

static void accepts(parse_fn *parse, const struct accepted *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value = UNTOUCHED;
        struct err e = {ST_OK, 0, ""};
        if (parse(slice_of(rows[i].text), 0, UINT64_MAX, &value, &e) != ST_OK)
            fail_msg("\"%s\" is refused: %s", rows[i].text, e.text);
        assert_int_equal(value, rows[i].value);
    }
}

static void refuses(parse_fn *parse, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value = UNTOUCHED;
        struct err e = {ST_OK, 0, ""};
        if (parse(slice_of(texts[i]), 0, UINT64_MAX, &value, &e) != ST_BAD_INPUT)
            fail_msg("\"%s\" is taken", texts[i] ? texts[i] : "(none)");
        assert_int_equal(e.code, ST_BAD_INPUT);
        assert_string_not_equal(e.text, "");
        assert_int_equal(value, UNTOUCHED);
    }
}
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void reads_whole_numbers(void **state)
{
    static const struct accepted rows[] = {
        {"0", 0}, {"7", 7}, {"007", 7}, {"18446744073709551615", UINT64_MAX}};
    (void)state;
    accepts(num_parse_u64, rows, COUNT(rows));
}

static void refuses_what_is_no_whole_number(void **state)
{
    static const char *const texts[] = {NULL,
                                        "",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-1",
                                        "1.0",
                                        "1e3",
                                        "0x10",
                                        "1_000",
                                        "abc",
                                        "18446744073709551616",
                                        "99999999999999999999999"};
    (void)state;
    refuses(num_parse_u64, texts, COUNT(texts));
}

static void keeps_both_bounds(void **state)
{
    uint64_t value = UNTOUCHED;
    struct err e;
    (void)state;
    assert_int_equal(num_parse_u64(slice_of("9"), 10, 20, &value, &e), ST_BAD_INPUT);
    assert_int_equal(num_parse_u64(slice_of("21"), 10, 20, &value, &e), ST_BAD_INPUT);
    assert_string_equal(e.text, "must be between 10 and 20");
    assert_int_equal(value, UNTOUCHED);
    assert_int_equal(num_parse_u64(slice_of("10"), 10, 20, &value, &e), ST_OK);
    assert_int_equal(value, 10);
    assert_int_equal(num_parse_u64(slice_of("20"), 10, 20, &value, &e), ST_OK);
    assert_int_equal(value, 20);
}

static void stops_at_the_end_of_the_slice(void **state)
{
    uint64_t value;
    struct err e;
    (void)state;
    assert_int_equal(num_parse_u64((struct slice){"1234", 2}, 0, 99, &value, &e), ST_OK);
    assert_int_equal(value, 12);
}

static void reads_sizes(void **state)
{
    static const struct accepted rows[] = {
        {"0", 0},       {"17", 17},        {"17B", 17},
        {"2KiB", 2048}, {"3MiB", 3145728}, {"17179869183GiB", UINT64_C(17179869183) << 30},
    };
    (void)state;
    accepts(num_parse_size, rows, COUNT(rows));
}

static void refuses_what_is_no_size(void **state)
{
    static const char *const texts[] = {NULL,  "",     "KiB", "1K",     "1kib",          "1 KiB",
                                        "1MB", "1TiB", "-1B", "1.5MiB", "17179869184GiB"};
    (void)state;
    refuses(num_parse_size, texts, COUNT(texts));
}

static void reads_durations(void **state)
{
    static const struct accepted rows[] = {
        {"0", 0},       {"0s", 0},          {"250ms", 250},    {"10s", 10000},
        {"5m", 300000}, {"48h", 172800000}, {"4d", 345600000},
    };
    (void)state;
    accepts(num_parse_duration_ms, rows, COUNT(rows));
}

static void refuses_what_is_no_duration(void **state)
{
    static const char *const texts[] = {NULL, "",    "5",    "00",           "s", "5 s", "1w",
                                        "5S", "-1s", "1.5s", "213503982335d"};
    (void)state;
    refuses(num_parse_duration_ms, texts, COUNT(texts));
}

static void reads_booleans(void **state)
{
    static const char *const yes[] = {"true", "yes", "on"};
    static const char *const no[] = {"false", "no", "off"};
    static const char *const neither[] = {"", "True", "1", "0", "tru", "truee"};
    struct err e;
    (void)state;
    for (size_t i = 0; i < COUNT(yes); i++) {
        bool value = false;
        assert_int_equal(num_parse_bool(slice_of(yes[i]), &value, &e), ST_OK);
        assert_true(value);
    }
    for (size_t i = 0; i < COUNT(no); i++) {
        bool value = true;
        assert_int_equal(num_parse_bool(slice_of(no[i]), &value, &e), ST_OK);
        assert_false(value);
    }
    for (size_t i = 0; i < COUNT(neither); i++) {
        bool value = true;
        assert_int_equal(num_parse_bool(slice_of(neither[i]), &value, &e), ST_BAD_INPUT);
        assert_true(value);
    }
}

static void check_format(int64_t v, const char *want)
{
    char text[NUM_I64_MAX];
    assert_int_equal(num_format_i64(v, text), strlen(want));
    assert_string_equal(text, want);
}

static void formats_every_kind_of_integer(void **state)
{
    (void)state;
    check_format(0, "0");
    check_format(7, "7");
    check_format(-7, "-7");
    check_format(1234567890, "1234567890");
    check_format(INT64_MAX, "9223372036854775807");
    check_format(INT64_MIN, "-9223372036854775808");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_numbers),
        cmocka_unit_test(formats_every_kind_of_integer),
        cmocka_unit_test(refuses_what_is_no_whole_number),
        cmocka_unit_test(keeps_both_bounds),
        cmocka_unit_test(stops_at_the_end_of_the_slice),
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(refuses_what_is_no_size),
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(refuses_what_is_no_duration),
        cmocka_unit_test(reads_booleans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
