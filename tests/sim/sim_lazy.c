/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_lazy.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "base/err.h"

struct sim_lazy {
    sqlite3_vfs base; /* a copy of the one below with another name and xOpen */
    sqlite3_vfs *below;
};

/* All WALs share it: the methods of the VFS below with another xSync. */
static sqlite3_io_methods lazy_methods;

static int on_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return SQLITE_OK;
}

static int on_open(sqlite3_vfs *base, const char *name, sqlite3_file *file, int flags,
                   int *out_flags)
{
    struct sim_lazy *l = (struct sim_lazy *)base;
    int code = l->below->xOpen(l->below, name, file, flags, out_flags);
    if (code == SQLITE_OK && flags & SQLITE_OPEN_WAL) {
        lazy_methods = *file->pMethods;
        lazy_methods.xSync = on_sync;
        file->pMethods = &lazy_methods;
    }
    return code;
}

struct sim_lazy *sim_lazy_create(const char *name, const char *below)
{
    struct sim_lazy *l = calloc(1, sizeof *l);
    CHECK(l);
    l->below = sqlite3_vfs_find(below);
    CHECK(l->below);
    l->base = *l->below;
    l->base.zName = name;
    l->base.xOpen = on_open;
    l->base.pNext = NULL;
    CHECK(sqlite3_vfs_register(&l->base, 0) == SQLITE_OK);
    return l;
}

void sim_lazy_destroy(struct sim_lazy *l)
{
    if (!l)
        return;
    sqlite3_vfs_unregister(&l->base);
    free(l);
}
