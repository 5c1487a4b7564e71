/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_act.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/admin_change.h"
#include "api/reply.h"
#include "base/log.h"
#include "base/num.h"
#include "relay/forwarder.h"

/* ---- the job at the committer ---- */

static enum status apply(struct commit_job *job, struct journal *j, struct err *e)
{
    struct admin_act *act = (struct admin_act *)job;
    enum status st;
    act->refusal = (struct err){0};
    st = act->apply(act, j, e);
    /* These are said before anything was written, and concern this job alone. */
    if (st == ST_BAD_INPUT || st == ST_NOT_FOUND) {
        act->refusal = *e;
        st = ST_OK;
    }
    return st;
}

static void answer(struct admin_act *act, int status, struct json_value *root)
{
    journal_row_free(act->row);
    /* act is the request's memory: it is gone afterwards. */
    admin_change_answer(act->call->req, status, root);
}

static void answer_refusal(struct admin_act *act, int status, const char *word, const char *reason)
{
    answer(act, status, admin_change_refusal(word, reason));
}

static void done(struct commit_job *job, enum status outcome, const struct err *e)
{
    struct admin_act *act = (struct admin_act *)job;
    struct forwarder *forwarder = act->call->shared->opts.forwarder;
    struct json_value *root;
    (void)e; /* the committer has logged it */
    if (outcome != ST_OK) {
        answer_refusal(act, 503, "unavailable", NULL);
        return;
    }
    if (act->refusal.code == ST_NOT_FOUND) {
        answer_refusal(act, 409, "conflict", act->refusal.text);
        return;
    }
    if (act->refusal.code != ST_OK) {
        answer_refusal(act, 400, "bad_request", act->refusal.text);
        return;
    }
    log_info("admin.action", LOG_S("action", act->action), LOG_S("target", act->target),
             LOG_S("who", act->who), LOG_S("why", act->why));
    if (forwarder && !act->call->seq)
        forwarder_reload_pauses(forwarder);
    root = json_object();
    json_add_string(root, "action", slice_of(act->action));
    json_add_string(root, "target", slice_of(act->target));
    if (act->successor)
        json_add_u64(root, "successor", (uint64_t)act->successor);
    answer(act, 200, root);
}

/* Hands the job over; the answer comes from done() from now on. */
static void submit(struct admin_act *act)
{
    act->job.apply = apply;
    act->job.done = done;
    http_req_suspend(act->call->req);
    if (committer_submit(act->call->shared->opts.committer, &act->job) != ST_OK)
        answer_refusal(act, 503, "unavailable", NULL);
}

/* ---- what the request says ---- */

struct act_needs {
    const char *action;
    bool why;
    const char *members; /* of the body, separated by commas */
};

/* Fills act with what every change has, and *body, which the caller destroys. */
static enum status begin(struct admin_call *call, const struct act_needs *needs,
                         struct json_value **body, struct err *e)
{
    struct admin_act *act = call->act;
    act->call = call;
    act->action = needs->action;
    enum status st = admin_change_body(call, needs->members, body, e);
    if (st == ST_OK)
        st =
            admin_change_text(*body, "who", true, admin_change_field(act->who, sizeof act->who), e);
    if (st == ST_OK)
        st = admin_change_text(*body, "why", needs->why,
                               admin_change_field(act->why, sizeof act->why), e);
    return st;
}

static void refuse(struct admin_call *call, const struct err *e)
{
    if (e->code == ST_NO_MEM)
        reply_error(call->req, 503, "out_of_memory", NULL);
    else if (e->code == ST_NOT_FOUND)
        reply_refusal(call->req, 404, "not_found", e->text);
    else if (e->code == ST_BAD_INPUT || e->code == ST_TOO_BIG)
        reply_refusal(call->req, 400, "bad_request", e->text);
    else if (e->code == ST_DENIED)
        reply_refusal(call->req, 409, "conflict", e->text);
    else
        reply_error(call->req, 503, "unavailable", NULL);
}

/* ---- pause and resume ---- */

static struct action_by by(const struct admin_act *act)
{
    return (struct action_by){.who = act->who, .why = act->why};
}

static enum status apply_pause(struct admin_act *act, struct journal *j, struct err *e)
{
    const struct action_by who = by(act);
    return action_pause(j, act->target, &who, e);
}

static enum status apply_resume(struct admin_act *act, struct journal *j, struct err *e)
{
    const struct action_by who = by(act);
    return action_resume(j, act->target, &who, e);
}

/* The journal looks whether it is there; here only the form, so that "lane:7x" is not lane 7. */
static enum status check_scope(const char *scope, struct err *e)
{
    uint64_t id;
    if (strncmp(scope, "lane:", 5) == 0 &&
        num_parse_u64(slice_of(scope + 5), 1, INT64_MAX, &id, e) == ST_OK && scope[5] != '0')
        return ST_OK;
    if (strcmp(scope, "all") == 0 || (strncmp(scope, "source:", 7) == 0 && scope[7]))
        return ST_OK;
    return err_set(e, ST_BAD_INPUT, "scope must be all, source:NAME or lane:ID");
}

static void change_pause(struct admin_call *call, const struct act_needs *needs,
                         enum status (*change)(struct admin_act *, struct journal *, struct err *))
{
    struct admin_act *act = call->act;
    struct buf scope = admin_change_field(act->target, sizeof act->target);
    struct json_value *body;
    struct err e = {0};
    enum status st = begin(call, needs, &body, &e);
    if (st == ST_OK)
        st = admin_change_text(body, "scope", true, scope, &e);
    if (st == ST_OK)
        st = check_scope(act->target, &e);
    json_destroy(body);
    act->apply = change;
    if (st == ST_OK)
        submit(act);
    else
        refuse(call, &e);
}

static const char pause_members[] = "who,why,scope";

void admin_act_pause(struct admin_call *call)
{
    static const struct act_needs needs = {"pause", true, pause_members};
    change_pause(call, &needs, apply_pause);
}

void admin_act_resume(struct admin_call *call)
{
    static const struct act_needs needs = {"resume", false, pause_members};
    change_pause(call, &needs, apply_resume);
}

/* ---- parked events ---- */

static enum status apply_requeue(struct admin_act *act, struct journal *j, struct err *e)
{
    const struct action_by who = by(act);
    struct event ev = act->row->ev;
    const struct action_requeue in = {.seq = act->row->seq, .ev = &ev, .source = act->row->source};
    ev.topic = slice_of(act->topic);
    return action_requeue(j, &in, &who, &act->successor, e);
}

static enum status apply_discard(struct admin_act *act, struct journal *j, struct err *e)
{
    const struct action_by who = by(act);
    return action_discard(j, act->call->seq, &who, e);
}

/* For a good reason early; the job looks again, so that two at once cannot both settle it. */
static enum status check_parked(struct admin_act *act, struct err *e)
{
    struct admin_call *call = act->call;
    struct journal_parking parking;
    enum status st = journal_list_parking(call->list, call->seq, &parking, e);
    if (st == ST_OK && parking.fate != JOURNAL_PARKED)
        st = err_set(e, ST_DENIED, "event %" PRId64 " is %s already", call->seq,
                     journal_fate_name(parking.fate));
    snprintf(act->target, sizeof act->target, "seq:%" PRId64, call->seq);
    return st;
}

/* Refused before the job was handed over. */
static void give_up(struct admin_act *act, const struct err *e)
{
    journal_row_free(act->row);
    act->row = NULL;
    refuse(act->call, e);
}

struct topic_search {
    struct admin_act *act;
    int64_t lane;
};

static void on_lane(void *arg, const struct journal_lane *lane)
{
    struct topic_search *search = arg;
    if (lane->id == search->lane)
        snprintf(search->act->topic, sizeof search->act->topic, "%.*s", ROUTE_TOPIC_MAX,
                 lane->topic);
}

/* Where the event goes: the topic that was asked for, else that of its lane. */
static enum status choose_topic(struct admin_act *act, const struct json_value *body, struct err *e)
{
    struct admin_call *call = act->call;
    struct topic_search search = {.act = act, .lane = act->row->lane};
    struct buf topic = admin_change_field(act->topic, sizeof act->topic);
    enum status st = admin_change_text(body, "topic", false, topic, e);
    if (st == ST_OK && !act->topic[0] && act->row->lane)
        st = journal_reader_lanes(call->reader, act->row->lane - 1, on_lane, &search, e);
    if (st == ST_OK && !act->topic[0])
        return err_set(e, ST_BAD_INPUT, "event %" PRId64 " never had a topic: name one (--topic)",
                       call->seq);
    if (st == ST_OK && !route_topic_is_legal(slice_of(act->topic)))
        st = err_set(e, ST_BAD_INPUT, "Kafka takes no topic of that name");
    return st;
}

void admin_act_requeue(struct admin_call *call)
{
    static const struct act_needs needs = {"requeue", false, "who,why,topic"};
    struct admin_act *act = call->act;
    struct json_value *body;
    struct err e = {0};
    enum status st = begin(call, &needs, &body, &e);
    if (st == ST_OK)
        st = check_parked(act, &e);
    if (st == ST_OK)
        st = journal_read_event(call->reader, call->seq, &act->row, &e);
    if (st == ST_OK && !act->row->intact)
        st = err_set(&e, ST_DENIED,
                     "the row of event %" PRId64 " is damaged: it can only be "
                     "discarded",
                     call->seq);
    if (st == ST_OK)
        st = choose_topic(act, body, &e);
    json_destroy(body);
    act->apply = apply_requeue;
    /* It adds a row: not below the free-space floor. */
    act->job.needs_room = true;
    if (st == ST_OK)
        submit(act);
    else
        give_up(act, &e);
}

void admin_act_discard(struct admin_call *call)
{
    static const struct act_needs needs = {"discard", true, "who,why"};
    struct admin_act *act = call->act;
    struct json_value *body;
    struct err e = {0};
    enum status st = begin(call, &needs, &body, &e);
    if (st == ST_OK)
        st = check_parked(act, &e);
    json_destroy(body);
    act->apply = apply_discard;
    if (st == ST_OK)
        submit(act);
    else
        give_up(act, &e);
}
