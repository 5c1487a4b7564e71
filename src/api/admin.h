/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_H
#define RELAY_API_ADMIN_H

/*
 * The operator's side: status, lanes, events, parked events, pausing, metrics. Described for its
 * callers in src/api/PROTOCOL.md. It is never on the intake's listener.
 *
 * There are two doors. Whoever opens the Unix socket may do everything: the file's mode is the
 * protection. Over TCP a bearer token gives a role; without one only open routes answer. The role
 * is judged before a body byte is kept and before any answering function runs.
 *
 * Owns: for each door a reader and a list on the journal, which belong to that door's one http
 * thread, and a reader for sampling. Does not own: the parts in its options. What operators change
 * goes through the committer, and the request is answered after COMMIT.
 *
 * Threads: handler callbacks on the doors' http threads (one each), done() of jobs on the
 * committer's, create, reload and destroy on main.
 */

#include "base/metric.h"
#include "conf/conf.h"
#include "http/http_server.h"
#include "relay/committer.h"

struct admin;
struct forwarder;
struct keeper;

struct admin_opts {
    const struct conf *conf; /* copied as far as it is needed */
    struct journal *journal;
    struct committer *committer;
    struct forwarder *forwarder; /* NULL: nothing is known of Kafka and of what lanes do */
    struct keeper *keeper;       /* NULL: nothing is known of where the disk is heading */
    const struct clock *clock;
    struct metrics *metrics;
    /* Refreshes gauges before they are rendered; thread: admin http. May be NULL. */
    void (*on_scrape)(void *ctx);
    void *ctx;
};

enum admin_door {
    ADMIN_DOOR_TCP,
    ADMIN_DOOR_SOCKET, /* its peers may operate */
    ADMIN_DOOR_COUNT
};

/* Requests of one door that may wait for the committer at once. */
#define ADMIN_WAITING_MAX 16
/* The largest body of any route, with room to answer a larger one properly. */
#define ADMIN_BODY_MAX 65536

/* The journal must be open. ST_NO_MEM, or why the journal cannot be read. */
MUST_CHECK enum status admin_create(struct admin **out, const struct admin_opts *opts,
                                    struct err *e);
/* No request may be under way. NULL is a no-op. */
void admin_destroy(struct admin *a);

/* The handler to give to a door's server, which must have one thread; and how much memory each
 * request needs of it. */
struct http_handler admin_handler(struct admin *a, enum admin_door door);
size_t admin_user_bytes(void);

/*
 * Counts the backlog, so that a status can say how fast it grows. Returns after how many
 * milliseconds it wants to be called again: counting is linear in the backlog, so that is
 * later the longer it took (at most a hundredth of the time goes to it). Thread: main.
 */
int admin_sample(struct admin *a);

/* Takes over the tokens of a new configuration. */
void admin_reload(struct admin *a, const struct conf *conf);

#endif
