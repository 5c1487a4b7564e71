/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_HTTP_CONN_H
#define RELAY_BENCH_HTTP_CONN_H

/*
 * One keep-alive HTTP/1.1 client connection with at most one request under way.
 *
 * Owns the socket, its registration with the caller's epoll instance, the request buffer and the
 * answer buffer. Does not own the epoll instance, the request's meaning, timers or retries. The
 * request's bytes stay in the buffer until the next request is written there, so that the same
 * request can be sent again.
 *
 * Invariants: the socket is registered exactly while it is open; http_conn_answer() is valid from
 * an HTTP_CONN_ANSWERED until the next call that sends or opens.
 *
 * Threads: none of its own; one thread at a time.
 */

#include "fail.h"
#include "http_answer.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

enum http_conn_event {
    HTTP_CONN_NOTHING,
    HTTP_CONN_OPENED,   /* connected; a request may be sent */
    HTTP_CONN_ANSWERED, /* the request has its answer; the socket may be closed now: see is_open */
    HTTP_CONN_BROKEN,   /* closed; http_conn_trouble() says why */
};

enum http_conn_trouble {
    HTTP_CONN_REFUSED, /* could not connect */
    HTTP_CONN_ENDED,   /* the server closed or reset the connection */
    HTTP_CONN_BAD,     /* the server sent what is not an answer; http_conn_why() says what */
};

struct http_conn;

/*
 * A closed connection whose events will carry `tag` as data.u32 of epoll_fd, with a request buffer
 * of request_max bytes. Returns NULL and fills *f when there is no memory.
 */
struct http_conn *http_conn_create(int epoll_fd, uint32_t tag, size_t request_max, struct fail *f);
void http_conn_destroy(struct http_conn *c);

/* Starts to connect a closed connection. OPENED and BROKEN may come at once, otherwise from _ready.
 */
enum http_conn_event http_conn_open(struct http_conn *c, const struct sockaddr_in *to);
bool http_conn_is_open(const struct http_conn *c);

/* Closes an open connection; a request under way loses its answer. */
void http_conn_close(struct http_conn *c);

/* The request buffer. It must not be written to while a request is under way. */
char *http_conn_buffer(struct http_conn *c);

/*
 * Sends len bytes of the request buffer from offset, on an open connection without a request under
 * way. What the socket does not take at once follows in _ready; a failure shows there too.
 */
void http_conn_send(struct http_conn *c, size_t offset, size_t len);

/* Sends the same bytes again, under the same conditions. */
void http_conn_send_again(struct http_conn *c);

/* Takes the events that epoll told for this connection. */
enum http_conn_event http_conn_ready(struct http_conn *c, uint32_t epoll_events);

const struct http_answer *http_conn_answer(const struct http_conn *c);
enum http_conn_trouble http_conn_trouble(const struct http_conn *c);

/* A constant text for HTTP_CONN_BAD. */
const char *http_conn_why(const struct http_conn *c);

#endif
