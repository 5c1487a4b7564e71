/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_transactions.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "kafka/kafka_send.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest wait inside one call, and so the delay of a stop. */
#define SLICE_MS 1000

/* A broker answers a commit before its markers are in all partitions, and refuses to add partitions
 * to the next transaction until they are (CONCURRENT_TRANSACTIONS); librdkafka then asks again only
 * 20 ms later (rdkafka_txnmgr.c, rd_kafka_txn_handle_AddPartitionsToTxn). Waiting this long first
 * costs less. */
#define SETTLE_MS 5

enum work {
    WORK_NONE,
    WORK_RECOVER,
    WORK_COMMIT,
    WORK_ABORT,
    WORK_EXPLAIN,
};
static const char *const names[] = {"-", "recovery", "commit", "abort", "explanation"};

struct kafka_transactions {
    struct kafka_transactions_opts opts;
    struct thread *thread;
    struct wakeup todo;
    _Atomic bool is_stopping;
    struct lock *lock; /* hands work over and back: the fields below belong to whoever's turn it is
                        */
    enum work work;    /* under the lock; WORK_NONE: the publisher's turn */
    struct mono since; /* under the lock: when the work was given */
    bool is_done;      /* under the lock: not taken yet */

    rd_kafka_t *client;
    bool was_fenced;                                  /* the client before */
    const struct kafka_transactions_reports *reports; /* the publisher's */
    bool left_open; /* the client's transaction is to be aborted at the end */
    struct kafka_transactions_outcome outcome;
    char why[384];
    struct kafka_checkpoint found;
    uint64_t generation; /* of this process; 0 until its first recovery */
    char *scratch;
};

/* ---- the calls ---- */

typedef rd_kafka_error_t *call_fn(rd_kafka_t *client, int timeout_ms);

static void fail(struct kafka_transactions *t, enum kafka_transactions_end end, const char *what,
                 const char *why)
{
    t->outcome = (struct kafka_transactions_outcome){.end = end, .why = t->why};
    snprintf(t->why, sizeof t->why, "%s: %.320s", what, why);
}

/* Repeats what is worth it. False: t->outcome says how it failed. */
static bool call_for(struct kafka_transactions *t, call_fn *fn, const char *what, int bound_ms)
{
    struct mono until = mono_add_ms(clock_mono(clock_system()), bound_ms);
    while (true) {
        rd_kafka_error_t *err = fn(t->client, SLICE_MS);
        if (!err)
            return true;
        bool is_again = rd_kafka_error_is_retriable(err) && !t->is_stopping &&
                        mono_diff_ns(clock_mono(clock_system()), until) < 0;
        if (!is_again) {
            fail(t, KAFKA_TRANSACTIONS_FAILED, what, rd_kafka_error_string(err));
            t->outcome.code = rd_kafka_error_code(err);
        }
        rd_kafka_error_destroy(err);
        if (!is_again)
            return false;
    }
}

static bool call(struct kafka_transactions *t, call_fn *fn, const char *what)
{
    return call_for(t, fn, what, 2 * t->opts.timeout_ms);
}

static rd_kafka_error_t *begin(rd_kafka_t *client, int timeout_ms)
{
    (void)timeout_ms;
    return rd_kafka_begin_transaction(client);
}

/* ---- recovering ---- */

static bool read_back(struct kafka_transactions *t)
{
    struct err e;
    enum status st = kafka_checkpoint_read(&t->opts.checkpoint, &t->found, &e);
    if (st != ST_OK)
        fail(t, st == ST_DENIED ? KAFKA_TRANSACTIONS_FENCED : KAFKA_TRANSACTIONS_FAILED,
             "reading the checkpoint back", e.text);
    else if (t->generation && t->found.generation > t->generation)
        fail(t, KAFKA_TRANSACTIONS_FENCED, "fenced",
             "another relay with this journal's transactional id has taken over");
    return t->outcome.end == KAFKA_TRANSACTIONS_DONE;
}

/* Looks for a younger instance before init_transactions disturbs it. What fails otherwise is left
 * to the recovery: the reader may wait for a transaction that init_transactions is to abort. */
static bool is_replaced(struct kafka_transactions *t)
{
    if (!read_back(t) && t->outcome.end == KAFKA_TRANSACTIONS_FENCED)
        return true;
    t->outcome.end = KAFKA_TRANSACTIONS_DONE;
    return false;
}

/*
 * The checkpoint once more, under this generation. Nobody else can have committed since
 * init_transactions, so a generation that was committed is no other instance's; one that was not
 * may be.
 */
static bool mark(struct kafka_transactions *t)
{
    struct kafka_checkpoint own = t->found;
    struct err e;
    own.generation = t->generation ? t->generation : t->found.generation + 1;
    snprintf(own.journal, sizeof own.journal, "%s", t->opts.checkpoint.journal_id);
    if (!call(t, begin, "begin_transaction"))
        return false;
    if (kafka_transactions_add(t->client, t->opts.checkpoint.topic, &own, t->scratch, &e) !=
        ST_OK) {
        fail(t, KAFKA_TRANSACTIONS_FAILED, "checkpoint", e.text);
        return false;
    }
    if (!call(t, rd_kafka_commit_transaction, "commit_transaction"))
        return false;
    t->generation = t->found.generation = own.generation;
    snprintf(t->found.journal, sizeof t->found.journal, "%s", own.journal);
    return true;
}

static void recover(struct kafka_transactions *t)
{
    if (t->was_fenced && t->generation && is_replaced(t))
        return;
    if (!call(t, rd_kafka_init_transactions, "init_transactions"))
        return;
    FAILPOINT("transaction.recovering");
    if (!read_back(t))
        return;
    if (!mark(t) || !call(t, begin, "begin_transaction"))
        return;
    FAILPOINT("transaction.recovered");
    log_info("kafka.recovered", LOG_I("generation", (int64_t)t->generation),
             LOG_I("number", (int64_t)t->found.number),
             LOG_I("positions", (int64_t)t->found.count));
}

/* Waits for the reports of all records. False: some are missing, and t->outcome says so. After a
 * failure it waits no longer: librdkafka commits nothing then, and says why. */
static bool await_reports(struct kafka_transactions *t)
{
    struct mono until = mono_add_ms(clock_mono(clock_system()), 2 * t->opts.timeout_ms);
    while (rd_kafka_flush(t->client, SLICE_MS) == RD_KAFKA_RESP_ERR__TIMED_OUT &&
           !t->reports->is_failed)
        if (t->is_stopping || mono_diff_ns(clock_mono(clock_system()), until) >= 0) {
            fail(t, KAFKA_TRANSACTIONS_FAILED, "commit_transaction",
                 "not called: records are without a report");
            return false;
        }
    return true;
}

/* Lets the broker end what it has committed; a stop cuts it short. */
static void let_settle(struct kafka_transactions *t)
{
    struct pollfd pfd = {.fd = t->todo.fd, .events = POLLIN};
    poll(&pfd, 1, SETTLE_MS);
}

static void commit(struct kafka_transactions *t)
{
    FAILPOINT("transaction.committing");
    if (!await_reports(t))
        return;
    if (t->reports->is_doubtful) {
        fail(t, KAFKA_TRANSACTIONS_FAILED, "commit_transaction",
             "not called: librdkafka takes records for stored that no broker confirmed");
        return;
    }
    if (!call(t, rd_kafka_commit_transaction, "commit_transaction"))
        return;
    FAILPOINT("transaction.committed");
    if (!call(t, begin, "begin_transaction"))
        t->outcome.end = KAFKA_TRANSACTIONS_SPENT;
    else
        let_settle(t);
}

static void abort_open(struct kafka_transactions *t)
{
    if (call_for(t, rd_kafka_abort_transaction, "abort_transaction", KAFKA_TRANSACTIONS_ABORT_MS))
        call(t, begin, "begin_transaction");
}

/* A call that is wrong in every state but that before a transaction, and changes nothing: in a
 * failed transaction it tells the failure. */
static void explain(struct kafka_transactions *t)
{
    if (call(t, begin, "transaction"))
        fail(t, KAFKA_TRANSACTIONS_FAILED, "transaction", "librdkafka does not say why");
}

bool kafka_transactions_is_fence(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__FENCED || err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

enum status kafka_transactions_add(rd_kafka_t *client, const char *topic,
                                   const struct kafka_checkpoint *c, char *scratch, struct err *e)
{
    rd_kafka_resp_err_t why;
    const struct publisher_record record = {.topic = topic,
                                            .key = slice_of(c->journal),
                                            .value = kafka_checkpoint_format(c, scratch),
                                            .timestamp = clock_wall(clock_system())};
    return kafka_send(client, &record, (void *)KAFKA_TRANSACTIONS_NO_SLOT, &why, e);
}

/* ---- the thread ---- */

static void run(void *arg)
{
    struct kafka_transactions *t = arg;
    struct pollfd pfd = {.fd = t->todo.fd, .events = POLLIN};
    while (!t->is_stopping) {
        poll(&pfd, 1, -1);
        wakeup_clear(&t->todo);
        lock_take(t->lock);
        enum work work = t->work;
        lock_give(t->lock);
        if (work == WORK_NONE || t->is_stopping)
            continue;
        t->outcome = (struct kafka_transactions_outcome){.end = KAFKA_TRANSACTIONS_DONE};
        if (work == WORK_RECOVER)
            recover(t);
        else if (work == WORK_COMMIT)
            commit(t);
        else if (work == WORK_ABORT)
            abort_open(t);
        else
            explain(t);
        lock_take(t->lock);
        t->work = WORK_NONE;
        t->is_done = true;
        lock_give(t->lock);
        wakeup_signal(t->opts.wake);
    }
    if (t->left_open)
        call_for(t, rd_kafka_abort_transaction, "abort_transaction", KAFKA_TRANSACTIONS_ABORT_MS);
}

static void start(struct kafka_transactions *t, rd_kafka_t *client, enum work work)
{
    lock_take(t->lock);
    CHECK(t->work == WORK_NONE && !t->is_done);
    t->client = client;
    t->work = work;
    t->since = clock_mono(clock_system());
    lock_give(t->lock);
    wakeup_signal(&t->todo);
}

void kafka_transactions_recover(struct kafka_transactions *t, rd_kafka_t *client, bool was_fenced)
{
    t->was_fenced = was_fenced;
    start(t, client, WORK_RECOVER);
}

void kafka_transactions_commit(struct kafka_transactions *t, rd_kafka_t *client,
                               const struct kafka_transactions_reports *reports)
{
    t->reports = reports;
    start(t, client, WORK_COMMIT);
}

void kafka_transactions_abort(struct kafka_transactions *t, rd_kafka_t *client)
{
    start(t, client, WORK_ABORT);
}

void kafka_transactions_explain(struct kafka_transactions *t, rd_kafka_t *client)
{
    start(t, client, WORK_EXPLAIN);
}

bool kafka_transactions_take(struct kafka_transactions *t, struct kafka_transactions_outcome *out)
{
    lock_take(t->lock);
    bool is_done = t->is_done;
    t->is_done = false;
    bool hangs = t->work != WORK_NONE && mono_diff_ns(clock_mono(clock_system()), t->since) >=
                                             t->opts.hang_ms * INT64_C(1000000);
    lock_give(t->lock);
    if (hangs) {
        log_error("kafka.hangs", LOG_S("in", names[t->work]),
                  LOG_S("effect", "the process ends; a restart goes on from the checkpoint"));
        abort();
    }
    if (is_done)
        *out = t->outcome;
    return is_done;
}

const struct kafka_checkpoint *kafka_transactions_found(const struct kafka_transactions *t)
{
    return &t->found;
}

enum status kafka_transactions_create(struct kafka_transactions **out,
                                      const struct kafka_transactions_opts *opts, struct err *e)
{
    struct kafka_transactions *t = calloc(1, sizeof *t);
    enum status st;
    if (!t)
        return err_set(e, ST_NO_MEM, "Kafka transactions: out of memory");
    t->opts = *opts;
    if (!t->opts.hang_ms)
        t->opts.hang_ms = KAFKA_TRANSACTIONS_HANG_MS;
    t->todo.fd = -1;
    t->lock = lock_create();
    t->scratch = malloc(KAFKA_CHECKPOINT_TEXT_MAX);
    st = t->scratch ? kafka_checkpoint_init(&t->found, e)
                    : err_set(e, ST_NO_MEM, "Kafka transactions: out of memory");
    if (st == ST_OK)
        st = wakeup_init(&t->todo, e);
    if (st == ST_OK)
        st = thread_start(&t->thread, "transactions", run, t, e);
    if (st != ST_OK) {
        kafka_transactions_destroy(t, NULL);
        return st;
    }
    *out = t;
    return ST_OK;
}

void kafka_transactions_destroy(struct kafka_transactions *t, rd_kafka_t *open)
{
    if (!t)
        return;
    if (open) {
        t->client = open;
        t->left_open = true;
    }
    t->is_stopping = true;
    if (t->thread) {
        wakeup_signal(&t->todo);
        thread_join(t->thread);
    }
    wakeup_fini(&t->todo);
    lock_destroy(t->lock);
    kafka_checkpoint_fini(&t->found);
    free(t->scratch);
    free(t);
}
