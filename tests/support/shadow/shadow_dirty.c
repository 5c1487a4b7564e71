/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/shadow_dirty.h"

#include "shadow/shadow.h"

#include <stdlib.h>
#include <string.h>

void shadow_dirty_init(struct shadow_dirty *d)
{
    *d = (struct shadow_dirty){.shrunk_to = SHADOW_TO_END};
}

void shadow_dirty_fini(struct shadow_dirty *d)
{
    free(d->ranges);
    shadow_dirty_init(d);
}

/* The first range that ends at or behind begin. */
static size_t first_touching(const struct shadow_dirty *d, int64_t begin)
{
    size_t low = 0, high = d->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->ranges[middle].end < begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void shadow_dirty_add(struct shadow_dirty *d, int64_t begin, int64_t end)
{
    if (begin >= end)
        return;
    size_t at = first_touching(d, begin);
    size_t past = at;
    for (; past < d->n && d->ranges[past].begin <= end; past++) {
        if (d->ranges[past].begin < begin)
            begin = d->ranges[past].begin;
        if (d->ranges[past].end > end)
            end = d->ranges[past].end;
    }
    if (past == at && d->n == d->room) {
        d->room = d->room ? d->room * 2 : 16;
        d->ranges = realloc(d->ranges, d->room * sizeof *d->ranges);
        if (!d->ranges)
            shadow_die("no memory for", "ranges");
    }
    size_t tail = d->n - past;
    memmove(d->ranges + at + 1, d->ranges + past, tail * sizeof *d->ranges);
    d->ranges[at] = (struct shadow_range){begin, end};
    d->n = at + 1 + tail;
}

void shadow_dirty_shrink(struct shadow_dirty *d, int64_t size)
{
    if (size < d->shrunk_to)
        d->shrunk_to = size;
}
