/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_COPY_H
#define RELAY_JOURNAL_COPY_H

/*
 * Whole copies of a journal: a backup beside a running relay, and compacting a stopped one. Both
 * write a new file with VACUUM INTO, sync it and its directory, and never touch the old one before
 * that.
 *
 * A restored backup is an older journal: what came after it is published already and will be
 * accepted again; see the runbook.
 *
 * progress may be NULL. Threads: the caller's.
 */

#include "base/err.h"

#include <stdint.h>

/* Called a few times a second while a copy is written; of_bytes is what the old file has. */
struct copy_progress {
    void (*on_progress)(void *ctx, uint64_t bytes, uint64_t of_bytes);
    void *ctx;
};

/*
 * Writes a consistent copy of the journal at path to target, which must not exist (ST_BUSY). A
 * running relay goes on; its WAL grows meanwhile, because the copy is one read transaction.
 */
MUST_CHECK enum status copy_backup(const char *path, const char *target,
                                   const struct copy_progress *progress, struct err *e);

struct copy_compacted {
    uint64_t before_bytes;
    uint64_t after_bytes;
};
/*
 * Rewrites the journal without its unused pages, in place, by a new file and a rename. ST_BUSY: a
 * relay runs on it. Needs room for one copy.
 */
MUST_CHECK enum status copy_compact(const char *path, const struct copy_progress *progress,
                                    struct copy_compacted *out, struct err *e);

#endif
