/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_txn_publisher.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"
#include "kafka/kafka_batch.h"
#include "kafka/kafka_client.h"
#include "kafka/kafka_conf.h"
#include "kafka/kafka_send.h"
#include "kafka/kafka_transactions.h"
#include "kafka/kafka_verdict.h"
#include "kafka/kafka_watcher.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define RESTART_FIRST_MS 100
#define RESTART_MAX_MS   5000
#define QUESTION_MS      5000 /* of reading the checkpoint back */
#define FLUSH_STEP_MS    100

/* A broker aborts what is older (KIP-98). A relay that died leaves readers of committed records
 * waiting for that long. */
#define TRANSACTION_TIMEOUT_MS 30000

/* Kafka's answers take milliseconds; what takes longer is told. */
#define SLOW_MS 5000

enum phase {
    PHASE_WAITING,    /* there is no producer */
    PHASE_LOOKING,    /* for the checkpoint topic */
    PHASE_RECOVERING, /* the thread of the blocking calls has the client */
    PHASE_IDLE,       /* a transaction is begun and empty */
    PHASE_OPEN,       /* it holds records */
    PHASE_ENDING,     /* the thread of the blocking calls has the client and commits */
    PHASE_ABORTING,   /* the same, and aborts */
    PHASE_FAILING,    /* the same, and finds out why the transaction fails */
    PHASE_FENCED,
};

struct kafka_txn_publisher {
    struct publisher base;
    struct thread_owner owner;
    struct kafka_log *log;
    struct kafka_hooks hooks;
    rd_kafka_conf_t *conf;
    struct wakeup wake;
    struct kafka_watcher *watcher;
    struct kafka_transactions *transactions;
    struct kafka_suspects *suspects;
    rd_kafka_t *client; /* the watcher's; NULL while PHASE_WAITING */
    enum phase phase;
    struct mono phase_since;

    /* The open transaction, or the one whose outcome is being found out. */
    struct kafka_batch *batch;
    size_t records_max;
    struct kafka_transactions_reports reports;
    bool is_abandoned;            /* by the relay itself */
    bool is_unknown;              /* it may have been committed: the next recovery tells */
    struct kafka_checkpoint own;  /* what it carries */
    uint64_t number;              /* of the last transaction that was tried */
    struct kafka_checkpoint last; /* of the last committed one */

    bool is_wanted;    /* somebody asked for the standing: not before is anything done in Kafka */
    bool was_fenced;   /* since the last recovery */
    unsigned setbacks; /* producers in a row that committed nothing */
    bool is_checkpoint_refused;
    enum publisher_topic home; /* the checkpoint's topic; with PHASE_LOOKING */
    rd_kafka_resp_err_t code;  /* of the last transaction that failed */
    char why[384];
    char *scratch;
    char transactional_id[256];
    char checkpoint_topic[256];
    char journal_id[64];
    char topic_reason[KAFKA_TOPIC_REASON_MAX];
    char state_line[KAFKA_TOPIC_REASON_MAX + 400];

    /* While poll runs. */
    void (*on_report)(void *arg, const struct publisher_report *report);
    void *report_arg;
    size_t reported;
};

static struct kafka_txn_publisher *own(struct publisher *p)
{
    struct kafka_txn_publisher *tp = (struct kafka_txn_publisher *)p;
    thread_owner_check(&tp->owner);
    return tp;
}

static void enter(struct kafka_txn_publisher *tp, enum phase phase)
{
    tp->phase = phase;
    tp->phase_since = clock_mono(clock_system());
    /* What was said of the last transaction is no matter of the next. */
    if (phase == PHASE_IDLE || phase == PHASE_WAITING)
        tp->reports.is_failed = tp->reports.is_doubtful = tp->is_abandoned = false;
}

/* ---- callbacks of the client: on the forwarder's thread in poll, on that of the blocking calls
 * while it has the client; never on both ---- */

static void on_message(void *arg, const rd_kafka_message_t *msg)
{
    struct kafka_txn_publisher *tp = arg;
    tp->reports.is_failed |= msg->err != RD_KAFKA_RESP_ERR_NO_ERROR;
    tp->reports.is_doubtful |= !msg->err && msg->offset < 0;
    if ((uintptr_t)msg->_private != KAFKA_TRANSACTIONS_NO_SLOT)
        kafka_batch_note(tp->batch, (uint32_t)(uintptr_t)msg->_private, msg->err);
    else if (kafka_verdict_of(msg->err) != KAFKA_VERDICT_AGAIN)
        tp->is_checkpoint_refused = msg->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void on_error(void *arg, rd_kafka_resp_err_t err, const char *reason)
{
    struct kafka_txn_publisher *tp = arg;
    if (err != RD_KAFKA_RESP_ERR__FATAL)
        kafka_watcher_tell(tp->watcher, err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, reason);
}

/* ---- outcomes ---- */

static void report(void *arg, const struct publisher_report *r)
{
    struct kafka_txn_publisher *tp = arg;
    tp->reported++;
    tp->on_report(tp->report_arg, r);
}

static void report_committed(struct kafka_txn_publisher *tp)
{
    FAILPOINT("transaction.reporting");
    kafka_batch_committed(tp->batch, report, tp);
    kafka_checkpoint_copy(&tp->last, &tp->own);
    tp->is_unknown = false;
    tp->setbacks = 0;
}

/* Nothing of the transaction is in the feed of a read_committed consumer. */
static void report_aborted(struct kafka_txn_publisher *tp)
{
    kafka_batch_aborted(tp->batch, tp->code, tp->why, report, tp);
    tp->is_unknown = false;
}

/* ---- the producer's end and birth ---- */

static int delay_ms(const struct kafka_txn_publisher *tp)
{
    int64_t ms = tp->setbacks < 2    ? 0
                 : tp->setbacks < 10 ? (int64_t)RESTART_FIRST_MS << (tp->setbacks - 2)
                                     : RESTART_MAX_MS;
    return (int)(ms < RESTART_MAX_MS ? ms : RESTART_MAX_MS);
}

static void retire(struct kafka_txn_publisher *tp, rd_kafka_resp_err_t code, const char *why)
{
    tp->setbacks++;
    /* What goes wrong while an outcome is being found out says nothing about the records, nor does
     * a refusal of the checkpoint. */
    if (tp->phase != PHASE_RECOVERING)
        tp->code = tp->is_checkpoint_refused ? RD_KAFKA_RESP_ERR_NO_ERROR : code;
    snprintf(tp->why, sizeof tp->why, "%s", why);
    if (kafka_transactions_is_fence(code))
        tp->was_fenced = true;
    log_warn("kafka.transaction_failed", LOG_S("reason", tp->why),
             LOG_I("records_again", kafka_batch_count(tp->batch)), LOG_I("delay_ms", delay_ms(tp)));
    kafka_client_watch(tp->client, -1);
    tp->client = NULL;
    enter(tp, PHASE_WAITING);
    kafka_watcher_retire(tp->watcher, delay_ms(tp));
    /* Without a commit nobody can make it visible any more: the next producer aborts it. */
    if (!tp->is_unknown)
        report_aborted(tp);
}

static void attach(struct kafka_txn_publisher *tp)
{
    tp->client = kafka_watcher_client(tp->watcher);
    if (!tp->client)
        return;
    kafka_client_watch(tp->client, tp->wake.fd);
    enter(tp, PHASE_LOOKING);
}

static void look_for_checkpoint(struct kafka_txn_publisher *tp)
{
    uint32_t unused;
    kafka_client_serve(tp->client, &tp->wake);
    if (!tp->is_wanted)
        return;
    tp->home = kafka_watcher_topic(tp->watcher, tp->checkpoint_topic, &unused, tp->topic_reason);
    if (tp->home != PUBLISHER_TOPIC_READY)
        return;
    kafka_transactions_recover(tp->transactions, tp->client, tp->was_fenced);
    enter(tp, PHASE_RECOVERING);
}

static void end_recovery(struct kafka_txn_publisher *tp)
{
    const struct kafka_checkpoint *found = kafka_transactions_found(tp->transactions);
    struct kafka_transactions_outcome o;
    if (!kafka_transactions_take(tp->transactions, &o))
        return;
    if (o.end == KAFKA_TRANSACTIONS_FENCED) {
        snprintf(tp->why, sizeof tp->why, "%s", o.why);
        log_error("kafka.fenced", LOG_S("transactional_id", tp->transactional_id),
                  LOG_S("reason", tp->why),
                  LOG_S("effect", "publishing is stopped, intake goes on"));
        enter(tp, PHASE_FENCED);
        return;
    }
    if (o.end != KAFKA_TRANSACTIONS_DONE) {
        retire(tp, o.code, o.why);
        return;
    }
    if (tp->is_unknown && found->number == tp->own.number) {
        report_committed(tp);
    } else {
        if (tp->is_unknown)
            report_aborted(tp);
        kafka_checkpoint_copy(&tp->last, found);
    }
    if (tp->number < found->number)
        tp->number = found->number;
    tp->last.generation = found->generation;
    snprintf(tp->last.journal, sizeof tp->last.journal, "%s", found->journal);
    tp->was_fenced = false;
    enter(tp, PHASE_IDLE);
}

static void end_commit(struct kafka_txn_publisher *tp)
{
    struct kafka_transactions_outcome o;
    if (!kafka_transactions_take(tp->transactions, &o))
        return;
    if (o.end == KAFKA_TRANSACTIONS_DONE || o.end == KAFKA_TRANSACTIONS_SPENT)
        report_committed(tp);
    if (o.end == KAFKA_TRANSACTIONS_DONE)
        enter(tp, PHASE_IDLE);
    else
        retire(tp, o.code, o.why);
}

static int64_t phase_ms(const struct kafka_txn_publisher *tp)
{
    return mono_diff_ns(clock_mono(clock_system()), tp->phase_since) / 1000000;
}

/* A transaction that cannot go on. A report may be on its way that tells more than what is known
 * now, so librdkafka is asked unless it is clear. */
static void give_up(struct kafka_txn_publisher *tp)
{
    char text[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(tp->client, text, sizeof text);
    if (fatal) {
        retire(tp, fatal, text);
    } else if (tp->is_abandoned) {
        kafka_transactions_abort(tp->transactions, tp->client);
        enter(tp, PHASE_ABORTING);
    } else {
        kafka_transactions_explain(tp->transactions, tp->client);
        enter(tp, PHASE_FAILING);
    }
}

static void end_abort(struct kafka_txn_publisher *tp)
{
    struct kafka_transactions_outcome o;
    if (!kafka_transactions_take(tp->transactions, &o))
        return;
    if (o.end != KAFKA_TRANSACTIONS_DONE) {
        retire(tp, RD_KAFKA_RESP_ERR_NO_ERROR, o.why);
        return;
    }
    tp->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    snprintf(tp->why, sizeof tp->why, "the transaction was called back");
    report_aborted(tp);
    enter(tp, PHASE_IDLE);
}

static void end_failure(struct kafka_txn_publisher *tp)
{
    struct kafka_transactions_outcome o;
    if (!kafka_transactions_take(tp->transactions, &o))
        return;
    kafka_client_serve(tp->client, &tp->wake);
    retire(tp, o.code, o.why);
}

static void advance(struct kafka_txn_publisher *tp)
{
    if (tp->phase == PHASE_WAITING)
        attach(tp);
    switch (tp->phase) {
    case PHASE_WAITING:
        break;
    case PHASE_LOOKING:
        look_for_checkpoint(tp);
        break;
    case PHASE_RECOVERING:
        end_recovery(tp);
        break;
    case PHASE_IDLE:
    case PHASE_OPEN:
        kafka_client_serve(tp->client, &tp->wake);
        if (tp->reports.is_failed || rd_kafka_fatal_error(tp->client, NULL, 0))
            give_up(tp);
        break;
    case PHASE_ENDING:
        end_commit(tp);
        break;
    case PHASE_ABORTING:
        end_abort(tp);
        break;
    case PHASE_FAILING:
        end_failure(tp);
        break;
    case PHASE_FENCED:
        kafka_client_serve(tp->client, &tp->wake);
        break;
    }
}

/* ---- operations ---- */

static enum publisher_topic op_topic(struct publisher *p, const char *topic, const char **reason)
{
    struct kafka_txn_publisher *tp = own(p);
    uint32_t unused;
    *reason = tp->topic_reason;
    return kafka_watcher_topic(tp->watcher, topic, &unused, tp->topic_reason);
}

/* The transaction takes no more: the next poll finds out why. */
static enum status fail(struct kafka_txn_publisher *tp)
{
    tp->reports.is_failed = true;
    wakeup_signal(&tp->wake);
    return ST_AGAIN;
}

static enum status op_produce(struct publisher *p, const struct publisher_record *rec,
                              struct err *e)
{
    struct kafka_txn_publisher *tp = own(p);
    rd_kafka_resp_err_t why;
    uint32_t topic;
    if ((tp->phase != PHASE_IDLE && tp->phase != PHASE_OPEN) || tp->reports.is_failed)
        return err_set(e, ST_AGAIN, "no transaction can be opened now");
    if (kafka_batch_is_full(tp->batch))
        return err_set(e, ST_FULL, "the transaction holds as much as the queue");
    if (kafka_watcher_topic(tp->watcher, rec->topic, &topic, tp->topic_reason) !=
        PUBLISHER_TOPIC_READY)
        return err_set(e, ST_AGAIN, "topic %s is not ready: %s", rec->topic, tp->topic_reason);
    if (!kafka_suspects_may_send(tp->suspects, topic, kafka_batch_count(tp->batch)))
        return err_set(e, ST_AGAIN,
                       "topic %s waits for a transaction without others, or another "
                       "one has it",
                       rec->topic);
    uint32_t slot = kafka_batch_open(tp->batch, rec->tag, topic);
    enum status st = kafka_send(tp->client, rec, (void *)(uintptr_t)slot, &why, e);
    if (st == ST_OK) {
        kafka_batch_keep(tp->batch);
        if (tp->phase == PHASE_IDLE)
            enter(tp, PHASE_OPEN);
    } else if (st == ST_AGAIN && !kafka_suspects_refused(tp->suspects, topic, why)) {
        fail(tp); /* _STATE, _FATAL */
    }
    return st;
}

static enum status op_commit(struct publisher *p, const struct publisher_checkpoint *cp,
                             struct err *e)
{
    struct kafka_txn_publisher *tp = own(p);
    if (tp->phase != PHASE_OPEN || tp->reports.is_failed)
        return err_set(e, ST_AGAIN, "there is no open transaction");
    CHECK(cp->count <= PUBLISHER_POSITIONS_MAX);
    struct publisher_position *room = tp->own.positions;
    if (cp->count)
        memcpy(room, cp->positions, cp->count * sizeof *room);
    tp->own = (struct kafka_checkpoint){.positions = room, .count = cp->count};
    tp->own.generation = tp->last.generation;
    snprintf(tp->own.journal, sizeof tp->own.journal, "%s", tp->journal_id);
    tp->own.number = tp->number + 1;
    enum status st =
        kafka_transactions_add(tp->client, tp->checkpoint_topic, &tp->own, tp->scratch, e);
    FAILPOINT("transaction.checkpointed");
    if (st == ST_FULL)
        return st;
    if (st != ST_OK)
        return fail(tp);
    tp->number++;
    tp->is_unknown = true;
    tp->is_checkpoint_refused = false;
    kafka_transactions_commit(tp->transactions, tp->client, &tp->reports);
    enter(tp, PHASE_ENDING);
    return ST_OK;
}

static enum publisher_standing op_standing(struct publisher *p, struct publisher_checkpoint *last)
{
    struct kafka_txn_publisher *tp = own(p);
    if (!tp->is_wanted) {
        tp->is_wanted = true;
        wakeup_signal(&tp->wake);
    }
    if (tp->phase == PHASE_FENCED)
        return PUBLISHER_FENCED;
    if (tp->phase == PHASE_LOOKING && tp->home == PUBLISHER_TOPIC_MISSING)
        return PUBLISHER_TOPICLESS;
    if (tp->phase == PHASE_WAITING || tp->phase == PHASE_LOOKING || tp->phase == PHASE_RECOVERING)
        return PUBLISHER_RECOVERING;
    *last = (struct publisher_checkpoint){tp->last.positions, tp->last.count};
    return PUBLISHER_ABLE;
}

static size_t op_poll(struct publisher *p,
                      void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    struct kafka_txn_publisher *tp = own(p);
    tp->on_report = on_report;
    tp->report_arg = arg;
    tp->reported = 0;
    wakeup_clear(&tp->wake);
    advance(tp);
    tp->on_report = NULL;
    return tp->reported;
}

static void op_flush(struct publisher *p, int timeout_ms,
                     void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    struct kafka_txn_publisher *tp = own(p);
    struct mono until = mono_add_ms(clock_mono(clock_system()), timeout_ms);
    op_poll(p, on_report, arg);
    while (tp->phase == PHASE_ENDING) {
        int wait_ms = mono_until_ms(clock_mono(clock_system()), until, FLUSH_STEP_MS);
        struct pollfd pfd = {.fd = tp->wake.fd, .events = POLLIN};
        if (wait_ms == 0)
            break;
        poll(&pfd, 1, wait_ms);
        op_poll(p, on_report, arg);
    }
}

static void op_abandon(struct publisher *p)
{
    struct kafka_txn_publisher *tp = own(p);
    if (tp->phase != PHASE_OPEN)
        return;
    tp->is_abandoned = true;
    fail(tp);
}

static int op_wait_fd(struct publisher *p)
{
    return own(p)->wake.fd;
}

static const char *op_cluster_id(struct publisher *p)
{
    return kafka_watcher_cluster_id(own(p)->watcher);
}

static bool is_with_other_thread(const struct kafka_txn_publisher *tp)
{
    return tp->phase == PHASE_RECOVERING || tp->phase == PHASE_ENDING ||
           tp->phase == PHASE_ABORTING || tp->phase == PHASE_FAILING;
}

static const char *op_state(struct publisher *p, bool *connected)
{
    struct kafka_txn_publisher *tp = own(p);
    kafka_watcher_state(tp->watcher, connected, tp->state_line, sizeof tp->state_line);
    if (tp->phase == PHASE_FENCED)
        snprintf(tp->state_line, sizeof tp->state_line, "publishing is stopped: %s", tp->why);
    else if (*connected && tp->phase == PHASE_LOOKING && tp->topic_reason[0])
        snprintf(tp->state_line, sizeof tp->state_line, "checkpoint topic %s: %s",
                 tp->checkpoint_topic, tp->topic_reason);
    else if (*connected && is_with_other_thread(tp) && phase_ms(tp) > SLOW_MS)
        snprintf(tp->state_line, sizeof tp->state_line, "a %s waits for Kafka since %d s%s%s",
                 tp->phase == PHASE_RECOVERING ? "recovery" : "transaction",
                 (int)(phase_ms(tp) / 1000), tp->why[0] ? "; before: " : "", tp->why);
    else if (*connected && tp->setbacks > 1)
        snprintf(tp->state_line, sizeof tp->state_line, "transactions fail: %s", tp->why);
    return tp->state_line;
}

static void op_destroy(struct publisher *p)
{
    struct kafka_txn_publisher *tp = (struct kafka_txn_publisher *)p;
    if (!tp)
        return;
    /* First: it may be inside the client. */
    kafka_transactions_destroy(tp->transactions, tp->phase == PHASE_OPEN ? tp->client : NULL);
    if (tp->client)
        kafka_client_watch(tp->client, -1);
    kafka_watcher_destroy(tp->watcher);
    kafka_batch_destroy(tp->batch);
    kafka_suspects_destroy(tp->suspects);
    kafka_checkpoint_fini(&tp->own);
    kafka_checkpoint_fini(&tp->last);
    if (tp->conf)
        rd_kafka_conf_destroy(tp->conf);
    kafka_conf_log_destroy(tp->log);
    wakeup_fini(&tp->wake);
    free(tp->scratch);
    free(tp);
}

static const struct publisher_ops ops = {
    .topic = op_topic,
    .produce = op_produce,
    .poll = op_poll,
    .flush = op_flush,
    .abandon = op_abandon,
    .standing = op_standing,
    .commit = op_commit,
    .wait_fd = op_wait_fd,
    .cluster_id = op_cluster_id,
    .state = op_state,
    .destroy = op_destroy,
};

static enum status make_memory(struct kafka_txn_publisher *tp, struct err *e)
{
    enum status st = kafka_checkpoint_init(&tp->own, e);
    if (st == ST_OK)
        st = kafka_checkpoint_init(&tp->last, e);
    tp->scratch = malloc(KAFKA_CHECKPOINT_TEXT_MAX);
    tp->log = kafka_conf_log_create();
    if (st == ST_OK && (!tp->scratch || !tp->log))
        st = err_set(e, ST_NO_MEM, "Kafka publisher: out of memory");
    tp->hooks = (struct kafka_hooks){tp->log, on_message, on_error, tp};
    return st;
}

static enum status start(struct kafka_txn_publisher *tp, const struct kafka_txn_opts *opts,
                         int timeout_ms, struct err *e)
{
    const struct kafka_watcher_opts watcher = {.conf = tp->conf,
                                               .create_topics = opts->common.create_topics,
                                               .partitions = opts->common.partitions,
                                               .replication_factor =
                                                   opts->common.replication_factor,
                                               .compacted_topic = tp->checkpoint_topic,
                                               .needs_all_leaders = true,
                                               .wake = &tp->wake};
    const struct kafka_transactions_opts transactions = {
        .checkpoint = {opts->common.properties, opts->common.property_count, tp->checkpoint_topic,
                       tp->journal_id, QUESTION_MS},
        .timeout_ms = timeout_ms,
        .wake = &tp->wake};
    enum status st = kafka_watcher_create(&tp->watcher, &watcher, e);
    if (st == ST_OK)
        st = kafka_suspects_create(&tp->suspects, tp->watcher, e);
    if (st == ST_OK)
        st = kafka_batch_create(&tp->batch, tp->records_max, tp->suspects, e);
    if (st == ST_OK)
        st = kafka_transactions_create(&tp->transactions, &transactions, e);
    return st;
}

enum status kafka_txn_publisher_create(struct publisher **out, const struct kafka_txn_opts *opts,
                                       struct err *e)
{
    struct kafka_txn_publisher *tp = calloc(1, sizeof *tp);
    if (!tp)
        return err_set(e, ST_NO_MEM, "Kafka publisher: out of memory");
    tp->base.ops = &ops;
    tp->phase = PHASE_WAITING;
    tp->wake.fd = -1;
    snprintf(tp->transactional_id, sizeof tp->transactional_id, "%s", opts->transactional_id);
    snprintf(tp->checkpoint_topic, sizeof tp->checkpoint_topic, "%s", opts->checkpoint_topic);
    snprintf(tp->journal_id, sizeof tp->journal_id, "%s", opts->journal_id);
    const int timeout_ms = opts->timeout_ms ? opts->timeout_ms : TRANSACTION_TIMEOUT_MS;
    const struct kafka_conf_opts conf = {.properties = opts->common.properties,
                                         .property_count = opts->common.property_count,
                                         .transactional_id = tp->transactional_id,
                                         .transaction_timeout_ms = timeout_ms,
                                         .hooks = &tp->hooks};
    enum status st = kafka_conf_create(&tp->conf, &tp->records_max, &conf, e);
    if (st == ST_OK)
        st = make_memory(tp, e);
    if (st == ST_OK)
        st = wakeup_init(&tp->wake, e);
    if (st == ST_OK)
        st = start(tp, opts, timeout_ms, e);
    if (st != ST_OK) {
        op_destroy(&tp->base);
        return st;
    }
    *out = &tp->base;
    return ST_OK;
}
