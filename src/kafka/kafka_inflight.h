/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_INFLIGHT_H
#define RELAY_KAFKA_KAFKA_INFLIGHT_H

/*
 * The records that are produced and not yet reported, in the order of producing.
 *
 * Owns: one entry a record, allocated at birth for the whole capacity. Does not own: record bytes.
 * Threads: one, the forwarder. Invariants: a slot is open from _add to _take; so each record is
 * reported exactly once, whatever librdkafka does with its producer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kafka_inflight;

struct kafka_record {
    uint64_t tag;
    uint32_t topic; /* index in the topic table, < topics */
    bool is_alone;  /* no other record of its topic was in flight while it was */
};

/* A table for capacity records (1 to 1000000) of at most topics topics. NULL when out of memory. */
struct kafka_inflight *kafka_inflight_create(size_t capacity, size_t topics);
void kafka_inflight_destroy(struct kafka_inflight *f);

bool kafka_inflight_is_full(const struct kafka_inflight *f);
size_t kafka_inflight_count(const struct kafka_inflight *f);
size_t kafka_inflight_count_of(const struct kafka_inflight *f, uint32_t topic);

/* Opens a slot; the table must not be full. */
uint32_t kafka_inflight_add(struct kafka_inflight *f, const struct kafka_record *rec);
/* Closes an open slot and returns its record. Aborts when the slot is not open. */
struct kafka_record kafka_inflight_take(struct kafka_inflight *f, uint32_t slot);
/* The open slot that was added first; false when there is none. */
bool kafka_inflight_first(const struct kafka_inflight *f, uint32_t *slot);

#endif
