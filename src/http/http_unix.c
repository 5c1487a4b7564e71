/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Operators and their scripts, one connection each. */
#define BACKLOG 64

_Static_assert(sizeof "/proc/self/fd/2147483647/" + HTTP_UNIX_NAME_MAX <=
                   sizeof((struct sockaddr_un *)0)->sun_path,
               "the way fits into an address");

enum status http_unix_open_way(struct http_unix_way *way, const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *directory;
    way->directory = -1;
    if (!name[0] || strlen(name) > HTTP_UNIX_NAME_MAX)
        return err_set(e, ST_BAD_INPUT, "the name of socket %.200s must have 1 to %d bytes", path,
                       HTTP_UNIX_NAME_MAX);
    /* With its last slash, so that the root keeps its name. */
    directory = slash ? strndup(path, (size_t)(name - path)) : strdup(".");
    if (!directory)
        return err_set(e, ST_NO_MEM, "socket %.200s: out of memory", path);
    way->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (way->directory < 0)
        return err_set_errno(e, errno == EACCES ? ST_DENIED : ST_NOT_FOUND, errno,
                             "the directory of socket %.200s", path);
    snprintf(way->path, sizeof way->path, "/proc/self/fd/%d/%s", way->directory, name);
    return ST_OK;
}

void http_unix_close_way(struct http_unix_way *way)
{
    if (way->directory >= 0)
        close(way->directory);
    way->directory = -1;
}

static struct sockaddr_un address_of(const struct http_unix_way *way)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%.*s", (int)sizeof sa.sun_path - 1, way->path);
    return sa;
}

/* Removes a socket on which nobody answers. ST_BUSY when it must stay. */
static enum status remove_stale(const struct http_unix_way *way, struct err *e)
{
    const struct sockaddr_un sa = address_of(way);
    struct stat info;
    int fd, rc;
    if (lstat(way->path, &info) != 0)
        return errno == ENOENT ? ST_OK : err_set_errno(e, ST_IO, errno, "lstat");
    if (!S_ISSOCK(info.st_mode))
        return err_set(e, ST_BUSY, "it exists and is no socket");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(e, ST_IO, errno, "socket");
    rc = connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0 ? 0 : errno;
    close(fd);
    if (rc != ECONNREFUSED)
        return err_set(e, ST_BUSY, "another process listens on it");
    if (unlink(way->path) != 0 && errno != ENOENT)
        return err_set_errno(e, ST_DENIED, errno, "cannot replace it");
    return ST_OK;
}

static enum status make(const struct http_unix_way *way, int fd, struct err *e)
{
    const struct sockaddr_un sa = address_of(way);
    enum status st;
    /* The file takes its mode from the socket (unix(7)), so that it is never open to others. */
    if (fchmod(fd, S_IRUSR | S_IWUSR) != 0)
        return err_set_errno(e, ST_IO, errno, "fchmod");
    st = remove_stale(way, e);
    if (st != ST_OK)
        return st;
    if (bind(fd, (const struct sockaddr *)&sa, sizeof sa) != 0)
        return err_set_errno(e, errno == EADDRINUSE ? ST_BUSY : ST_DENIED, errno, "bind");
    if (listen(fd, BACKLOG) != 0)
        return err_set_errno(e, ST_IO, errno, "listen");
    return ST_OK;
}

enum status http_unix_listen(const char *path, int *fd, struct err *e)
{
    struct http_unix_way way;
    enum status st = http_unix_open_way(&way, path, e);
    if (st != ST_OK)
        return st;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    st = *fd >= 0 ? make(&way, *fd, e) : err_set_errno(e, ST_IO, errno, "socket");
    if (st != ST_OK) {
        err_context(e, "socket %.200s", path);
        if (*fd >= 0)
            close(*fd);
    }
    http_unix_close_way(&way);
    return st;
}
