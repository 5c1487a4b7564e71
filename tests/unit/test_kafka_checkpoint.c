/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REST "\njournal j-1\ngeneration 7\nnumber 1812\n"
#define HEAD "gladly-relay-checkpoint 2" REST

struct pair {
    struct kafka_checkpoint a, b;
    char *text;
};

static int make_pair(void **state)
{
    struct err e;
    struct pair *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_int_equal(kafka_checkpoint_init(&p->a, &e), ST_OK);
    assert_int_equal(kafka_checkpoint_init(&p->b, &e), ST_OK);
    p->text = malloc(KAFKA_CHECKPOINT_TEXT_MAX);
    assert_non_null(p->text);
    *state = p;
    return 0;
}

static int end_pair(void **state)
{
    struct pair *p = *state;
    kafka_checkpoint_fini(&p->a);
    kafka_checkpoint_fini(&p->b);
    free(p->text);
    free(p);
    return 0;
}

static void fill_head(struct kafka_checkpoint *c)
{
    snprintf(c->journal, sizeof c->journal, "j-1");
    c->generation = 7;
    c->number = 1812;
    c->count = 0;
}

static void assert_same(const struct kafka_checkpoint *a, const struct kafka_checkpoint *b)
{
    assert_string_equal(a->journal, b->journal);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->positions[i].feed, b->positions[i].feed);
        assert_int_equal(a->positions[i].seq, b->positions[i].seq);
        assert_int_equal(a->positions[i].check, b->positions[i].check);
    }
}

static void assert_comes_back(struct pair *p)
{
    struct err e;
    struct slice text = kafka_checkpoint_format(&p->a, p->text);
    assert_true(text.len < KAFKA_CHECKPOINT_TEXT_MAX);
    if (kafka_checkpoint_parse(text, &p->b, &e) != ST_OK)
        fail_msg("%s", e.text);
    assert_same(&p->a, &p->b);
}

static void is_text_that_a_person_can_read(void **state)
{
    struct pair *p = *state;
    const char *wanted = HEAD "-3 99\n1 40187\n2 40211 39187233\n";
    fill_head(&p->a);
    p->a.positions[0] = (struct publisher_position){.feed = -3, .seq = 99};
    p->a.positions[1] = (struct publisher_position){.feed = 1, .seq = 40187};
    p->a.positions[2] = (struct publisher_position){.feed = 2, .seq = 40211, .check = 39187233};
    p->a.count = 3;
    struct slice text = kafka_checkpoint_format(&p->a, p->text);
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.ptr, wanted, text.len);
    assert_comes_back(p);
}

static void reads_version_1_that_had_no_checks(void **state)
{
    struct pair *p = *state;
    struct err e;
    const char *text = "gladly-relay-checkpoint 1" REST "-3 99\n1 40211\n";
    assert_int_equal(kafka_checkpoint_parse(slice_of(text), &p->b, &e), ST_OK);
    assert_int_equal(p->b.count, 2);
    assert_int_equal(p->b.positions[1].seq, 40211);
    assert_int_equal(p->b.positions[1].check, 0);
}

static void comes_back_without_positions(void **state)
{
    struct pair *p = *state;
    fill_head(&p->a);
    p->a.number = 0;
    assert_comes_back(p);
}

static void the_largest_one_fits_and_comes_back(void **state)
{
    struct pair *p = *state;
    memset(p->a.journal, 'x', sizeof p->a.journal - 1);
    p->a.journal[sizeof p->a.journal - 1] = '\0';
    p->a.generation = p->a.number = INT64_MAX;
    p->a.count = PUBLISHER_POSITIONS_MAX;
    for (size_t i = 0; i < p->a.count; i++)
        p->a.positions[i] = (struct publisher_position){-INT64_MAX + (int64_t)i,
                                                        INT64_MAX - (int64_t)i, UINT32_MAX};
    assert_comes_back(p);
}

static void a_copy_has_its_own_positions(void **state)
{
    struct pair *p = *state;
    fill_head(&p->a);
    p->a.positions[0] = (struct publisher_position){.feed = 1, .seq = 5};
    p->a.count = 1;
    kafka_checkpoint_copy(&p->b, &p->a);
    assert_same(&p->a, &p->b);
    p->a.positions[0].seq = 6;
    assert_int_equal(p->b.positions[0].seq, 5);
}

static void refuses_what_is_none(void **state)
{
    static const char *const bad[] = {
        "", "{}", "gladly-relay-checkpoint 3" REST, "gladly-relay-checkpoint 1\n",
        "gladly-relay-checkpoint 1\njournal j-1\n",
        "gladly-relay-checkpoint 1\njournal j-1\ngeneration 7\n",
        "gladly-relay-checkpoint 1\njournal j-1\ngeneration 7\nnumber 1812",
        "gladly-relay-checkpoint 1\njournal j-1\ngeneration 0\nnumber 1812\n",
        "gladly-relay-checkpoint 1\njournal j-1\ngeneration -7\nnumber 1812\n",
        "gladly-relay-checkpoint 1\njournal j-1\ngeneration x\nnumber 1812\n",
        "gladly-relay-checkpoint 1\njournal j-1\ngeneration 7\nnumber -1\n",
        "gladly-relay-checkpoint 1\njournal j-1\ngeneration 7\nnumber 9223372036854775808\n",
        /* 64 bytes of a journal's id: one more than there is room for */
        "gladly-relay-checkpoint 1\njournal "
        "0123456789012345678901234567890123456789012345678901234567890123\ngeneration 7\n"
        "number 1\n",
        HEAD "1\n", HEAD "1 \n", HEAD "1 5", HEAD "x 5\n", HEAD "1 -5\n", HEAD "1 5 6 7\n",
        HEAD "1 5 \n", HEAD "1 5 0\n", HEAD "1 5 x\n", HEAD "1 5 4294967296\n",
        HEAD "1 9223372036854775808\n", HEAD "1 5\n\n", HEAD "2 5\n1 6\n", /* out of order */
        HEAD "1 5\n1 6\n",                                                 /* a feed twice */
    };
    struct pair *p = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        if (kafka_checkpoint_parse(slice_of(bad[i]), &p->b, &e) != ST_BAD_INPUT)
            fail_msg("it takes \"%s\"", bad[i]);
        assert_true(e.text[0] != '\0');
    }
}

static void refuses_every_beginning_of_a_good_one(void **state)
{
    struct pair *p = *state;
    const char *good = HEAD "1 5\n22 66\n";
    struct err e;
    size_t taken = 0;
    for (size_t n = 0; n <= strlen(good); n++) {
        /* Exactly so many bytes, so that a sanitizer sees a read behind them. */
        char *copy = malloc(n + 1);
        assert_non_null(copy);
        char *at = copy + 1;
        memcpy(at, good, n);
        if (kafka_checkpoint_parse((struct slice){at, n}, &p->b, &e) == ST_OK)
            taken++;
        free(copy);
    }
    /* Whole lines of positions may be missing: the record's own length guards against that. */
    assert_int_equal(taken, 3);
}

static void refuses_more_positions_than_there_is_room_for(void **state)
{
    struct pair *p = *state;
    struct err e;
    size_t size = sizeof HEAD + (PUBLISHER_POSITIONS_MAX + 1) * 16;
    char *text = malloc(size);
    assert_non_null(text);
    int len = snprintf(text, size, HEAD);
    for (int i = 1; i <= PUBLISHER_POSITIONS_MAX + 1; i++)
        len += snprintf(text + len, size - (size_t)len, "%d 5\n", i);
    assert_int_equal(kafka_checkpoint_parse((struct slice){text, (size_t)len}, &p->b, &e),
                     ST_BAD_INPUT);
    free(text);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, make_pair, end_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PAIR(is_text_that_a_person_can_read),
        WITH_PAIR(reads_version_1_that_had_no_checks),
        WITH_PAIR(comes_back_without_positions),
        WITH_PAIR(the_largest_one_fits_and_comes_back),
        WITH_PAIR(a_copy_has_its_own_positions),
        WITH_PAIR(refuses_what_is_none),
        WITH_PAIR(refuses_every_beginning_of_a_good_one),
        WITH_PAIR(refuses_more_positions_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
