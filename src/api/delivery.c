/* SPDX-License-Identifier: Apache-2.0 */
#include "api/delivery.h"

/* Content headers, a reason and the trace context: bounded by the header limit of the listener. */
#define TEXT_MAX (128 << 10)

void delivery_init(struct delivery *d)
{
    *d = (struct delivery){0};
    envelope_init(&d->envelope);
    buf_init(&d->text, TEXT_MAX);
}

void delivery_fini(struct delivery *d)
{
    envelope_fini(&d->envelope);
    buf_fini(&d->text);
}

/* application/json, alone or with parameters of which charset may only be utf-8 (RFC 8259
 * section 8.1). */
static bool is_json_type(struct slice value)
{
    const char *semicolon = value.len ? memchr(value.ptr, ';', value.len) : NULL;
    size_t n = semicolon ? (size_t)(semicolon - value.ptr) : value.len;
    if (!slice_eq_nocase(slice_trim((struct slice){value.ptr, n}), slice_of("application/json")))
        return false;
    while (semicolon) {
        const char *from = semicolon + 1;
        size_t left = value.len - (size_t)(from - value.ptr);
        semicolon = left ? memchr(from, ';', left) : NULL;
        struct slice param =
            slice_trim((struct slice){from, semicolon ? (size_t)(semicolon - from) : left});
        if (param.len >= 8 && slice_eq_nocase((struct slice){param.ptr, 8}, slice_of("charset=")) &&
            !slice_eq_nocase((struct slice){param.ptr + 8, param.len - 8}, slice_of("utf-8")) &&
            !slice_eq_nocase((struct slice){param.ptr + 8, param.len - 8}, slice_of("\"utf-8\"")))
            return false;
    }
    return true;
}

static bool is_plain(const struct http_req *req)
{
    struct slice encoding = slice_trim(http_req_header(req, "Content-Encoding"));
    return !encoding.len || slice_eq_nocase(encoding, slice_of("identity"));
}

static enum status keep_header(struct delivery *d, const struct http_req *req, const char *name)
{
    struct slice value = http_req_header(req, name);
    if (!value.len)
        return ST_OK;
    return buf_printf(&d->text, "%s: %.*s\n", name, (int)value.len, value.ptr);
}

static enum status quarantine(struct delivery *d, const struct http_req *req, const char *reason)
{
    static const char *const kept[] = {"Content-Type", "Content-Encoding", "Content-Language"};
    enum status st = ST_OK;
    size_t reason_at;
    struct event clean = {.body = d->ev.body, .received = d->ev.received};
    /* Half-read fields of a broken envelope must not pass for facts. */
    d->ev = clean;
    d->ev.flags = EVENT_QUARANTINED;
    buf_clear(&d->text);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0] && st == ST_OK; i++)
        st = keep_header(d, req, kept[i]);
    reason_at = d->text.len;
    if (st == ST_OK)
        st = buf_append(&d->text, reason, strlen(reason));
    if (st != ST_OK)
        return st;
    d->ev.content_headers = (struct slice){d->text.ptr, reason_at};
    d->ev.reason = (struct slice){d->text.ptr + reason_at, d->text.len - reason_at};
    return ST_OK;
}

/* W3C Trace Context level 1: carried along as it came; a malformed one is left out. */
static enum status read_trace(struct delivery *d, const struct http_req *req)
{
    struct slice parent = http_req_header(req, "traceparent");
    struct slice state = http_req_header(req, "tracestate");
    enum status st;
    if (parent.len < 55 || parent.len > 512 || http_req_header_count(req, "traceparent") != 1)
        return ST_OK;
    st = buf_append(&d->text, parent.ptr, parent.len);
    if (st == ST_OK && state.len && state.len <= 512)
        st = buf_printf(&d->text, "\n%.*s", (int)state.len, state.ptr);
    if (st == ST_OK)
        d->ev.trace = buf_slice(&d->text);
    return st;
}

static enum status route(struct delivery *d, const struct delivery_opts *opts)
{
    struct event *ev = &d->ev;
    struct route r = routes_find(opts->routes, ev->type);
    if (ev->flags & EVENT_PING)
        return ST_OK;
    ev->topic = r.topic;
    if (!r.topic.len)
        ev->flags |= EVENT_UNROUTED;
    if (ev->body.len > opts->record_max) {
        ev->flags |= EVENT_OVERSIZE;
        ev->reason =
            slice_of("the body is larger than one Kafka record may be (message.max.bytes)");
    }
    return ST_OK;
}

/* The type, which the envelope tells, decides which key order applies. */
static enum status read_envelope(struct delivery *d, const struct delivery_opts *opts,
                                 struct err *e)
{
    enum status st = envelope_read(&d->envelope, d->ev.body, &envelope_keys_default, &d->ev, e);
    if (st == ST_OK)
        d->ev.key = envelope_key(&d->envelope, routes_find(opts->routes, d->ev.type).keys);
    return st;
}

enum status delivery_read(struct delivery *d, const struct http_req *req,
                          const struct delivery_opts *opts)
{
    struct err e = {0};
    enum status st;
    d->ev.body = http_req_body(req);
    d->ev.received = http_req_received(req);
    if (!is_plain(req))
        return quarantine(d, req, "Content-Encoding is not identity");
    if (!is_json_type(http_req_header(req, "Content-Type")))
        return quarantine(d, req, "Content-Type is not application/json in UTF-8");
    st = read_envelope(d, opts, &e);
    if (st == ST_BAD_INPUT)
        return quarantine(d, req, e.text);
    if (st == ST_OK)
        st = read_trace(d, req);
    return st == ST_OK ? route(d, opts) : st;
}
