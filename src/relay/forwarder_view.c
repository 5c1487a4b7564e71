/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/forwarder_view.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/lock.h"

struct forwarder_view {
    struct lock *lock; /* protects all below */
    struct forwarder_lane_view *lanes;
    size_t count;
    size_t cap;
    struct forwarder_kafka_view kafka;
};

struct forwarder_view *forwarder_view_create(void)
{
    struct forwarder_view *v = calloc(1, sizeof *v);
    if (v)
        v->lock = lock_create();
    return v;
}

void forwarder_view_destroy(struct forwarder_view *v)
{
    if (!v)
        return;
    lock_destroy(v->lock);
    free(v->lanes);
    free(v);
}

static bool make_room(struct forwarder_view *v, size_t count)
{
    size_t cap = v->cap ? v->cap : 32;
    struct forwarder_lane_view *lanes;
    if (count <= v->cap)
        return true;
    while (cap < count)
        cap *= 2;
    lanes = realloc(v->lanes, cap * sizeof *lanes);
    if (!lanes)
        return false;
    v->lanes = lanes;
    v->cap = cap;
    return true;
}

static void copy_lane(struct forwarder_lane_view *out, const struct lane *lane)
{
    *out = (struct forwarder_lane_view){.id = lane->info.id,
                                        .cursor = lane->cursor,
                                        .in_air = lane_ring_in_air(lane->ring),
                                        .state = lane_state_name(lane->state)};
    snprintf(out->org, sizeof out->org, "%s", lane->info.org);
    snprintf(out->source, sizeof out->source, "%s", lane->info.source_name);
    snprintf(out->topic, sizeof out->topic, "%s", lane->info.topic);
    snprintf(out->reason, sizeof out->reason, "%s", lane->reason);
}

void forwarder_view_publish(struct forwarder_view *v, struct lane *const *lanes, size_t count,
                            const struct forwarder_kafka_view *kafka)
{
    lock_take(v->lock);
    v->kafka = *kafka;
    if (make_room(v, count)) {
        v->count = count;
        for (size_t i = 0; i < count; i++)
            copy_lane(&v->lanes[i], lanes[i]);
    }
    lock_give(v->lock);
}

size_t forwarder_view_lanes(struct forwarder_view *v, struct forwarder_lane_view *out, size_t max)
{
    lock_take(v->lock);
    size_t count = v->count;
    for (size_t i = 0; i < count && i < max; i++)
        out[i] = v->lanes[i];
    lock_give(v->lock);
    return count;
}

void forwarder_view_kafka(struct forwarder_view *v, struct forwarder_kafka_view *out)
{
    lock_take(v->lock);
    *out = v->kafka;
    lock_give(v->lock);
}
