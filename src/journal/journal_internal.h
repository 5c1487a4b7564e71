/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_JOURNAL_INTERNAL_H
#define RELAY_JOURNAL_JOURNAL_INTERNAL_H

/* What other files of this room need of an open journal. Nobody outside src/journal includes it.
 * Threads: the writer's. */

#include "journal/action_note.h"
#include "journal/db.h"
#include "journal/journal.h"

/* The writer's connection; a transaction must be open. */
sqlite3 *journal_writer(struct journal *j);
/* Passes st on, and remembers when it is one after which the journal must not be used (J6). */
enum status journal_judge(struct journal *j, enum status st);
/* Now, by the journal's clock. */
struct wall journal_now(const struct journal *j);
/* Writes who did what to what, now, and judges the result (action_note.h). */
MUST_CHECK enum status journal_note(struct journal *j, const struct action_by *by,
                                    const char *action, const char *target, struct err *e);

#endif
