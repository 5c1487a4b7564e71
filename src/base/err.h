/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_ERR_H
#define RELAY_BASE_ERR_H

/*
 * Errors as values.
 *
 * A function that can fail returns an enum status and, when it fails, fills the caller's struct err
 * with a reason that a person can act on. Nothing is allocated. Whoever decides what happens next
 * logs the error once; the layers below only return it, adding context with err_context() on the
 * way up.
 *
 * Threads: a struct err belongs to its caller; all functions are re-entrant.
 */

#include <stdbool.h>

#define MUST_CHECK                        __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))

enum status {
    ST_OK = 0,
    ST_AGAIN,     /* not now; the same call may succeed later */
    ST_BUSY,      /* somebody else holds it (a lock, a port) */
    ST_FULL,      /* a bound or the disk is reached; nothing was changed */
    ST_TOO_BIG,   /* the thing itself is over its limit and always will be */
    ST_BAD_INPUT, /* malformed argument, file or message */
    ST_DENIED,    /* not allowed, or closed */
    ST_NOT_FOUND,
    ST_IO,      /* the outcome of an I/O operation is unknown (promise P6) */
    ST_CORRUPT, /* stored data contradicts itself */
    ST_NO_MEM,
    ST_FATAL, /* cannot go on with this object: recreate it or exit */
};

#define ERR_TEXT_MAX 320

struct err {
    enum status code;
    int detail; /* the third party's own code (errno, SQLite extended, librdkafka), 0 if none */
    char text[ERR_TEXT_MAX];
};

/*
 * err_set(e, code, fmt, ...) sets *e (e may be NULL) and is code, so that a caller can write
 * `return err_set(...)`. A macro over a function, so that compilers and analysers see which status
 * it is.
 */
#define err_set(e, code, ...) (err_fill((e), (code), 0, __VA_ARGS__), err_pass(code))
/* As err_set, and keeps the third party's number beside the text. */
#define err_set_detail(e, code, detail, ...) \
    (err_fill((e), (code), (detail), __VA_ARGS__), err_pass(code))
/* Sets *e from errno_value: "<what>: <strerror>", with detail = errno_value. */
#define err_set_errno(e, code, errno_value, ...) \
    (err_fill_errno((e), (code), (errno_value), __VA_ARGS__), err_pass(code))

/* What the macros call. */
void err_fill(struct err *e, enum status code, int detail, const char *fmt, ...) PRINTF_LIKE(4, 5);
void err_fill_errno(struct err *e, enum status code, int errno_value, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static inline enum status err_pass(enum status code)
{
    return code;
}

/* Puts "<context>: " before the text of *e (which may be NULL); returns e's code. */
enum status err_context(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A constant word for a status ("io", "full"), for logs and metrics. */
const char *status_name(enum status code);

/* For broken invariants, never for run-time conditions: writes one line to stderr and aborts. */
#define CHECK(cond) ((cond) ? (void)0 : err_check_failed(#cond, __FILE__, __LINE__))
_Noreturn void err_check_failed(const char *cond, const char *file, int line);

#endif
