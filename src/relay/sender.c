/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/sender.h"

#include <stdlib.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "relay/reading.h"
#include "relay/record.h"

/* How long records of a paused lane may be in the air before the publisher is told to give them
 * back: a broker that returns must not get what was paused meanwhile. */
#define PAUSE_GRACE_MS 500

struct sender {
    struct sender_opts opts;
    struct publisher *publisher;
    struct lane *lanes[JOURNAL_LANES_MAX];
    size_t lane_count;
    struct reading *reading;
    size_t in_air;
    struct record record; /* scratch */
    bool dead;
    struct err death;
    struct metric_family *published;
    struct metric_family *parked;
    struct metric_family *retried;
    struct metric_family *labelled;
};

static void die(struct sender *s, const struct err *e)
{
    s->dead = true;
    s->death = *e;
}

bool sender_is_dead(const struct sender *s, struct err *e)
{
    if (s->dead && e)
        *e = s->death;
    return s->dead;
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
    struct sender *s = arg;
    struct lane *lane = lane_create(info, s->opts.forwarder->lane_in_flight, s->opts.start_seq);
    if (!lane || s->lane_count == JOURNAL_LANES_MAX) {
        struct err e;
        err_set(&e, ST_NO_MEM, "lane %s: out of memory", info->topic);
        die(s, &e);
        lane_destroy(lane);
        return;
    }
    lane->published = lane_metric(s->published, info);
    lane->parked = lane_metric(s->parked, info);
    lane->retried = lane_metric(s->retried, info);
    lane->labelled = lane_metric(s->labelled, info);
    s->lanes[s->lane_count++] = lane;
}

void sender_look(struct sender *s)
{
    struct err e = {0};
    size_t before = s->lane_count;
    int64_t last = before ? s->lanes[before - 1]->info.id : 0;
    if (journal_reader_lanes(s->opts.forwarder->reader, last, on_lane, s, &e) != ST_OK)
        die(s, &e);
    for (size_t i = 0; i < s->lane_count; i++)
        s->lanes[i]->may_have_rows = true;
    if (s->lane_count > before && !s->dead)
        sender_read_pauses(s);
}

/* Lanes are numbered from 1 without gaps, and read in that order. */
static struct lane *lane_by_id(const struct sender *s, int64_t id)
{
    CHECK(id >= 1 && (size_t)id <= s->lane_count);
    return s->lanes[id - 1];
}

struct lane *const *sender_lanes(const struct sender *s, size_t *count)
{
    *count = s->lane_count;
    return s->lanes;
}

/* ---- what was sent before ---- */

void sender_adopt(struct sender *s, int64_t lane_id, int64_t seq)
{
    struct lane *lane = lane_by_id(s, lane_id);
    CHECK(lane_ring_count(lane->ring) == 0);
    if (seq <= lane->cursor)
        return;
    lane->cursor = seq;
    settle_cursor(s->opts.settle, lane_id, seq);
}

size_t sender_positions(const struct sender *s, struct publisher_position *out)
{
    for (size_t i = 0; i < s->lane_count; i++) {
        const struct lane *lane = s->lanes[i];
        out[i] = (struct publisher_position){.feed = lane->info.id,
                                             .seq = lane_ring_position(lane->ring, lane->cursor)};
    }
    return s->lane_count;
}

bool sender_may_repeat(const struct sender *s)
{
    for (size_t i = 0; i < s->lane_count; i++)
        if (s->lanes[i]->cursor < s->lanes[i]->repeat_until)
            return true;
    return false;
}

void sender_forget_repeats(struct sender *s)
{
    for (size_t i = 0; i < s->lane_count; i++)
        s->lanes[i]->repeat_until = 0;
}

void sender_suspect_all(struct sender *s)
{
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = s->lanes[i];
        lane->repeat_until = s->opts.start_seq;
        if (lane->mark_asked < s->opts.start_seq) {
            lane->mark_asked = s->opts.start_seq;
            settle_mark(s->opts.settle, lane->info.id, lane->mark_asked);
        }
    }
}

/* ---- reports ---- */

static void on_delivered(struct sender *s, struct lane *lane, int64_t seq)
{
    const struct forwarder_opts *opts = s->opts.forwarder;
    count_one(lane->published);
    FAILPOINT("sender.delivered");
    if (opts->on_delivered)
        opts->on_delivered(opts->on_delivered_arg, seq);
}

void sender_on_report(struct sender *s, const struct publisher_report *report)
{
    size_t place = sender_tag_place(report->tag);
    CHECK(place < s->lane_count);
    struct lane *lane = s->lanes[place];
    uint64_t serial = report->tag & ((1ull << SENDER_TAG_SERIAL_BITS) - 1);
    enum lane_entry_state state = report->surely_absent ? LANE_WAITS : LANE_UNSURE;
    int64_t seq;
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
    seq = lane_ring_report(lane->ring, serial, state);
    if (!seq)
        return;
    s->in_air--;
    if (state == LANE_DELIVERED)
        on_delivered(s, lane, seq);
    if (state == LANE_DELIVERED || state == LANE_TO_PARK)
        return;
    count_one(lane->retried);
    /* When it may go again is the publisher's to say: produce() and topic() refuse until then. */
    if (report->outcome == PUBLISHER_DENIED)
        log_warn("forwarder.denied", LOG_S("topic", lane->info.topic),
                 LOG_S("reason", report->reason));
}

void sender_on_settled(struct sender *s, int64_t lane_id, int64_t cursor, int64_t mark)
{
    struct lane *lane = lane_by_id(s, lane_id);
    if (cursor)
        lane->settled = cursor;
    if (mark)
        lane->mark = mark;
}

struct parking {
    struct sender *s;
    struct lane *lane;
};

static bool note_park(struct sender *s, struct lane *lane, int64_t seq)
{
    if (!settle_park(s->opts.settle, lane->info.id, seq, lane->park_reason))
        return false;
    count_one(lane->parked);
    log_error("forwarder.parked", LOG_I("seq", seq), LOG_S("topic", lane->info.topic),
              LOG_S("reason", lane->park_reason));
    return true;
}

static bool take_park(void *arg, int64_t seq)
{
    const struct parking *p = arg;
    struct lane *lane = p->lane;
    if (!p->s->opts.is_once)
        return note_park(p->s, lane, seq);
    /* In one settlement with the cursor: once the journal has one of them it has both. */
    if (lane->parking != seq && note_park(p->s, lane, seq)) {
        settle_cursor(p->s->opts.settle, lane->info.id, seq);
        lane->parking = seq;
    }
    return lane->settled >= seq;
}

static void advance(struct sender *s, struct lane *lane)
{
    struct parking parking = {s, lane};
    int64_t passed = lane_ring_advance(lane->ring, take_park, &parking);
    if (!passed)
        return;
    lane->cursor = passed;
    if (passed > lane->settled)
        settle_cursor(s->opts.settle, lane->info.id, passed);
    FAILPOINT("sender.cursor_gathered");
}

void sender_advance(struct sender *s)
{
    for (size_t i = 0; i < s->lane_count; i++)
        advance(s, s->lanes[i]);
}

/* ---- producing ---- */

/* Whether records of the lane may go now; notes why not. */
static bool is_open(struct sender *s, struct lane *lane)
{
    const char *reason = NULL;
    if (lane->state == LANE_PAUSED)
        return false;
    switch (s->publisher->ops->topic(s->publisher, lane->info.topic, &reason)) {
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
static bool is_marked(struct sender *s, struct lane *lane, int64_t seq)
{
    if (seq + JOURNAL_MARK_AHEAD / 2 > lane->mark_asked) {
        lane->mark_asked = seq + JOURNAL_MARK_AHEAD;
        settle_mark(s->opts.settle, lane->info.id, lane->mark_asked);
    }
    return seq <= lane->mark;
}

/* Whether this row of the lane may go now. */
static bool is_due(struct sender *s, struct lane *lane, int64_t seq)
{
    /* A read for a resend can reach beyond the rows that the ring holds. */
    if (lane_ring_is_at_tail(lane->ring) && lane_ring_room(lane->ring) == 0)
        return false;
    return s->opts.is_once ? !lane_ring_is_barred(lane->ring) : is_marked(s, lane, seq);
}

static void step(struct sender *s, struct lane *lane, enum lane_entry_state state)
{
    lane_ring_step(lane->ring, state);
    s->in_air += state == LANE_SENT;
}

/* Hands one row of a lane to the publisher (reading_opts.take). */
static enum reading_answer send_row(void *arg, size_t place, const struct journal_row *row)
{
    struct sender *s = arg;
    struct lane *lane = s->lanes[place];
    const struct record_origin origin = {s->opts.journal_id, lane->info.org, lane->info.source_name,
                                         lane->info.topic};
    struct err e = {0};
    uint64_t serial;
    bool repeat;
    if (!is_due(s, lane, row->seq))
        return READING_WAITS;
    if (!lane_ring_offer(lane->ring, row->seq, &serial))
        return READING_PASSED;
    repeat = row->seq <= lane->repeat_until || lane_ring_is_repeat(lane->ring);
    if (!row->intact) {
        lane_set_reason(lane->park_reason, "checksum mismatch: the row is damaged");
        step(s, lane, LANE_TO_PARK);
        return READING_PASSED;
    }
    record_build(&s->record, row, &origin, sender_tag(place, serial));
    if (repeat)
        record_label_repeat(&s->record);
    FAILPOINT("sender.producing");
    switch (s->publisher->ops->produce(s->publisher, &s->record.out, &e)) {
    case ST_OK:
        FAILPOINT("sender.produced");
        if (repeat)
            count_one(lane->labelled);
        step(s, lane, LANE_SENT);
        return READING_SENT;
    case ST_TOO_BIG:
    case ST_BAD_INPUT:
        lane_set_reason(lane->park_reason, e.text);
        step(s, lane, LANE_TO_PARK);
        return READING_PASSED;
    default:
        /* Full or not now: a report or a wake-up of the publisher brings the next turn. */
        return READING_REFUSED;
    }
}

/* How many rows of the lane may be read now (reading_opts.wanted). */
static size_t rows_wanted(void *arg, struct lane *lane)
{
    struct sender *s = arg;
    bool resend = lane_ring_has_resend(lane->ring);
    size_t want = resend ? lane_ring_count(lane->ring) : lane_ring_room(lane->ring);
    if (!(lane->may_have_rows || resend) || !want || !is_open(s, lane) ||
        lane_ring_must_wait(lane->ring) || (s->opts.is_once && lane_ring_is_barred(lane->ring)))
        return 0;
    return want;
}

size_t sender_send(struct sender *s, size_t room, bool *again)
{
    struct reading_turn turn = {.lane_count = s->lane_count, .room = room};
    struct err e = {0};
    if (!room)
        return 0;
    if (reading_take_turn(s->reading, &turn, &e) != ST_OK)
        die(s, &e);
    /* What was read can be finished already: refused for good, or in Kafka. */
    sender_advance(s);
    *again |= turn.again;
    return turn.sent;
}

size_t sender_in_air(const struct sender *s)
{
    return s->in_air;
}

bool sender_must_look_again(const struct sender *s)
{
    for (size_t i = 0; i < s->lane_count; i++)
        if (s->lanes[i]->state == LANE_PAUSED
                ? lane_ring_in_air(s->lanes[i]->ring) > 0
                : s->lanes[i]->state != LANE_OPEN && s->lanes[i]->may_have_rows)
            return true;
    return false;
}

/* ---- pauses ---- */

struct paused_set {
    struct sender *s;
    bool paused[JOURNAL_LANES_MAX];
};

static void on_pause(void *arg, const struct journal_pause *pause)
{
    struct paused_set *set = arg;
    for (size_t i = 0; i < set->s->lane_count; i++)
        set->paused[i] |= lane_is_in_scope(set->s->lanes[i], pause->scope);
}

void sender_read_pauses(struct sender *s)
{
    struct paused_set set = {.s = s};
    struct err e = {0};
    if (journal_read_pauses(s->opts.forwarder->reader, on_pause, &set, &e) != ST_OK) {
        die(s, &e);
        return;
    }
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = s->lanes[i];
        if (lane_set_paused(lane, set.paused[i], clock_mono(s->opts.forwarder->clock)))
            log_info(set.paused[i] ? "forwarder.lane_paused" : "forwarder.lane_resumed",
                     LOG_S("topic", lane->info.topic), LOG_S("source", lane->info.source_name));
    }
}

void sender_recall_paused(struct sender *s)
{
    struct mono now = clock_mono(s->opts.forwarder->clock);
    if (!s->publisher->ops->abandon)
        return;
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = s->lanes[i];
        if (lane->state != LANE_PAUSED || !lane_ring_in_air(lane->ring) ||
            now.ns < mono_add_ms(lane->paused_at, PAUSE_GRACE_MS).ns)
            continue;
        log_info("forwarder.paused_records_recalled", LOG_S("topic", lane->info.topic),
                 LOG_I("records", lane_ring_in_air(lane->ring)));
        s->publisher->ops->abandon(s->publisher);
        lane->paused_at = now;
        return;
    }
}

/* ---- life ---- */

static void create_metrics(struct sender *s, struct metrics *m)
{
    if (!m)
        return;
    s->published = metric_family(m, METRIC_COUNTER, "relay_published_total", "source,topic",
                                 "Events that Kafka confirmed");
    s->parked = metric_family(m, METRIC_COUNTER, "relay_parked_total", "source,topic",
                              "Events that Kafka will never take, parked for a person");
    s->labelled = metric_family(m, METRIC_COUNTER, "relay_possible_duplicates_total",
                                "source,topic", "Records sent with relay-possible-duplicate");
    s->retried = metric_family(m, METRIC_COUNTER, "relay_publish_retries_total", "source,topic",
                               "Records that came back undelivered and go again");
}

static struct reading *create_reading(struct sender *s)
{
    const struct forwarder_opts *opts = s->opts.forwarder;
    return reading_create(&(struct reading_opts){.reader = opts->reader,
                                                 .lanes = s->lanes,
                                                 .rows_max = opts->read_rows_max,
                                                 .bytes_max = opts->read_bytes_max,
                                                 .wanted = rows_wanted,
                                                 .take = send_row,
                                                 .arg = s});
}

struct sender *sender_create(const struct sender_opts *opts)
{
    struct sender *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->opts = *opts;
    s->publisher = opts->forwarder->publisher;
    s->reading = create_reading(s);
    if (!s->reading) {
        free(s);
        return NULL;
    }
    create_metrics(s, opts->forwarder->metrics);
    return s;
}

void sender_destroy(struct sender *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->lane_count; i++)
        lane_destroy(s->lanes[i]);
    reading_destroy(s->reading);
    free(s);
}
