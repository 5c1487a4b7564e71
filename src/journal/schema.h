/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_SCHEMA_H
#define RELAY_JOURNAL_SCHEMA_H

/*
 * The tables of the journal file by version, and the way forward from each version. Internal to the
 * room.
 *
 * To change the format: raise SCHEMA_VERSION, append one step to `steps` in schema.c (never edit an
 * old one), add a file of the old version to tests/corpus/journal, and say in src/journal/FORMAT.md
 * what changed. A file of a newer version is refused.
 *
 * Threads: the writer's, at open.
 */

#include "journal/db.h"

#define SCHEMA_VERSION        1
#define SCHEMA_APPLICATION_ID 0x474c5259 /* "GLRY": file(1) and we know our own by it */

struct schema_stamp {
    bool demo;          /* a journal of `serve --demo`, refused without it and the reverse */
    const char *backup; /* where a copy goes before a migration; NULL: none is made (memory VFS) */
};

/*
 * Creates the tables in an empty file, or checks application id and version and migrates forward,
 * each step in one transaction. ST_BAD_INPUT: not a journal; ST_DENIED: newer version, or the wrong
 * demo stamp.
 */
MUST_CHECK enum status schema_prepare(sqlite3 *db, const struct schema_stamp *stamp, struct err *e);

#endif
