/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_place.h"

#include <stdlib.h>
#include <string.h>

struct audit_place {
    size_t lanes;
    int partitions;
    int64_t *low;   /* of each partition */
    int64_t *first; /* partitions each lane; 0: nothing is there */
};

struct audit_place *audit_place_create(size_t lanes, int partitions)
{
    struct audit_place *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->lanes = lanes;
    p->partitions = partitions;
    p->low = calloc((size_t)partitions + 1, sizeof *p->low);
    p->first = calloc(lanes * (size_t)partitions + 1, sizeof *p->first);
    if (!p->low || !p->first) {
        audit_place_destroy(p);
        return NULL;
    }
    return p;
}

void audit_place_destroy(struct audit_place *p)
{
    if (!p)
        return;
    free(p->low);
    free(p->first);
    free(p);
}

void audit_place_begin(struct audit_place *p)
{
    memset(p->first, 0, p->lanes * (size_t)p->partitions * sizeof *p->first);
}

void audit_place_see(struct audit_place *p, size_t lane, int partition, int64_t seq)
{
    int64_t *first;
    CHECK(lane < p->lanes && partition >= 0 && partition < p->partitions);
    first = &p->first[lane * (size_t)p->partitions + (size_t)partition];
    if (!*first || seq < *first)
        *first = seq;
}

void audit_place_begins_at(struct audit_place *p, int partition, int64_t low)
{
    CHECK(partition >= 0 && partition < p->partitions);
    p->low[partition] = low;
}

bool audit_place_may_be_expired(const struct audit_place *p, size_t lane, int64_t seq,
                                int partition)
{
    const int64_t *first = &p->first[lane * (size_t)p->partitions];
    bool any = false, below_line = false;
    int64_t lowest = INT64_MAX;
    for (int i = 0; i < p->partitions; i++) {
        any |= p->low[i] > 0;
        if (first[i] && first[i] < lowest)
            lowest = first[i];
        if (p->low[i] > 0 && (!first[i] || seq < first[i]) && (partition < 0 || partition == i))
            below_line = true;
    }
    return any && (below_line || seq < lowest);
}
