/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_req.h"

#include "http/http_conn.h"
#include "http/http_thread.h"

#include <microhttpd.h>

#include <stdlib.h>
#include <string.h>

static bool copy_target(struct http_req *req, const char *target)
{
    size_t len = strlen(target);
    char *at = req->target_small;
    if (len > sizeof req->target_small) {
        req->target_heap = malloc(len);
        if (!req->target_heap)
            return false;
        at = req->target_heap;
    }
    memcpy(at, target, len);
    req->target = (struct slice){at, len};
    char *mark = memchr(at, '?', len);
    req->path = (struct slice){at, mark ? (size_t)(mark - at) : len};
    if (mark)
        req->query = (struct slice){mark + 1, len - req->path.len - 1};
    return true;
}

struct http_req *http_req_create(struct http_thread *t, struct http_conn *conn,
                                 struct MHD_Connection *mhd, const char *target)
{
    struct http_shared *s = t->shared;
    struct http_req *req = malloc(sizeof *req + s->user_bytes);
    if (!req)
        return NULL;
    /* The two inline buffers need no zeroing: their owners set lengths. */
    memset(req, 0, offsetof(struct http_req, target_small));
    http_answer_init(&req->answer);
    memset(req->user, 0, s->user_bytes);
    req->thread = t;
    req->conn = conn;
    req->mhd = mhd;
    req->tally = s->tally;
    req->method = "";
    atomic_init(&req->refs, 1);
    atomic_init(&req->state, HTTP_REQ_OPEN);
    buf_init(&req->body, s->limits.body_max);
    memcpy(req->peer, conn->peer, sizeof req->peer);
    if (!copy_target(req, target)) {
        free(req);
        return NULL;
    }
    return req;
}

void http_req_drop(struct http_req *req)
{
    if (atomic_fetch_sub_explicit(&req->refs, 1, memory_order_acq_rel) != 1)
        return;
    http_req_forget_body(req);
    http_answer_fini(&req->answer);
    if (req->keeps_tally)
        http_tally_drop(req->tally);
    free(req->target_heap);
    free(req);
}

bool http_req_reserve(struct http_req *req, size_t n)
{
    if (!http_tally_try_add(&req->tally->memory_bytes, n, req->thread->shared->limits.memory_max))
        return false;
    req->reserved_bytes += n;
    return true;
}

void http_req_forget_body(struct http_req *req)
{
    buf_fini(&req->body);
    if (req->reserved_bytes)
        http_tally_sub(&req->tally->memory_bytes, req->reserved_bytes);
    req->reserved_bytes = 0;
}

bool http_req_has_body(const struct http_req *req)
{
    return req->framing.framing == HTTP_GATE_BODY_CHUNKED ||
           (req->framing.framing == HTTP_GATE_BODY_LENGTH && req->framing.length > 0);
}

bool http_req_give_up(struct http_req *req, const struct http_reply *reply)
{
    int expected = HTTP_REQ_WAITING;
    /* Before the state changes: from then on the other thread may free the request. */
    http_tally_take(req->tally);
    req->keeps_tally = true;
    if (!atomic_compare_exchange_strong_explicit(&req->state, &expected, HTTP_REQ_GIVEN_UP,
                                                 memory_order_acq_rel, memory_order_acquire)) {
        req->keeps_tally = false;
        http_tally_drop(req->tally);
        return false;
    }
    req->own_reply = reply;
    return true;
}

/* ---- for handlers ---- */

const char *http_req_method(const struct http_req *req)
{
    return req->method;
}

struct slice http_req_path(const struct http_req *req)
{
    return req->path;
}

struct slice http_req_query(const struct http_req *req)
{
    return req->query;
}

struct slice http_req_header(const struct http_req *req, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    CHECK(atomic_load_explicit(&req->state, memory_order_relaxed) == HTTP_REQ_OPEN);
    if (MHD_lookup_connection_value_n(req->mhd, MHD_HEADER_KIND, name, strlen(name), &value,
                                      &len) != MHD_YES)
        return (struct slice){NULL, 0};
    /* The library leaves trailing blanks. */
    return slice_trim((struct slice){value, len});
}

struct count {
    struct slice name;
    size_t n;
};

static enum MHD_Result count_one(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    struct count *c = cls;
    (void)kind;
    (void)value;
    (void)value_len;
    c->n += slice_eq_nocase(c->name, (struct slice){name, name_len});
    return MHD_YES;
}

size_t http_req_header_count(const struct http_req *req, const char *name)
{
    struct count c = {slice_of(name), 0};
    CHECK(atomic_load_explicit(&req->state, memory_order_relaxed) == HTTP_REQ_OPEN);
    MHD_get_connection_values_n(req->mhd, MHD_HEADER_KIND, count_one, &c);
    return c.n;
}

struct slice http_req_body(const struct http_req *req)
{
    return buf_slice(&req->body);
}

size_t http_req_declared_length(const struct http_req *req)
{
    if (req->framing.framing == HTTP_GATE_BODY_CHUNKED)
        return SIZE_MAX;
    return req->framing.framing == HTTP_GATE_BODY_LENGTH ? (size_t)req->framing.length : 0;
}

const char *http_req_peer(const struct http_req *req)
{
    return req->peer;
}

struct wall http_req_received(const struct http_req *req)
{
    return req->received;
}

struct mono http_req_started(const struct http_req *req)
{
    return req->started;
}

void *http_req_user(struct http_req *req)
{
    return req->user;
}

void http_req_reply(struct http_req *req, const struct http_reply *reply)
{
    thread_owner_check(&req->thread->owner);
    CHECK(req->stage == HTTP_REQ_HEAD || req->stage == HTTP_REQ_HANDLING);
    CHECK(!req->is_replied && reply->status >= 200 && reply->status <= 599);
    http_answer_store(&req->answer, reply);
    req->is_replied = true;
}

void http_req_suspend(struct http_req *req)
{
    thread_owner_check(&req->thread->owner);
    CHECK(req->stage == HTTP_REQ_HANDLING && !req->is_replied);
    req->stage = HTTP_REQ_HELD;
    atomic_store_explicit(&req->refs, 2, memory_order_relaxed);
    MHD_suspend_connection(req->mhd);
    http_thread_await(req->thread, req);
    atomic_store_explicit(&req->state, HTTP_REQ_WAITING, memory_order_release);
}

void http_req_answer(struct http_req *req, const struct http_reply *reply)
{
    int state = atomic_load_explicit(&req->state, memory_order_acquire);
    CHECK(reply->status >= 200 && reply->status <= 599);
    CHECK(state == HTTP_REQ_WAITING || state == HTTP_REQ_GIVEN_UP);
    if (state == HTTP_REQ_WAITING) {
        http_answer_store(&req->answer, reply);
        if (atomic_compare_exchange_strong_explicit(&req->state, &state, HTTP_REQ_ANSWERED,
                                                    memory_order_acq_rel, memory_order_acquire)) {
            /* The thread is still there: it does not end while it misses this request. */
            http_thread_push_answered(req->thread, req);
            return;
        }
    }
    http_req_drop(req);
}
