/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_conn.h"

#include "base/lock.h"
#include "http/http_thread.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The address as text; an IPv4 peer of a dual-stack socket in its IPv4 form. */
static void format_peer(const struct sockaddr *addr, char out[INET6_ADDRSTRLEN])
{
    out[0] = '\0';
    if (addr->sa_family == AF_INET) {
        struct sockaddr_in in4;
        memcpy(&in4, addr, sizeof in4);
        inet_ntop(AF_INET, &in4.sin_addr, out, INET6_ADDRSTRLEN);
    } else if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, addr, sizeof in6);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
            inet_ntop(AF_INET, &in6.sin6_addr.s6_addr[12], out, INET6_ADDRSTRLEN);
        else
            inet_ntop(AF_INET6, &in6.sin6_addr, out, INET6_ADDRSTRLEN);
    }
}

enum MHD_Result http_conn_admit(void *cls, const struct sockaddr *addr, socklen_t len)
{
    struct http_thread *t = cls;
    struct http_shared *s = t->shared;
    char peer[INET6_ADDRSTRLEN];
    (void)len;
    if (http_tally_read(&s->tally->connections) < s->limits.connections_max)
        return MHD_YES;
    format_peer(addr, peer);
    http_thread_refused(t, HTTP_REFUSED_CONNECTIONS, peer);
    return MHD_NO;
}

static void cut(struct http_conn *c)
{
    shutdown(c->fd, SHUT_RDWR);
    c->is_cut = true;
}

/* Gives the session the certificate that is in force now. */
static bool secure(struct http_conn *c, struct MHD_Connection *mhd)
{
    struct http_shared *s = c->thread->shared;
    const union MHD_ConnectionInfo *info;
    if (!s->has_tls)
        return true;
    lock_take(s->tls_lock);
    c->tls = s->tls;
    http_tls_take(c->tls);
    lock_give(s->tls_lock);
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info && http_tls_apply(c->tls, info->tls_session) == ST_OK;
}

static void opened(struct http_thread *t, struct MHD_Connection *mhd, void **context)
{
    struct http_shared *s = t->shared;
    int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct http_conn *c = calloc(1, sizeof *c);
    *context = c;
    if (!c) {
        shutdown(fd, SHUT_RDWR);
        return;
    }
    c->thread = t;
    c->fd = fd;
    format_peer(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
                c->peer);
    c->next = t->conns;
    if (c->next)
        c->next->prev = c;
    t->conns = c;
    http_conn_enter(c, HTTP_CONN_FIRST);
    /* Two threads may have admitted the last connection at once; this count is the exact one. */
    c->is_counted = http_tally_try_add(&s->tally->connections, 1, s->limits.connections_max);
    if (!c->is_counted)
        http_thread_refused(t, HTTP_REFUSED_CONNECTIONS, c->peer);
    if (!c->is_counted || !secure(c, mhd))
        cut(c);
}

static void closed(struct http_conn *c)
{
    if (c->is_counted)
        http_tally_sub(&c->thread->shared->tally->connections, 1);
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->thread->conns = c->next;
    http_tls_drop(c->tls);
    free(c);
}

void http_conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
                      enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        opened(cls, mhd, context);
    } else if (*context) {
        closed(*context);
        *context = NULL;
    }
}

struct http_conn *http_conn_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void http_conn_enter(struct http_conn *c, enum http_conn_phase phase)
{
    c->phase = phase;
    c->since = c->thread->now;
}

void http_conn_sweep(struct http_thread *t)
{
    const struct http_limits *limits = &t->shared->limits;
    for (struct http_conn *c = t->conns; c; c = c->next) {
        bool is_idle = c->phase == HTTP_CONN_IDLE;
        int limit_ms = is_idle ? limits->idle_timeout_ms : limits->request_timeout_ms;
        if (c->is_cut || c->phase == HTTP_CONN_HELD ||
            mono_diff_ns(t->now, mono_add_ms(c->since, limit_ms)) < 0)
            continue;
        cut(c);
        if (!is_idle)
            http_thread_refused(t, HTTP_REFUSED_SLOW, c->peer);
    }
}
