/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_truth.h"

#include <stdlib.h>

struct sim_truth {
    struct sim_trace *trace;
    bool once;
    int64_t window_ms;
    bool window_short;
    bool io_seen; /* the living process has said that an outcome is unknown */
    struct wall oldest_unknown;
    struct sim_submission submissions[SIM_SUBMISSIONS_MAX];
    int submission_count;
    struct sim_row rows[SIM_ROWS_MAX + 1]; /* index is the seq */
    int64_t last_seq;
    struct {
        const struct sim_content *content;
        bool is_open; /* nobody was told how it ended */
    } requeues[SIM_REQUEUES_MAX];
    int requeue_count;
    int64_t lane_last[SIM_SOURCES][SIM_TOPICS];
    int64_t key_last[SIM_SOURCES][SIM_TOPICS][SIM_KEYS]; /* newest first occurrence in Kafka */
    bool paused[SIM_SCOPES];
    const struct sim_content *first_in_lane; /* its lane has number 1 */
};

enum { SCOPE_ALL, SCOPE_SOURCE, SCOPE_LANE };
const char *const sim_truth_scope[SIM_SCOPES] = {
    [SCOPE_ALL] = "all", [SCOPE_SOURCE] = "source:second", [SCOPE_LANE] = "lane:1"};

struct sim_truth *sim_truth_create(struct sim_trace *trace)
{
    struct sim_truth *t = calloc(1, sizeof *t);
    CHECK(t);
    t->trace = trace;
    return t;
}

void sim_truth_destroy(struct sim_truth *t)
{
    free(t);
}

bool sim_truth_is_once(const struct sim_truth *t)
{
    return t->once;
}

void sim_truth_begin(struct sim_truth *t, int64_t window_ms, bool once)
{
    t->once = once;
    /* Rows beyond last_seq are written before they are read. */
    memset(t->lane_last, 0, sizeof t->lane_last);
    memset(t->key_last, 0, sizeof t->key_last);
    memset(t->paused, 0, sizeof t->paused);
    t->first_in_lane = NULL;
    t->window_ms = window_ms;
    t->window_short = false;
    t->io_seen = false;
    t->submission_count = 0;
    t->requeue_count = 0;
    t->last_seq = 0;
}

/* ---- the senders ---- */

int sim_truth_submit(struct sim_truth *t, const struct sim_content *content, struct wall now)
{
    if (t->submission_count == SIM_SUBMISSIONS_MAX)
        return -1;
    t->submissions[t->submission_count] =
        (struct sim_submission){.content = content, .received = now};
    return t->submission_count++;
}

const struct sim_submission *sim_truth_submission(const struct sim_truth *t, int number)
{
    return &t->submissions[number];
}

int sim_truth_submission_count(const struct sim_truth *t)
{
    return t->submission_count;
}

/* What the dedupe window must say of a content now. */
struct expectation {
    bool must_repeat;
    bool must_conflict;
    bool may_conflict;
};

static struct expectation expect(const struct sim_truth *t, const struct sim_content *content,
                                 struct wall now)
{
    struct expectation x = {0};
    if (!content->ev.id.len)
        return x;
    for (int64_t seq = sim_truth_next(t, 0); seq <= t->last_seq; seq = sim_truth_next(t, seq)) {
        const struct sim_row *row = &t->rows[seq];
        bool inside =
            !t->window_short && now.us - row->window_base.us <= t->window_ms * INT64_C(1000);
        if (row->content->parent || !sim_content_same_id(row->content, content))
            continue;
        if (sim_content_repeats(row->content, content)) {
            x.must_repeat |= inside;
        } else {
            x.may_conflict = true;
            x.must_conflict |= inside;
        }
    }
    return x;
}

/* The next row of the journal: nothing is ever stored between two rows. */
static struct sim_row *add_row(struct sim_truth *t, int64_t seq, const struct sim_content *content)
{
    struct sim_row *row;
    if (seq != t->last_seq + 1) {
        sim_trace_fail(t->trace, "P11", "seq %lld is not the one after %lld", (long long)seq,
                       (long long)t->last_seq);
        return NULL;
    }
    CHECK(seq <= SIM_ROWS_MAX);
    row = &t->rows[seq];
    *row = (struct sim_row){.content = content};
    if (content->topic >= 0) {
        int64_t *last = &t->lane_last[content->source][content->topic];
        row->prev = *last;
        *last = seq;
        if (!t->first_in_lane)
            t->first_in_lane = content;
    }
    t->last_seq = seq;
    return row;
}

static void answered_repeat(struct sim_truth *t, struct sim_submission *s, int64_t seq)
{
    const struct sim_row *row = sim_truth_row(t, seq);
    if (!row)
        sim_trace_fail(t->trace, "P9", "answered as a repeat of seq %lld, which does not exist",
                       (long long)seq);
    else if (!sim_content_repeats(row->content, s->content))
        sim_trace_fail(t->trace, "P9", "answered as a repeat of seq %lld, which is another event",
                       (long long)seq);
}

static void answered_stored(struct sim_truth *t, struct sim_submission *s,
                            const struct sim_answer *answer)
{
    struct expectation x = expect(t, s->content, answer->now);
    struct sim_row *row;
    if (x.must_repeat)
        sim_trace_fail(t->trace, "P9", "a repeat inside the window was stored again as seq %lld",
                       (long long)answer->out.seq);
    if (answer->out.conflict ? !x.may_conflict : x.must_conflict)
        sim_trace_fail(t->trace, "P9", "seq %lld: the same id with other bytes %s",
                       (long long)answer->out.seq,
                       answer->out.conflict ? "never came" : "came before and it is not flagged");
    row = add_row(t, answer->out.seq, s->content);
    if (!row)
        return;
    row->is_answered = true;
    row->received = s->received;
    row->window_base = answer->base;
    row->conflict = answer->out.conflict;
}

void sim_truth_answer(struct sim_truth *t, int number, const struct sim_answer *answer)
{
    struct sim_submission *s = &t->submissions[number];
    CHECK(s->fate == SIM_WAITS);
    switch (answer->status) {
    case ST_OK:
        if (t->io_seen)
            sim_trace_fail(t->trace, "P6", "answered OK after an unknown outcome");
        s->fate = SIM_OK;
        s->seq = answer->out.seq;
        if (answer->out.duplicate)
            answered_repeat(t, s, answer->out.seq);
        else
            answered_stored(t, s, answer);
        break;
    case ST_IO:
        t->io_seen = true;
        s->fate = SIM_UNKNOWN;
        break;
    case ST_FULL:
    case ST_DENIED:
        s->fate = SIM_REFUSED;
        break;
    default:
        s->fate = SIM_UNKNOWN;
        sim_trace_fail(t->trace, "P6", "answered with %s, for which nothing gives a reason",
                       status_name(answer->status));
    }
}

void sim_truth_relay_died(struct sim_truth *t)
{
    t->oldest_unknown.us = INT64_MAX;
    for (int i = 0; i < t->submission_count; i++) {
        struct sim_submission *s = &t->submissions[i];
        if (s->fate == SIM_WAITS)
            s->fate = SIM_UNKNOWN;
        if (s->fate == SIM_UNKNOWN && s->received.us < t->oldest_unknown.us)
            t->oldest_unknown = s->received;
    }
    for (int64_t seq = sim_truth_next(t, 0); seq <= t->last_seq; seq = sim_truth_next(t, seq))
        t->rows[seq].delivered_in_life = false;
    t->io_seen = false;
}

void sim_truth_window_short(struct sim_truth *t)
{
    t->window_short = true;
}

/* ---- the journal, as a restart finds it ---- */

int64_t sim_truth_last_seq(const struct sim_truth *t)
{
    return t->last_seq;
}

struct sim_row *sim_truth_row(struct sim_truth *t, int64_t seq)
{
    return seq >= 1 && seq <= t->last_seq && t->rows[seq].content ? &t->rows[seq] : NULL;
}

int64_t sim_truth_next(const struct sim_truth *t, int64_t seq)
{
    for (seq++; seq <= t->last_seq && !t->rows[seq].content; seq++)
        if (t->rows[seq].skipped_to)
            seq = t->rows[seq].skipped_to;
    return seq;
}

bool sim_truth_skip(struct sim_truth *t, int64_t seqs)
{
    if (t->last_seq + seqs > SIM_AGE_MAX)
        return false;
    memset(&t->rows[t->last_seq + 1], 0, (size_t)seqs * sizeof t->rows[0]);
    t->rows[t->last_seq + 1].skipped_to = t->last_seq + seqs;
    t->last_seq += seqs;
    return true;
}

bool sim_truth_has_unknown(const struct sim_truth *t)
{
    for (int i = 0; i < t->submission_count; i++)
        if (t->submissions[i].fate == SIM_UNKNOWN)
            return true;
    return false;
}

void sim_truth_pause(struct sim_truth *t, int scope, bool paused)
{
    t->paused[scope] = paused;
}

bool sim_truth_has_lane(const struct sim_truth *t)
{
    return t->first_in_lane != NULL;
}

bool sim_truth_is_paused(const struct sim_truth *t, const struct sim_content *content)
{
    return t->paused[SCOPE_ALL] || (t->paused[SCOPE_SOURCE] && content->source == 1) ||
           (t->paused[SCOPE_LANE] && content->source == t->first_in_lane->source &&
            content->topic == t->first_in_lane->topic);
}

static bool could_be(const struct sim_submission *s, int source, const struct event *ev)
{
    return s->fate == SIM_UNKNOWN && s->content->source == source &&
           s->received.us == ev->received.us && slice_eq(s->content->ev.body, ev->body);
}

static struct sim_submission *find_submission(struct sim_truth *t, const struct sim_found *found)
{
    for (int i = 0; i < t->submission_count; i++)
        if (could_be(&t->submissions[i], found->source, &found->ev))
            return &t->submissions[i];
    return NULL;
}

/* The requeue that was asked for and made this row, if any. */
static const struct sim_content *find_requeue(struct sim_truth *t, const struct sim_found *found)
{
    for (int i = 0; i < t->requeue_count; i++) {
        const struct sim_content *content = t->requeues[i].content;
        if (!t->requeues[i].is_open || content->parent != found->parent ||
            !slice_eq(content->ev.topic, found->ev.topic))
            continue;
        t->requeues[i].is_open = false;
        return content;
    }
    return NULL;
}

static void add_requeued(struct sim_truth *t, const struct sim_content *content, int64_t seq)
{
    struct sim_row *parent = sim_truth_row(t, content->parent);
    struct sim_row *row = add_row(t, seq, content);
    if (!row)
        return;
    CHECK(parent);
    parent->settled = true;
    row->received = parent->received;
    row->conflict = parent->conflict;
}

void sim_truth_found(struct sim_truth *t, const struct sim_found *found)
{
    const struct sim_content *requeue = found->parent ? find_requeue(t, found) : NULL;
    struct sim_submission *s = found->parent ? NULL : find_submission(t, found);
    struct sim_row *row;
    if (requeue) {
        add_requeued(t, requeue, found->seq);
        return;
    }
    if (!s) {
        sim_trace_fail(t->trace, "P6", "the journal holds seq %lld, which was refused or not sent",
                       (long long)found->seq);
        return;
    }
    if (expect(t, s->content, found->now).must_repeat)
        sim_trace_fail(t->trace, "P9", "a repeat inside the window is stored again as seq %lld",
                       (long long)found->seq);
    row = add_row(t, found->seq, s->content);
    if (!row)
        return;
    /* A stored repeat would be P9's failure; here a conflict is taken as the journal flagged it. */
    row->conflict = found->ev.flags & EVENT_CONFLICT;
    row->received = s->received;
    /* Its place counts from the first of its batch, which is none older than this. */
    row->window_base = t->oldest_unknown;
    s->fate = SIM_FOUND;
    s->seq = found->seq;
}

void sim_truth_all_found(struct sim_truth *t)
{
    for (int i = 0; i < t->submission_count; i++)
        if (t->submissions[i].fate == SIM_UNKNOWN)
            t->submissions[i].fate = SIM_REFUSED;
    for (int i = 0; i < t->requeue_count; i++)
        t->requeues[i].is_open = false;
}

/* ---- parked events ---- */

int sim_truth_requeue(struct sim_truth *t, const struct sim_content *content)
{
    if (t->requeue_count == SIM_REQUEUES_MAX)
        return -1;
    t->requeues[t->requeue_count].content = content;
    t->requeues[t->requeue_count].is_open = true;
    return t->requeue_count++;
}

void sim_truth_requeued(struct sim_truth *t, int number, int64_t seq)
{
    t->requeues[number].is_open = false;
    if (seq)
        add_requeued(t, t->requeues[number].content, seq);
}

void sim_truth_settled(struct sim_truth *t, int64_t seq, bool requeued)
{
    struct sim_row *row = sim_truth_row(t, seq);
    CHECK(row);
    row->settled = true;
    row->requeued = requeued;
}

/* ---- Kafka ---- */

struct slice sim_truth_header(const struct publisher_record *rec, const char *name)
{
    for (size_t i = 0; i < rec->header_count; i++)
        if (strcmp(rec->headers[i].name, name) == 0)
            return rec->headers[i].value;
    return (struct slice){0};
}

int64_t sim_truth_header_number(const struct publisher_record *rec, const char *name)
{
    struct slice text = sim_truth_header(rec, name);
    int64_t n = 0;
    if (!text.len)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        n = n * 10 + (text.ptr[i] - '0');
    }
    return n;
}

static void compare_lineage(struct sim_truth *t, const struct publisher_record *rec,
                            const struct sim_row *row, int64_t seq)
{
    bool flagged = sim_truth_header(rec, "relay-conflicting-id").len > 0;
    int64_t parent = row->content->parent;
    if (sim_truth_header_number(rec, "relay-prev-seq") != row->prev)
        sim_trace_fail(t->trace, "P11", "seq %lld: relay-prev-seq is %lld, the lane's is %lld",
                       (long long)seq, (long long)sim_truth_header_number(rec, "relay-prev-seq"),
                       (long long)row->prev);
    if (flagged != row->conflict)
        sim_trace_fail(t->trace, "P9", "seq %lld: the flag of a conflicting id is %s",
                       (long long)seq, flagged ? "there without one" : "missing");
    if (sim_truth_header_number(rec, "relay-requeue-of") != (parent ? parent : -1) ||
        !slice_eq(sim_truth_header(rec, "relay-origin"), slice_of(parent ? "requeue" : "webhook")))
        sim_trace_fail(t->trace, "P11", "seq %lld: its record does not say where it comes from",
                       (long long)seq);
}

void sim_truth_compare(struct sim_truth *t, const struct publisher_record *rec, int64_t seq,
                       const char *topic)
{
    const struct sim_row *row = sim_truth_row(t, seq);
    const struct event *ev = &row->content->ev;
    struct slice type = ev->type.len ? ev->type : slice_of("unreadable");
    if (!slice_eq(rec->value, ev->body))
        sim_trace_fail(t->trace, "P7", "seq %lld: the bytes changed", (long long)seq);
    if (!slice_eq(rec->key, ev->key) || strcmp(rec->topic, topic) != 0 ||
        !slice_eq(sim_truth_header(rec, "ce_type"), type) ||
        (ev->id.len && !slice_eq(sim_truth_header(rec, "ce_id"), ev->id)))
        sim_trace_fail(t->trace, "P7", "seq %lld: key, topic, type or id changed", (long long)seq);
    compare_lineage(t, rec, row, seq);
}

int64_t sim_truth_produced(struct sim_truth *t, const struct publisher_record *rec,
                           const char *journal_id)
{
    int64_t seq = sim_truth_header_number(rec, "relay-seq");
    struct sim_row *row = sim_truth_row(t, seq);
    if (!slice_eq(sim_truth_header(rec, "relay-journal"), slice_of(journal_id))) {
        sim_trace_fail(t->trace, "P11", "a record names another journal");
        return 0;
    }
    if (!row) {
        sim_trace_fail(t->trace, "P1", "seq %lld goes to Kafka and is not in the journal",
                       (long long)seq);
        return 0;
    }
    if (row->content->topic < 0) {
        sim_trace_fail(t->trace, "P2", "seq %lld has no lane and goes to Kafka", (long long)seq);
        return 0;
    }
    if (sim_truth_is_paused(t, row->content))
        sim_trace_fail(t->trace, "pause", "seq %lld goes to Kafka while it is paused",
                       (long long)seq);
    if (row->below_cursor || row->delivered_in_life)
        sim_trace_fail(t->trace, "P9", "seq %lld is sent again though the relay knows it published",
                       (long long)seq);
    if (row->parked)
        sim_trace_fail(t->trace, "P2", "seq %lld is parked and goes to Kafka", (long long)seq);
    sim_truth_compare(t, rec, seq, sim_content_topic[row->content->topic]);
    return seq;
}

void sim_truth_appended(struct sim_truth *t, int64_t seq, bool labelled)
{
    struct sim_row *row = sim_truth_row(t, seq);
    const struct sim_content *content;
    int64_t *last;
    CHECK(row);
    content = row->content;
    if (row->in_kafka && t->once)
        sim_trace_fail(t->trace, "once", "consumers see seq %lld twice", (long long)seq);
    else if (row->in_kafka && !labelled)
        sim_trace_fail(t->trace, "P9", "seq %lld is in the log twice and not labelled",
                       (long long)seq);
    if (row->in_kafka)
        return;
    row->in_kafka = true;
    /* A requeue stands outside the order. */
    if (!content->key || content->parent)
        return;
    last = &t->key_last[content->source][content->topic][content->key];
    if (seq < *last)
        sim_trace_fail(t->trace, "P3", "seq %lld came after seq %lld of the same lane and key",
                       (long long)seq, (long long)*last);
    *last = seq;
}

void sim_truth_reported(struct sim_truth *t, int64_t seq)
{
    struct sim_row *row = sim_truth_row(t, seq);
    CHECK(row);
    row->delivered_in_life = true;
}

/* Whether the rows from prev (not it) up to before seq are all explained: parked, so not here. */
static bool is_explained(struct sim_truth *t, int64_t seq)
{
    const struct sim_row *row = sim_truth_row(t, seq);
    while (row->prev) {
        row = sim_truth_row(t, row->prev);
        if (!row)
            return false;
        if (row->in_kafka)
            return true;
        if (!row->parked)
            return false;
    }
    return true;
}

void sim_truth_check_chains(struct sim_truth *t)
{
    for (int64_t seq = sim_truth_next(t, 0); seq <= t->last_seq; seq = sim_truth_next(t, seq)) {
        const struct sim_row *row = sim_truth_row(t, seq);
        if (row && row->in_kafka && !is_explained(t, seq))
            sim_trace_fail(t->trace, "P11", "the chain before seq %lld has a hole", (long long)seq);
    }
}
