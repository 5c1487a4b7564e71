/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_STATUS_H
#define RELAY_API_ADMIN_STATUS_H

/*
 * How the relay is: metrics, the status with what is wrong and what helps, the lanes.
 *
 * Lanes and backlogs are counted in the journal's index, linear in the backlog: some ten
 * milliseconds a million events.
 *
 * Threads: admin http.
 */

#include "api/admin_call.h"

/* The worst lanes in a status; the rest is in the list of all lanes. */
#define ADMIN_STATUS_LANES_MAX 20

/* Once, before the first request. Thread: main. */
void admin_status_create_metrics(struct admin_shared *shared);
void admin_status_metrics(struct admin_call *call);
void admin_status_answer(struct admin_call *call);
void admin_status_lanes(struct admin_call *call);

#endif
