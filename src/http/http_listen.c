/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    socklen_t len = sizeof sa;
    if (getsockname(fd, (struct sockaddr *)&sa, &len))
        return 0;
    if (sa.ss_family == AF_INET) {
        memcpy(&in4, &sa, sizeof in4);
        return ntohs(in4.sin_port);
    }
    if (sa.ss_family == AF_INET6) {
        memcpy(&in6, &sa, sizeof in6);
        return ntohs(in6.sin6_port);
    }
    return 0;
}

static bool set_flag(int fd, int option)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, option, &on, sizeof on) == 0;
}

/*
 * The first socket of a group binds without SO_REUSEPORT, so that an address which another process
 * already listens on is refused even when that process allows sharing (socket(7)); only then is the
 * address opened for its siblings.
 */
static enum status open_one(const struct addrinfo *ai, bool first, int *out, struct err *e)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(e, ST_IO, errno, "socket");
    if (!set_flag(fd, SO_REUSEADDR) || (!first && !set_flag(fd, SO_REUSEPORT)) ||
        bind(fd, ai->ai_addr, ai->ai_addrlen) || (first && !set_flag(fd, SO_REUSEPORT)) ||
        listen(fd, HTTP_LISTEN_BACKLOG)) {
        enum status st = ST_IO;
        if (errno == EADDRINUSE)
            st = ST_BUSY;
        else if (errno == EADDRNOTAVAIL || errno == EACCES)
            st = ST_BAD_INPUT;
        err_set_errno(e, st, errno, "cannot listen");
        close(fd);
        return st;
    }
    *out = fd;
    return ST_OK;
}

static enum status resolve(const char *address, uint16_t port, struct addrinfo **out, struct err *e)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM};
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int rc = getaddrinfo(address, service, &hints, out);
    if (rc)
        return err_set(e, ST_BAD_INPUT, "address \"%s\" is not an IPv4 or IPv6 address: %s",
                       address, gai_strerror(rc));
    return ST_OK;
}

enum status http_listen_open(const char *address, uint16_t *port, int *fds, int count,
                             struct err *e)
{
    enum status st = ST_OK;
    int opened = 0;
    for (; opened < count; opened++) {
        struct addrinfo *ai;
        st = resolve(address, *port, &ai, e);
        if (st != ST_OK)
            break;
        st = open_one(ai, opened == 0, &fds[opened], e);
        freeaddrinfo(ai);
        if (st != ST_OK) {
            err_context(e, "address %s port %u", address, *port);
            break;
        }
        *port = port_of(fds[opened]);
    }
    if (st != ST_OK)
        close_all(fds, opened);
    return st;
}

enum status http_listen_adopt(int inherited, uint16_t *port, int *fds, int count, struct err *e)
{
    int accepting = 0;
    socklen_t len = sizeof accepting;
    fds[0] = inherited;
    if (getsockopt(inherited, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &len) || !accepting) {
        err_set(e, ST_BAD_INPUT, "descriptor %d is not a listening socket", inherited);
        goto out_close;
    }
    int flags = fcntl(inherited, F_GETFL);
    if (flags < 0 || fcntl(inherited, F_SETFL, flags | O_NONBLOCK) ||
        fcntl(inherited, F_SETFD, FD_CLOEXEC)) {
        err_set_errno(e, ST_IO, errno, "inherited socket");
        goto out_close;
    }
    *port = port_of(inherited);
    for (int i = 1; i < count; i++) {
        fds[i] = fcntl(inherited, F_DUPFD_CLOEXEC, 3);
        if (fds[i] < 0) {
            err_set_errno(e, ST_IO, errno, "inherited socket");
            close_all(fds + 1, i - 1);
            goto out_close;
        }
    }
    return ST_OK;
out_close:
    close(inherited);
    return e ? e->code : ST_IO;
}
