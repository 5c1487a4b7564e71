/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include "http_conn.h"
#include "status_file.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* One turn takes at most so many events, so that a due request never waits for long behind answers.
 */
#define EVENTS_MAX     256
#define TICK_MS        10
#define STATUS_FILE_MS 50
#define SIGNAL_TAG     UINT32_MAX

enum phase {
    PHASE_OPENING,
    PHASE_LOAD,
    PHASE_DRAIN,
};

enum slot_state {
    SLOT_CLOSED, /* connects again at `due` */
    SLOT_CONNECTING,
    SLOT_IDLE,
    SLOT_BUSY,
    SLOT_PAUSED, /* connected; sends its request again at `due` */
    SLOT_DEAD,   /* failed for good */
};

/* One connection and its request, if it has one. A request outlives its connection when it is
 * retried. */
struct slot {
    struct http_conn *conn;
    enum slot_state state;
    bool is_listed; /* in the list of idle slots */
    bool has_request;
    int refused_status; /* the answer that a PAUSED or CLOSED request had; 0 for none */
    struct bodies_event event;
    struct mono clock_from; /* where its latency starts */
    struct mono first_sent;
    struct mono answered; /* of refused_status */
    struct mono waits_since;
    struct mono due;
};

struct engine {
    struct engine_parts in;
    const struct options *o;
    struct tally *tally;
    int epoll_fd;
    int signal_fd;
    enum phase phase;
    unsigned signals;
    struct slot *slot;
    uint32_t pending; /* slots with a request */
    /* A ring of indices of idle slots, oldest first. Entries whose slot is not idle any more are
     * skipped. */
    uint32_t *idle;
    uint32_t idle_at;
    uint32_t idle_count;
    int64_t wall_minus_mono_us;
    struct mono opened;
    struct mono load_end;
    struct mono drain_end;
    struct mono next_tick;
    struct mono next_status;
};

static struct wall wall_of(const struct engine *e, struct mono t)
{
    return (struct wall){t.ns / 1000 + e->wall_minus_mono_us};
}

/* When request number i (from 0) is due in the open loop; the product stays below 2^63 for every
 * rate. */
static struct mono arrival(const struct engine *e, uint64_t i)
{
    uint64_t rate = e->o->rate;
    CHECK(rate > 0);
    uint64_t ns = i / rate * (uint64_t)INSTANT_NS_PER_S;
    ns += i % rate * (uint64_t)INSTANT_NS_PER_S / rate;
    return instant_add_ns(e->tally->start, (int64_t)ns);
}

static bool has_all_requests(const struct engine *e)
{
    return e->o->requests > 0 && e->tally->sent >= e->o->requests;
}

static bool is_request_due(const struct engine *e, struct mono now)
{
    if (e->phase != PHASE_LOAD || has_all_requests(e))
        return false;
    if (e->o->rate == 0)
        return !instant_reached(now, e->load_end);
    struct mono due = arrival(e, e->tally->sent);
    return instant_reached(now, due) && !instant_reached(due, e->load_end);
}

static void list_idle(struct engine *e, struct slot *s)
{
    s->state = SLOT_IDLE;
    if (s->is_listed)
        return;
    s->is_listed = true;
    CHECK(e->idle_count < e->o->connections);
    e->idle[(e->idle_at + e->idle_count) % e->o->connections] = (uint32_t)(s - e->slot);
    e->idle_count++;
}

static struct slot *unlist_idle(struct engine *e)
{
    while (e->idle_count > 0) {
        struct slot *s = &e->slot[e->idle[e->idle_at]];
        e->idle_at = (e->idle_at + 1) % e->o->connections;
        e->idle_count--;
        s->is_listed = false;
        if (s->state == SLOT_IDLE)
            return s;
    }
    return NULL;
}

static void start_request(struct engine *e, struct slot *s, struct mono now)
{
    char *body = http_conn_buffer(s->conn) + TARGET_HEAD_MAX;
    uint32_t index = (uint32_t)(s - e->slot);
    uint32_t key = e->o->key_per_connection
                       ? bodies_draw_key(e->in.bodies, index, e->o->connections)
                       : bodies_draw_key(e->in.bodies, 0, 1);
    size_t body_len = bodies_render(e->in.bodies, key, wall_of(e, now), body, &s->event);
    if (!target_has_body(e->in.target))
        body_len = 0;
    size_t head_len = target_put_head(e->in.target, body, body_len);
    s->first_sent = s->waits_since = instant_mono();
    s->clock_from = e->o->rate > 0 ? arrival(e, e->tally->sent) : s->first_sent;
    s->has_request = true;
    s->refused_status = 0;
    s->state = SLOT_BUSY;
    e->pending++;
    e->tally->sent++;
    http_conn_send(s->conn, TARGET_HEAD_MAX - head_len, head_len + body_len);
}

/* Gives a connected slot without a request under way something to do. */
static void feed(struct engine *e, struct slot *s, struct mono now)
{
    if (s->has_request) {
        s->state = SLOT_BUSY;
        s->refused_status = 0;
        s->waits_since = now;
        e->tally->resent++;
        http_conn_send_again(s->conn);
    } else if (is_request_due(e, now)) {
        start_request(e, s, now);
    } else {
        list_idle(e, s);
    }
}

static void finish_request(struct engine *e, struct slot *s, int status, struct mono now)
{
    char seq[HTTP_ANSWER_SEQ_MAX + 1] = "";
    s->has_request = false;
    e->pending--;
    if (status == LEDGER_UNANSWERED)
        e->tally->unanswered++;
    else if (status < 200 || status > 299)
        e->tally->refused++;
    else
        http_answer_seq(http_conn_answer(s->conn), seq);
    if (e->in.ledger == NULL)
        return;
    const struct ledger_line line = {
        .id = s->event.id,
        .status = status,
        .seq = seq,
        .key = s->event.key,
        .n = s->event.n,
        .sent = wall_of(e, s->first_sent),
        .answered = wall_of(e, now),
    };
    ledger_add(e->in.ledger, &line);
}

/* The connection of s is closed, and not because an answer asked for it. */
static void lose(struct engine *e, struct slot *s, enum http_conn_trouble trouble, struct mono now)
{
    struct tally *t = e->tally;
    bool was_busy = s->state == SLOT_BUSY;
    bool is_harmless = trouble == HTTP_CONN_ENDED && !was_busy;
    t->connect_failed += trouble == HTTP_CONN_REFUSED;
    t->broken += was_busy;
    t->idle_closed += is_harmless;
    if (trouble == HTTP_CONN_BAD) {
        t->bad_answers++;
        if (t->bad_why == NULL)
            t->bad_why = http_conn_why(s->conn);
    }
    s->state = e->o->reconnect || is_harmless ? SLOT_CLOSED : SLOT_DEAD;
    s->due = instant_add_ms(now, e->o->retry_ms);
    if (was_busy && !e->o->retry_unanswered)
        finish_request(e, s, LEDGER_UNANSWERED, now);
}

static void take_event(struct engine *e, struct slot *s, enum http_conn_event event);

static void open_slot(struct engine *e, struct slot *s, struct mono now)
{
    s->state = SLOT_CONNECTING;
    s->waits_since = now;
    take_event(e, s, http_conn_open(s->conn, target_address(e->in.target)));
}

static void take_answer(struct engine *e, struct slot *s, struct mono now)
{
    int status = http_conn_answer(s->conn)->status;
    bool is_2xx = status >= 200 && status <= 299;
    bool is_open = http_conn_is_open(s->conn);
    tally_answer(e->tally, status, now);
    if (is_2xx)
        histogram_add(e->tally->latency, instant_us(s->clock_from, now));
    if (!is_2xx && e->o->retry_unanswered) {
        s->refused_status = status;
        s->answered = now;
        s->state = is_open ? SLOT_PAUSED : SLOT_CLOSED;
        s->due = instant_add_ms(now, e->o->retry_ms);
        return;
    }
    finish_request(e, s, status, now);
    if (is_open)
        feed(e, s, now);
    else if (e->phase == PHASE_DRAIN)
        s->state = SLOT_CLOSED;
    else
        open_slot(e, s, now);
}

static void take_event(struct engine *e, struct slot *s, enum http_conn_event event)
{
    switch (event) {
    case HTTP_CONN_NOTHING:
        break;
    case HTTP_CONN_OPENED:
        feed(e, s, instant_mono());
        break;
    case HTTP_CONN_ANSWERED:
        take_answer(e, s, instant_mono());
        break;
    case HTTP_CONN_BROKEN:
        lose(e, s, http_conn_trouble(s->conn), instant_mono());
        break;
    }
}

static void check_timers(struct engine *e, struct slot *s, struct mono now)
{
    bool is_due = instant_reached(now, s->due);
    switch (s->state) {
    case SLOT_CLOSED:
        if (is_due && (s->has_request || e->phase != PHASE_DRAIN))
            open_slot(e, s, now);
        break;
    case SLOT_PAUSED:
        if (is_due)
            feed(e, s, now);
        break;
    case SLOT_BUSY:
    case SLOT_CONNECTING:
        if (!instant_reached(now, instant_add_ms(s->waits_since, e->o->timeout_ms)))
            break;
        http_conn_close(s->conn);
        e->tally->timed_out += s->state == SLOT_BUSY;
        lose(e, s, s->state == SLOT_BUSY ? HTTP_CONN_ENDED : HTTP_CONN_REFUSED, now);
        break;
    case SLOT_IDLE:
    case SLOT_DEAD:
        break;
    }
}

static bool has_slot_in(const struct engine *e, enum slot_state state)
{
    for (uint32_t i = 0; i < e->o->connections; i++)
        if (e->slot[i].state == state)
            return true;
    return false;
}

static bool are_all_dead(const struct engine *e)
{
    for (uint32_t i = 0; i < e->o->connections; i++)
        if (e->slot[i].state != SLOT_DEAD)
            return false;
    return true;
}

static void begin_load(struct engine *e, struct mono now)
{
    e->phase = PHASE_LOAD;
    e->tally->start = e->tally->last_answer = now;
    e->load_end = instant_add_ms(now, e->o->duration_ms);
    e->drain_end = instant_add_ms(e->load_end, e->o->drain_ms);
}

/* The number of requests that the schedule of the open loop has before `end`. */
static uint64_t due_before(const struct engine *e, struct mono end)
{
    uint64_t ns = (uint64_t)(end.ns - e->tally->start.ns);
    uint64_t rate = e->o->rate;
    uint64_t second = (uint64_t)INSTANT_NS_PER_S;
    uint64_t due = ns / second * rate + (ns % second * rate + second - 1) / second;
    return e->o->requests > 0 && due > e->o->requests ? e->o->requests : due;
}

static void begin_drain(struct engine *e, struct mono now)
{
    struct mono end = instant_reached(now, e->load_end) ? e->load_end : now;
    e->phase = PHASE_DRAIN;
    if (e->o->rate > 0 && due_before(e, end) > e->tally->sent)
        e->tally->unsent = due_before(e, end) - e->tally->sent;
    if (e->signals > 0)
        e->drain_end = instant_add_ms(now, e->o->drain_ms);
}

/* Moves to the next phase when it is time. Returns false at the end of the run. */
static bool move_phase(struct engine *e, struct mono now)
{
    struct mono opening_end = instant_add_ms(e->opened, ENGINE_OPENING_MAX_MS);
    if (e->phase == PHASE_OPENING &&
        (instant_reached(now, opening_end) || !has_slot_in(e, SLOT_CONNECTING)))
        begin_load(e, now);
    if (e->phase == PHASE_LOAD &&
        (e->signals > 0 || has_all_requests(e) || instant_reached(now, e->load_end)))
        begin_drain(e, now);
    if (e->phase != PHASE_DRAIN)
        return true;
    return e->pending > 0 && e->signals < 2 && !instant_reached(now, e->drain_end);
}

static bool tick(struct engine *e, struct mono now, struct fail *f)
{
    e->next_tick = instant_add_ms(now, TICK_MS);
    /* Nothing is sent again in the turn that ends the run: nobody would wait for the answer. */
    bool is_ending = e->phase == PHASE_DRAIN && instant_reached(now, e->drain_end);
    for (uint32_t i = 0; i < e->o->connections && !is_ending; i++)
        check_timers(e, &e->slot[i], now);
    if (e->phase == PHASE_LOAD && are_all_dead(e))
        begin_drain(e, now);
    if (e->o->status_path == NULL || !instant_reached(now, e->next_status))
        return true;
    e->next_status = instant_add_ms(now, STATUS_FILE_MS);
    const struct status_file_line line = {e->tally->sent, e->tally->answered_2xx, e->tally->other,
                                          e->pending};
    return status_file_write(e->o->status_path, &line, f);
}

static void take_signals(struct engine *e)
{
    struct signalfd_siginfo info;
    while (read(e->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        e->signals++;
}

static bool wait_and_take(struct engine *e, struct fail *f)
{
    struct epoll_event events[EVENTS_MAX];
    struct mono wake = e->next_tick;
    if (e->phase == PHASE_LOAD && e->o->rate > 0 && e->idle_count > 0) {
        struct mono next = arrival(e, e->tally->sent);
        if (!has_all_requests(e) && next.ns < wake.ns)
            wake = next;
    }
    int64_t left_ns = wake.ns - instant_mono().ns;
    if (left_ns < 0)
        left_ns = 0;
    /* Not epoll_wait: its milliseconds are too coarse for a schedule of microseconds. */
    const struct timespec timeout = {left_ns / INSTANT_NS_PER_S, left_ns % INSTANT_NS_PER_S};
    int n = epoll_pwait2(e->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        return fail_set_errno(f, errno, "epoll_pwait2 (Linux 5.11) failed");
    for (int i = 0; i < n; i++) {
        if (events[i].data.u32 == SIGNAL_TAG) {
            take_signals(e);
            continue;
        }
        struct slot *s = &e->slot[events[i].data.u32];
        take_event(e, s, http_conn_ready(s->conn, events[i].events));
    }
    return true;
}

static bool turn(struct engine *e, bool *is_over, struct fail *f)
{
    if (!wait_and_take(e, f))
        return false;
    struct mono now = instant_mono();
    if (instant_reached(now, e->next_tick) && !tick(e, now, f))
        return false;
    /* Before the phase may end: what became due since the last turn is still part of the load. */
    while (is_request_due(e, now)) {
        struct slot *s = unlist_idle(e);
        if (s == NULL)
            break;
        start_request(e, s, now);
    }
    *is_over = !move_phase(e, now);
    return e->in.ledger == NULL || ledger_flush(e->in.ledger, f);
}

/* Whatever has no 2xx answer now never gets one. */
static bool settle(struct engine *e, struct fail *f)
{
    for (uint32_t i = 0; i < e->o->connections; i++) {
        struct slot *s = &e->slot[i];
        http_conn_close(s->conn);
        if (s->has_request)
            finish_request(e, s, s->refused_status, s->answered);
    }
    const struct status_file_line line = {e->tally->sent, e->tally->answered_2xx, e->tally->other,
                                          0};
    if (e->o->status_path != NULL && !status_file_write(e->o->status_path, &line, f))
        return false;
    return e->in.ledger == NULL || ledger_flush(e->in.ledger, f);
}

bool engine_run(struct engine *e, struct fail *f)
{
    struct fail second = {""};
    bool is_over = false;
    bool ok = true;
    e->opened = e->next_tick = e->next_status = instant_mono();
    e->tally->start = e->tally->last_answer = e->opened;
    e->wall_minus_mono_us = instant_wall().us - e->opened.ns / 1000;
    for (uint32_t i = 0; i < e->o->connections; i++)
        open_slot(e, &e->slot[i], e->opened);
    while (ok && !is_over)
        ok = turn(e, &is_over, f);
    /* The first failure is the one to tell. */
    return settle(e, ok ? f : &second) && ok;
}

static bool catch_signals(struct engine *e, struct fail *f)
{
    sigset_t set;
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = SIGNAL_TAG};
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    e->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    /* Blocked and never read: a reader of stdout that goes away must not end the ledger. */
    sigaddset(&set, SIGPIPE);
    if (e->signal_fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
        epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->signal_fd, &ev) != 0)
        return fail_set_errno(f, errno, "cannot take signals");
    return true;
}

struct engine *engine_create(const struct engine_parts *parts, struct fail *f)
{
    const size_t request_max = TARGET_HEAD_MAX + bodies_size_max(parts->bodies);
    uint32_t count = parts->options->connections;
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        fail_set(f, "no memory for the engine");
        return NULL;
    }
    e->in = *parts;
    e->o = parts->options;
    e->tally = parts->tally;
    e->signal_fd = -1;
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    e->slot = calloc(count, sizeof *e->slot);
    e->idle = calloc(count, sizeof *e->idle);
    if (e->epoll_fd < 0 || e->slot == NULL || e->idle == NULL) {
        fail_set(f, "no memory or descriptors for %u connections", count);
        goto out_destroy;
    }
    if (!catch_signals(e, f))
        goto out_destroy;
    for (uint32_t i = 0; i < count; i++) {
        e->slot[i].conn = http_conn_create(e->epoll_fd, i, request_max, f);
        if (e->slot[i].conn == NULL)
            goto out_destroy;
    }
    return e;
out_destroy:
    engine_destroy(e);
    return NULL;
}

void engine_destroy(struct engine *e)
{
    if (e == NULL)
        return;
    for (uint32_t i = 0; e->slot != NULL && i < e->o->connections; i++)
        http_conn_destroy(e->slot[i].conn);
    free(e->slot);
    free(e->idle);
    if (e->signal_fd >= 0)
        close(e->signal_fd);
    if (e->epoll_fd >= 0)
        close(e->epoll_fd);
    free(e);
}
