/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a selection means the same after it was stored, and nothing mistyped means everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "event/selection.h"

static void keeps_every_part_over_a_round_trip(void **state)
{
    static const char text[] =
        "{\"since\":\"2026-01-02T03:04:05.678Z\",\"until\":\"2026-01-03T00:00:00.000Z\",\"by\":"
        "\"event\",\"from_seq\":\"7\",\"to_seq\":\"9007199254740993\",\"source\":\"gladly\","
        "\"family\":\"conversation-status\",\"type\":\"A/B\",\"key\":\"k\\\"\",\"id\":\"i\"}";
    struct selection s;
    char printed[SELECTION_JSON_MAX];
    struct err e;
    (void)state;
    assert_int_equal(selection_parse(&s, slice_of(text), &e), ST_OK);
    assert_int_equal(s.to_seq, INT64_C(9007199254740993));
    assert_true(s.is_by_event);
    assert_int_equal(selection_print(&s, printed, &e), ST_OK);
    assert_string_equal(printed, text);
}

static void writes_a_family_as_topics_do(void **state)
{
    struct selection s;
    struct err e;
    (void)state;
    assert_int_equal(selection_parse(&s, slice_of("{\"family\":\"CONVERSATION_STATUS\"}"), &e),
                     ST_OK);
    assert_string_equal(s.family, "conversation-status");
}

static void the_longest_texts_fit_escaped(void **state)
{
    struct selection s = {.since = {1000000}, .until = {2000000}, .from_seq = INT64_MAX - 2};
    struct selection again;
    char printed[SELECTION_JSON_MAX];
    struct err e;
    (void)state;
    s.is_by_event = true;
    s.to_seq = INT64_MAX - 1;
    memset(s.source, 1, sizeof s.source - 1);
    memset(s.family, 1, sizeof s.family - 1);
    memset(s.type, 1, sizeof s.type - 1);
    memset(s.key, 1, sizeof s.key - 1);
    memset(s.id, 1, sizeof s.id - 1);
    assert_int_equal(selection_print(&s, printed, &e), ST_OK);
    assert_int_equal(selection_parse(&again, slice_of(printed), &e), ST_OK);
    assert_memory_equal(&again, &s, sizeof s);
}

static void refuses_what_is_mistyped(void **state)
{
    static const char *const texts[] = {
        "[]",
        "{\"typ\":\"A\"}",
        "{\"type\":\"\"}",
        "{\"type\":7}",
        "{\"since\":\"yesterday\"}",
        "{\"since\":\"1960-01-01T00:00:00Z\"}",
        "{\"since\":\"2026-01-02T00:00:00Z\",\"until\":\"2026-01-02T00:00:00Z\"}",
        "{\"from_seq\":\"0\"}",
        "{\"from_seq\":\"x\"}",
        "{\"from_seq\":\"8\",\"to_seq\":\"7\"}",
        "{\"by\":\"time\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct selection s;
        struct err e;
        if (selection_parse(&s, slice_of(texts[i]), &e) != ST_BAD_INPUT)
            fail_msg("%s was taken", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_every_part_over_a_round_trip),
        cmocka_unit_test(writes_a_family_as_topics_do),
        cmocka_unit_test(the_longest_texts_fit_escaped),
        cmocka_unit_test(refuses_what_is_mistyped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
