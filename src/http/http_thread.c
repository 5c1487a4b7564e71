/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_thread.h"

#include "base/log.h"
#include "http/http_access.h"
#include "http/http_conn.h"
#include "http/http_req.h"

#include <microhttpd.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* While stopping, an answer may be on its way without a wake-up. */
#define STOP_POLL_MS 5

/* Connections accepted at most from the backlog when draining begins; each turn takes about ten. */
#define DRAIN_ACCEPT_TURNS 500

/* Turns that read what connections have sent before; a client that goes on sending cannot hold the
 * stop up. */
#define DRAIN_READ_TURNS 500

/* Our admission refuses at connections_max; the library must not stop accepting before that. */
#define CONNECTION_SLACK 64

/*
 * Beside the head itself the library keeps per connection 64 bytes for each header, and it needs
 * room for its answer's head and for reading the body (memorypool.c, connection.c). The whole pool
 * is zeroed after every request, so it should not be generous.
 */
#define POOL_PER_HEADER 64
#define POOL_EXTRA      4096

bool http_thread_is_draining(const struct http_thread *t)
{
    return atomic_load_explicit(&t->shared->draining, memory_order_acquire);
}

bool http_thread_is_stopping(const struct http_thread *t)
{
    return atomic_load_explicit(&t->shared->stopping, memory_order_acquire);
}

void http_thread_refused(struct http_thread *t, enum http_refusal why, const char *peer)
{
    const struct http_handler *h = &t->shared->handler;
    if (h->on_refused)
        h->on_refused(h->ctx, why, peer);
}

#define TEXT(literal)               \
    {                               \
        literal, sizeof literal - 1 \
    }
#define REFUSAL(code, text)                                                             \
    {                                                                                   \
        .status = code, .content_type = "text/plain", .body = TEXT(text), .close = true \
    }
#define OVERLOAD(text, last)                                             \
    {                                                                    \
        .status = 503, .content_type = "text/plain", .body = TEXT(text), \
        .headers = {{"Retry-After", "5"}}, .close = last                 \
    }

const struct http_reply *http_thread_refusal(enum http_refusal why)
{
    static const struct http_reply replies[HTTP_REFUSAL_COUNT] = {
        [HTTP_REFUSED_FRAMING] = REFUSAL(400, "malformed request"),
        [HTTP_REFUSED_HEADERS] = REFUSAL(431, "too many or too large headers"),
        [HTTP_REFUSED_BODY_SIZE] = REFUSAL(413, "the body is too large"),
        [HTTP_REFUSED_MEMORY] = OVERLOAD("too many bytes in flight", false),
        [HTTP_REFUSED_WAITING] = OVERLOAD("too many requests wait for their answer", false),
        [HTTP_REFUSED_ANSWER_LATE] = OVERLOAD("no answer in time", false),
        [HTTP_REFUSED_DRAINING] = OVERLOAD("the server is stopping", true),
    };
    CHECK((unsigned)why < HTTP_REFUSAL_COUNT && replies[why].status);
    return &replies[why];
}

/* ---- waiting and answered requests ---- */

void http_thread_await(struct http_thread *t, struct http_req *req)
{
    http_tally_try_add(&t->shared->tally->waiting, 1, SIZE_MAX);
    req->answer_by = mono_add_ms(t->now, t->shared->limits.answer_timeout_ms);
    req->prev_waiting = t->last_waiting;
    req->next_waiting = NULL;
    if (t->last_waiting)
        t->last_waiting->next_waiting = req;
    else
        t->first_waiting = req;
    t->last_waiting = req;
}

/* The wait of a request is over; its connection goes on in the next MHD_run. */
static void resume(struct http_thread *t, struct http_req *req)
{
    if (req->next_waiting)
        req->next_waiting->prev_waiting = req->prev_waiting;
    else
        t->last_waiting = req->prev_waiting;
    if (req->prev_waiting)
        req->prev_waiting->next_waiting = req->next_waiting;
    else
        t->first_waiting = req->next_waiting;
    http_tally_sub(&t->shared->tally->waiting, 1);
    MHD_resume_connection(req->mhd);
}

void http_thread_push_answered(struct http_thread *t, struct http_req *req)
{
    struct http_req *top = atomic_load_explicit(&t->answered, memory_order_relaxed);
    do {
        req->next_answered = top;
    } while (!atomic_compare_exchange_weak_explicit(&t->answered, &top, req, memory_order_acq_rel,
                                                    memory_order_relaxed));
}

void http_thread_flush(struct http_thread *t)
{
    if (atomic_load_explicit(&t->answered, memory_order_acquire) &&
        !atomic_exchange_explicit(&t->is_signalled, true, memory_order_acq_rel))
        wakeup_signal(&t->wakeup);
}

static void take_answered(struct http_thread *t)
{
    struct http_req *top = NULL, *rest, *req;
    if (!atomic_load_explicit(&t->answered, memory_order_relaxed))
        return;
    rest = atomic_exchange_explicit(&t->answered, NULL, memory_order_acq_rel);
    /* The stack has the last one on top; answers should leave in the order they were given. */
    while (rest) {
        req = rest;
        rest = req->next_answered;
        req->next_answered = top;
        top = req;
    }
    while (top) {
        req = top;
        top = req->next_answered;
        resume(t, req);
        http_req_drop(req);
    }
}

static void give_up_until(struct http_thread *t, struct mono limit, enum http_refusal why)
{
    struct http_req *next;
    for (struct http_req *r = t->first_waiting; r; r = next) {
        if (mono_diff_ns(r->answer_by, limit) > 0)
            return;
        next = r->next_waiting;
        if (!http_req_give_up(r, http_thread_refusal(why)))
            continue;
        resume(t, r);
        http_thread_refused(t, why, r->peer);
    }
}

/* ---- the turn ---- */

static int wait_ms(struct http_thread *t)
{
    MHD_UNSIGNED_LONG_LONG library_ms;
    int ms = mono_until_ms(t->now, t->sweep_at, HTTP_SWEEP_MS);
    if (http_thread_is_stopping(t) && ms > STOP_POLL_MS)
        ms = STOP_POLL_MS;
    if (MHD_get_timeout(t->daemon, &library_ms) == MHD_YES &&
        library_ms < (MHD_UNSIGNED_LONG_LONG)ms)
        ms = (int)library_ms;
    return ms;
}

static void wait_for_work(struct http_thread *t)
{
    struct epoll_event events[2];
    int ms = wait_ms(t);
    /* MHD_run polls its own sockets: with work left there is no need to ask twice. */
    if (ms == 0)
        return;
    int n = epoll_wait(t->epoll_fd, events, 2, ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.fd != t->wakeup.fd)
            continue;
        wakeup_clear(&t->wakeup);
        atomic_exchange_explicit(&t->is_signalled, false, memory_order_acq_rel);
    }
}

/* The library holds connections whose data it has not looked at yet: epoll is silent about them. */
static bool has_library_work(struct http_thread *t)
{
    MHD_UNSIGNED_LONG_LONG ms;
    return MHD_get_timeout(t->daemon, &ms) == MHD_YES && ms == 0;
}

/* A request that was sent before the stop gets an answer, though nobody has read it yet. */
static void read_what_came(struct http_thread *t)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(t->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd p = {info->epoll_fd, POLLIN, 0};
    for (int i = 0; i < DRAIN_READ_TURNS && (poll(&p, 1, 0) > 0 || has_library_work(t)); i++)
        MHD_run(t->daemon);
}

/* Connections that the kernel has already taken for us are served before the door shuts. */
static void stop_accepting(struct http_thread *t)
{
    struct pollfd p = {t->listen_fd, POLLIN, 0};
    if (t->is_quiet)
        return;
    for (int i = 0; !t->shared->is_adopted && i < DRAIN_ACCEPT_TURNS && poll(&p, 1, 0) > 0; i++)
        MHD_run(t->daemon);
    close(MHD_quiesce_daemon(t->daemon));
    read_what_came(t);
    t->is_quiet = true;
}

static bool is_finished(const struct http_thread *t)
{
    return http_thread_is_stopping(t) && t->is_quiet && !t->first_waiting &&
           (t->unsent == 0 || mono_diff_ns(t->now, t->shared->stop_by) >= 0);
}

static void run(void *arg)
{
    struct http_thread *t = arg;
    thread_owner_check(&t->owner);
    t->now = clock_mono(t->shared->clock);
    t->sweep_at = mono_add_ms(t->now, HTTP_SWEEP_MS);
    while (!is_finished(t)) {
        wait_for_work(t);
        t->now = clock_mono(t->shared->clock);
        if (http_thread_is_draining(t))
            stop_accepting(t);
        take_answered(t);
        if (http_thread_is_stopping(t))
            give_up_until(t, (struct mono){INT64_MAX}, HTTP_REFUSED_DRAINING);
        MHD_run(t->daemon);
        if (mono_diff_ns(t->now, t->sweep_at) >= 0) {
            give_up_until(t, t->now, HTTP_REFUSED_ANSWER_LATE);
            http_conn_sweep(t);
            t->sweep_at = mono_add_ms(t->now, HTTP_SWEEP_MS);
        }
    }
    MHD_stop_daemon(t->daemon);
    t->daemon = NULL;
}

/* ---- life ---- */

/* The library reports mostly what clients do wrong, which our own refusals count already. */
static void log_library(void *cls, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
static void log_library(void *cls, const char *fmt, va_list args)
{
    char text[256];
    (void)cls;
    if (!log_is_enabled(LOG_DEBUG))
        return;
    vsnprintf(text, sizeof text, fmt, args);
    log_debug("http.library", LOG_S("text", text));
}

static struct MHD_Daemon *start_daemon(struct http_thread *t, const struct http_thread_pem *pem)
{
    const struct http_limits *limits = &t->shared->limits;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    size_t pool =
        limits->header_bytes_max + limits->header_count_max * POOL_PER_HEADER + POOL_EXTRA;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_END, 0, NULL}, {0}, {0}, {MHD_OPTION_END, 0, NULL}};
    int domain = AF_INET;
    socklen_t len = sizeof domain;
    if (getsockopt(t->listen_fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_INET6)
        flags |= MHD_USE_IPv6;
    if (t->shared->has_tls) {
        /* The option array declares its texts mutable; the library only reads them. */
        union {
            const char *in;
            void *out;
        } cert = {.in = pem->cert}, key = {.in = pem->key}, priorities = {HTTP_TLS_PRIORITIES};
        flags |= MHD_USE_TLS;
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, cert.out};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key.out};
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities.out};
    }
    return MHD_start_daemon(
        flags, 0, http_conn_admit, t, http_access_serve, t, MHD_OPTION_EXTERNAL_LOGGER, log_library,
        NULL, MHD_OPTION_LISTEN_SOCKET, t->listen_fd, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(limits->connections_max + CONNECTION_SLACK),
        MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool,
        MHD_OPTION_NOTIFY_CONNECTION, http_conn_notify, t, MHD_OPTION_NOTIFY_COMPLETED,
        http_access_end, t, MHD_OPTION_URI_LOG_CALLBACK, http_access_begin, t,
        MHD_OPTION_UNESCAPE_CALLBACK, http_access_unescape, NULL, MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
}

static bool watch(struct http_thread *t, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

enum status http_thread_open(struct http_thread *t, struct http_shared *shared, int listen_fd,
                             const struct http_thread_pem *pem, struct err *e)
{
    enum status st = wakeup_init(&t->wakeup, e);
    if (st != ST_OK) {
        close(listen_fd);
        return st;
    }
    t->shared = shared;
    t->listen_fd = listen_fd;
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (t->epoll_fd < 0) {
        st = err_set_errno(e, ST_IO, errno, "epoll_create1");
        close(listen_fd);
        goto out_wakeup;
    }
    t->daemon = start_daemon(t, pem);
    if (!t->daemon) {
        /* Whether the library closed the socket depends on where it failed: it stays as it is. */
        st = err_set(e, ST_FATAL, "libmicrohttpd %s cannot start", MHD_get_version());
        goto out_epoll;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(t->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || !watch(t, info->epoll_fd) || !watch(t, t->wakeup.fd)) {
        st = err_set_errno(e, ST_IO, errno, "epoll_ctl");
        goto out_daemon;
    }
    return ST_OK;
out_daemon:
    MHD_stop_daemon(t->daemon);
    t->daemon = NULL;
out_epoll:
    close(t->epoll_fd);
out_wakeup:
    wakeup_fini(&t->wakeup);
    t->shared = NULL;
    return st;
}

enum status http_thread_start(struct http_thread *t, const char *name, struct err *e)
{
    return thread_start(&t->thread, name, run, t, e);
}

void http_thread_wake(struct http_thread *t)
{
    wakeup_signal(&t->wakeup);
}

void http_thread_join(struct http_thread *t)
{
    thread_join(t->thread);
    t->thread = NULL;
}

void http_thread_close(struct http_thread *t)
{
    if (!t->shared)
        return;
    if (t->daemon)
        MHD_stop_daemon(t->daemon);
    close(t->epoll_fd);
    wakeup_fini(&t->wakeup);
}
