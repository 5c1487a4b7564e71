/* SPDX-License-Identifier: Apache-2.0 */

/*
 * json_scan over arbitrary bytes: what it takes cJSON takes too, what it picks out lies inside the
 * text, and what json_unescape makes of it is UTF-8.
 */

#include "json/json_scan.h"
#include "json/json_utf8.h"

#include <cjson/cJSON.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* cJSON refuses an escaped lone surrogate, which the grammar allows, and may cut a number of more
 * than 63 bytes. Such texts are not compared. */
static bool is_beyond_cjson(struct slice text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool numeric =
            (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
        digits = numeric ? digits + 1 : 0;
        if (digits > 63)
            return true;
        if (i + 3 < text.len && c == '\\' && text.ptr[i + 1] == 'u' &&
            (text.ptr[i + 2] | 0x20) == 'd' && text.ptr[i + 3] >= '8')
            return true;
    }
    return false;
}

static void check_cjson(struct slice text)
{
    cJSON *tree;
    char *copy;
    if (is_beyond_cjson(text))
        return;
    copy = malloc(text.len + 1);
    CHECK(copy);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    tree = cJSON_ParseWithLengthOpts(copy, text.len + 1, NULL, 1);
    CHECK(tree);
    cJSON_Delete(tree);
    free(copy);
}

static void check_utf8(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    const unsigned char *end = text.len ? at + text.len : at;
    while (at < end) {
        size_t n = json_utf8_length(at, end);
        CHECK(n > 0);
        at += n;
    }
}

static void check_want(struct slice text, const struct json_want *w)
{
    struct buf out;
    enum json_kind top;
    if (w->kind == JSON_ABSENT) {
        CHECK(w->raw.len == 0);
        return;
    }
    CHECK(w->raw.ptr >= text.ptr && w->raw.len <= text.len);
    CHECK((size_t)(w->raw.ptr - text.ptr) <= text.len - w->raw.len);
    if (w->kind != JSON_STRING) {
        /* The text of a value is a whole JSON text of the same kind. */
        CHECK(json_scan(w->raw, NULL, 0, &top, NULL) == ST_OK && top == w->kind);
        return;
    }
    buf_init(&out, w->raw.len);
    CHECK(json_unescape(w->raw, &out) == ST_OK);
    check_utf8(buf_slice(&out));
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_want wants[] = {
        {.name = "id"},
        {.name = "content"},
        {.name = ""},
        {.parent = "content", .name = "a"},
        {.parent = "content", .name = "id"},
        {.parent = "b", .name = "a"},
    };
    const size_t n = sizeof wants / sizeof wants[0];
    const struct slice text = {(const char *)data, size};
    enum json_kind top = JSON_ABSENT;
    struct err e = {ST_OK, 0, ""};
    if (json_scan(text, wants, n, &top, &e) != ST_OK) {
        CHECK(e.code == ST_BAD_INPUT && e.text[0]);
        return 0;
    }
    CHECK(top != JSON_ABSENT);
    check_utf8(text);
    check_cjson(text);
    for (size_t i = 0; i < n; i++)
        check_want(text, &wants[i]);
    return 0;
}
