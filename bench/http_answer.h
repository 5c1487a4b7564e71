/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_HTTP_ANSWER_H
#define RELAY_BENCH_HTTP_ANSWER_H

/*
 * Reads one HTTP/1.x answer that lies in a buffer (RFC 9112).
 *
 * Owns nothing; the pointers that it returns point into the caller's buffer or are constant texts.
 * Strict where a mistake would shift the border between two answers: one Content-Length or none, no
 * Transfer-Encoding, CRLF line ends, no folded lines, no interim (1xx) answer, since none is asked
 * for.
 *
 * Threads: re-entrant.
 */

#include <stdbool.h>
#include <stddef.h>

/* The head and the body of an answer together; the relay's answers are a few hundred bytes. */
#define HTTP_ANSWER_MAX     16384
#define HTTP_ANSWER_SEQ_MAX 20 /* digits of UINT64_MAX */

struct http_answer {
    int status;  /* 200..599 */
    bool closes; /* the server closes the connection after this answer */
    const char *body;
    size_t body_len;
    size_t total_len; /* of the head and the body */
};

enum http_answer_state {
    HTTP_ANSWER_PARTIAL, /* more bytes are needed */
    HTTP_ANSWER_WHOLE,
    HTTP_ANSWER_BAD, /* never becomes a valid answer */
};

/* Reads the answer at the start of buf[0..len). Fills *out for WHOLE and *why for BAD. */
enum http_answer_state http_answer_read(const char *buf, size_t len, struct http_answer *out,
                                        const char **why);

/*
 * Copies the digits of the first "seq" member of a small JSON body (a number or a string of digits)
 * into seq; leaves it empty when there is none.
 */
void http_answer_seq(const struct http_answer *a, char seq[HTTP_ANSWER_SEQ_MAX + 1]);

#endif
