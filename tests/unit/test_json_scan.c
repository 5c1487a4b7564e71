/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * The tables follow the classes of JSONTestSuite (github.com/nst/JSONTestSuite): what every parser
 * must accept, must refuse, and where RFC 8259 leaves the choice.
 */

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(text)            \
    {                         \
        text, sizeof text - 1 \
    }

/* Scans a copy that ends where its memory ends, so that reading too far is seen. */
static enum status scan(struct slice text, struct json_want *wants, size_t n, enum json_kind *top,
                        struct err *e)
{
    char *copy = malloc(text.len ? text.len : 1);
    assert_non_null(copy);
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    enum status st = json_scan((struct slice){copy, text.len}, wants, n, top, e);
    free(copy);
    return st;
}

static void accepts(const struct slice *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum json_kind top = JSON_ABSENT;
        struct err e = {ST_OK, 0, ""};
        if (scan(texts[i], NULL, 0, &top, &e) != ST_OK)
            fail_msg("%.*s is refused: %s", (int)texts[i].len, texts[i].ptr, e.text);
        assert_int_not_equal(top, JSON_ABSENT);
    }
}

static void refuses(const struct slice *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum json_kind top;
        struct err e = {ST_OK, 0, ""};
        if (scan(texts[i], NULL, 0, &top, &e) != ST_BAD_INPUT)
            fail_msg("row %zu is taken: %.*s", i, (int)texts[i].len, texts[i].ptr);
        assert_string_not_equal(e.text, "");
    }
}

static const struct slice must_accept[] = {
    TEXT("[]"),
    TEXT("[[]   ]"),
    TEXT("[\"\"]"),
    TEXT("[\"a\"]"),
    TEXT("[false]"),
    TEXT("[null, 1, \"1\", {}]"),
    TEXT("[null]"),
    TEXT("[1\n]"),
    TEXT(" [1]"),
    TEXT("[1,null,null,null,2]"),
    TEXT("[2] "),
    TEXT("[123e65]"),
    TEXT("[0e+1]"),
    TEXT("[0e1]"),
    TEXT("[ 4]"),
    TEXT("[-0.0000000000000000000000000000000000000000000001]"),
    TEXT("[20e1]"),
    TEXT("[-0]"),
    TEXT("[-123]"),
    TEXT("[-1]"),
    TEXT("[1E22]"),
    TEXT("[1E-2]"),
    TEXT("[1E+2]"),
    TEXT("[123e45]"),
    TEXT("[123.456e78]"),
    TEXT("[1e-2]"),
    TEXT("[1e+2]"),
    TEXT("[123]"),
    TEXT("[123.456789]"),
    TEXT("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"),
    TEXT("{\"asd\":\"sdf\"}"),
    TEXT("{\"a\":\"b\",\"a\":\"c\"}"),
    TEXT("{\"a\":\"b\",\"a\":\"b\"}"),
    TEXT("{}"),
    TEXT("{\"\":0}"),
    TEXT("{\"foo\\u0000bar\": 42}"),
    TEXT("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"),
    TEXT("{\"a\":[]}"),
    TEXT("{\n\"a\": \"b\"\n}"),
    TEXT("[\"\\u0060\\u012a\\u12AB\"]"),
    TEXT("[\"\\uD801\\udc37\"]"),
    TEXT("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"),
    TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    TEXT("[\"\\\\u0000\"]"),
    TEXT("[\"\\\"\"]"),
    TEXT("[\"a/*b*/c/*d//e\"]"),
    TEXT("[\"\\\\a\"]"),
    TEXT("[\"\\\\n\"]"),
    TEXT("[\"\\u0012\"]"),
    TEXT("[\"\\uFFFF\"]"),
    TEXT("[\"asd\"]"),
    TEXT("[ \"asd\"]"),
    TEXT("[\"\\uDBFF\\uDFFF\"]"),
    TEXT("[\"new\\u00A0line\"]"),
    TEXT("[\"\\u0000\"]"),
    TEXT("[\"\\u002c\"]"),
    TEXT("[\"\\uD834\\uDd1e\"]"),
    TEXT("\" \""),
    TEXT("[\"\\u0821\"]"),
    TEXT("[\"\\u0123\"]"),
    TEXT("[\"\\u0061\\u30af\\u30EA\\u30b9\"]"),
    TEXT("[\"\x7f\"]"),
    TEXT("[\"a\x7f"
         "a\"]"),
    TEXT("false"),
    TEXT("42"),
    TEXT("-0.1"),
    TEXT("null"),
    TEXT("\"asd\""),
    TEXT("true"),
    TEXT("\"\""),
    TEXT("[\"a\"]\n"),
    TEXT("[true]"),
    TEXT(" [] "),
    TEXT("\t\r\n {\t\"a\"\r:\n1 ,\"b\" : [ ] } \t\r\n"),
};

static void accepts_what_every_parser_must(void **state)
{
    (void)state;
    accepts(must_accept, COUNT(must_accept));
}

static const struct slice must_refuse[] = {
    TEXT(""),
    TEXT(" "),
    TEXT("[1 true]"),
    TEXT("[\"\": 1]"),
    TEXT("[\"\"],"),
    TEXT("[,1]"),
    TEXT("[1,,2]"),
    TEXT("[\"x\",,]"),
    TEXT("[\"x\"]]"),
    TEXT("[\"\",]"),
    TEXT("[\"x\""),
    TEXT("[x"),
    TEXT("[3[4]]"),
    TEXT("[1:2]"),
    TEXT("[,]"),
    TEXT("[-]"),
    TEXT("[   , \"\"]"),
    TEXT("[\"a\",\n4\n,1,"),
    TEXT("[1,]"),
    TEXT("[*]"),
    TEXT("[\"\""),
    TEXT("[1,"),
    TEXT("[1,\n1\n,1"),
    TEXT("[{}"),
    TEXT("[fals]"),
    TEXT("[nul]"),
    TEXT("[tru]"),
    TEXT("[nulll]"),
    TEXT("[True]"),
    TEXT("123\0"),
    TEXT("[++1234]"),
    TEXT("[+1]"),
    TEXT("[+Inf]"),
    TEXT("[-01]"),
    TEXT("[-1.0.]"),
    TEXT("[-2.]"),
    TEXT("[-NaN]"),
    TEXT("[.-1]"),
    TEXT("[.2e-3]"),
    TEXT("[0.1.2]"),
    TEXT("[0.3e+]"),
    TEXT("[0.3e]"),
    TEXT("[0.e1]"),
    TEXT("[0E+]"),
    TEXT("[0E]"),
    TEXT("[1.0e+]"),
    TEXT("[1.0e-]"),
    TEXT("[1.0e]"),
    TEXT("[1 000.0]"),
    TEXT("[1eE2]"),
    TEXT("[2.e+3]"),
    TEXT("[2.e-3]"),
    TEXT("[2.e3]"),
    TEXT("[9.e+]"),
    TEXT("[Inf]"),
    TEXT("[NaN]"),
    TEXT("[\xef\xbc\x91]"),
    TEXT("[1+2]"),
    TEXT("[0x1]"),
    TEXT("[0x42]"),
    TEXT("[Infinity]"),
    TEXT("[0e+-1]"),
    TEXT("[-123.123foo]"),
    TEXT("[-Infinity]"),
    TEXT("[-foo]"),
    TEXT("[- 1]"),
    TEXT("[-012]"),
    TEXT("[-.123]"),
    TEXT("[-1x]"),
    TEXT("[1ea]"),
    TEXT("[1.]"),
    TEXT("[.123]"),
    TEXT("[1.2a-3]"),
    TEXT("[1.8011670033376514H-308]"),
    TEXT("[012]"),
    TEXT("[\"x\", truth]"),
    TEXT("{[: \"x\"}\n"),
    TEXT("{\"x\", null}"),
    TEXT("{\"x\"::\"b\"}"),
    TEXT("{\"a\":\"a\" 123}"),
    TEXT("{key: 'value'}"),
    TEXT("{\"a\" b}"),
    TEXT("{:\"b\"}"),
    TEXT("{\"a\" \"b\"}"),
    TEXT("{\"a\":"),
    TEXT("{\"a\""),
    TEXT("{1:1}"),
    TEXT("{9999E9999:1}"),
    TEXT("{null:null,null:null}"),
    TEXT("{\"id\":0,,,,,}"),
    TEXT("{'a':0}"),
    TEXT("{\"id\":0,}"),
    TEXT("{\"a\":\"b\"}/**/"),
    TEXT("{\"a\":\"b\"}/**//"),
    TEXT("{\"a\":\"b\"}//"),
    TEXT("{\"a\":\"b\"}/"),
    TEXT("{\"a\":\"b\",,\"c\":\"d\"}"),
    TEXT("{a: \"b\"}"),
    TEXT("{\"a\":\"a"),
    TEXT("{ \"foo\" : \"bar\", \"a\" }"),
    TEXT("{\"a\":\"b\"}#"),
    TEXT("[\"\\uD800\\\"]"),
    TEXT("[\"\\uD800\\u\"]"),
    TEXT("[\"\\uD800\\u1\"]"),
    TEXT("[\"\\uD800\\u1x\"]"),
    TEXT("[\xc3\xa9]"),
    TEXT("[\"\\\0\"]"),
    TEXT("[\"\\x00\"]"),
    TEXT("[\"\\\\\\\"]"),
    TEXT("[\"\\\t\"]"),
    TEXT("[\"\\\xf0\x9f\x8c\x80\"]"),
    TEXT("[\"\\\"]"),
    TEXT("[\"\\u00A\"]"),
    TEXT("[\"\\uD834\\uDd\"]"),
    TEXT("[\"\\uD800\\uD800\\x\"]"),
    TEXT("[\"\\a\"]"),
    TEXT("[\"\\uqqqq\"]"),
    TEXT("[\\u0020\"asd\"]"),
    TEXT("[\\n]"),
    TEXT("\""),
    TEXT("['single']"),
    TEXT("abc"),
    TEXT("[\"\\"),
    TEXT("[\"a\0a\"]"),
    TEXT("[\"new\nline\"]"),
    TEXT("[\"\t\"]"),
    TEXT("\"\\UA66D\""),
    TEXT("\"\"x"),
    TEXT("<.>"),
    TEXT("[<null>]"),
    TEXT("[1]x"),
    TEXT("[1]]"),
    TEXT("[\"asd]"),
    TEXT("a\xc3\xa5"),
    TEXT("1]"),
    TEXT("{\"x\": true,"),
    TEXT("[][]"),
    TEXT("]"),
    TEXT("}"),
    TEXT("\xef\xbb{}"),
    TEXT("[\xe5]"),
    TEXT("["),
    TEXT("{\"\":"),
    TEXT("{"),
    TEXT("{]"),
    TEXT("[}"),
    TEXT("[\"a\"}"),
    TEXT("{\"a\":1]"),
    TEXT("{,"),
    TEXT("{["),
    TEXT("{\"a"),
    TEXT("{'a'"),
    TEXT("[\"\\{[\"\\{[\"\\{[\"\\{"),
    TEXT("*"),
    TEXT("{\"a\":\"b\"}#{}"),
    TEXT("[\\u000A\"\"]"),
    TEXT("{\"asd\":\"asd\""),
    TEXT("\xc3\xa5"),
    TEXT("\xe2\x81\xa0"),
    TEXT("[\x0c]"),
    TEXT("[\v]"),
    TEXT("\0"),
    TEXT("[1]\0"),
    TEXT("-"),
    TEXT("1."),
    TEXT("1e"),
    TEXT("t"),
    TEXT("nul"),
    TEXT("\xa0"),
};

static void refuses_what_every_parser_must(void **state)
{
    (void)state;
    refuses(must_refuse, COUNT(must_refuse));
}

/* Huge numbers are text to us, and the grammar allows an escaped lone surrogate. */
static void accepts_these_where_the_rfc_leaves_the_choice(void **state)
{
    static const struct slice texts[] = {
        TEXT("[0.4e006699999999999999999999999999999999999999999999999999999999]"),
        TEXT("[-1e+9999]"),
        TEXT("[1.5e+9999]"),
        TEXT("[-123123e100000]"),
        TEXT("[123e-10000000]"),
        TEXT("[-123123123123123123123123123123]"),
        TEXT("[100000000000000000000]"),
        TEXT("{\"\\uDFAA\":0}"),
        TEXT("[\"\\uDADA\"]"),
        TEXT("[\"\\uD888\\u1234\"]"),
        TEXT("[\"\\uD800\\n\"]"),
        TEXT("[\"\\uDd1ea\"]"),
        TEXT("[\"\\uD800\\uD800\\n\"]"),
        TEXT("[\"\\ud800\"]"),
        TEXT("[\"\\ud800abc\"]"),
        TEXT("[\"\\uDd1e\\uD834\"]"),
        TEXT("[\"\\uDFAA\"]"),
    };
    (void)state;
    accepts(texts, COUNT(texts));
}

static void refuses_these_where_the_rfc_leaves_the_choice(void **state)
{
    static const struct slice texts[] = {
        TEXT("\xef\xbb\xbf{}"),                 /* byte order mark */
        TEXT("\xff\xfe[\0\"\0\xe9\0\"\0]\0"),   /* UTF-16 */
        TEXT("\0[\0\"\0\xe9\0\"\0]"),           /* UTF-16 without a mark */
        TEXT("[\"\xe6\x97\xa5\xd1\x88\xfa\"]"), /* a byte that never occurs */
        TEXT("[\"\xe0\xff\"]"),
        TEXT("[\"\xe9\"]"), /* ISO 8859-1 */
        TEXT("[\"\x81\"]"),
        TEXT("[\"\xff\"]"),
    };
    (void)state;
    refuses(texts, COUNT(texts));
}

static void accepts_the_edges_of_utf8(void **state)
{
    static const struct slice texts[] = {
        TEXT("\"\xc2\x80\""),         TEXT("\"\xdf\xbf\""),         TEXT("\"\xe0\xa0\x80\""),
        TEXT("\"\xed\x9f\xbf\""),     TEXT("\"\xee\x80\x80\""),     TEXT("\"\xef\xbf\xbf\""),
        TEXT("\"\xf0\x90\x80\x80\""), TEXT("\"\xf4\x8f\xbf\xbf\""), TEXT("\"\xef\xbb\xbf\""),
        TEXT("{\"\xe2\x82\xac\":1}"), TEXT("\"\xe2\x80\xa8\""),
    };
    (void)state;
    accepts(texts, COUNT(texts));
}

static void refuses_malformed_utf8(void **state)
{
    static const struct slice texts[] = {
        TEXT("\"\x80\""),
        TEXT("\"\xbf\""), /* continuation without a start */
        TEXT("\"\xc0\x80\""),
        TEXT("\"\xc1\xbf\""), /* overlong */
        TEXT("\"\xe0\x80\x80\""),
        TEXT("\"\xe0\x9f\xbf\""), /* overlong */
        TEXT("\"\xf0\x80\x80\x80\""),
        TEXT("\"\xf0\x8f\xbf\xbf\""),
        TEXT("\"\xed\xa0\x80\""),
        TEXT("\"\xed\xbf\xbf\""), /* surrogates */
        TEXT("\"\xf4\x90\x80\x80\""),
        TEXT("\"\xf5\x80\x80\x80\""),
        TEXT("\"\xfe\""),
        TEXT("\"\xc2\""),
        TEXT("\"\xc2\xc2\x80\""),
        TEXT("\"\xe2\x82\""),
        TEXT("\"\xe2\x28\xa1\""),
        TEXT("\"\xf0\x90\x80\""),
        TEXT("\"\xf0\x90\x28\x80\""),
        TEXT("\"\xf0\x90\x80\x28\""),
        TEXT("\"\xe2\x82"),
        TEXT("\"\xf0\x90\x80"),
        TEXT("\"\xc2"),
        TEXT("{\"\xff\":1}"),
    };
    (void)state;
    refuses(texts, COUNT(texts));
}

/* The fast path looks at blocks: a special byte must be found at every place of a block. */
static void finds_a_special_byte_at_every_offset(void **state)
{
    static const struct {
        char byte;
        const char *reason; /* NULL: accepted */
    } rows[] = {
        {0x1f, "control byte in a string"},
        {0, "control byte in a string"},
        {'\x80', "not UTF-8"},
        {'\xff', "not UTF-8"},
        {' ', NULL},
        {'!', NULL},
        {'#', NULL},
        {'[', NULL},
        {']', NULL},
        {0x7f, NULL},
    };
    char text[80];
    (void)state;
    for (size_t row = 0; row < COUNT(rows); row++)
        for (size_t at = 1; at < 70; at++) {
            enum json_kind top;
            struct err e;
            char want[ERR_TEXT_MAX] = "";
            memset(text, 'a', sizeof text);
            text[0] = text[71] = '"';
            text[at] = rows[row].byte;
            enum status st = scan((struct slice){text, 72}, NULL, 0, &top, &e);
            assert_int_equal(st, rows[row].reason ? ST_BAD_INPUT : ST_OK);
            if (rows[row].reason) {
                snprintf(want, sizeof want, "%s at byte %zu", rows[row].reason, at);
                assert_string_equal(e.text, want);
            }
        }
}

static void tells_the_reason_and_the_place(void **state)
{
    static const struct {
        struct slice text;
        const char *reason;
    } rows[] = {
        {TEXT(""), "the text is empty"},
        {TEXT("  "), "the text ends too early at byte 2"},
        {TEXT("{\"a\":\"b"), "the text ends too early at byte 7"},
        {TEXT("[1,2] x"), "trailing bytes after the value at byte 6"},
        {TEXT("{}\0"), "trailing bytes after the value at byte 2"},
        {TEXT("[\"a\nb\"]"), "control byte in a string at byte 3"},
        {TEXT("[\"a\\x\"]"), "no such escape in a string at byte 4"},
        {TEXT("[\"\xc0\x80\"]"), "not UTF-8 at byte 2"},
        {TEXT("\xef\xbb\xbf[]"), "byte order mark at byte 0"},
        {TEXT("[01]"), "expected ',' or ']' at byte 2"},
        {TEXT("[-a]"), "malformed number at byte 2"},
        {TEXT("[tru]"), "expected a value at byte 4"},
        {TEXT("{\"a\" 1}"), "expected ':' at byte 5"},
        {TEXT("{\"a\":1 2}"), "expected ',' or '}' at byte 7"},
        {TEXT("{\"a\":1,}"), "expected a member name at byte 7"},
        {TEXT("id=1"), "expected a value at byte 0"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum json_kind top;
        struct err e;
        assert_int_equal(scan(rows[i].text, NULL, 0, &top, &e), ST_BAD_INPUT);
        assert_string_equal(e.text, rows[i].reason);
    }
}

static void counts_depth_over_objects_and_arrays(void **state)
{
    char text[4096];
    enum json_kind top;
    struct err e;
    (void)state;
    for (size_t depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        size_t n = 0;
        for (size_t i = 0; i < depth; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s",
                                  i % 3           ? "["
                                  : i + 1 < depth ? "{\"a\":"
                                                  : "{");
        for (size_t i = depth; i-- > 0;)
            text[n++] = i % 3 ? ']' : '}';
        enum status st = scan((struct slice){text, n}, NULL, 0, &top, &e);
        assert_int_equal(st, depth <= JSON_DEPTH_MAX ? ST_OK : ST_BAD_INPUT);
    }
    assert_memory_equal(e.text, "nested deeper than 128 at byte ", 31);
    memset(text, '[', sizeof text);
    assert_int_equal(scan((struct slice){text, sizeof text}, NULL, 0, &top, &e), ST_BAD_INPUT);
    assert_string_equal(e.text, "nested deeper than 128 at byte 128");
}

static void names_the_kind_of_the_top_value(void **state)
{
    static const struct {
        struct slice text;
        enum json_kind kind;
    } rows[] = {
        {TEXT("\"a\""), JSON_STRING}, {TEXT("-1"), JSON_NUMBER}, {TEXT("true"), JSON_TRUE},
        {TEXT("false"), JSON_FALSE},  {TEXT("null"), JSON_NULL}, {TEXT("{\"a\":[]}"), JSON_OBJECT},
        {TEXT("[{}]"), JSON_ARRAY},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum json_kind top = JSON_ABSENT;
        struct err e;
        assert_int_equal(scan(rows[i].text, NULL, 0, &top, &e), ST_OK);
        assert_int_equal(top, rows[i].kind);
    }
}

static void every_cut_off_prefix_is_refused(void **state)
{
    static const char text[] =
        "{\"id\":\"a\\u00e9\\n\xe2\x82\xac\",\"n\":[-1.5e+3,0,true,false,null,{}],\"content\":{"
        "\"customerId\":\"x\",\"deep\":[[[{\"a\":\"\"}]]]}}";
    enum json_kind top;
    struct err e;
    (void)state;
    assert_int_equal(scan((struct slice){text, sizeof text - 1}, NULL, 0, &top, &e), ST_OK);
    for (size_t n = 0; n < sizeof text - 1; n++)
        if (scan((struct slice){text, n}, NULL, 0, &top, &e) != ST_BAD_INPUT)
            fail_msg("the prefix of %zu bytes is taken", n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_every_parser_must),
        cmocka_unit_test(refuses_what_every_parser_must),
        cmocka_unit_test(accepts_these_where_the_rfc_leaves_the_choice),
        cmocka_unit_test(refuses_these_where_the_rfc_leaves_the_choice),
        cmocka_unit_test(accepts_the_edges_of_utf8),
        cmocka_unit_test(refuses_malformed_utf8),
        cmocka_unit_test(finds_a_special_byte_at_every_offset),
        cmocka_unit_test(tells_the_reason_and_the_place),
        cmocka_unit_test(counts_depth_over_objects_and_arrays),
        cmocka_unit_test(names_the_kind_of_the_top_value),
        cmocka_unit_test(every_cut_off_prefix_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
