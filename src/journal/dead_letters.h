/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_DEAD_LETTERS_H
#define RELAY_JOURNAL_DEAD_LETTERS_H

/*
 * The copy that a parked event leaves for a dead-letter topic: which sources want one, and what it
 * says. Internal to the room; journal.c gives it a place.
 *
 * A copy has the event's key, id, type, body and trace; its event time is the timestamp that the
 * event's own record would have had, its received time is when it was parked, so that received
 * times go on growing with seqs. What is too large, or damaged, is left out of it, and it says so.
 *
 * Guard: a copy is copied again once only, without its body, when its topic refused it. So what is
 * parked leaves at most two rows more.
 *
 * Owns: the wishes of each source, a statement, the text of the last copy. Does not own: routes and
 * metrics. Threads: the writer's.
 */

#include "journal/journal.h"
#include "journal/row.h"

struct dead_letters;

MUST_CHECK enum status dead_letters_create(struct dead_letters **out, sqlite3 *db, struct err *e);
/* NULL is a no-op. */
void dead_letters_destroy(struct dead_letters *d);

void dead_letters_set(struct dead_letters *d, int64_t source,
                      const struct journal_dead_letters *to);
/* Whether copies are made of this source's events. */
bool dead_letters_is_wanted(const struct dead_letters *d, int64_t source);

/* A row that is parked. */
struct dead_letters_parked {
    struct row row;
    bool is_intact; /* its checksum holds; else nothing of it but seq and source is believed */
    struct slice reason;
};

/* Reads the row of seq; its slices are valid until the next call or the transaction's end.
 * ST_NOT_FOUND. */
MUST_CHECK enum status dead_letters_read(struct dead_letters *d, int64_t seq,
                                         struct dead_letters_parked *out, struct err *e);

/*
 * Fills the parent and the event of *copy, with its topic; the topic stays empty when there is to
 * be none. It borrows from parked, and from d until the next call. ST_NO_MEM.
 */
MUST_CHECK enum status dead_letters_make(struct dead_letters *d,
                                         const struct dead_letters_parked *parked, struct wall now,
                                         struct row *copy, struct err *e);

/* One copy more in the open transaction, and how that ended: only what is committed is counted. */
void dead_letters_note(struct dead_letters *d, int64_t source);
void dead_letters_committed(struct dead_letters *d);
void dead_letters_rolled_back(struct dead_letters *d);

#endif
