/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_H
#define RELAY_API_ADMIN_H

/*
 * The admin listener's handler: GET /metrics in Prometheus' text format. It is never on the
 * intake's listener.
 *
 * Threads: handler callbacks on the admin http thread, create and destroy on main.
 */

#include "base/metric.h"
#include "http/http_server.h"

struct admin;

struct admin_opts {
    struct metrics *metrics;
    /* Refreshes gauges before they are rendered; thread: admin http. May be NULL. */
    void (*on_scrape)(void *ctx);
    void *ctx;
};

/* NULL when out of memory. */
struct admin *admin_create(const struct admin_opts *opts);
void admin_destroy(struct admin *a);
struct http_handler admin_handler(struct admin *a);

#endif
