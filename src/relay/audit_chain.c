/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_chain.h"

#include <stdlib.h>
#include <string.h>

struct audit_chain {
    uint64_t *seen; /* words each lane */
    uint64_t *named;
    size_t lanes;
    size_t words;
    int64_t from, end;
};

struct audit_chain *audit_chain_create(size_t lanes, size_t bytes)
{
    struct audit_chain *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->lanes = lanes;
    c->words = lanes ? bytes / (2 * sizeof(uint64_t)) / lanes : 0;
    if (!c->words)
        c->words = 1;
    c->seen = calloc(lanes * c->words + 1, sizeof *c->seen);
    c->named = calloc(lanes * c->words + 1, sizeof *c->named);
    if (!c->seen || !c->named) {
        audit_chain_destroy(c);
        return NULL;
    }
    return c;
}

void audit_chain_destroy(struct audit_chain *c)
{
    if (!c)
        return;
    free(c->seen);
    free(c->named);
    free(c);
}

int64_t audit_chain_capacity(const struct audit_chain *c)
{
    return (int64_t)c->words * 64;
}

void audit_chain_reset(struct audit_chain *c, int64_t from, int64_t end)
{
    CHECK(end - from <= audit_chain_capacity(c));
    /* The first window finds the memory as the system gave it: zero, and untouched. */
    if (c->from) {
        memset(c->seen, 0, c->lanes * c->words * sizeof *c->seen);
        memset(c->named, 0, c->lanes * c->words * sizeof *c->named);
    }
    c->from = from;
    c->end = end;
}

bool audit_chain_covers(const struct audit_chain *c, int64_t seq)
{
    return c->from && seq >= c->from && seq < c->end;
}

static uint64_t *word_of(const struct audit_chain *c, uint64_t *bits, size_t lane, int64_t seq,
                         uint64_t *bit)
{
    uint64_t n = (uint64_t)(seq - c->from);
    CHECK(lane < c->lanes && audit_chain_covers(c, seq));
    *bit = UINT64_C(1) << (n % 64);
    return &bits[lane * c->words + n / 64];
}

bool audit_chain_see(struct audit_chain *c, size_t lane, int64_t seq)
{
    uint64_t bit;
    uint64_t *word = word_of(c, c->seen, lane, seq, &bit);
    bool before = *word & bit;
    *word |= bit;
    return before;
}

void audit_chain_name(struct audit_chain *c, size_t lane, int64_t seq)
{
    uint64_t bit;
    uint64_t *word = word_of(c, c->named, lane, seq, &bit);
    *word |= bit;
}

bool audit_chain_next_hole(const struct audit_chain *c, size_t lane, int64_t *seq)
{
    int64_t from = *seq > c->from ? *seq : c->from;
    CHECK(lane < c->lanes);
    while (audit_chain_covers(c, from)) {
        size_t n = (size_t)(from - c->from), at = lane * c->words + n / 64;
        uint64_t holes = (c->named[at] & ~c->seen[at]) >> (n % 64);
        if (holes) {
            *seq = from + __builtin_ctzll(holes);
            return true;
        }
        from += 64 - (int64_t)(n % 64);
    }
    return false;
}
