/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_ACTION_NOTE_H
#define RELAY_JOURNAL_ACTION_NOTE_H

/*
 * The rows of who did what, when and why (table actions). Whatever an operator changes leaves one
 * in the transaction that changes it.
 *
 * Keeps no state. Threads: the writer's.
 */

#include "base/clock.h"
#include "base/err.h"

struct sqlite3;

#define ACTION_WHO_MAX 64
#define ACTION_WHY_MAX 256

struct action_by {
    const char *who; /* a person or program, at most ACTION_WHO_MAX bytes */
    const char
        *why; /* at most ACTION_WHY_MAX bytes; may be "" where the function does not demand it */
};

/* Whether who and why may stand in a row. ST_BAD_INPUT. */
MUST_CHECK enum status action_note_check(const struct action_by *by, bool needs_why, struct err *e);
/* action: "pause", "replay start"; target: "seq:17". */
MUST_CHECK enum status action_note_write(struct sqlite3 *db, struct wall at,
                                         const struct action_by *by, const char *action,
                                         const char *target, struct err *e);

#endif
