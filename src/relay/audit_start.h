/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_START_H
#define RELAY_RELAY_AUDIT_START_H

/*
 * Where the reading of a topic may begin when an audit asks only for events since some time, so
 * that the last hour of a large topic is quick.
 *
 * A record's timestamp is the event's own time (event_record_time()), which may be long before the
 * event was received, so the time that is asked for says nothing about offsets. The journal does:
 * the earliest timestamp among the rows that were received since then is a bound below which none
 * of their records lies, and a broker finds the first record at or above a timestamp exactly. Where
 * the topic has Kafka's own timestamps (LogAppendTime) they are later than that by nature; the
 * margin covers clocks that differ.
 *
 * The start is late only when no event that retention took can have been received since then. What
 * was found to be missing from a late start on is looked for in the whole topic before it is told
 * (audit_topic.c).
 *
 * Owns: an offset for each partition. Threads: one.
 */

#include "relay/audit_lanes.h"

#define AUDIT_START_MARGIN_US (INT64_C(3600) * 1000000)

struct audit_start;

/* NULL when out of memory. */
struct audit_start *audit_start_create(int partitions);
/* NULL is a no-op. */
void audit_start_destroy(struct audit_start *s);

/* Looks at the rows of the wanted lanes up to last_seq and asks for the offsets; the topic is open.
 * What the doors say. */
MUST_CHECK enum status audit_start_find(struct audit_start *s, const struct audit_lanes *lanes,
                                        int64_t last_seq, struct err *e);

/* Whether it begins behind the beginning of the topic. */
bool audit_start_is_late(const struct audit_start *s);
/* The first offset of a partition to read; 0 unless it is late. */
int64_t audit_start_offset(const struct audit_start *s, int partition);
/* Rows up to this seq need not be looked at; 0 unless it is late. */
int64_t audit_start_after(const struct audit_start *s);

#endif
