/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_PREPARE_H
#define SIM_SIM_PREPARE_H

/*
 * The relay's statements are prepared when they are first used. A process prepares dozens of them
 * at its start and uses a third in the few milliseconds that it lives here, and SQLite's parser was
 * half of what a schedule costs.
 *
 * The linker puts these functions in the place of SQLite's (--wrap, CMakeLists.txt). Statements of
 * sqlite3_prepare_v3() wait, those that are kept (journal/db.h); others pass through.
 *
 * What the simulation loses: an error in preparing comes with the first step, not with the start.
 * The schema is still read at the start.
 *
 * Threads: one.
 */

#include <sqlite3.h>

int sim_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **out,
                   const char **tail) __asm__("__wrap_sqlite3_prepare_v3");
int sim_prepare_finalize(sqlite3_stmt *s) __asm__("__wrap_sqlite3_finalize");
int sim_prepare_reset(sqlite3_stmt *s) __asm__("__wrap_sqlite3_reset");
int sim_prepare_step(sqlite3_stmt *s) __asm__("__wrap_sqlite3_step");
const char *sim_prepare_sql(sqlite3_stmt *s) __asm__("__wrap_sqlite3_sql");

int sim_prepare_bind_int(sqlite3_stmt *s, int i, int v) __asm__("__wrap_sqlite3_bind_int");
int sim_prepare_bind_int64(sqlite3_stmt *s, int i,
                           sqlite3_int64 v) __asm__("__wrap_sqlite3_bind_int64");
int sim_prepare_bind_null(sqlite3_stmt *s, int i) __asm__("__wrap_sqlite3_bind_null");
int sim_prepare_bind_text(sqlite3_stmt *s, int i, const char *text, int len,
                          void (*done)(void *)) __asm__("__wrap_sqlite3_bind_text");
int sim_prepare_bind_blob(sqlite3_stmt *s, int i, const void *bytes, int len,
                          void (*done)(void *)) __asm__("__wrap_sqlite3_bind_blob");

int sim_prepare_column_int(sqlite3_stmt *s, int i) __asm__("__wrap_sqlite3_column_int");
sqlite3_int64 sim_prepare_column_int64(sqlite3_stmt *s,
                                       int i) __asm__("__wrap_sqlite3_column_int64");
const unsigned char *sim_prepare_column_text(sqlite3_stmt *s,
                                             int i) __asm__("__wrap_sqlite3_column_text");
const void *sim_prepare_column_blob(sqlite3_stmt *s, int i) __asm__("__wrap_sqlite3_column_blob");
int sim_prepare_column_bytes(sqlite3_stmt *s, int i) __asm__("__wrap_sqlite3_column_bytes");
int sim_prepare_column_type(sqlite3_stmt *s, int i) __asm__("__wrap_sqlite3_column_type");

#endif
