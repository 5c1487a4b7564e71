/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_FORWARDER_RIG_H
#define UNIT_FORWARDER_RIG_H

/*
 * A forwarder over a real journal and committer, with a publisher that does what a test says.
 * Included by test programs after cmocka.h. Threads: one.
 */

#include "relay/forwarder.h"
#include "unit/journal_rig.h"

#define RECORDS_MAX 64
#define TURNS       40
#define TURN_MS     300 /* longer than any of the relay's own delays */

struct sent {
    uint64_t tag;
    int64_t seq;
    bool labelled;
};

struct fake {
    struct publisher base;
    enum publisher_standing standing;
    struct publisher_position last[8]; /* what a start finds in Kafka */
    size_t last_count;
    struct sent open[RECORDS_MAX]; /* the open transaction, in the order of producing */
    size_t open_count;
    bool committing;
    struct publisher_position asked[8]; /* of the last commit */
    size_t asked_count;
    int commits;
    bool is_decided;
    enum publisher_outcome outcome;
    int64_t rejected;    /* of the failing transaction: this one is the reason */
    int64_t too_big;     /* refused by produce */
    const char *waiting; /* a topic for which it is ST_AGAIN */
    const char *missing; /* a topic that is not there */
};

struct stage {
    struct rig *rig;
    struct fake fake;
    struct committer *committer;
    struct journal_reader *reader;
    struct forwarder *forwarder;
    int64_t delivered[RECORDS_MAX];
    size_t delivered_count;
    size_t transaction_records_max;
    bool at_least_once;
};

/* ---- the publisher ---- */

static inline struct fake *own(struct publisher *p)
{
    return (struct fake *)(void *)p;
}

static inline enum publisher_topic op_topic(struct publisher *p, const char *topic,
                                            const char **reason)
{
    *reason = "as the test says";
    return own(p)->missing && strcmp(topic, own(p)->missing) == 0 ? PUBLISHER_TOPIC_MISSING
                                                                  : PUBLISHER_TOPIC_READY;
}

static inline struct slice header(const struct publisher_record *rec, const char *name)
{
    for (size_t i = 0; i < rec->header_count; i++)
        if (strcmp(rec->headers[i].name, name) == 0)
            return rec->headers[i].value;
    return (struct slice){0};
}

static inline enum status op_produce(struct publisher *p, const struct publisher_record *rec,
                                     struct err *e)
{
    struct fake *f = own(p);
    struct slice text = header(rec, "relay-seq");
    int64_t seq = 0;
    for (size_t i = 0; i < text.len; i++)
        seq = seq * 10 + (text.ptr[i] - '0');
    assert_int_equal(f->standing, PUBLISHER_ABLE);
    if (f->committing || f->is_decided || (f->waiting && strcmp(rec->topic, f->waiting) == 0))
        return err_set(e, ST_AGAIN, "not now");
    if (seq == f->too_big)
        return err_set(e, ST_TOO_BIG, "too big");
    assert_true(f->open_count < RECORDS_MAX);
    f->open[f->open_count++] =
        (struct sent){rec->tag, seq, header(rec, "relay-possible-duplicate").len > 0};
    return ST_OK;
}

static inline size_t op_poll(struct publisher *p,
                             void (*on_report)(void *arg, const struct publisher_report *),
                             void *arg)
{
    struct fake *f = own(p);
    size_t count = f->open_count;
    if (!f->is_decided)
        return 0;
    f->is_decided = f->committing = false;
    f->open_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct publisher_report report = {.tag = f->open[i].tag,
                                          .outcome = f->outcome,
                                          .offset = -1,
                                          .surely_absent = f->outcome != PUBLISHER_DELIVERED,
                                          .reason = "as the test says"};
        if (f->outcome != PUBLISHER_DELIVERED && f->open[i].seq == f->rejected)
            report.outcome = PUBLISHER_REJECTED;
        on_report(arg, &report);
    }
    return count;
}

static inline void op_flush(struct publisher *p, int timeout_ms,
                            void (*on_report)(void *arg, const struct publisher_report *),
                            void *arg)
{
    (void)timeout_ms;
    op_poll(p, on_report, arg);
}

static inline enum publisher_standing op_standing(struct publisher *p,
                                                  struct publisher_checkpoint *last)
{
    struct fake *f = own(p);
    if (f->standing == PUBLISHER_ABLE)
        *last = (struct publisher_checkpoint){f->last, f->last_count};
    return f->standing;
}

static inline enum status op_commit(struct publisher *p, const struct publisher_checkpoint *cp,
                                    struct err *e)
{
    struct fake *f = own(p);
    if (!f->open_count || f->committing || f->is_decided)
        return err_set(e, ST_AGAIN, "there is no open transaction");
    assert_true(cp->count <= sizeof f->asked / sizeof f->asked[0]);
    memcpy(f->asked, cp->positions, cp->count * sizeof f->asked[0]);
    f->asked_count = cp->count;
    f->committing = true;
    f->commits++;
    return ST_OK;
}

static inline int op_wait_fd(struct publisher *p)
{
    (void)p;
    return -1;
}

static const char *op_cluster_id(struct publisher *p)
{
    (void)p;
    return "cluster-1";
}

static const char *op_state(struct publisher *p, bool *connected)
{
    (void)p;
    *connected = true;
    return "fake";
}

static const struct publisher_ops once_ops = {.topic = op_topic,
                                              .produce = op_produce,
                                              .poll = op_poll,
                                              .flush = op_flush,
                                              .standing = op_standing,
                                              .commit = op_commit,
                                              .wait_fd = op_wait_fd,
                                              .cluster_id = op_cluster_id,
                                              .state = op_state};
static const struct publisher_ops least_ops = {.topic = op_topic,
                                               .produce = op_produce,
                                               .poll = op_poll,
                                               .flush = op_flush,
                                               .wait_fd = op_wait_fd,
                                               .cluster_id = op_cluster_id,
                                               .state = op_state};

static inline void decide(struct stage *s, enum publisher_outcome outcome)
{
    s->fake.is_decided = true;
    s->fake.outcome = outcome;
}

/* ---- the stage ---- */

static inline void on_delivered(void *arg, int64_t seq)
{
    struct stage *s = arg;
    assert_true(s->delivered_count < RECORDS_MAX);
    s->delivered[s->delivered_count++] = seq;
}

static inline void begin_process(struct stage *s)
{
    const struct committer_opts committer = {
        .journal = s->rig->journal, .clock = &s->rig->clock, .mailbox_max = 16, .rows_max = 16};
    struct forwarder_opts opts = {.publisher = &s->fake.base,
                                  .clock = &s->rig->clock,
                                  .lane_in_flight = 16,
                                  .read_rows_max = 4,
                                  .read_bytes_max = 1 << 20,
                                  .transaction_records_max = s->transaction_records_max,
                                  .bind_cluster = true,
                                  .on_delivered = on_delivered,
                                  .on_delivered_arg = s};
    struct err e = {0};
    s->fake.base.ops = s->at_least_once ? &least_ops : &once_ops;
    assert_int_equal(committer_create(&s->committer, &committer, &e), ST_OK);
    s->reader = open_reader(s->rig);
    opts.committer = s->committer;
    opts.reader = s->reader;
    assert_int_equal(forwarder_create(&s->forwarder, &opts, &e), ST_OK);
}

/* As a kill does: what is under way at the committer is made, and nobody hears of it. */
static inline void end_process(struct stage *s)
{
    committer_close(s->committer);
    while (committer_step(s->committer, 0) == COMMITTER_WORKING)
        continue;
    forwarder_destroy(s->forwarder);
    committer_destroy(s->committer);
    journal_reader_close(s->reader);
    s->forwarder = NULL;
    s->fake.open_count = 0;
    s->fake.committing = s->fake.is_decided = false;
}

/* Turns of the forwarder and, unless the journal is stuck, of the committer, until nothing moves.
 */
static inline void turn(struct stage *s, bool journal_works)
{
    for (int i = 0; i < TURNS; i++) {
        bool again = forwarder_step(s->forwarder);
        if (journal_works)
            committer_step(s->committer, 0);
        if (!again)
            s->rig->now.us += TURN_MS * 1000;
    }
}

static inline void run(struct stage *s)
{
    turn(s, true);
}

/* Events come in beside the forwarder. */
static inline int64_t arrive(struct stage *s, const char *topic)
{
    static int number;
    char body[32];
    snprintf(body, sizeof body, "{\"n\":%d}", number++);
    int64_t seq = store(s->rig, topic, "", body).seq;
    if (s->forwarder)
        forwarder_notify(s->forwarder);
    return seq;
}

static inline int64_t place_of(const struct stage *s, int64_t feed)
{
    for (size_t i = 0; i < s->fake.asked_count; i++)
        if (s->fake.asked[i].feed == feed)
            return s->fake.asked[i].seq;
    return -1;
}

static inline struct stage *set_stage(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->rig = *state;
    s->fake.standing = PUBLISHER_ABLE;
    open_journal(s->rig);
    return s;
}

static inline void strike_stage(struct stage *s)
{
    end_process(s);
    free(s);
}

static inline struct forwarder_kafka_view view_of(struct stage *s)
{
    struct forwarder_kafka_view view;
    forwarder_kafka(s->forwarder, &view);
    return view;
}

static inline int64_t count_parked(struct stage *s)
{
    struct journal_counts counts;
    struct err e = {0};
    struct journal_reader *reader = open_reader(s->rig);
    assert_int_equal(journal_count(reader, &counts, &e), ST_OK);
    journal_reader_close(reader);
    return counts.parked;
}

#endif
