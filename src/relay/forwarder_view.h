/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_FORWARDER_VIEW_H
#define RELAY_RELAY_FORWARDER_VIEW_H

/*
 * What other threads may see of the forwarder: a copy that it renews a few times a second. Internal
 * to the forwarder's files; the door is forwarder.h.
 *
 * Owns: the copy and its lock. Threads: publish from the forwarder's, read from any.
 */

#include "relay/forwarder.h"
#include "relay/lane.h"

struct forwarder_view;

/* NULL when out of memory. */
struct forwarder_view *forwarder_view_create(void);
void forwarder_view_destroy(struct forwarder_view *v);

/* Copies the lanes and what is known of Kafka. Out of memory leaves the copy before. */
void forwarder_view_publish(struct forwarder_view *v, struct lane *const *lanes, size_t count,
                            const struct forwarder_kafka_view *kafka);
/* Copies up to max lanes; returns how many there are. */
size_t forwarder_view_lanes(struct forwarder_view *v, struct forwarder_lane_view *out, size_t max);
void forwarder_view_kafka(struct forwarder_view *v, struct forwarder_kafka_view *out);

#endif
