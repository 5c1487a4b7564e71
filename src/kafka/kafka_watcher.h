/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_WATCHER_H
#define RELAY_KAFKA_KAFKA_WATCHER_H

/*
 * Everything about Kafka that may block, on a thread of its own: making and ending the librdkafka
 * client, asking whether topics are ready, creating missing ones, and noticing whether a broker
 * answers.
 *
 * Owns: the client, the topic table, the thread. Does not own: records and their reports; polling
 * the client is the publisher's. Threads: create, destroy and the rest from the publisher's thread;
 * none but create and destroy blocks. One mutex guards the state; it is never held during a call
 * that waits for the network.
 *
 * Invariants: only the watcher's thread ends a client, and only after the publisher retired it, so
 * neither thread can meet a freed client. A new client is made after the old one is gone: its
 * connections are closed, and nothing that it still had to send follows what the new one sends
 * (except what the broker has already received). One client serves producing, metadata and
 * administration: one set of connections, one identity, and the producer's metadata is warm when a
 * topic becomes ready.
 */

#include "base/wakeup.h"
#include "kafka/kafka_topics.h"

#include <librdkafka/rdkafka.h>

struct kafka_watcher;

struct kafka_watcher_opts {
    const rd_kafka_conf_t *conf; /* copied for each client; lives as long as the watcher */
    bool create_topics;
    int partitions;              /* of topics created here; -1: the broker's default */
    int replication_factor;      /* likewise */
    const char *compacted_topic; /* made with one partition and compacted; NULL: none */
    bool needs_all_leaders;      /* a topic with a partition that has none is not ready; looked
                                    at each second */
    const struct wakeup *wake;   /* signalled when a topic, the connection or the client changed */
};

/* Makes the first client and starts the thread. ST_BAD_INPUT: librdkafka refuses the
 * configuration; ST_NO_MEM. */
MUST_CHECK enum status kafka_watcher_create(struct kafka_watcher **out,
                                            const struct kafka_watcher_opts *opts, struct err *e);

/*
 * Ends the thread and the client; records that the client still holds are forgotten. Waits for a
 * question under way, at most KAFKA_WATCHER_ASK_MS, and for librdkafka's threads, which end at once
 * unless one is inside the resolver.
 */
void kafka_watcher_destroy(struct kafka_watcher *w);

/* How long one question waits for its answer, and so the longest delay of a stop. */
#define KAFKA_WATCHER_ASK_MS 2000

/* The present client, NULL while there is none. It stays valid until it is retired. */
rd_kafka_t *kafka_watcher_client(struct kafka_watcher *w);

/* Gives the client back: it is ended, and a new one made delay_ms later. Ready topics become
 * pending until the new client knows them. */
void kafka_watcher_retire(struct kafka_watcher *w, int delay_ms);

/* Signals opts.wake at that time (once; a later call replaces an earlier one). */
void kafka_watcher_alarm(struct kafka_watcher *w, struct mono when);

/*
 * The topic's state, index and reason ("" when ready); starts looking on the first call. A name
 * that cannot be a topic's is MISSING, with index UINT32_MAX.
 */
enum publisher_topic kafka_watcher_topic(struct kafka_watcher *w, const char *name, uint32_t *index,
                                         char reason[KAFKA_TOPIC_REASON_MAX]);

/* The topic is not used for hold_ms (0: asked again at once), for this reason. */
void kafka_watcher_hold(struct kafka_watcher *w, uint32_t topic, const char *reason, int hold_ms);

/* What the client says about its brokers: is_down when no broker is connected, else only a reason
 * to show in case there is none. */
void kafka_watcher_tell(struct kafka_watcher *w, bool is_down, const char *reason);

/* As publisher_ops.cluster_id and .state; the line is copied. */
const char *kafka_watcher_cluster_id(struct kafka_watcher *w);
void kafka_watcher_state(struct kafka_watcher *w, bool *connected, char *line, size_t size);

#endif
