/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a checkpoint: what is written is read, what is damaged is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kafka/kafka_checkpoint.h"

static char text[KAFKA_CHECKPOINT_TEXT_MAX];

static struct kafka_checkpoint make(void)
{
    struct kafka_checkpoint c;
    struct err e;
    assert_int_equal(kafka_checkpoint_init(&c, &e), ST_OK);
    return c;
}

static void writes_a_text_that_a_person_can_read(void **state)
{
    struct kafka_checkpoint c = make();
    (void)state;
    strcpy(c.journal, "j-1");
    c.generation = 7;
    c.number = 1812;
    c.positions[0] = (struct publisher_position){-3, 9};
    c.positions[1] = (struct publisher_position){1, 40211};
    c.count = 2;
    struct slice out = kafka_checkpoint_format(&c, text);
    const char *want = "gladly-relay-checkpoint 1\njournal j-1\ngeneration 7\nnumber 1812\n"
                       "-3 9\n1 40211\n";
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.ptr, want, out.len);
    kafka_checkpoint_fini(&c);
}

static void reads_what_it_wrote_also_at_its_largest(void **state)
{
    struct kafka_checkpoint c = make(), back = make();
    struct err e;
    (void)state;
    memset(c.journal, 'j', sizeof c.journal - 1);
    c.generation = INT64_MAX;
    c.number = INT64_MAX;
    for (size_t i = 0; i < PUBLISHER_POSITIONS_MAX; i++)
        c.positions[i] = (struct publisher_position){INT64_MIN / 2 + (int64_t)i, INT64_MAX};
    c.count = PUBLISHER_POSITIONS_MAX;
    struct slice out = kafka_checkpoint_format(&c, text);
    assert_true(out.len < sizeof text);
    assert_int_equal(kafka_checkpoint_parse(out, &back, &e), ST_OK);
    assert_string_equal(back.journal, c.journal);
    assert_true(back.generation == c.generation && back.number == c.number);
    assert_int_equal(back.count, c.count);
    assert_memory_equal(back.positions, c.positions, c.count * sizeof *c.positions);
    kafka_checkpoint_fini(&c);
    kafka_checkpoint_fini(&back);
}

static void refuses_what_is_damaged(void **state)
{
    static const char *const bad[] = {
        "",
        "gladly-relay-checkpoint 2\njournal j\ngeneration 1\nnumber 0\n",
        "gladly-relay-checkpoint 1\njournal j\ngeneration 0\nnumber 0\n",
        "gladly-relay-checkpoint 1\njournal j\ngeneration 1\n",
        "gladly-relay-checkpoint 1\njournal j\ngeneration 1\nnumber 0\n1 5",
        "gladly-relay-checkpoint 1\njournal j\ngeneration 1\nnumber 0\n1 -5\n",
        "gladly-relay-checkpoint 1\njournal j\ngeneration 1\nnumber 0\n2 5\n1 5\n",
        "gladly-relay-checkpoint 1\njournal j\ngeneration 1\nnumber 0\n1 5\n1 6\n",
        "gladly-relay-checkpoint 1\njournal j\ngeneration 1\nnumber 0\n1 99999999999999999999\n",
    };
    struct kafka_checkpoint c = make();
    struct err e;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(kafka_checkpoint_parse(slice_of(bad[i]), &c, &e), ST_BAD_INPUT);
    kafka_checkpoint_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_text_that_a_person_can_read),
        cmocka_unit_test(reads_what_it_wrote_also_at_its_largest),
        cmocka_unit_test(refuses_what_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
