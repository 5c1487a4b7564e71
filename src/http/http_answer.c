/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_answer.h"

#include <microhttpd.h>

#include <stdlib.h>
#include <string.h>

void http_answer_init(struct http_answer *a)
{
    a->reply = (struct http_reply){0};
    a->heap = NULL;
}

void http_answer_fini(struct http_answer *a)
{
    free(a->heap);
    http_answer_init(a);
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t bytes_needed(const struct http_reply *r)
{
    size_t n = r->body.len + text_bytes(r->content_type);
    for (size_t i = 0; i < HTTP_REPLY_HEADERS_MAX; i++)
        n += text_bytes(r->headers[i].name) + text_bytes(r->headers[i].value);
    return n;
}

static const char *put(char **at, const char *bytes, size_t len)
{
    char *start = *at;
    if (!bytes)
        return NULL;
    memcpy(start, bytes, len);
    *at += len;
    return start;
}

void http_answer_store(struct http_answer *a, const struct http_reply *r)
{
    size_t need = bytes_needed(r);
    char *at = a->small;
    http_answer_fini(a);
    if (need > sizeof a->small) {
        a->heap = malloc(need);
        if (!a->heap) {
            a->reply.status = 503;
            return;
        }
        at = a->heap;
    }
    a->reply.status = r->status;
    a->reply.close = r->close;
    a->reply.content_type = put(&at, r->content_type, text_bytes(r->content_type));
    for (size_t i = 0; i < HTTP_REPLY_HEADERS_MAX; i++) {
        const struct http_header *h = &r->headers[i];
        a->reply.headers[i].name = put(&at, h->name, text_bytes(h->name));
        a->reply.headers[i].value = put(&at, h->value, text_bytes(h->value));
    }
    if (r->body.len)
        a->reply.body = (struct slice){put(&at, r->body.ptr, r->body.len), r->body.len};
}

struct MHD_Response *http_answer_render(const struct http_reply *r, bool close)
{
    bool ok = true;
    /* The library takes a pointer to non-const but only reads a persistent buffer. */
    union {
        const char *in;
        void *out;
    } body = {.in = r->body.ptr};
    struct MHD_Response *m =
        MHD_create_response_from_buffer(r->body.len, body.out, MHD_RESPMEM_PERSISTENT);
    if (!m)
        return NULL;
    if (r->content_type)
        ok = MHD_add_response_header(m, "Content-Type", r->content_type) == MHD_YES;
    for (size_t i = 0; ok && i < HTTP_REPLY_HEADERS_MAX; i++)
        if (r->headers[i].name)
            ok = MHD_add_response_header(m, r->headers[i].name, r->headers[i].value) == MHD_YES;
    if (ok && close)
        ok = MHD_add_response_header(m, "Connection", "close") == MHD_YES;
    if (!ok) {
        MHD_destroy_response(m);
        return NULL;
    }
    return m;
}
