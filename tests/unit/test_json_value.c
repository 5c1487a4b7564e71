/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json_value.h"

#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MAX      4096
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct json_value *parsed(const char *text)
{
    struct json_value *v = NULL;
    struct err e = {ST_OK, 0, ""};
    if (json_parse(slice_of(text), MAX, &v, &e) != ST_OK)
        fail_msg("%s is refused: %s", text, e.text);
    return v;
}

/* Prints v, compares and destroys it. */
static void prints(struct json_value *v, const char *want)
{
    struct buf out;
    buf_init(&out, MAX);
    assert_int_equal(json_print(v, &out), ST_OK);
    assert_int_equal(buf_append(&out, "", 1), ST_OK);
    assert_string_equal(out.ptr, want);
    buf_fini(&out);
    json_destroy(v);
}

static void builds_objects_and_arrays(void **state)
{
    struct json_value *root = json_object();
    struct json_value *list;
    (void)state;
    json_add_string(root, "name", slice_of("main"));
    json_add_bool(root, "paused", false);
    json_add_int(root, "least", -2147483647 - 1);
    json_add_u64(root, "seq", UINT64_MAX);
    json_add_null(root, "reason");
    list = json_add_array(root, "lanes");
    json_add_string(json_add_object(list, NULL), "topic", slice_of("t"));
    json_add_int(list, NULL, 7);
    json_add_bool(list, NULL, true);
    json_add_array(list, NULL);
    prints(root, "{\"name\":\"main\",\"paused\":false,\"least\":-2147483648,"
                 "\"seq\":\"18446744073709551615\",\"reason\":null,"
                 "\"lanes\":[{\"topic\":\"t\"},7,true,[]]}");
}

static void takes_over_a_built_child(void **state)
{
    struct json_value *root = json_array();
    struct json_value *child = json_object();
    (void)state;
    json_add_int(child, "n", 1);
    json_add_child(root, NULL, child);
    prints(root, "[{\"n\":1}]");
    /* Nobody to take it: it is freed, which the leak checker sees. */
    json_add_child(NULL, "x", json_object());
}

static void makes_every_string_utf8(void **state)
{
    static const struct {
        struct slice text;
        const char *printed;
    } rows[] = {
        {{"", 0}, "[\"\"]"},
        {{NULL, 0}, "[\"\"]"},
        {{"\xe2\x82\xac \"\\\n\x01", 8}, "[\"\xe2\x82\xac \\\"\\\\\\n\\u0001\"]"},
        {{"a\xff"
          "b",
          3},
         "[\"a\xef\xbf\xbd"
         "b\"]"},
        {{"a\0b", 3},
         "[\"a\xef\xbf\xbd"
         "b\"]"},
        {{"\xe2\x82", 2}, "[\"\xef\xbf\xbd\xef\xbf\xbd\"]"},
        {{"\xed\xa0\x80", 3}, "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_value *root = json_array();
        json_add_string(root, NULL, rows[i].text);
        prints(root, rows[i].printed);
    }
}

static void a_missing_part_is_told_at_the_end(void **state)
{
    struct json_value *root = json_object();
    struct json_value *list = json_add_array(root, "list");
    struct buf out;
    (void)state;
    buf_init(&out, MAX);
    assert_int_equal(json_print(NULL, &out), ST_NO_MEM);
    json_add_int(NULL, "n", 1);
    json_add_string(NULL, "n", slice_of("x"));
    assert_null(json_add_object(NULL, "n"));
    assert_int_equal(json_print(root, &out), ST_OK);
    buf_clear(&out);
    /* A NULL child is what a failed json_object() hands in. */
    json_add_child(list, NULL, NULL);
    assert_int_equal(json_print(root, &out), ST_NO_MEM);
    assert_int_equal(out.len, 0);
    json_destroy(root);
    json_destroy(NULL);
    buf_fini(&out);
}

static void printing_keeps_the_cap(void **state)
{
    struct json_value *root = json_object();
    struct buf out;
    (void)state;
    buf_init(&out, 3);
    assert_int_equal(buf_append(&out, "ab", 2), ST_OK);
    assert_int_equal(json_print(root, &out), ST_FULL);
    assert_int_equal(out.len, 2);
    json_destroy(root);
    buf_fini(&out);
}

static void refuses_what_is_not_json_or_cannot_be_held(void **state)
{
    static const struct {
        const char *text;
        enum status st;
    } rows[] = {
        {"", ST_BAD_INPUT},
        {"{} x", ST_BAD_INPUT},
        {"{\"a\":\"\xff\"}", ST_BAD_INPUT},
        {"{\"a\":\"\n\"}", ST_BAD_INPUT},
        {"[\"\\u0000\"]", ST_BAD_INPUT},
        {"{\"a\\u0000\":1}", ST_BAD_INPUT},
        {"[\"\\\\\\u0000\"]", ST_BAD_INPUT},
        {"[\"\\ud800\"]", ST_BAD_INPUT},
        {"[\"\\udc00\\ud800\"]", ST_BAD_INPUT},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_value *v = NULL;
        struct err e = {ST_OK, 0, ""};
        assert_int_equal(json_parse(slice_of(rows[i].text), MAX, &v, &e), rows[i].st);
        assert_int_equal(e.code, rows[i].st);
        assert_null(v);
    }
    prints(parsed("[\"\\\\u0000\"]"), "[\"\\\\u0000\"]");
}

static void refuses_a_text_over_its_bound(void **state)
{
    struct json_value *v = NULL;
    struct err e;
    (void)state;
    assert_int_equal(json_parse(slice_of("[1]"), 2, &v, &e), ST_TOO_BIG);
    assert_int_equal(json_parse(slice_of("[1]"), 3, &v, &e), ST_OK);
    json_destroy(v);
}

static void reads_back_what_it_prints(void **state)
{
    static const char text[] = "{\"a\":[1,-2.5,true,false,null,\"x\\ny\"],\"b\":{\"c\":{}}}";
    (void)state;
    prints(parsed(text), text);
    prints(parsed("123456789012345"), "123456789012345");
}

static void walks_members_and_items(void **state)
{
    struct json_value *root = parsed("{\"a\":1,\"b\":[\"x\",{}],\"c\":\"s\"}");
    const struct json_value *v = json_first(root);
    (void)state;
    assert_int_equal(json_count(root), 3);
    assert_true(slice_eq(json_name(v), slice_of("a")));
    v = json_next(v);
    assert_true(slice_eq(json_name(v), slice_of("b")));
    assert_int_equal(json_kind(v), JSON_ARRAY);
    assert_int_equal(json_count(v), 2);
    assert_true(slice_eq(json_text(json_first(v)), slice_of("x")));
    assert_int_equal(json_name(json_first(v)).len, 0);
    assert_int_equal(json_kind(json_next(json_first(v))), JSON_OBJECT);
    v = json_next(v);
    assert_true(slice_eq(json_text(v), slice_of("s")));
    assert_null(json_first(v));
    assert_null(json_next(v));
    assert_null(json_next(NULL));
    assert_int_equal(json_count(NULL), 0);
    assert_int_equal(json_kind(NULL), JSON_ABSENT);
    assert_int_equal(json_text(root).len, 0);
    json_destroy(root);
}

static void finds_by_exact_name_and_the_last_wins(void **state)
{
    struct json_value *root = parsed("{\"Name\":\"1\",\"name\":\"2\",\"name\":\"3\"}");
    (void)state;
    assert_true(slice_eq(json_text(json_get(root, "name")), slice_of("3")));
    assert_true(slice_eq(json_text(json_get(root, "Name")), slice_of("1")));
    assert_null(json_get(root, "NAME"));
    assert_null(json_get(json_get(root, "name"), "x"));
    assert_null(json_get(NULL, "x"));
    json_destroy(root);
}

static void gets_typed_members(void **state)
{
    struct json_value *root = parsed("{\"s\":\"text\",\"t\":true,\"f\":false,\"o\":{},\"a\":[]}");
    const struct json_value *v = NULL;
    struct slice s = {NULL, 0};
    bool b = false;
    struct err e;
    (void)state;
    assert_int_equal(json_get_string(root, "s", 4, &s, &e), ST_OK);
    assert_true(slice_eq(s, slice_of("text")));
    assert_int_equal(json_get_string(root, "s", 3, &s, &e), ST_TOO_BIG);
    assert_int_equal(json_get_bool(root, "t", &b, &e), ST_OK);
    assert_true(b);
    assert_int_equal(json_get_bool(root, "f", &b, &e), ST_OK);
    assert_false(b);
    assert_int_equal(json_get_object(root, "o", &v, &e), ST_OK);
    assert_int_equal(json_kind(v), JSON_OBJECT);
    assert_int_equal(json_get_array(root, "a", &v, &e), ST_OK);
    assert_int_equal(json_kind(v), JSON_ARRAY);
    json_destroy(root);
}

static void tells_missing_from_wrong(void **state)
{
    struct json_value *root = parsed("{\"n\":null,\"s\":\"x\",\"i\":1}");
    const struct json_value *v = NULL;
    struct slice s = {"old", 3};
    int64_t i = 42;
    bool b = true;
    struct err e;
    (void)state;
    assert_int_equal(json_get_string(root, "x", 9, &s, &e), ST_NOT_FOUND);
    assert_string_equal(e.text, "\"x\" is missing");
    assert_int_equal(json_get_string(root, "n", 9, &s, &e), ST_NOT_FOUND);
    assert_int_equal(json_get_string(root, "i", 9, &s, &e), ST_BAD_INPUT);
    assert_string_equal(e.text, "\"i\" must be a string, but is a number");
    assert_int_equal(json_get_bool(root, "s", &b, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_int(root, "s", 0, 9, &i, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_object(root, "s", &v, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_array(root, "s", &v, &e), ST_BAD_INPUT);
    assert_true(slice_eq(s, slice_of("old")));
    assert_int_equal(i, 42);
    assert_true(b);
    assert_null(v);
    json_destroy(root);
}

static void bounds_whole_numbers(void **state)
{
    struct json_value *root =
        parsed("{\"a\":7,\"b\":-7,\"c\":1.5,\"d\":9007199254740992,\"e\":9007199254740994,"
               "\"f\":1e400,\"g\":1e3,\"h\":-1e400}");
    const int64_t most = JSON_EXACT_MAX;
    int64_t i = 0;
    struct err e;
    (void)state;
    assert_int_equal(json_get_int(root, "a", 7, 7, &i, &e), ST_OK);
    assert_int_equal(i, 7);
    assert_int_equal(json_get_int(root, "a", 8, 9, &i, &e), ST_BAD_INPUT);
    assert_string_equal(e.text, "\"a\" must be between 8 and 9");
    assert_int_equal(json_get_int(root, "b", -7, 0, &i, &e), ST_OK);
    assert_int_equal(i, -7);
    assert_int_equal(json_get_int(root, "c", 0, 9, &i, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_int(root, "d", 0, most, &i, &e), ST_OK);
    assert_true(i == most);
    assert_int_equal(json_get_int(root, "e", 0, INT64_MAX, &i, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_int(root, "f", 0, INT64_MAX, &i, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_int(root, "h", INT64_MIN, 0, &i, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_int(root, "g", 0, most, &i, &e), ST_OK);
    assert_int_equal(i, 1000);
    json_destroy(root);
}

static void reads_64_bit_integers_from_strings(void **state)
{
    struct json_value *root =
        parsed("{\"a\":\"18446744073709551615\",\"b\":12,\"c\":-1,\"d\":\"1x\","
               "\"e\":1.5,\"f\":true,\"g\":\"18446744073709551616\"}");
    uint64_t u = 0;
    struct err e;
    (void)state;
    assert_int_equal(json_get_u64(root, "a", 0, UINT64_MAX, &u, &e), ST_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(json_get_u64(root, "b", 0, 12, &u, &e), ST_OK);
    assert_int_equal(u, 12);
    assert_int_equal(json_get_u64(root, "b", 0, 11, &u, &e), ST_BAD_INPUT);
    assert_string_equal(e.text, "\"b\": must be between 0 and 11");
    assert_int_equal(json_get_u64(root, "c", 0, 11, &u, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_u64(root, "d", 0, 11, &u, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_u64(root, "e", 0, 11, &u, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_u64(root, "f", 0, 11, &u, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_u64(root, "g", 0, UINT64_MAX, &u, &e), ST_BAD_INPUT);
    assert_int_equal(json_get_u64(root, "z", 0, 11, &u, &e), ST_NOT_FOUND);
    assert_int_equal(u, 12);
    json_destroy(root);
}

static void parse_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct json_value *v = parsed("{\"a\":[1,2]}");
        assert_int_equal(json_count(json_get(v, "a")), 2);
        json_destroy(v);
    }
}

static void many_threads_parse_at_once(void **state)
{
    struct thread *threads[4];
    struct err e;
    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(thread_start(&threads[i], "parser", parse_often, NULL, &e), ST_OK);
    for (size_t i = 0; i < COUNT(threads); i++)
        thread_join(threads[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_objects_and_arrays),
        cmocka_unit_test(takes_over_a_built_child),
        cmocka_unit_test(makes_every_string_utf8),
        cmocka_unit_test(a_missing_part_is_told_at_the_end),
        cmocka_unit_test(printing_keeps_the_cap),
        cmocka_unit_test(refuses_what_is_not_json_or_cannot_be_held),
        cmocka_unit_test(refuses_a_text_over_its_bound),
        cmocka_unit_test(reads_back_what_it_prints),
        cmocka_unit_test(walks_members_and_items),
        cmocka_unit_test(finds_by_exact_name_and_the_last_wins),
        cmocka_unit_test(gets_typed_members),
        cmocka_unit_test(tells_missing_from_wrong),
        cmocka_unit_test(bounds_whole_numbers),
        cmocka_unit_test(reads_64_bit_integers_from_strings),
        cmocka_unit_test(many_threads_parse_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
