/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_LANES_H
#define RELAY_RELAY_AUDIT_LANES_H

/*
 * The lanes of one topic as an audit knows them: their cursors from before the topic's ends were
 * taken, what retention took, and the figures that become the report.
 *
 * Owns: the list. Its struct is public because its owner embeds it and walks the list. Lanes that
 * are not wanted are there too: records name them. Threads: one.
 */

#include "relay/audit.h"
#include "relay/audit_record.h"
#include "relay/record.h"

struct audit_lanes_one {
    struct journal_lane in;
    bool is_wanted;
    size_t part;      /* its number among the wanted ones */
    int64_t cursor;   /* before the ends of the topic were taken */
    int64_t floor;    /* rows up to it are judged by the chain */
    int64_t gone_to;  /* rows up to it may have been deleted meanwhile */
    int64_t in_other; /* what was published up to it is elsewhere (audit.h) */
    struct audit_lane out;
};

struct audit_lanes {
    const char *topic;
    const struct audit_opts *opts;
    struct audit_lanes_one *list;
    size_t count;
    size_t wanted;  /* how many of them */
    bool is_pruned; /* a wanted one has deleted rows */
    bool is_first;  /* look */
    size_t recent;  /* the one that was found last */
    enum status st; /* of a look */
};

/* topic and opts are borrowed. Allocates nothing. */
void audit_lanes_init(struct audit_lanes *l, const char *topic, const struct audit_opts *opts);
void audit_lanes_fini(struct audit_lanes *l);

/*
 * Reads the lanes. The first look takes the cursors; a second one, after the ends of the topic were
 * taken, takes what retention did, and lanes that are new: nothing of those is known as published.
 */
MUST_CHECK enum status audit_lanes_look(struct audit_lanes *l, struct err *e);
/* After the last look: numbers the wanted ones, and counts what was parked among the deleted rows.
 */
MUST_CHECK enum status audit_lanes_settle(struct audit_lanes *l, struct err *e);
/* Notes how far retention is now. */
MUST_CHECK enum status audit_lanes_note_gone(struct audit_lanes *l, struct err *e);

/* The lane of a source name. NULL: none. */
struct audit_lanes_one *audit_lanes_find(struct audit_lanes *l, struct slice source);
/* For record_build(); of a source without a lane here the names are empty. */
struct record_origin audit_lanes_origin(const struct audit_lanes *l, int64_t source);

struct audit_comparison {
    bool differs;
    char difference[AUDIT_DIFFERENCE_MAX]; /* the first that does; "" when none */
};
/* Holds a record against its row. ST_NOT_FOUND: the row is deleted. A damaged row differs in
 * nothing. */
MUST_CHECK enum status audit_lanes_compare(const struct audit_lanes *l,
                                           const struct audit_record *record,
                                           struct audit_comparison *out, struct err *e);

/* Whether an event of this received time is asked for. */
bool audit_lanes_is_in_time(const struct audit_lanes *l, struct wall received);

#endif
