/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_DAEMON_H
#define RELAY_CLI_DAEMON_H

/*
 * The running relay: every part, made in order, and taken down in the reverse of what depends on
 * what.
 *
 * Start: metrics - journal - committer - Kafka - forwarder - ingress - admin - intake. The intake
 * comes last: from its first accepted connection on everything behind it works.
 *
 * Stop: unready - no new connections - what is in hand is committed and answered - intake down -
 * what is in the air is reported and settled - committer drained - journal closed. Nothing that was
 * acknowledged depends on any of this.
 *
 * Threads: all functions on main.
 */

#include "conf/conf.h"

struct daemon;

/* Starts everything; requests are accepted when it returns ST_OK. The reason is in *e. conf must
 * outlive the daemon. */
MUST_CHECK enum status daemon_start(struct daemon **out, const struct conf *conf, bool demo,
                                    struct err *e);
/* Readable when the daemon must stop by itself (daemon_failed). */
int daemon_wait_fd(const struct daemon *d);
/* Readable when daemon_tick() is due before its time; -1: never. */
int daemon_timer_fd(const struct daemon *d);
/* What has to be done from time to time. Returns after how many milliseconds to call it again. */
int daemon_tick(struct daemon *d);
/* A part died; the process must exit with a failure. */
bool daemon_failed(const struct daemon *d, struct err *e);
/* New secrets and limits for the requests from now on. */
void daemon_reload(struct daemon *d, const struct conf *conf);
/* Stops everything within about deadline_ms and frees it. NULL is a no-op. */
void daemon_stop(struct daemon *d, int deadline_ms);

#endif
