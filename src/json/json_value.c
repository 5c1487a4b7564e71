/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json_value.h"

#include "base/lock.h"
#include "base/num.h"
#include "json/json_utf8.h"

#include <cjson/cJSON.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* cJSON keeps its last parse error in a global, so two parses must not run at once. Made by the
 * first parse, kept for ever. */
static struct lock *_Atomic parse_lock;

static struct lock *the_parse_lock(void)
{
    struct lock *l = atomic_load(&parse_lock);
    if (l)
        return l;
    struct lock *fresh = lock_create();
    if (atomic_compare_exchange_strong(&parse_lock, &l, fresh))
        return fresh;
    lock_destroy(fresh);
    return l;
}

/* A struct json_value is a cJSON node under a name that cJSON's header is not needed for. */
static cJSON *node(struct json_value *v)
{
    return (cJSON *)(void *)v;
}

static const cJSON *peek(const struct json_value *v)
{
    return (const cJSON *)(const void *)v;
}

static struct json_value *value(cJSON *n)
{
    return (struct json_value *)(void *)n;
}

static const struct json_value *const_value(const cJSON *n)
{
    return (const struct json_value *)(const void *)n;
}

/* cJSON would cut the string at a zero byte. Only strings hold backslashes in checked JSON. */
static bool has_escaped_zero(struct slice text)
{
    const char *at = text.ptr;
    const char *end = at + text.len;
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at)))) {
        if (end - at >= 6 && memcmp(at, "\\u0000", 6) == 0)
            return true;
        at += 2;
    }
    return false;
}

enum status json_parse(struct slice text, size_t max_bytes, struct json_value **out, struct err *e)
{
    enum json_kind top;
    enum status st;
    cJSON *tree;
    char *copy;
    if (text.len > max_bytes)
        return err_set(e, ST_TOO_BIG, "the JSON text is longer than %zu bytes", max_bytes);
    st = json_scan(text, NULL, 0, &top, e);
    if (st != ST_OK)
        return st;
    if (has_escaped_zero(text))
        return err_set(e, ST_BAD_INPUT, "a string holds \\u0000");
    copy = malloc(text.len + 1);
    if (!copy)
        return err_set(e, ST_NO_MEM, "out of memory");
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    lock_take(the_parse_lock());
    tree = cJSON_ParseWithLengthOpts(copy, text.len + 1, NULL, true);
    lock_give(the_parse_lock());
    free(copy);
    if (!tree)
        return err_set(e, ST_BAD_INPUT, "a string holds a lone surrogate, or out of memory");
    *out = value(tree);
    return ST_OK;
}

struct json_value *json_object(void)
{
    return value(cJSON_CreateObject());
}

struct json_value *json_array(void)
{
    return value(cJSON_CreateArray());
}

void json_destroy(struct json_value *v)
{
    cJSON_Delete(node(v));
}

/* cJSON does not use the valueint of a container; here 1 says that something is missing in it. */
static void mark_incomplete(struct json_value *into)
{
    node(into)->valueint = 1;
}

static bool is_container(const cJSON *n)
{
    return cJSON_IsObject(n) || cJSON_IsArray(n);
}

/* Gives item (NULL: out of memory) to into, or frees it. Returns it when into took it. */
static cJSON *give(struct json_value *into, const char *name, cJSON *item)
{
    bool ok = false;
    if (into) {
        CHECK(name ? cJSON_IsObject(node(into)) : cJSON_IsArray(node(into)));
        if (item)
            ok = name ? cJSON_AddItemToObject(node(into), name, item)
                      : cJSON_AddItemToArray(node(into), item);
        if (!ok)
            mark_incomplete(into);
    }
    if (ok)
        return item;
    cJSON_Delete(item);
    return NULL;
}

/* A NUL-terminated copy that is UTF-8; NULL when out of memory. */
static char *clean_copy(struct slice text)
{
    static const char replacement[] = JSON_UTF8_REPLACEMENT;
    const unsigned char *at = (const unsigned char *)text.ptr;
    const unsigned char *end = text.len ? at + text.len : at;
    char *copy = malloc(text.len * (sizeof replacement - 1) + 1);
    char *to = copy;
    if (!copy)
        return NULL;
    while (at < end) {
        size_t n = *at ? json_utf8_length(at, end) : 0;
        if (n) {
            memcpy(to, at, n);
            at += n;
            to += n;
        } else {
            memcpy(to, replacement, sizeof replacement - 1);
            at++;
            to += sizeof replacement - 1;
        }
    }
    *to = 0;
    return copy;
}

void json_add_string(struct json_value *into, const char *name, struct slice text)
{
    char *copy = into ? clean_copy(text) : NULL;
    give(into, name, copy ? cJSON_CreateString(copy) : NULL);
    free(copy);
}

void json_add_bool(struct json_value *into, const char *name, bool value)
{
    give(into, name, cJSON_CreateBool(value));
}

void json_add_int(struct json_value *into, const char *name, int value)
{
    give(into, name, cJSON_CreateNumber(value));
}

void json_add_u64(struct json_value *into, const char *name, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    give(into, name, cJSON_CreateString(digits));
}

void json_add_null(struct json_value *into, const char *name)
{
    give(into, name, cJSON_CreateNull());
}

struct json_value *json_add_object(struct json_value *into, const char *name)
{
    return value(give(into, name, cJSON_CreateObject()));
}

struct json_value *json_add_array(struct json_value *into, const char *name)
{
    return value(give(into, name, cJSON_CreateArray()));
}

void json_add_child(struct json_value *into, const char *name, struct json_value *child)
{
    give(into, name, node(child));
}

/* Recurses as deep as cJSON's own printing does, over values that were built here. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of what we build. */
static bool is_complete(const cJSON *n)
{
    const cJSON *child;
    if (is_container(n) && n->valueint)
        return false;
    cJSON_ArrayForEach(child, n)
    {
        if (!is_complete(child))
            return false;
    }
    return true;
}

enum status json_print(const struct json_value *v, struct buf *out)
{
    enum status st;
    char *text;
    if (!v || !is_complete(peek(v)))
        return ST_NO_MEM;
    text = cJSON_PrintUnformatted(peek(v));
    if (!text)
        return ST_NO_MEM;
    st = buf_append(out, text, strlen(text));
    cJSON_free(text);
    return st;
}

enum json_kind json_kind(const struct json_value *v)
{
    switch (v ? peek(v)->type & 0xff : cJSON_Invalid) {
    case cJSON_False:
        return JSON_FALSE;
    case cJSON_True:
        return JSON_TRUE;
    case cJSON_NULL:
        return JSON_NULL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_ABSENT;
    }
}

struct slice json_text(const struct json_value *v)
{
    return slice_of(json_kind(v) == JSON_STRING ? peek(v)->valuestring : NULL);
}

struct slice json_name(const struct json_value *v)
{
    return slice_of(v ? peek(v)->string : NULL);
}

const struct json_value *json_first(const struct json_value *v)
{
    return v && is_container(peek(v)) ? const_value(peek(v)->child) : NULL;
}

const struct json_value *json_next(const struct json_value *member)
{
    return member ? const_value(peek(member)->next) : NULL;
}

size_t json_count(const struct json_value *v)
{
    size_t n = 0;
    for (const struct json_value *i = json_first(v); i; i = json_next(i))
        n++;
    return n;
}

const struct json_value *json_get(const struct json_value *object, const char *name)
{
    const struct json_value *found = NULL;
    if (json_kind(object) != JSON_OBJECT)
        return NULL;
    /* cJSON_GetObjectItemCaseSensitive would return the first of repeated members. */
    for (const struct json_value *i = json_first(object); i; i = json_next(i))
        if (strcmp(peek(i)->string, name) == 0)
            found = i;
    return found;
}

static const char *const kind_names[] = {
    [JSON_ABSENT] = "absent",    [JSON_STRING] = "a string", [JSON_NUMBER] = "a number",
    [JSON_TRUE] = "true",        [JSON_FALSE] = "false",     [JSON_NULL] = "null",
    [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
};

/* The member if it is there at all; its kind is still open. */
static enum status present(const struct json_value *object, const char *name,
                           const struct json_value **out, struct err *e)
{
    const struct json_value *v = json_get(object, name);
    if (!v || json_kind(v) == JSON_NULL)
        return err_set(e, ST_NOT_FOUND, "\"%s\" is missing", name);
    *out = v;
    return ST_OK;
}

static enum status wrong_kind(const struct json_value *v, const char *want, struct err *e)
{
    return err_set(e, ST_BAD_INPUT, "\"%s\" must be %s, but is %s", peek(v)->string, want,
                   kind_names[json_kind(v)]);
}

static enum status get_kind(const struct json_value *object, const char *name, enum json_kind kind,
                            const struct json_value **out, struct err *e)
{
    const struct json_value *v = NULL;
    enum status st = present(object, name, &v, e);
    if (st != ST_OK)
        return st;
    if (json_kind(v) != kind)
        return wrong_kind(v, kind_names[kind], e);
    *out = v;
    return ST_OK;
}

enum status json_get_string(const struct json_value *object, const char *name, size_t max_bytes,
                            struct slice *out, struct err *e)
{
    const struct json_value *v = NULL;
    enum status st = get_kind(object, name, JSON_STRING, &v, e);
    if (st != ST_OK)
        return st;
    if (json_text(v).len > max_bytes)
        return err_set(e, ST_TOO_BIG, "\"%s\" is longer than %zu bytes", name, max_bytes);
    *out = json_text(v);
    return ST_OK;
}

enum status json_get_bool(const struct json_value *object, const char *name, bool *out,
                          struct err *e)
{
    const struct json_value *v = NULL;
    enum status st = present(object, name, &v, e);
    if (st != ST_OK)
        return st;
    if (json_kind(v) != JSON_TRUE && json_kind(v) != JSON_FALSE)
        return wrong_kind(v, "true or false", e);
    *out = json_kind(v) == JSON_TRUE;
    return ST_OK;
}

/* The number when it is whole and exact. */
static bool whole_number(const struct json_value *v, int64_t *out)
{
    double d = peek(v)->valuedouble;
    if (d < (double)-JSON_EXACT_MAX || d > (double)JSON_EXACT_MAX)
        return false;
    *out = (int64_t)d;
    return (double)*out == d;
}

enum status json_get_int(const struct json_value *object, const char *name, int64_t min,
                         int64_t max, int64_t *out, struct err *e)
{
    const struct json_value *v = NULL;
    int64_t number;
    enum status st = get_kind(object, name, JSON_NUMBER, &v, e);
    if (st != ST_OK)
        return st;
    if (!whole_number(v, &number))
        return err_set(e, ST_BAD_INPUT, "\"%s\" must be a whole number", name);
    if (number < min || number > max)
        return err_set(e, ST_BAD_INPUT, "\"%s\" must be between %" PRId64 " and %" PRId64, name,
                       min, max);
    *out = number;
    return ST_OK;
}

enum status json_get_u64(const struct json_value *object, const char *name, uint64_t min,
                         uint64_t max, uint64_t *out, struct err *e)
{
    const struct json_value *v = NULL;
    char digits[24];
    struct slice text;
    int64_t number;
    enum status st = present(object, name, &v, e);
    if (st != ST_OK)
        return st;
    if (json_kind(v) == JSON_NUMBER) {
        if (!whole_number(v, &number) || number < 0)
            return err_set(e, ST_BAD_INPUT, "\"%s\" must be a whole number", name);
        snprintf(digits, sizeof digits, "%" PRId64, number);
        text = slice_of(digits);
    } else if (json_kind(v) == JSON_STRING) {
        text = json_text(v);
    } else {
        return wrong_kind(v, "a string of decimal digits", e);
    }
    st = num_parse_u64(text, min, max, out, e);
    if (st != ST_OK)
        err_context(e, "\"%s\"", name);
    return st;
}

enum status json_get_object(const struct json_value *object, const char *name,
                            const struct json_value **out, struct err *e)
{
    return get_kind(object, name, JSON_OBJECT, out, e);
}

enum status json_get_array(const struct json_value *object, const char *name,
                           const struct json_value **out, struct err *e)
{
    return get_kind(object, name, JSON_ARRAY, out, e);
}
