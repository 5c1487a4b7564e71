/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_replays.h"

#include <ctype.h>
#include <stdlib.h>

enum fate {
    ASKED,  /* nobody knows yet whether it was stored */
    STORED, /* the journal has it */
    LOST,   /* it was not stored, or not found by a restart */
};

/* An event that it must publish. */
struct due {
    int64_t seq;
    bool is_in_log;
    bool is_delivered; /* this process of the relay has its delivery report */
    bool is_passed;    /* a restart found the replay beyond it */
};

struct order {
    int64_t id; /* 0: not known */
    enum fate fate;
    enum replays_state state;
    int changing; /* orders to change its state without an answer */
    struct selection which;
    int topic;     /* -1: each event's own */
    int64_t last;  /* no newer row is meant */
    bool is_vague; /* it is not known what the journal held when it began */
    struct due due[SIM_SUBMISSIONS_MAX + SIM_REQUEUES_MAX];
    int count;
    int64_t key_last[SIM_SOURCES][SIM_TOPICS][SIM_KEYS];
};

struct sim_replays {
    struct sim_truth *truth;
    struct sim_trace *trace;
    struct order orders[SIM_REPLAYS_MAX];
    int count;
    /*
     * An operator has changed the state of one in this life: at least once, leaving a replay
     * forgets what was delivered behind a record that came back, and sends it again, labelled.
     */
    bool may_forget;
};

struct sim_replays *sim_replays_create(struct sim_truth *truth, struct sim_trace *trace)
{
    struct sim_replays *r = calloc(1, sizeof *r);
    CHECK(r);
    r->truth = truth;
    r->trace = trace;
    return r;
}

void sim_replays_destroy(struct sim_replays *r)
{
    free(r);
}

void sim_replays_begin(struct sim_replays *r)
{
    r->count = 0;
    r->may_forget = false;
}

/* ---- what is meant ---- */

static bool is_text(const char *want, struct slice value)
{
    return !want[0] || slice_eq(slice_of(want), value);
}

static bool is_family(const char *want, struct slice type)
{
    size_t len = strlen(want);
    if (!len)
        return true;
    for (size_t i = 0; i < len; i++)
        if (i >= type.len ||
            want[i] != (type.ptr[i] == '_' ? '-' : (char)tolower((unsigned char)type.ptr[i])))
            return false;
    return len < type.len && type.ptr[len] == '/';
}

static bool is_meant(const struct selection *which, int64_t seq, const struct sim_row *row)
{
    const struct event *ev = &row->content->ev;
    if (row->content->topic < 0 || seq < which->from_seq || (which->to_seq && seq > which->to_seq))
        return false;
    if ((which->since.us && row->received.us < which->since.us) ||
        (which->until.us && row->received.us >= which->until.us))
        return false;
    return is_text(which->source, slice_of(sim_content_source[row->content->source])) &&
           is_family(which->family, ev->type) && is_text(which->type, ev->type) &&
           is_text(which->key, ev->key) && is_text(which->id, ev->id);
}

/* What is or was parked is never replayed. */
static bool is_parked(const struct sim_replays *r, const struct due *due)
{
    return sim_truth_row(r->truth, due->seq)->parked;
}

/* The target never takes it: it is counted. */
static bool is_refused(const struct sim_replays *r, const struct order *o, const struct due *due)
{
    return o->topic == SIM_TOPICS &&
           sim_truth_row(r->truth, due->seq)->content->elsewhere != SIM_PLAIN;
}

static struct due *find_due(struct order *o, int64_t seq)
{
    for (int i = 0; i < o->count; i++)
        if (o->due[i].seq == seq)
            return &o->due[i];
    return NULL;
}

/* ---- operators ---- */

int sim_replays_order(struct sim_replays *r, const struct selection *which, int topic)
{
    struct order *o;
    if (r->count == SIM_REPLAYS_MAX)
        return SIM_REPLAYS_NONE;
    o = &r->orders[r->count];
    o->id = 0;
    o->fate = ASKED;
    o->state = REPLAYS_RUNNING;
    o->which = *which;
    o->topic = topic;
    o->last = sim_truth_last_seq(r->truth);
    o->changing = 0;
    o->is_vague = false;
    o->count = 0;
    memset(o->key_last, 0, sizeof o->key_last);
    return r->count++;
}

void sim_replays_written(struct sim_replays *r, int number, int64_t id, bool is_known)
{
    struct order *o = &r->orders[number];
    o->id = id;
    o->count = 0;
    o->is_vague = !is_known;
    for (int64_t seq = sim_truth_next(r->truth, 0); seq <= o->last;
         seq = sim_truth_next(r->truth, seq)) {
        const struct sim_row *row = sim_truth_row(r->truth, seq);
        if ((row->seen || !is_known) && is_meant(&o->which, seq, row))
            o->due[o->count++] = (struct due){.seq = seq};
    }
}

void sim_replays_answered(struct sim_replays *r, int number, bool stored)
{
    r->orders[number].fate = stored ? STORED : LOST;
    if (!stored)
        r->orders[number].id = 0;
}

int sim_replays_count(const struct sim_replays *r)
{
    return r->count;
}

int64_t sim_replays_id(const struct sim_replays *r, int number)
{
    return r->orders[number].fate == STORED ? r->orders[number].id : 0;
}

void sim_replays_relay_died(struct sim_replays *r)
{
    r->may_forget = false;
    for (int i = 0; i < r->count; i++)
        for (int n = 0; n < r->orders[i].count; n++)
            r->orders[i].due[n].is_delivered = false;
}

void sim_replays_changing(struct sim_replays *r, int number)
{
    r->orders[number].changing++;
}

void sim_replays_changed(struct sim_replays *r, int number, bool changed, enum replays_state state)
{
    struct order *o = &r->orders[number];
    o->changing--;
    if (!changed)
        return;
    o->state = state;
    r->may_forget = !sim_truth_is_once(r->truth);
}

/* ---- the journal, as a restart finds it ---- */

/* Operators were told of what they ended or paused; a paused one may have been at its end. */
static bool is_possible(const struct order *o, enum replays_state found)
{
    if (o->state == found || o->state == REPLAYS_RUNNING)
        return true;
    return o->state == REPLAYS_PAUSED && (o->changing || found == REPLAYS_DONE);
}

static void check_position(struct sim_replays *r, struct order *o, int64_t position)
{
    for (int i = 0; i < o->count; i++) {
        struct due *due = &o->due[i];
        due->is_passed = due->seq <= position;
        if (!due->is_passed || due->is_in_log || is_parked(r, due) || is_refused(r, o, due) ||
            sim_truth_row(r->truth, due->seq)->gone)
            continue;
        sim_trace_fail(r->trace, "P2", "replay %lld is at %lld, seq %lld of it is not in Kafka",
                       (long long)o->id, (long long)position, (long long)due->seq);
    }
}

/* Nothing is lost in silence: what it does not publish is counted. */
static void check_counts(struct sim_replays *r, const struct order *o,
                         const struct sim_replay_found *found)
{
    int64_t due = 0, in_log = 0, done = found->published + found->failed;
    for (int i = 0; i < o->count; i++) {
        due += !is_parked(r, &o->due[i]);
        in_log += o->due[i].is_in_log;
    }
    if (found->published > in_log)
        sim_trace_fail(r->trace, "P2", "replay %lld counts %lld as published, Kafka has %lld",
                       (long long)o->id, (long long)found->published, (long long)in_log);
    if (o->is_vague)
        return;
    if (done > due || (found->state == REPLAYS_DONE && done + found->gone < due))
        sim_trace_fail(r->trace, "replay", "replay %lld: of %lld it counts %lld, %lld, %lld gone",
                       (long long)o->id, (long long)due, (long long)found->published,
                       (long long)found->failed, (long long)found->gone);
}

void sim_replays_found(struct sim_replays *r, const struct sim_replay_found *found, bool is_final)
{
    struct order *o = &r->orders[found->number];
    if (found->number >= r->count || o->fate == LOST || (o->id && o->id != found->id)) {
        sim_trace_fail(r->trace, "replay", "replay %lld was never asked for", (long long)found->id);
        return;
    }
    if (!is_possible(o, found->state))
        sim_trace_fail(r->trace, "P1", "replay %lld is %s, an operator was told that it is %s",
                       (long long)found->id, replays_state_name(found->state),
                       replays_state_name(o->state));
    o->id = found->id;
    o->fate = STORED;
    o->state = found->state;
    check_position(r, o, found->position);
    check_counts(r, o, found);
    if (found->state == REPLAYS_FAILED ||
        (is_final && found->state != REPLAYS_DONE && found->state != REPLAYS_CANCELLED))
        sim_trace_fail(r->trace, "replay", "replay %lld ended as %s", (long long)found->id,
                       replays_state_name(found->state));
    else if (found->state == REPLAYS_DONE)
        check_position(r, o, INT64_MAX);
}

void sim_replays_all_found(struct sim_replays *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->orders[i].fate == ASKED)
            r->orders[i].fate = LOST;
    for (int i = 0; i < r->count; i++)
        r->orders[i].changing = 0;
}

/* ---- Kafka ---- */

int sim_replays_of(const struct sim_replays *r, const struct publisher_record *rec)
{
    int64_t id;
    if (!sim_truth_header(rec, "relay-replay").len)
        return SIM_REPLAYS_NONE;
    id = sim_truth_header_number(rec, "relay-replay");
    for (int i = 0; i < r->count; i++)
        if (r->orders[i].fate == STORED && r->orders[i].id == id)
            return i;
    sim_trace_fail(r->trace, "replay", "a record is of replay %lld, which there is not",
                   (long long)id);
    return SIM_REPLAYS_NONE;
}

int64_t sim_replays_produced(struct sim_replays *r, int number, const struct publisher_record *rec)
{
    struct order *o = &r->orders[number];
    int64_t seq = sim_truth_header_number(rec, "relay-seq");
    const struct due *due = find_due(o, seq);
    const struct sim_row *row = sim_truth_row(r->truth, seq);
    if (!due || row->parked) {
        sim_trace_fail(r->trace, "replay", "replay %lld sends seq %lld, which is not to be sent",
                       (long long)o->id, (long long)seq);
        return 0;
    }
    if ((o->state != REPLAYS_RUNNING && !o->changing) ||
        sim_truth_is_paused(r->truth, row->content))
        sim_trace_fail(r->trace, "pause", "replay %lld sends seq %lld while it is paused or over",
                       (long long)o->id, (long long)seq);
    if (!row->in_kafka)
        sim_trace_fail(r->trace, "P2", "replay %lld sends seq %lld before its lane did",
                       (long long)o->id, (long long)seq);
    if (due->is_passed || (due->is_delivered && !r->may_forget))
        sim_trace_fail(r->trace, "P9", "replay %lld sends seq %lld again, which it knows published",
                       (long long)o->id, (long long)seq);
    sim_truth_compare(r->truth, rec, seq,
                      sim_content_topic[o->topic < 0 ? row->content->topic : o->topic]);
    return seq;
}

void sim_replays_appended(struct sim_replays *r, int number, int64_t seq, bool labelled)
{
    struct order *o = &r->orders[number];
    struct due *due = find_due(o, seq);
    const struct sim_content *content = sim_truth_row(r->truth, seq)->content;
    int64_t *last;
    CHECK(due);
    if (due->is_in_log && sim_truth_is_once(r->truth))
        sim_trace_fail(r->trace, "once", "consumers see seq %lld of replay %lld twice",
                       (long long)seq, (long long)o->id);
    else if (due->is_in_log && !labelled)
        sim_trace_fail(r->trace, "P9", "seq %lld of replay %lld is in the log twice, not labelled",
                       (long long)seq, (long long)o->id);
    if (due->is_in_log)
        return;
    due->is_in_log = true;
    if (!content->key || content->parent)
        return;
    last = &o->key_last[content->source][content->topic][content->key];
    if (seq < *last)
        sim_trace_fail(r->trace, "P3", "replay %lld: seq %lld came after seq %lld of the same key",
                       (long long)o->id, (long long)seq, (long long)*last);
    *last = seq;
}

void sim_replays_reported(struct sim_replays *r, int number, int64_t seq)
{
    struct due *due = find_due(&r->orders[number], seq);
    CHECK(due);
    due->is_delivered = true;
}
