/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_ADMIN_PART_H
#define RELAY_CLI_ADMIN_PART_H

/*
 * The operator's listeners of a running relay: one on TCP, one on a Unix socket, each with one
 * thread, in front of one struct admin.
 *
 * Owns: both servers, the socket's file. Threads: main; flush from the committer's too.
 */

#include "api/admin.h"

struct admin_part;

/* Jobs that the committer's mailbox must have room for. */
#define ADMIN_PART_JOBS_MAX (ADMIN_DOOR_COUNT * ADMIN_WAITING_MAX)

/* Nothing listens yet. */
MUST_CHECK enum status admin_part_create(struct admin_part **out, const struct admin_opts *opts,
                                         struct err *e);
/* Opens what conf asks for. ST_BUSY: the address or socket is taken; the text names the option. */
MUST_CHECK enum status admin_part_start(struct admin_part *p, const struct conf *conf,
                                        struct err *e);
/* Sends the answers of the committer's last batch. NULL is a no-op. */
void admin_part_flush(struct admin_part *p);
/* Counts the backlog; returns after how many milliseconds to call it again. Thread: main. */
int admin_part_sample(struct admin_part *p);
void admin_part_reload(struct admin_part *p, const struct conf *conf);
/* Closes both listeners; the committer must still run. NULL is a no-op. */
void admin_part_stop(struct admin_part *p, int deadline_ms);
/* After the committer has ended. NULL is a no-op. */
void admin_part_destroy(struct admin_part *p);

/* The path of the Unix socket in out: what [admin] socket says, else the journal's path and
 * "-admin"; empty for "off". ST_NO_MEM, ST_FULL. */
MUST_CHECK enum status admin_part_socket_path(const struct conf *conf, struct buf *out);

#endif
