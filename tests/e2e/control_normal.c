/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcontrol_normal.so: the unchanged relay with synchronous=NORMAL, by LD_PRELOAD. It is the
 * control of the power-cut test, which must see acknowledged events lost by it.
 *
 * journal_open() sets FULL, reads it back, and registers its commit hook last, when no transaction
 * is open: there the setting of the same connection is turned down. In WAL mode NORMAL leaves out
 * the sync of a commit and nothing else (sqlite.org/pragma.html#pragma_synchronous).
 */
#include <sqlite3.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int wal_hook(void *arg, sqlite3 *db, const char *name, int pages);

__attribute__((visibility("default"))) void *sqlite3_wal_hook(sqlite3 *db, wal_hook *hook,
                                                              void *arg)
{
    void *(*real)(sqlite3 *, wal_hook *, void *);
    void *symbol = dlsym(RTLD_NEXT, "sqlite3_wal_hook");
    if (!symbol || sqlite3_exec(db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL) != SQLITE_OK) {
        fputs("control: synchronous=NORMAL cannot be set\n", stderr);
        abort();
    }
    /* ISO C converts no object pointer to a function pointer; POSIX (dlsym) lets the bytes be used.
     */
    memcpy(&real, &symbol, sizeof real);
    fputs("control: synchronous=NORMAL\n", stderr);
    return real(db, hook, arg);
}
