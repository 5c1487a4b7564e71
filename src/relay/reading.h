/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_READING_H
#define RELAY_RELAY_READING_H

/*
 * Which rows are read in a turn, and in what order. Internal to the sender; what becomes of a row
 * is the sender's.
 *
 * A lane that is caught up stands at the front. All lanes there are read together, with one query
 * in order of seq, so that a new row costs the same however many lanes there are. Any other lane is
 * behind: it reads its own rows, from its own place, and may lag as far as it likes.
 *
 *   behind ──its own read finds the end──▶ at the front
 *      ◀──it did not take a row, must resend, is not open; a damaged row was met──
 *
 * Owns: the front's place, and whose turn it is. Does not own: lanes, reader. Threads: the
 * forwarder's.
 *
 * Invariant: of a lane at the front, every row up to the front's place was offered to its ring.
 */

#include "relay/lane.h"

struct reading;

/* What became of a row. */
enum reading_answer {
    READING_SENT,    /* it is a record in the air */
    READING_PASSED,  /* nothing is to be sent for it */
    READING_WAITS,   /* not now: it is to be read again */
    READING_REFUSED, /* the same, because the publisher said so */
};

struct reading_opts {
    struct journal_reader *reader; /* must outlive it, as lanes */
    struct lane *const *lanes;     /* that of id N at place N - 1; more are added at the end */
    size_t rows_max;               /* of one lane in a turn */
    size_t bytes_max;              /* of bodies in one read */
    /* How many rows the lane may take now; 0: none. */
    size_t (*wanted)(void *arg, struct lane *lane);
    /* A row of the lane at this place, in the order of lane_ring_read_after(). */
    enum reading_answer (*take)(void *arg, size_t place, const struct journal_row *row);
    void *arg;
};

/* NULL when out of memory. */
struct reading *reading_create(const struct reading_opts *opts);
void reading_destroy(struct reading *r);

struct reading_turn {
    size_t lane_count; /* how many there are */
    size_t room;       /* records that may go */
    size_t sent;       /* out: how many went */
    bool again;        /* out: more could go at once */
};

/*
 * A small slice of each lane that is behind and one of the front, one after the other: a deep
 * backlog in one must not keep the others waiting. All of it sees one state of the journal. The
 * next turn begins with the first lane that the publisher refused, else where this one ended: so a
 * topic that must be alone in a transaction (publisher.h) comes to its own, and none starves behind
 * a bound. Errors are those of journal_reader.h, and final.
 */
MUST_CHECK enum status reading_take_turn(struct reading *r, struct reading_turn *turn,
                                         struct err *e);

#endif
