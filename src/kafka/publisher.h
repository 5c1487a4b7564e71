/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_PUBLISHER_H
#define RELAY_KAFKA_PUBLISHER_H

/*
 * The door through which the forwarder reaches Kafka. kafka_publisher.h is the real one
 * (librdkafka); the simulation passes a model that delays, fails and forgets.
 *
 * "Queued" is no state (promise P2): a record counts only when its report says so.
 *
 * Threads: every operation from the forwarder's thread only; reports are delivered inside poll().
 */

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct publisher_header {
    const char *name;
    struct slice value;
};

#define PUBLISHER_HEADERS_MAX 24

struct publisher_record {
    const char *topic;
    struct slice key; /* ptr NULL: a record without key */
    struct slice value;
    const struct publisher_header *headers;
    size_t header_count; /* <= PUBLISHER_HEADERS_MAX */
    struct wall timestamp;
    uint64_t tag; /* comes back in the report */
};

enum publisher_outcome {
    PUBLISHER_DELIVERED, /* acknowledged by all in-sync replicas */
    PUBLISHER_RETRY, /* not delivered, or not known; produce it again (after a fatal error, a purge)
                      */
    PUBLISHER_REJECTED, /* Kafka will never take this record as it is (too large, invalid): park it
                         */
    PUBLISHER_DENIED,   /* not allowed now (authorization): the topic is pending for a while, then
                           the lane tries again */
};

struct publisher_report {
    uint64_t tag;
    enum publisher_outcome outcome;
    int32_t partition;
    int64_t offset;     /* -1 when unknown */
    bool surely_absent; /* with PUBLISHER_RETRY and _DENIED: Kafka does not have it, so its repeat
                           is none */
    const char *reason; /* for people; NULL when delivered */
};

/*
 * Exactly-once: where a transaction leaves every feed of one journal. It travels in Kafka, inside
 * the transaction, as one record on a compacted topic (KIP-618's pattern), and is what a start
 * continues from.
 */
struct publisher_position {
    int64_t feed; /* a lane's id; a replay's id negated */
    int64_t seq;  /* of the feed's last record in Kafka */
    /*
     * What tells this journal from an older copy of it that was put back and has since grown other
     * events with the same seqs; 0: unknown. Of a lane, the checksum of the row with that seq; one
     * lane has it, that with the newest seq, because a journal that has this row has all before it.
     * Of a replay, what was made of its birth.
     */
    uint32_t check;
};

struct publisher_checkpoint {
    const struct publisher_position *positions; /* in order of feed */
    size_t count;                               /* <= PUBLISHER_POSITIONS_MAX */
};

#define PUBLISHER_POSITIONS_MAX 8200

/* Whether a transactional publisher can work. */
enum publisher_standing {
    PUBLISHER_RECOVERING, /* init_transactions, or the checkpoint is being read */
    PUBLISHER_TOPICLESS,  /* the checkpoint's topic is missing, and may not or cannot be created;
                             RECOVERING follows by itself when it is there */
    PUBLISHER_ABLE,
    PUBLISHER_FENCED, /* a younger instance has taken over; this one publishes nothing more, and
                         what it was committing gets no report */
};

/* The state of a topic as a lane sees it. */
enum publisher_topic {
    PUBLISHER_TOPIC_READY,
    PUBLISHER_TOPIC_PENDING, /* being looked up or created, or no broker can be asked */
    PUBLISHER_TOPIC_MISSING, /* it does not exist and may not or cannot be created; asked again by
                                itself */
};

struct publisher;

struct publisher_ops {
    /*
     * The topic's state; starts looking for (or creating) it on the first call. *reason (borrowed
     * until the next call) says why it is not ready. Never blocks.
     */
    enum publisher_topic (*topic)(struct publisher *p, const char *topic, const char **reason);
    /*
     * Queues one record; its bytes are copied before it returns. ST_FULL: the queue is full, poll
     * and try again. ST_AGAIN: not now: the topic is not ready, or goes one record at a time after
     * a refusal, or the producer is being recreated; wait_fd becomes readable when that changes,
     * and other topics may still be served. ST_TOO_BIG: over the configured message limit.
     *
     * After a report other than DELIVERED, ST_AGAIN is the answer for every topic until each record
     * in flight has its report. So a lane that then goes on from its first record without DELIVERED
     * or REJECTED keeps the order, and produces nothing that is still under way.
     */
    enum status (*produce)(struct publisher *p, const struct publisher_record *rec, struct err *e);
    /*
     * Delivers all reports that are ready to on_report(arg, ...), which must not call the
     * publisher, and recreates the producer after a fatal error: then every record without a report
     * gets PUBLISHER_RETRY first. Never blocks. Returns how many reports were delivered. One call a
     * wake-up is enough: it clears the descriptor before it empties the queue.
     */
    size_t (*poll)(struct publisher *p,
                   void (*on_report)(void *arg, const struct publisher_report *), void *arg);
    /* Waits up to timeout_ms until everything queued is reported (on_report as in poll). */
    void (*flush)(struct publisher *p, int timeout_ms,
                  void (*on_report)(void *arg, const struct publisher_report *), void *arg);
    /*
     * Everything without a report comes back as PUBLISHER_RETRY from a next poll, as after a fatal
     * error: so that nothing queued goes out after a pause. NULL: the implementation queues
     * nothing.
     */
    void (*abandon)(struct publisher *p);
    /*
     * Exactly-once only, NULL at a publisher of the other kind. Where the publisher stands. ABLE
     * fills *last with the checkpoint that the last committed transaction of this journal carried
     * (count 0: there was none); borrowed until the next call of commit or poll. Never blocks.
     */
    enum publisher_standing (*standing)(struct publisher *p, struct publisher_checkpoint *last);
    /*
     * Exactly-once only. The first produce() after an outcome opens a transaction; commit() ends it
     * with this checkpoint (copied) inside. Until its outcome is known produce() says ST_AGAIN.
     * The outcome comes as the reports of its records, in one poll, and it is always definite:
     * all DELIVERED; or none is in the feed of a read_committed consumer, and each is RETRY with
     * surely_absent, but for the records because of which the transaction failed: those may be
     * REJECTED or DENIED, with surely_absent. An unknown outcome is resolved before it is reported:
     * producer anew, init_transactions, checkpoint read back. A transaction that fails before
     * commit() was called is reported in the same way. Never blocks. ST_AGAIN: there is no open
     * transaction (it failed, its reports come with a poll).
     *
     * After a failure, a topic that is suspected of it gets ST_AGAIN from produce() while the open
     * transaction holds another topic's records, and the other way round: so it is probed alone and
     * holds back no other.
     */
    enum status (*commit)(struct publisher *p, const struct publisher_checkpoint *cp,
                          struct err *e);
    /* Readable when poll has something to do, or a topic or the connection changed; the same
     * descriptor as long as p. -1 when there is no such descriptor. */
    int (*wait_fd)(struct publisher *p);
    /* The cluster's id once known, else NULL; lives as long as p. Another pointer means that
     * another cluster answers at the address now; its topics never turn ready. */
    const char *(*cluster_id)(struct publisher *p);
    /* One line about the connection for people ("connected", "no broker reachable: ..."); borrowed
     * until the next call. */
    const char *(*state)(struct publisher *p, bool *connected);
    /* Records without a report get none. Bounded in time, whatever the brokers do. */
    void (*destroy)(struct publisher *p);
};

/* An implementation embeds this as its first member. */
struct publisher {
    const struct publisher_ops *ops;
};

#endif
