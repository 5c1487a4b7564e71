/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/forwarder.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread.h"
#include "relay/forwarder_view.h"
#include "relay/lane.h"
#include "relay/record.h"
#include "relay/settle.h"

/* How old the view of other threads may get. */
#define VIEW_MS 200
/* How long records of a paused lane may be in the air before the publisher is told to give them
 * back: a broker that returns must not get what was paused meanwhile. */
#define PAUSE_GRACE_MS 500

/* How often a wait is cut short while something may change without a wake-up. */
#define LOOK_AGAIN_MS 50

/* A report's tag: the lane's place in the table above the record's serial in its ring. */
#define TAG_SERIAL_BITS 48

struct forwarder {
    struct forwarder_opts opts;
    struct thread_owner owner;
    struct wakeup wakeup;
    _Atomic bool notified;
    _Atomic bool pauses_changed;
    struct forwarder_view *view;
    struct mono view_due;
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

static void count_one(struct metric *m)
{
    if (m)
        metric_add(m, 1);
}

static void on_lane(void *arg, const struct journal_lane *info)
{
    struct forwarder *f = arg;
    struct lane *lane = lane_create(info, f->opts.lane_in_flight, f->start_seq);
    if (!lane || f->lane_count == JOURNAL_LANES_MAX) {
        struct err e;
        err_set(&e, ST_NO_MEM, "lane %s: out of memory", info->topic);
        die(f, &e);
        lane_destroy(lane);
        return;
    }
    lane->published = lane_metric(f->published, info);
    lane->parked = lane_metric(f->parked, info);
    lane->retried = lane_metric(f->retried, info);
    lane->labelled = lane_metric(f->labelled, info);
    f->lanes[f->lane_count++] = lane;
    f->pauses_changed = true;
}

static void find_lanes(struct forwarder *f)
{
    struct err e = {0};
    int64_t last = f->lane_count ? f->lanes[f->lane_count - 1]->info.id : 0;
    if (journal_reader_lanes(f->opts.reader, last, on_lane, f, &e) != ST_OK)
        die(f, &e);
}

/* ---- reports ---- */

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
        lane_set_reason(lane->park_reason, report->reason);
        break;
    case PUBLISHER_RETRY:
    case PUBLISHER_DENIED:
        break;
    }
    if (!lane_ring_report(lane->ring, serial, state))
        return;
    if (state == LANE_DELIVERED)
        count_one(lane->published);
    if (state == LANE_DELIVERED || state == LANE_TO_PARK)
        return;
    count_one(lane->retried);
    /* When it may go again is the publisher's to say: produce() and topic() refuse until then. */
    if (report->outcome == PUBLISHER_DENIED)
        log_warn("forwarder.denied", LOG_S("topic", lane->info.topic),
                 LOG_S("reason", report->reason));
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
    count_one(lane->parked);
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
    if (lane->state == LANE_PAUSED)
        return false;
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
    lane_set_reason(lane->reason, reason ? reason : "the topic is being looked up");
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
    /* A read for a resend can reach beyond the rows that the ring holds. */
    if (lane_ring_is_at_tail(lane->ring) && lane_ring_room(lane->ring) == 0)
        return false;
    if (!is_marked(f, lane, row->seq))
        return false;
    if (!lane_ring_offer(lane->ring, row->seq, &serial))
        return true;
    repeat = row->seq <= lane->repeat_until || lane_ring_is_repeat(lane->ring);
    if (!row->intact) {
        lane_set_reason(lane->park_reason, "checksum mismatch: the row is damaged");
        lane_ring_step(lane->ring, LANE_TO_PARK);
        return true;
    }
    record_build(&f->record, row, &origin, ((uint64_t)index << TAG_SERIAL_BITS) | serial);
    if (repeat)
        record_label_repeat(&f->record);
    switch (f->opts.publisher->ops->produce(f->opts.publisher, &f->record.out, &e)) {
    case ST_OK:
        if (repeat)
            count_one(lane->labelled);
        lane_ring_step(lane->ring, LANE_SENT);
        return true;
    case ST_TOO_BIG:
    case ST_BAD_INPUT:
        lane_set_reason(lane->park_reason, e.text);
        lane_ring_step(lane->ring, LANE_TO_PARK);
        return true;
    default:
        /* Full or not now: a report or a wake-up of the publisher brings the next turn. */
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
    if (!(lane->may_have_rows || resend) || !(room || resend) || !is_open(f, lane) ||
        lane_ring_must_wait(lane->ring))
        return false;
    want = resend ? lane_ring_count(lane->ring) : room;
    if (want > f->opts.read_rows_max)
        want = f->opts.read_rows_max;
    const struct journal_slice slice = {.lane = lane->info.id,
                                        .after = lane_ring_read_after(lane->ring, lane->cursor),
                                        .max_rows = want,
                                        .max_bytes = f->opts.read_bytes_max};
    if (journal_read_lane(f->opts.reader, &slice, &rows, &count, &e) != ST_OK) {
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

/* ---- pauses ---- */

struct paused_set {
    struct forwarder *f;
    bool paused[JOURNAL_LANES_MAX];
};

static void on_pause(void *arg, const struct journal_pause *pause)
{
    struct paused_set *set = arg;
    for (size_t i = 0; i < set->f->lane_count; i++)
        set->paused[i] |= lane_is_in_scope(set->f->lanes[i], pause->scope);
}

static void read_pauses(struct forwarder *f)
{
    struct paused_set set = {.f = f};
    struct err e = {0};
    if (journal_read_pauses(f->opts.reader, on_pause, &set, &e) != ST_OK) {
        die(f, &e);
        return;
    }
    for (size_t i = 0; i < f->lane_count; i++) {
        struct lane *lane = f->lanes[i];
        if (lane_set_paused(lane, set.paused[i], clock_mono(f->opts.clock)))
            log_info(set.paused[i] ? "forwarder.lane_paused" : "forwarder.lane_resumed",
                     LOG_S("topic", lane->info.topic), LOG_S("source", lane->info.source_name));
    }
}

/*
 * What a paused lane still has in the air waits in the client library for a broker. After a grace
 * time the publisher gives everything back, other lanes send theirs again, and what is paused stays
 * here.
 */
static void recall_paused(struct forwarder *f)
{
    struct mono now = clock_mono(f->opts.clock);
    if (!f->opts.publisher->ops->abandon)
        return;
    for (size_t i = 0; i < f->lane_count; i++) {
        struct lane *lane = f->lanes[i];
        if (lane->state != LANE_PAUSED || !lane_ring_in_air(lane->ring) ||
            now.ns < mono_add_ms(lane->paused_at, PAUSE_GRACE_MS).ns)
            continue;
        log_info("forwarder.paused_records_recalled", LOG_S("topic", lane->info.topic),
                 LOG_I("records", lane_ring_in_air(lane->ring)));
        f->opts.publisher->ops->abandon(f->opts.publisher);
        lane->paused_at = now;
        return;
    }
}

void forwarder_reload_pauses(struct forwarder *f)
{
    f->pauses_changed = true;
    forwarder_notify(f);
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

/* ---- the view of others ---- */

static void publish_view(struct forwarder *f)
{
    struct mono now = clock_mono(f->opts.clock);
    struct forwarder_kafka_view kafka = {.wrong_cluster = f->wrong_cluster};
    if (now.ns < f->view_due.ns)
        return;
    f->view_due = mono_add_ms(now, VIEW_MS);
    snprintf(kafka.cluster_id, sizeof kafka.cluster_id, "%s", f->cluster_id);
    lane_set_reason(kafka.state,
                    f->opts.publisher->ops->state(f->opts.publisher, &kafka.connected));
    forwarder_view_publish(f->view, f->lanes, f->lane_count, &kafka);
}

size_t forwarder_view(struct forwarder *f, struct forwarder_lane_view *out, size_t max)
{
    return forwarder_view_lanes(f->view, out, max);
}

void forwarder_kafka(struct forwarder *f, struct forwarder_kafka_view *out)
{
    forwarder_view_kafka(f->view, out);
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
    if (!f->dead && atomic_exchange(&f->pauses_changed, false))
        read_pauses(f);
    recall_paused(f);
    /* A small slice of each lane in turn: a deep backlog in one must not keep the others waiting.
     */
    for (size_t i = 0; i < f->lane_count && !f->dead; i++) {
        advance(f, f->lanes[i]);
        if (!f->finishing && cluster_is_right(f))
            again |= send_slice(f, i);
    }
    settle_submit(f->settle, clock_mono(f->opts.clock));
    publish_view(f);
    return again && !f->dead;
}

/* Something will change without a wake-up: a topic or a cluster that is being
 * looked up. */
static bool must_look_again(const struct forwarder *f)
{
    if (f->opts.bind_cluster && !f->cluster_checked && f->lane_count)
        return true;
    for (size_t i = 0; i < f->lane_count; i++)
        if (f->lanes[i]->state == LANE_PAUSED
                ? lane_ring_in_air(f->lanes[i]->ring) > 0
                : f->lanes[i]->state != LANE_OPEN && f->lanes[i]->may_have_rows)
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
    f->pauses_changed = true;
    f->view = forwarder_view_create();
    st = f->view ? wakeup_init(&f->wakeup, e) : err_set(e, ST_NO_MEM, "forwarder: out of memory");
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
    for (size_t i = 0; i < f->lane_count; i++)
        lane_destroy(f->lanes[i]);
    forwarder_view_destroy(f->view);
    wakeup_fini(&f->wakeup);
    free(f);
}
