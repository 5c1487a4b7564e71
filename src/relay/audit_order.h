/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_ORDER_H
#define RELAY_RELAY_AUDIT_ORDER_H

/*
 * Whether the records of each key stand in one partition in the order of the journal (promise P3),
 * without a table of all keys.
 *
 * The relay writes a lane's records into each partition in journal order whatever their key. So a
 * record is suspect only when an earlier one of its lane in this partition has a higher seq; for
 * suspects alone the partition is read again, with the keys of the suspects in a table. In a clean
 * feed there are none.
 *
 * Owns: a number a lane, and AUDIT_ORDER_BYTES for each suspect that fits. When it is full, the
 * suspects are judged and the reading goes on behind the last one.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* A suspect's offset and two places in the table of keys, whose size is a power of two: between
 * half and all of the bytes given are in use. */
#define AUDIT_ORDER_BYTES 40

struct audit_order;

/* NULL: out of memory. */
struct audit_order *audit_order_create(size_t lanes, size_t bytes);
void audit_order_destroy(struct audit_order *o);

/* Another partition begins. */
void audit_order_begin(struct audit_order *o);
/* The next record, repeated or not. Returns whether it comes behind a higher seq of its lane. */
bool audit_order_pass(struct audit_order *o, size_t lane, int64_t seq);

struct audit_order_record {
    size_t lane;
    struct slice key; /* not empty: without a key there is no order */
    int64_t seq;
    int64_t offset;
};
/* An event's first record that came behind a higher seq; there must be room. */
void audit_order_suspect(struct audit_order *o, const struct audit_order_record *record);
/* True when there is no room for another one. */
bool audit_order_is_full(const struct audit_order *o);
/* The offset behind the last suspect; 0: there are none. */
int64_t audit_order_end(const struct audit_order *o);

/*
 * The partition again, from its beginning to audit_order_end(), with the same records. Returns for
 * a suspect the highest seq of its key before it when that is higher than its own; else 0.
 */
int64_t audit_order_check(struct audit_order *o, const struct audit_order_record *record);
/* Forgets the suspects. */
void audit_order_clear(struct audit_order *o);

#endif
