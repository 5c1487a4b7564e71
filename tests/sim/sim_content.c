/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_content.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES (4u << 20)
/* A body is at most so long; most are far shorter. */
#define BODY_MAX_BYTES 6000
#define ID_SET         10

const char *const sim_content_org[SIM_SOURCES] = {"org-a", "org-a", "org-b"};
const char *const sim_content_source[SIM_SOURCES] = {"main", "second", "third"};
const char *const sim_content_topic[SIM_LOGS] = {"gladly.contact", "gladly.conversation-item",
                                                 "gladly.other", "replayed"};
static const char *const types[SIM_TOPICS] = {"CONTACT/STARTED", "CONVERSATION_ITEM/CREATED",
                                              "TASK/DONE"};
static const char *const keys[SIM_KEYS] = {"", "key-1", "key-2", "key-3", "key-4"};

struct sim_contents {
    struct sim_content list[SIM_CONTENTS_MAX];
    int count;
    char *arena;
    size_t used;
};

struct sim_contents *sim_contents_create(void)
{
    struct sim_contents *c = calloc(1, sizeof *c);
    CHECK(c);
    c->arena = malloc(ARENA_BYTES);
    CHECK(c->arena);
    return c;
}

void sim_contents_destroy(struct sim_contents *c)
{
    if (!c)
        return;
    free(c->arena);
    free(c);
}

void sim_contents_begin(struct sim_contents *c)
{
    c->count = 0;
    c->used = 0;
}

static struct slice keep(struct sim_contents *c, const char *bytes, size_t len)
{
    char *at = c->arena + c->used;
    CHECK(c->used + len <= ARENA_BYTES);
    memcpy(at, bytes, len);
    c->used += len;
    return (struct slice){at, len};
}

/* No two contents share a body: the count is in it. */
static struct slice make_body(struct sim_contents *c, struct sim_rng *rng)
{
    char body[BODY_MAX_BYTES];
    int head = snprintf(body, sizeof body, "{\"n\":%d,\"pad\":\"", c->count);
    size_t pad = sim_rng_chance(rng, 5) ? 1500 + sim_rng_below(rng, 4000) : sim_rng_below(rng, 150);
    size_t len = (size_t)head;
    if (c->used + BODY_MAX_BYTES + 256 > ARENA_BYTES)
        pad = 0;
    memset(body + len, 'a' + c->count % 26, pad);
    len += pad;
    memcpy(body + len, "\"}", 2);
    return keep(c, body, len + 2);
}

static struct slice make_id(struct sim_contents *c, struct sim_rng *rng)
{
    char id[96];
    unsigned draw = sim_rng_below(rng, 100);
    int len;
    if (draw < 10)
        return (struct slice){0};
    if (draw < 25)
        len = snprintf(id, sizeof id, "id-%u", sim_rng_below(rng, ID_SET));
    else if (draw < 30)
        len = snprintf(id, sizeof id, "id-that-is-longer-than-most-of-the-others-are-%032d",
                       c->count);
    else
        len = snprintf(id, sizeof id, "id-f%d", c->count);
    return keep(c, id, (size_t)len);
}

/* Most have a lane; some are PINGs, quarantined, oversize or kept out of Kafka. */
static void choose_shape(struct sim_content *n, struct sim_rng *rng)
{
    unsigned draw = sim_rng_below(rng, 100);
    n->topic = (int)sim_rng_below(rng, SIM_TOPICS);
    n->ev.type = slice_of(types[n->topic]);
    if (draw < 4) {
        n->ev.flags = EVENT_PING;
        n->ev.type = slice_of("PING");
        n->topic = -1;
    } else if (draw < 8) {
        n->ev.flags = EVENT_QUARANTINED;
        n->ev.type = (struct slice){0};
        n->ev.reason = slice_of("no JSON");
        n->ev.content_headers = slice_of("Content-Type: text/plain\n");
        n->topic = -1;
    } else if (draw < 10) {
        n->ev.flags = EVENT_UNROUTED;
        n->topic = -1;
    } else if (draw < 12) {
        n->ev.flags = EVENT_OVERSIZE;
        n->ev.reason = slice_of("larger than Kafka takes");
    } else if (draw < 15) {
        n->kind = SIM_POISON;
    } else if (draw < 16) {
        n->kind = SIM_BIG;
    }
    if (n->topic >= 0)
        n->ev.topic = slice_of(sim_content_topic[n->topic]);
    if (n->ev.flags & EVENT_OVERSIZE)
        n->topic = -1; /* parked at birth, outside every lane */
}

const struct sim_content *sim_contents_fresh(struct sim_contents *c, struct sim_rng *rng)
{
    struct sim_content *n;
    if (c->count == SIM_CONTENTS_MAX)
        return NULL;
    n = &c->list[c->count];
    *n = (struct sim_content){.source = (int)sim_rng_below(rng, SIM_SOURCES)};
    choose_shape(n, rng);
    n->ev.body = make_body(c, rng);
    if (!(n->ev.flags & EVENT_QUARANTINED)) {
        n->ev.id = make_id(c, rng);
        n->key = (int)sim_rng_below(rng, SIM_KEYS);
        n->ev.key = slice_of(keys[n->key]);
    }
    if (sim_rng_chance(rng, 8))
        n->elsewhere = sim_rng_chance(rng, 50) ? SIM_POISON : SIM_BIG;
    if (sim_rng_chance(rng, 10))
        n->ev.trace = slice_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    c->count++;
    return n;
}

const struct sim_content *sim_contents_conflicting(struct sim_contents *c, struct sim_rng *rng,
                                                   const struct sim_content *other)
{
    struct sim_content *n = (struct sim_content *)(uintptr_t)sim_contents_fresh(c, rng);
    if (!n || !other->ev.id.len || n->ev.flags & EVENT_QUARANTINED)
        return n;
    n->source = other->source;
    n->ev.id = other->ev.id;
    n->key = other->key;
    n->ev.key = other->ev.key;
    return n;
}

static int topic_of(const struct event *ev, struct sim_rng *rng)
{
    for (int i = 0; i < SIM_TOPICS; i++)
        if (slice_eq(ev->topic, slice_of(sim_content_topic[i])))
            return i;
    return (int)sim_rng_below(rng, SIM_TOPICS);
}

const struct sim_content *sim_contents_requeued(struct sim_contents *c, struct sim_rng *rng,
                                                const struct sim_content *other, int64_t parent)
{
    struct sim_content *n;
    if (c->count == SIM_CONTENTS_MAX)
        return NULL;
    n = &c->list[c->count++];
    *n = *other;
    n->topic = topic_of(&other->ev, rng);
    n->kind = sim_rng_chance(rng, 70) ? SIM_PLAIN : SIM_POISON;
    n->parent = parent;
    n->ev.topic = slice_of(sim_content_topic[n->topic]);
    n->ev.origin = EVENT_ORIGIN_REQUEUE;
    n->ev.flags &= ~(unsigned)(EVENT_QUARANTINED | EVENT_OVERSIZE);
    return n;
}

bool sim_content_same_id(const struct sim_content *a, const struct sim_content *b)
{
    return a->ev.id.len && slice_eq(a->ev.id, b->ev.id) &&
           strcmp(sim_content_org[a->source], sim_content_org[b->source]) == 0;
}

bool sim_content_repeats(const struct sim_content *a, const struct sim_content *b)
{
    return sim_content_same_id(a, b) && slice_eq(a->ev.body, b->ev.body);
}
