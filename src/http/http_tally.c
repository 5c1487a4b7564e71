/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_tally.h"

#include <stdlib.h>

struct http_tally *http_tally_create(void)
{
    struct http_tally *t = calloc(1, sizeof *t);
    if (t)
        atomic_init(&t->refs, 1);
    return t;
}

void http_tally_take(struct http_tally *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void http_tally_drop(struct http_tally *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        free(t);
}

bool http_tally_try_add(atomic_size_t *counter, size_t n, size_t max)
{
    size_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    do {
        if (seen > max || n > max - seen)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(counter, &seen, seen + n, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void http_tally_sub(atomic_size_t *counter, size_t n)
{
    atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

size_t http_tally_read(const atomic_size_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}
