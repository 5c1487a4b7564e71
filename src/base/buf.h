/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_BUF_H
#define RELAY_BASE_BUF_H

/*
 * Bytes: borrowed as a struct slice, owned as a struct buf.
 *
 * A buf grows up to the cap set at its birth and then says ST_FULL; out of memory is ST_NO_MEM. Its
 * struct is public because owners embed it. Threads: a buf belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"

struct slice {
    const char *ptr; /* not NUL terminated; may be NULL when len is 0 */
    size_t len;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII letters compare without case, as HTTP field names and media types do. */
bool slice_eq_nocase(struct slice a, struct slice b);

/* Without leading and trailing spaces and tabs. */
struct slice slice_trim(struct slice s);

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max; /* bytes; the cap of growth */
};

/* An empty buf that may grow to max bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);
/* Frees the bytes and leaves an empty buf with the same max. */
void buf_fini(struct buf *b);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);
/* Makes room for extra more bytes. ST_FULL over max, ST_NO_MEM. */
MUST_CHECK enum status buf_reserve(struct buf *b, size_t extra);
MUST_CHECK enum status buf_append(struct buf *b, const void *bytes, size_t len);
MUST_CHECK enum status buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->ptr, b->len};
}

#endif
