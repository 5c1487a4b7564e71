/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_METRIC_H
#define RELAY_BASE_METRIC_H

/*
 * Counters, gauges and histograms with labels, rendered as Prometheus text exposition format 0.0.4.
 *
 * Owns: a registry of families, each with children by label values. A family holds at most
 * METRIC_CHILDREN_MAX children; further label values share one child labelled "other", so that no
 * sender can grow the memory.
 *
 * Threads: families are made at start by main; children and values from every thread. Updates are
 * relaxed atomics.
 */

#include <stdint.h>

#include "base/buf.h"

struct metrics; /* a registry */
struct metric_family;
struct metric; /* one child */

#define METRIC_LABELS_MAX   3
#define METRIC_CHILDREN_MAX 256

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* NULL when out of memory. */
struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *m);

/*
 * A new family; name with unit suffix ("relay_commit_seconds"), labels a comma-separated list of at
 * most METRIC_LABELS_MAX names or
 * "". The strings must live as long as the registry. Aborts when out of memory (start only).
 * A histogram takes nanoseconds and renders seconds, in buckets from 50 us to 20 s.
 */
struct metric_family *metric_family(struct metrics *m, enum metric_kind kind, const char *name,
                                    const char *labels, const char *help);

/* The child with these label values (as many as the family has labels), made on first use. Never
 * NULL. */
struct metric *metric_child(struct metric_family *f, struct slice a, struct slice b,
                            struct slice c);
/* The child of a family without labels. */
struct metric *metric_single(struct metric_family *f);

void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, int64_t value);
int64_t metric_value(const struct metric *m);
void metric_observe_ns(struct metric *m, int64_t ns);

/* Appends the exposition text of the whole registry. */
MUST_CHECK enum status metrics_render(struct metrics *m, struct buf *out);

#endif
