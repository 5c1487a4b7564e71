/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void grows_up_to_its_cap_and_then_is_full(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_append(&b, "x", 1), ST_OK);
    assert_int_equal(buf_append(&b, "x", 1), ST_FULL);
    assert_int_equal(buf_append(&b, "", 0), ST_OK);
    assert_int_equal(b.len, 1000);
    assert_in_range(b.cap, 1000, 1000);
    buf_fini(&b);
    assert_null(b.ptr);
    assert_int_equal(b.max, 1000);
}

static void a_refused_append_changes_nothing(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 8);
    assert_int_equal(buf_append(&b, "12345", 5), ST_OK);
    assert_int_equal(buf_append(&b, "6789", 4), ST_FULL);
    assert_int_equal(buf_printf(&b, "%d", 6789), ST_FULL);
    assert_true(slice_eq(buf_slice(&b), slice_of("12345")));
    assert_int_equal(buf_reserve(&b, SIZE_MAX), ST_FULL);
    buf_fini(&b);
}

static void prints_across_growth(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 16);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(buf_printf(&b, "%06d.", i), ST_OK);
    assert_int_equal(b.len, 14000);
    assert_memory_equal(b.ptr + 7 * 1234, "001234.", 7);
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(buf_printf(&b, "%s", ""), ST_OK);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void keeps_its_memory_over_a_clear(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100);
    assert_int_equal(buf_append(&b, "abc", 3), ST_OK);
    const char *before = b.ptr;
    buf_clear(&b);
    assert_int_equal(buf_append(&b, "d", 1), ST_OK);
    assert_ptr_equal(b.ptr, before);
    buf_fini(&b);
}

static void a_huge_cap_is_no_trap(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append(&b, "abc", 3), ST_OK);
    assert_int_equal(buf_reserve(&b, 100000), ST_OK);
    assert_in_range(b.cap, 100003, 300000);
    assert_true(slice_eq(buf_slice(&b), slice_of("abc")));
    buf_fini(&b);
}

static void compares_slices(void **state)
{
    const struct slice none = {NULL, 0};
    (void)state;
    assert_true(slice_eq(none, slice_of("")));
    assert_true(slice_eq(slice_of(NULL), none));
    assert_false(slice_eq(slice_of("a"), slice_of("A")));
    assert_false(slice_eq(slice_of("a"), slice_of("ab")));
    assert_true(slice_eq_nocase(slice_of("Content-TYPE"), slice_of("content-type")));
    assert_true(slice_eq_nocase(none, none));
    /* Bytes that differ only in the case bit but are no letters. */
    assert_false(slice_eq_nocase(slice_of("@["), slice_of("`{")));
    assert_false(slice_eq_nocase(slice_of("\xc4"), slice_of("\xe4")));
}

static void trims_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_true(slice_eq(slice_trim(slice_of(" \t a b \t ")), slice_of("a b")));
    assert_true(slice_eq(slice_trim(slice_of("\na\r")), slice_of("\na\r")));
    assert_int_equal(slice_trim(slice_of(" \t ")).len, 0);
    assert_int_equal(slice_trim((struct slice){NULL, 0}).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_cap_and_then_is_full),
        cmocka_unit_test(a_refused_append_changes_nothing),
        cmocka_unit_test(prints_across_growth),
        cmocka_unit_test(keeps_its_memory_over_a_clear),
        cmocka_unit_test(a_huge_cap_is_no_trap),
        cmocka_unit_test(compares_slices),
        cmocka_unit_test(trims_spaces_and_tabs_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
