/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_SENDER_H
#define RELAY_RELAY_SENDER_H

/*
 * The lanes at work: opens them, hands their rows (reading.h) to the publisher as records, hears
 * the reports, and moves the cursors. Internal to the forwarder's files; the door is forwarder.h.
 *
 * At least once, a record goes only below its lane's mark, so that what may be a repeat after a
 * crash is known and labelled. Exactly once, there are no marks: a checkpoint says how far Kafka
 * is. There a record that must be parked is a barrier: its lane sends nothing beyond it until the
 * journal has the park, so that no checkpoint ever passes an event that is in neither.
 *
 * Owns: the lanes and their rings. Does not own: reader, publisher, settlement. Threads: the
 * forwarder's.
 */

#include "relay/forwarder.h"
#include "relay/lane.h"
#include "relay/settle.h"

struct sender;

struct sender_opts {
    const struct forwarder_opts *forwarder; /* must outlive the sender, as all below */
    struct settle *settle;
    const char *journal_id;
    int64_t start_seq; /* the newest event when the forwarder began */
    bool is_once;      /* exactly once */
};

/* A record's tag: its lane's place in the table above its serial in the ring. Lanes use the places
 * from 0 to JOURNAL_LANES_MAX - 1; what else is published has places above them. */
#define SENDER_TAG_SERIAL_BITS 48

static inline uint64_t sender_tag(size_t place, uint64_t serial)
{
    return ((uint64_t)place << SENDER_TAG_SERIAL_BITS) | serial;
}

static inline size_t sender_tag_place(uint64_t tag)
{
    return (size_t)(tag >> SENDER_TAG_SERIAL_BITS);
}

/* NULL when out of memory. */
struct sender *sender_create(const struct sender_opts *opts);
void sender_destroy(struct sender *s);

/* There may be new lanes, and new rows in all of them. */
void sender_look(struct sender *s);
/* Reads which lanes are paused. */
void sender_read_pauses(struct sender *s);
/*
 * What a paused lane still has in the air waits in the client library for a broker. After a grace
 * time the publisher gives everything back, other lanes send theirs again, and what is paused stays
 * here.
 */
void sender_recall_paused(struct sender *s);

/* A report on a lane's record. */
void sender_on_report(struct sender *s, const struct publisher_report *report);
/* The journal has this cursor and mark of a lane (settle_listener). */
void sender_on_settled(struct sender *s, int64_t lane, int64_t cursor, int64_t mark);

/* Moves the cursors over what is finished. */
void sender_advance(struct sender *s);
/* One turn of reading, at most room records. Returns how many went; *again: more could go at once.
 */
size_t sender_send(struct sender *s, size_t room, bool *again);
/* Records of lanes without a report. */
size_t sender_in_air(const struct sender *s);
/* Something will change without a wake-up. */
bool sender_must_look_again(const struct sender *s);

/* ---- the lanes for others ---- */

struct lane *const *sender_lanes(const struct sender *s, size_t *count);
/* What was in Kafka when the process began: the cursor goes up to seq. Nothing of the lane may have
 * been sent. */
void sender_adopt(struct sender *s, int64_t lane, int64_t seq);
/* The lanes' places in a checkpoint, in order of lane; returns how many. out: at least
 * JOURNAL_LANES_MAX. */
size_t sender_positions(const struct sender *s, struct publisher_position *out);
/* Some lane has rows left that an at-least-once process may have sent. */
bool sender_may_repeat(const struct sender *s);
/* What lies beyond the cursors was sent by nobody: nothing is labelled. */
void sender_forget_repeats(struct sender *s);
/* All that was in the journal when the process began may have been sent: it is labelled, and noted
 * as such with the next settlement. */
void sender_suspect_all(struct sender *s);

/* A read failed for good, or memory ended: the reason is in *e (may be NULL). */
bool sender_is_dead(const struct sender *s, struct err *e);

#endif
