/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_SOURCE_ROUTES_H
#define RELAY_API_SOURCE_ROUTES_H

/*
 * The routes of a configured source: of its events, and of the copies that parked ones leave.
 *
 * Keeps no state. Threads: re-entrant.
 */

#include "conf/conf.h"
#include "event/route.h"

/* ST_BAD_INPUT: a topic is not legal; the text names it. ST_NO_MEM. */
MUST_CHECK enum status source_routes_create(struct routes **out, const struct conf_source *conf,
                                            struct err *e);
/* Of its dead letters; *out is NULL when it has no dead_letter_topic. As above; ST_BAD_INPUT also
 * when a dead letter could come to a topic of the source's events. */
MUST_CHECK enum status source_routes_dead_letters(struct routes **out,
                                                  const struct conf_source *conf,
                                                  const struct routes *events, struct err *e);

/* A conf_dead_letter_check_fn. */
MUST_CHECK enum status source_routes_check(const struct conf_source *conf, struct err *e);

#endif
