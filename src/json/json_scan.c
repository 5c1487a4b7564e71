/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json_scan.h"

#include "json/json_utf8.h"

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Members are wanted from the top object (depth 1) and from objects in it (depth 2). */
#define WANTED_DEPTH 2

/* What the next byte that is not white space belongs to. */
enum next {
    NEXT_VALUE,
    NEXT_FIRST_ITEM,   /* a value or ']' */
    NEXT_FIRST_MEMBER, /* a member or '}' */
    NEXT_MEMBER,
    NEXT_AFTER, /* ',' or the end of the container; after the top value: nothing */
    NEXT_DONE,
    NEXT_BAD
};

struct scan {
    const unsigned char *start;
    const unsigned char *at;
    const unsigned char *end;
    struct json_want *wants;
    size_t n;
    struct slice name;  /* of the member whose value comes or is open, at a wanted depth */
    bool name_escaped;  /* name holds a backslash */
    char name_first;    /* its first byte, 0 when it is empty */
    const char *inside; /* the parent that depth 2 belongs to; NULL: nobody wants its members */
    enum json_kind top;
    const char *reason;                               /* why the scan ended in NEXT_BAD */
    unsigned depth;                                   /* open containers */
    uint64_t objects[JSON_DEPTH_MAX / 64];            /* bit depth - 1: that one is an object */
    const unsigned char *opened_at[WANTED_DEPTH + 1]; /* first byte of the container at a depth */
};

static bool refuse(struct scan *s, const char *reason)
{
    s->reason = s->at < s->end ? reason : "the text ends too early";
    return false;
}

static enum next bad(struct scan *s, const char *reason)
{
    refuse(s, reason);
    return NEXT_BAD;
}

static bool in_object(const struct scan *s)
{
    unsigned top = s->depth - 1;
    return s->objects[top / 64] >> (top % 64) & 1;
}

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static uint32_t hex4(const char *at)
{
    return hex_digit(at[0]) << 12 | hex_digit(at[1]) << 8 | hex_digit(at[2]) << 4 |
           hex_digit(at[3]);
}

/* The code point of the escape whose backslash is before *at; moves *at behind it. A lone surrogate
 * gives U+FFFD. The string was checked, so only its end is looked at. */
static uint32_t decode_escape(const char **at, const char *end)
{
    const char *p = *at;
    char c = *p++;
    uint32_t code, low;
    *at = p;
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        break;
    default:
        return (unsigned char)c;
    }
    CHECK(end - p >= 4);
    code = hex4(p);
    *at = p += 4;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        low = hex4(p + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *at = p + 6;
            return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return 0xfffd;
}

/* Whether the escaped name decodes to want. */
static bool escaped_name_is(struct slice name, const char *want)
{
    const char *at = name.ptr;
    const char *end = at + name.len;
    while (at < end) {
        char bytes[JSON_UTF8_MAX];
        size_t n = 1;
        bytes[0] = *at++;
        if (bytes[0] == '\\')
            n = json_utf8_encode(decode_escape(&at, end), bytes);
        for (size_t i = 0; i < n; i++, want++)
            if (!*want || *want != bytes[i])
                return false;
    }
    return !*want;
}

static bool whole_name_is(const struct scan *s, const char *want)
{
    if (s->name_escaped)
        return escaped_name_is(s->name, want);
    /* A name holds no zero byte, so want is as long as the name where the two are equal. */
    return strncmp(want, s->name.ptr, s->name.len) == 0 && !want[s->name.len];
}

/* Nearly all names differ in their first byte: that is seen without a call. */
static inline bool name_is(const struct scan *s, const char *want)
{
    return (s->name_escaped || *want == s->name_first) && whole_name_is(s, want);
}

static void fill(struct json_want *w, enum json_kind kind, const unsigned char *from, size_t len)
{
    w->kind = kind;
    w->raw = (struct slice){(const char *)from, len};
}

/* A member of the top object has this value: fills the wants of its name, and forgets what an
 * earlier member of the same name held. */
static void take_top(struct scan *s, enum json_kind kind, const unsigned char *from, size_t len)
{
    const char *other = NULL; /* a parent that is known not to be this name */
    s->inside = NULL;
    for (size_t i = 0; i < s->n; i++) {
        struct json_want *w = &s->wants[i];
        if (!w->parent) {
            if (name_is(s, w->name))
                fill(w, kind, from, len);
        } else if (w->parent == s->inside || (w->parent != other && name_is(s, w->parent))) {
            s->inside = w->parent;
            *w = (struct json_want){.parent = w->parent, .name = w->name, .kind = JSON_ABSENT};
        } else {
            other = w->parent;
        }
    }
    if (kind != JSON_OBJECT)
        s->inside = NULL;
}

static void take_inner(struct scan *s, enum json_kind kind, const unsigned char *from, size_t len)
{
    for (size_t i = 0; i < s->n; i++) {
        struct json_want *w = &s->wants[i];
        if (w->parent && (w->parent == s->inside || strcmp(w->parent, s->inside) == 0) &&
            name_is(s, w->name))
            fill(w, kind, from, len);
    }
}

/* A value begins (containers, len 0) or was read (all others). */
static void take(struct scan *s, enum json_kind kind, const unsigned char *from, size_t len)
{
    if (s->depth == 0)
        s->top = kind;
    else if (s->depth == 1 && in_object(s))
        take_top(s, kind, from, len);
    else if (s->depth == 2 && s->inside && in_object(s))
        take_inner(s, kind, from, len);
}

static enum next open_container(struct scan *s, bool object)
{
    unsigned top = s->depth;
    if (top == JSON_DEPTH_MAX)
        return bad(s, "nested deeper than 128");
    take(s, object ? JSON_OBJECT : JSON_ARRAY, s->at, 0);
    s->depth++;
    if (object)
        s->objects[top / 64] |= UINT64_C(1) << (top % 64);
    else
        s->objects[top / 64] &= ~(UINT64_C(1) << (top % 64));
    if (top <= WANTED_DEPTH)
        s->opened_at[top] = s->at;
    s->at++;
    return object ? NEXT_FIRST_MEMBER : NEXT_FIRST_ITEM;
}
_Static_assert(JSON_DEPTH_MAX == 128, "the reason for a refusal names it");

static enum next close_container(struct scan *s)
{
    s->at++;
    s->depth--;
    if (s->depth > WANTED_DEPTH)
        return NEXT_AFTER;
    /* The address tells the wants that this container was given to. */
    const char *from = (const char *)s->opened_at[s->depth];
    for (size_t i = 0; i < s->n; i++) {
        struct json_want *w = &s->wants[i];
        if (w->raw.ptr == from && (w->kind == JSON_OBJECT || w->kind == JSON_ARRAY))
            w->raw.len = (size_t)((const char *)s->at - from);
    }
    return NEXT_AFTER;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Moves over bytes that need no second look: ASCII but control bytes, quote and backslash. */
static const unsigned char *skip_plain(const unsigned char *at, const unsigned char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(' ');
    for (; end - at >= 16; at += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* Signed: bytes from 0x80 are below the space as well. */
        __m128i special =
            _mm_or_si128(_mm_cmplt_epi8(v, space),
                         _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        if (mask)
            return at + __builtin_ctz(mask);
    }
#else
    /* Eight bytes as one word: the high bit of a byte is set where x - 0x20 borrows, where x equals
     * the quote or the backslash, or where it was set before. */
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (; end - at >= 8; at += 8) {
        uint64_t v;
        memcpy(&v, at, 8);
        uint64_t quote = v ^ ones * '"';
        uint64_t backslash = v ^ ones * '\\';
        if (((v - ones * 0x20) | (quote - ones) | (backslash - ones) | v) & ones * 0x80)
            break;
    }
#endif
    while (at < end && is_plain(*at))
        at++;
    return at;
}

static bool is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* The escape whose backslash is at s->at. */
static bool skip_escape(struct scan *s)
{
    s->at++;
    if (s->at == s->end)
        return false;
    if (*s->at != 'u') {
        bool known = *s->at && strchr("\"\\/bfnrt", *s->at);
        s->at += known;
        return known;
    }
    s->at++;
    for (int i = 0; i < 4; i++, s->at++)
        if (s->at == s->end || !is_hex(*s->at))
            return false;
    return true;
}

/* The string whose opening quote is at s->at; leaves s->at behind the closing one. False: the
 * reason is set. */
static bool skip_string(struct scan *s, struct slice *raw, bool *escaped)
{
    const unsigned char *from = ++s->at;
    size_t n;
    *escaped = false;
    for (;;) {
        s->at = skip_plain(s->at, s->end);
        if (s->at == s->end)
            return refuse(s, "");
        if (*s->at == '"')
            break;
        if (*s->at == '\\') {
            *escaped = true;
            if (!skip_escape(s))
                return refuse(s, "no such escape in a string");
        } else if (*s->at < 0x20) {
            return refuse(s, "control byte in a string");
        } else {
            n = json_utf8_length(s->at, s->end);
            if (n == 0)
                return refuse(s, "not UTF-8");
            s->at += n;
        }
    }
    *raw = (struct slice){(const char *)from, (size_t)(s->at - from)};
    s->at++;
    return true;
}

static bool skip_digits(struct scan *s)
{
    const unsigned char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > from;
}

static bool skip_byte(struct scan *s, unsigned char lower)
{
    if (s->at == s->end || (*s->at != lower && (*s->at | 0x20) != lower))
        return false;
    s->at++;
    return true;
}

static enum next read_number(struct scan *s)
{
    const unsigned char *from = s->at;
    bool ok;
    if (*s->at == '-')
        s->at++;
    if (s->at < s->end && *s->at == '0') {
        s->at++;
        ok = true;
    } else {
        ok = skip_digits(s);
    }
    if (ok && s->at < s->end && *s->at == '.') {
        s->at++;
        ok = skip_digits(s);
    }
    if (ok && skip_byte(s, 'e')) {
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        ok = skip_digits(s);
    }
    if (!ok)
        return bad(s, "malformed number");
    take(s, JSON_NUMBER, from, (size_t)(s->at - from));
    return NEXT_AFTER;
}

static enum next read_literal(struct scan *s, const char *word, enum json_kind kind)
{
    const unsigned char *from = s->at;
    for (; *word; word++, s->at++)
        if (s->at == s->end || *s->at != (unsigned char)*word)
            return bad(s, "expected a value");
    take(s, kind, from, (size_t)(s->at - from));
    return NEXT_AFTER;
}

static enum next read_string(struct scan *s)
{
    struct slice raw;
    bool escaped;
    if (!skip_string(s, &raw, &escaped))
        return NEXT_BAD;
    take(s, JSON_STRING, (const unsigned char *)raw.ptr, raw.len);
    return NEXT_AFTER;
}

static enum next read_value(struct scan *s)
{
    switch (*s->at) {
    case '"':
        return read_string(s);
    case '{':
        return open_container(s, true);
    case '[':
        return open_container(s, false);
    case 't':
        return read_literal(s, "true", JSON_TRUE);
    case 'f':
        return read_literal(s, "false", JSON_FALSE);
    case 'n':
        return read_literal(s, "null", JSON_NULL);
    default:
        if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9'))
            return read_number(s);
        return bad(s, "expected a value");
    }
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

static enum next read_name(struct scan *s)
{
    struct slice raw = {0};
    bool escaped;
    if (*s->at != '"')
        return bad(s, "expected a member name");
    if (!skip_string(s, &raw, &escaped))
        return NEXT_BAD;
    if (s->depth <= WANTED_DEPTH) {
        s->name = raw;
        s->name_escaped = escaped;
        s->name_first = raw.len ? *raw.ptr : 0;
    }
    skip_space(s);
    if (s->at == s->end || *s->at != ':')
        return bad(s, "expected ':'");
    s->at++;
    return NEXT_VALUE;
}

static enum next read_after(struct scan *s)
{
    bool object;
    if (s->depth == 0)
        return bad(s, "trailing bytes after the value");
    object = in_object(s);
    if (*s->at == ',') {
        s->at++;
        return object ? NEXT_MEMBER : NEXT_VALUE;
    }
    if (*s->at == (object ? '}' : ']'))
        return close_container(s);
    return bad(s, object ? "expected ',' or '}'" : "expected ',' or ']'");
}

static enum next step(struct scan *s, enum next next)
{
    switch (next) {
    case NEXT_FIRST_ITEM:
        return *s->at == ']' ? close_container(s) : read_value(s);
    case NEXT_FIRST_MEMBER:
        return *s->at == '}' ? close_container(s) : read_name(s);
    case NEXT_MEMBER:
        return read_name(s);
    case NEXT_AFTER:
        return read_after(s);
    default:
        return read_value(s);
    }
}

static enum next scan(struct scan *s)
{
    enum next next = NEXT_VALUE;
    if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
        return bad(s, "byte order mark");
    do {
        skip_space(s);
        if (s->at == s->end)
            return next == NEXT_AFTER && s->depth == 0 ? NEXT_DONE : bad(s, "");
        next = step(s, next);
    } while (next != NEXT_BAD);
    return next;
}

enum status json_scan(struct slice text, struct json_want *wants, size_t n, enum json_kind *top,
                      struct err *e)
{
    struct scan s = {.wants = wants, .n = n};
    if (text.len == 0)
        return err_set(e, ST_BAD_INPUT, "the text is empty");
    s.start = s.at = (const unsigned char *)text.ptr;
    s.end = s.start + text.len;
    for (size_t i = 0; i < n; i++)
        fill(&wants[i], JSON_ABSENT, NULL, 0);
    if (scan(&s) != NEXT_DONE)
        return err_set(e, ST_BAD_INPUT, "%s at byte %zu", s.reason, (size_t)(s.at - s.start));
    *top = s.top;
    return ST_OK;
}

enum status json_unescape(struct slice raw, struct buf *out)
{
    const char *at = raw.ptr;
    const char *end = raw.len ? at + raw.len : at;
    size_t before = out->len;
    enum status st = ST_OK;
    while (at < end && st == ST_OK) {
        const char *stop = memchr(at, '\\', (size_t)(end - at));
        if (!stop)
            stop = end;
        st = buf_append(out, at, (size_t)(stop - at));
        at = stop;
        if (st == ST_OK && at < end) {
            char bytes[JSON_UTF8_MAX];
            at++;
            CHECK(at < end);
            size_t n = json_utf8_encode(decode_escape(&at, end), bytes);
            st = buf_append(out, bytes, n);
        }
    }
    if (st != ST_OK)
        out->len = before;
    return st;
}
