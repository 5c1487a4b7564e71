/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_READER_H
#define RELAY_KAFKA_KAFKA_READER_H

/*
 * Reads a topic back as a read_committed consumer sees it: partition by partition, from the first
 * record to an end that is fixed when the topic is opened.
 *
 * Owns: two librdkafka consumers without a group (rdkafka.h, "Simple Consumer API"), so nothing is
 * joined and nothing committed: the broker asks for no right but to read and describe the topic.
 * One reads; the other asks for ends as read_uncommitted, because a transaction that was committed
 * is beyond the stable offset until its marker is written. The reader waits for such markers.
 *
 * The operator's properties are the publisher's; those of producers have no effect here. Memory:
 * what librdkafka fetches ahead of one partition, KAFKA_READER_AHEAD_KIB and one fetch.
 *
 * Threads: a reader belongs to one thread at a time; every call blocks up to its deadline.
 */

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "kafka/kafka_keeping.h"
#include "kafka/kafka_property.h"
#include "kafka/publisher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KAFKA_READER_AHEAD_KIB 8192

/* Of a record with more, the first so many are told: the relay writes fewer
 * (PUBLISHER_HEADERS_MAX). */
#define KAFKA_READER_HEADERS_MAX 64

struct kafka_reader;

struct kafka_reader_opts {
    const struct kafka_property *properties;
    size_t property_count;
    int timeout_ms; /* for one question to the cluster, and without any progress while reading */
};

/* ST_BAD_INPUT: a property is refused. ST_NO_MEM. Connects to nobody yet. */
MUST_CHECK enum status kafka_reader_create(struct kafka_reader **out,
                                           const struct kafka_reader_opts *opts, struct err *e);
/* Reading waits so long without any progress, in place of timeout_ms. */
void kafka_reader_set_patience(struct kafka_reader *r, int patience_ms);
/* NULL is a no-op. */
void kafka_reader_destroy(struct kafka_reader *r);

/* The cluster's id, asked for once; ST_AGAIN: nobody answers. Borrowed for the life of r. */
MUST_CHECK enum status kafka_reader_cluster(struct kafka_reader *r, const char **id, struct err *e);

/*
 * Takes a topic in hand, in place of the one before, and fixes the end of each partition. ST_OK;
 * ST_NOT_FOUND: there is no such topic; ST_DENIED: not allowed to look; ST_AGAIN: nobody answers in
 * time, or a partition has no leader.
 */
MUST_CHECK enum status kafka_reader_open(struct kafka_reader *r, const char *topic, int *partitions,
                                         struct err *e);

/* Where the partition begins at this moment, and its fixed end. */
MUST_CHECK enum status kafka_reader_span(struct kafka_reader *r, int partition, int64_t *low,
                                         int64_t *end, struct err *e);

/* The first offset with a record of a timestamp at or after t; the fixed end when there is none.
 * ST_DENIED; ST_AGAIN: nobody answers. */
MUST_CHECK enum status kafka_reader_find(struct kafka_reader *r, int partition, struct wall t,
                                         int64_t *offset, struct err *e);

struct kafka_reader_record {
    int32_t partition;
    int64_t offset;
    struct slice key;   /* ptr NULL: none */
    struct slice value; /* ptr NULL: none */
    const struct publisher_header *headers;
    size_t header_count;
};
/* Everything is borrowed until it returns. False: no more. */
typedef bool kafka_reader_fn(void *arg, const struct kafka_reader_record *record);

/*
 * Calls fn for each committed record of the partition with from <= offset < end, in order, until fn
 * says false. Records that Kafka deletes meanwhile are passed over. ST_DENIED; ST_AGAIN: no
 * progress in time: brokers away, or a transaction is open in front of the end.
 */
MUST_CHECK enum status kafka_reader_read(struct kafka_reader *r, int partition, int64_t from,
                                         kafka_reader_fn *fn, void *arg, struct err *e);

/* How long any topic keeps its records, see kafka_keeping.h for the errors; none need be open. */
MUST_CHECK enum status kafka_reader_keeping(struct kafka_reader *r, const char *topic,
                                            struct kafka_keeping *out, struct err *e);

/* Where the publisher's default partitioner (murmur2_random) puts a record with this key among the
 * partitions of the open topic. */
int kafka_reader_place(struct kafka_reader *r, struct slice key);

#endif
