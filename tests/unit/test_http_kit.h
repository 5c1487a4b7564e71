/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_TESTS_TEST_HTTP_KIT_H
#define RELAY_TESTS_TEST_HTTP_KIT_H

/*
 * A server to test and raw clients to test it with, for the test_http_* programs.
 *
 * Owns: a rig (server, a handler with a few routes, a thread that answers). Routes: /now replies at
 * once, /deny refuses in on_head, /big replies 16 MiB, /auto is answered by the rig's thread, /hold
 * waits until the test answers it. Every wait has a deadline.
 *
 * Threads: the rig's functions from the test's thread; the handler runs in the http threads.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mailbox.h"
#include "base/thread.h"
#include "http/http_server.h"

#define KIT_DEADLINE_MS 5000
#define KIT_HELD_MAX    512
#define KIT_BIG_BYTES   ((size_t)16 * 1024 * 1024)

struct kit_user { /* the handler's memory in each request */
    struct mail mail;
    struct http_req *req;
};

struct rig {
    struct http_server *server;
    struct mailbox *mailbox; /* /auto */
    struct thread *answerer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http_req *held[KIT_HELD_MAX]; /* /hold, in the order of arrival */
    size_t held_count;
    size_t refused[HTTP_REFUSAL_COUNT];
    char last_path[64]; /* of the last request in on_head */
    char last_query[64];
    char last_header[64]; /* X-Probe */
    size_t last_header_count;
    size_t last_declared;
    char last_peer[64];
    char *big;
    atomic_size_t answered;
};

static const struct http_reply kit_ok = {
    .status = 200, .content_type = "application/json", .body = {"{\"ok\":true}", 11}};
static const struct http_reply kit_denied = {.status = 401,
                                             .headers = {{"WWW-Authenticate", "Basic"}}};

static inline bool kit_path_is(const struct http_req *req, const char *path)
{
    return slice_eq(http_req_path(req), slice_of(path));
}

static inline void kit_text(char out[64], struct slice s)
{
    snprintf(out, 64, "%.*s", (int)(s.len < 63 ? s.len : 63), s.ptr ? s.ptr : "");
}

static inline bool kit_on_head(void *ctx, struct http_req *req)
{
    struct rig *r = ctx;
    pthread_mutex_lock(&r->lock);
    kit_text(r->last_path, http_req_path(req));
    kit_text(r->last_query, http_req_query(req));
    kit_text(r->last_header, http_req_header(req, "x-probe"));
    r->last_header_count = http_req_header_count(req, "x-probe");
    r->last_declared = http_req_declared_length(req);
    kit_text(r->last_peer, slice_of(http_req_peer(req)));
    pthread_mutex_unlock(&r->lock);
    if (kit_path_is(req, "/deny")) {
        http_req_reply(req, &kit_denied);
        return false;
    }
    return true;
}

static inline void kit_on_request(void *ctx, struct http_req *req)
{
    struct rig *r = ctx;
    struct kit_user *u = http_req_user(req);
    CHECK(u->req == NULL);
    u->req = req;
    if (kit_path_is(req, "/auto")) {
        http_req_suspend(req);
        CHECK(mailbox_post(r->mailbox, &u->mail) == ST_OK);
    } else if (kit_path_is(req, "/hold")) {
        http_req_suspend(req);
        pthread_mutex_lock(&r->lock);
        CHECK(r->held_count < KIT_HELD_MAX);
        r->held[r->held_count++] = req;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    } else if (kit_path_is(req, "/big")) {
        struct http_reply reply = kit_ok;
        reply.body = (struct slice){r->big, KIT_BIG_BYTES};
        http_req_reply(req, &reply);
    } else {
        struct http_reply reply = kit_ok;
        if (http_req_body(req).len)
            reply.body = http_req_body(req);
        http_req_reply(req, &reply);
    }
}

static inline void kit_on_refused(void *ctx, enum http_refusal why, const char *peer)
{
    struct rig *r = ctx;
    (void)peer;
    pthread_mutex_lock(&r->lock);
    r->refused[why]++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static inline void kit_answer_mail(void *arg)
{
    struct rig *r = arg;
    struct mail *m;
    while (!mailbox_is_closed(r->mailbox) || mailbox_depth(r->mailbox)) {
        mailbox_take(r->mailbox, 256, 1000, &m);
        for (struct mail *next; m; m = next) {
            struct kit_user *u = (struct kit_user *)(void *)m;
            next = m->next;
            http_req_answer(u->req, &kit_ok);
            atomic_fetch_add(&r->answered, 1);
        }
        http_server_flush(r->server);
    }
}

/* Comfortable limits; a test tightens the one it is about. */
static inline struct http_server_opts kit_opts(struct rig *r)
{
    return (struct http_server_opts){.address = "127.0.0.1",
                                     .listen_fd = -1,
                                     .threads = 2,
                                     .name = "http",
                                     .limits = {.connections_max = 1000,
                                                .header_bytes_max = 8192,
                                                .header_count_max = 32,
                                                .body_max = 1024 * 1024,
                                                .memory_max = 64 * 1024 * 1024,
                                                .waiting_max = 1000,
                                                .request_timeout_ms = KIT_DEADLINE_MS,
                                                .idle_timeout_ms = KIT_DEADLINE_MS,
                                                .answer_timeout_ms = KIT_DEADLINE_MS},
                                     .handler = {r, kit_on_head, kit_on_request, kit_on_refused},
                                     .user_bytes = sizeof(struct kit_user)};
}

static inline void rig_start(struct rig *r, const struct http_server_opts *opts)
{
    struct err e = {0};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->mailbox = mailbox_create(KIT_HELD_MAX);
    assert_non_null(r->mailbox);
    r->big = calloc(1, KIT_BIG_BYTES);
    assert_non_null(r->big);
    if (http_server_start(&r->server, opts, &e) != ST_OK)
        fail_msg("%s", e.text);
    assert_int_equal(thread_start(&r->answerer, "answerer", kit_answer_mail, r, &e), ST_OK);
}

static inline struct rig *rig_of(const struct http_server_opts *opts)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o;
    assert_non_null(r);
    o = opts ? *opts : kit_opts(r);
    o.handler.ctx = r;
    rig_start(r, &o);
    return r;
}

/* Stops the answering thread first: it flushes the server. */
static inline void rig_stop_answerer(struct rig *r)
{
    mailbox_close(r->mailbox);
    thread_join(r->answerer);
    r->answerer = NULL;
}

static inline void rig_free(struct rig *r)
{
    rig_stop_answerer(r);
    http_server_stop(r->server, 1000);
    mailbox_destroy(r->mailbox);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r->big);
    free(r);
}

static inline struct mono kit_deadline(void)
{
    return mono_add_ms(clock_mono(clock_system()), KIT_DEADLINE_MS);
}

static inline int kit_ms_left(struct mono deadline)
{
    return mono_until_ms(clock_mono(clock_system()), deadline, KIT_DEADLINE_MS);
}

static inline void kit_wait_changed(struct rig *r)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += KIT_DEADLINE_MS / 1000;
    if (pthread_cond_timedwait(&r->changed, &r->lock, &ts) == ETIMEDOUT) {
        pthread_mutex_unlock(&r->lock);
        fail_msg("nothing happened in time");
    }
}

static inline void rig_wait_held(struct rig *r, size_t count)
{
    pthread_mutex_lock(&r->lock);
    while (r->held_count < count)
        kit_wait_changed(r);
    pthread_mutex_unlock(&r->lock);
}

static inline void rig_wait_refused(struct rig *r, enum http_refusal why, size_t count)
{
    pthread_mutex_lock(&r->lock);
    while (r->refused[why] < count)
        kit_wait_changed(r);
    assert_int_equal(r->refused[why], count);
    pthread_mutex_unlock(&r->lock);
}

/* Waits until f(server) is want. */
static inline void rig_wait_gauge(struct rig *r, size_t (*f)(const struct http_server *),
                                  size_t want)
{
    struct mono deadline = kit_deadline();
    while (f(r->server) != want && kit_ms_left(deadline) > 0)
        (void)poll(NULL, 0, 1);
    assert_int_equal(f(r->server), want);
}

/* Answers everything held and forgets it. */
static inline void rig_answer_held(struct rig *r)
{
    for (size_t i = 0; i < r->held_count; i++)
        http_req_answer(r->held[i], &kit_ok);
    r->held_count = 0;
}

/* ---- a raw client ---- */

struct client {
    int fd;
    size_t len;
    char buf[16384]; /* received and not consumed */
    bool says_close; /* of the last response */
    char head[2048];
    size_t body_len;
    char body[1024]; /* the first bytes of it */
};

static inline int kit_connect(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static inline void client_open(struct client *c, struct rig *r)
{
    memset(c, 0, offsetof(struct client, buf));
    c->fd = kit_connect(http_server_port(r->server));
}

static inline void client_close(struct client *c)
{
    close(c->fd);
}

/* False when the peer has closed already. */
static inline bool client_try_send(struct client *c, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static inline void client_send(struct client *c, const char *text)
{
    assert_true(client_try_send(c, text, strlen(text)));
}

/* Reads more; 0 at the end of the stream (a reset counts as one), -1 after the time. */
static inline int client_fill(struct client *c, int timeout_ms)
{
    struct pollfd p = {c->fd, POLLIN, 0};
    assert_true(c->len < sizeof c->buf);
    if (poll(&p, 1, timeout_ms) != 1)
        return -1;
    ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - c->len, 0);
    if (n <= 0)
        return 0;
    c->len += (size_t)n;
    return 1;
}

static inline void client_consume(struct client *c, size_t n)
{
    memmove(c->buf, c->buf + n, c->len - n);
    c->len -= n;
}

/*
 * The status of the next response, read to its end; 0 when the connection closed without one, -1
 * after the time.
 */
static inline int client_status(struct client *c)
{
    struct mono deadline = kit_deadline();
    char *end;
    while (!(end = memmem(c->buf, c->len, "\r\n\r\n", 4))) {
        int rc = client_fill(c, kit_ms_left(deadline));
        if (rc <= 0)
            return rc;
    }
    size_t head = (size_t)(end - c->buf) + 4;
    assert_true(head < sizeof c->head);
    memcpy(c->head, c->buf, head);
    c->head[head] = '\0';
    client_consume(c, head);
    c->says_close = strcasestr(c->head, "\r\nConnection: close\r\n") != NULL;
    const char *length = strcasestr(c->head, "\r\nContent-Length: ");
    c->body_len = length ? strtoul(length + 18, NULL, 10) : 0;
    assert_true(c->body_len < sizeof c->body);
    while (c->len < c->body_len) {
        int rc = client_fill(c, kit_ms_left(deadline));
        if (rc <= 0)
            return rc;
    }
    memcpy(c->body, c->buf, c->body_len);
    c->body[c->body_len] = '\0';
    client_consume(c, c->body_len);
    return (int)strtol(c->head + 9, NULL, 10);
}

/* Whether the server closes the connection; what it still sends is skipped. */
static inline bool client_is_closed(struct client *c, int timeout_ms)
{
    struct mono deadline = mono_add_ms(clock_mono(clock_system()), timeout_ms);
    for (;;) {
        c->len = 0;
        int rc = client_fill(c, mono_until_ms(clock_mono(clock_system()), deadline, timeout_ms));
        if (rc <= 0)
            return rc == 0;
    }
}

/* Sends a whole request and returns the status of its answer. */
static inline int client_ask(struct client *c, const char *request)
{
    client_send(c, request);
    return client_status(c);
}

#define KIT_GET(path)        "GET " path " HTTP/1.1\r\nHost: t\r\n\r\n"
#define KIT_POST(path, n, b) "POST " path " HTTP/1.1\r\nHost: t\r\nContent-Length: " n "\r\n\r\n" b

#endif
