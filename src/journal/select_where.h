/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_SELECT_WHERE_H
#define RELAY_JOURNAL_SELECT_WHERE_H

/*
 * A selection as SQL: the one definition of which rows a replay publishes. Internal to the room;
 * the reader (journal_select.c) and the count of pruned rows (replays_gone.c) share it.
 *
 * Never meant are lane 0 (PINGs, what configuration keeps out), quarantined bodies, what is or was
 * parked (Kafka refused it, and its requeue has a row of its own), and copies of that for
 * dead-letter topics.
 *
 * Threads: those of the statement's connection.
 */

#include "event/selection.h"
#include "journal/db.h"

/* For a WHERE over events: rows behind ?1 up to ?2 that are meant; other parameters start at
 * SELECT_WHERE_FREE. Flags 3: EVENT_QUARANTINED and EVENT_PING; origin 3:
 * EVENT_ORIGIN_DEAD_LETTER. */
#define SELECT_WHERE                                                                              \
    "events.seq > ?1 AND events.seq <= ?2 AND events.lane <> 0 AND (events.flags & 3) = 0 "       \
    "AND events.origin <> 3 "                                                                     \
    "AND (?3 IS NULL OR " SELECT_TIME " >= ?3) AND (?4 IS NULL OR " SELECT_TIME " < ?4) "         \
    "AND (?6 IS NULL OR events.source = (SELECT sources.id FROM sources WHERE sources.name = "    \
    "?6)) "                                                                                       \
    "AND (?7 IS NULL OR lower(replace(substr(events.type, 1, instr(events.type, '/') - 1), '_', " \
    "'-')) = ?7) "                                                                                \
    "AND (?8 IS NULL OR events.type = ?8) AND (?9 IS NULL OR events.key = ?9) "                   \
    "AND (?10 IS NULL OR events.id = ?10) "                                                       \
    "AND NOT EXISTS (SELECT 1 FROM parked WHERE parked.seq = events.seq)"
#define SELECT_TIME \
    "CASE WHEN ?5 THEN coalesce(events.event_us, events.received_us) ELSE events.received_us END"
#define SELECT_WHERE_FREE 11

/* The statement borrows the texts until it is bound anew. The range is narrowed by the selection's
 * own seqs. */
void select_where_bind(sqlite3_stmt *s, const struct selection *which, int64_t after, int64_t last);

#endif
