/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/acks.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/lock.h"

struct acks {
    struct acks_opts opts;
    int timer_fd;
    _Atomic uint64_t delivered; /* events, ever */
    _Atomic size_t count;       /* changed under lock */
    struct lock *lock;          /* protects everything below, and the waiters in the table */
    size_t bytes;
    bool is_closed;
    bool has_failed;    /* somebody waited in vain, and nothing was delivered meanwhile: */
    uint64_t failed_at; /* this is how many were. Kafka is away until there are more */
    struct ack_waiter *earliest;
    struct ack_waiter *latest;
    struct mono timer_at; /* when timer_fd fires; 0: never */
    size_t mask;
    struct ack_waiter **buckets; /* mask + 1 */
};

const char *ack_outcome_name(enum ack_outcome outcome)
{
    static const char *const names[ACK_OUTCOME_COUNT] = {
        [ACK_NONE] = "none", [ACK_KAFKA] = "kafka", [ACK_TIMEOUT] = "timeout",
        [ACK_AWAY] = "away", [ACK_FULL] = "full",   [ACK_STOPPING] = "stopping"};
    CHECK((unsigned)outcome < ACK_OUTCOME_COUNT);
    return names[outcome];
}

enum status acks_create(struct acks **out, const struct acks_opts *opts, struct err *e)
{
    struct acks *a = calloc(1, sizeof *a);
    size_t buckets = 16;
    if (!a)
        return err_set(e, ST_NO_MEM, "acks: out of memory");
    while (buckets < opts->waiters_max)
        buckets *= 2;
    a->opts = *opts;
    a->mask = buckets - 1;
    a->buckets = calloc(buckets, sizeof(struct ack_waiter *));
    a->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!a->buckets || a->timer_fd < 0) {
        enum status st = a->buckets ? err_set_errno(e, ST_FATAL, errno, "timerfd_create")
                                    : err_set(e, ST_NO_MEM, "acks: out of memory");
        if (a->timer_fd >= 0)
            close(a->timer_fd);
        free(a->buckets);
        free(a);
        return st;
    }
    a->lock = lock_create();
    *out = a;
    return ST_OK;
}

void acks_destroy(struct acks *a)
{
    if (!a)
        return;
    CHECK(a->count == 0);
    close(a->timer_fd);
    lock_destroy(a->lock);
    free(a->buckets);
    free(a);
}

/* ---- the table; the lock is held ---- */

/* Seqs only grow, so neighbours lie in neighbouring buckets. */
static struct ack_waiter **bucket_of(const struct acks *a, int64_t seq)
{
    return &a->buckets[(size_t)seq & a->mask];
}

static struct ack_waiter *find(const struct acks *a, int64_t seq)
{
    struct ack_waiter *w = *bucket_of(a, seq);
    while (w && w->seq != seq)
        w = w->next_in_bucket;
    return w;
}

/* Out of everything. */
static void take_out(struct acks *a, struct ack_waiter *w)
{
    struct ack_waiter **at = bucket_of(a, w->seq);
    while (*at != w)
        at = &(*at)->next_in_bucket;
    *at = w->next_in_bucket;
    if (w->state == ACK_WAITING) {
        *(w->earlier ? &w->earlier->later : &a->earliest) = w->later;
        *(w->later ? &w->later->earlier : &a->latest) = w->earlier;
    }
    w->state = ACK_IDLE;
    a->bytes -= w->bytes;
    a->count--;
}

/* Deadlines come almost in their order: the place is near the end. */
static void put_in_line(struct acks *a, struct ack_waiter *w)
{
    struct ack_waiter *before = a->latest;
    while (before && before->deadline.ns > w->deadline.ns)
        before = before->earlier;
    w->earlier = before;
    w->later = before ? before->later : a->earliest;
    *(before ? &before->later : &a->earliest) = w;
    *(w->later ? &w->later->earlier : &a->latest) = w;
}

/* The timer may fire too early, never too late: it is not moved each time the earliest leaves. */
static void set_timer(struct acks *a, struct mono now)
{
    struct itimerspec at = {.it_interval = {0, 0}};
    int64_t ns;
    if (!a->earliest || (a->timer_at.ns && a->timer_at.ns <= a->earliest->deadline.ns))
        return;
    a->timer_at = a->earliest->deadline;
    ns = mono_diff_ns(a->timer_at, now);
    /* Zero would switch it off. */
    ns = ns > 0 ? ns : 1;
    at.it_value.tv_sec = (time_t)(ns / 1000000000);
    at.it_value.tv_nsec = (long)(ns % 1000000000);
    CHECK(timerfd_settime(a->timer_fd, 0, &at, NULL) == 0);
}

/* ---- the way of a waiter ---- */

static enum ack_outcome judge(const struct acks *a, const struct ack_waiter *w)
{
    if (a->is_closed)
        return ACK_STOPPING;
    if (a->has_failed && a->failed_at == a->delivered)
        return ACK_AWAY;
    if (a->count >= a->opts.waiters_max || w->bytes > a->opts.bytes_max - a->bytes)
        return ACK_FULL;
    return ACK_KAFKA;
}

enum ack_outcome acks_expect(struct acks *a, struct ack_waiter *w, int64_t seq)
{
    enum ack_outcome outcome;
    struct ack_waiter **bucket = bucket_of(a, seq);
    CHECK(w->state == ACK_IDLE);
    lock_take(a->lock);
    outcome = judge(a, w);
    if (outcome == ACK_KAFKA) {
        w->seq = seq;
        w->state = ACK_EXPECTED;
        w->is_delivered = false;
        w->next_in_bucket = *bucket;
        *bucket = w;
        a->bytes += w->bytes;
        a->count++;
    }
    lock_give(a->lock);
    return outcome;
}

bool acks_commit(struct acks *a, struct ack_waiter *w, enum ack_outcome *outcome)
{
    struct mono now = clock_mono(a->opts.clock);
    enum ack_outcome over = ACK_NONE;
    CHECK(w->state == ACK_EXPECTED);
    lock_take(a->lock);
    w->since = now;
    if (w->is_delivered)
        over = ACK_KAFKA;
    else if (a->is_closed)
        over = ACK_STOPPING;
    else if (w->deadline.ns <= now.ns)
        over = ACK_TIMEOUT;
    if (over != ACK_NONE) {
        take_out(a, w);
    } else {
        w->state = ACK_WAITING;
        w->delivered_before = a->delivered;
        put_in_line(a, w);
        set_timer(a, now);
    }
    lock_give(a->lock);
    /* A waiter that waits may be gone by now. */
    if (over != ACK_NONE)
        *outcome = over;
    return over == ACK_NONE;
}

void acks_cancel(struct acks *a, struct ack_waiter *w)
{
    lock_take(a->lock);
    if (w->state == ACK_EXPECTED)
        take_out(a, w);
    lock_give(a->lock);
}

void acks_delivered(struct acks *a, int64_t seq)
{
    struct ack_waiter *w;
    bool ends = false;
    a->delivered++;
    if (a->count == 0)
        return;
    lock_take(a->lock);
    w = find(a, seq);
    if (w && w->state == ACK_EXPECTED)
        w->is_delivered = true;
    ends = w && w->state == ACK_WAITING;
    if (ends)
        take_out(a, w);
    lock_give(a->lock);
    if (!ends)
        return;
    w->done(w, ACK_KAFKA);
    if (a->opts.on_answers)
        a->opts.on_answers(a->opts.ctx);
}

void acks_on_delivered(void *acks, int64_t seq)
{
    if (acks)
        acks_delivered(acks, seq);
}

/* Takes out all whose deadline is not after limit; a list by `later`. The lock is held. */
static struct ack_waiter *take_until(struct acks *a, struct mono limit)
{
    struct ack_waiter *first = NULL, **tail = &first;
    while (a->earliest && a->earliest->deadline.ns <= limit.ns) {
        struct ack_waiter *w = a->earliest;
        take_out(a, w);
        w->later = NULL;
        *tail = w;
        tail = &w->later;
    }
    return first;
}

static void end_all(struct acks *a, struct ack_waiter *first, enum ack_outcome outcome)
{
    struct ack_waiter *next;
    if (!first)
        return;
    for (struct ack_waiter *w = first; w; w = next) {
        next = w->later;
        w->done(w, outcome);
    }
    if (a->opts.on_answers)
        a->opts.on_answers(a->opts.ctx);
}

int acks_timer_fd(const struct acks *a)
{
    return a->timer_fd;
}

void acks_expire(struct acks *a)
{
    struct mono now = clock_mono(a->opts.clock);
    struct ack_waiter *first;
    uint64_t fired;
    lock_take(a->lock);
    /* Reading ends the readiness; when it did not fire there is nothing to read. */
    if (read(a->timer_fd, &fired, sizeof fired) == (ssize_t)sizeof fired)
        a->timer_at = (struct mono){0};
    first = take_until(a, now);
    for (const struct ack_waiter *w = first; w; w = w->later) {
        if (w->delivered_before != a->delivered)
            continue;
        a->has_failed = true;
        a->failed_at = w->delivered_before;
    }
    set_timer(a, now);
    lock_give(a->lock);
    end_all(a, first, ACK_TIMEOUT);
}

void acks_close(struct acks *a)
{
    struct ack_waiter *first;
    lock_take(a->lock);
    a->is_closed = true;
    first = take_until(a, (struct mono){INT64_MAX});
    lock_give(a->lock);
    end_all(a, first, ACK_STOPPING);
}

size_t acks_waiting(const struct acks *a)
{
    return a->count;
}
