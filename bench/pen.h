/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_PEN_H
#define RELAY_BENCH_PEN_H

/*
 * Writes text into a buffer of the caller, fast and with a checked bound.
 *
 * Owns nothing. printf() is too slow for a body and a ledger line per request: at 10^5 requests a
 * second each of them may take about a microsecond. Writing past the end is a broken invariant: the
 * callers compute their bounds before they write.
 *
 * Threads: a struct pen belongs to its caller.
 */

#include "fail.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PEN_U64_MAX 20 /* digits of UINT64_MAX */

struct pen {
    char *at;
    char *end;
};

static inline void pen_put(struct pen *p, const char *text, size_t len)
{
    CHECK((size_t)(p->end - p->at) >= len);
    memcpy(p->at, text, len);
    p->at += len;
}

/* A string literal; its length is known to the compiler. */
#define PEN_LITERAL(p, literal) pen_put((p), "" literal, sizeof(literal) - 1)

static inline void pen_text(struct pen *p, const char *text)
{
    pen_put(p, text, strlen(text));
}

static inline size_t pen_u64_digits(uint64_t v)
{
    size_t n = 1;
    for (; v >= 10; v /= 10)
        n++;
    return n;
}

static inline void pen_u64(struct pen *p, uint64_t v)
{
    char digits[PEN_U64_MAX];
    size_t n = 0;
    do {
        digits[sizeof digits - ++n] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    pen_put(p, digits + sizeof digits - n, n);
}

#endif
