/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_PLACE_H
#define RELAY_RELAY_AUDIT_PLACE_H

/*
 * What Kafka may have deleted of a topic: the rule "Expired" of audit.h.
 *
 * Owns: where each partition begins, and the lowest seq of each lane that is there in each. It all
 * belongs to one pass, since Kafka goes on deleting. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct audit_place;

/* NULL: out of memory. */
struct audit_place *audit_place_create(size_t lanes, int partitions);
void audit_place_destroy(struct audit_place *p);

/* A pass begins. */
void audit_place_begin(struct audit_place *p);
/* A record is there. */
void audit_place_see(struct audit_place *p, size_t lane, int partition, int64_t seq);
/* Where the partition begins, after it was read. */
void audit_place_begins_at(struct audit_place *p, int partition, int64_t low);

/* Whether an event without a record may have been deleted by Kafka, when it was in this partition;
 * -1: in any. */
bool audit_place_may_be_expired(const struct audit_place *p, size_t lane, int64_t seq,
                                int partition);

#endif
