/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_CHECKPOINT_H
#define RELAY_KAFKA_KAFKA_CHECKPOINT_H

/*
 * The checkpoint record: where the last committed transaction of a journal left each of its feeds.
 *
 * It stands on a compacted topic of the journal's own, one partition, keyed by the journal's id,
 * and is text so that a person can read it:
 *
 *     gladly-relay-checkpoint 2
 *     journal 9b2c...
 *     generation 7
 *     number 1812
 *     1 40187          feed and seq, one line each, in order of feed; a replay's feed is negative
 *     2 40211 39187233 and a check, where there is one (publisher.h)
 *
 * generation grows by one with each process that takes over, number with each transaction that
 * carries events. A reader therefore knows whether a certain transaction was committed, and whether
 * somebody younger is at work. Version 1 had no checks; it is still read.
 *
 * Threads: re-entrant; kafka_checkpoint_read blocks.
 */

#include "base/buf.h"
#include "kafka/kafka_property.h"
#include "kafka/publisher.h"

struct kafka_checkpoint {
    char journal[64];
    uint64_t generation; /* 0: there is no checkpoint */
    uint64_t number;
    struct publisher_position *positions; /* PUBLISHER_POSITIONS_MAX places, of the owner */
    size_t count;
};

/* Makes room for the positions. ST_NO_MEM. */
MUST_CHECK enum status kafka_checkpoint_init(struct kafka_checkpoint *c, struct err *e);
void kafka_checkpoint_fini(struct kafka_checkpoint *c);
/* Copies values; both have their room. */
void kafka_checkpoint_copy(struct kafka_checkpoint *to, const struct kafka_checkpoint *from);

/* The longest text, with its NUL. */
#define KAFKA_CHECKPOINT_TEXT_MAX (256 + PUBLISHER_POSITIONS_MAX * 53)

/* Writes the text into out, which has KAFKA_CHECKPOINT_TEXT_MAX bytes. */
struct slice kafka_checkpoint_format(const struct kafka_checkpoint *c, char *out);
/* ST_BAD_INPUT: it is none, with the reason. */
MUST_CHECK enum status kafka_checkpoint_parse(struct slice text, struct kafka_checkpoint *out,
                                              struct err *e);

struct kafka_checkpoint_source {
    const struct kafka_property *properties;
    size_t property_count;
    const char *topic;
    const char *journal_id;
    int timeout_ms;
};
/*
 * The newest committed checkpoint of the topic; generation 0 when there is none. Reads the topic's
 * tail, further back each time it finds nothing. ST_DENIED: the topic holds another journal's; what
 * else it says is worth another try.
 */
MUST_CHECK enum status kafka_checkpoint_read(const struct kafka_checkpoint_source *from,
                                             struct kafka_checkpoint *out, struct err *e);

#endif
