/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_LANES_H
#define RELAY_JOURNAL_LANES_H

/*
 * The writer's view of sources and lanes: found by (source, topic), made when a first event needs
 * them. Internal to the room.
 *
 * The last seq of a lane lives here between transactions (it is derived from the rows at open, so
 * it costs no write), and goes back on rollback.
 *
 * Threads: the writer's.
 */

#include "journal/db.h"

struct lanes;

struct lane {
    int64_t id;
    int64_t source;
    char *topic;
    int64_t last_seq;
    int64_t cursor;
    int64_t committed_last_seq; /* what last_seq goes back to */
    bool dirty;
    bool fresh; /* made in the open transaction */
};

MUST_CHECK enum status lanes_create(struct lanes **out, sqlite3 *db, struct err *e);
void lanes_destroy(struct lanes *l);

/* The source's number, inserted when it is new (the org of a known one is updated). Own
 * transaction. ST_FULL: too many. */
MUST_CHECK enum status lanes_source(struct lanes *l, struct slice org, struct slice name,
                                    int64_t *source, struct err *e);
/* The lane of (source, topic); made inside the open transaction when it is new. Borrowed until the
 * next call. */
MUST_CHECK enum status lanes_find(struct lanes *l, int64_t source, struct slice topic,
                                  int64_t first_seq, struct lane **out, struct err *e);
/* By its number; NULL when there is none. */
struct lane *lanes_by_id(struct lanes *l, int64_t id);
/* Whether lanes_find() can succeed: the lane is there, or there may be one more. */
bool lanes_has_room(struct lanes *l, int64_t source, struct slice topic);
/* Notes the lane's newest row. */
void lanes_advance(struct lanes *l, struct lane *lane, int64_t seq);

void lanes_committed(struct lanes *l);
void lanes_rolled_back(struct lanes *l);

#endif
