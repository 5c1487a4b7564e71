/* SPDX-License-Identifier: Apache-2.0 */
#include "api/query.h"

#include "base/num.h"

struct pair {
    struct slice name;
    struct slice value;
};

/* Takes the next pair off *rest; false at the end. */
static bool next_pair(struct slice *rest, struct pair *out)
{
    const char *end, *equals;
    struct slice whole = *rest;
    if (!rest->len)
        return false;
    end = memchr(rest->ptr, '&', rest->len);
    if (end)
        whole.len = (size_t)(end - rest->ptr);
    rest->ptr += whole.len + (end ? 1 : 0);
    rest->len -= whole.len + (end ? 1 : 0);
    equals = whole.len ? memchr(whole.ptr, '=', whole.len) : NULL;
    *out = (struct pair){.name = whole};
    if (equals) {
        out->name.len = (size_t)(equals - whole.ptr);
        out->value = (struct slice){equals + 1, whole.len - out->name.len - 1};
    }
    return true;
}

/* How often the name occurs; *value is its last one. */
static size_t find(struct slice query, struct slice name, struct slice *value)
{
    struct pair p;
    size_t count = 0;
    while (next_pair(&query, &p)) {
        if (!slice_eq(p.name, name))
            continue;
        *value = p.value;
        count++;
    }
    return count;
}

static bool is_known(struct slice name, const char *known)
{
    while (*known) {
        size_t len = strcspn(known, ",");
        if (slice_eq(name, (struct slice){known, len}))
            return true;
        known += len + (known[len] == ',');
    }
    return false;
}

enum status query_check(struct slice query, const char *known, struct err *e)
{
    struct slice rest = query, ignored;
    struct pair p;
    while (next_pair(&rest, &p)) {
        if (!is_known(p.name, known))
            return err_set(e, ST_BAD_INPUT, "unknown parameter; there are %s",
                           *known ? known : "none");
        if (find(query, p.name, &ignored) > 1)
            return err_set(e, ST_BAD_INPUT, "parameter %.*s is repeated",
                           (int)(p.name.len < 32 ? p.name.len : 32), p.name.ptr);
    }
    return ST_OK;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte at *i, which moves to its last character; -1 when it is malformed or zero. */
static int decode(struct slice text, size_t *i)
{
    int high, low;
    if (text.ptr[*i] != '%')
        return (unsigned char)text.ptr[*i];
    if (text.len - *i < 3)
        return -1;
    high = hex_value(text.ptr[*i + 1]);
    low = hex_value(text.ptr[*i + 2]);
    *i += 2;
    return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

enum status query_text(struct slice query, const char *name, char *out, size_t size, struct err *e)
{
    struct slice value = {NULL, 0};
    size_t len = 0;
    find(query, slice_of(name), &value);
    for (size_t i = 0; i < value.len; i++) {
        int byte = decode(value, &i);
        if (byte < 0 || len + 1 >= size)
            return err_set(e, ST_BAD_INPUT, "parameter %s is malformed or too long", name);
        out[len++] = (char)byte;
    }
    out[len] = '\0';
    return ST_OK;
}

enum status query_number(struct slice query, const char *name, uint64_t max, uint64_t fallback,
                         uint64_t *out, struct err *e)
{
    struct slice value = {NULL, 0};
    *out = fallback;
    if (!find(query, slice_of(name), &value))
        return ST_OK;
    if (num_parse_u64(value, 0, max, out, e) != ST_OK)
        return err_context(e, "parameter %s", name);
    return ST_OK;
}
