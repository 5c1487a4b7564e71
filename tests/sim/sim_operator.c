/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_operator.h"

#include <stdio.h>
#include <stdlib.h>

#include "journal/actions.h"

/* Parked events that an operator looks at. */
#define PARKED_MAX 8
/* Events of most replays, at most. */
#define RANGE_MAX 25

enum kind { PAUSE, RESUME, REPLAY, CHANGE_REPLAY, REQUEUE, DISCARD };

struct order {
    struct commit_job job;
    struct sim_desk *desk;
    enum kind kind;
    bool applied; /* it was possible; whether it is committed is the outcome's to say */
    int scope;
    int number; /* in the truth, of a replay or a requeue */
    struct selection which;
    struct journal_select_range range;
    int topic;
    int64_t rate;
    int64_t id; /* of a replay */
    enum replays_state state;
    int64_t seq; /* of a parked event */
    struct journal_row *row;
    const struct sim_content *content;
    int64_t successor;
};

static const struct action_by by = {"operator", "test"};

static bool chance(struct sim_desk *d, unsigned percent)
{
    return sim_rng_chance(d->rng, percent);
}

static unsigned below(struct sim_desk *d, unsigned n)
{
    return sim_rng_below(d->rng, n);
}

/* ---- what the committer does with them ---- */

static enum status apply_replay(struct order *o, struct journal *journal, struct err *e)
{
    char why[32];
    struct action_by who = {"operator", why};
    const struct replays_order order = {.which = &o->which,
                                        .after = o->range.after,
                                        .last = o->range.last,
                                        .topic = o->topic < 0 ? "" : sim_content_topic[o->topic],
                                        .rate = o->rate};
    enum status st;
    snprintf(why, sizeof why, "order %d", o->number);
    st = replays_create(journal, &order, &who, &o->id, e);
    if (st == ST_OK)
        sim_replays_written(o->desk->replays, o->number, o->id,
                            sim_check_mark_seen(&o->desk->look));
    return st;
}

static enum status apply_requeue(struct order *o, struct journal *journal, struct err *e)
{
    struct event ev = o->row->ev;
    const struct action_requeue in = {.seq = o->seq, .ev = &ev, .source = o->row->source};
    ev.topic = o->content->ev.topic;
    if (o->desk->plant == SIM_PLANT_REQUEUE_LOST)
        return action_discard(journal, o->seq, &by, e);
    return action_requeue(journal, &in, &by, &o->successor, e);
}

static enum status apply(struct commit_job *job, struct journal *journal, struct err *e)
{
    struct order *o = (struct order *)job;
    enum status st = ST_OK;
    switch (o->kind) {
    case PAUSE:
        st = action_pause(journal, sim_truth_scope[o->scope], &by, e);
        break;
    case RESUME:
        st = action_resume(journal, sim_truth_scope[o->scope], &by, e);
        break;
    case REPLAY:
        st = apply_replay(o, journal, e);
        break;
    case CHANGE_REPLAY:
        st = replays_set_state(journal, o->id, o->state, &by, e);
        break;
    case REQUEUE:
        st = apply_requeue(o, journal, e);
        break;
    case DISCARD:
        st = action_discard(journal, o->seq, &by, e);
        break;
    }
    o->applied = st == ST_OK;
    /* What is wrong with this order alone must not end the transaction of the others. */
    return st == ST_NOT_FOUND || st == ST_BAD_INPUT ? ST_OK : st;
}

static void pause_done(struct order *o, bool applied)
{
    struct sim_desk *d = o->desk;
    bool pause = o->kind == PAUSE;
    if (!applied)
        return;
    sim_trace_note(d->trace, "%s %s", sim_truth_scope[o->scope], pause ? "paused" : "resumed");
    sim_truth_pause(d->truth, o->scope, pause);
}

static void requeue_done(struct order *o, bool applied)
{
    struct sim_desk *d = o->desk;
    sim_trace_note(d->trace, "seq %lld requeued as seq %lld", (long long)o->seq,
                   (long long)o->successor);
    sim_truth_requeued(d->truth, o->number, applied ? o->successor : 0);
    if (applied)
        sim_truth_settled(d->truth, o->seq, true);
}

static void tell(struct order *o, bool applied)
{
    struct sim_desk *d = o->desk;
    switch (o->kind) {
    case PAUSE:
    case RESUME:
        pause_done(o, applied);
        break;
    case REPLAY:
        sim_trace_note(d->trace, "replay %d has id %lld", o->number, (long long)o->id);
        sim_replays_answered(d->replays, o->number, applied);
        break;
    case CHANGE_REPLAY:
        sim_trace_note(d->trace, "replay %lld %s %s", (long long)o->id,
                       applied ? "is now" : "is not", replays_state_name(o->state));
        sim_replays_changed(d->replays, o->number, applied, o->state);
        break;
    case REQUEUE:
        requeue_done(o, applied);
        break;
    case DISCARD:
        if (applied)
            sim_truth_settled(d->truth, o->seq, false);
        break;
    }
}

static void release(struct order *o)
{
    journal_row_free(o->row);
    free(o);
}

/* A machine that was cut tells nobody; an outcome that is not known is none to be told. */
static void order_done(struct commit_job *job, enum status outcome, const struct err *e)
{
    struct order *o = (struct order *)job;
    struct sim_desk *d = o->desk;
    (void)e;
    if (!memvfs_is_cut(d->disk) &&
        (outcome == ST_OK || outcome == ST_FULL || outcome == ST_DENIED)) {
        tell(o, outcome == ST_OK && o->applied);
        if (outcome == ST_OK && o->applied && d->forwarder)
            forwarder_reload_pauses(d->forwarder);
    }
    release(o);
}

static struct order *new_order(struct sim_desk *d, enum kind kind)
{
    struct order *o = calloc(1, sizeof *o);
    CHECK(o);
    o->job = (struct commit_job){.apply = apply, .done = order_done};
    o->desk = d;
    o->kind = kind;
    return o;
}

/* False: it was not taken, and is answered so. */
static bool submit(struct order *o)
{
    if (committer_submit(o->desk->committer, &o->job) == ST_OK)
        return true;
    if (o->kind != PAUSE && o->kind != RESUME)
        tell(o, false);
    release(o);
    return false;
}

/* ---- pauses ---- */

bool sim_operator_pause(struct sim_desk *d, int scope, bool pause)
{
    struct order *o = new_order(d, pause ? PAUSE : RESUME);
    o->scope = scope;
    /* From here on records may go again. */
    if (!pause)
        sim_truth_pause(d->truth, scope, false);
    return submit(o);
}

/* ---- replays ---- */

static void copy_text(char *out, size_t size, struct slice text)
{
    snprintf(out, size, "%.*s", (int)text.len, text.len ? text.ptr : "");
}

/* Something that one of the submissions has. */
static void select_by_content(struct sim_desk *d, struct selection *which,
                              const struct sim_submission *like)
{
    static const char *const families[SIM_TOPICS] = {"contact", "conversation-item", "task"};
    const struct event *ev = &like->content->ev;
    switch (below(d, 10)) {
    case 0:
    case 1:
        copy_text(which->source, sizeof which->source,
                  slice_of(sim_content_source[like->content->source]));
        break;
    case 2:
        copy_text(which->family, sizeof which->family, slice_of(families[below(d, SIM_TOPICS)]));
        break;
    case 3:
        copy_text(which->type, sizeof which->type, ev->type);
        break;
    case 4:
        copy_text(which->key, sizeof which->key, ev->key);
        break;
    case 5:
        copy_text(which->id, sizeof which->id, ev->id);
        break;
    default:
        break;
    }
}

static void select_some(struct sim_desk *d, struct selection *which)
{
    int sent = sim_truth_submission_count(d->truth);
    int64_t last = sim_truth_last_seq(d->truth);
    *which = (struct selection){0};
    if (chance(d, 75)) {
        int64_t from = last - below(d, RANGE_MAX);
        which->from_seq = from > 0 ? from : 1;
        if (chance(d, 20))
            which->to_seq = which->from_seq + below(d, RANGE_MAX);
    }
    if (!sent)
        return;
    select_by_content(d, which, sim_truth_submission(d->truth, (int)below(d, (unsigned)sent)));
    if (chance(d, 20))
        which->since = sim_truth_submission(d->truth, (int)below(d, (unsigned)sent))->received;
    if (chance(d, 20))
        which->until.us =
            sim_truth_submission(d->truth, (int)below(d, (unsigned)sent))->received.us + 1000;
    if (which->until.us && which->until.us <= which->since.us)
        which->until.us = 0;
}

void sim_operator_replay(struct sim_desk *d)
{
    struct order *o;
    struct err e = {0};
    if (!d->select)
        return;
    o = new_order(d, REPLAY);
    select_some(d, &o->which);
    o->topic = chance(d, 50) ? -1 : chance(d, 80) ? SIM_TOPICS : 0;
    o->rate = chance(d, 70) ? 0 : 5 + below(d, 100);
    o->range.which = &o->which;
    if (journal_select_bounds(d->select, &o->range, &e) != ST_OK) {
        release(o);
        return;
    }
    o->number = sim_replays_order(d->replays, &o->which, o->topic);
    if (o->number == SIM_REPLAYS_NONE) {
        release(o);
        return;
    }
    sim_trace_note(d->trace,
                   "replay %d: seqs %lld to %lld, since %lld until %lld source '%s' family '%s' "
                   "type '%s' key '%s' id '%s', in (%lld, %lld], topic %d rate %lld",
                   o->number, (long long)o->which.from_seq, (long long)o->which.to_seq,
                   (long long)o->which.since.us, (long long)o->which.until.us, o->which.source,
                   o->which.family, o->which.type, o->which.key, o->which.id,
                   (long long)o->range.after, (long long)o->range.last, o->topic,
                   (long long)o->rate);
    submit(o);
}

static bool change_replay(struct sim_desk *d, int number, enum replays_state state)
{
    struct order *o;
    int64_t id = sim_replays_id(d->replays, number);
    if (!id)
        return true;
    o = new_order(d, CHANGE_REPLAY);
    o->number = number;
    o->id = id;
    o->state = state;
    sim_trace_note(d->trace, "replay %lld: to %s", (long long)id, replays_state_name(state));
    sim_replays_changing(d->replays, number);
    return submit(o);
}

void sim_operator_change_replay(struct sim_desk *d)
{
    static const enum replays_state states[] = {REPLAYS_PAUSED, REPLAYS_PAUSED, REPLAYS_RUNNING,
                                                REPLAYS_RUNNING, REPLAYS_CANCELLED};
    int count = sim_replays_count(d->replays);
    if (count)
        change_replay(d, (int)below(d, (unsigned)count), states[below(d, 5)]);
}

bool sim_operator_resume_replay(struct sim_desk *d, int number)
{
    return change_replay(d, number, REPLAYS_RUNNING);
}

/* ---- parked events ---- */

static void requeue(struct sim_desk *d, int64_t seq)
{
    const struct sim_row *row = sim_truth_row(d->truth, seq);
    struct order *o = new_order(d, REQUEUE);
    struct err e = {0};
    o->seq = seq;
    o->content = sim_contents_requeued(d->contents, d->rng, row->content, seq);
    o->number = o->content ? sim_truth_requeue(d->truth, o->content) : -1;
    if (o->number < 0 || journal_read_event(d->reader, seq, &o->row, &e) != ST_OK) {
        if (o->number >= 0)
            sim_truth_requeued(d->truth, o->number, 0);
        release(o);
        return;
    }
    sim_trace_note(d->trace, "requeue of seq %lld", (long long)seq);
    submit(o);
}

void sim_operator_settle(struct sim_desk *d)
{
    int64_t seqs[PARKED_MAX], seq;
    int count = sim_check_parked(&d->look, seqs, PARKED_MAX);
    struct order *o;
    if (!count)
        return;
    seq = seqs[below(d, (unsigned)count)];
    if (!sim_truth_row(d->truth, seq))
        return;
    if (chance(d, 75)) {
        requeue(d, seq);
        return;
    }
    o = new_order(d, DISCARD);
    o->seq = seq;
    sim_trace_note(d->trace, "discard of seq %lld", (long long)seq);
    submit(o);
}
