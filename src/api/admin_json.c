/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_json.h"

#include <stdlib.h>

#include "api/reply.h"
#include "json/json_utf8.h"

void admin_json_time(struct json_value *into, const char *name, struct wall t)
{
    char text[WALL_TEXT_MAX];
    if (!t.us) {
        json_add_null(into, name);
        return;
    }
    wall_format(t, text);
    json_add_string(into, name, slice_of(text));
}

static bool is_text(struct slice body)
{
    const unsigned char *at = (const unsigned char *)body.ptr;
    const unsigned char *end = at + body.len;
    while (at < end) {
        size_t len = *at ? json_utf8_length(at, end) : 0;
        if (!len)
            return false;
        at += len;
    }
    return true;
}

/* Four characters for each three bytes that are begun; out has room for them. */
static size_t encode_base64(struct slice bytes, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        unsigned word = (unsigned)(unsigned char)bytes.ptr[i] << 16;
        if (left > 1)
            word |= (unsigned)(unsigned char)bytes.ptr[i + 1] << 8;
        if (left > 2)
            word |= (unsigned char)bytes.ptr[i + 2];
        out[n++] = digits[word >> 18];
        out[n++] = digits[word >> 12 & 63];
        out[n++] = left > 1 ? digits[word >> 6 & 63] : '=';
        out[n++] = left > 2 ? digits[word & 63] : '=';
    }
    return n;
}

bool admin_json_body(struct json_value *into, struct slice body)
{
    char *encoded;
    if (is_text(body)) {
        json_add_string(into, "body", body);
        return true;
    }
    encoded = malloc((body.len + 2) / 3 * 4);
    if (!encoded)
        return false;
    json_add_string(into, "body_base64", (struct slice){encoded, encode_base64(body, encoded)});
    free(encoded);
    return true;
}

void admin_json_failed(struct http_req *req, const struct err *e)
{
    if (e->code == ST_NOT_FOUND)
        reply_refusal(req, 404, "not_found", e->text);
    else if (e->code == ST_BAD_INPUT)
        reply_refusal(req, 400, "bad_request", e->text);
    else
        reply_error(req, 503, "unavailable", NULL);
}
