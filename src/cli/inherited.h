/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_INHERITED_H
#define RELAY_CLI_INHERITED_H

/*
 * What a service manager hands over, by sd_listen_fds(3) and sd_notify(3): a listening socket, so
 * that a restart refuses no connection, and a place to say that the relay is ready. Both protocols
 * are a few lines; libsystemd is not needed for them.
 *
 * Threads: main.
 */

/* The first inherited listening socket, or -1 when there is none. Asked once: the environment is
 * cleared. */
int inherited_listener(void);

/* Tells the service manager ("READY=1", "STOPPING=1"); nothing happens without one. */
void inherited_notify(const char *state);

#endif
