/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_GATE_H
#define RELAY_HTTP_HTTP_GATE_H

/*
 * The framing gate: decides from a request's head alone whether everybody on the way reads the same
 * request out of the same bytes. Pure functions; no sockets, no allocation, no state.
 *
 * Owns nothing. Does not own: what the request asks for, who asks, limits.
 *
 * Why it exists: libmicrohttpd 0.9.75 accepts heads that a proxy in front may read differently
 * (request smuggling): Content-Length beside Transfer-Encoding, two lengths, an unknown coding, a
 * blank before the colon, a folded line glued into a header's name, control bytes in values. The
 * gate is stricter than RFC 9112 where being liberal helps nobody: a sender of webhooks never needs
 * these shapes.
 *
 * What the gate sees through addresses: libmicrohttpd cuts the head in place, so the pieces it
 * hands out lie in the order of the wire with exactly two bytes (CR LF) between one value and the
 * next name. A bare LF, a NUL byte (the library cuts the text there), a folded line (the library
 * copies it elsewhere) and doubled blanks in the request line all break that pattern. With head_len
 * set the gate compares addresses, never bytes outside the slices.
 *
 * What no handler can see, and the gate therefore does not refuse: bare LF line ends and extensions
 * in the chunk lines of a body, trailer fields after it, empty lines before the request line, and a
 * NUL byte beside bare LFs that together leave the gap of CR LF. Put a hardened proxy (HAProxy or
 * nginx) in front of a relay that faces the Internet.
 *
 * Threads: every function from every thread. Invariant: HTTP_GATE_PASSED means that exactly one
 * framing holds and that body describes it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define HTTP_GATE_METHOD_MAX        32 /* bytes; the longest registered method has 17 */
#define HTTP_GATE_LENGTH_DIGITS_MAX 19 /* so that every length fits into 64 bits */

struct http_gate_field {
    struct slice name;
    struct slice value; /* leading blanks may be gone already */
};

struct http_gate_head {
    struct slice method;
    struct slice target;  /* raw, undecoded, with the query */
    struct slice version; /* "HTTP/1.1" */
    const struct http_gate_field *fields;
    size_t field_count;
    /*
     * 0, or the bytes from the first of the method to the last of the empty line: then method,
     * version and fields point into that head, and target_at is where the target began in it
     * (target itself may be a copy).
     */
    size_t head_len;
    const char *target_at;
};

enum http_gate_verdict {
    HTTP_GATE_PASSED,
    HTTP_GATE_BAD_METHOD,
    HTTP_GATE_BAD_TARGET,
    HTTP_GATE_BAD_VERSION,
    HTTP_GATE_BAD_NAME,
    HTTP_GATE_BAD_VALUE,
    HTTP_GATE_BAD_HOST,
    HTTP_GATE_BAD_LENGTH,
    HTTP_GATE_TWO_LENGTHS,
    HTTP_GATE_BAD_CODING,
    HTTP_GATE_LENGTH_AND_CODING,
    HTTP_GATE_CODING_IN_1_0,
    HTTP_GATE_NO_LENGTH,  /* 411: POST, PUT or PATCH must say how long the body is */
    HTTP_GATE_BAD_EXPECT, /* 417 */
    HTTP_GATE_REPEATED,   /* a header that may stand once */
    HTTP_GATE_BAD_LAYOUT,
    HTTP_GATE_VERDICT_COUNT
};

enum http_gate_framing { HTTP_GATE_BODY_NONE, HTTP_GATE_BODY_LENGTH, HTTP_GATE_BODY_CHUNKED };

struct http_gate_body {
    enum http_gate_framing framing;
    uint64_t length;       /* with HTTP_GATE_BODY_LENGTH */
    bool expects_continue; /* the client waits for 100 before it sends the body */
};

/* Judges a head and, when it passes, describes its body in *body (untouched otherwise). */
enum http_gate_verdict http_gate_judge(const struct http_gate_head *head,
                                       struct http_gate_body *body);

/* A constant sentence for the client and the log; it contains nothing of the request. */
const char *http_gate_reason(enum http_gate_verdict verdict);

/*
 * The status of the refusal: 411 for a missing length (RFC 9110 section 15.5.12), 417 for an
 * unknown expectation (section 15.5.18), otherwise 400.
 */
int http_gate_status(enum http_gate_verdict verdict);

/* The bytes of an RFC 9110 token (section 5.6.2), at least one. */
bool http_gate_is_token(struct slice text);

#endif
