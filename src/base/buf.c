/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

struct slice slice_trim(struct slice s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    free(b->ptr);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

enum status buf_reserve(struct buf *b, size_t extra)
{
    size_t cap;
    char *ptr;
    if (extra > b->max - b->len)
        return ST_FULL;
    if (b->len + extra <= b->cap)
        return ST_OK;
    for (cap = b->cap ? b->cap : 256; cap < b->len + extra;)
        cap = cap <= b->max / 2 ? cap * 2 : b->max;
    if (cap > b->max)
        cap = b->max;
    ptr = realloc(b->ptr, cap);
    if (!ptr)
        return ST_NO_MEM;
    b->ptr = ptr;
    b->cap = cap;
    return ST_OK;
}

enum status buf_append(struct buf *b, const void *bytes, size_t len)
{
    enum status st = buf_reserve(b, len);
    if (st == ST_OK && len) {
        memcpy(b->ptr + b->len, bytes, len);
        b->len += len;
    }
    return st;
}

enum status buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int need = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    CHECK(need >= 0);
    /* One byte more than is kept: vsnprintf terminates what it writes. */
    enum status st = buf_reserve(b, (size_t)need + 1);
    if (st != ST_OK)
        return st;
    va_start(ap, fmt);
    vsnprintf(b->ptr + b->len, (size_t)need + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)need;
    return ST_OK;
}
