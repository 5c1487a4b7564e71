/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_events.h"

#include <stdlib.h>

#include "api/admin_json.h"
#include "api/query.h"
#include "api/reply.h"
#include "base/log.h"

#define LIST_DEFAULT 50
#define FILTER_MAX   512 /* bytes; ids, types and keys of Gladly are far below */

static void failed(struct admin_call *call, const struct err *e)
{
    if (e->code != ST_NOT_FOUND && e->code != ST_BAD_INPUT)
        log_error("admin.read_failed", LOG_S("reason", e->text));
    admin_json_failed(call->req, e);
}

/* ---- one event ---- */

static void add_event(struct json_value *o, const struct journal_listed *event)
{
    json_add_u64(o, "seq", (uint64_t)event->seq);
    json_add_string(o, "state", slice_of(journal_fate_name(event->fate)));
    admin_json_time(o, "received", event->received);
    json_add_string(o, "source", slice_of(event->source));
    json_add_string(o, "type", event->type);
    json_add_string(o, "id", event->id);
    json_add_string(o, "key", event->key);
    json_add_u64(o, "lane", (uint64_t)event->lane);
    json_add_string(o, "topic", slice_of(event->topic));
    json_add_string(o, "origin", slice_of(event_origin_name(event->origin)));
    json_add_u64(o, "bytes", (uint64_t)event->body_bytes);
    json_add_bool(o, "quarantined", event->flags & EVENT_QUARANTINED);
    json_add_bool(o, "conflicting_id", event->flags & EVENT_CONFLICT);
    if (event->parent)
        json_add_u64(o, event->origin == EVENT_ORIGIN_DEAD_LETTER ? "dead_letter_of" : "requeue_of",
                     (uint64_t)event->parent);
}

static void on_one(void *arg, const struct journal_listed *event)
{
    add_event(arg, event);
}

static void add_parking(struct json_value *root, const struct journal_parking *parking)
{
    struct json_value *o = json_add_object(root, "parked");
    json_add_string(o, "state", slice_of(journal_fate_name(parking->fate)));
    json_add_string(o, "reason", slice_of(parking->reason));
    admin_json_time(o, "since", parking->parked);
    if (!parking->settled.us)
        return;
    admin_json_time(o, "settled", parking->settled);
    json_add_string(o, "settled_by", slice_of(parking->settled_by));
    json_add_string(o, "settled_why", slice_of(parking->settled_why));
    if (parking->successor)
        json_add_u64(o, "successor", (uint64_t)parking->successor);
}

/* What a list does not show: from the row itself. */
static enum status add_row(struct json_value *root, struct admin_call *call, struct err *e)
{
    struct journal_row *row = NULL;
    enum status st = journal_read_event(call->reader, call->seq, &row, e);
    if (st != ST_OK)
        return st;
    json_add_bool(root, "intact", row->intact);
    json_add_u64(root, "prev", (uint64_t)row->prev);
    if (row->ev.flags & EVENT_HAS_TIME)
        admin_json_time(root, "event_time", row->ev.event_time);
    json_add_string(root, "trace", row->ev.trace);
    json_add_string(root, "content_headers", row->ev.content_headers);
    if (!admin_json_body(root, row->ev.body))
        st = err_set(e, ST_NO_MEM, "event: out of memory");
    journal_row_free(row);
    return st;
}

static void show(struct admin_call *call, bool must_be_parked)
{
    struct json_value *root = json_object();
    struct journal_parking parking;
    struct err e = {0};
    enum status st = query_check(http_req_query(call->req), "", &e);
    enum status parked = ST_NOT_FOUND;
    if (st == ST_OK)
        parked = journal_list_parking(call->list, call->seq, &parking, &e);
    if (parked != ST_OK && (parked != ST_NOT_FOUND || must_be_parked))
        st = e.code;
    if (st == ST_OK)
        st = journal_list_one(call->list, call->seq, on_one, root, &e);
    if (st == ST_OK && parked == ST_OK)
        add_parking(root, &parking);
    if (st == ST_OK)
        st = add_row(root, call, &e);
    if (st == ST_OK) {
        reply_json(call->req, 200, root);
    } else {
        json_destroy(root);
        failed(call, &e);
    }
}

void admin_events_show(struct admin_call *call)
{
    show(call, false);
}

void admin_events_parked_one(struct admin_call *call)
{
    show(call, true);
}

/* ---- lists ---- */

/* A list's events, kept in the order in which they came. */
struct item {
    struct json_value *event;
};

struct gathered {
    struct item *items;
    size_t count;
};

static void on_event(void *arg, const struct journal_listed *event)
{
    struct gathered *g = arg;
    struct json_value *o = json_object();
    add_event(o, event);
    g->items[g->count++].event = o;
}

struct list_query {
    uint64_t after;
    uint64_t limit;
    bool is_newest; /* there is no after */
    char source[64];
    char type[FILTER_MAX];
    char key[FILTER_MAX];
};

static enum status read_query(struct list_query *q, struct slice query, struct err *e)
{
    enum status st = query_check(query, "after,limit,source,type,key", e);
    if (st == ST_OK)
        st = query_number(query, "after", INT64_MAX, UINT64_MAX, &q->after, e);
    if (st == ST_OK)
        st = query_number(query, "limit", ADMIN_LIST_MAX, LIST_DEFAULT, &q->limit, e);
    if (st == ST_OK)
        st = query_text(query, "source", q->source, sizeof q->source, e);
    if (st == ST_OK)
        st = query_text(query, "type", q->type, sizeof q->type, e);
    if (st == ST_OK)
        st = query_text(query, "key", q->key, sizeof q->key, e);
    q->is_newest = q->after == UINT64_MAX;
    return st;
}

static enum status gather(struct admin_call *call, const struct list_query *q, struct gathered *g,
                          struct journal_listing *listing, struct err *e)
{
    const struct journal_query query = {.after =
                                            q->is_newest ? JOURNAL_LIST_NEWEST : (int64_t)q->after,
                                        .max = q->limit,
                                        .source = slice_of(q->source),
                                        .type = slice_of(q->type),
                                        .key = slice_of(q->key),
                                        .fn = on_event,
                                        .arg = g};
    if (!g->items)
        return err_set(e, ST_NO_MEM, "events: out of memory");
    return journal_list_events(call->list, &query, listing, e);
}

/*
 * The events oldest first, and where the next list goes on: behind the last row that was looked at,
 * or for a list of the newest behind the newest of all.
 */
static void reply_list(struct admin_call *call, const struct list_query *q, struct gathered *g,
                       const struct journal_listing *listing, int64_t newest)
{
    struct json_value *root = json_object();
    struct json_value *array = json_add_array(root, "events");
    for (size_t i = 0; i < g->count; i++)
        json_add_child(array, NULL, g->items[q->is_newest ? g->count - 1 - i : i].event);
    g->count = 0;
    json_add_u64(root, "next_after", (uint64_t)(q->is_newest ? newest : listing->last));
    json_add_bool(root, "complete", listing->at_end);
    reply_json(call->req, 200, root);
}

void admin_events_list(struct admin_call *call)
{
    struct list_query q = {0};
    struct gathered g = {0};
    struct journal_listing listing;
    struct journal_recent recent = {0};
    struct err e = {0};
    enum status st = read_query(&q, http_req_query(call->req), &e);
    if (st != ST_OK) {
        failed(call, &e);
        return;
    }
    g.items = calloc(q.limit + 1, sizeof *g.items);
    /* Asked for first: what comes in meanwhile is then told twice rather than left out. */
    st = journal_list_recent(call->list, (struct wall){INT64_MAX}, &recent, &e);
    if (st == ST_OK)
        st = gather(call, &q, &g, &listing, &e);
    if (st == ST_OK)
        reply_list(call, &q, &g, &listing, recent.last_seq);
    else
        failed(call, &e);
    for (size_t i = 0; i < g.count; i++)
        json_destroy(g.items[i].event);
    free(g.items);
}

static void on_parked(void *arg, const struct journal_parked *parked)
{
    struct json_value *o = json_add_object(arg, NULL);
    json_add_u64(o, "seq", (uint64_t)parked->seq);
    json_add_u64(o, "lane", (uint64_t)parked->lane);
    json_add_string(o, "topic", slice_of(parked->topic));
    json_add_string(o, "type", slice_of(parked->type));
    admin_json_time(o, "since", parked->parked);
    json_add_bool(o, "quarantined", parked->quarantined);
    json_add_u64(o, "bytes", parked->body_bytes);
    json_add_string(o, "reason", slice_of(parked->reason));
}

void admin_events_parked(struct admin_call *call)
{
    struct slice query = http_req_query(call->req);
    struct json_value *root;
    struct err e = {0};
    uint64_t after = 0, limit = 0;
    enum status st = query_check(query, "after,limit", &e);
    if (st == ST_OK)
        st = query_number(query, "after", INT64_MAX, 0, &after, &e);
    if (st == ST_OK)
        st = query_number(query, "limit", ADMIN_LIST_MAX, LIST_DEFAULT, &limit, &e);
    if (st != ST_OK) {
        failed(call, &e);
        return;
    }
    root = json_object();
    st = journal_read_parked(call->reader, (int64_t)after, (int64_t)limit, on_parked,
                             json_add_array(root, "parked"), &e);
    if (st == ST_OK) {
        reply_json(call->req, 200, root);
    } else {
        json_destroy(root);
        failed(call, &e);
    }
}

static void on_action(void *arg, const struct journal_action *action)
{
    struct json_value *o = json_add_object(arg, NULL);
    json_add_u64(o, "id", (uint64_t)action->id);
    admin_json_time(o, "at", action->at);
    json_add_string(o, "who", slice_of(action->who));
    json_add_string(o, "action", slice_of(action->action));
    json_add_string(o, "target", slice_of(action->target));
    json_add_string(o, "why", slice_of(action->why));
}

void admin_events_actions(struct admin_call *call)
{
    struct slice query = http_req_query(call->req);
    struct json_value *root;
    struct err e = {0};
    uint64_t limit = 0;
    enum status st = query_check(query, "limit", &e);
    if (st == ST_OK)
        st = query_number(query, "limit", ADMIN_LIST_MAX, LIST_DEFAULT, &limit, &e);
    if (st != ST_OK) {
        failed(call, &e);
        return;
    }
    root = json_object();
    st = journal_list_actions(call->list, limit, on_action, json_add_array(root, "actions"), &e);
    if (st == ST_OK) {
        reply_json(call->req, 200, root);
    } else {
        json_destroy(root);
        failed(call, &e);
    }
}
