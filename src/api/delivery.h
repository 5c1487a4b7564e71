/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_DELIVERY_H
#define RELAY_API_DELIVERY_H

/*
 * Reading one authenticated delivery: from request headers and body to an event, never refusing it
 * (promise P5). What is no Gladly event in plain JSON is marked quarantined, with the reason and
 * its content headers, and keeps its bytes.
 *
 * Threads: re-entrant.
 */

#include "event/envelope.h"
#include "event/route.h"
#include "http/http_server.h"

/* The event's texts live here; the body stays in the request. */
struct delivery {
    struct envelope envelope;
    struct buf text; /* content headers, reason, trace context */
    struct event ev;
};

struct delivery_opts {
    const struct routes *routes;
    size_t record_max; /* bytes of body that still fit into one Kafka record; more is stored and
                          parked */
};

void delivery_init(struct delivery *d);
void delivery_fini(struct delivery *d);

/* Fills d->ev from the complete request. ST_NO_MEM: answer 503. Thread: http. */
MUST_CHECK enum status delivery_read(struct delivery *d, const struct http_req *req,
                                     const struct delivery_opts *opts);

#endif
