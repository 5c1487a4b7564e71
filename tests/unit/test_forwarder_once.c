/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/forwarder.h"

#include "unit/journal_rig.h"

/* The forwarder exactly-once, with a publisher that does what a test says. */

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

static struct fake *own(struct publisher *p)
{
    return (struct fake *)(void *)p;
}

static enum publisher_topic op_topic(struct publisher *p, const char *topic, const char **reason)
{
    *reason = "as the test says";
    return own(p)->missing && strcmp(topic, own(p)->missing) == 0 ? PUBLISHER_TOPIC_MISSING
                                                                  : PUBLISHER_TOPIC_READY;
}

static struct slice header(const struct publisher_record *rec, const char *name)
{
    for (size_t i = 0; i < rec->header_count; i++)
        if (strcmp(rec->headers[i].name, name) == 0)
            return rec->headers[i].value;
    return (struct slice){0};
}

static enum status op_produce(struct publisher *p, const struct publisher_record *rec,
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

static size_t op_poll(struct publisher *p,
                      void (*on_report)(void *arg, const struct publisher_report *), void *arg)
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

static void op_flush(struct publisher *p, int timeout_ms,
                     void (*on_report)(void *arg, const struct publisher_report *), void *arg)
{
    (void)timeout_ms;
    op_poll(p, on_report, arg);
}

static enum publisher_standing op_standing(struct publisher *p, struct publisher_checkpoint *last)
{
    struct fake *f = own(p);
    if (f->standing == PUBLISHER_ABLE)
        *last = (struct publisher_checkpoint){f->last, f->last_count};
    return f->standing;
}

static enum status op_commit(struct publisher *p, const struct publisher_checkpoint *cp,
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

static int op_wait_fd(struct publisher *p)
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

static void decide(struct stage *s, enum publisher_outcome outcome)
{
    s->fake.is_decided = true;
    s->fake.outcome = outcome;
}

/* ---- the stage ---- */

static void on_delivered(void *arg, int64_t seq)
{
    struct stage *s = arg;
    assert_true(s->delivered_count < RECORDS_MAX);
    s->delivered[s->delivered_count++] = seq;
}

static void begin_process(struct stage *s)
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
static void end_process(struct stage *s)
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
static void turn(struct stage *s, bool journal_works)
{
    for (int i = 0; i < TURNS; i++) {
        bool again = forwarder_step(s->forwarder);
        if (journal_works)
            committer_step(s->committer, 0);
        if (!again)
            s->rig->now.us += TURN_MS * 1000;
    }
}

static void run(struct stage *s)
{
    turn(s, true);
}

/* Events come in beside the forwarder. */
static int64_t arrive(struct stage *s, const char *topic)
{
    static int number;
    char body[32];
    snprintf(body, sizeof body, "{\"n\":%d}", number++);
    int64_t seq = store(s->rig, topic, "", body).seq;
    if (s->forwarder)
        forwarder_notify(s->forwarder);
    return seq;
}

static int64_t place_of(const struct stage *s, int64_t feed)
{
    for (size_t i = 0; i < s->fake.asked_count; i++)
        if (s->fake.asked[i].feed == feed)
            return s->fake.asked[i].seq;
    return -1;
}

static struct stage *set_stage(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->rig = *state;
    s->fake.standing = PUBLISHER_ABLE;
    open_journal(s->rig);
    return s;
}

static void strike_stage(struct stage *s)
{
    end_process(s);
    free(s);
}

static struct forwarder_kafka_view view_of(struct stage *s)
{
    struct forwarder_kafka_view view;
    forwarder_kafka(s->forwarder, &view);
    return view;
}

static int64_t count_parked(struct stage *s)
{
    struct journal_counts counts;
    struct err e = {0};
    struct journal_reader *reader = open_reader(s->rig);
    assert_int_equal(journal_count(reader, &counts, &e), ST_OK);
    journal_reader_close(reader);
    return counts.parked;
}

/* ---- tests ---- */

static void sends_nothing_before_the_publisher_is_able(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    s->fake.standing = PUBLISHER_RECOVERING;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 0);
    s->fake.standing = PUBLISHER_ABLE;
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    strike_stage(s);
}

static void commits_when_there_is_no_more_and_settles_when_it_is_through(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 6; i++)
        arrive(s, i % 2 ? "b" : "a");
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.commits, 1);
    assert_int_equal(s->fake.open_count, 6);
    assert_int_equal(place_of(s, 1), 5);
    assert_int_equal(place_of(s, 2), 6);
    assert_int_equal(s->delivered_count, 0);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->delivered_count, 6);
    assert_int_equal(s->fake.commits, 1);
    /* A restart that finds nothing in Kafka goes on from the cursors. */
    end_process(s);
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static void ends_a_transaction_at_its_bound(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 12; i++)
        arrive(s, i % 2 ? "b" : "a");
    s->transaction_records_max = 5;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.commits, 1);
    assert_int_equal(s->fake.open_count, 5);
    strike_stage(s);
}

static void goes_on_from_the_checkpoint_where_the_journal_lags(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 4; i++)
        arrive(s, "a");
    s->fake.last[0] = (struct publisher_position){1, 3};
    s->fake.last_count = 1;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 4);
    /* The cursor is settled at once, without anything delivered. */
    end_process(s);
    s->fake.last_count = 0;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    strike_stage(s);
}

static void the_journal_counts_where_the_checkpoint_lags(void **state)
{
    struct stage *s = set_stage(state);
    struct err e = {0};
    for (int i = 0; i < 4; i++)
        arrive(s, "a");
    begin(s->rig);
    assert_int_equal(journal_set_cursor(s->rig->journal, 1, 3, &e), ST_OK);
    commit(s->rig);
    s->fake.last[0] = (struct publisher_position){1, 2};
    s->fake.last_count = 1;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 4);
    strike_stage(s);
}

/* Two events are in the journal when the process begins; Kafka has this. */
static void stops_at(void **state, struct publisher_position in_kafka)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "a");
    s->fake.last[0] = in_kafka;
    s->fake.last_count = 1;
    begin_process(s);
    /* Intake goes on; the new events take the seqs that Kafka has of others. */
    assert_int_equal(arrive(s, "a"), 3);
    arrive(s, "b");
    run(s);
    assert_true(view_of(s).journal_behind);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static void stops_when_the_checkpoint_names_an_event_that_the_journal_never_had(void **state)
{
    stops_at(state, (struct publisher_position){1, 3});
}

static void stops_when_the_checkpoint_names_a_lane_that_the_journal_never_had(void **state)
{
    stops_at(state, (struct publisher_position){3, 1});
}

static void stops_when_it_is_fenced(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    begin_process(s);
    run(s);
    s->fake.standing = PUBLISHER_FENCED;
    decide(s, PUBLISHER_RETRY);
    run(s);
    assert_true(view_of(s).fenced);
    assert_int_equal(s->fake.open_count, 0);
    /* For good, whatever the publisher says later. */
    s->fake.standing = PUBLISHER_ABLE;
    run(s);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static void a_refused_record_bars_its_lane_until_its_park_is_in_the_journal(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 3; i++)
        arrive(s, "a");
    arrive(s, "b");
    s->fake.too_big = 2;
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 2); /* 1 and 4 */
    assert_int_equal(place_of(s, 1), 1);
    assert_int_equal(place_of(s, 2), 4);
    /* The park is noted, and the journal does not come to it. */
    decide(s, PUBLISHER_DELIVERED);
    turn(s, false);
    arrive(s, "b");
    turn(s, false);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 5);
    assert_int_equal(place_of(s, 1), 1);
    assert_int_equal(count_parked(s), 0);
    run(s);
    assert_int_equal(count_parked(s), 1);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 3);
    assert_int_equal(place_of(s, 1), 3);
    strike_stage(s);
}

static void a_rejected_record_is_parked_and_the_rest_goes_again(void **state)
{
    struct stage *s = set_stage(state);
    for (int i = 0; i < 4; i++)
        arrive(s, "a");
    begin_process(s);
    run(s);
    s->fake.rejected = 2;
    decide(s, PUBLISHER_RETRY);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(s->fake.open[0].seq, 1);
    assert_int_equal(place_of(s, 1), 1);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(count_parked(s), 1);
    assert_int_equal(s->fake.open_count, 2);
    assert_int_equal(s->fake.open[0].seq, 3);
    assert_int_equal(place_of(s, 1), 4);
    strike_stage(s);
}

static void a_lane_that_waits_is_no_part_of_the_transaction(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "b");
    arrive(s, "c");
    s->fake.waiting = "a";
    s->fake.missing = "b";
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.commits, 1);
    assert_int_equal(s->fake.open_count, 1);
    assert_int_equal(place_of(s, 1), 0);
    assert_int_equal(place_of(s, 2), 0);
    assert_int_equal(place_of(s, 3), 3);
    strike_stage(s);
}

static void the_first_lane_that_had_to_wait_begins_the_next_transaction(void **state)
{
    struct stage *s = set_stage(state);
    arrive(s, "a");
    arrive(s, "b");
    s->fake.waiting = "b";
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open[0].seq, 1);
    arrive(s, "a");
    s->fake.waiting = NULL;
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->fake.open_count, 2);
    assert_int_equal(s->fake.open[0].seq, 2);
    strike_stage(s);
}

static void finishing_commits_what_is_open(void **state)
{
    struct stage *s = set_stage(state);
    s->transaction_records_max = 64;
    arrive(s, "a");
    begin_process(s);
    while (s->fake.open_count == 0) {
        forwarder_step(s->forwarder);
        committer_step(s->committer, 0);
    }
    assert_int_equal(s->fake.commits, 0);
    arrive(s, "a");
    forwarder_finish(s->forwarder, 0);
    run(s);
    assert_int_equal(s->fake.commits, 1);
    assert_int_equal(s->fake.open_count, 1);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    assert_int_equal(s->delivered_count, 1);
    assert_int_equal(s->fake.open_count, 0);
    strike_stage(s);
}

static bool is_any_labelled(const struct stage *s)
{
    for (size_t i = 0; i < s->fake.open_count; i++)
        if (s->fake.open[i].labelled)
            return true;
    return false;
}

static void nothing_is_labelled_after_a_crash(void **state)
{
    struct stage *s = set_stage(state);
    begin_process(s);
    arrive(s, "a");
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 2);
    assert_false(is_any_labelled(s));
    end_process(s);
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 2);
    assert_false(is_any_labelled(s));
    strike_stage(s);
}

static void what_an_at_least_once_process_left_is_labelled_once(void **state)
{
    struct stage *s = set_stage(state);
    s->at_least_once = true;
    begin_process(s);
    arrive(s, "a");
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 2);
    end_process(s);
    s->at_least_once = false;
    begin_process(s);
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 3);
    assert_true(s->fake.open[0].labelled && s->fake.open[1].labelled);
    assert_false(s->fake.open[2].labelled);
    decide(s, PUBLISHER_DELIVERED);
    run(s);
    arrive(s, "a");
    run(s);
    end_process(s);
    begin_process(s);
    run(s);
    assert_int_equal(s->fake.open_count, 1);
    assert_false(is_any_labelled(s));
    strike_stage(s);
}

static void what_an_exactly_once_process_left_is_labelled_at_least_once(void **state)
{
    struct stage *s = set_stage(state);
    begin_process(s);
    arrive(s, "a");
    arrive(s, "a");
    run(s);
    end_process(s);
    s->at_least_once = true;
    begin_process(s);
    arrive(s, "a");
    run(s);
    assert_int_equal(s->fake.open_count, 3);
    assert_true(s->fake.open[0].labelled && s->fake.open[1].labelled);
    assert_false(s->fake.open[2].labelled);
    strike_stage(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(sends_nothing_before_the_publisher_is_able),
        RIG_TEST(commits_when_there_is_no_more_and_settles_when_it_is_through),
        RIG_TEST(ends_a_transaction_at_its_bound),
        RIG_TEST(goes_on_from_the_checkpoint_where_the_journal_lags),
        RIG_TEST(the_journal_counts_where_the_checkpoint_lags),
        RIG_TEST(stops_when_the_checkpoint_names_an_event_that_the_journal_never_had),
        RIG_TEST(stops_when_the_checkpoint_names_a_lane_that_the_journal_never_had),
        RIG_TEST(stops_when_it_is_fenced),
        RIG_TEST(a_refused_record_bars_its_lane_until_its_park_is_in_the_journal),
        RIG_TEST(a_rejected_record_is_parked_and_the_rest_goes_again),
        RIG_TEST(a_lane_that_waits_is_no_part_of_the_transaction),
        RIG_TEST(the_first_lane_that_had_to_wait_begins_the_next_transaction),
        RIG_TEST(finishing_commits_what_is_open),
        RIG_TEST(nothing_is_labelled_after_a_crash),
        RIG_TEST(what_an_at_least_once_process_left_is_labelled_once),
        RIG_TEST(what_an_exactly_once_process_left_is_labelled_at_least_once),
    };
    if (rig_prepare() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
