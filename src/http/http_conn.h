/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_CONN_H
#define RELAY_HTTP_HTTP_CONN_H

/*
 * What we know of one connection beside libmicrohttpd: its peer, its phase and since when. Internal
 * to the http room.
 *
 * Owns: a reference to the certificate its TLS session uses. Does not own: the socket (the
 * library's).
 *
 * Time limits: libmicrohttpd has only an idle timeout, which a client that trickles bytes never
 * meets. The sweep here cuts by shutdown(2) from the thread that owns the connection; the library
 * sees the end of the stream and cleans up. The notification that a connection is gone comes before
 * its descriptor is closed (daemon.c, MHD_cleanup_connections), so the sweep never meets a reused
 * descriptor.
 *
 * Threads: http, all functions.
 */

#include "http/http_server.h"
#include "http/http_tls.h"

#include <microhttpd.h>

#include <netinet/in.h>

struct http_thread;

enum http_conn_phase {
    HTTP_CONN_FIRST,   /* accepted, no request line yet: the request's clock runs */
    HTTP_CONN_READING, /* a request line came, its head or body is not complete */
    HTTP_CONN_HELD,    /* with the handler or suspended: answer_timeout_ms is the limit */
    HTTP_CONN_SENDING, /* an answer is queued */
    HTTP_CONN_IDLE     /* between two requests */
};

struct http_conn {
    struct http_conn *prev;
    struct http_conn *next;
    struct http_thread *thread;
    struct http_tls *tls;
    struct mono since; /* of the phase, by the turn's clock */
    enum http_conn_phase phase;
    int fd;
    bool is_counted; /* in the tally */
    bool is_cut;     /* shutdown(2) was called */
    char peer[INET6_ADDRSTRLEN];
};

/* libmicrohttpd's callbacks; cls is the struct http_thread. */
enum MHD_Result http_conn_admit(void *cls, const struct sockaddr *addr, socklen_t len);
void http_conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
                      enum MHD_ConnectionNotificationCode code);

/* The connection of a request; NULL when there was no memory for it. */
struct http_conn *http_conn_of(struct MHD_Connection *mhd);

/* Enters a phase at the turn's time. */
void http_conn_enter(struct http_conn *c, enum http_conn_phase phase);

/* Cuts the connections of t that are over their time. */
void http_conn_sweep(struct http_thread *t);

#endif
