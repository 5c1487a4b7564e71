/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_HISTOGRAM_H
#define RELAY_BENCH_HISTOGRAM_H

/*
 * Log-linear histogram of durations in microseconds.
 *
 * Owns its counters. Values below 2048 us are counted exactly; above, each power of two is split
 * into 1024 equal buckets, so that a percentile is at most 0.1 % above the true value. This is the
 * bucket layout of HdrHistogram with three significant digits
 * (github.com/HdrHistogram/HdrHistogram, README).
 *
 * Threads: none of its own; one thread at a time.
 */

#include <stdint.h>

/* 100 s: a longer wait counts in the last bucket; histogram_max_us still tells it exactly. */
#define HISTOGRAM_LIMIT_US INT64_C(100000000)

struct histogram;

/* Returns NULL when there is no memory. The caller destroys it. */
struct histogram *histogram_create(void);
void histogram_destroy(struct histogram *h);

/* Counts one duration; a negative one counts as 0. */
void histogram_add(struct histogram *h, int64_t us);

uint64_t histogram_count(const struct histogram *h);

/* The exact smallest, largest and mean duration; 0 while nothing was counted. */
int64_t histogram_min_us(const struct histogram *h);
int64_t histogram_max_us(const struct histogram *h);
double histogram_mean_us(const struct histogram *h);

/*
 * The smallest counted duration that at least `ppm` millionths (1..1000000) of all durations do not
 * exceed, rounded up to its bucket's end and never above the largest; 0 while nothing was counted.
 * p99.9 is 999000.
 */
int64_t histogram_percentile_us(const struct histogram *h, uint32_t ppm);

#endif
