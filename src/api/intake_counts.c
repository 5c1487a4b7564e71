/* SPDX-License-Identifier: Apache-2.0 */
#include "api/intake_counts.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* Longer types share a cell as they share a child: the metric cuts label values before this. */
#define TYPE_MAX 95

/* Cells looked at before the lock is taken after all. */
#define PROBES_MAX 8

struct cell {
    struct metric *child;
    const char *source;
    const char *status;
    size_t type_len;
    char type[TYPE_MAX];
};

struct intake_counts {
    struct metric_family *family;
    struct cell *_Atomic cells[INTAKE_COUNTS_CELLS]; /* NULL: free; never changes again */
};

struct intake_counts *intake_counts_create(struct metric_family *family)
{
    struct intake_counts *c = calloc(1, sizeof *c);
    if (c)
        c->family = family;
    return c;
}

void intake_counts_destroy(struct intake_counts *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < INTAKE_COUNTS_CELLS; i++)
        free(c->cells[i]);
    free(c);
}

/* FNV-1a, 64 bits (draft-eastlake-fnv). Whoever picks types that collide pays with a lock. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}

static size_t place_of(const struct cell *want)
{
    uint64_t hash = mix(UINT64_C(14695981039346656037), want->type, want->type_len);
    hash = mix(hash, &want->source, sizeof want->source);
    hash = mix(hash, &want->status, sizeof want->status);
    return (size_t)(hash % INTAKE_COUNTS_CELLS);
}

static bool is_same(const struct cell *a, const struct cell *b)
{
    return a->source == b->source && a->status == b->status && a->type_len == b->type_len &&
           memcmp(a->type, b->type, a->type_len) == 0;
}

static struct metric *look_up(const struct intake_counts *c, const struct cell *want)
{
    return metric_child(c->family, slice_of(want->source),
                        (struct slice){want->type, want->type_len}, slice_of(want->status));
}

/* Without memory, or when another thread was faster, the cell is filled another time. */
static void remember(struct cell *_Atomic *at, const struct cell *want)
{
    struct cell *fresh = malloc(sizeof *fresh), *empty = NULL;
    if (!fresh)
        return;
    *fresh = *want;
    if (!atomic_compare_exchange_strong(at, &empty, fresh))
        free(fresh);
}

void intake_counts_add(struct intake_counts *c, const char *source, struct slice type,
                       const char *status)
{
    struct cell want = {.source = source, .status = status};
    size_t place;
    want.type_len = type.len < TYPE_MAX ? type.len : TYPE_MAX;
    if (want.type_len)
        memcpy(want.type, type.ptr, want.type_len);
    place = place_of(&want);
    for (size_t i = 0; i < PROBES_MAX && !want.child; i++) {
        struct cell *_Atomic *at = &c->cells[(place + i) % INTAKE_COUNTS_CELLS];
        const struct cell *cell = atomic_load_explicit(at, memory_order_acquire);
        if (!cell) {
            want.child = look_up(c, &want);
            remember(at, &want);
        } else if (is_same(cell, &want)) {
            want.child = cell->child;
        }
    }
    if (!want.child)
        want.child = look_up(c, &want);
    metric_add(want.child, 1);
}
