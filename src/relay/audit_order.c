/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/ident.h"

struct key {
    uint64_t hash; /* of lane and key; 0: a free place */
    int64_t high;
};

struct audit_order {
    struct ident hash_key;
    size_t lanes;
    int64_t *highs;    /* of each lane in this partition */
    int64_t *suspects; /* their offsets, in order */
    size_t count;
    size_t checked; /* suspects that were met again */
    size_t capacity;
    struct key *keys;
    size_t places; /* a power of two, twice the capacity */
};
_Static_assert(2 * sizeof(struct key) + sizeof(int64_t) == AUDIT_ORDER_BYTES, "the formula");

struct audit_order *audit_order_create(size_t lanes, size_t bytes)
{
    struct audit_order *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->hash_key = ident_random();
    o->lanes = lanes;
    o->places = 4;
    while (o->places * AUDIT_ORDER_BYTES <= bytes)
        o->places *= 2;
    o->capacity = o->places / 2;
    o->highs = calloc(lanes + 1, sizeof *o->highs);
    o->suspects = malloc(o->capacity * sizeof *o->suspects);
    o->keys = calloc(o->places, sizeof *o->keys);
    if (!o->highs || !o->suspects || !o->keys) {
        audit_order_destroy(o);
        return NULL;
    }
    return o;
}

void audit_order_destroy(struct audit_order *o)
{
    if (!o)
        return;
    free(o->highs);
    free(o->suspects);
    free(o->keys);
    free(o);
}

void audit_order_begin(struct audit_order *o)
{
    memset(o->highs, 0, o->lanes * sizeof *o->highs);
    audit_order_clear(o);
}

bool audit_order_pass(struct audit_order *o, size_t lane, int64_t seq)
{
    CHECK(lane < o->lanes);
    if (seq < o->highs[lane])
        return true;
    o->highs[lane] = seq;
    return false;
}

static uint64_t hash_of(const struct audit_order *o, const struct audit_order_record *record)
{
    struct ident key = o->hash_key, digest;
    uint64_t hash, lane = record->lane;
    for (size_t i = 0; i < sizeof lane; i++)
        key.bytes[i] ^= (uint8_t)(lane >> (8 * i));
    digest = ident_digest(&key, record->key);
    memcpy(&hash, digest.bytes, sizeof hash);
    return hash ? hash : 1;
}

/* The key's place, or the free one where it would be. */
static struct key *find(struct audit_order *o, uint64_t hash)
{
    size_t i = (size_t)hash & (o->places - 1);
    while (o->keys[i].hash && o->keys[i].hash != hash)
        i = (i + 1) & (o->places - 1);
    return &o->keys[i];
}

void audit_order_suspect(struct audit_order *o, const struct audit_order_record *record)
{
    uint64_t hash = hash_of(o, record);
    CHECK(o->count < o->capacity);
    o->suspects[o->count++] = record->offset;
    find(o, hash)->hash = hash;
}

bool audit_order_is_full(const struct audit_order *o)
{
    return o->count == o->capacity;
}

int64_t audit_order_end(const struct audit_order *o)
{
    return o->count ? o->suspects[o->count - 1] + 1 : 0;
}

int64_t audit_order_check(struct audit_order *o, const struct audit_order_record *record)
{
    struct key *key = find(o, hash_of(o, record));
    int64_t found = 0;
    /* Suspects that Kafka deleted in between are passed over. */
    while (o->checked < o->count && o->suspects[o->checked] < record->offset)
        o->checked++;
    if (!key->hash)
        return 0;
    if (o->checked < o->count && o->suspects[o->checked] == record->offset &&
        key->high > record->seq)
        found = key->high;
    if (key->high < record->seq)
        key->high = record->seq;
    return found;
}

void audit_order_clear(struct audit_order *o)
{
    if (o->count)
        memset(o->keys, 0, o->places * sizeof *o->keys);
    o->count = 0;
    o->checked = 0;
}
