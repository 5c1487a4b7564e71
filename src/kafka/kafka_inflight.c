/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_inflight.h"

#include "base/err.h"

#include <stdlib.h>

#define NONE UINT32_MAX

struct entry {
    struct kafka_record rec;
    uint32_t prev; /* among the open ones */
    uint32_t next; /* among the open ones; in the free list otherwise */
    bool is_open;
};

struct kafka_inflight {
    struct entry *entries;
    uint32_t *of_topic; /* how many open ones a topic has */
    size_t topics;
    size_t count;
    uint32_t first;
    uint32_t last;
    uint32_t free;
};

struct kafka_inflight *kafka_inflight_create(size_t capacity, size_t topics)
{
    CHECK(capacity > 0 && capacity <= 1000000);
    struct kafka_inflight *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->entries = calloc(capacity, sizeof *f->entries);
    f->of_topic = calloc(topics, sizeof *f->of_topic);
    if (!f->entries || !f->of_topic) {
        kafka_inflight_destroy(f);
        return NULL;
    }
    f->topics = topics;
    f->first = f->last = NONE;
    for (size_t i = 0; i < capacity; i++)
        f->entries[i].next = i + 1 < capacity ? (uint32_t)(i + 1) : NONE;
    return f;
}

void kafka_inflight_destroy(struct kafka_inflight *f)
{
    if (!f)
        return;
    free(f->entries);
    free(f->of_topic);
    free(f);
}

bool kafka_inflight_is_full(const struct kafka_inflight *f)
{
    return f->free == NONE;
}

size_t kafka_inflight_count(const struct kafka_inflight *f)
{
    return f->count;
}

size_t kafka_inflight_count_of(const struct kafka_inflight *f, uint32_t topic)
{
    CHECK(topic < f->topics);
    return f->of_topic[topic];
}

uint32_t kafka_inflight_add(struct kafka_inflight *f, const struct kafka_record *rec)
{
    CHECK(f->free != NONE && rec->topic < f->topics);
    uint32_t slot = f->free;
    struct entry *en = &f->entries[slot];
    f->free = en->next;
    *en = (struct entry){.rec = *rec, .prev = f->last, .next = NONE, .is_open = true};
    if (f->last == NONE)
        f->first = slot;
    else
        f->entries[f->last].next = slot;
    f->last = slot;
    f->of_topic[rec->topic]++;
    f->count++;
    return slot;
}

struct kafka_record kafka_inflight_take(struct kafka_inflight *f, uint32_t slot)
{
    struct entry *en = &f->entries[slot];
    CHECK(en->is_open);
    if (en->prev == NONE)
        f->first = en->next;
    else
        f->entries[en->prev].next = en->next;
    if (en->next == NONE)
        f->last = en->prev;
    else
        f->entries[en->next].prev = en->prev;
    en->is_open = false;
    en->next = f->free;
    f->free = slot;
    f->of_topic[en->rec.topic]--;
    f->count--;
    return en->rec;
}

bool kafka_inflight_first(const struct kafka_inflight *f, uint32_t *slot)
{
    *slot = f->first;
    return f->first != NONE;
}
