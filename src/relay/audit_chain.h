/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_CHAIN_H
#define RELAY_RELAY_AUDIT_CHAIN_H

/*
 * A window of seqs whose rows retention has deleted: what was seen of them, and what the records
 * behind them name as their relay-prev-seq.
 *
 * Owns: two bits a seq and lane. Does not own: the judgement (audit.c). Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct audit_chain;

/* For lanes 0 to lanes - 1, which share bytes in equal parts. NULL: out of memory. */
struct audit_chain *audit_chain_create(size_t lanes, size_t bytes);
void audit_chain_destroy(struct audit_chain *c);

/* How many seqs a window holds: at least 64. */
int64_t audit_chain_capacity(const struct audit_chain *c);
/* Forgets everything; the window is from <= seq < end, at most the capacity. from 0: it is empty.
 */
void audit_chain_reset(struct audit_chain *c, int64_t from, int64_t end);
bool audit_chain_covers(const struct audit_chain *c, int64_t seq);

/* A record of this seq, which the window covers. Returns whether there was one before. */
bool audit_chain_see(struct audit_chain *c, size_t lane, int64_t seq);
/* A record names this seq, which the window covers, as the one before it. */
void audit_chain_name(struct audit_chain *c, size_t lane, int64_t seq);

/* Finds the lane's next seq from *seq on that is named and was not seen. False: none. */
bool audit_chain_next_hole(const struct audit_chain *c, size_t lane, int64_t *seq);

#endif
