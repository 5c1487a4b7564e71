/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_access.h"

#include "http/http_conn.h"
#include "http/http_req.h"
#include "http/http_thread.h"

#include <string.h>

/*
 * A refused body up to this size is read and thrown away before the answer: closing a socket with
 * unread bytes resets the connection, and the peer may lose the answer. More is not worth reading.
 */
#define DROP_MAX ((size_t)256 * 1024)

/* Bodies up to this size get their memory at once; larger ones grow as bytes arrive. */
#define ALLOCATE_AT_ONCE ((size_t)64 * 1024)

size_t http_access_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

void *http_access_begin(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_thread *t = cls;
    struct http_conn *conn = http_conn_of(mhd);
    if (!conn || !target)
        return NULL;
    /* The clock of a connection's first request runs since it was accepted. */
    if (conn->phase == HTTP_CONN_FIRST)
        conn->phase = HTTP_CONN_READING;
    else
        http_conn_enter(conn, HTTP_CONN_READING);
    return http_req_create(t, conn, mhd, target);
}

static enum MHD_Result send_reply(struct http_req *req)
{
    struct http_thread *t = req->thread;
    const struct http_reply *reply = req->own_reply ? req->own_reply : &req->answer.reply;
    struct MHD_Response *m = http_answer_render(reply, reply->close || http_thread_is_draining(t));
    if (!m)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(req->mhd, (unsigned)reply->status, m);
    MHD_destroy_response(m);
    if (queued != MHD_YES)
        return MHD_NO;
    req->stage = HTTP_REQ_SENDING;
    t->unsent++;
    http_conn_enter(req->conn, HTTP_CONN_SENDING);
    return MHD_YES;
}

/* Stores a refusal and reports it. */
static void refuse(struct http_req *req, enum http_refusal why, int status, const char *reason)
{
    const struct http_reply *standard = http_thread_refusal(why);
    struct http_reply reply = *standard;
    if (status)
        reply.status = status;
    if (reason)
        reply.body = slice_of(reason);
    http_answer_store(&req->answer, &reply);
    req->is_replied = true;
    http_thread_refused(req->thread, why, req->peer);
}

/*
 * The answer is known although the body is not here. Queued in the first call it makes the library
 * close the connection; held back until the last call, it does not.
 */
static enum MHD_Result reply_early(struct http_req *req)
{
    const struct http_gate_body *f = &req->framing;
    bool is_short = f->framing == HTTP_GATE_BODY_LENGTH && f->length <= DROP_MAX;
    if (http_req_has_body(req) && (!is_short || f->expects_continue))
        return send_reply(req);
    req->stage = HTTP_REQ_DROPPING;
    req->drop_left = DROP_MAX;
    return MHD_YES;
}

/* ---- the head ---- */

struct fields {
    struct http_gate_field at[HTTP_FIELDS_MAX];
    size_t count; /* of the request; more than fit are only counted */
};

static enum MHD_Result collect(void *cls, enum MHD_ValueKind kind, const char *name,
                               size_t name_len, const char *value, size_t value_len)
{
    struct fields *f = cls;
    (void)kind;
    if (f->count < HTTP_FIELDS_MAX)
        f->at[f->count] =
            (struct http_gate_field){{name, name_len}, {value, value ? value_len : 0}};
    f->count++;
    return MHD_YES;
}

/* True when the head is within the limits and the gate lets it pass. */
static bool admit_head(struct http_req *req, const char *url, const char *version)
{
    const struct http_limits *limits = &req->thread->shared->limits;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct fields fields;
    fields.count = 0;
    MHD_get_connection_values_n(req->mhd, MHD_HEADER_KIND, collect, &fields);
    if (fields.count > limits->header_count_max || info->header_size > limits->header_bytes_max) {
        refuse(req, HTTP_REFUSED_HEADERS, 0, NULL);
        return false;
    }
    struct http_gate_head head = {.method = slice_of(req->method),
                                  .target = req->target,
                                  .version = slice_of(version),
                                  .fields = fields.at,
                                  .field_count = fields.count,
                                  .head_len = info->header_size,
                                  .target_at = url};
    enum http_gate_verdict verdict = http_gate_judge(&head, &req->framing);
    if (verdict != HTTP_GATE_PASSED) {
        refuse(req, HTTP_REFUSED_FRAMING, http_gate_status(verdict), http_gate_reason(verdict));
        return false;
    }
    return true;
}

/* Memory for the declared body; what a chunked one needs is reserved as it comes. */
static bool make_room(struct http_req *req)
{
    size_t length = (size_t)req->framing.length;
    if (req->framing.framing != HTTP_GATE_BODY_LENGTH || length == 0)
        return true;
    req->body.max = length;
    return http_req_reserve(req, length) &&
           buf_reserve(&req->body, length < ALLOCATE_AT_ONCE ? length : ALLOCATE_AT_ONCE) == ST_OK;
}

static bool is_queue_full(const struct http_req *req)
{
    const struct http_shared *s = req->thread->shared;
    return http_req_has_body(req) && http_tally_read(&s->tally->waiting) >= s->limits.waiting_max;
}

static enum MHD_Result serve_head(struct http_req *req, const char *url, const char *version)
{
    struct http_shared *s = req->thread->shared;
    req->received = clock_wall(s->clock);
    req->started = clock_mono(s->clock);
    if (!admit_head(req, url, version))
        return send_reply(req);
    if (http_thread_is_draining(req->thread)) {
        refuse(req, HTTP_REFUSED_DRAINING, 0, NULL);
        return reply_early(req);
    }
    if (req->framing.framing == HTTP_GATE_BODY_LENGTH && req->framing.length > s->limits.body_max) {
        refuse(req, HTTP_REFUSED_BODY_SIZE, 0, NULL);
        return reply_early(req);
    }
    if (!s->handler.on_head(s->handler.ctx, req)) {
        CHECK(req->is_replied);
        return reply_early(req);
    }
    CHECK(!req->is_replied);
    if (is_queue_full(req)) {
        refuse(req, HTTP_REFUSED_WAITING, 0, NULL);
        return reply_early(req);
    }
    if (!make_room(req)) {
        http_req_forget_body(req);
        refuse(req, HTTP_REFUSED_MEMORY, 0, NULL);
        return reply_early(req);
    }
    req->stage = HTTP_REQ_BODY;
    return MHD_YES;
}

/* ---- the body ---- */

/* The body will not be used: what still comes is thrown away, up to a bound. */
static void give_up_body(struct http_req *req, enum http_refusal why)
{
    http_req_forget_body(req);
    refuse(req, why, 0, NULL);
    req->stage = HTTP_REQ_DROPPING;
    req->drop_left = DROP_MAX;
}

static enum MHD_Result take_body(struct http_req *req, const char *data, size_t *len)
{
    size_t n = *len;
    bool is_chunked = req->framing.framing == HTTP_GATE_BODY_CHUNKED;
    *len = 0;
    if (is_chunked && n > req->body.max - req->body.len)
        give_up_body(req, HTTP_REFUSED_BODY_SIZE);
    else if ((is_chunked && !http_req_reserve(req, n)) || buf_append(&req->body, data, n) != ST_OK)
        give_up_body(req, HTTP_REFUSED_MEMORY);
    return MHD_YES;
}

static enum MHD_Result serve_request(struct http_req *req)
{
    struct http_shared *s = req->thread->shared;
    http_conn_enter(req->conn, HTTP_CONN_HELD);
    if (http_thread_is_stopping(req->thread)) {
        refuse(req, HTTP_REFUSED_DRAINING, 0, NULL);
        return send_reply(req);
    }
    if (is_queue_full(req)) {
        refuse(req, HTTP_REFUSED_WAITING, 0, NULL);
        return send_reply(req);
    }
    req->stage = HTTP_REQ_HANDLING;
    s->handler.on_request(s->handler.ctx, req);
    if (req->stage == HTTP_REQ_HELD)
        return MHD_YES;
    CHECK(req->is_replied);
    return send_reply(req);
}

/* NOLINTNEXTLINE(readability-function-size): the signature is libmicrohttpd's. */
enum MHD_Result http_access_serve(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **context)
{
    struct http_req *req = *context;
    (void)cls;
    (void)mhd;
    if (!req)
        return MHD_NO;
    switch (req->stage) {
    case HTTP_REQ_HEAD:
        req->method = method;
        return serve_head(req, url, version);
    case HTTP_REQ_BODY:
        return *data_len ? take_body(req, data, data_len) : serve_request(req);
    case HTTP_REQ_DROPPING:
        if (!*data_len)
            return send_reply(req);
        if (*data_len > req->drop_left)
            return MHD_NO;
        req->drop_left -= *data_len;
        *data_len = 0;
        return MHD_YES;
    case HTTP_REQ_HELD:
        CHECK(atomic_load_explicit(&req->state, memory_order_relaxed) != HTTP_REQ_WAITING);
        return send_reply(req);
    case HTTP_REQ_HANDLING:
    case HTTP_REQ_SENDING:
        break;
    }
    /* The library does not call again before the handler returned or once an answer is queued. */
    CHECK(req->stage < HTTP_REQ_HANDLING);
    return MHD_NO;
}

/* ---- the end ---- */

/* The library itself answered: its limits are behind ours, but it parses first. */
static void report_library_refusal(struct http_req *req)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
    enum http_refusal why = HTTP_REFUSED_FRAMING;
    if (!info || req->is_replied || req->stage == HTTP_REQ_HELD)
        return;
    if (info->http_status == MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE ||
        info->http_status == MHD_HTTP_URI_TOO_LONG)
        why = HTTP_REFUSED_HEADERS;
    else if (info->http_status == MHD_HTTP_CONTENT_TOO_LARGE)
        why = HTTP_REFUSED_BODY_SIZE;
    http_thread_refused(req->thread, why, req->peer);
}

void http_access_end(void *cls, struct MHD_Connection *mhd, void **context,
                     enum MHD_RequestTerminationCode how)
{
    struct http_req *req = *context;
    (void)cls;
    (void)mhd;
    (void)how;
    if (!req)
        return;
    *context = NULL;
    if (req->stage == HTTP_REQ_SENDING)
        req->thread->unsent--;
    else
        report_library_refusal(req);
    http_conn_enter(req->conn, HTTP_CONN_IDLE);
    http_req_drop(req);
}
