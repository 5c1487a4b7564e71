/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_JOURNAL_INTERNAL_H
#define RELAY_JOURNAL_JOURNAL_INTERNAL_H

/* What other files of this room need of an open journal. Nobody outside src/journal includes it.
 * Threads: the writer's. */

#include "journal/actions.h"
#include "journal/db.h"
#include "journal/journal.h"

/* The writer's connection; a transaction must be open. */
sqlite3 *journal_writer(struct journal *j);
/* Passes st on, and remembers when it is one after which the journal must not be used (J6). */
enum status journal_judge(struct journal *j, enum status st);
/* Now, by the journal's clock. */
struct wall journal_now(const struct journal *j);

/* Whether who and why may stand in a row of actions. ST_BAD_INPUT. */
enum status action_check(const struct action_by *by, bool needs_why, struct err *e);
/* The copy of an event (dead_letters.h), parked under seq, is given up for the one under
 * successor. */
enum status action_replace(struct journal *j, int64_t seq, int64_t successor, struct err *e);
/* Writes the row of who, when and why. */
enum status action_note(struct journal *j, const struct action_by *by, const char *action,
                        const char *target, struct err *e);

#endif
