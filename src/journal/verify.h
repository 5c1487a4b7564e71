/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_VERIFY_H
#define RELAY_JOURNAL_VERIFY_H

/*
 * Checking a whole journal: SQLite's integrity_check, every row's checksum, and the chain of each
 * lane (J3). Reads only; works beside a running relay, in slices, so that it pins the WAL only
 * during integrity_check.
 *
 * Threads: the caller's.
 */

#include "base/err.h"

#include <stdint.h>

enum verify_finding {
    VERIFY_STRUCTURE, /* SQLite found the file damaged: detail is its text */
    VERIFY_CHECKSUM,  /* a row is not what was written */
    VERIFY_CHAIN,     /* a row names another row before it in its lane than there is */
};
/* "structure", "checksum", "chain". */
const char *verify_finding_name(enum verify_finding finding);

struct verify_opts {
    const char *path;
    /* Called for each finding; seq is 0 for VERIFY_STRUCTURE. */
    void (*on_finding)(void *ctx, enum verify_finding finding, int64_t seq, const char *detail);
    /* Called about every 10,000 rows; may be NULL. */
    void (*on_progress)(void *ctx, int64_t rows, int64_t of_rows);
    void *ctx;
};

struct verify_result {
    int64_t rows;
    int64_t findings;
};

/* ST_OK when the check ran to its end, whatever it found. ST_NOT_FOUND, ST_DENIED, ST_IO,
 * ST_NO_MEM. */
MUST_CHECK enum status verify_run(const struct verify_opts *opts, struct verify_result *out,
                                  struct err *e);

#endif
