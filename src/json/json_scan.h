/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JSON_JSON_SCAN_H
#define RELAY_JSON_JSON_SCAN_H

/*
 * A strict RFC 8259 checker that picks out a few strings on its way: one pass, no allocation, no
 * recursion, fixed depth. It decides what is JSON for the relay (promise P5); cJSON, which accepts
 * trailing garbage, control bytes and bad UTF-8 (measured with 1.7.15), only reads and builds small
 * trusted values (json_value.h).
 *
 * Accepts exactly: one JSON text in well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates,
 * up to U+10FFFF), without byte order mark, nested at most JSON_DEPTH_MAX deep. Escaped lone
 * surrogates ("\ud800") are accepted: the RFC's grammar allows them.
 *
 * Threads: re-entrant.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 128

enum json_kind {
    JSON_ABSENT,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_OBJECT,
    JSON_ARRAY
};

/* A wanted member: "id" of the top object, or with parent "content" its member "customerId". */
struct json_want {
    const char *parent; /* NULL: a member of the top object */
    const char *name;   /* compared with the decoded member name, exact case */
    enum json_kind
        kind; /* out: JSON_ABSENT when it is not there; the last one wins when it is repeated */
    struct slice raw; /* out: a string without its quotes, still escaped; other kinds: the text of
                         the value */
};

/*
 * Checks text and fills the n wants. ST_OK: valid JSON, *top is the kind of its top value.
 * ST_BAD_INPUT: the reason and the byte offset are in *e; the wants are undefined.
 */
MUST_CHECK enum status json_scan(struct slice text, struct json_want *wants, size_t n,
                                 enum json_kind *top, struct err *e);

/*
 * Decodes the raw text of a JSON string into out (appended, UTF-8). A lone surrogate becomes
 * U+FFFD. raw must come from json_scan. ST_FULL when out's cap is reached.
 */
MUST_CHECK enum status json_unescape(struct slice raw, struct buf *out);

#endif
