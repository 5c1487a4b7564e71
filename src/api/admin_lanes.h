/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_LANES_H
#define RELAY_API_ADMIN_LANES_H

/*
 * The lanes as an operator sees them: what the journal knows, and what the forwarder does with
 * them.
 *
 * Owns: a copy made at one time. Threads: admin http.
 */

#include "api/admin_call.h"
#include "json/json_value.h"
#include "relay/forwarder.h"

struct admin_lane {
    struct journal_lane lane;
    int64_t backlog;
    struct wall oldest; /* received; 0: no backlog */
    size_t in_air;
    const char *state; /* as in forwarder.h; "unknown" when the forwarder does not have it yet */
    char reason[SETTLE_REASON_MAX];
};

struct admin_lanes {
    struct admin_lane *items; /* in the order of their ids */
    size_t count;
    int64_t backlog; /* of all */
    struct wall oldest;
};

/* Fills *out, which is freed with admin_lanes_free() in any case. */
MUST_CHECK enum status admin_lanes_read(struct admin_lanes *out, const struct admin_call *call,
                                        struct err *e);
void admin_lanes_free(struct admin_lanes *lanes);
/* Those that need a look first: not open before open, then the largest backlog. */
void admin_lanes_sort_worst(struct admin_lanes *lanes);
/* How many are in this state. */
int admin_lanes_count(const struct admin_lanes *lanes, const char *state);
/* Adds the first max lanes to an array. */
void admin_lanes_add(const struct admin_lanes *lanes, size_t max, struct json_value *array);

#endif
