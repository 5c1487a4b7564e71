/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_ROW_H
#define RELAY_JOURNAL_ROW_H

/*
 * One row of the events table: its columns in order, and the checksum over all of them. Internal to
 * the room; writer, reader and verify share it, so that there is one definition of what a row
 * means.
 */

#include "event/event.h"
#include "journal/db.h"

struct row {
    int64_t seq;
    int64_t lane;
    int64_t prev;
    int64_t source;
    int64_t parent; /* 0: NULL in the table */
    struct event ev;
};

/* For an INSERT of all columns in order, and a SELECT of the same. */
#define ROW_COLUMNS                                                                               \
    "seq, lane, prev, source, received_us, event_us, flags, origin, parent, checksum, type, id, " \
    "key, trace, headers, body"
#define ROW_INSERT                         \
    "INSERT INTO events(" ROW_COLUMNS ") " \
    "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)"

/* Binds every column, the checksum too; slices are borrowed until the step. */
void row_bind(sqlite3_stmt *s, const struct row *row);
/* Reads every column; slices are borrowed until the statement moves. Returns whether the checksum
 * holds. */
bool row_read(sqlite3_stmt *s, struct row *row);

/* Bytes of all texts and the body. */
size_t row_text_bytes(const struct event *ev);
/* Copies texts and body behind each other to at, which has row_text_bytes(), and points ev there.
 */
void row_move_texts(struct event *ev, char *at);

#endif
