/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_REPLAYER_H
#define RELAY_RELAY_REPLAYER_H

/*
 * Publishes stored events again: runs the replay whose turn it is (journal/replays.h), one at a
 * time.
 *
 * Owns: what that replay has in the air. Does not own: the parts in its options. It has no thread:
 * it is a step function on the forwarder's.
 *
 * A replay waits, with its reason in the journal, while its target topic is not ready, while a
 * pause covers the lane of its next event, and while that event has not been published for the
 * first time. Records that Kafka refuses are counted, and it goes on.
 *
 * At least once, a record goes only below the replay's committed mark: what lies between position
 * and mark at a start may be in Kafka already and carries relay-possible-duplicate. Exactly once,
 * there are no marks: the checkpoint in Kafka says how far it is.
 *
 * Leaving a replay (it is over, paused, cancelled, or an older one runs again) waits until nothing
 * of it is in the air and its progress is committed; only then the next one begins.
 *
 * Threads: the forwarder's, all functions.
 */

#include "base/metric.h"
#include "journal/journal_select.h"
#include "kafka/publisher.h"
#include "relay/settle.h"

struct replayer;

/* The tags of its records: no lane has this place. */
#define REPLAYER_TAG ((uint64_t)0xFFFF << 48)

struct replayer_opts {
    struct replays *replays; /* all of these must outlive the replayer */
    struct journal_select *select;
    struct publisher *publisher;
    struct settle *settle;
    const struct clock *clock;
    const char *journal_id;
    size_t in_flight;        /* records between journal and Kafka, 1 to 2^19 */
    struct metrics *metrics; /* NULL: none */
    bool transactional;      /* exactly once */
};

/* Listens to the settlement (settle_listen_replay). ST_NO_MEM. */
MUST_CHECK enum status replayer_create(struct replayer **out, const struct replayer_opts *opts,
                                       struct err *e);
/* NULL is a no-op. */
void replayer_destroy(struct replayer *r);

/* Replays or pauses in the journal changed: they are read anew at the next step. */
void replayer_reload(struct replayer *r);

/*
 * One turn without waiting: sends at most room records (0: none, only settles what is done). The
 * reports of the turn come before it, settle_submit() after it. True: more could go at once.
 */
bool replayer_step(struct replayer *r, size_t room);
/* A report whose tag has REPLAYER_TAG; serial is the rest of the tag. */
void replayer_report(struct replayer *r, uint64_t serial, const struct publisher_report *report);

/*
 * Exactly once: the place for a checkpoint, after the records that are in the air. False: no replay
 * runs.
 */
bool replayer_position(const struct replayer *r, struct publisher_position *out);
/*
 * Exactly once, before the first step: Kafka has everything of this replay up to seq. Those rows
 * count as published and are not sent, unless the journal's replay of that number is another one: a
 * backup that is put back gives numbers anew. Of several replays the journal's own position holds
 * for all but the last one adopted: leaving a replay commits it. When it is not the adopted one's
 * turn, the journal gets its place before another one begins.
 */
void replayer_adopt(struct replayer *r, const struct publisher_position *position);

/* Records without a report. */
size_t replayer_in_air(const struct replayer *r);
/* Its progress is not committed yet. */
bool replayer_is_settling(const struct replayer *r);
/* Milliseconds until step() has something to do by itself; -1: only a report, a settlement or a
 * reload brings it on. */
int replayer_wait_ms(const struct replayer *r);
/* A read failed for good (the journal's file is damaged): the reason is in *e; the process should
 * exit. */
bool replayer_is_dead(const struct replayer *r, struct err *e);

#endif
