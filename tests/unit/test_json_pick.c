/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(text)            \
    {                         \
        text, sizeof text - 1 \
    }

enum { W_ID, W_CONTENT, W_CUSTOMER, W_KIND, W_INITIATOR_ID, W_COUNT };

static void fresh_wants(struct json_want *wants)
{
    const struct json_want all[W_COUNT] = {
        [W_ID] = {NULL, "id", JSON_TRUE, {"junk", 4}},
        [W_CONTENT] = {NULL, "content", JSON_TRUE, {"junk", 4}},
        [W_CUSTOMER] = {"content", "customerId", JSON_TRUE, {"junk", 4}},
        [W_KIND] = {"content", "kind", JSON_TRUE, {"junk", 4}},
        [W_INITIATOR_ID] = {"initiator", "id", JSON_TRUE, {"junk", 4}},
    };
    memcpy(wants, all, sizeof all);
}

struct expected {
    enum json_kind kind;
    const char *raw;
};

static void extracts(const char *text, const struct expected *rows)
{
    struct json_want wants[W_COUNT];
    enum json_kind top;
    struct err e = {ST_OK, 0, ""};
    fresh_wants(wants);
    if (json_scan(slice_of(text), wants, W_COUNT, &top, &e) != ST_OK)
        fail_msg("%s is refused: %s", text, e.text);
    for (size_t i = 0; i < W_COUNT; i++)
        if (wants[i].kind != rows[i].kind || !slice_eq(wants[i].raw, slice_of(rows[i].raw)))
            fail_msg("%s: want %zu is of kind %d and \"%.*s\"", text, i, (int)wants[i].kind,
                     (int)wants[i].raw.len, wants[i].raw.ptr ? wants[i].raw.ptr : "");
}

#define S(text)           \
    {                     \
        JSON_STRING, text \
    }
#define NO                \
    {                     \
        JSON_ABSENT, NULL \
    }

static void picks_members_of_the_top_object_and_of_its_children(void **state)
{
    (void)state;
    extracts(
        "{\"id\":\"1\",\"content\":{\"customerId\":\"c\",\"kind\":\"k\"},\"initiator\":{\"id\":"
        "\"i\"}}",
        (struct expected[]){S("1"),
                            {JSON_OBJECT, "{\"customerId\":\"c\",\"kind\":\"k\"}"},
                            S("c"),
                            S("k"),
                            S("i")});
    extracts("{}", (struct expected[]){NO, NO, NO, NO, NO});
    extracts(" { \"content\" : { \"kind\" : [ 1 , { } ] } , \"id\" : -1.5e3 } ",
             (struct expected[]){{JSON_NUMBER, "-1.5e3"},
                                 {JSON_OBJECT, "{ \"kind\" : [ 1 , { } ] }"},
                                 NO,
                                 {JSON_ARRAY, "[ 1 , { } ]"},
                                 NO});
}

static void gives_every_kind_and_its_text(void **state)
{
    (void)state;
    extracts("{\"content\":{\"customerId\":true,\"kind\":null},\"id\":false,\"initiator\":[1]}",
             (struct expected[]){{JSON_FALSE, "false"},
                                 {JSON_OBJECT, "{\"customerId\":true,\"kind\":null}"},
                                 {JSON_TRUE, "true"},
                                 {JSON_NULL, "null"},
                                 NO});
    extracts("{\"content\":\"x\",\"id\":\"\"}", (struct expected[]){S(""), S("x"), NO, NO, NO});
    extracts("{\"content\":[],\"id\":{}}",
             (struct expected[]){{JSON_OBJECT, "{}"}, {JSON_ARRAY, "[]"}, NO, NO, NO});
}

static void does_not_look_elsewhere(void **state)
{
    (void)state;
    extracts("[{\"id\":\"1\",\"content\":{\"customerId\":\"c\"}}]",
             (struct expected[]){NO, NO, NO, NO, NO});
    extracts("{\"x\":{\"id\":\"1\",\"customerId\":\"c\",\"content\":{\"customerId\":\"c\"}}}",
             (struct expected[]){NO, NO, NO, NO, NO});
    extracts("{\"content\":[{\"customerId\":\"c\"}],\"customerId\":\"t\"}",
             (struct expected[]){NO, {JSON_ARRAY, "[{\"customerId\":\"c\"}]"}, NO, NO, NO});
    extracts(
        "{\"content\":{\"x\":{\"customerId\":\"c\"},\"content\":{\"kind\":\"k\"},\"y\":[\"kind\"]}"
        "}",
        (struct expected[]){NO,
                            {JSON_OBJECT, "{\"x\":{\"customerId\":\"c\"},\"content\":{\"kind\":"
                                          "\"k\"},\"y\":[\"kind\"]}"},
                            NO,
                            NO,
                            NO});
    extracts("{\"i\":\"1\",\"idd\":\"2\",\"ID\":\"3\",\"\":\"4\",\"id\\u0000\":\"5\"}",
             (struct expected[]){NO, NO, NO, NO, NO});
}

static void the_last_of_repeated_members_wins(void **state)
{
    (void)state;
    extracts(
        "{\"id\":\"1\",\"id\":2,\"content\":{\"kind\":\"k\",\"kind\":\"l\"}}",
        (struct expected[]){
            {JSON_NUMBER, "2"}, {JSON_OBJECT, "{\"kind\":\"k\",\"kind\":\"l\"}"}, NO, S("l"), NO});
    extracts("{\"content\":{\"customerId\":\"c\",\"kind\":\"k\"},\"content\":{\"kind\":\"l\"}}",
             (struct expected[]){NO, {JSON_OBJECT, "{\"kind\":\"l\"}"}, NO, S("l"), NO});
    extracts("{\"content\":{\"customerId\":\"c\"},\"content\":null}",
             (struct expected[]){NO, {JSON_NULL, "null"}, NO, NO, NO});
    extracts(
        "{\"content\":{\"customerId\":\"c\"},\"c\\u006fntent\":1,\"initiator\":{\"id\":\"i\"}}",
        (struct expected[]){NO, {JSON_NUMBER, "1"}, NO, NO, S("i")});
}

static void compares_the_decoded_name(void **state)
{
    (void)state;
    extracts(
        "{\"\\u0069\\u0064\":\"1\",\"\\u0063ontent\":{\"customer\\u0049d\":\"c\"}}",
        (struct expected[]){S("1"), {JSON_OBJECT, "{\"customer\\u0049d\":\"c\"}"}, S("c"), NO, NO});
    extracts("{\"\\u0069\":\"1\",\"i\\u0064d\":\"2\",\"\\ud800id\":\"3\"}",
             (struct expected[]){NO, NO, NO, NO, NO});
}

static void keeps_values_still_escaped(void **state)
{
    (void)state;
    extracts(
        "{\"id\":\"a\\\"b\\\\\",\"content\":{\"kind\":\"\\u00e9\\/\"}}",
        (struct expected[]){
            S("a\\\"b\\\\"), {JSON_OBJECT, "{\"kind\":\"\\u00e9\\/\"}"}, NO, S("\\u00e9\\/"), NO});
}

static void a_name_with_bytes_above_ascii_is_found(void **state)
{
    struct json_want want = {.name = "\xe2\x82\xac"};
    enum json_kind top;
    struct err e;
    (void)state;
    assert_int_equal(json_scan(slice_of("{\"\\u20AC\":1}"), &want, 1, &top, &e), ST_OK);
    assert_int_equal(want.kind, JSON_NUMBER);
    assert_int_equal(json_scan(slice_of("{\"\xe2\x82\xac\":[]}"), &want, 1, &top, &e), ST_OK);
    assert_int_equal(want.kind, JSON_ARRAY);
}

static void decodes_escapes(void **state)
{
    static const struct {
        const char *raw;
        struct slice text;
    } rows[] = {
        {"", TEXT("")},
        {"plain \xe2\x82\xac", TEXT("plain \xe2\x82\xac")},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", TEXT("\"\\/\b\f\n\r\t")},
        {"\\u0041\\u00e9\\u20AC", TEXT("A\xc3\xa9\xe2\x82\xac")},
        {"a\\u0000b", TEXT("a\0b")},
        {"\\ud83d\\uDE39!", TEXT("\xf0\x9f\x98\xb9!")},
        {"\\uDBFF\\uDFFF", TEXT("\xf4\x8f\xbf\xbf")},
        {"\\ud800", TEXT("\xef\xbf\xbd")},
        {"\\udc00x", TEXT("\xef\xbf\xbdx")},
        {"\\ud800\\n", TEXT("\xef\xbf\xbd\n")},
        {"\\ud800\\ud800\\udc00", TEXT("\xef\xbf\xbd\xf0\x90\x80\x80")},
        {"\\udc00\\ud800", TEXT("\xef\xbf\xbd\xef\xbf\xbd")},
        {"\\ud800\\u0041", TEXT("\xef\xbf\xbd"
                                "A")},
    };
    struct buf out;
    (void)state;
    buf_init(&out, 100);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf_clear(&out);
        assert_int_equal(json_unescape(slice_of(rows[i].raw), &out), ST_OK);
        if (!slice_eq(buf_slice(&out), rows[i].text))
            fail_msg("%s becomes \"%.*s\"", rows[i].raw, (int)out.len, out.ptr);
    }
    buf_fini(&out);
}

static void decoding_into_a_full_buffer_changes_nothing(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 6);
    assert_int_equal(buf_append(&out, "12", 2), ST_OK);
    assert_int_equal(json_unescape(slice_of("a\\u20acbc"), &out), ST_FULL);
    assert_true(slice_eq(buf_slice(&out), slice_of("12")));
    assert_int_equal(json_unescape(slice_of("a\\u20ac"), &out), ST_OK);
    assert_true(slice_eq(buf_slice(&out), slice_of("12a\xe2\x82\xac")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_members_of_the_top_object_and_of_its_children),
        cmocka_unit_test(gives_every_kind_and_its_text),
        cmocka_unit_test(does_not_look_elsewhere),
        cmocka_unit_test(the_last_of_repeated_members_wins),
        cmocka_unit_test(compares_the_decoded_name),
        cmocka_unit_test(keeps_values_still_escaped),
        cmocka_unit_test(a_name_with_bytes_above_ascii_is_found),
        cmocka_unit_test(decodes_escapes),
        cmocka_unit_test(decoding_into_a_full_buffer_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
