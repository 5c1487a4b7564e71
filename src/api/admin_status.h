/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_STATUS_H
#define RELAY_API_ADMIN_STATUS_H

/*
 * How the relay is: metrics, the status with what is wrong and what helps, the lanes.
 *
 * The backlog's growth is taken from the samples that whoever looks leaves behind (a status, a
 * scrape), and admin_sample() when nobody does.
 *
 * Lanes and backlogs are counted in the journal's index, linear in the backlog: some ten
 * milliseconds a million events.
 *
 * Threads: admin http; sample on main.
 */

#include "api/admin_call.h"

/* The worst lanes in a status; the rest is in the list of all lanes. */
#define ADMIN_STATUS_LANES_MAX 20

/* How far apart samples of the backlog are kept; its growth is taken over a dozen of them. */
#define ADMIN_STATUS_STEP_MS 5000

/* Counts the backlog; only shared and reader of the call are used. */
MUST_CHECK enum status admin_status_sample(const struct admin_call *call, struct err *e);

/* Once, before the first request. Thread: main. */
void admin_status_create_metrics(struct admin_shared *shared);
void admin_status_metrics(struct admin_call *call);
void admin_status_answer(struct admin_call *call);
void admin_status_lanes(struct admin_call *call);

#endif
