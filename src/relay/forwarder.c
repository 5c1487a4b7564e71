/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/forwarder.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread.h"
#include "relay/lane_ring.h"
#include "relay/record.h"
#include "relay/settle.h"

/* A lane whose record Kafka refused for want of permission asks again after this time. */
#define DENIED_RETRY_MS 5000
/* A lane whose record came back undelivered, likewise: long enough not to spin against a broker
 * that is going down. */
#define RETRY_MS 100

/* How often a wait is cut short while something may change without a wake-up. */
#define LOOK_AGAIN_MS 50

/* A report's tag: the lane's place in the table above the record's serial in its ring. */
#define TAG_SERIAL_BITS 48

enum lane_state {
    LANE_OPEN,    /* records go */
    LANE_TOPIC,   /* its topic is not ready */
    LANE_COOLING, /* waits until retry_at after a failure */
};

struct lane {
    struct journal_lane info;
    struct lane_ring *ring;
    enum lane_state state;
    struct mono retry_at;
    int64_t cursor;                 /* the floor of reading when the ring is empty */
    int64_t mark;                   /* committed: records up to it may go */
    int64_t mark_asked;             /* under way */
    int64_t repeat_until;           /* rows up to it may have been sent by the process before */
    bool may_have_rows;             /* a read might find more */
    char reason[SETTLE_REASON_MAX]; /* why it waits; empty when it does not */
    char park_reason[SETTLE_REASON_MAX]; /* why its last entry to park is one */
    struct metric *published;
    struct metric *parked;
    struct metric *retried;
    struct metric *labelled;
};

struct forwarder {
    struct forwarder_opts opts;
    struct thread_owner owner;
    struct wakeup wakeup;
    _Atomic bool notified;
    struct settle *settle;
    struct lane *lanes[JOURNAL_LANES_MAX];
    size_t lane_count;
    char journal_id[64];
    int64_t start_seq;    /* the newest event when the forwarder was made */
    char cluster_id[128]; /* bound; "" until known */
    bool cluster_checked;
    bool wrong_cluster;
    bool finishing;
    bool dead;
    struct err death;
    struct record record; /* scratch */
    struct metric_family *published;
    struct metric_family *parked;
    struct metric_family *retried;
    struct metric_family *labelled;
};

static struct lane *lane_of_tag(struct forwarder *f, uint64_t tag)
{
    size_t i = (size_t)(tag >> TAG_SERIAL_BITS);
    CHECK(i < f->lane_count);
    return f->lanes[i];
}

static void die(struct forwarder *f, const struct err *e)
{
    f->dead = true;
    f->death = *e;
}

/* ---- lanes ---- */

static struct metric *lane_metric(struct metric_family *family, const struct journal_lane *lane)
{
    if (!family)
        return NULL;
    return metric_child(family, slice_of(lane->source_name), slice_of(lane->topic), slice_of(""));
}

/* Reasons are for people: a long one is cut. */
static void set_reason(char out[SETTLE_REASON_MAX], const char *reason)
{
    snprintf(out, SETTLE_REASON_MAX, "%.*s", SETTLE_REASON_MAX - 1, reason ? reason : "");
}

static void count(struct metric *m)
{
    if (m)
        metric_add(m, 1);
}

static void on_lane(void *arg, const struct journal_lane *info)
{
    struct forwarder *f = arg;
    struct lane *lane = calloc(1, sizeof *lane);
    struct lane_ring *ring = lane_ring_create(f->opts.lane_in_flight);
    if (!lane || !ring || f->lane_count == JOURNAL_LANES_MAX) {
        struct err e;
        err_set(&e, ST_NO_MEM, "lane %s: out of memory", info->topic);
        die(f, &e);
        free(lane);
        lane_ring_destroy(ring);
        return;
    }
    lane->info = *info;
    lane->ring = ring;
    lane->cursor = info->cursor;
    lane->mark = lane->mark_asked = info->mark;
    /* What came in after the start was sent by nobody before. */
    lane->repeat_until = info->mark < f->start_seq ? info->mark : f->start_seq;
    lane->state = LANE_TOPIC;
    lane->may_have_rows = true;
    lane->published = lane_metric(f->published, info);
    lane->parked = lane_metric(f->parked, info);
    lane->retried = lane_metric(f->retried, info);
    lane->labelled = lane_metric(f->labelled, info);
    f->lanes[f->lane_count++] = lane;
}

static void find_lanes(struct forwarder *f)
{
    struct err e = {0};
    int64_t last = f->lane_count ? f->lanes[f->lane_count - 1]->info.id : 0;
    if (journal_reader_lanes(f->opts.reader, last, on_lane, f, &e) != ST_OK)
        die(f, &e);
}

/* ---- reports ---- */

static void cool(struct forwarder *f, struct lane *lane, int ms, const char *reason)
{
    lane->state = LANE_COOLING;
    lane->retry_at = mono_add_ms(clock_mono(f->opts.clock), ms);
    set_reason(lane->reason, reason);
}

static void on_report(void *arg, const struct publisher_report *report)
{
    struct forwarder *f = arg;
    struct lane *lane = lane_of_tag(f, report->tag);
    uint64_t serial = report->tag & ((1ull << TAG_SERIAL_BITS) - 1);
    enum lane_entry_state state = report->surely_absent ? LANE_WAITS : LANE_UNSURE;
    switch (report->outcome) {
    case PUBLISHER_DELIVERED:
        state = LANE_DELIVERED;
        break;
    case PUBLISHER_REJECTED:
        state = LANE_TO_PARK;
        set_reason(lane->park_reason, report->reason);
        break;
    case PUBLISHER_RETRY:
    case PUBLISHER_DENIED:
        break;
    }
    if (!lane_ring_report(lane->ring, serial, state))
        return;
    if (state == LANE_DELIVERED)
        count(lane->published);
    if (state == LANE_DELIVERED || state == LANE_TO_PARK)
        return;
    count(lane->retried);
    if (report->outcome == PUBLISHER_DENIED) {
        log_warn("forwarder.denied", LOG_S("topic", lane->info.topic),
                 LOG_S("reason", report->reason));
        cool(f, lane, DENIED_RETRY_MS, report->reason);
    } else {
        cool(f, lane, RETRY_MS, report->reason);
    }
}

struct parking {
    struct forwarder *f;
    struct lane *lane;
};

static bool take_park(void *arg, int64_t seq)
{
    struct parking *p = arg;
    struct lane *lane = p->lane;
    if (!settle_park(p->f->settle, lane->info.id, seq, lane->park_reason))
        return false;
    count(lane->parked);
    log_error("forwarder.parked", LOG_I("seq", seq), LOG_S("topic", lane->info.topic),
              LOG_S("reason", lane->park_reason));
    return true;
}

static void advance(struct forwarder *f, struct lane *lane)
{
    struct parking parking = {f, lane};
    int64_t passed = lane_ring_advance(lane->ring, take_park, &parking);
    if (!passed)
        return;
    lane->cursor = passed;
    settle_cursor(f->settle, lane->info.id, passed);
}

/* ---- producing ---- */

/* Whether records of the lane may go now; notes why not. */
static bool is_open(struct forwarder *f, struct lane *lane)
{
    const char *reason = NULL;
    if (lane->state == LANE_COOLING) {
        if (clock_mono(f->opts.clock).ns < lane->retry_at.ns)
            return false;
        lane->state = LANE_TOPIC;
    }
    switch (f->opts.publisher->ops->topic(f->opts.publisher, lane->info.topic, &reason)) {
    case PUBLISHER_TOPIC_READY:
        if (lane->state != LANE_OPEN)
            log_info("forwarder.lane_open", LOG_S("topic", lane->info.topic),
                     LOG_S("source", lane->info.source_name));
        lane->state = LANE_OPEN;
        lane->reason[0] = 0;
        return true;
    case PUBLISHER_TOPIC_MISSING:
        if (reason && strcmp(reason, lane->reason) != 0)
            log_warn("forwarder.lane_waits", LOG_S("topic", lane->info.topic),
                     LOG_S("reason", reason));
        break;
    case PUBLISHER_TOPIC_PENDING:
        break;
    }
    lane->state = LANE_TOPIC;
    set_reason(lane->reason, reason ? reason : "the topic is being looked up");
    return false;
}

/* Whether the lane's mark covers seq; asks for a further one in time, so that records seldom wait
 * for it. */
static bool is_marked(struct forwarder *f, struct lane *lane, int64_t seq)
{
    if (seq + JOURNAL_MARK_AHEAD / 2 > lane->mark_asked) {
        lane->mark_asked = seq + JOURNAL_MARK_AHEAD;
        settle_mark(f->settle, lane->info.id, lane->mark_asked);
    }
    return seq <= lane->mark;
}

static void on_mark(void *arg, int64_t id, int64_t seq)
{
    struct forwarder *f = arg;
    /* Lanes are numbered from 1 without gaps, and read in that order. */
    f->lanes[id - 1]->mark = seq;
}

/* Hands one row to the publisher. False: stop here; the row is read again later. */
static bool send_row(struct forwarder *f, size_t index, const struct journal_row *row)
{
    struct lane *lane = f->lanes[index];
    const struct record_origin origin = {f->journal_id, lane->info.org, lane->info.source_name,
                                         lane->info.topic};
    struct err e = {0};
    uint64_t serial;
    bool repeat;
    if (!is_marked(f, lane, row->seq))
        return false;
    if (!lane_ring_offer(lane->ring, row->seq, &serial))
        return true;
    repeat = row->seq <= lane->repeat_until || lane_ring_is_repeat(lane->ring);
    if (!row->intact) {
        set_reason(lane->park_reason, "checksum mismatch: the row is damaged");
        lane_ring_step(lane->ring, LANE_TO_PARK);
        return true;
    }
    record_build(&f->record, row, &origin, ((uint64_t)index << TAG_SERIAL_BITS) | serial);
    if (repeat)
        record_label_repeat(&f->record);
    switch (f->opts.publisher->ops->produce(f->opts.publisher, &f->record.out, &e)) {
    case ST_OK:
        if (repeat)
            count(lane->labelled);
        lane_ring_step(lane->ring, LANE_SENT);
        return true;
    case ST_TOO_BIG:
    case ST_BAD_INPUT:
        set_reason(lane->park_reason, e.text);
        lane_ring_step(lane->ring, LANE_TO_PARK);
        return true;
    case ST_FULL:
        return false;
    default:
        cool(f, lane, RETRY_MS, e.text);
        return false;
    }
}

/* Reads and sends one slice of a lane. True when there is more that could go at once. */
static bool send_slice(struct forwarder *f, size_t index)
{
    struct lane *lane = f->lanes[index];
    size_t room = lane_ring_room(lane->ring);
    bool resend = lane_ring_has_resend(lane->ring);
    struct journal_row *rows, *row;
    struct err e = {0};
    size_t want, count;
    bool all_sent = true;
    if (!(lane->may_have_rows || resend) || !(room || resend) || !is_open(f, lane))
        return false;
    want = resend ? lane_ring_count(lane->ring) : room;
    if (want > f->opts.read_rows_max)
        want = f->opts.read_rows_max;
    if (journal_read_lane(f->opts.reader, lane->info.id,
                          lane_ring_read_after(lane->ring, lane->cursor), want,
                          f->opts.read_bytes_max, &rows, &count, &e) != ST_OK) {
        die(f, &e);
        return false;
    }
    for (row = rows; row && all_sent; row = row->next)
        all_sent = send_row(f, index, row);
    if (!resend && count == 0)
        lane->may_have_rows = false;
    journal_rows_free(rows);
    advance(f, lane);
    return all_sent && count > 0;
}

/* ---- the cluster ---- */

/* True when records may go to the cluster that answers. */
static bool cluster_is_right(struct forwarder *f)
{
    const char *id;
    if (f->cluster_checked || !f->opts.bind_cluster)
        return !f->wrong_cluster;
    id = f->opts.publisher->ops->cluster_id(f->opts.publisher);
    if (!id)
        return false;
    f->cluster_checked = true;
    if (!f->cluster_id[0]) {
        snprintf(f->cluster_id, sizeof f->cluster_id, "%s", id);
        settle_cluster(f->settle, id);
        log_info("forwarder.cluster_bound", LOG_S("cluster", id));
    } else if (strcmp(f->cluster_id, id) != 0) {
        f->wrong_cluster = true;
        log_error("forwarder.wrong_cluster", LOG_S("bound_to", f->cluster_id), LOG_S("found", id),
                  LOG_S("effect", "publishing is stopped, intake goes on"));
    }
    return !f->wrong_cluster;
}

/* ---- turns ---- */

bool forwarder_step(struct forwarder *f)
{
    bool again = false;
    thread_owner_check(&f->owner);
    if (f->dead)
        return false;
    settle_take_marks(f->settle, on_mark, f);
    again |= f->opts.publisher->ops->poll(f->opts.publisher, on_report, f) > 0;
    if (atomic_exchange(&f->notified, false)) {
        find_lanes(f);
        for (size_t i = 0; i < f->lane_count; i++)
            f->lanes[i]->may_have_rows = true;
    }
    /* A small slice of each lane in turn: a deep backlog in one must not keep the others waiting.
     */
    for (size_t i = 0; i < f->lane_count && !f->dead; i++) {
        advance(f, f->lanes[i]);
        if (!f->finishing && cluster_is_right(f))
            again |= send_slice(f, i);
    }
    settle_submit(f->settle, clock_mono(f->opts.clock));
    return again && !f->dead;
}

/* Something will change without a wake-up: a lane that cools, a topic or a cluster that is being
 * looked up. */
static bool must_look_again(const struct forwarder *f)
{
    if (f->opts.bind_cluster && !f->cluster_checked && f->lane_count)
        return true;
    for (size_t i = 0; i < f->lane_count; i++)
        if (f->lanes[i]->state != LANE_OPEN && f->lanes[i]->may_have_rows)
            return true;
    return settle_is_pending(f->settle);
}

void forwarder_wait(struct forwarder *f, int timeout_ms)
{
    if (timeout_ms > LOOK_AGAIN_MS && must_look_again(f))
        timeout_ms = LOOK_AGAIN_MS;
    struct pollfd fds[2] = {
        {.fd = f->wakeup.fd, .events = POLLIN},
        {.fd = f->opts.publisher->ops->wait_fd(f->opts.publisher), .events = POLLIN},
    };
    poll(fds, 2, timeout_ms);
    wakeup_clear(&f->wakeup);
}

void forwarder_notify(struct forwarder *f)
{
    /* One write(2) for all that comes before the forwarder looks. */
    if (!atomic_exchange(&f->notified, true))
        wakeup_signal(&f->wakeup);
}

static size_t in_air(const struct forwarder *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->lane_count; i++)
        n += lane_ring_in_air(f->lanes[i]->ring);
    return n;
}

void forwarder_finish(struct forwarder *f, int timeout_ms)
{
    struct mono until = mono_add_ms(clock_mono(f->opts.clock), timeout_ms);
    struct mono now = clock_mono(f->opts.clock);
    f->finishing = true;
    while (!f->dead && (in_air(f) || settle_is_pending(f->settle)) && now.ns < until.ns) {
        forwarder_step(f);
        if (in_air(f) || settle_is_pending(f->settle))
            forwarder_wait(f, mono_until_ms(now, until, 50));
        now = clock_mono(f->opts.clock);
    }
}

bool forwarder_is_settling(const struct forwarder *f)
{
    return settle_is_pending(f->settle);
}

bool forwarder_is_dead(const struct forwarder *f, struct err *e)
{
    if (f->dead)
        *e = f->death;
    return f->dead;
}

/* ---- life ---- */

static void create_metrics(struct forwarder *f, struct metrics *m)
{
    if (!m)
        return;
    f->published = metric_family(m, METRIC_COUNTER, "relay_published_total", "source,topic",
                                 "Events that Kafka confirmed");
    f->parked = metric_family(m, METRIC_COUNTER, "relay_parked_total", "source,topic",
                              "Events that Kafka will never take, parked for a person");
    f->labelled = metric_family(m, METRIC_COUNTER, "relay_possible_duplicates_total",
                                "source,topic", "Records sent with relay-possible-duplicate");
    f->retried = metric_family(m, METRIC_COUNTER, "relay_publish_retries_total", "source,topic",
                               "Records that came back undelivered and go again");
}

enum status forwarder_create(struct forwarder **out, const struct forwarder_opts *opts,
                             struct err *e)
{
    enum status st;
    struct forwarder *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(e, ST_NO_MEM, "forwarder: out of memory");
    f->opts = *opts;
    f->wakeup.fd = -1;
    f->notified = true;
    create_metrics(f, opts->metrics);
    st = wakeup_init(&f->wakeup, e);
    if (st == ST_OK)
        st = settle_create(&f->settle, opts->committer, &f->wakeup, e);
    if (st == ST_OK)
        st = journal_read_last_seq(opts->reader, &f->start_seq, e);
    if (st == ST_OK)
        st = journal_read_meta(opts->reader, "journal_id", f->journal_id, sizeof f->journal_id, e);
    if (st == ST_OK) {
        st = journal_read_meta(opts->reader, "kafka_cluster_id", f->cluster_id,
                               sizeof f->cluster_id, e);
        if (st == ST_NOT_FOUND)
            st = ST_OK;
    }
    if (st != ST_OK) {
        forwarder_destroy(f);
        return st;
    }
    journal_reader_hand_over(opts->reader);
    *out = f;
    return ST_OK;
}

void forwarder_destroy(struct forwarder *f)
{
    if (!f)
        return;
    settle_destroy(f->settle);
    for (size_t i = 0; i < f->lane_count; i++) {
        lane_ring_destroy(f->lanes[i]->ring);
        free(f->lanes[i]);
    }
    wakeup_fini(&f->wakeup);
    free(f);
}
