/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_txn_publisher.h"

#include "base/log.h"
#include "base/thread.h"
#include "kafka/kafka_conf.h"
#include "kafka/kafka_send.h"
#include "kafka/kafka_suspects.h"
#include "kafka/kafka_transactions.h"
#include "kafka/kafka_verdict.h"
#include "kafka/kafka_watcher.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define RESTART_FIRST_MS 100
#define RESTART_MAX_MS   5000
#define QUESTION_MS      5000 /* of reading the checkpoint back */
#define POLL_ROUNDS      8
#define FLUSH_STEP_MS    100

enum phase {
    PHASE_WAITING,    /* there is no producer */
    PHASE_LOOKING,    /* for the checkpoint topic */
    PHASE_RECOVERING, /* the thread of the blocking calls has the client */
    PHASE_IDLE,
    PHASE_OPEN,   /* a transaction is open */
    PHASE_ENDING, /* the thread of the blocking calls has the client */
    PHASE_FENCED,
};

struct sent {
    uint64_t tag;
    uint32_t topic;
    rd_kafka_resp_err_t err; /* of its report */
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
    struct sent *sent;
    size_t sent_count, sent_max;
    bool is_failed;               /* one of its records came back with an error */
    bool is_unknown;              /* it may have been committed: the next recovery tells */
    struct kafka_checkpoint own;  /* what it carries */
    uint64_t number;              /* of the last transaction that was tried */
    struct kafka_checkpoint last; /* of the last committed one */

    unsigned setbacks; /* producers in a row that committed nothing */
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
}

/* ---- callbacks of the client: on the forwarder's thread in poll, on that of the blocking calls
 * while it has the client; never on both ---- */

static void on_message(void *arg, const rd_kafka_message_t *msg)
{
    struct kafka_txn_publisher *tp = arg;
    uintptr_t slot = (uintptr_t)msg->_private;
    if (msg->err)
        tp->is_failed = true;
    if (slot < tp->sent_count)
        tp->sent[slot].err = msg->err;
}

static void on_error(void *arg, rd_kafka_resp_err_t err, const char *reason)
{
    struct kafka_txn_publisher *tp = arg;
    if (err != RD_KAFKA_RESP_ERR__FATAL)
        kafka_watcher_tell(tp->watcher, err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, reason);
}

static void serve(struct kafka_txn_publisher *tp)
{
    int rounds = 0;
    while (rd_kafka_poll(tp->client, 0) > 0)
        if (++rounds == POLL_ROUNDS) {
            /* librdkafka signals only when its queue stops being empty. */
            wakeup_signal(&tp->wake);
            break;
        }
}

static void watch_queue(rd_kafka_t *client, int fd)
{
    const uint64_t one = 1;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(client);
    rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof one);
    rd_kafka_queue_destroy(queue);
}

/* ---- outcomes ---- */

static void report(struct kafka_txn_publisher *tp, const struct sent *s,
                   enum publisher_outcome outcome)
{
    const struct publisher_report r = {.tag = s->tag,
                                       .outcome = outcome,
                                       .partition = -1,
                                       .offset = -1,
                                       .surely_absent = outcome != PUBLISHER_DELIVERED,
                                       .reason = outcome == PUBLISHER_DELIVERED ? NULL
                                                 : s->err ? rd_kafka_err2str(s->err)
                                                          : tp->why};
    tp->reported++;
    tp->on_report(tp->report_arg, &r);
}

static void report_committed(struct kafka_txn_publisher *tp)
{
    bool was_alone = tp->sent_count == 1;
    for (size_t i = 0; i < tp->sent_count; i++) {
        kafka_suspects_clear(tp->suspects, tp->sent[i].topic, was_alone);
        report(tp, &tp->sent[i], PUBLISHER_DELIVERED);
    }
    kafka_checkpoint_copy(&tp->last, &tp->own);
    tp->sent_count = 0;
    tp->is_unknown = false;
    tp->setbacks = 0;
}

/* Nothing of the transaction is in the feed of a read_committed consumer. */
static void report_aborted(struct kafka_txn_publisher *tp)
{
    bool was_alone = tp->sent_count == 1;
    for (size_t i = 0; i < tp->sent_count; i++) {
        const struct sent *s = &tp->sent[i];
        report(tp, s, kafka_suspects_judge(tp->suspects, s->topic, s->err, was_alone));
    }
    kafka_suspects_end_round(tp->suspects);
    tp->sent_count = 0;
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

static void retire(struct kafka_txn_publisher *tp, const char *why)
{
    tp->setbacks++;
    snprintf(tp->why, sizeof tp->why, "%s", why);
    log_warn("kafka.transaction_failed", LOG_S("reason", tp->why),
             LOG_I("records_again", (int64_t)tp->sent_count), LOG_I("delay_ms", delay_ms(tp)));
    watch_queue(tp->client, -1);
    tp->client = NULL;
    tp->is_failed = false;
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
    watch_queue(tp->client, tp->wake.fd);
    enter(tp, PHASE_LOOKING);
}

static void look_for_checkpoint(struct kafka_txn_publisher *tp)
{
    uint32_t unused;
    serve(tp);
    if (kafka_watcher_topic(tp->watcher, tp->checkpoint_topic, &unused, tp->topic_reason) !=
        PUBLISHER_TOPIC_READY)
        return;
    kafka_transactions_recover(tp->transactions, tp->client);
    enter(tp, PHASE_RECOVERING);
}

static void end_recovery(struct kafka_txn_publisher *tp)
{
    const struct kafka_checkpoint *found = kafka_transactions_found(tp->transactions);
    enum kafka_transactions_end end;
    const char *why;
    if (!kafka_transactions_take(tp->transactions, &end, &why))
        return;
    if (end == KAFKA_TRANSACTIONS_FENCED) {
        snprintf(tp->why, sizeof tp->why, "%s", why);
        log_error("kafka.fenced", LOG_S("transactional_id", tp->transactional_id),
                  LOG_S("reason", why), LOG_S("effect", "publishing is stopped, intake goes on"));
        enter(tp, PHASE_FENCED);
        return;
    }
    if (end == KAFKA_TRANSACTIONS_FAILED) {
        retire(tp, why);
        return;
    }
    if (tp->is_unknown && found->number == tp->number) {
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
    tp->is_failed = false;
    enter(tp, PHASE_IDLE);
}

static void end_commit(struct kafka_txn_publisher *tp)
{
    enum kafka_transactions_end end;
    const char *why;
    if (!kafka_transactions_take(tp->transactions, &end, &why))
        return;
    if (end != KAFKA_TRANSACTIONS_DONE) {
        retire(tp, why);
        return;
    }
    report_committed(tp);
    enter(tp, PHASE_IDLE);
}

static void watch_for_hang(const struct kafka_txn_publisher *tp)
{
    if (mono_diff_ns(clock_mono(clock_system()), tp->phase_since) / 1000000 < KAFKA_TXN_HANG_MS)
        return;
    log_error("kafka.hangs", LOG_S("in", tp->phase == PHASE_ENDING ? "commit" : "recovery"),
              LOG_S("effect", "the process ends; a restart goes on from the checkpoint"));
    abort();
}

static const char *first_error(const struct kafka_txn_publisher *tp)
{
    for (size_t i = 0; i < tp->sent_count; i++)
        if (tp->sent[i].err)
            return rd_kafka_err2str(tp->sent[i].err);
    return "the producer failed";
}

static void advance(struct kafka_txn_publisher *tp)
{
    switch (tp->phase) {
    case PHASE_WAITING:
        attach(tp);
        break;
    case PHASE_LOOKING:
        look_for_checkpoint(tp);
        break;
    case PHASE_RECOVERING:
        end_recovery(tp);
        break;
    case PHASE_IDLE:
    case PHASE_OPEN:
        serve(tp);
        if (tp->is_failed || rd_kafka_fatal_error(tp->client, NULL, 0))
            retire(tp, first_error(tp));
        break;
    case PHASE_ENDING:
        end_commit(tp);
        break;
    case PHASE_FENCED:
        serve(tp);
        break;
    }
    if (tp->phase == PHASE_RECOVERING || tp->phase == PHASE_ENDING)
        watch_for_hang(tp);
}

/* ---- operations ---- */

static enum publisher_topic op_topic(struct publisher *p, const char *topic, const char **reason)
{
    struct kafka_txn_publisher *tp = own(p);
    uint32_t unused;
    *reason = tp->topic_reason;
    return kafka_watcher_topic(tp->watcher, topic, &unused, tp->topic_reason);
}

static bool begin(struct kafka_txn_publisher *tp, struct err *e)
{
    rd_kafka_error_t *err = rd_kafka_begin_transaction(tp->client);
    if (!err) {
        enter(tp, PHASE_OPEN);
        return true;
    }
    err_set(e, ST_AGAIN, "begin_transaction: %s", rd_kafka_error_string(err));
    rd_kafka_error_destroy(err);
    tp->is_failed = true;
    wakeup_signal(&tp->wake);
    return false;
}

static enum status op_produce(struct publisher *p, const struct publisher_record *rec,
                              struct err *e)
{
    struct kafka_txn_publisher *tp = own(p);
    struct sent s = {.tag = rec->tag};
    rd_kafka_resp_err_t why;
    if ((tp->phase != PHASE_IDLE && tp->phase != PHASE_OPEN) || tp->is_failed)
        return err_set(e, ST_AGAIN, "no transaction can be opened now");
    if (tp->sent_count == tp->sent_max)
        return err_set(e, ST_FULL, "the transaction holds as much as the queue");
    if (kafka_watcher_topic(tp->watcher, rec->topic, &s.topic, tp->topic_reason) !=
        PUBLISHER_TOPIC_READY)
        return err_set(e, ST_AGAIN, "topic %s is not ready: %s", rec->topic, tp->topic_reason);
    if (!kafka_suspects_may_send(tp->suspects, s.topic, tp->sent_count))
        return err_set(e, ST_AGAIN, "topic %s goes record by record after a refusal", rec->topic);
    if (tp->phase == PHASE_IDLE && !begin(tp, e))
        return ST_AGAIN;
    /* Before the call: the report may come from another thread, but not before a commit. */
    tp->sent[tp->sent_count] = s;
    enum status st = kafka_send(tp->client, rec, (void *)(uintptr_t)tp->sent_count, &why, e);
    if (st == ST_OK)
        tp->sent_count++;
    else if (st == ST_AGAIN) {
        /* A transaction that cannot go on says so at once (_STATE, _FATAL, denied topics). */
        kafka_suspects_judge(tp->suspects, s.topic, why, true);
        tp->is_failed = true;
        wakeup_signal(&tp->wake);
    }
    return st;
}

static enum status op_commit(struct publisher *p, const struct publisher_checkpoint *cp,
                             struct err *e)
{
    struct kafka_txn_publisher *tp = own(p);
    if (tp->phase != PHASE_OPEN || tp->is_failed)
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
    if (st == ST_FULL)
        return st;
    if (st != ST_OK) {
        tp->is_failed = true;
        wakeup_signal(&tp->wake);
        return ST_AGAIN;
    }
    tp->number++;
    tp->is_unknown = true;
    kafka_transactions_commit(tp->transactions, tp->client);
    enter(tp, PHASE_ENDING);
    return ST_OK;
}

static enum publisher_standing op_standing(struct publisher *p, struct publisher_checkpoint *last)
{
    struct kafka_txn_publisher *tp = own(p);
    if (tp->phase == PHASE_FENCED)
        return PUBLISHER_FENCED;
    if (tp->phase != PHASE_IDLE && tp->phase != PHASE_OPEN && tp->phase != PHASE_ENDING)
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
    tp->is_failed = true;
    wakeup_signal(&tp->wake);
}

static int op_wait_fd(struct publisher *p)
{
    return own(p)->wake.fd;
}

static const char *op_cluster_id(struct publisher *p)
{
    return kafka_watcher_cluster_id(own(p)->watcher);
}

static const char *op_state(struct publisher *p, bool *connected)
{
    struct kafka_txn_publisher *tp = own(p);
    kafka_watcher_state(tp->watcher, connected, tp->state_line, sizeof tp->state_line);
    if (tp->phase == PHASE_FENCED)
        snprintf(tp->state_line, sizeof tp->state_line, "publishing is stopped: %s", tp->why);
    else if (*connected && tp->phase == PHASE_LOOKING && tp->topic_reason[0])
        snprintf(tp->state_line, sizeof tp->state_line, "checkpoint topic %.200s: %s",
                 tp->checkpoint_topic, tp->topic_reason);
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
    kafka_transactions_destroy(tp->transactions);
    if (tp->client)
        watch_queue(tp->client, -1);
    kafka_watcher_destroy(tp->watcher);
    kafka_suspects_destroy(tp->suspects);
    kafka_checkpoint_fini(&tp->own);
    kafka_checkpoint_fini(&tp->last);
    if (tp->conf)
        rd_kafka_conf_destroy(tp->conf);
    kafka_conf_log_destroy(tp->log);
    wakeup_fini(&tp->wake);
    free(tp->sent);
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
    tp->sent = calloc(tp->sent_max, sizeof *tp->sent);
    tp->scratch = malloc(KAFKA_CHECKPOINT_TEXT_MAX);
    tp->log = kafka_conf_log_create();
    if (st == ST_OK && (!tp->sent || !tp->scratch || !tp->log))
        st = err_set(e, ST_NO_MEM, "Kafka publisher: out of memory");
    tp->hooks = (struct kafka_hooks){tp->log, on_message, on_error, tp};
    return st;
}

static enum status start(struct kafka_txn_publisher *tp, const struct kafka_txn_opts *opts,
                         struct err *e)
{
    const struct kafka_watcher_opts watcher = {.conf = tp->conf,
                                               .create_topics = opts->common.create_topics,
                                               .partitions = opts->common.partitions,
                                               .replication_factor =
                                                   opts->common.replication_factor,
                                               .compacted_topic = tp->checkpoint_topic,
                                               .wake = &tp->wake};
    const struct kafka_transactions_opts transactions = {
        .checkpoint = {opts->common.properties, opts->common.property_count, tp->checkpoint_topic,
                       tp->journal_id, QUESTION_MS},
        .wake = &tp->wake};
    enum status st = kafka_watcher_create(&tp->watcher, &watcher, e);
    if (st == ST_OK)
        st = kafka_suspects_create(&tp->suspects, tp->watcher, e);
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
    const struct kafka_conf_opts conf = {.properties = opts->common.properties,
                                         .property_count = opts->common.property_count,
                                         .transactional_id = tp->transactional_id,
                                         .transaction_timeout_ms = KAFKA_TRANSACTIONS_TIMEOUT_MS,
                                         .hooks = &tp->hooks};
    enum status st = kafka_conf_create(&tp->conf, &tp->sent_max, &conf, e);
    if (st == ST_OK)
        st = make_memory(tp, e);
    if (st == ST_OK)
        st = wakeup_init(&tp->wake, e);
    if (st == ST_OK)
        st = start(tp, opts, e);
    if (st != ST_OK) {
        op_destroy(&tp->base);
        return st;
    }
    *out = &tp->base;
    return ST_OK;
}
