/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JSON_JSON_VALUE_H
#define RELAY_JSON_JSON_VALUE_H

/*
 * Small JSON values: replies that are built, and short texts of trusted senders (admin requests and
 * replies) that are read. The one door to cJSON.
 *
 * Owns: a tree; the root belongs to who made it, every other value to its parent. Does not own: the
 * decision what is JSON; json_scan makes it before cJSON sees a byte, because cJSON alone accepts
 * trailing garbage, control bytes and bad UTF-8 (measured with 1.7.15).
 *
 * Building keeps its failure: when memory runs out, the value that could not take a member is
 * marked, adding to NULL does nothing, and json_print() says ST_NO_MEM. So one check at the end is
 * enough.
 *
 * House form: integers that may pass 2^53 are strings of decimal digits in JSON, since readers in
 * many languages keep numbers as doubles (RFC 8259 section 6).
 *
 * Threads: a tree belongs to one thread at a time; different trees to different threads.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "json/json_scan.h"

struct json_value;

/* Numbers beyond this are not exact as doubles, so they are neither read nor written as numbers. */
#define JSON_EXACT_MAX INT64_C(9007199254740992) /* 2^53 */

/*
 * Reads one JSON text of at most max_bytes. ST_TOO_BIG; ST_BAD_INPUT for what json_scan refuses and
 * for what cJSON cannot hold: an escaped zero byte (it would cut the string there) and a lone
 * surrogate; ST_NO_MEM. The value copies the text; destroy it.
 */
MUST_CHECK enum status json_parse(struct slice text, size_t max_bytes, struct json_value **out,
                                  struct err *e);

/* A new root. NULL when out of memory, which json_print() reports. */
struct json_value *json_object(void);
struct json_value *json_array(void);
/* Only for roots. NULL is a no-op. */
void json_destroy(struct json_value *v);

/*
 * Adding. into is an object and name (constant UTF-8, copied) a member that it does not have yet;
 * or into is an array and name is NULL. into NULL does nothing.
 */

/* Bytes that are not UTF-8, and the zero byte, become U+FFFD. */
void json_add_string(struct json_value *into, const char *name, struct slice text);
void json_add_bool(struct json_value *into, const char *name, bool value);
/* A number. */
void json_add_int(struct json_value *into, const char *name, int value);
/* A string of decimal digits. */
void json_add_u64(struct json_value *into, const char *name, uint64_t value);
void json_add_null(struct json_value *into, const char *name);
/* A new empty container inside into, which owns it; NULL when out of memory. */
struct json_value *json_add_object(struct json_value *into, const char *name);
struct json_value *json_add_array(struct json_value *into, const char *name);
/* Hands the root child over to into. Without an into it is destroyed; a NULL child is one that ran
 * out of memory. */
void json_add_child(struct json_value *into, const char *name, struct json_value *child);

/*
 * Appends v without white space. ST_NO_MEM also when building failed; ST_FULL at out's cap, then
 * out is unchanged. Numbers that were parsed keep 15 digits (cJSON 1.7.15).
 */
MUST_CHECK enum status json_print(const struct json_value *v, struct buf *out);

/* JSON_ABSENT for NULL. */
enum json_kind json_kind(const struct json_value *v);
/* The text of a string, valid as long as v; empty for other kinds. */
struct slice json_text(const struct json_value *v);
/* The name of v in its object; empty in an array and for a root. */
struct slice json_name(const struct json_value *v);
/* The members or items in their order: json_first(v), json_next(member) until NULL. */
const struct json_value *json_first(const struct json_value *v);
const struct json_value *json_next(const struct json_value *member);
size_t json_count(const struct json_value *v);

/* The member with exactly this name, the last one when it is repeated (as in json_scan); NULL when
 * there is none or object is no object. */
const struct json_value *json_get(const struct json_value *object, const char *name);

/*
 * Typed members. ST_NOT_FOUND: absent or null, *out is unchanged and *e is set, so that an optional
 * member is one comparison. ST_BAD_INPUT: another kind, or out of bounds; *e names the member.
 */

/* A string of at most max_bytes (else ST_TOO_BIG), valid as long as object. */
MUST_CHECK enum status json_get_string(const struct json_value *object, const char *name,
                                       size_t max_bytes, struct slice *out, struct err *e);
MUST_CHECK enum status json_get_bool(const struct json_value *object, const char *name, bool *out,
                                     struct err *e);
/* A whole number, min <= value <= max, both within +-JSON_EXACT_MAX. */
MUST_CHECK enum status json_get_int(const struct json_value *object, const char *name, int64_t min,
                                    int64_t max, int64_t *out, struct err *e);
/* A string of decimal digits, or a whole number up to JSON_EXACT_MAX; min <= value <= max. */
MUST_CHECK enum status json_get_u64(const struct json_value *object, const char *name, uint64_t min,
                                    uint64_t max, uint64_t *out, struct err *e);
MUST_CHECK enum status json_get_object(const struct json_value *object, const char *name,
                                       const struct json_value **out, struct err *e);
MUST_CHECK enum status json_get_array(const struct json_value *object, const char *name,
                                      const struct json_value **out, struct err *e);

#endif
