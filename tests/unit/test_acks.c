/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: an answer that waits for Kafka comes exactly once, at the report, at the deadline or at the
 * stop, whatever comes first and from whichever thread; and nobody waits where it cannot help. */
#include "relay/acks.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ident.h"
#include "base/log.h"
#include "base/thread.h"
#include "memvfs/memvfs.h"
#include "relay/intake.h"

#include <sqlite3.h>

#define VFS         "acks-test"
#define WAITERS_MAX 4
#define BYTES_MAX   1000
#define DEADLINE_MS 60000

/* ---- the table alone, over a clock that the test turns ---- */

struct desk {
    struct acks *acks;
    struct mono now;
    struct clock clock;
    int flushes;
};

struct guest {
    struct ack_waiter waiter; /* first: a waiter is cast back to its guest */
    int answers;
    enum ack_outcome outcome;
};

static struct mono desk_mono(void *ctx)
{
    return ((struct desk *)ctx)->now;
}

static void on_answers(void *ctx)
{
    ((struct desk *)ctx)->flushes++;
}

static void on_done(struct ack_waiter *w, enum ack_outcome outcome)
{
    struct guest *g = (struct guest *)(void *)w;
    g->answers++;
    g->outcome = outcome;
}

static void desk_open(struct desk *d)
{
    struct err e;
    *d = (struct desk){.now = {1000000000}};
    d->clock = (struct clock){.mono = desk_mono, .ctx = d};
    const struct acks_opts opts = {.clock = &d->clock,
                                   .waiters_max = WAITERS_MAX,
                                   .bytes_max = BYTES_MAX,
                                   .on_answers = on_answers,
                                   .ctx = d};
    assert_int_equal(acks_create(&d->acks, &opts, &e), ST_OK);
}

static void desk_close(struct desk *d)
{
    assert_int_equal(acks_waiting(d->acks), 0);
    acks_destroy(d->acks);
}

static enum ack_outcome expect(struct desk *d, struct guest *g, int64_t seq, int64_t wait_ms)
{
    *g = (struct guest){
        .waiter = {.done = on_done, .deadline = mono_add_ms(d->now, wait_ms), .bytes = 10}};
    return acks_expect(d->acks, &g->waiter, seq);
}

static void wait_for(struct desk *d, struct guest *g, int64_t seq, int64_t wait_ms)
{
    enum ack_outcome over = ACK_NONE;
    assert_int_equal(expect(d, g, seq, wait_ms), ACK_KAFKA);
    assert_true(acks_commit(d->acks, &g->waiter, &over));
    assert_int_equal(g->answers, 0);
}

static void pass_ms(struct desk *d, int64_t ms)
{
    d->now = mono_add_ms(d->now, ms);
    acks_expire(d->acks);
}

static void assert_answered(const struct guest *g, enum ack_outcome outcome)
{
    assert_int_equal(g->answers, 1);
    assert_int_equal(g->outcome, outcome);
}

static void a_delivery_report_ends_its_own_waiter_alone(void **state)
{
    struct desk d;
    struct guest a, b;
    (void)state;
    desk_open(&d);
    wait_for(&d, &a, 17, 100);
    wait_for(&d, &b, 18, 100);
    acks_delivered(d.acks, 16);
    acks_delivered(d.acks, 18);
    assert_int_equal(a.answers, 0);
    assert_answered(&b, ACK_KAFKA);
    assert_int_equal(d.flushes, 1);
    acks_delivered(d.acks, 18);
    acks_on_delivered(d.acks, 17);
    acks_on_delivered(NULL, 17);
    assert_answered(&a, ACK_KAFKA);
    assert_int_equal(b.answers, 1);
    desk_close(&d);
}

static void a_report_before_the_commit_is_kept_for_it(void **state)
{
    enum ack_outcome over = ACK_NONE;
    struct desk d;
    struct guest g;
    (void)state;
    desk_open(&d);
    assert_int_equal(expect(&d, &g, 5, 100), ACK_KAFKA);
    acks_delivered(d.acks, 5);
    assert_int_equal(g.answers, 0);
    assert_false(acks_commit(d.acks, &g.waiter, &over));
    assert_int_equal(over, ACK_KAFKA);
    assert_int_equal(g.answers, 0);
    desk_close(&d);
}

static void a_seq_that_was_rolled_back_can_be_waited_for_again(void **state)
{
    struct desk d;
    struct guest lost, next, never;
    (void)state;
    desk_open(&d);
    assert_int_equal(expect(&d, &lost, 5, 100), ACK_KAFKA);
    acks_cancel(d.acks, &lost.waiter);
    acks_cancel(d.acks, &lost.waiter);
    never = (struct guest){.answers = 0};
    acks_cancel(d.acks, &never.waiter);
    assert_int_equal(acks_waiting(d.acks), 0);
    wait_for(&d, &next, 5, 100);
    acks_delivered(d.acks, 5);
    assert_answered(&next, ACK_KAFKA);
    assert_int_equal(lost.answers, 0);
    desk_close(&d);
}

static void a_deadline_ends_the_wait_in_the_order_of_deadlines(void **state)
{
    struct desk d;
    struct guest slow, fast, middle;
    (void)state;
    desk_open(&d);
    wait_for(&d, &slow, 1, 300);
    wait_for(&d, &fast, 2, 100);
    wait_for(&d, &middle, 3, 200);
    pass_ms(&d, 99);
    assert_int_equal(d.flushes, 0);
    acks_delivered(d.acks, 99);
    pass_ms(&d, 1);
    assert_answered(&fast, ACK_TIMEOUT);
    assert_int_equal(middle.answers + slow.answers, 0);
    pass_ms(&d, 200);
    assert_answered(&middle, ACK_TIMEOUT);
    assert_answered(&slow, ACK_TIMEOUT);
    assert_int_equal(d.flushes, 2);
    /* Too late: the report finds nobody. */
    acks_delivered(d.acks, 1);
    assert_int_equal(slow.answers, 1);
    desk_close(&d);
}

static void a_commit_behind_the_deadline_is_not_waited_for(void **state)
{
    enum ack_outcome over = ACK_NONE;
    struct desk d;
    struct guest g;
    (void)state;
    desk_open(&d);
    assert_int_equal(expect(&d, &g, 1, 100), ACK_KAFKA);
    /* Not committed yet: no deadline can answer it. */
    pass_ms(&d, 100);
    assert_int_equal(g.answers, 0);
    assert_false(acks_commit(d.acks, &g.waiter, &over));
    assert_int_equal(over, ACK_TIMEOUT);
    desk_close(&d);
}

static void nobody_waits_for_a_kafka_that_confirms_nothing_until_it_does(void **state)
{
    struct desk d;
    struct guest g;
    (void)state;
    desk_open(&d);
    wait_for(&d, &g, 1, 100);
    pass_ms(&d, 100);
    assert_answered(&g, ACK_TIMEOUT);
    assert_int_equal(expect(&d, &g, 2, 100), ACK_AWAY);
    acks_delivered(d.acks, 1);
    wait_for(&d, &g, 3, 100);
    acks_delivered(d.acks, 3);
    assert_answered(&g, ACK_KAFKA);
    desk_close(&d);
}

static void a_lane_that_stands_alone_is_no_outage(void **state)
{
    struct desk d;
    struct guest g;
    (void)state;
    desk_open(&d);
    wait_for(&d, &g, 1, 100);
    acks_delivered(d.acks, 77);
    pass_ms(&d, 100);
    assert_answered(&g, ACK_TIMEOUT);
    wait_for(&d, &g, 2, 100);
    acks_delivered(d.acks, 2);
    desk_close(&d);
}

static void turns_away_what_has_no_room(void **state)
{
    struct guest guests[WAITERS_MAX], more, large;
    struct desk d;
    (void)state;
    desk_open(&d);
    for (int i = 0; i < WAITERS_MAX; i++)
        wait_for(&d, &guests[i], i + 1, 100);
    assert_int_equal(expect(&d, &more, 50, 100), ACK_FULL);
    acks_delivered(d.acks, 1);
    wait_for(&d, &more, 50, 100);
    acks_delivered(d.acks, 50);
    large = (struct guest){
        .waiter = {.done = on_done, .deadline = mono_add_ms(d.now, 100), .bytes = 980}};
    assert_int_equal(acks_expect(d.acks, &large.waiter, 51), ACK_FULL);
    acks_delivered(d.acks, 2);
    assert_int_equal(acks_expect(d.acks, &large.waiter, 51), ACK_KAFKA);
    acks_cancel(d.acks, &large.waiter);
    acks_close(d.acks);
    desk_close(&d);
}

static void closing_answers_everybody_and_keeps_it_so(void **state)
{
    enum ack_outcome over = ACK_NONE;
    struct desk d;
    struct guest waits, expected, late;
    (void)state;
    desk_open(&d);
    wait_for(&d, &waits, 1, 100);
    assert_int_equal(expect(&d, &expected, 2, 100), ACK_KAFKA);
    acks_close(d.acks);
    assert_answered(&waits, ACK_STOPPING);
    assert_false(acks_commit(d.acks, &expected.waiter, &over));
    assert_int_equal(over, ACK_STOPPING);
    assert_int_equal(expect(&d, &late, 3, 100), ACK_STOPPING);
    desk_close(&d);
}

static void the_timer_says_when_a_deadline_has_passed(void **state)
{
    struct desk d;
    struct guest first, second;
    struct pollfd fd = {.events = POLLIN};
    enum ack_outcome over;
    struct err e;
    const struct acks_opts opts = {
        .clock = clock_system(), .waiters_max = WAITERS_MAX, .bytes_max = BYTES_MAX};
    (void)state;
    d = (struct desk){.now = clock_mono(clock_system())};
    assert_int_equal(acks_create(&d.acks, &opts, &e), ST_OK);
    fd.fd = acks_timer_fd(d.acks);
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_int_equal(expect(&d, &first, 1, DEADLINE_MS), ACK_KAFKA);
    assert_true(acks_commit(d.acks, &first.waiter, &over));
    /* A later waiter with an earlier deadline moves the timer. */
    assert_int_equal(expect(&d, &second, 2, 200), ACK_KAFKA);
    if (!acks_commit(d.acks, &second.waiter, &over))
        second.answers = 1;
    while (!second.answers) {
        assert_int_equal(poll(&fd, 1, DEADLINE_MS), 1);
        acks_expire(d.acks);
    }
    assert_int_equal(first.answers, 0);
    acks_close(d.acks);
    assert_answered(&first, ACK_STOPPING);
    acks_destroy(d.acks);
}

/* ---- with intake and committer in front, and a forwarder that delivers in its own thread ---- */

struct rig {
    char path[32];
    struct memvfs *disk;
    struct journal *journal;
    struct committer *committer;
    struct acks *acks;
    int64_t source;
};

struct post {
    struct intake_item item; /* first: an item is cast back to its post */
    struct event ev;
    char body[64];
    atomic_int answers;
    enum status outcome;
};

static void on_post(struct intake_item *item, enum status outcome)
{
    struct post *p = (struct post *)(void *)item;
    p->outcome = outcome;
    atomic_fetch_add(&p->answers, 1);
}

static void rig_open(struct rig *r, size_t waiters_max)
{
    struct err e = {0};
    *r = (struct rig){.path = "relay.db", .disk = memvfs_create(VFS, 1)};
    const struct journal_opts journal = {.path = r->path,
                                         .vfs = VFS,
                                         .clock = clock_system(),
                                         .wal_max_bytes = 1 << 20,
                                         .checkpoint_pages = 100,
                                         .window_ms = 60000,
                                         .window_ids_max = 1000};
    const struct acks_opts acks = {
        .clock = clock_system(), .waiters_max = waiters_max, .bytes_max = 1 << 20};
    assert_int_equal(journal_open(&r->journal, &journal, &e), ST_OK);
    assert_int_equal(intake_source(r->journal, "org", "main", &r->source, &e), ST_OK);
    const struct committer_opts committer = {
        .journal = r->journal, .clock = clock_system(), .mailbox_max = 4096, .rows_max = 64};
    assert_int_equal(committer_create(&r->committer, &committer, &e), ST_OK);
    assert_int_equal(acks_create(&r->acks, &acks, &e), ST_OK);
}

static void rig_close(struct rig *r)
{
    acks_close(r->acks);
    committer_close(r->committer);
    while (committer_step(r->committer, 0) == COMMITTER_WORKING)
        continue;
    assert_int_equal(acks_waiting(r->acks), 0);
    acks_destroy(r->acks);
    committer_destroy(r->committer);
    journal_close(r->journal);
    memvfs_destroy(r->disk);
}

static void post_make(struct rig *r, struct post *p, int number)
{
    memset(p, 0, sizeof *p);
    snprintf(p->body, sizeof p->body, "{\"n\":%d}", number);
    p->ev = (struct event){.body = slice_of(p->body),
                           .type = slice_of("CONTACT/STARTED"),
                           .topic = slice_of("gladly.contact"),
                           .received = clock_wall(clock_system())};
    p->item = (struct intake_item){.ev = &p->ev,
                                   .source = r->source,
                                   .acks = r->acks,
                                   .ack_by = mono_add_ms(clock_mono(clock_system()), DEADLINE_MS),
                                   .done = on_post};
}

static void post_send(struct rig *r, struct post *p)
{
    assert_int_equal(intake_submit(r->committer, r->journal, slice_of("org"), &p->item), ST_OK);
}

static void an_event_for_kafka_is_answered_by_the_report_and_not_by_the_commit(void **state)
{
    struct post p;
    struct rig r;
    (void)state;
    rig_open(&r, 8);
    post_make(&r, &p, 1);
    post_send(&r, &p);
    committer_step(r.committer, 0);
    assert_int_equal(p.answers, 0);
    assert_int_equal(acks_waiting(r.acks), 1);
    acks_delivered(r.acks, 1);
    assert_int_equal(p.answers, 1);
    assert_int_equal(p.outcome, ST_OK);
    assert_int_equal(p.item.ack, ACK_KAFKA);
    assert_true(p.item.ack_waited);
    rig_close(&r);
}

static void what_does_not_go_to_kafka_is_answered_at_its_commit(void **state)
{
    static const unsigned flags[] = {EVENT_PING, EVENT_QUARANTINED, EVENT_OVERSIZE, EVENT_UNROUTED};
    struct post posts[4], first, again;
    struct rig r;
    (void)state;
    rig_open(&r, 8);
    for (int i = 0; i < 4; i++) {
        post_make(&r, &posts[i], i);
        posts[i].ev.flags = flags[i];
        if (!(flags[i] & EVENT_OVERSIZE))
            posts[i].ev.topic = (struct slice){NULL, 0};
        post_send(&r, &posts[i]);
    }
    post_make(&r, &first, 9);
    first.ev.id = slice_of("the same");
    post_send(&r, &first);
    again = first;
    again.item.ev = &again.ev;
    post_send(&r, &again);
    committer_step(r.committer, 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(posts[i].answers, 1);
        assert_int_equal(posts[i].item.ack, ACK_NONE);
    }
    assert_int_equal(first.answers, 0);
    assert_int_equal(again.answers, 1);
    assert_true(again.item.result.duplicate);
    assert_int_equal(again.item.ack, ACK_NONE);
    rig_close(&r);
    assert_int_equal(first.item.ack, ACK_STOPPING);
}

static void a_commit_that_fails_is_told_at_once_and_leaves_nobody_behind(void **state)
{
    struct post refused, taken;
    struct rig r;
    (void)state;
    rig_open(&r, 8);
    memvfs_set_capacity(r.disk, memvfs_used_bytes(r.disk));
    post_make(&r, &refused, 1);
    post_send(&r, &refused);
    committer_step(r.committer, 0);
    assert_int_equal(refused.answers, 1);
    assert_int_equal(refused.outcome, ST_FULL);
    assert_int_equal(acks_waiting(r.acks), 0);
    memvfs_set_capacity(r.disk, MEMVFS_UNLIMITED);
    post_make(&r, &taken, 2);
    post_send(&r, &taken);
    committer_step(r.committer, 0);
    assert_int_equal(taken.item.result.seq, 1);
    acks_delivered(r.acks, 1);
    assert_int_equal(taken.item.ack, ACK_KAFKA);
    assert_int_equal(refused.answers, 1);
    rig_close(&r);
}

static void a_failed_sync_is_told_at_once_and_leaves_nobody_behind(void **state)
{
    struct post posts[3];
    struct rig r;
    (void)state;
    rig_open(&r, 8);
    for (int i = 0; i < 3; i++) {
        post_make(&r, &posts[i], i);
        post_send(&r, &posts[i]);
    }
    memvfs_fail_at(r.disk, (struct memvfs_fault){
                               .op = MEMVFS_SYNC, .code = SQLITE_IOERR_FSYNC, .suffix = "-wal"});
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_DEAD);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(posts[i].answers, 1);
        assert_int_equal(posts[i].outcome, ST_IO);
    }
    rig_close(&r);
}

#define POSTS 2000

/* Delivers what is committed in batches, as reports come, skipping each tenth for the deadline. */
struct courier {
    struct rig *rig;
    atomic_bool stop;
};

static void run_courier(void *arg)
{
    struct courier *c = arg;
    int64_t seq = 1;
    while (!c->stop) {
        struct journal_figures figures;
        journal_figures(c->rig->journal, &figures);
        if (seq > figures.last_seq)
            sched_yield();
        for (; seq <= figures.last_seq; seq++)
            if (seq % 10)
                acks_delivered(c->rig->acks, seq);
    }
}

static void run_clock(void *arg)
{
    struct courier *c = arg;
    struct pollfd fd = {.fd = acks_timer_fd(c->rig->acks), .events = POLLIN};
    while (!c->stop) {
        acks_expire(c->rig->acks);
        poll(&fd, 1, 10);
    }
}

static void run_committer(void *arg)
{
    struct rig *r = arg;
    while (committer_step(r->committer, 1000) == COMMITTER_WORKING)
        continue;
}

static void every_post_is_answered_once_while_all_threads_race(void **state)
{
    static struct post posts[POSTS];
    struct mono until = mono_add_ms(clock_mono(clock_system()), DEADLINE_MS);
    struct courier courier;
    struct thread *threads[3];
    struct rig r;
    struct err e;
    int answered = 0;
    (void)state;
    rig_open(&r, POSTS);
    courier = (struct courier){.rig = &r};
    assert_int_equal(thread_start(&threads[0], "committer", run_committer, &r, &e), ST_OK);
    assert_int_equal(thread_start(&threads[1], "courier", run_courier, &courier, &e), ST_OK);
    assert_int_equal(thread_start(&threads[2], "clock", run_clock, &courier, &e), ST_OK);
    for (int i = 0; i < POSTS; i++) {
        post_make(&r, &posts[i], i);
        posts[i].item.ack_by = mono_add_ms(clock_mono(clock_system()), 50);
        post_send(&r, &posts[i]);
    }
    while (answered < POSTS && clock_mono(clock_system()).ns < until.ns) {
        for (answered = 0; answered < POSTS && posts[answered].answers;)
            answered++;
        sched_yield();
    }
    assert_int_equal(answered, POSTS);
    committer_close(r.committer);
    courier.stop = true;
    for (int i = 0; i < 3; i++)
        thread_join(threads[i]);
    for (int i = 0; i < POSTS; i++) {
        assert_int_equal(posts[i].answers, 1);
        assert_int_equal(posts[i].outcome, ST_OK);
        assert_in_range(posts[i].item.ack, ACK_KAFKA, ACK_AWAY);
        if (posts[i].item.result.seq % 10 == 0)
            assert_int_not_equal(posts[i].item.ack, ACK_KAFKA);
    }
    acks_destroy(r.acks);
    committer_destroy(r.committer);
    journal_close(r.journal);
    memvfs_destroy(r.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delivery_report_ends_its_own_waiter_alone),
        cmocka_unit_test(a_report_before_the_commit_is_kept_for_it),
        cmocka_unit_test(a_seq_that_was_rolled_back_can_be_waited_for_again),
        cmocka_unit_test(a_deadline_ends_the_wait_in_the_order_of_deadlines),
        cmocka_unit_test(a_commit_behind_the_deadline_is_not_waited_for),
        cmocka_unit_test(nobody_waits_for_a_kafka_that_confirms_nothing_until_it_does),
        cmocka_unit_test(a_lane_that_stands_alone_is_no_outage),
        cmocka_unit_test(turns_away_what_has_no_room),
        cmocka_unit_test(closing_answers_everybody_and_keeps_it_so),
        cmocka_unit_test(the_timer_says_when_a_deadline_has_passed),
        cmocka_unit_test(an_event_for_kafka_is_answered_by_the_report_and_not_by_the_commit),
        cmocka_unit_test(what_does_not_go_to_kafka_is_answered_at_its_commit),
        cmocka_unit_test(a_commit_that_fails_is_told_at_once_and_leaves_nobody_behind),
        cmocka_unit_test(a_failed_sync_is_told_at_once_and_leaves_nobody_behind),
        cmocka_unit_test(every_post_is_answered_once_while_all_threads_race),
    };
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
