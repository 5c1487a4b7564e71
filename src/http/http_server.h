/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_SERVER_H
#define RELAY_HTTP_HTTP_SERVER_H

/*
 * An HTTP/1.1 server whose requests may wait for an answer from another thread. The only door to
 * libmicrohttpd.
 *
 * Owns: listening sockets, connections, request buffers, its own threads. Does not own: what a
 * request means; routes, authentication and answers are the handler's.
 *
 * Shape: each of N threads drives its own libmicrohttpd daemon in external epoll mode over its own
 * SO_REUSEPORT socket, with an eventfd of ours beside it. libmicrohttpd's internal epoll loop
 * stalls when one wait returns exactly 128 events (daemon.c, MHD_epoll, 0.9.75 and later); external
 * mode is immune, because MHD_run never waits.
 *
 * Time limits are kept by a sweep every 100 ms, so they may be that much late.
 *
 * The way of a request: header limits - framing gate (http_gate.h) - draining - body_max -
 * handler.on_head (before any body byte is kept) - waiting_max - memory_max - body -
 * handler.on_request. The handler replies at once with http_req_reply(), or calls
 * http_req_suspend(), hands the request to another thread, and that thread calls http_req_answer().
 * A suspended request that is not answered within answer_timeout_ms gets 503; its late answer is
 * then dropped, which is no error.
 *
 * Refused before its body was read, a request with a declared body of at most 256 KiB has that body
 * read and thrown away first, and the connection may live on. A larger or chunked body, or one
 * whose sender waits for "100 Continue", is not read: the answer goes out at once and the
 * connection is closed, which can cost a peer that still writes the answer (a socket closed with
 * unread bytes is reset).
 *
 * While a request is suspended its connection is not watched: a client that went away is noticed
 * when the answer is written. A client that shuts down its writing side before the answer came
 * (half-close) gets none: the library takes that for the end of the connection.
 *
 * Threads: each function says which. "http" is the server's thread that the request lives on.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

struct http_server;
struct http_req;

#define HTTP_REPLY_HEADERS_MAX 4

struct http_header {
    const char *name;
    const char *value;
};

/* An answer. Everything is copied before the call that takes it returns. */
struct http_reply {
    int status;
    const char *content_type; /* NULL when there is no body */
    struct slice body;
    struct http_header headers[HTTP_REPLY_HEADERS_MAX]; /* unused ones are {NULL, NULL} */
    bool close;                                         /* close the connection after it */
};

/* Why a request or connection ended before the handler's answer; for metrics. */
enum http_refusal {
    HTTP_REFUSED_FRAMING,     /* 400 (411, 417; see http_gate.h), closed: a shape that a proxy may
                                 read differently */
    HTTP_REFUSED_HEADERS,     /* 431, closed: too many or too large headers */
    HTTP_REFUSED_BODY_SIZE,   /* 413, closed: body over body_max */
    HTTP_REFUSED_MEMORY,      /* 503: bytes of all requests over memory_max */
    HTTP_REFUSED_WAITING,     /* 503: waiting_max requests wait for their answer */
    HTTP_REFUSED_CONNECTIONS, /* closed at accept: connections_max */
    HTTP_REFUSED_SLOW,        /* closed: request not complete, or answer not taken, within
                                 request_timeout_ms */
    HTTP_REFUSED_ANSWER_LATE, /* 503: no answer within answer_timeout_ms */
    HTTP_REFUSED_DRAINING,    /* 503, closed: the server is stopping */
    HTTP_REFUSAL_COUNT
};
/* A constant word ("framing", "body_size") for metrics. */
const char *http_refusal_name(enum http_refusal why);

struct http_handler {
    void *ctx;
    /*
     * The head is complete and passed the gate; no body byte was kept. Returns true to read the
     * body, or calls http_req_reply() and returns false: the body is not kept (see above) and
     * on_request is not called. Thread: http.
     */
    bool (*on_head)(void *ctx, struct http_req *req);
    /* The body is complete. Calls http_req_reply(), or http_req_suspend() and sees to an answer.
     * Thread: http. */
    void (*on_request)(void *ctx, struct http_req *req);
    /* A request or connection was refused here; may be NULL. peer is as http_req_peer(), "" when
     * unknown. Thread: http. */
    void (*on_refused)(void *ctx, enum http_refusal why, const char *peer);
};

#define HTTP_CONNECTIONS_LIMIT  100000
#define HTTP_HEADER_BYTES_LEAST 1024
#define HTTP_HEADER_BYTES_LIMIT 65536

struct http_limits {
    size_t connections_max;  /* over all threads; 1 to HTTP_CONNECTIONS_LIMIT. The process needs as
                                many descriptors */
    size_t header_bytes_max; /* request line and headers of one request; HTTP_HEADER_BYTES_LEAST to
                                HTTP_HEADER_BYTES_LIMIT. A connection costs about this + 64 bytes a
                                header + 4 KiB, zeroed after each request: keep it small */
    size_t header_count_max; /* 1 to 128 */
    size_t body_max;         /* bytes; at most memory_max */
    /* Bytes of bodies held by all requests together. A declared length is reserved whole once
     * on_head let the request in, a chunked body as it comes. */
    size_t memory_max;
    /* Requests suspended at once. Refused are requests with a body, so that probes and metrics
     * still answer; threads may pass it by one request each. */
    size_t waiting_max;
    /*
     * From the request line until the body is complete, and again until the answer is taken: cuts a
     * trickling client. For the first request of a connection the clock starts when the connection
     * is accepted. Later ones: the library does not show the bytes of a request line that is not
     * complete, so until then idle_timeout_ms runs on.
     */
    int request_timeout_ms;
    int idle_timeout_ms;   /* from an answer until the next request line is complete */
    int answer_timeout_ms; /* from suspend to answer */
};

struct http_server_opts {
    const char *address; /* "127.0.0.1", "::1", "0.0.0.0"; ignored with listen_fd */
    uint16_t port;       /* 0: the kernel chooses, see http_server_port() */
    /* An inherited listening socket, or -1. Taken over, also when the start fails. The threads
     * share its one accept queue, and connections waiting in it when the server stops are left to
     * whoever holds it next. */
    int listen_fd;
    int threads;      /* 1 to 16 */
    const char *name; /* thread names: "<name>-1"; at most 10 characters */
    struct http_limits limits;
    const char *tls_cert_pem; /* both or neither; text, not needed after the start */
    const char *tls_key_pem;
    struct http_handler handler;
    size_t user_bytes;         /* zeroed memory that comes with each request, see http_req_user() */
    const struct clock *clock; /* NULL: the system's */
};

/* ---- life; thread: main ---- */

/*
 * Binds and starts the threads; requests arrive from now on. ST_BUSY: the address is taken;
 * ST_BAD_INPUT: an option out of its bounds, address or certificate malformed; the text names what
 * to change.
 */
MUST_CHECK enum status http_server_start(struct http_server **out,
                                         const struct http_server_opts *opts, struct err *e);
/* The bound port. */
uint16_t http_server_port(const struct http_server *s);
/* Stops accepting connections and answers new requests on open ones with 503 and close. Returns at
 * once. */
void http_server_drain(struct http_server *s);
/*
 * Answers what is still suspended with 503, waits up to deadline_ms until answers are written,
 * closes every connection, joins the threads and frees it. Whoever holds suspended requests must
 * still call http_req_answer() afterwards: it is dropped and frees the request. No other function
 * may be called with s any more, http_server_flush() included. NULL is a no-op.
 */
void http_server_stop(struct http_server *s, int deadline_ms);
/* Requests suspended now: zero after a drain means that nobody waits. Any thread. */
size_t http_server_waiting(const struct http_server *s);
/* Bytes of bodies held now. Any thread. */
size_t http_server_memory(const struct http_server *s);
/* Open connections. Any thread. */
size_t http_server_connections(const struct http_server *s);
/* New certificate for connections from now on; open ones keep theirs. ST_BAD_INPUT leaves the old
 * one in force; ST_DENIED: started without TLS. Any thread. */
MUST_CHECK enum status http_server_set_tls(struct http_server *s, const char *cert_pem,
                                           const char *key_pem, struct err *e);

/*
 * ---- a request; thread: http, until it is suspended; then the thread that answers it ----
 *
 * Method, headers and their count live in the connection: they may be asked for until
 * http_req_suspend(), not after. Everything else stays valid until http_req_answer() begins, also
 * when the request was answered with 503 meanwhile or the server is gone.
 */

/* "GET", "POST", ... as sent. */
const char *http_req_method(const struct http_req *req);
/* The raw target up to '?', undecoded. */
struct slice http_req_path(const struct http_req *req);
/* What follows '?', undecoded; empty when there is none. */
struct slice http_req_query(const struct http_req *req);
/* The only value of this header, {NULL, 0} when absent. With several of one name: the first. Case
 * does not matter. */
struct slice http_req_header(const struct http_req *req, const char *name);
/* How often the header occurs. */
size_t http_req_header_count(const struct http_req *req, const char *name);
/* The body; whole from on_request on. */
struct slice http_req_body(const struct http_req *req);
/* The declared Content-Length, 0 for a request without body, SIZE_MAX for a chunked body. */
size_t http_req_declared_length(const struct http_req *req);
/* The peer's address as text, without port. */
const char *http_req_peer(const struct http_req *req);
/* When the head was complete. */
struct wall http_req_received(const struct http_req *req);
struct mono http_req_started(const struct http_req *req);
/* The handler's own memory for this request: user_bytes, zeroed, aligned for any type. */
void *http_req_user(struct http_req *req);

/* The answer, from within on_head or on_request; exactly once. Status 200 to 599. Header values
 * must not contain line ends; when there is no memory, or a header is malformed, the connection is
 * closed without an answer. */
void http_req_reply(struct http_req *req, const struct http_reply *reply);
/* Within on_request: the answer comes later. Call it BEFORE handing req to another thread. */
void http_req_suspend(struct http_req *req);
/*
 * The answer of a suspended request, exactly once, from any thread; req must not be touched
 * afterwards. The bytes leave after http_server_flush() or the next turn of its thread.
 */
void http_req_answer(struct http_req *req, const struct http_reply *reply);
/* Wakes the threads that have answers to write: one write(2) a thread for a whole batch. Any
 * thread. */
void http_server_flush(struct http_server *s);

#endif
