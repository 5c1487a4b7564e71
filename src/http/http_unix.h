/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_UNIX_H
#define RELAY_HTTP_HTTP_UNIX_H

/*
 * A listening Unix socket for a server on one machine: whoever may open the file may connect. Its
 * descriptor goes to http_server_start() as listen_fd.
 *
 * The kernel takes only 107 bytes for a socket's path (unix(7)), so that sockets are reached
 * through their open directory and only the last part of the path counts.
 *
 * Owns nothing: the descriptor belongs to the caller. Threads: any.
 */

#include "base/err.h"

#define HTTP_UNIX_NAME_MAX 80 /* bytes of a path's last part */

/* A way to a socket that the kernel takes, whatever the length of its path. */
struct http_unix_way {
    char path[128];
    int directory; /* must stay open while path is used */
};
/* ST_BAD_INPUT: the last part is empty or over HTTP_UNIX_NAME_MAX. ST_NOT_FOUND, ST_DENIED: the
 * directory. */
MUST_CHECK enum status http_unix_open_way(struct http_unix_way *way, const char *path,
                                          struct err *e);
void http_unix_close_way(struct http_unix_way *way);

/*
 * Makes the socket with mode 0600 and listens. A socket that is there already is replaced when
 * nobody answers on it (a crash leaves one behind). ST_BUSY: somebody answers, or the path is taken
 * by something else than a socket. ST_BAD_INPUT, ST_NOT_FOUND, ST_DENIED, ST_IO.
 */
MUST_CHECK enum status http_unix_listen(const char *path, int *fd, struct err *e);

#endif
