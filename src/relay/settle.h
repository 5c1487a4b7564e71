/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_SETTLE_H
#define RELAY_RELAY_SETTLE_H

/*
 * What the forwarder wants written: cursors that moved and events to park, as one job of the
 * committer. One settlement is under way at a time; what comes meanwhile gathers and goes with the
 * next. A settlement that did not commit goes again: cursors only grow and parking twice is parking
 * once.
 *
 * Threads: all functions from the forwarder's thread; the job itself runs on the committer's.
 */

#include "base/wakeup.h"
#include "journal/replays.h"
#include "relay/committer.h"

#define SETTLE_PARKS_MAX    256 /* parked events in one settlement; more wait for the next */
#define SETTLE_REASON_MAX   256 /* as long as a publisher's reason for a topic */
#define SETTLE_DELIVERY_MAX 32

struct settle;

/* wakeup is signalled when a settlement ended; both must outlive it. */
MUST_CHECK enum status settle_create(struct settle **out, struct committer *committer,
                                     const struct wakeup *wakeup, struct err *e);
/* Nothing may be under way. NULL is a no-op. */
void settle_destroy(struct settle *s);

/* The lane is published or parked up to seq. */
void settle_cursor(struct settle *s, int64_t lane, int64_t seq);
/* False: no room for more parked events until the next settlement is through. */
bool settle_park(struct settle *s, int64_t lane, int64_t seq, const char *reason);
/* Records of the lane up to seq may be handed to Kafka once this is committed. */
void settle_mark(struct settle *s, int64_t lane, int64_t seq);
/* Kafka's cluster id, to be kept. */
void settle_cluster(struct settle *s, const char *cluster_id);
/* How records are sent from now on (clearance.h), to be kept; less than SETTLE_DELIVERY_MAX bytes.
 */
void settle_delivery(struct settle *s, const char *delivery);
/* Everything that open replays still send may be a repeat (replays_suspect): noted with what was
 * gathered. */
void settle_suspect_replays(struct settle *s);
/* How far a replay is; the latest counts. False: that of another replay waits to be written. */
bool settle_replay(struct settle *s, const struct replays_progress *progress);

/* Hands over what gathered, unless one is under way, one waits to be taken, there is nothing, or
 * one failed just now. Never blocks. */
void settle_submit(struct settle *s, struct mono now);
/* Who wants to know what is committed. */
struct settle_listener {
    /* Of one lane; 0: it was not in this settlement. */
    void (*on_lane)(void *arg, int64_t lane, int64_t cursor, int64_t mark);
    void (*on_delivery)(void *arg);
    /* Events were parked: there may be new rows, and a new lane (journal_set_dead_letters). May be
     * NULL. */
    void (*on_parked)(void *arg);
    void *arg;
};
/*
 * After a settlement committed, once: tells what was in it. Until then nothing may be produced
 * beyond the mark before, and no park counts as made.
 */
void settle_take(struct settle *s, const struct settle_listener *listener);
/* settle_take() also calls on_replay for the progress of a replay that is committed. NULL: nobody
 * listens. */
void settle_listen_replay(struct settle *s,
                          void (*on_replay)(void *arg, const struct replays_progress *progress),
                          void *arg);
/* Whether a settlement is under way, or one waits to be. */
bool settle_is_pending(const struct settle *s);
bool settle_is_under_way(const struct settle *s);

#endif
