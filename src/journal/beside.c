/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "journal/db.h"

#define MARKER "-failed"

char *beside_name(const char *path, const char *suffix)
{
    char *name = NULL;
    if (asprintf(&name, "%s%s", path, suffix) < 0)
        return NULL;
    return name;
}

enum status beside_lock(const char *path, int *fd, struct err *e)
{
    enum status st = ST_OK;
    char *name = beside_name(path, "-lock");
    *fd = -1;
    if (!name)
        return err_set(e, ST_NO_MEM, "journal: out of memory");
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        st = err_set_errno(e, ST_DENIED, errno, "journal lock %s", name);
    else if (flock(*fd, LOCK_EX | LOCK_NB) < 0)
        st = err_set(e, ST_BUSY, "journal %s is in use by another process (lock %s)", path, name);
    free(name);
    return st;
}

void beside_leave_marker(const char *path)
{
    char *name = beside_name(path, MARKER);
    int fd = name ? open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    struct err ignored;
    /* A disk that just failed may fail here, too. */
    bool saved = fd >= 0 && fsync(fd) == 0 && db_sync_directory(name, &ignored) == ST_OK;
    (void)saved;
    if (fd >= 0)
        close(fd);
    free(name);
}

bool beside_has_marker(const char *path)
{
    char *name = beside_name(path, MARKER);
    bool there = name && access(name, F_OK) == 0;
    free(name);
    return there;
}

void beside_remove_marker(const char *path)
{
    char *name = beside_name(path, MARKER);
    if (name)
        unlink(name);
    free(name);
}
