/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_LISTEN_H
#define RELAY_HTTP_HTTP_LISTEN_H

/*
 * Listening TCP sockets. Internal to the http room.
 *
 * Owns nothing: every descriptor belongs to the caller. Threads: any.
 */

#include <stdint.h>

#include "base/err.h"

/* Connections the kernel may hold before they are accepted; net.core.somaxconn cuts it further. */
#define HTTP_LISTEN_BACKLOG 4096

/*
 * Fills fds[0..count) with non-blocking sockets that listen on one numeric address and port (0: the
 * kernel chooses, all get the same) and share its connections by SO_REUSEPORT. *port is the bound
 * one. ST_BUSY: taken by somebody else, also by another relay; ST_BAD_INPUT: not an address of this
 * machine. On failure no descriptor is left open.
 */
MUST_CHECK enum status http_listen_open(const char *address, uint16_t *port, int *fds, int count,
                                        struct err *e);

/*
 * Fills fds[0..count) from an inherited listening socket, which is taken over: also closed on
 * failure. The descriptors share one accept queue. *port is 0 for a socket that has none.
 */
MUST_CHECK enum status http_listen_adopt(int inherited, uint16_t *port, int *fds, int count,
                                         struct err *e);

#endif
