/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_PARKED_H
#define RELAY_JOURNAL_PARKED_H

/*
 * The events that wait for a person, and how that ended (table parked). A row stays for ever: it is
 * the tombstone of what was requeued or discarded. Internal to the room.
 *
 * Owns a statement. Threads: the writer's.
 */

#include "journal/action_note.h"
#include "journal/db.h"

/* Numbers of the table's state column: append only. */
enum parked_state { PARKED_WAITS = 0, PARKED_REQUEUED = 1, PARKED_DISCARDED = 2 };

struct parked;

MUST_CHECK enum status parked_create(struct parked **out, sqlite3 *db, struct err *e);
/* NULL is a no-op. */
void parked_destroy(struct parked *p);

struct parked_event {
    int64_t seq;
    int64_t lane; /* 0: parked at birth */
    struct wall at;
    struct slice reason;
};
/* *is_new: it was not parked before; else nothing changes. */
MUST_CHECK enum status parked_add(struct parked *p, const struct parked_event *event, bool *is_new,
                                  struct err *e);

struct parked_end {
    int64_t seq;
    enum parked_state state; /* not PARKED_WAITS */
    int64_t successor;       /* the row that took its place; 0: none */
    struct wall at;
};
/* Ends the waiting and notes who did it. ST_NOT_FOUND: seq is not waiting. */
MUST_CHECK enum status parked_settle(sqlite3 *db, const struct parked_end *end,
                                     const struct action_by *by, struct err *e);

#endif
