/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_replays.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/admin_change.h"
#include "api/admin_events.h"
#include "api/admin_json.h"
#include "api/admin_routes.h"
#include "api/query.h"
#include "api/reply.h"
#include "base/log.h"
#include "event/route.h"
#include "journal/journal_select.h"
#include "journal/replays.h"
#include "relay/forwarder.h"

#define LIST_DEFAULT 50
/* Events a second unless something else is said: far below what a broker takes, so that live events
 * and consumers do not feel it. */
#define RATE_DEFAULT 1000

/* One change under way; made for the request, freed when it is answered. */
struct change {
    struct commit_job job; /* first: a job is cast back to its change */
    struct admin_call *call;
    const char *action; /* "replay start" */
    char who[ACTION_WHO_MAX + 1];
    char why[ACTION_WHY_MAX + 1];
    int64_t id;
    bool is_start;
    enum replays_state state; /* unless is_start */
    struct selection which;   /* of a start, all below too */
    struct replays_order order;
    char topic[REPLAYS_TOPIC_MAX + 1];
    struct err refusal; /* code ST_OK: applied */
};

static void failed(struct admin_call *call, const struct err *e)
{
    if (e->code != ST_NOT_FOUND && e->code != ST_BAD_INPUT && e->code != ST_TOO_BIG)
        log_error("admin.replay_failed", LOG_S("reason", e->text));
    if (e->code == ST_TOO_BIG)
        reply_refusal(call->req, 400, "bad_request", e->text);
    else
        admin_json_failed(call->req, e);
}

/* ---- the job at the committer ---- */

static enum status apply(struct commit_job *job, struct journal *j, struct err *e)
{
    struct change *c = (struct change *)job;
    const struct action_by by = {.who = c->who, .why = c->why};
    enum status st;
    c->refusal = (struct err){0};
    if (c->is_start)
        st = replays_create(j, &c->order, &by, &c->id, e);
    else
        st = replays_set_state(j, c->id, c->state, &by, e);
    /* These are said before anything was written, and concern this job alone. */
    if (st == ST_BAD_INPUT || st == ST_NOT_FOUND || st == ST_TOO_BIG) {
        c->refusal = *e;
        st = ST_OK;
    }
    return st;
}

/* Answers the suspended request and frees c; root is destroyed. */
static void answer(struct change *c, int status, struct json_value *root)
{
    struct http_req *req = c->call->req;
    free(c);
    admin_change_answer(req, status, root);
}

static void answer_refusal(struct change *c, int status, const char *word, const char *reason)
{
    answer(c, status, admin_change_refusal(word, reason));
}

static void done(struct commit_job *job, enum status outcome, const struct err *e)
{
    struct change *c = (struct change *)job;
    struct forwarder *forwarder = c->call->shared->opts.forwarder;
    struct json_value *root;
    char target[32];
    (void)e; /* the committer has logged it */
    if (outcome != ST_OK) {
        answer_refusal(c, 503, "unavailable", NULL);
        return;
    }
    if (c->refusal.code == ST_BAD_INPUT) {
        answer_refusal(c, 400, "bad_request", c->refusal.text);
        return;
    }
    if (c->refusal.code != ST_OK) {
        answer_refusal(c, 409, "conflict", c->refusal.text);
        return;
    }
    snprintf(target, sizeof target, "replay:%" PRId64, c->id);
    log_info("admin.action", LOG_S("action", c->action), LOG_S("target", target),
             LOG_S("who", c->who), LOG_S("why", c->why));
    /* It reads pauses and replays anew. */
    if (forwarder)
        forwarder_reload_pauses(forwarder);
    root = json_object();
    json_add_string(root, "action", slice_of(c->action));
    json_add_string(root, "target", slice_of(target));
    json_add_u64(root, "id", (uint64_t)c->id);
    answer(c, 200, root);
}

/* Hands c over; the answer comes from done() from now on. */
static void submit(struct change *c)
{
    c->job.apply = apply;
    c->job.done = done;
    http_req_suspend(c->call->req);
    if (committer_submit(c->call->shared->opts.committer, &c->job) != ST_OK)
        answer_refusal(c, 503, "unavailable", NULL);
}

/* ---- what a request says ---- */

/* Makes the change with what every one has, and *body, which the caller destroys. */
static enum status begin(struct admin_call *call, const char *members, struct change **out,
                         struct json_value **body, struct err *e)
{
    struct change *c = calloc(1, sizeof *c);
    enum status st;
    *out = c;
    if (!c)
        return err_set(e, ST_NO_MEM, "replay: out of memory");
    c->call = call;
    st = admin_change_body(call, members, body, e);
    if (st == ST_OK)
        st = admin_change_text(*body, "who", true, admin_change_field(c->who, sizeof c->who), e);
    return st;
}

/* A number that may be absent. */
static enum status read_number(const struct json_value *body, const char *name, uint64_t max,
                               int64_t *out, struct err *e)
{
    uint64_t value = 0;
    enum status st = json_get_u64(body, name, 0, max, &value, e);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK)
        *out = (int64_t)value;
    return st;
}

/* A time that may be absent. */
static enum status read_time(const struct json_value *body, const char *name, struct wall *out,
                             struct err *e)
{
    struct slice text = {0};
    enum status st = json_get_string(body, name, WALL_TEXT_MAX, &text, e);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK && !wall_parse(text.ptr, text.len, out))
        st = err_set(e, ST_BAD_INPUT, "%s is no time", name);
    return st;
}

/* ---- starting ---- */

struct asked {
    bool is_dry_run;
    int64_t after;          /* of a dry run that goes on; -1: from the beginning */
    int64_t last;           /* the same; -1: now */
    struct wall older_than; /* which events a dry run counts as older; 0: none */
};

static enum status read_order(struct change *c, const struct json_value *body, struct asked *asked,
                              struct err *e)
{
    const struct json_value *which = NULL;
    enum status st = json_get_bool(body, "dry_run", &asked->is_dry_run, e);
    if (st == ST_NOT_FOUND)
        st = ST_OK;
    if (st == ST_OK)
        st = admin_change_text(body, "why", !asked->is_dry_run,
                               admin_change_field(c->why, sizeof c->why), e);
    if (st == ST_OK)
        st = json_get_object(body, "selection", &which, e);
    if (st == ST_NOT_FOUND)
        return err_set(e, ST_BAD_INPUT, "selection is missing; {} means every event");
    if (st == ST_OK)
        st = selection_read(&c->which, which, e);
    if (st == ST_OK)
        st = admin_change_text(body, "topic", false, admin_change_field(c->topic, sizeof c->topic),
                               e);
    if (st == ST_OK && c->topic[0] && !route_topic_is_legal(slice_of(c->topic)))
        st = err_set(e, ST_BAD_INPUT, "Kafka takes no topic of that name");
    c->order.rate = RATE_DEFAULT;
    if (st == ST_OK)
        st = read_number(body, "rate", REPLAYS_RATE_MAX, &c->order.rate, e);
    asked->after = asked->last = -1;
    if (st == ST_OK)
        st = read_number(body, "after", INT64_MAX - 1, &asked->after, e);
    if (st == ST_OK)
        st = read_number(body, "last", INT64_MAX - 1, &asked->last, e);
    if (st == ST_OK)
        st = read_time(body, "older_than", &asked->older_than, e);
    if (st == ST_OK && !asked->is_dry_run &&
        (asked->after >= 0 || asked->last >= 0 || asked->older_than.us))
        st = err_set(e, ST_BAD_INPUT, "after, last and older_than belong to a dry run");
    return st;
}

struct counting {
    struct json_value *topics;
    const char *topic; /* "": each event's own */
};

static void on_count(void *arg, const struct journal_select_count *count)
{
    struct counting *counting = arg;
    struct json_value *o = json_add_object(counting->topics, NULL);
    json_add_string(o, "topic", slice_of(counting->topic[0] ? counting->topic : count->topic));
    json_add_u64(o, "events", (uint64_t)count->events);
    json_add_u64(o, "bytes", (uint64_t)count->bytes);
    admin_json_time(o, "oldest", count->oldest);
    json_add_u64(o, "older", (uint64_t)count->older);
}

static enum status dry_run(struct change *c, struct journal_select *select,
                           const struct asked *asked, struct err *e)
{
    struct journal_select_range range = {.which = &c->which,
                                         .after = c->order.after,
                                         .last = c->order.last,
                                         .scan = JOURNAL_LIST_SCAN_MAX,
                                         .older_than = asked->older_than};
    struct journal_select_end end;
    struct json_value *root = json_object();
    struct counting counting = {json_add_array(root, "topics"), c->topic};
    enum status st;
    if (asked->after > range.after)
        range.after = asked->after;
    if (asked->last >= 0 && asked->last < range.last)
        range.last = asked->last;
    st = journal_select_counts(select, &range, on_count, &counting, &end, e);
    if (st != ST_OK) {
        json_destroy(root);
        return st;
    }
    json_add_u64(root, "next_after", (uint64_t)end.looked);
    json_add_u64(root, "last", (uint64_t)range.last);
    json_add_bool(root, "complete", end.at_end);
    reply_json(c->call->req, 200, root);
    return ST_OK;
}

/* Looks where the selection lies, and answers a dry run. */
static enum status prepare(struct change *c, const struct asked *asked, struct err *e)
{
    struct journal_select_range range = {.which = &c->which};
    struct journal_select *select = NULL;
    enum status st = journal_select_open(&select, c->call->shared->journal_path, NULL, e);
    if (st == ST_OK)
        st = journal_select_bounds(select, &range, e);
    /* The path is right; what it names is not. */
    if (st == ST_NOT_FOUND)
        st = e->code = ST_BAD_INPUT;
    c->order.which = &c->which;
    c->order.topic = c->topic;
    c->order.after = range.after;
    c->order.last = range.last;
    if (st == ST_OK && asked->is_dry_run)
        st = dry_run(c, select, asked, e);
    journal_select_close(select);
    return st;
}

void admin_replays_start(struct admin_call *call)
{
    struct change *c = NULL;
    struct json_value *body = NULL;
    struct asked asked = {0};
    struct err e = {0};
    enum status st =
        begin(call, "who,why,selection,topic,rate,dry_run,after,last,older_than", &c, &body, &e);
    if (st == ST_OK)
        st = read_order(c, body, &asked, &e);
    json_destroy(body);
    if (st == ST_OK)
        st = prepare(c, &asked, &e);
    if (st == ST_OK && !asked.is_dry_run) {
        c->is_start = true;
        c->action = "replay start";
        submit(c);
        return;
    }
    free(c);
    if (st != ST_OK)
        failed(call, &e);
}

/* ---- looking ---- */

struct telling {
    struct json_value *array; /* NULL: into one */
    struct json_value *one;
    int64_t first; /* whose turn it is; 0: none */
};

static void add_reason(struct json_value *o, const struct replay *replay, int64_t first)
{
    char text[64];
    snprintf(text, sizeof text, "replay %" PRId64 " goes first", first);
    if (replay->state == REPLAYS_FAILED)
        json_add_string(o, "reason", slice_of(replay->failure));
    else if (replay->state == REPLAYS_RUNNING && replay->id != first)
        json_add_string(o, "reason", slice_of(text));
    else
        json_add_string(o, "reason", slice_of(replay->waits));
}

static void on_replay(void *arg, const struct replay *replay)
{
    struct telling *t = arg;
    struct json_value *o = t->array ? json_add_object(t->array, NULL) : t->one;
    struct json_value *selection = NULL;
    struct err ignored; /* what cannot be read is shown as null */
    json_add_u64(o, "id", (uint64_t)replay->id);
    json_add_string(o, "state", slice_of(replays_state_name(replay->state)));
    add_reason(o, replay, t->first);
    if (json_parse(slice_of(replay->selection), SELECTION_JSON_MAX, &selection, &ignored) == ST_OK)
        json_add_child(o, "selection", selection);
    else
        json_add_null(o, "selection");
    json_add_string(o, "topic", slice_of(replay->topic));
    json_add_u64(o, "rate", (uint64_t)replay->rate);
    json_add_u64(o, "first", (uint64_t)replay->first);
    json_add_u64(o, "position", (uint64_t)replay->position);
    json_add_u64(o, "last", (uint64_t)replay->last);
    json_add_u64(o, "published", (uint64_t)replay->published);
    json_add_u64(o, "failed", (uint64_t)replay->failed);
    json_add_string(o, "failure", slice_of(replay->failure));
    json_add_u64(o, "gone", (uint64_t)replay->gone);
    admin_json_time(o, "created", replay->created);
    admin_json_time(o, "changed", replay->changed);
    json_add_string(o, "who", slice_of(replay->who));
    json_add_string(o, "why", slice_of(replay->why));
}

/* Opens the replays and finds out whose turn it is. */
static enum status open_replays(const struct admin_call *call, struct replays **out,
                                struct telling *t, struct err *e)
{
    struct replay first;
    enum status st = replays_open(out, call->shared->journal_path, NULL, e);
    if (st != ST_OK)
        return st;
    st = replays_first(*out, &first, e);
    t->first = st == ST_OK ? first.id : 0;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

void admin_replays_list(struct admin_call *call)
{
    struct slice query = http_req_query(call->req);
    struct json_value *root = json_object();
    struct telling t = {.array = json_add_array(root, "replays")};
    struct replays *replays = NULL;
    struct err e = {0};
    uint64_t limit = 0;
    enum status st = query_check(query, "limit", &e);
    if (st == ST_OK)
        st = query_number(query, "limit", ADMIN_LIST_MAX, LIST_DEFAULT, &limit, &e);
    if (st == ST_OK)
        st = open_replays(call, &replays, &t, &e);
    if (st == ST_OK)
        st = replays_list(replays, limit, on_replay, &t, &e);
    replays_close(replays);
    if (st == ST_OK) {
        reply_json(call->req, 200, root);
    } else {
        json_destroy(root);
        failed(call, &e);
    }
}

void admin_replays_show(struct admin_call *call)
{
    struct telling t = {.one = json_object()};
    struct replays *replays = NULL;
    struct replay replay;
    struct err e = {0};
    enum status st = query_check(http_req_query(call->req), "", &e);
    if (st == ST_OK)
        st = open_replays(call, &replays, &t, &e);
    if (st == ST_OK)
        st = replays_one(replays, call->seq, &replay, &e);
    replays_close(replays);
    if (st == ST_OK) {
        on_replay(&t, &replay);
        reply_json(call->req, 200, t.one);
    } else {
        json_destroy(t.one);
        failed(call, &e);
    }
}

/* ---- pausing and ending ---- */

/* 404 for one that never was; the job looks at its state. */
static enum status check_there(const struct admin_call *call, struct err *e)
{
    struct replays *replays = NULL;
    struct replay replay;
    enum status st = replays_open(&replays, call->shared->journal_path, NULL, e);
    if (st == ST_OK)
        st = replays_one(replays, call->seq, &replay, e);
    replays_close(replays);
    return st;
}

static void change_state(struct admin_call *call, const char *action, enum replays_state state)
{
    struct change *c = NULL;
    struct json_value *body = NULL;
    struct err e = {0};
    enum status st = begin(call, "who,why", &c, &body, &e);
    if (st == ST_OK)
        st = admin_change_text(body, "why", state == REPLAYS_CANCELLED,
                               admin_change_field(c->why, sizeof c->why), &e);
    json_destroy(body);
    if (st == ST_OK)
        st = check_there(call, &e);
    if (st != ST_OK) {
        free(c);
        failed(call, &e);
        return;
    }
    c->id = call->seq;
    c->action = action;
    c->state = state;
    submit(c);
}

void admin_replays_pause(struct admin_call *call)
{
    change_state(call, "replay pause", REPLAYS_PAUSED);
}

void admin_replays_resume(struct admin_call *call)
{
    change_state(call, "replay resume", REPLAYS_RUNNING);
}

void admin_replays_cancel(struct admin_call *call)
{
    change_state(call, "replay cancel", REPLAYS_CANCELLED);
}
