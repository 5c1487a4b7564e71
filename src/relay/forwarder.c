/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/forwarder.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/thread.h"
#include "base/wakeup.h"
#include "relay/clearance.h"
#include "relay/forwarder_view.h"
#include "relay/replayer.h"
#include "relay/sender.h"
#include "relay/settle.h"
#include "relay/transaction.h"

/* How old the view of other threads may get. */
#define VIEW_MS 200
/* How often a wait is cut short while something may change without a wake-up. */
#define LOOK_AGAIN_MS 50

struct forwarder {
    struct forwarder_opts opts;
    struct thread_owner owner;
    struct wakeup wakeup;
    _Atomic bool notified;
    _Atomic bool pauses_changed;
    struct forwarder_view *view;
    struct mono view_due;
    struct settle *settle;
    struct settle_listener listener;
    struct sender *sender;
    struct replayer *replayer; /* NULL: no replays */
    struct clearance *clearance;
    struct transaction *transaction; /* NULL: at least once */
    char journal_id[64];
    int64_t start_seq; /* the newest event when the forwarder was made */
    bool finishing;
    bool cleared; /* records went, or may go */
};

/* ---- what comes in ---- */

static void on_settled_lane(void *arg, int64_t lane, int64_t cursor, int64_t mark)
{
    struct forwarder *f = arg;
    sender_on_settled(f->sender, lane, cursor, mark);
}

static void on_settled_delivery(void *arg)
{
    struct forwarder *f = arg;
    clearance_on_noted(f->clearance);
}

/* The copies that parked events left are read in the same turn. */
static void on_settled_parks(void *arg)
{
    struct forwarder *f = arg;
    f->notified = true;
}

static void on_report(void *arg, const struct publisher_report *report)
{
    struct forwarder *f = arg;
    if ((report->tag & REPLAYER_TAG) == REPLAYER_TAG)
        replayer_report(f->replayer, report->tag & ~REPLAYER_TAG, report);
    else
        sender_on_report(f->sender, report);
}

/* Records of all feeds without a report. */
static size_t in_air(const struct forwarder *f)
{
    return sender_in_air(f->sender) + (f->replayer ? replayer_in_air(f->replayer) : 0);
}

static bool is_dead(const struct forwarder *f, struct err *e)
{
    struct err unused;
    return sender_is_dead(f->sender, e) ||
           (f->replayer && replayer_is_dead(f->replayer, e ? e : &unused));
}

static bool is_settling(const struct forwarder *f)
{
    return settle_is_pending(f->settle) || (f->replayer && replayer_is_settling(f->replayer));
}

/* ---- the replay in a checkpoint ---- */

static size_t replay_position(void *arg, struct publisher_position *out, size_t max)
{
    struct forwarder *f = arg;
    return max && f->replayer && replayer_position(f->replayer, out) ? 1 : 0;
}

static void adopt_replay(void *arg, const struct publisher_position *position)
{
    struct forwarder *f = arg;
    if (f->replayer)
        replayer_adopt(f->replayer, position);
}

static void suspect_replays(void *arg)
{
    struct forwarder *f = arg;
    settle_suspect_replays(f->settle);
}

void forwarder_notify(struct forwarder *f)
{
    /* One write(2) for all that comes before the forwarder looks. */
    if (!atomic_exchange(&f->notified, true))
        wakeup_signal(&f->wakeup);
}

void forwarder_reload_pauses(struct forwarder *f)
{
    f->pauses_changed = true;
    forwarder_notify(f);
}

/* ---- the view of others ---- */

static void publish_view(struct forwarder *f)
{
    struct mono now = clock_mono(f->opts.clock);
    struct forwarder_kafka_view kafka = {0};
    struct lane *const *lanes;
    size_t count;
    if (now.ns < f->view_due.ns)
        return;
    f->view_due = mono_add_ms(now, VIEW_MS);
    clearance_show(f->clearance, &kafka);
    snprintf(kafka.state, sizeof kafka.state, "%s",
             f->opts.publisher->ops->state(f->opts.publisher, &kafka.connected));
    lanes = sender_lanes(f->sender, &count);
    forwarder_view_publish(f->view, lanes, count, &kafka);
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

/* How many records may go in this turn. */
static size_t room(struct forwarder *f)
{
    /* The commit's end is heard also in a turn that sends nothing. */
    size_t left = f->transaction ? transaction_room(f->transaction, in_air(f)) : SIZE_MAX;
    bool is_given = clearance_is_given(f->clearance);
    f->cleared |= is_given;
    return !f->finishing && is_given ? left : 0;
}

/* Lanes first, a replay takes what they leave. Returns how many records went. */
static size_t send_all(struct forwarder *f, bool *again)
{
    size_t may = room(f);
    size_t sent = sender_send(f->sender, may, again);
    /* Before the clearance a replay's place in Kafka is not known. */
    if (!f->replayer || !f->cleared)
        return sent;
    size_t before = replayer_in_air(f->replayer);
    *again |= replayer_step(f->replayer, may - sent);
    size_t after = replayer_in_air(f->replayer);
    return sent + (after > before ? after - before : 0);
}

bool forwarder_step(struct forwarder *f)
{
    struct publisher *publisher = f->opts.publisher;
    bool again = false;
    size_t sent;
    thread_owner_check(&f->owner);
    if (is_dead(f, NULL))
        return false;
    settle_take(f->settle, &f->listener);
    again |= publisher->ops->poll(publisher, on_report, f) > 0;
    if (atomic_exchange(&f->notified, false))
        sender_look(f->sender);
    if (atomic_exchange(&f->pauses_changed, false)) {
        sender_read_pauses(f->sender);
        if (f->replayer)
            replayer_reload(f->replayer);
    }
    /* What could not be read must decide nothing: without lanes nothing would seem to be a repeat.
     */
    if (is_dead(f, NULL))
        return false;
    sender_recall_paused(f->sender);
    sender_advance(f->sender);
    sent = send_all(f, &again);
    if (f->transaction)
        again |= transaction_end_turn(f->transaction, in_air(f), sent);
    settle_submit(f->settle, clock_mono(f->opts.clock));
    publish_view(f);
    return again && !is_dead(f, NULL);
}

static bool must_look_again(const struct forwarder *f)
{
    return clearance_must_look_again(f->clearance) || sender_must_look_again(f->sender) ||
           is_settling(f);
}

void forwarder_wait(struct forwarder *f, int timeout_ms)
{
    if (timeout_ms > LOOK_AGAIN_MS && must_look_again(f))
        timeout_ms = LOOK_AGAIN_MS;
    int replay_ms = f->replayer ? replayer_wait_ms(f->replayer) : -1;
    if (replay_ms >= 0 && replay_ms < timeout_ms)
        timeout_ms = replay_ms;
    struct pollfd fds[2] = {
        {.fd = f->wakeup.fd, .events = POLLIN},
        {.fd = f->opts.publisher->ops->wait_fd(f->opts.publisher), .events = POLLIN},
    };
    poll(fds, 2, timeout_ms);
    wakeup_clear(&f->wakeup);
}

void forwarder_finish(struct forwarder *f, int timeout_ms)
{
    struct mono until = mono_add_ms(clock_mono(f->opts.clock), timeout_ms);
    struct mono now = clock_mono(f->opts.clock);
    f->finishing = true;
    while (!is_dead(f, NULL) && (in_air(f) || is_settling(f)) && now.ns < until.ns) {
        forwarder_step(f);
        if (in_air(f) || is_settling(f))
            forwarder_wait(f, mono_until_ms(now, until, LOOK_AGAIN_MS));
        now = clock_mono(f->opts.clock);
    }
}

bool forwarder_is_settling(const struct forwarder *f)
{
    return is_settling(f);
}

bool forwarder_is_dead(const struct forwarder *f, struct err *e)
{
    return is_dead(f, e);
}

/* ---- life ---- */

static enum status create_replayer(struct forwarder *f, bool is_once, struct err *e)
{
    const struct replayer_opts opts = {.replays = f->opts.replays,
                                       .select = f->opts.select,
                                       .publisher = f->opts.publisher,
                                       .settle = f->settle,
                                       .clock = f->opts.clock,
                                       .journal_id = f->journal_id,
                                       .in_flight = f->opts.lane_in_flight,
                                       .metrics = f->opts.metrics,
                                       .transactional = is_once};
    return replayer_create(&f->replayer, &opts, e);
}

static enum status create_parts(struct forwarder *f, struct err *e)
{
    bool is_once = f->opts.publisher->ops->commit != NULL;
    const struct sender_opts sender = {.forwarder = &f->opts,
                                       .settle = f->settle,
                                       .journal_id = f->journal_id,
                                       .start_seq = f->start_seq,
                                       .is_once = is_once};
    f->sender = sender_create(&sender);
    if (!f->sender)
        return err_set(e, ST_NO_MEM, "forwarder: out of memory");
    const struct transaction_opts transaction = {.publisher = f->opts.publisher,
                                                 .sender = f->sender,
                                                 .reader = f->opts.reader,
                                                 .records_max = f->opts.transaction_records_max,
                                                 .other_feeds = replay_position,
                                                 .arg = f};
    if (is_once && !(f->transaction = transaction_create(&transaction)))
        return err_set(e, ST_NO_MEM, "forwarder: out of memory");
    const struct clearance_opts clearance = {.forwarder = &f->opts,
                                             .settle = f->settle,
                                             .sender = f->sender,
                                             .start_seq = f->start_seq,
                                             .is_once = is_once,
                                             .on_other_feed = adopt_replay,
                                             .on_suspect = suspect_replays,
                                             .arg = f};
    enum status st = f->opts.replays ? create_replayer(f, is_once, e) : ST_OK;
    if (st != ST_OK)
        return st;
    return clearance_create(&f->clearance, &clearance, e);
}

enum status forwarder_create(struct forwarder **out, const struct forwarder_opts *opts,
                             struct err *e)
{
    enum status st;
    struct forwarder *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(e, ST_NO_MEM, "forwarder: out of memory");
    f->opts = *opts;
    if (!f->opts.transaction_records_max)
        f->opts.transaction_records_max = FORWARDER_TRANSACTION_RECORDS;
    f->wakeup.fd = -1;
    f->notified = true;
    f->pauses_changed = true;
    f->listener =
        (struct settle_listener){on_settled_lane, on_settled_delivery, on_settled_parks, f};
    f->view = forwarder_view_create();
    st = f->view ? wakeup_init(&f->wakeup, e) : err_set(e, ST_NO_MEM, "forwarder: out of memory");
    if (st == ST_OK)
        st = settle_create(&f->settle, opts->committer, &f->wakeup, e);
    if (st == ST_OK)
        st = journal_read_last_seq(opts->reader, &f->start_seq, e);
    if (st == ST_OK)
        st = journal_read_meta(opts->reader, "journal_id", f->journal_id, sizeof f->journal_id, e);
    if (st == ST_OK)
        st = create_parts(f, e);
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
    clearance_destroy(f->clearance);
    transaction_destroy(f->transaction);
    sender_destroy(f->sender);
    replayer_destroy(f->replayer);
    settle_destroy(f->settle);
    forwarder_view_destroy(f->view);
    wakeup_fini(&f->wakeup);
    free(f);
}
