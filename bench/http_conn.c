/* SPDX-License-Identifier: Apache-2.0 */
#include "http_conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_conn {
    int fd; /* -1 while closed */
    int epoll_fd;
    uint32_t tag;
    uint32_t interest;
    bool is_connecting;
    bool is_waiting; /* a request is under way */
    bool is_unwritable;
    size_t out_at; /* the first byte that the socket has not taken */
    size_t out_end;
    size_t request_offset;
    size_t in_len;
    struct http_answer answer;
    enum http_conn_trouble trouble;
    const char *why;
    char *out;
    char in[HTTP_ANSWER_MAX];
};

struct http_conn *http_conn_create(int epoll_fd, uint32_t tag, size_t request_max, struct fail *f)
{
    struct http_conn *c = calloc(1, sizeof *c);
    if (c == NULL || (c->out = malloc(request_max)) == NULL) {
        fail_set(f, "no memory for a connection with a request of %zu bytes", request_max);
        free(c);
        return NULL;
    }
    c->fd = -1;
    c->epoll_fd = epoll_fd;
    c->tag = tag;
    return c;
}

void http_conn_destroy(struct http_conn *c)
{
    if (c == NULL)
        return;
    http_conn_close(c);
    free(c->out);
    free(c);
}

bool http_conn_is_open(const struct http_conn *c)
{
    return c->fd >= 0;
}

void http_conn_close(struct http_conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->is_waiting = false;
    c->is_connecting = false;
}

static enum http_conn_event broken(struct http_conn *c, enum http_conn_trouble trouble,
                                   const char *why)
{
    http_conn_close(c);
    c->trouble = trouble;
    c->why = why;
    return HTTP_CONN_BROKEN;
}

static bool watch(struct http_conn *c, int op, uint32_t interest)
{
    struct epoll_event ev = {.events = interest, .data.u32 = c->tag};
    if (op == EPOLL_CTL_MOD && c->interest == interest)
        return true;
    c->interest = interest;
    return epoll_ctl(c->epoll_fd, op, c->fd, &ev) == 0;
}

static enum http_conn_event connected(struct http_conn *c)
{
    c->is_connecting = false;
    if (!watch(c, EPOLL_CTL_MOD, EPOLLIN))
        return broken(c, HTTP_CONN_REFUSED, "epoll_ctl failed");
    return HTTP_CONN_OPENED;
}

enum http_conn_event http_conn_open(struct http_conn *c, const struct sockaddr_in *to)
{
    const int on = 1;
    CHECK(c->fd < 0);
    c->in_len = 0;
    c->is_unwritable = false;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return broken(c, HTTP_CONN_REFUSED, "no socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!watch(c, EPOLL_CTL_ADD, EPOLLOUT))
        return broken(c, HTTP_CONN_REFUSED, "epoll_ctl failed");
    if (connect(c->fd, (const struct sockaddr *)to, sizeof *to) == 0)
        return connected(c);
    if (errno != EINPROGRESS)
        return broken(c, HTTP_CONN_REFUSED, "connect failed");
    c->is_connecting = true;
    return HTTP_CONN_NOTHING;
}

char *http_conn_buffer(struct http_conn *c)
{
    CHECK(!c->is_waiting);
    return c->out;
}

static void push_out(struct http_conn *c)
{
    while (c->out_at < c->out_end && !c->is_unwritable) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_end - c->out_at, MSG_NOSIGNAL);
        if (n >= 0)
            c->out_at += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            /* The answer may lie in the receive buffer already, as after a 413: the next read
             * tells. */
            c->is_unwritable = true;
    }
    bool wants_more = c->out_at < c->out_end && !c->is_unwritable;
    /* A failed MOD leaves the request to its timeout; the kernel refuses it only without memory. */
    (void)watch(c, EPOLL_CTL_MOD, wants_more ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void http_conn_send(struct http_conn *c, size_t offset, size_t len)
{
    c->request_offset = offset;
    c->out_end = offset + len;
    http_conn_send_again(c);
}

void http_conn_send_again(struct http_conn *c)
{
    CHECK(c->fd >= 0 && !c->is_waiting && !c->is_connecting);
    c->out_at = c->request_offset;
    c->in_len = 0;
    c->is_waiting = true;
    push_out(c);
}

static enum http_conn_event take_in(struct http_conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof c->in - c->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return HTTP_CONN_NOTHING;
    if (n <= 0)
        return broken(c, HTTP_CONN_ENDED, "ended by the server");
    if (!c->is_waiting)
        return broken(c, HTTP_CONN_BAD, "bytes without a request");
    c->in_len += (size_t)n;
    switch (http_answer_read(c->in, c->in_len, &c->answer, &c->why)) {
    case HTTP_ANSWER_PARTIAL:
        return HTTP_CONN_NOTHING;
    case HTTP_ANSWER_BAD:
        return broken(c, HTTP_CONN_BAD, c->why);
    case HTTP_ANSWER_WHOLE:
        break;
    }
    if (c->answer.total_len < c->in_len)
        return broken(c, HTTP_CONN_BAD, "bytes after the answer");
    c->is_waiting = false;
    /* The rest of a request that is answered early can only confuse the server. */
    if (c->answer.closes || c->out_at < c->out_end)
        http_conn_close(c);
    return HTTP_CONN_ANSWERED;
}

enum http_conn_event http_conn_ready(struct http_conn *c, uint32_t epoll_events)
{
    CHECK(c->fd >= 0);
    if (c->is_connecting) {
        int error = 0;
        socklen_t len = sizeof error;
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
            return broken(c, HTTP_CONN_REFUSED, "connect failed");
        return connected(c);
    }
    if ((epoll_events & EPOLLOUT) != 0)
        push_out(c);
    if ((epoll_events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        return take_in(c);
    return HTTP_CONN_NOTHING;
}

const struct http_answer *http_conn_answer(const struct http_conn *c)
{
    return &c->answer;
}

enum http_conn_trouble http_conn_trouble(const struct http_conn *c)
{
    return c->trouble;
}

const char *http_conn_why(const struct http_conn *c)
{
    return c->why;
}
