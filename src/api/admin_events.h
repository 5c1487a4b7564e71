/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_EVENTS_H
#define RELAY_API_ADMIN_EVENTS_H

/* Looking at events, at parked events and at what operators did. Threads: admin http. */

#include "api/admin_call.h"

/* The most entries of one list. */
#define ADMIN_LIST_MAX 1000

void admin_events_list(struct admin_call *call);
void admin_events_show(struct admin_call *call);
void admin_events_parked(struct admin_call *call);
void admin_events_parked_one(struct admin_call *call);
void admin_events_actions(struct admin_call *call);

#endif
