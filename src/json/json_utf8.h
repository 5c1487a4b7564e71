/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JSON_JSON_UTF8_H
#define RELAY_JSON_JSON_UTF8_H

/*
 * Well-formed UTF-8, byte by byte: what json_scan accepts inside strings and json_value lets out.
 * Source: RFC 3629 section 4 (no overlong forms, no surrogates, up to U+10FFFF).
 *
 * Keeps no state. Threads: re-entrant.
 */

#include <stddef.h>
#include <stdint.h>

#define JSON_UTF8_MAX 4 /* bytes of the longest sequence */

/* The replacement character U+FFFD, three bytes. */
#define JSON_UTF8_REPLACEMENT "\xef\xbf\xbd"

/* The length of the sequence that starts at the first of the bytes up to end (at < end): 1 to
 * JSON_UTF8_MAX, or 0 when it is not well formed or cut off. */
size_t json_utf8_length(const unsigned char *at, const unsigned char *end);

/* Writes a code point (no surrogate, up to 0x10ffff) and returns its length. */
size_t json_utf8_encode(uint32_t code, char out[JSON_UTF8_MAX]);

#endif
