/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define FAMILIES_MAX    96
#define LABEL_VALUE_MAX 96

/* Upper bounds in nanoseconds; the last bucket is +Inf. */
static const int64_t bucket_ns[] = {
    50000,     100000,    200000,     300000,     500000,     750000,      1000000,     1500000,
    2000000,   3000000,   5000000,    7500000,    10000000,   20000000,    50000000,    100000000,
    250000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000, 20000000000,
};
#define BUCKETS (sizeof bucket_ns / sizeof bucket_ns[0])

struct histogram {
    _Atomic int64_t counts[BUCKETS + 1];
    _Atomic int64_t sum_ns;
};

struct metric {
    struct metric *next;
    char labels[METRIC_LABELS_MAX][LABEL_VALUE_MAX];
    _Atomic int64_t value;
    struct histogram *histogram; /* only for METRIC_HISTOGRAM */
};

struct metric_family {
    pthread_mutex_t lock; /* protects children and count; values are atomics */
    enum metric_kind kind;
    const char *name;
    const char *labels;
    const char *help;
    struct metric *children;
    size_t count;
};

struct metrics {
    struct metric_family families[FAMILIES_MAX];
    size_t count;
};

struct metrics *metrics_create(void)
{
    return calloc(1, sizeof(struct metrics));
}

void metrics_destroy(struct metrics *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++) {
        struct metric *child = m->families[i].children;
        while (child) {
            struct metric *next = child->next;
            free(child->histogram);
            free(child);
            child = next;
        }
        pthread_mutex_destroy(&m->families[i].lock);
    }
    free(m);
}

struct metric_family *metric_family(struct metrics *m, enum metric_kind kind, const char *name,
                                    const char *labels, const char *help)
{
    CHECK(m->count < FAMILIES_MAX);
    struct metric_family *f = &m->families[m->count++];
    pthread_mutex_init(&f->lock, NULL);
    f->kind = kind;
    f->name = name;
    f->labels = labels;
    f->help = help;
    return f;
}

static void copy_label(char out[LABEL_VALUE_MAX], struct slice value)
{
    size_t n = value.len < LABEL_VALUE_MAX - 1 ? value.len : LABEL_VALUE_MAX - 1;
    if (n)
        memcpy(out, value.ptr, n);
    out[n] = 0;
}

static struct metric *find(struct metric_family *f, char want[METRIC_LABELS_MAX][LABEL_VALUE_MAX])
{
    for (struct metric *c = f->children; c; c = c->next)
        if (memcmp(c->labels, want, sizeof c->labels) == 0)
            return c;
    return NULL;
}

static size_t label_count(const struct metric_family *f)
{
    size_t n = *f->labels != 0;
    for (const char *at = f->labels; (at = strchr(at, ',')); at++)
        n++;
    return n < METRIC_LABELS_MAX ? n : METRIC_LABELS_MAX;
}

struct metric *metric_child(struct metric_family *f, struct slice a, struct slice b, struct slice c)
{
    char want[METRIC_LABELS_MAX][LABEL_VALUE_MAX] = {{0}};
    struct metric *child;
    copy_label(want[0], a);
    copy_label(want[1], b);
    copy_label(want[2], c);
    pthread_mutex_lock(&f->lock);
    child = find(f, want);
    /* The last place is for the shared child. */
    if (!child && f->count >= METRIC_CHILDREN_MAX - 1) {
        memset(want, 0, sizeof want);
        for (size_t i = 0; i < label_count(f); i++)
            copy_label(want[i], slice_of("other"));
        child = find(f, want);
    }
    if (!child) {
        child = calloc(1, sizeof *child);
        CHECK(child);
        memcpy(child->labels, want, sizeof child->labels);
        if (f->kind == METRIC_HISTOGRAM) {
            child->histogram = calloc(1, sizeof *child->histogram);
            CHECK(child->histogram);
        }
        child->next = f->children;
        f->children = child;
        f->count++;
    }
    pthread_mutex_unlock(&f->lock);
    return child;
}

struct metric *metric_single(struct metric_family *f)
{
    return metric_child(f, slice_of(""), slice_of(""), slice_of(""));
}

void metric_add(struct metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

int64_t metric_value(const struct metric *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}

void metric_observe_ns(struct metric *m, int64_t ns)
{
    size_t i = 0;
    while (i < BUCKETS && ns > bucket_ns[i])
        i++;
    atomic_fetch_add_explicit(&m->histogram->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->histogram->sum_ns, ns, memory_order_relaxed);
}

/* A label value escaped as the exposition format asks: backslash, quote and newline. */
static enum status put_value(struct buf *out, const char *value)
{
    enum status st = ST_OK;
    for (; *value && st == ST_OK; value++) {
        if (*value == '\n')
            st = buf_append(out, "\\n", 2);
        else if (*value == '"' || *value == '\\')
            st = buf_printf(out, "\\%c", *value);
        else
            st = buf_append(out, value, 1);
    }
    return st;
}

/* {a="x",b="y"} with an optional last label le. */
static enum status put_labels(struct buf *out, const struct metric_family *f,
                              const struct metric *m, const char *le)
{
    const char *name = f->labels;
    const char *open = "{";
    enum status st = ST_OK;
    for (size_t i = 0; *name && i < METRIC_LABELS_MAX && st == ST_OK; i++) {
        size_t n = strcspn(name, ",");
        st = buf_printf(out, "%s%.*s=\"", open, (int)n, name);
        if (st == ST_OK)
            st = put_value(out, m->labels[i]);
        if (st == ST_OK)
            st = buf_append(out, "\"", 1);
        open = ",";
        name += n + (name[n] == ',');
    }
    if (st == ST_OK && le) {
        st = buf_printf(out, "%sle=\"%s\"", open, le);
        open = ",";
    }
    if (st == ST_OK && *open == ',')
        st = buf_append(out, "}", 1);
    return st;
}

static enum status put_sample(struct buf *out, const struct metric_family *f,
                              const struct metric *m, const char *suffix, const char *le)
{
    enum status st = buf_printf(out, "%s%s", f->name, suffix);
    return st == ST_OK ? put_labels(out, f, m, le) : st;
}

static enum status put_histogram(struct buf *out, const struct metric_family *f,
                                 const struct metric *m)
{
    int64_t total = 0;
    enum status st = ST_OK;
    for (size_t i = 0; i <= BUCKETS && st == ST_OK; i++) {
        char le[32] = "+Inf";
        if (i < BUCKETS)
            snprintf(le, sizeof le, "%g", (double)bucket_ns[i] / 1e9);
        total += atomic_load_explicit(&m->histogram->counts[i], memory_order_relaxed);
        st = put_sample(out, f, m, "_bucket", le);
        if (st == ST_OK)
            st = buf_printf(out, " %" PRId64 "\n", total);
    }
    if (st == ST_OK)
        st = put_sample(out, f, m, "_sum", NULL);
    if (st == ST_OK)
        st = buf_printf(out, " %.9f\n", (double)m->histogram->sum_ns / 1e9);
    if (st == ST_OK)
        st = put_sample(out, f, m, "_count", NULL);
    return st == ST_OK ? buf_printf(out, " %" PRId64 "\n", total) : st;
}

static enum status put_family(struct buf *out, struct metric_family *f)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    enum status st =
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, kinds[f->kind]);
    pthread_mutex_lock(&f->lock);
    for (struct metric *m = f->children; m && st == ST_OK; m = m->next) {
        if (f->kind == METRIC_HISTOGRAM) {
            st = put_histogram(out, f, m);
            continue;
        }
        st = put_sample(out, f, m, "", NULL);
        if (st == ST_OK)
            st = buf_printf(out, " %" PRId64 "\n", metric_value(m));
    }
    pthread_mutex_unlock(&f->lock);
    return st;
}

enum status metrics_render(struct metrics *m, struct buf *out)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < m->count && st == ST_OK; i++)
        st = put_family(out, &m->families[i]);
    return st;
}
