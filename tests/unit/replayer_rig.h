/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_REPLAYER_RIG_H
#define UNIT_REPLAYER_RIG_H

/*
 * What the tests of the replayer share: one over a journal of its own, with a publisher that keeps
 * what it is given and a clock that stands until it is moved. Threads: one.
 */

#include "journal_rig.h"

#include "base/ident.h"
#include "journal/actions.h"
#include "journal/journal_internal.h"
#include "relay/replayer.h"

#define SENT_MAX  16384
#define IN_FLIGHT 8
#define TURNS_MAX 20000
#define TAG_MASK  ((UINT64_C(1) << 48) - 1)

struct sent {
    char topic[64];
    char key[64];
    char body[64];
    int64_t seq;
    int64_t replay;
    char origin[16];
    bool is_labelled;
    uint64_t tag;
    bool is_reported;
};

/* A publisher that keeps what it is given; the tests say what becomes of it. */
struct fake {
    struct publisher base;
    struct sent sent[SENT_MAX];
    size_t count;
    enum publisher_topic topic;
    enum status answer; /* of produce() */
    int64_t refused;    /* this seq is never taken (ST_TOO_BIG) */
    int abandoned;
};

struct world {
    struct rig *rig;
    struct fake fake;
    struct committer *committer;
    struct wakeup wakeup;
    struct settle *settle;
    struct replays *replays;
    struct journal_select *select;
    struct replayer *replayer;
    struct replayer_opts opts;
};

static inline struct slice header(const struct publisher_record *rec, const char *name)
{
    for (size_t i = 0; i < rec->header_count; i++)
        if (strcmp(rec->headers[i].name, name) == 0)
            return rec->headers[i].value;
    return (struct slice){0};
}

static inline int64_t header_number(const struct publisher_record *rec, const char *name)
{
    struct slice text = header(rec, name);
    int64_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n = 10 * n + (text.ptr[i] - '0');
    return n;
}

static inline void copy_slice(char *out, size_t size, struct slice text)
{
    snprintf(out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static inline enum status fake_produce(struct publisher *p, const struct publisher_record *rec,
                                       struct err *e)
{
    struct fake *f = (struct fake *)p;
    struct sent *s = &f->sent[f->count];
    int64_t seq = header_number(rec, "relay-seq");
    if (seq == f->refused)
        return err_set(e, ST_TOO_BIG, "too large");
    if (f->answer != ST_OK)
        return err_set(e, f->answer, "the queue is full");
    assert_true(f->count < SENT_MAX);
    *s = (struct sent){.seq = seq, .tag = rec->tag, .replay = header_number(rec, "relay-replay")};
    s->is_labelled = header(rec, "relay-possible-duplicate").len > 0;
    copy_slice(s->topic, sizeof s->topic, slice_of(rec->topic));
    copy_slice(s->key, sizeof s->key, rec->key);
    copy_slice(s->body, sizeof s->body, rec->value);
    copy_slice(s->origin, sizeof s->origin, header(rec, "relay-origin"));
    f->count++;
    return ST_OK;
}

static inline enum publisher_topic fake_topic(struct publisher *p, const char *topic,
                                              const char **reason)
{
    (void)topic;
    *reason = "it does not exist";
    return ((struct fake *)p)->topic;
}

static inline void fake_abandon(struct publisher *p)
{
    ((struct fake *)p)->abandoned++;
}

static const struct publisher_ops fake_ops = {
    .topic = fake_topic, .produce = fake_produce, .abandon = fake_abandon};

static inline void on_lane(void *arg, int64_t lane, int64_t cursor, int64_t mark)
{
    (void)arg, (void)lane, (void)cursor, (void)mark;
}

static inline void on_delivery(void *arg)
{
    (void)arg;
}

static const struct settle_listener listener = {.on_lane = on_lane, .on_delivery = on_delivery};

/* ---- a process ---- */

static inline void start(struct world *w, bool is_once)
{
    const struct committer_opts committer = {
        .journal = w->rig->journal, .clock = &w->rig->clock, .mailbox_max = 16, .rows_max = 16};
    struct err e = {0};
    w->fake.base.ops = &fake_ops;
    assert_int_equal(wakeup_init(&w->wakeup, &e), ST_OK);
    assert_int_equal(committer_create(&w->committer, &committer, &e), ST_OK);
    assert_int_equal(settle_create(&w->settle, w->committer, &w->wakeup, &e), ST_OK);
    assert_int_equal(replays_open(&w->replays, w->rig->path, NULL, &e), ST_OK);
    assert_int_equal(journal_select_open(&w->select, w->rig->path, NULL, &e), ST_OK);
    w->opts = (struct replayer_opts){.replays = w->replays,
                                     .select = w->select,
                                     .publisher = &w->fake.base,
                                     .settle = w->settle,
                                     .clock = &w->rig->clock,
                                     .journal_id = "journal",
                                     .in_flight = IN_FLIGHT,
                                     .transactional = is_once};
    assert_int_equal(replayer_create(&w->replayer, &w->opts, &e), ST_OK);
}

/* As a crash: what was not committed is gone. */
static inline void end(struct world *w)
{
    replayer_destroy(w->replayer);
    settle_destroy(w->settle);
    committer_close(w->committer);
    while (committer_step(w->committer, 0) == COMMITTER_WORKING)
        continue;
    committer_destroy(w->committer);
    replays_close(w->replays);
    journal_select_close(w->select);
    wakeup_fini(&w->wakeup);
}

static inline void crash(struct world *w)
{
    end(w);
    reopen(w->rig);
    w->fake.count = 0;
    start(w, w->opts.transactional);
}

static inline void settle(struct world *w)
{
    settle_submit(w->settle, read_mono(w->rig));
    committer_step(w->committer, 0);
    settle_take(w->settle, &listener);
}

/* One turn of the forwarder, a millisecond long. */
static inline bool turn(struct world *w, size_t room)
{
    bool again = replayer_step(w->replayer, room);
    settle(w);
    w->rig->now.us += 1000;
    return again;
}

static inline void turns(struct world *w, int n)
{
    while (n-- > 0)
        turn(w, 100);
}

static inline void report(struct world *w, size_t i, enum publisher_outcome outcome, bool is_absent)
{
    struct sent *s = &w->fake.sent[i];
    const struct publisher_report r = {
        .tag = s->tag, .outcome = outcome, .surely_absent = is_absent, .reason = "because"};
    assert_true((s->tag & REPLAYER_TAG) == REPLAYER_TAG);
    s->is_reported = true;
    replayer_report(w->replayer, s->tag & TAG_MASK, &r);
}

static inline void deliver_all(struct world *w)
{
    for (size_t i = 0; i < w->fake.count; i++)
        if (!w->fake.sent[i].is_reported)
            report(w, i, PUBLISHER_DELIVERED, false);
}

static inline struct replay read_replay(struct world *w, int64_t id)
{
    struct replay replay;
    struct err e = {0};
    assert_int_equal(replays_one(w->replays, id, &replay, &e), ST_OK);
    return replay;
}

/* Turns with every record delivered until the replay is in this state. */
static inline void run_until(struct world *w, int64_t id, enum replays_state state)
{
    for (int i = 0; i < TURNS_MAX && read_replay(w, id).state != state; i++) {
        deliver_all(w);
        turn(w, 100);
    }
    assert_int_equal(read_replay(w, id).state, state);
}

/* ---- what is in the journal ---- */

/* Events with alternating keys "even" and "odd", all of them published for the first time. */
static inline void add_events(struct world *w, int count)
{
    int64_t last = 0;
    struct err e = {0};
    begin(w->rig);
    for (int i = 0; i < count; i++) {
        char body[32];
        struct event ev = event_of(w->rig, "t", "", body);
        snprintf(body, sizeof body, "body %d", i + 1);
        ev.body = slice_of(body);
        ev.key = slice_of(i % 2 ? "even" : "odd");
        last = put(w->rig, &ev).seq;
    }
    assert_int_equal(journal_set_cursor(w->rig->journal, 1, last, &e), ST_OK);
    commit(w->rig);
}

static const struct action_by me = {"me", "because"};

static inline int64_t create(struct world *w, struct selection which, const char *topic,
                             int64_t last, int64_t rate)
{
    const struct replays_order order = {
        .which = &which, .last = last, .topic = topic, .rate = rate};
    int64_t id;
    struct err e = {0};
    begin(w->rig);
    assert_int_equal(replays_create(w->rig->journal, &order, &me, &id, &e), ST_OK);
    commit(w->rig);
    replayer_reload(w->replayer);
    return id;
}

static inline void set_state(struct world *w, int64_t id, enum replays_state state)
{
    struct err e = {0};
    begin(w->rig);
    assert_int_equal(replays_set_state(w->rig->journal, id, state, &me, &e), ST_OK);
    commit(w->rig);
    replayer_reload(w->replayer);
}

static inline void prune(struct world *w, int64_t first, int64_t last)
{
    char sql[96];
    struct err e = {0};
    snprintf(sql, sizeof sql, "DELETE FROM events WHERE seq BETWEEN %d AND %d", (int)first,
             (int)last);
    begin(w->rig);
    assert_int_equal(replays_gone_count(journal_writer(w->rig->journal), 1, first - 1, last, &e),
                     ST_OK);
    assert_int_equal(sqlite3_exec(journal_writer(w->rig->journal), sql, NULL, NULL, NULL),
                     SQLITE_OK);
    commit(w->rig);
}

static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    void *rig;
    assert_non_null(w);
    rig_set_up(&rig);
    w->rig = rig;
    open_journal(w->rig);
    start(w, false);
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;
    void *rig = w->rig;
    end(w);
    rig_tear_down(&rig);
    free(w);
    return 0;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
