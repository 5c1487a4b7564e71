/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: counting without a lock counts what counting with it would, also when the table is full and
 * from several threads. */
#include "api/intake_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/thread.h"

#define THREADS 4
#define ROUNDS  20000

static const char source_a[] = "a", source_b[] = "b", stored[] = "stored", ping[] = "ping";

static int64_t value_of(struct metric_family *f, const char *source, const char *type,
                        const char *status)
{
    return metric_value(metric_child(f, slice_of(source), slice_of(type), slice_of(status)));
}

static struct metric_family *family(struct metrics *m)
{
    return metric_family(m, METRIC_COUNTER, "relay_intake_total", "source,type,status", "test");
}

static void keeps_sources_types_and_statuses_apart(void **state)
{
    struct metrics *m = metrics_create();
    struct metric_family *f = family(m);
    struct intake_counts *c = intake_counts_create(f);
    (void)state;
    intake_counts_add(c, source_a, slice_of("TASK/CREATED"), stored);
    intake_counts_add(c, source_a, slice_of("TASK/CREATED"), stored);
    intake_counts_add(c, source_b, slice_of("TASK/CREATED"), stored);
    intake_counts_add(c, source_a, slice_of("TASK/CREATE"), stored);
    intake_counts_add(c, source_a, slice_of("TASK/CREATED"), ping);
    intake_counts_add(c, source_a, (struct slice){NULL, 0}, ping);
    assert_int_equal(value_of(f, "a", "TASK/CREATED", "stored"), 2);
    assert_int_equal(value_of(f, "b", "TASK/CREATED", "stored"), 1);
    assert_int_equal(value_of(f, "a", "TASK/CREATE", "stored"), 1);
    assert_int_equal(value_of(f, "a", "TASK/CREATED", "ping"), 1);
    assert_int_equal(value_of(f, "a", "", "ping"), 1);
    intake_counts_destroy(c);
    metrics_destroy(m);
}

static void counts_on_when_a_sender_fills_the_table(void **state)
{
    struct metrics *m = metrics_create();
    struct metric_family *f = family(m);
    struct intake_counts *c = intake_counts_create(f);
    char type[200];
    int64_t sum = 0;
    (void)state;
    intake_counts_add(c, source_a, slice_of("FIRST"), stored);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 4 * INTAKE_COUNTS_CELLS; i++) {
            snprintf(type, sizeof type, "INVENTED/%d", i);
            intake_counts_add(c, source_a, slice_of(type), stored);
        }
    /* Longer than a label value. */
    memset(type, 'x', sizeof type);
    intake_counts_add(c, source_a, (struct slice){type, sizeof type}, stored);
    intake_counts_add(c, source_a, slice_of("FIRST"), stored);
    assert_int_equal(value_of(f, "a", "FIRST", "stored"), 2);
    for (int i = 0; i < METRIC_CHILDREN_MAX - 2; i++) {
        snprintf(type, sizeof type, "INVENTED/%d", i);
        assert_int_equal(value_of(f, "a", type, "stored"), 2);
        sum += 2;
    }
    sum += value_of(f, "other", "other", "other");
    assert_int_equal(sum, 8 * INTAKE_COUNTS_CELLS + 1);
    intake_counts_destroy(c);
    metrics_destroy(m);
}

static void run_counter(void *arg)
{
    struct intake_counts *c = arg;
    char type[16];
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(type, sizeof type, "T/%d", i % 100);
        intake_counts_add(c, source_a, slice_of(type), stored);
    }
}

static void counts_each_once_from_many_threads(void **state)
{
    struct metrics *m = metrics_create();
    struct metric_family *f = family(m);
    struct intake_counts *c = intake_counts_create(f);
    struct thread *threads[THREADS];
    char type[16];
    struct err e;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], "counter", run_counter, c, &e), ST_OK);
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    for (int i = 0; i < 100; i++) {
        snprintf(type, sizeof type, "T/%d", i);
        assert_int_equal(value_of(f, "a", type, "stored"), THREADS * ROUNDS / 100);
    }
    intake_counts_destroy(c);
    metrics_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_sources_types_and_statuses_apart),
        cmocka_unit_test(counts_on_when_a_sender_fills_the_table),
        cmocka_unit_test(counts_each_once_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
