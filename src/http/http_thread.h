/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_THREAD_H
#define RELAY_HTTP_HTTP_THREAD_H

/*
 * One http thread: its libmicrohttpd daemon, its turn, its waiting requests. Internal to the http
 * room.
 *
 * A turn: wait (unless the library has work left) - take answered requests and resume their
 * connections - MHD_run - sweep what is over its time. MHD_get_timeout is honoured because client
 * sockets are edge-triggered inside the library (systemd issue 7130: without it a connection
 * hangs).
 *
 * Owns: daemon, epoll, eventfd, connections; the list of waiting requests (not their second
 * reference). Does not own: struct http_shared.
 *
 * Threads: http_thread_start, _wake, _join, _close: main. http_thread_push_answered, _flush,
 * _is_draining, _is_stopping: every. Everything else: the http thread itself.
 *
 * Invariants: every waiting request is in the waiting list; it leaves it in the http thread, when
 * it is taken from the answered stack or given up. The thread does not end before the list is
 * empty, so a successful http_req_answer() always finds its thread.
 */

#include "base/thread.h"
#include "base/wakeup.h"
#include "http/http_server.h"
#include "http/http_tally.h"
#include "http/http_tls.h"

#include <stdatomic.h>

struct MHD_Daemon;
struct lock;
struct http_conn;
struct http_req;

/* How often overdue connections and requests are looked for: the precision of all time limits. */
#define HTTP_SWEEP_MS 100
/* Headers the gate looks at; the bound of header_count_max. */
#define HTTP_FIELDS_MAX 128

/* What the threads of a server share; owned by the server. */
struct http_shared {
    struct http_limits limits;
    struct http_handler handler;
    const struct clock *clock;
    size_t user_bytes;
    struct http_tally *tally;
    struct lock *tls_lock; /* protects tls */
    struct http_tls *tls;
    bool has_tls;    /* never changes */
    bool is_adopted; /* the listening socket is inherited and may live on elsewhere */
    atomic_bool draining;
    atomic_bool stopping;
    struct mono stop_by; /* set before stopping */
};

#define HTTP_CACHE_LINE 64

struct http_thread {
    struct http_shared *shared;
    struct MHD_Daemon *daemon;
    struct thread *thread;
    struct thread_owner owner;
    struct wakeup wakeup;
    int epoll_fd;
    int listen_fd;
    bool is_quiet;   /* accepts no more */
    struct mono now; /* the turn's clock */
    struct mono sweep_at;
    struct http_conn *conns;
    struct http_req *first_waiting; /* in the order of their deadlines */
    struct http_req *last_waiting;
    size_t unsent;                       /* answers queued and not yet written */
    char pad_before[HTTP_CACHE_LINE];    /* what other threads write has a cache line of its own */
    _Atomic(struct http_req *) answered; /* a stack */
    atomic_bool is_signalled;
    char pad_after[HTTP_CACHE_LINE];
};

/* Certificate texts for the library's own start; unused without TLS. */
struct http_thread_pem {
    const char *cert;
    const char *key;
};

/* Makes the daemon on listen_fd, which it owns from then on. t is zeroed. */
MUST_CHECK enum status http_thread_open(struct http_thread *t, struct http_shared *shared,
                                        int listen_fd, const struct http_thread_pem *pem,
                                        struct err *e);
MUST_CHECK enum status http_thread_start(struct http_thread *t, const char *name, struct err *e);
/* Makes it look at draining and stopping. */
void http_thread_wake(struct http_thread *t);
/* Waits until it has stopped. */
void http_thread_join(struct http_thread *t);
/* Frees what open made; after join, or without a start. */
void http_thread_close(struct http_thread *t);

bool http_thread_is_draining(const struct http_thread *t);
bool http_thread_is_stopping(const struct http_thread *t);

/* Appends a request that is being suspended. */
void http_thread_await(struct http_thread *t, struct http_req *req);
void http_thread_push_answered(struct http_thread *t, struct http_req *req);
/* Wakes it when answered requests lie there that it was not woken for. */
void http_thread_flush(struct http_thread *t);

/* Tells the handler. */
void http_thread_refused(struct http_thread *t, enum http_refusal why, const char *peer);
/* The constant answer of a refusal. */
const struct http_reply *http_thread_refusal(enum http_refusal why);

#endif
