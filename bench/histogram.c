/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include "fail.h"

#include <stddef.h>
#include <stdlib.h>

#define EXACT 2048 /* values below have a bucket each */
#define HALF  (EXACT / 2)
/* HISTOGRAM_LIMIT_US has 27 bits: 16 powers of two from 2^11 up to 2^27. */
#define DOUBLINGS 16
#define BUCKETS   (EXACT + DOUBLINGS * HALF)

struct histogram {
    uint64_t count;
    uint64_t sum_us;
    int64_t min_us;
    int64_t max_us;
    uint64_t bucket[BUCKETS];
};

struct histogram *histogram_create(void)
{
    return calloc(1, sizeof(struct histogram));
}

void histogram_destroy(struct histogram *h)
{
    free(h);
}

static size_t bucket_of(uint64_t us)
{
    if (us < EXACT)
        return (size_t)us;
    unsigned shift = 63U - (unsigned)__builtin_clzll(us) - 10U;
    return EXACT + (size_t)(shift - 1) * HALF + (size_t)((us >> shift) - HALF);
}

static int64_t bucket_end_us(size_t index)
{
    if (index < EXACT)
        return (int64_t)index;
    unsigned shift = (unsigned)((index - EXACT) / HALF) + 1U;
    uint64_t mantissa = (index - EXACT) % HALF + HALF;
    return (int64_t)(((mantissa + 1) << shift) - 1);
}

void histogram_add(struct histogram *h, int64_t us)
{
    if (us < 0)
        us = 0;
    if (h->count == 0 || us < h->min_us)
        h->min_us = us;
    if (us > h->max_us)
        h->max_us = us;
    h->count++;
    h->sum_us += (uint64_t)us;
    size_t index = bucket_of((uint64_t)(us < HISTOGRAM_LIMIT_US ? us : HISTOGRAM_LIMIT_US));
    CHECK(index < BUCKETS);
    h->bucket[index]++;
}

uint64_t histogram_count(const struct histogram *h)
{
    return h->count;
}

int64_t histogram_min_us(const struct histogram *h)
{
    return h->min_us;
}

int64_t histogram_max_us(const struct histogram *h)
{
    return h->max_us;
}

double histogram_mean_us(const struct histogram *h)
{
    return h->count == 0 ? 0.0 : (double)h->sum_us / (double)h->count;
}

/* ceil(count * ppm / 10^6) without a product that could pass 64 bits. */
static uint64_t rank_of(uint64_t count, uint32_t ppm)
{
    uint64_t whole = count / 1000000 * ppm;
    return whole + (count % 1000000 * ppm + 999999) / 1000000;
}

int64_t histogram_percentile_us(const struct histogram *h, uint32_t ppm)
{
    uint64_t rank = rank_of(h->count, ppm);
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen >= rank && seen > 0) {
            int64_t end_us = bucket_end_us(i);
            bool is_last = i == bucket_of((uint64_t)HISTOGRAM_LIMIT_US);
            return is_last || end_us > h->max_us ? h->max_us : end_us;
        }
    }
    return 0;
}
