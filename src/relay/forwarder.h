/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_FORWARDER_H
#define RELAY_RELAY_FORWARDER_H

/*
 * From the journal to Kafka: reads each lane in order, hands records to the publisher, and moves
 * the lane's cursor over what Kafka has confirmed (promises P2, P3).
 *
 * Owns: the lanes in memory (lane_ring.h), the settlement under way (settle.h). Does not own: the
 * reader, the publisher, the committer; it writes nothing itself. What is in flight lives in memory
 * only: after a crash everything beyond the cursors is read and sent again.
 *
 * Lanes are independent: each has its own quota in flight, topic state and waiting time; one that
 * waits holds back no other.
 *
 * Repeats are labelled: before a record goes out, its lane's mark is committed at or beyond it.
 * What lies between cursor and mark at a start may be in Kafka already and carries
 * relay-possible-duplicate; so does a record that came back without certainty. At most
 * JOURNAL_MARK_AHEAD records of a lane are labelled needlessly after a crash.
 *
 * Exactly once, when the publisher has transactions: each carries a checkpoint with the place of
 * every lane, and a start goes on from there. The cursor is a copy of it that lags behind. Nothing
 * is labelled but what an at-least-once process of this journal left behind (clearance.h).
 *
 * The cursors belong to one Kafka cluster: when another one answers at the address, publishing
 * stops with an alarm, intake goes on. So it does when a younger relay has taken over, and when the
 * journal is older than the checkpoint.
 *
 * Threads: step, finish and destroy from one thread, the forwarder's; notify from every thread.
 */

#include "base/metric.h"
#include "journal/journal_reader.h"
#include "kafka/publisher.h"
#include "relay/committer.h"
#include "relay/settle.h"

struct forwarder;
struct replays;
struct journal_select;

/* Records of one transaction, when nobody says otherwise: enough that its fixed cost of some tens
 * of milliseconds hardly counts, and far from what transaction.timeout.ms allows. */
#define FORWARDER_TRANSACTION_RECORDS 5000

struct forwarder_opts {
    struct journal_reader *reader;
    struct publisher *publisher;
    struct replays *replays; /* with select; NULL: no replays */
    struct journal_select *select;
    struct committer *committer;
    const struct clock *clock;
    size_t lane_in_flight; /* records of one lane between journal and Kafka */
    size_t read_rows_max;  /* of one lane in one read: bounds the read transaction and the memory */
    size_t read_bytes_max;
    size_t transaction_records_max; /* exactly-once; 0: FORWARDER_TRANSACTION_RECORDS */
    bool bind_cluster;              /* false for the demo broker, whose id is new at each start */
    /*
     * Kafka has confirmed the event; exactly-once, with its transaction committed. On the
     * forwarder's thread, which it must not keep, inside its step. May be NULL.
     */
    void (*on_delivered)(void *arg, int64_t seq);
    void *on_delivered_arg;
    struct metrics *metrics; /* NULL: none */
};

/* Reads journal id and lanes. ST_CORRUPT, ST_NO_MEM. */
MUST_CHECK enum status forwarder_create(struct forwarder **out, const struct forwarder_opts *opts,
                                        struct err *e);
/* Nothing may be under way at the committer (finish). NULL is a no-op. */
void forwarder_destroy(struct forwarder *f);

/* There are new rows, or something changed: wakes a waiting forwarder. Any thread. */
void forwarder_notify(struct forwarder *f);

/* One turn without waiting: reports, new records, settlement. True when it should be called again
 * at once. */
bool forwarder_step(struct forwarder *f);
/* Waits until there is something for step() to do, at most timeout_ms. Not for the simulation. */
void forwarder_wait(struct forwarder *f, int timeout_ms);
/*
 * Stops producing, commits what is in an open transaction, and gives what is in the air up to
 * timeout_ms to be reported and settled, so that a clean restart repeats as little as possible. The
 * committer must still be running.
 */
void forwarder_finish(struct forwarder *f, int timeout_ms);
/* A settlement is under way or due: the simulation drives the committer until this is false. */
bool forwarder_is_settling(const struct forwarder *f);

/* The pauses in the journal changed: they are read anew at the next step. Any thread. */
void forwarder_reload_pauses(struct forwarder *f);

/* ---- what it is doing; any thread; at most VIEW_MS old ---- */

struct forwarder_lane_view {
    int64_t id;
    char org[64];
    char source[64];
    char topic[256];
    int64_t cursor;
    size_t in_air;                  /* records handed to Kafka without a report */
    const char *state;              /* "waits", "open", "paused" */
    char reason[SETTLE_REASON_MAX]; /* why it is not open */
};
/* Copies up to max lanes; returns how many there are. */
size_t forwarder_view(struct forwarder *f, struct forwarder_lane_view *out, size_t max);

/* The longest that a publisher says of itself: a topic's name and reason, and some words. */
#define FORWARDER_STATE_MAX 672

struct forwarder_kafka_view {
    bool connected;
    bool wrong_cluster;              /* these stop publishing, not intake */
    bool fenced;                     /* a younger relay uses the transactional.id */
    bool journal_behind;             /* the journal is older than the checkpoint in Kafka */
    bool checkpoint_missing;         /* its topic is; this one ends when it is made */
    int64_t recovering_s;            /* exactly-once: so long has no producer been able to begin */
    char cluster_id[128];            /* that the cursors belong to; "" until known */
    char state[FORWARDER_STATE_MAX]; /* for people */
};
void forwarder_kafka(struct forwarder *f, struct forwarder_kafka_view *out);

/* A read failed for good (the journal's file is damaged): the reason is in *e; the process should
 * exit. */
bool forwarder_is_dead(const struct forwarder *f, struct err *e);

#endif
