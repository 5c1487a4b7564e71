/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_rows.h"

#include <stdlib.h>
#include <string.h>

struct part {
    size_t count;
    size_t last; /* where the last one was found */
};

struct audit_rows {
    struct audit_rows_entry *entries; /* capacity each lane */
    struct part *parts;
    size_t lanes;
    size_t capacity;
    int64_t base;
};

struct audit_rows *audit_rows_create(size_t lanes, size_t bytes)
{
    struct audit_rows *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->lanes = lanes;
    r->capacity = lanes ? bytes / AUDIT_ROWS_BYTES / lanes : 0;
    if (!r->capacity)
        r->capacity = 1;
    r->parts = calloc(lanes + 1, sizeof *r->parts);
    /* Memory that no row touches stays with the system. */
    r->entries = malloc((lanes * r->capacity + 1) * sizeof *r->entries);
    if (!r->parts || !r->entries) {
        audit_rows_destroy(r);
        return NULL;
    }
    return r;
}

void audit_rows_destroy(struct audit_rows *r)
{
    if (!r)
        return;
    free(r->entries);
    free(r->parts);
    free(r);
}

void audit_rows_reset(struct audit_rows *r, int64_t base)
{
    memset(r->parts, 0, r->lanes * sizeof *r->parts);
    r->base = base;
}

static struct audit_rows_entry *entries_of(const struct audit_rows *r, size_t lane)
{
    CHECK(lane < r->lanes);
    return r->entries + lane * r->capacity;
}

bool audit_rows_add(struct audit_rows *r, size_t lane, int64_t seq, uint8_t state,
                    const struct ident *digest)
{
    struct part *part = &r->parts[lane];
    struct audit_rows_entry *entry = entries_of(r, lane) + part->count;
    if (part->count == r->capacity || seq - r->base > UINT32_MAX)
        return false;
    *entry = (struct audit_rows_entry){.delta = (uint32_t)(seq - r->base), .state = state};
    memcpy(entry->digest, digest->bytes, sizeof entry->digest);
    part->count++;
    return true;
}

/* How many of the lane's rows are not beyond seq. */
static size_t count_upto(const struct audit_rows *r, size_t lane, int64_t seq)
{
    const struct audit_rows_entry *entries = entries_of(r, lane);
    size_t low = 0, high = r->parts[lane].count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->base + entries[middle].delta <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void audit_rows_cut(struct audit_rows *r, int64_t upto)
{
    for (size_t lane = 0; lane < r->lanes; lane++)
        r->parts[lane].count = count_upto(r, lane, upto);
}

struct audit_rows_entry *audit_rows_find(struct audit_rows *r, size_t lane, int64_t seq)
{
    struct audit_rows_entry *entries = entries_of(r, lane);
    struct part *part = &r->parts[lane];
    size_t n;
    /* Records come nearly in the order of rows: the next few are looked at first. */
    for (size_t i = part->last; i < part->count && i < part->last + 8; i++) {
        if (r->base + entries[i].delta == seq) {
            part->last = i;
            return &entries[i];
        }
    }
    n = count_upto(r, lane, seq);
    if (!n || r->base + entries[n - 1].delta != seq)
        return NULL;
    part->last = n - 1;
    return &entries[n - 1];
}

bool audit_rows_is_same(const struct audit_rows_entry *entry, const struct ident *digest)
{
    return memcmp(entry->digest, digest->bytes, sizeof entry->digest) == 0;
}

bool audit_rows_has(const struct audit_rows *r, size_t lane, int64_t after, unsigned mask,
                    unsigned bits)
{
    const struct audit_rows_entry *entries = entries_of(r, lane);
    for (size_t i = count_upto(r, lane, after); i < r->parts[lane].count; i++)
        if ((entries[i].state & mask) == bits)
            return true;
    return false;
}

size_t audit_rows_count(const struct audit_rows *r, size_t lane)
{
    CHECK(lane < r->lanes);
    return r->parts[lane].count;
}

struct audit_rows_entry *audit_rows_at(struct audit_rows *r, size_t lane, size_t index,
                                       int64_t *seq)
{
    struct audit_rows_entry *entry = entries_of(r, lane) + index;
    CHECK(index < r->parts[lane].count);
    *seq = r->base + entry->delta;
    return entry;
}
