/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define NONE ((struct slice){NULL, 0})

static struct metrics *registry;
static struct buf text;

static int make(void **state)
{
    (void)state;
    registry = metrics_create();
    buf_init(&text, 1 << 20);
    return !registry;
}

static int drop(void **state)
{
    (void)state;
    metrics_destroy(registry);
    buf_fini(&text);
    return 0;
}

/* The exposition text, NUL-terminated. */
static const char *rendered(void)
{
    buf_clear(&text);
    assert_int_equal(metrics_render(registry, &text), ST_OK);
    assert_int_equal(buf_append(&text, "", 1), ST_OK);
    return text.ptr;
}

static int count(const char *all, const char *part)
{
    int n = 0;
    for (const char *at = all; (at = strstr(at, part)); at++)
        n++;
    return n;
}

static void renders_counters_and_gauges(void **state)
{
    struct metric_family *f =
        metric_family(registry, METRIC_COUNTER, "relay_events_total", "source,family", "Events.");
    struct metric_family *g = metric_family(registry, METRIC_GAUGE, "relay_depth", "", "Depth.");
    (void)state;
    metric_add(metric_child(f, slice_of("main"), slice_of("task"), NONE), 3);
    metric_add(metric_child(f, slice_of("main"), slice_of("task"), NONE), 4);
    metric_set(metric_single(g), -5);
    assert_string_equal(rendered(), "# HELP relay_events_total Events.\n"
                                    "# TYPE relay_events_total counter\n"
                                    "relay_events_total{source=\"main\",family=\"task\"} 7\n"
                                    "# HELP relay_depth Depth.\n"
                                    "# TYPE relay_depth gauge\n"
                                    "relay_depth -5\n");
    assert_int_equal(metric_value(metric_single(g)), -5);
}

static void renders_histograms_that_add_up(void **state)
{
    struct metric_family *f = metric_family(registry, METRIC_HISTOGRAM, "relay_s", "op", "Time.");
    struct metric *m = metric_child(f, slice_of("sync"), NONE, NONE);
    const char *out;
    (void)state;
    metric_observe_ns(m, 50000);
    metric_observe_ns(m, 50001);
    metric_observe_ns(m, INT64_C(3000000000));
    metric_observe_ns(m, INT64_C(60000000000));
    out = rendered();
    assert_non_null(strstr(out, "# TYPE relay_s histogram\n"));
    assert_non_null(strstr(out, "\nrelay_s_bucket{op=\"sync\",le=\"5e-05\"} 1\n"));
    assert_non_null(strstr(out, "\nrelay_s_bucket{op=\"sync\",le=\"0.0001\"} 2\n"));
    assert_non_null(strstr(out, "\nrelay_s_bucket{op=\"sync\",le=\"2.5\"} 2\n"));
    assert_non_null(strstr(out, "\nrelay_s_bucket{op=\"sync\",le=\"5\"} 3\n"));
    assert_non_null(strstr(out, "\nrelay_s_bucket{op=\"sync\",le=\"20\"} 3\n"));
    assert_non_null(strstr(out, "\nrelay_s_bucket{op=\"sync\",le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(out, "\nrelay_s_sum{op=\"sync\"} 63.000100001\n"));
    assert_non_null(strstr(out, "\nrelay_s_count{op=\"sync\"} 4\n"));
}

static void renders_a_histogram_without_labels(void **state)
{
    struct metric_family *f = metric_family(registry, METRIC_HISTOGRAM, "relay_s", "", "Time.");
    (void)state;
    metric_observe_ns(metric_single(f), 1);
    assert_non_null(strstr(rendered(), "\nrelay_s_bucket{le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(rendered(), "\nrelay_s_count 1\n"));
}

static void escapes_label_values(void **state)
{
    struct metric_family *f = metric_family(registry, METRIC_GAUGE, "g", "v", "G.");
    (void)state;
    metric_set(metric_child(f, slice_of("a\"b\\c\nd"), NONE, NONE), 1);
    assert_non_null(strstr(rendered(), "\ng{v=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

static void many_label_values_share_one_child(void **state)
{
    struct metric_family *f = metric_family(registry, METRIC_COUNTER, "c", "v", "C.");
    char value[16];
    (void)state;
    /* A value that is called as the shared child is must not become a second series. */
    metric_add(metric_child(f, slice_of("other"), NONE, NONE), 1);
    for (int i = 0; i < 2 * METRIC_CHILDREN_MAX; i++) {
        snprintf(value, sizeof value, "v%d", i);
        metric_add(metric_child(f, slice_of(value), NONE, NONE), 1);
    }
    assert_in_range(count(rendered(), "\nc{"), METRIC_CHILDREN_MAX / 2, METRIC_CHILDREN_MAX);
    assert_int_equal(count(rendered(), "\nc{v=\"other\"}"), 1);
    assert_int_equal(metric_value(metric_child(f, slice_of("other"), NONE, NONE)),
                     2 * METRIC_CHILDREN_MAX + 2 - count(rendered(), "\nc{"));
}

static void a_full_buffer_is_told(void **state)
{
    struct buf small;
    (void)state;
    metric_set(metric_single(metric_family(registry, METRIC_GAUGE, "g", "", "G.")), 1);
    buf_init(&small, 10);
    assert_int_equal(metrics_render(registry, &small), ST_FULL);
    buf_fini(&small);
}

static struct metric_family *shared;

static void add_thousand(void *arg)
{
    struct buf own;
    (void)arg;
    buf_init(&own, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        metric_add(metric_child(shared, slice_of(i % 2 ? "odd" : "even"), NONE, NONE), 1);
        if (i % 100 == 0)
            assert_int_equal(metrics_render(registry, &own), ST_OK);
    }
    buf_fini(&own);
}

static void counts_from_many_threads(void **state)
{
    struct thread *threads[4];
    struct err e;
    (void)state;
    shared = metric_family(registry, METRIC_COUNTER, "c", "v", "C.");
    for (int i = 0; i < 4; i++)
        assert_int_equal(thread_start(&threads[i], "adder", add_thousand, NULL, &e), ST_OK);
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    assert_int_equal(metric_value(metric_child(shared, slice_of("odd"), NONE, NONE)), 2000);
    assert_int_equal(metric_value(metric_child(shared, slice_of("even"), NONE, NONE)), 2000);
}

#define METRIC_TEST(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        METRIC_TEST(renders_counters_and_gauges),
        METRIC_TEST(renders_histograms_that_add_up),
        METRIC_TEST(renders_a_histogram_without_labels),
        METRIC_TEST(escapes_label_values),
        METRIC_TEST(many_label_values_share_one_child),
        METRIC_TEST(a_full_buffer_is_told),
        METRIC_TEST(counts_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
