/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_server.h"

#include "base/lock.h"
#include "http/http_listen.h"
#include "http/http_thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX     16
#define SERVER_NAME_MAX 10 /* and "-16" fit into a thread's name */

struct http_server {
    struct http_shared shared;
    uint16_t port;
    int thread_count;
    struct http_thread threads[];
};

const char *http_refusal_name(enum http_refusal why)
{
    static const char *const names[HTTP_REFUSAL_COUNT] = {
        [HTTP_REFUSED_FRAMING] = "framing",     [HTTP_REFUSED_HEADERS] = "headers",
        [HTTP_REFUSED_BODY_SIZE] = "body_size", [HTTP_REFUSED_MEMORY] = "memory",
        [HTTP_REFUSED_WAITING] = "waiting",     [HTTP_REFUSED_CONNECTIONS] = "connections",
        [HTTP_REFUSED_SLOW] = "slow",           [HTTP_REFUSED_ANSWER_LATE] = "answer_late",
        [HTTP_REFUSED_DRAINING] = "draining",
    };
    CHECK((unsigned)why < HTTP_REFUSAL_COUNT);
    return names[why];
}

/* ---- start ---- */

static enum status check_opts(const struct http_server_opts *o, struct err *e)
{
    const struct http_limits *l = &o->limits;
    if (o->threads < 1 || o->threads > THREADS_MAX)
        return err_set(e, ST_BAD_INPUT, "threads must be between 1 and %d", THREADS_MAX);
    if (strlen(o->name) > SERVER_NAME_MAX)
        return err_set(e, ST_BAD_INPUT, "the name %s is longer than %d bytes", o->name,
                       SERVER_NAME_MAX);
    if (!o->tls_cert_pem != !o->tls_key_pem)
        return err_set(e, ST_BAD_INPUT, "certificate and key belong together");
    if (l->connections_max < 1 || l->connections_max > HTTP_CONNECTIONS_LIMIT)
        return err_set(e, ST_BAD_INPUT, "connections_max must be between 1 and %d",
                       HTTP_CONNECTIONS_LIMIT);
    if (l->header_bytes_max < HTTP_HEADER_BYTES_LEAST ||
        l->header_bytes_max > HTTP_HEADER_BYTES_LIMIT)
        return err_set(e, ST_BAD_INPUT, "header_bytes_max must be between %d and %d",
                       HTTP_HEADER_BYTES_LEAST, HTTP_HEADER_BYTES_LIMIT);
    if (l->header_count_max < 1 || l->header_count_max > HTTP_FIELDS_MAX)
        return err_set(e, ST_BAD_INPUT, "header_count_max must be between 1 and %d",
                       HTTP_FIELDS_MAX);
    if (l->body_max > l->memory_max || l->waiting_max < 1)
        return err_set(e, ST_BAD_INPUT, "body_max must fit into memory_max, waiting_max be >= 1");
    if (l->request_timeout_ms < 1 || l->idle_timeout_ms < 1 || l->answer_timeout_ms < 1)
        return err_set(e, ST_BAD_INPUT, "time limits must be at least 1 ms");
    return ST_OK;
}

static struct http_server *allocate(const struct http_server_opts *o)
{
    struct http_server *s = calloc(1, sizeof *s + (size_t)o->threads * sizeof s->threads[0]);
    if (!s)
        return NULL;
    s->shared.limits = o->limits;
    s->shared.handler = o->handler;
    s->shared.clock = o->clock ? o->clock : clock_system();
    s->shared.user_bytes = o->user_bytes;
    s->shared.is_adopted = o->listen_fd >= 0;
    s->shared.has_tls = o->tls_cert_pem != NULL;
    s->shared.tally = http_tally_create();
    if (!s->shared.tally) {
        free(s);
        return NULL;
    }
    s->shared.tls_lock = lock_create();
    s->port = o->port;
    s->thread_count = o->threads;
    return s;
}

static enum status start_threads(struct http_server *s, const struct http_server_opts *o,
                                 struct err *e)
{
    for (int i = 0; i < s->thread_count; i++) {
        char name[THREAD_NAME_MAX];
        snprintf(name, sizeof name, "%s-%d", o->name, i + 1);
        enum status st = http_thread_start(&s->threads[i], name, e);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

static enum status open_threads(struct http_server *s, const struct http_server_opts *o,
                                struct err *e)
{
    const struct http_thread_pem pem = {o->tls_cert_pem, o->tls_key_pem};
    int fds[THREADS_MAX];
    enum status st = ST_OK;
    if (s->shared.has_tls)
        st = http_tls_create(&s->shared.tls, o->tls_cert_pem, o->tls_key_pem, e);
    if (st != ST_OK) {
        if (o->listen_fd >= 0)
            close(o->listen_fd);
        return st;
    }
    st = o->listen_fd >= 0 ? http_listen_adopt(o->listen_fd, &s->port, fds, o->threads, e)
                           : http_listen_open(o->address, &s->port, fds, o->threads, e);
    if (st != ST_OK)
        return st;
    for (int i = 0; i < o->threads; i++) {
        if (st == ST_OK)
            st = http_thread_open(&s->threads[i], &s->shared, fds[i], &pem, e);
        else
            close(fds[i]);
    }
    return st;
}

enum status http_server_start(struct http_server **out, const struct http_server_opts *opts,
                              struct err *e)
{
    struct http_server *s = NULL;
    enum status st = check_opts(opts, e);
    if (st == ST_OK && !(s = allocate(opts)))
        st = err_set(e, ST_NO_MEM, "http server: out of memory");
    if (st != ST_OK) {
        if (opts->listen_fd >= 0)
            close(opts->listen_fd);
        return st;
    }
    st = open_threads(s, opts, e);
    if (st == ST_OK)
        st = start_threads(s, opts, e);
    if (st != ST_OK) {
        http_server_stop(s, 0);
        return st;
    }
    *out = s;
    return ST_OK;
}

/* ---- life ---- */

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

static void wake_all(struct http_server *s)
{
    for (int i = 0; i < s->thread_count; i++)
        if (s->threads[i].thread)
            http_thread_wake(&s->threads[i]);
}

void http_server_drain(struct http_server *s)
{
    atomic_store_explicit(&s->shared.draining, true, memory_order_release);
    wake_all(s);
}

void http_server_stop(struct http_server *s, int deadline_ms)
{
    if (!s)
        return;
    s->shared.stop_by = mono_add_ms(clock_mono(s->shared.clock), deadline_ms);
    atomic_store_explicit(&s->shared.draining, true, memory_order_release);
    atomic_store_explicit(&s->shared.stopping, true, memory_order_release);
    wake_all(s);
    for (int i = 0; i < s->thread_count; i++)
        http_thread_join(&s->threads[i]);
    for (int i = 0; i < s->thread_count; i++)
        http_thread_close(&s->threads[i]);
    http_tls_drop(s->shared.tls);
    lock_destroy(s->shared.tls_lock);
    http_tally_drop(s->shared.tally);
    free(s);
}

size_t http_server_waiting(const struct http_server *s)
{
    return http_tally_read(&s->shared.tally->waiting);
}

size_t http_server_memory(const struct http_server *s)
{
    return http_tally_read(&s->shared.tally->memory_bytes);
}

size_t http_server_connections(const struct http_server *s)
{
    return http_tally_read(&s->shared.tally->connections);
}

enum status http_server_set_tls(struct http_server *s, const char *cert_pem, const char *key_pem,
                                struct err *e)
{
    struct http_tls *fresh;
    if (!s->shared.has_tls)
        return err_set(e, ST_DENIED, "the server was started without TLS");
    enum status st = http_tls_create(&fresh, cert_pem, key_pem, e);
    if (st != ST_OK)
        return st;
    lock_take(s->shared.tls_lock);
    struct http_tls *old = s->shared.tls;
    s->shared.tls = fresh;
    lock_give(s->shared.tls_lock);
    http_tls_drop(old);
    return ST_OK;
}

void http_server_flush(struct http_server *s)
{
    for (int i = 0; i < s->thread_count; i++)
        http_thread_flush(&s->threads[i]);
}
