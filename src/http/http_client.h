/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_CLIENT_H
#define RELAY_HTTP_HTTP_CLIENT_H

/*
 * One HTTP request and its response, waited for. The only door to libcurl.
 *
 * Owns: a connection for the length of a call. Does not own: what is asked and what the status
 * means; every complete response is ST_OK, a 500 too.
 *
 * Nothing is followed (no redirects), nothing is kept (no cookies, no connection), and only http
 * and https are spoken; certificates are verified. What is sent never appears in an error text
 * (promise P10).
 *
 * Threads: http_client_init() on main before the others start, then every thread.
 */

#include "http/http_server.h"

#define HTTP_CLIENT_HEADERS_MAX 8

struct http_client_request {
    const char *unix_socket; /* path; NULL: TCP to what url names. With it no proxy is used */
    const char *url;         /* "http://localhost/v1/status" or "https://..." */
    const char *method;      /* NULL: GET */
    const char *bearer;      /* token for "Authorization: Bearer"; NULL: none */
    const char *content_type;
    struct slice body; /* sent when content_type is given, else must be empty */
    struct http_header headers[HTTP_CLIENT_HEADERS_MAX]; /* unused ones are {NULL, NULL} */
    int timeout_ms;                                      /* for everything together, at least 1 */
};

/* Once in the process. ST_FATAL. */
MUST_CHECK enum status http_client_init(struct err *e);

/*
 * Sends the request and waits for the whole response. *status is its number; its body is appended
 * to out, whose cap bounds it.
 *
 * ST_NOT_FOUND: nobody listens there. ST_DENIED: this user may not open the socket, or the peer's
 * certificate is not accepted. ST_AGAIN: timeout_ms passed. ST_TOO_BIG: the body is over out's cap.
 * ST_BAD_INPUT: the URL, a header or the token is malformed. ST_IO: the connection broke or no
 * HTTP came back; whether the peer has acted on the request is then unknown, as with ST_AGAIN.
 * ST_NO_MEM.
 */
MUST_CHECK enum status http_client_run(const struct http_client_request *request, int *status,
                                       struct buf *out, struct err *e);

#endif
