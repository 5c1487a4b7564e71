/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/replayer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/rate.h"
#include "relay/record.h"
#include "relay/replay_air.h"
#include "relay/replay_metrics.h"
#include "relay/replay_place.h"
#include "relay/replay_told.h"

/* One turn: small, because live lanes wait for it on the same thread. */
#define TURN_ROWS  256
#define TURN_BYTES (1u << 20)
#define TURN_SCAN  1000

/* How often something is looked at again that changes without a wake-up. */
#define LOOK_AGAIN_MS 50
/* How long records may be in the air after a pause or a cancel before the publisher is told to give
 * them back. */
#define HOLD_GRACE_MS 500

struct replayer {
    struct replayer_opts opts;
    struct replay_air *air;
    struct lane_ring *ring; /* the one of air */
    bool must_reload;
    bool is_dead;
    struct err death;

    bool has;          /* everything below is of this replay */
    struct replay job; /* position, mark, published and failed are kept up to date */
    struct selection which;
    int64_t scanned;       /* every selected row up to it was offered to the ring */
    int64_t resend_looked; /* the same of the pass that sends again */
    int64_t mark_asked;    /* job.mark is the committed one */
    int64_t repeat_until;  /* rows up to it may have been sent by a process before */
    int64_t skip_until;    /* exactly once: Kafka has those up to it */
    int64_t refused;       /* exactly once: the last one that was refused and is counted; 0: none */
    uint64_t refused_told; /* the serial of the progress that says so; 0: not told yet */
    bool is_leaving;
    bool is_over;
    enum replays_state end; /* with is_over */
    bool is_held;           /* an operator's pause is why it waits */
    struct mono hold_due;   /* when what is in the air is called back; 0: not set */
    struct mono retry_at;
    struct mono waits_since;
    struct replay_told told;
    struct rate rate;

    struct publisher_position adopted; /* feed 0: none */
    struct record record;              /* scratch */
    struct replay_metrics metrics;
};

static struct mono now_of(const struct replayer *r)
{
    return clock_mono(r->opts.clock);
}

static void die(struct replayer *r, const struct err *e)
{
    r->is_dead = true;
    r->death = *e;
}

/* ---- why it waits ---- */

static void set_waits(struct replayer *r, const char *reason)
{
    char text[REPLAYS_REASON_MAX + 1];
    snprintf(text, sizeof text, "%.*s", REPLAYS_REASON_MAX, reason);
    if (strcmp(text, r->job.waits) == 0)
        return;
    memcpy(r->job.waits, text, sizeof text);
    r->waits_since = now_of(r);
}

/* Always false: the caller's row must wait. */
static bool wait_for(struct replayer *r, const char *reason)
{
    set_waits(r, reason);
    r->retry_at = mono_add_ms(now_of(r), LOOK_AGAIN_MS);
    return false;
}

static void set_failure(struct replayer *r, int64_t seq, const char *reason)
{
    snprintf(r->job.failure, sizeof r->job.failure, "event %" PRId64 ": %.*s", seq,
             REPLAYS_REASON_MAX - 32, reason ? reason : "refused");
}

/* ---- what is finished ---- */

static void count_failed(struct replayer *r, int64_t failed)
{
    r->job.failed += failed;
    replay_metrics_add(r->metrics.failed, failed);
}

/*
 * Exactly once: as a park is for a lane, a refused record is a barrier until the journal has
 * counted it. A checkpoint behind it would make a start that lost the count take it for published.
 */
static int64_t counted(const struct replayer *r)
{
    if (!r->opts.transactional)
        return INT64_MAX;
    return r->refused_told && r->told.settled >= r->refused_told ? r->refused : 0;
}

static void advance(struct replayer *r)
{
    struct replay_air_passed passed = replay_air_advance(r->air, r->job.last, counted(r));
    r->job.published += passed.published;
    if (!r->opts.transactional)
        count_failed(r, passed.failed);
    if (passed.waits > r->refused) {
        count_failed(r, 1);
        r->refused = passed.waits;
        r->refused_told = 0;
    }
    if (!lane_ring_count(r->ring))
        passed.seq = r->scanned;
    if (passed.seq > r->job.position)
        r->job.position = passed.seq;
}

void replayer_report(struct replayer *r, uint64_t serial, const struct publisher_report *report)
{
    enum lane_entry_state state = report->surely_absent ? LANE_WAITS : LANE_UNSURE;
    int64_t seq;
    if (!r->has)
        return;
    if (report->outcome == PUBLISHER_DELIVERED)
        state = LANE_DELIVERED;
    else if (report->outcome == PUBLISHER_REJECTED)
        state = LANE_TO_PARK;
    else
        r->resend_looked = 0;
    seq = replay_air_report(r->air, serial, state);
    if (!seq)
        return;
    if (state == LANE_DELIVERED) {
        replay_metrics_add(r->metrics.published, 1);
    } else if (state == LANE_TO_PARK) {
        set_failure(r, seq, report->reason);
    } else if (report->outcome == PUBLISHER_DENIED) {
        wait_for(r, report->reason ? report->reason : "Kafka does not allow it now");
    }
}

/* ---- sending ---- */

/* Whether the committed mark covers seq; asks for a further one in time. */
static bool is_marked(struct replayer *r, int64_t seq)
{
    if (r->opts.transactional)
        return true;
    if (seq + JOURNAL_MARK_AHEAD / 2 > r->mark_asked) {
        int64_t ask = seq + JOURNAL_MARK_AHEAD;
        r->mark_asked = ask < r->job.last ? ask : r->job.last;
    }
    return seq <= r->job.mark;
}

/* Whether the row may go now, as far as operators and its lane are concerned; notes why not. */
static bool is_due(struct replayer *r, const struct journal_selected *row)
{
    char text[REPLAYS_REASON_MAX + 1];
    r->is_held = row->is_paused;
    if (row->is_paused) {
        snprintf(text, sizeof text, "a pause holds topic %.100s of source %.40s", row->topic,
                 row->source);
        return wait_for(r, text);
    }
    if (row->is_unpublished) {
        snprintf(text, sizeof text, "event %" PRId64 " waits to be published for the first time",
                 row->row.seq);
        return wait_for(r, text);
    }
    return true;
}

static bool is_ready(struct replayer *r, const char *topic)
{
    const char *reason = NULL;
    char text[REPLAYS_REASON_MAX + 1];
    if (r->opts.publisher->ops->topic(r->opts.publisher, topic, &reason) == PUBLISHER_TOPIC_READY)
        return true;
    snprintf(text, sizeof text, "topic %.80s: %.100s", topic,
             reason ? reason : "it is being looked up");
    return wait_for(r, text);
}

/* Hands the offered row to the publisher. False: it is offered again later. */
static bool produce(struct replayer *r, const struct journal_selected *row, const char *topic,
                    uint64_t serial)
{
    const struct record_origin origin = {r->opts.journal_id, row->org, row->source, topic};
    bool is_repeat = row->row.seq <= r->repeat_until || lane_ring_is_repeat(r->ring);
    struct err e = {0};
    record_build(&r->record, &row->row, &origin, REPLAYER_TAG | serial);
    record_label_replay(&r->record, r->job.id);
    if (is_repeat)
        record_label_repeat(&r->record);
    switch (r->opts.publisher->ops->produce(r->opts.publisher, &r->record.out, &e)) {
    case ST_OK:
        if (is_repeat)
            replay_metrics_add(r->metrics.labelled, 1);
        rate_take(&r->rate);
        set_waits(r, "");
        lane_ring_step(r->ring, LANE_SENT);
        return true;
    case ST_TOO_BIG:
    case ST_BAD_INPUT:
        set_failure(r, row->row.seq, e.text);
        lane_ring_step(r->ring, LANE_TO_PARK);
        return true;
    default:
        return wait_for(r, e.text[0] ? e.text : "Kafka takes nothing now");
    }
}

/* False: stop here; the row is read again later. */
static bool send_row(struct replayer *r, const struct journal_selected *row)
{
    const char *topic = r->job.topic[0] ? r->job.topic : row->topic;
    int64_t seq = row->row.seq;
    uint64_t serial;
    /* A read for a resend can reach beyond what the ring holds. */
    if (lane_ring_is_at_tail(r->ring) && !replay_air_room(r->air))
        return false;
    /* As for a lane: no checkpoint may pass a record that was refused before it is counted. */
    if (r->opts.transactional && lane_ring_is_barred(r->ring))
        return false;
    if (seq <= r->skip_until) {
        replay_air_step_over(r->air, seq);
        return true;
    }
    if (!is_due(r, row) || !is_marked(r, seq) || !is_ready(r, topic))
        return false;
    if (!replay_air_offer(r->air, seq, &serial))
        return true;
    if (!row->row.intact) {
        set_failure(r, seq, "checksum mismatch: the row is damaged");
        lane_ring_step(r->ring, LANE_TO_PARK);
        return true;
    }
    return produce(r, row, topic, serial);
}

static int64_t read_after(const struct replayer *r)
{
    bool is_at_tail = lane_ring_is_at_tail(r->ring);
    int64_t after = lane_ring_read_after(r->ring, r->scanned);
    int64_t looked = is_at_tail ? r->scanned : r->resend_looked;
    return after > looked ? after : looked;
}

static void note_looked(struct replayer *r, int64_t seq)
{
    if (seq > r->scanned)
        r->scanned = seq;
    if (seq > r->resend_looked)
        r->resend_looked = seq;
}

/* How many rows this turn may take. */
static size_t budget(struct replayer *r, size_t room)
{
    size_t most = r->job.waits[0] ? 1 : TURN_ROWS, left = rate_tokens(&r->rate, now_of(r));
    most = most < room ? most : room;
    most = most < left ? most : left;
    if (lane_ring_is_at_tail(r->ring)) {
        left = replay_air_room(r->air);
        most = most < left ? most : left;
    }
    return most;
}

/* Kafka has rows that the journal does not know published. */
static bool is_behind(const struct replayer *r)
{
    return !r->is_over && r->scanned < r->skip_until;
}

/* True when more could go at once. */
static bool send(struct replayer *r, size_t room)
{
    const struct journal_select_range range = {.which = &r->which,
                                               .after = read_after(r),
                                               .last = r->is_leaving ? r->skip_until : r->job.last,
                                               .scan = TURN_SCAN,
                                               .max_rows = budget(r, room),
                                               .max_bytes = TURN_BYTES};
    struct journal_selected *rows, *row;
    struct journal_select_end end;
    struct err e = {0};
    bool all_sent = true;
    if (now_of(r).ns < r->retry_at.ns || lane_ring_must_wait(r->ring) || !range.max_rows)
        return false;
    if (range.after >= range.last) {
        r->scanned = range.last;
        replay_air_close(r->air, range.last);
        return false;
    }
    if (journal_select_rows(r->opts.select, &range, &rows, &end, &e) != ST_OK) {
        die(r, &e);
        return false;
    }
    for (row = rows; row && all_sent; row = row->next) {
        all_sent = send_row(r, row);
        note_looked(r, all_sent ? row->row.seq : row->row.seq - 1);
    }
    journal_select_free(rows);
    if (!all_sent)
        return false;
    note_looked(r, end.looked);
    if (!rows)
        r->is_held = false;
    return true;
}

/* ---- coming and going ---- */

static void begin(struct replayer *r, const struct replay *job)
{
    struct err e = {0};
    r->has = true;
    r->job = *job;
    r->scanned = job->position;
    r->resend_looked = 0;
    r->mark_asked = r->repeat_until = job->mark;
    r->skip_until = replay_place_is_of(&r->adopted, job) ? r->adopted.seq : 0;
    r->adopted.feed = 0;
    r->refused = 0;
    r->refused_told = 0;
    r->is_leaving = r->is_over = r->is_held = false;
    r->hold_due = r->retry_at = (struct mono){0};
    r->waits_since = now_of(r);
    replay_told_begin(&r->told, job, r->waits_since);
    rate_init(&r->rate, job->rate, r->waits_since);
    log_info("replay.runs", LOG_I("replay", job->id), LOG_I("position", job->position),
             LOG_I("last", job->last));
    if (selection_parse(&r->which, slice_of(job->selection), &e) == ST_OK)
        return;
    snprintf(r->job.failure, sizeof r->job.failure, "its selection cannot be read: %.150s", e.text);
    r->is_over = true;
    r->end = REPLAYS_FAILED;
}

static void leave(struct replayer *r)
{
    /* Out of memory: it is tried again. */
    if (!replay_air_clear(r->air))
        return;
    r->ring = replay_air_ring(r->air);
    log_info(
        "replay.stops", LOG_I("replay", r->job.id), LOG_I("position", r->job.position),
        LOG_I("published", r->job.published), LOG_I("failed", r->job.failed),
        LOG_S("state", r->is_over ? replays_state_name(r->end) : "paused, cancelled or behind"));
    r->has = false;
    r->must_reload = true;
}

/* It is not its turn, and the next checkpoint has no place for it: the journal gets it. */
static void settle_adopted(struct replayer *r)
{
    struct replay adopted;
    struct err e = {0};
    enum status st = replays_one(r->opts.replays, -r->adopted.feed, &adopted, &e);
    if (st == ST_OK && adopted.state <= REPLAYS_PAUSED && adopted.position < r->adopted.seq)
        begin(r, &adopted);
    else if (st != ST_OK && st != ST_NOT_FOUND)
        die(r, &e);
    r->adopted.feed = 0;
    r->is_leaving = r->has;
}

/* Reads whose turn it is. */
static void look(struct replayer *r)
{
    struct replay first;
    struct err e = {0};
    enum status st = replays_first(r->opts.replays, &first, &e);
    r->must_reload = false;
    if (st != ST_OK && st != ST_NOT_FOUND) {
        die(r, &e);
        return;
    }
    /* A pause may have ended. */
    r->retry_at = (struct mono){0};
    if (!r->has && r->adopted.feed && (st != ST_OK || first.id != -r->adopted.feed))
        settle_adopted(r);
    if (!r->has && st == ST_OK)
        begin(r, &first);
    else if (r->has && (st != ST_OK || first.id != r->job.id))
        r->is_leaving = true;
}

/* With a refused record that is counted, though the ring has not passed it. */
static int64_t position_to_tell(const struct replayer *r)
{
    return r->refused > r->job.position ? r->refused : r->job.position;
}

/* Has its progress written, at once or, when it can wait, with less haste. */
static void tell(struct replayer *r)
{
    struct replays_progress p = {.id = r->job.id,
                                 .position = position_to_tell(r),
                                 .mark = r->mark_asked,
                                 .published = r->job.published,
                                 .failed = r->job.failed,
                                 .is_over = r->is_over,
                                 .end = r->end};
    const struct replay_telling telling = {.progress = &p,
                                           .is_urgent = r->is_leaving || r->is_over,
                                           .waits_since = r->waits_since,
                                           .now = now_of(r)};
    memcpy(p.failure, r->job.failure, sizeof p.failure);
    if (!r->is_leaving && !r->is_over)
        memcpy(p.waits, r->job.waits, sizeof p.waits);
    if (replay_told_tell(&r->told, r->opts.settle, &telling) && r->refused && !r->refused_told)
        r->refused_told = p.serial;
}

static void on_settled(void *arg, const struct replays_progress *progress)
{
    struct replayer *r = arg;
    if (!r->has || progress->id != r->job.id)
        return;
    replay_told_settled(&r->told, progress->serial);
    r->job.mark = progress->mark;
}

/* Records that a pause or a cancel found in the air wait in the client library for a broker. After
 * a grace time the publisher gives everything back, lanes send theirs again. */
static void recall(struct replayer *r)
{
    const struct publisher_ops *ops = r->opts.publisher->ops;
    struct mono now = now_of(r);
    if (!(r->is_leaving || r->is_held) || !lane_ring_in_air(r->ring)) {
        r->hold_due = (struct mono){0};
        return;
    }
    if (!r->hold_due.ns) {
        r->hold_due = mono_add_ms(now, HOLD_GRACE_MS);
    } else if (now.ns >= r->hold_due.ns && ops->abandon) {
        ops->abandon(r->opts.publisher);
        r->hold_due = mono_add_ms(now, HOLD_GRACE_MS);
    }
}

static void check_end(struct replayer *r)
{
    if (!r->is_over && r->scanned >= r->job.last && !lane_ring_count(r->ring)) {
        r->is_over = true;
        r->end = REPLAYS_DONE;
    }
    /* All that this process sent is done: it goes on from here without labels, but for what the
     * process before may have sent. */
    if (r->is_leaving && !r->is_over && !lane_ring_count(r->ring))
        r->mark_asked = r->repeat_until > r->job.position ? r->repeat_until : r->job.position;
}

bool replayer_step(struct replayer *r, size_t room)
{
    bool again = false;
    if (r->is_dead)
        return false;
    if (r->has)
        advance(r);
    if (r->must_reload)
        look(r);
    if (!r->has || r->is_dead)
        return false;
    if (room && !r->is_over && (!r->is_leaving || is_behind(r)))
        again = send(r, room);
    if (r->is_dead)
        return false;
    advance(r);
    check_end(r);
    recall(r);
    tell(r);
    if ((r->is_leaving || r->is_over) && !is_behind(r) && !lane_ring_in_air(r->ring) &&
        !replayer_is_settling(r)) {
        leave(r);
        again = true;
    }
    return again;
}

/* ---- for the forwarder ---- */

void replayer_reload(struct replayer *r)
{
    r->must_reload = true;
}

bool replayer_position(const struct replayer *r, struct publisher_position *out)
{
    int64_t seq;
    if (!r->has)
        return false;
    seq = lane_ring_position(r->ring, r->job.position);
    *out = replay_place(&r->job, seq < r->skip_until ? r->skip_until : seq);
    return true;
}

void replayer_adopt(struct replayer *r, const struct publisher_position *position)
{
    CHECK(!r->has);
    r->adopted = *position;
}

size_t replayer_in_air(const struct replayer *r)
{
    return lane_ring_in_air(r->ring);
}

bool replayer_is_settling(const struct replayer *r)
{
    return r->has && replay_told_is_settling(&r->told);
}

static int sooner(int wait_ms, int other_ms)
{
    return wait_ms < 0 || other_ms < wait_ms ? other_ms : wait_ms;
}

int replayer_wait_ms(const struct replayer *r)
{
    struct mono now = now_of(r);
    int wait_ms = -1;
    if (r->is_dead)
        return -1;
    if (r->must_reload)
        return 0;
    if (!r->has)
        return -1;
    /* Something is not told yet, held back, or waited for. */
    if (r->hold_due.ns || r->told.last.position != r->job.position ||
        strcmp(r->told.last.waits, r->job.waits) != 0)
        wait_ms = LOOK_AGAIN_MS;
    if (r->retry_at.ns > now.ns)
        return sooner(wait_ms, mono_until_ms(now, r->retry_at, LOOK_AGAIN_MS));
    if (r->retry_at.ns)
        wait_ms = sooner(wait_ms, LOOK_AGAIN_MS);
    if (r->job.rate && !r->is_leaving && !r->is_over && replay_air_room(r->air))
        wait_ms = sooner(wait_ms, rate_wait_ms(&r->rate));
    return wait_ms;
}

bool replayer_is_dead(const struct replayer *r, struct err *e)
{
    if (r->is_dead)
        *e = r->death;
    return r->is_dead;
}

/* ---- life ---- */

enum status replayer_create(struct replayer **out, const struct replayer_opts *opts, struct err *e)
{
    struct replayer *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, ST_NO_MEM, "replayer: out of memory");
    r->opts = *opts;
    r->must_reload = true;
    r->air = replay_air_create(opts->in_flight);
    if (!r->air) {
        free(r);
        return err_set(e, ST_NO_MEM, "replayer: out of memory");
    }
    r->ring = replay_air_ring(r->air);
    settle_listen_replay(opts->settle, on_settled, r);
    replay_metrics_init(&r->metrics, opts->metrics);
    *out = r;
    return ST_OK;
}

void replayer_destroy(struct replayer *r)
{
    if (!r)
        return;
    settle_listen_replay(r->opts.settle, NULL, NULL);
    replay_air_destroy(r->air);
    free(r);
}
