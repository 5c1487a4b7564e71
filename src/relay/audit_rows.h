/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_ROWS_H
#define RELAY_RELAY_AUDIT_ROWS_H

/*
 * A window of journal rows, as small as they can be: one pass of an audit.
 *
 * Owns: AUDIT_ROWS_BYTES a row, in one block whose parts belong to the lanes of one topic, each in
 * the order of seq. Does not own: what a state means (audit.c).
 *
 * A digest of 56 bits under a key that dies with the process stands for a row's content: an altered
 * record passes with a probability of 2^-56.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ident.h"

#define AUDIT_ROWS_BYTES  12
#define AUDIT_ROWS_DIGEST 7

struct audit_rows_entry {
    uint32_t delta; /* its seq, less the window's base */
    uint8_t state;  /* the caller's */
    uint8_t digest[AUDIT_ROWS_DIGEST];
};
_Static_assert(sizeof(struct audit_rows_entry) == AUDIT_ROWS_BYTES, "the formula of the bound");

struct audit_rows;

/* For lanes 0 to lanes - 1, which share bytes in equal parts, each at least one row. NULL: out of
 * memory. */
struct audit_rows *audit_rows_create(size_t lanes, size_t bytes);
void audit_rows_destroy(struct audit_rows *r);

/* Empties the window; rows with seq > base come. */
void audit_rows_reset(struct audit_rows *r, int64_t base);
/* Adds a lane's next row. False: its part is full, or seq is too far from the base. */
bool audit_rows_add(struct audit_rows *r, size_t lane, int64_t seq, uint8_t state,
                    const struct ident *digest);
/* Drops rows beyond upto. */
void audit_rows_cut(struct audit_rows *r, int64_t upto);

/* NULL: the lane has no such row in the window. Quick when asked in order. */
struct audit_rows_entry *audit_rows_find(struct audit_rows *r, size_t lane, int64_t seq);
bool audit_rows_is_same(const struct audit_rows_entry *entry, const struct ident *digest);

/* Whether a row beyond a seq has these bits of its state, among those of mask. */
bool audit_rows_has(const struct audit_rows *r, size_t lane, int64_t after, unsigned mask,
                    unsigned bits);

size_t audit_rows_count(const struct audit_rows *r, size_t lane);
struct audit_rows_entry *audit_rows_at(struct audit_rows *r, size_t lane, size_t index,
                                       int64_t *seq);

#endif
