/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_REQ_H
#define RELAY_HTTP_HTTP_REQ_H

/*
 * One request from its request line to the last byte of its answer. Internal to the http room; the
 * functions for handlers are in http_server.h.
 *
 * Owns: a copy of the target, the body, the answer, the handler's memory.
 *
 * Life: libmicrohttpd's connection holds one reference, from the request line until the request is
 * over. A suspended request has a second one, the answering thread's. http_req_answer() moves that
 * one to the http thread by the list of answered requests; when the request was given up before
 * (state HTTP_REQ_GIVEN_UP), it only drops it.
 *
 * Threads: everything belongs to the http thread, but while state is HTTP_REQ_WAITING answer
 * belongs to the answering thread, and body and user do until its reference ends.
 */

#include "http/http_answer.h"
#include "http/http_gate.h"
#include "http/http_tally.h"

#include <netinet/in.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

struct MHD_Connection;
struct http_conn;
struct http_thread;

enum http_req_stage {
    HTTP_REQ_HEAD,     /* the request line is there */
    HTTP_REQ_BODY,     /* the handler wants the body */
    HTTP_REQ_DROPPING, /* the answer is known; the rest of the body is read and thrown away */
    HTTP_REQ_HANDLING, /* inside on_request */
    HTTP_REQ_HELD,     /* suspended, or resumed and not yet sent */
    HTTP_REQ_SENDING   /* the answer is queued */
};

enum http_req_state { HTTP_REQ_OPEN, HTTP_REQ_WAITING, HTTP_REQ_ANSWERED, HTTP_REQ_GIVEN_UP };

#define HTTP_REQ_TARGET_INLINE 160 /* longer targets go to the heap */

struct http_req {
    struct http_thread *thread; /* not after it was given up */
    struct http_conn *conn;     /* as thread */
    struct MHD_Connection *mhd; /* as thread */
    struct http_tally *tally;
    atomic_int refs;
    atomic_int state;
    struct http_req *next_answered;
    struct http_req *prev_waiting;
    struct http_req *next_waiting;
    struct mono answer_by;

    enum http_req_stage stage;
    bool is_replied;     /* answer is filled */
    bool keeps_tally;    /* a reference of its own, see http_tally.h */
    const char *method;  /* the library's */
    struct slice target; /* "/path?query", in target_small or target_heap */
    struct slice path;
    struct slice query;
    struct http_gate_body framing;
    struct buf body;
    size_t reserved_bytes; /* of the tally's memory */
    size_t drop_left;      /* bytes that HTTP_REQ_DROPPING may still take */
    struct wall received;
    struct mono started;
    const struct http_reply *own_reply; /* a constant, instead of answer */
    char peer[INET6_ADDRSTRLEN];
    char *target_heap;
    char target_small[HTTP_REQ_TARGET_INLINE];
    struct http_answer answer;
    alignas(max_align_t) unsigned char user[];
};

/* A new request in stage HEAD with one reference; NULL when out of memory. */
struct http_req *http_req_create(struct http_thread *t, struct http_conn *conn,
                                 struct MHD_Connection *mhd, const char *target);
/* Ends one reference; the last one frees it. */
void http_req_drop(struct http_req *req);

/* Reserves n more bytes of memory_max. */
bool http_req_reserve(struct http_req *req, size_t n);
/* Throws the body away. */
void http_req_forget_body(struct http_req *req);

/* True when the method allows and the framing announces at least one byte. */
bool http_req_has_body(const struct http_req *req);

/*
 * Takes a waiting request from its answering thread: false when that one was faster. Afterwards
 * the request's reply is reply, which must be constant.
 */
bool http_req_give_up(struct http_req *req, const struct http_reply *reply);

#endif
