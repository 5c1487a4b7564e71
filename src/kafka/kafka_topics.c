/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS   10000

/* Twice the entries, a power of two: open addressing stays short. */
#define SLOTS (2 * KAFKA_TOPICS_MAX)

#define TOPIC_NAME_MAX 249

struct topic {
    char *name;
    enum publisher_topic state;
    char reason[KAFKA_TOPIC_REASON_MAX];
    struct mono due; /* meaningless while ready */
    unsigned failures;
};

struct kafka_topics {
    struct topic *entries[KAFKA_TOPICS_MAX];
    uint32_t count;
    uint16_t slots[SLOTS]; /* index + 1; 0 is empty */
};
_Static_assert(KAFKA_TOPICS_MAX < UINT16_MAX, "an index and one fit in a slot");

struct kafka_topics *kafka_topics_create(void)
{
    return calloc(1, sizeof(struct kafka_topics));
}

void kafka_topics_destroy(struct kafka_topics *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->count; i++) {
        free(t->entries[i]->name);
        free(t->entries[i]);
    }
    free(t);
}

static bool is_legal(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > TOPIC_NAME_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* FNV-1a (draft-eastlake-fnv). Names come from the operator: nobody picks them to collide. */
static uint32_t hash(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static uint32_t slot_of(const struct kafka_topics *t, const char *name)
{
    uint32_t slot = hash(name) % SLOTS;
    while (t->slots[slot] && strcmp(t->entries[t->slots[slot] - 1]->name, name) != 0)
        slot = (slot + 1) % SLOTS;
    return slot;
}

enum status kafka_topics_find(struct kafka_topics *t, const char *name, struct mono now,
                              uint32_t *index, struct err *e)
{
    uint32_t slot = slot_of(t, name);
    if (t->slots[slot]) {
        *index = t->slots[slot] - 1u;
        return ST_OK;
    }
    if (!is_legal(name))
        return err_set(e, ST_BAD_INPUT, "Kafka allows no topic of this name");
    if (t->count == KAFKA_TOPICS_MAX)
        return err_set(e, ST_FULL, "there are more than %d topics", KAFKA_TOPICS_MAX);
    struct topic *en = calloc(1, sizeof *en);
    char *copy = strdup(name);
    if (!en || !copy) {
        free(en);
        free(copy);
        return err_set(e, ST_NO_MEM, "topic %s: out of memory", name);
    }
    en->name = copy;
    en->state = PUBLISHER_TOPIC_PENDING;
    en->due = now;
    snprintf(en->reason, sizeof en->reason, "not asked yet");
    *index = t->count++;
    t->entries[*index] = en;
    t->slots[slot] = (uint16_t)(*index + 1);
    return ST_OK;
}

size_t kafka_topics_count(const struct kafka_topics *t)
{
    return t->count;
}

const char *kafka_topics_name(const struct kafka_topics *t, uint32_t index)
{
    return t->entries[index]->name;
}

enum publisher_topic kafka_topics_state(const struct kafka_topics *t, uint32_t index,
                                        const char **reason)
{
    *reason = t->entries[index]->reason;
    return t->entries[index]->state;
}

void kafka_topics_set_ready(struct kafka_topics *t, uint32_t index)
{
    struct topic *en = t->entries[index];
    en->state = PUBLISHER_TOPIC_READY;
    en->reason[0] = '\0';
    en->failures = 0;
}

void kafka_topics_set_failed(struct kafka_topics *t, uint32_t index, enum publisher_topic state,
                             const char *reason, struct mono now)
{
    struct topic *en = t->entries[index];
    int64_t wait_ms = BACKOFF_MAX_MS;
    CHECK(state != PUBLISHER_TOPIC_READY);
    if (en->failures < 6)
        wait_ms = (int64_t)BACKOFF_FIRST_MS << en->failures;
    if (wait_ms > BACKOFF_MAX_MS)
        wait_ms = BACKOFF_MAX_MS;
    en->failures++;
    en->state = state;
    en->due = mono_add_ms(now, wait_ms);
    snprintf(en->reason, sizeof en->reason, "%s", reason);
}

void kafka_topics_set_held(struct kafka_topics *t, uint32_t index, const char *reason,
                           struct mono until)
{
    struct topic *en = t->entries[index];
    en->state = PUBLISHER_TOPIC_PENDING;
    en->due = until;
    snprintf(en->reason, sizeof en->reason, "%s", reason);
}

void kafka_topics_set_unknown(struct kafka_topics *t, struct mono now)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->entries[i]->state == PUBLISHER_TOPIC_READY)
            kafka_topics_set_held(t, i, "being looked up by a new producer", now);
}

bool kafka_topics_due(const struct kafka_topics *t, struct mono now, uint32_t *index,
                      struct mono *next)
{
    const struct topic *best = NULL;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct topic *en = t->entries[i];
        if (en->state == PUBLISHER_TOPIC_READY || (best && en->due.ns >= best->due.ns))
            continue;
        best = en;
        *index = i;
    }
    if (!best)
        return false;
    if (best->due.ns <= now.ns)
        return true;
    *next = best->due;
    return false;
}

bool kafka_topics_next_ready(const struct kafka_topics *t, uint32_t *index)
{
    for (uint32_t n = 1; n <= t->count; n++) {
        uint32_t i = (*index + n) % t->count;
        if (t->entries[i]->state == PUBLISHER_TOPIC_READY) {
            *index = i;
            return true;
        }
    }
    return false;
}
