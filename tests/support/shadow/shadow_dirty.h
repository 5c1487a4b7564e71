/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHADOW_SHADOW_DIRTY_H
#define SHADOW_SHADOW_DIRTY_H

/*
 * What of one file was written since its last sync: byte ranges, sorted, apart from each other.
 *
 * Owns: the ranges. Threads: the caller locks. Running out of memory aborts the process.
 */

#include <stddef.h>
#include <stdint.h>

/* The end of a range that reaches to the end of the file, whatever that is then. */
#define SHADOW_TO_END INT64_MAX

struct shadow_range {
    int64_t begin; /* bytes */
    int64_t end;   /* first byte behind it */
};

struct shadow_dirty {
    struct shadow_range *ranges;
    size_t n;
    size_t room;
    int64_t
        shrunk_to; /* bytes; the smallest size that a truncation set, SHADOW_TO_END without one */
};

void shadow_dirty_init(struct shadow_dirty *d);
void shadow_dirty_fini(struct shadow_dirty *d);
/* Adds [begin, end); joins what touches. */
void shadow_dirty_add(struct shadow_dirty *d, int64_t begin, int64_t end);
void shadow_dirty_shrink(struct shadow_dirty *d, int64_t size);

#endif
