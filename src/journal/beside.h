/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_BESIDE_H
#define RELAY_JOURNAL_BESIDE_H

/*
 * The relay's own small files beside the database: the lock of the process that has it, and the
 * marker of one that ended on an I/O error. Internal to the room.
 *
 * Keeps no state. Threads: those of the journal.
 */

#include "base/err.h"

#include <stdbool.h>

/* The path with a suffix behind it, the caller's to free; NULL: out of memory. */
char *beside_name(const char *path, const char *suffix);

/*
 * Takes the lock file. It is held by the open descriptor for the life of the process and never
 * released by hand (promise P8). *fd is the caller's to close, also after an error when it is not
 * -1. ST_BUSY: another process has it. ST_DENIED, ST_NO_MEM.
 */
MUST_CHECK enum status beside_lock(const char *path, int *fd, struct err *e);

/*
 * The marker says: the process before ended because a write or a sync failed. Then, and only then,
 * the next start checks the whole file. It is made on a disk that just failed, so it may be
 * missing; the TRUNCATE checkpoint at open runs anyway.
 */
void beside_leave_marker(const char *path);
bool beside_has_marker(const char *path);
void beside_remove_marker(const char *path);

#endif
