/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_BACKLOG_H
#define RELAY_API_ADMIN_BACKLOG_H

/*
 * How many events each lane has that Kafka does not have yet. Counting walks an index entry an
 * event: with ten million of them each scrape would cost the forwarder most of a second. So a count
 * that took long is given again, until ADMIN_BACKLOG_SHARE times its cost has passed: whoever asks,
 * and however often, counting takes at most that share of a core.
 *
 * Owns: the last count. Threads: any, each with its own reader.
 */

#include "api/admin_lanes.h"
#include "base/clock.h"

struct admin_backlog;

#define ADMIN_BACKLOG_SHARE 20
/* A count that took less is made anew each time. */
#define ADMIN_BACKLOG_CHEAP_MS 5

/* NULL: out of memory. The clock must outlive it. */
struct admin_backlog *admin_backlog_create(const struct clock *clock);
void admin_backlog_destroy(struct admin_backlog *b);

/* Fills in backlog and oldest of lanes, which are all, in order of id. A lane that is younger than
 * a count that is given again has none. */
MUST_CHECK enum status admin_backlog_fill(struct admin_backlog *b, struct journal_reader *reader,
                                          struct admin_lanes *lanes, struct err *e);

#endif
