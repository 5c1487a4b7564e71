/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The transactional publisher against a real Kafka of one node; kcat is the reader of committed
 * records. The environment names the cluster (with_kafka):
 *   RELAY_TEST_BOOTSTRAP  host:port
 *   RELAY_TEST_KAFKA      tests/support/kafka/kafka
 *   RELAY_TEST_KAFKA_DIR  the directory of the cluster
 * A process that is killed in the middle is this program again: RELAY_TEST_VICTIM says what it
 * does.
 */

#include "test_kafka_e2e_kit.h"

#include "base/ident.h"
#include "base/log.h"
#include "kafka/kafka_txn_publisher.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TAGS_MAX 8000
#define KEYS     5
#define BIG      20000 /* bytes; over the limit of the topic that refuses it */
#define ID_MAX   80

/* A publisher, and a small forwarder that commits when nothing more goes. Tags count from 1, and a
 * checkpoint says the last tag before which all are done. */
struct bench {
    char id[ID_MAX]; /* the transactional id; names the topics too */
    char topic[ID_MAX + 8];
    char checkpoint_topic[ID_MAX + 16];
    struct kafka_property property;
    struct publisher *p;
    size_t big_tag; /* its record is BIG */
    size_t done;    /* all tags up to here */
    size_t retried, rejected;
    bool is_under_way[TAGS_MAX];
    bool is_done[TAGS_MAX];
    enum publisher_outcome last[TAGS_MAX];
};

static void on_report(void *arg, const struct publisher_report *r)
{
    struct bench *b = arg;
    assert_true(r->tag < TAGS_MAX);
    assert_true(b->is_under_way[r->tag]);
    assert_false(b->is_done[r->tag]);
    b->is_under_way[r->tag] = false;
    b->last[r->tag] = r->outcome;
    b->is_done[r->tag] = r->outcome == PUBLISHER_DELIVERED || r->outcome == PUBLISHER_REJECTED;
    assert_true(r->outcome == PUBLISHER_DELIVERED || r->surely_absent);
    b->retried += r->outcome == PUBLISHER_RETRY;
    b->rejected += r->outcome == PUBLISHER_REJECTED;
    while (b->done + 1 < TAGS_MAX && b->is_done[b->done + 1])
        b->done++;
}

/* Waits for the descriptor alone: a missing wake-up is a failure. */
static void turn(struct bench *b, const char *what)
{
    struct pollfd pfd = {.fd = b->p->ops->wait_fd(b->p), .events = POLLIN};
    bool connected;
    if (poll(&pfd, 1, DEADLINE_MS) == 0)
        fail_msg("%s: nothing happens; the state is: %s", what, b->p->ops->state(b->p, &connected));
    b->p->ops->poll(b->p, on_report, b);
}

static enum status produce(struct bench *b, size_t tag)
{
    static char value[BIG];
    char key[16];
    struct err e;
    size_t len = (size_t)snprintf(value, sizeof value, "%zu", tag);
    snprintf(key, sizeof key, "%zu", tag % KEYS);
    if (tag == b->big_tag)
        while (len + IDENT_BYTES <= sizeof value) {
            struct ident noise = ident_random();
            memcpy(value + len, noise.bytes, IDENT_BYTES);
            len += IDENT_BYTES;
        }
    const struct publisher_record rec = {.topic = b->topic,
                                         .key = slice_of(key),
                                         .value = {value, len},
                                         .timestamp = {1700000000000000},
                                         .tag = tag};
    enum status st = b->p->ops->produce(b->p, &rec, &e);
    if (st == ST_OK)
        b->is_under_way[tag] = true;
    return st;
}

/* What is in order: up to this tag all are done, or are when the transaction is committed. */
static size_t position(const struct bench *b)
{
    size_t tag = b->done;
    while (tag + 1 < TAGS_MAX && (b->is_done[tag + 1] || b->is_under_way[tag + 1]))
        tag++;
    return tag;
}

static enum status commit(struct bench *b)
{
    struct err e;
    const struct publisher_position at = {.feed = 1, .seq = (int64_t)position(b)};
    const struct publisher_checkpoint cp = {&at, 1};
    return b->p->ops->commit(b->p, &cp, &e);
}

/* Produces up to the tag what is neither done nor under way; the first that is not taken ends it.
 */
static bool push(struct bench *b, size_t last)
{
    bool is_any = false;
    for (size_t tag = b->done + 1; tag <= last; tag++) {
        if (!b->is_done[tag] && !b->is_under_way[tag] && produce(b, tag) != ST_OK)
            break;
        is_any = is_any || b->is_under_way[tag];
    }
    return is_any;
}

/* In transactions of at most so many records. */
static void forward_by(struct bench *b, size_t last, size_t records)
{
    const char *reason;
    struct publisher_checkpoint unused;
    while (b->done < last) {
        size_t limit = b->done + records < last ? b->done + records : last;
        b->p->ops->topic(b->p, b->topic, &reason);
        if (b->p->ops->standing(b->p, &unused) == PUBLISHER_ABLE && push(b, limit))
            commit(b);
        turn(b, "forwarding");
    }
}

static void forward(struct bench *b, size_t last)
{
    forward_by(b, last, 500);
}

static void open_publisher(struct bench *b)
{
    struct err e;
    b->property = (struct kafka_property){"bootstrap.servers", environment("RELAY_TEST_BOOTSTRAP")};
    const struct kafka_txn_opts opts = {.common = {.properties = &b->property,
                                                   .property_count = 1,
                                                   .create_topics = true,
                                                   .partitions = 3,
                                                   .replication_factor = 1},
                                        .journal_id = b->id,
                                        .transactional_id = b->id,
                                        .checkpoint_topic = b->checkpoint_topic};
    if (kafka_txn_publisher_create(&b->p, &opts, &e))
        fail_msg("%s", e.text);
}

/* Waits until it is able; the forwarder goes on from the checkpoint alone, as after a restart. */
static void adopt(struct bench *b)
{
    struct publisher_checkpoint last;
    const char *reason;
    while (b->p->ops->standing(b->p, &last) != PUBLISHER_ABLE)
        turn(b, "recovering");
    size_t at = last.count ? (size_t)last.positions[0].seq : 0;
    b->done = at;
    for (size_t tag = 1; tag < TAGS_MAX; tag++) {
        b->is_done[tag] = tag <= at;
        b->is_under_way[tag] = false;
    }
    while (b->p->ops->topic(b->p, b->topic, &reason) != PUBLISHER_TOPIC_READY)
        turn(b, "waiting for the topic");
}

static void name_all(struct bench *b, const char *id)
{
    snprintf(b->id, sizeof b->id, "%s", id);
    snprintf(b->topic, sizeof b->topic, "%s-events", b->id);
    snprintf(b->checkpoint_topic, sizeof b->checkpoint_topic, "%s-checkpoint", b->id);
}

static void close_publisher(struct bench *b)
{
    if (b->p)
        b->p->ops->destroy(b->p);
    b->p = NULL;
}

/* ------------------------------------------------------------------------------- reading back */

struct stock {
    unsigned times[TAGS_MAX];
    size_t newest[KEYS]; /* tag */
    size_t records;
};

/* "key value"; values that are no tags are big ones. */
static void note_line(struct stock *s, const char *line)
{
    size_t key = strtoul(line, NULL, 10), tag = strtoul(strchr(line, ' '), NULL, 10);
    assert_true(key < KEYS && tag < TAGS_MAX && tag % KEYS == key);
    s->records++;
    s->times[tag]++;
    if (tag <= s->newest[key])
        fail_msg("tag %zu is stored after %zu", tag, s->newest[key]);
    s->newest[key] = tag;
}

/* What kcat reads of the topic to its present end. */
static void read_stock(struct bench *b, const char *isolation, struct stock *s)
{
    char level[64], bootstrap[64], topic[ID_MAX + 8];
    char words[][24] = {
        "kcat", "-C", "-b", "-t", "-X", "-X", "-e", "-q", "-f", "%k %s\\n", "fetch.wait.max.ms=10"};
    snprintf(level, sizeof level, "isolation.level=%s", isolation);
    snprintf(bootstrap, sizeof bootstrap, "%s", environment("RELAY_TEST_BOOTSTRAP"));
    snprintf(topic, sizeof topic, "%s", b->topic);
    char *argv[] = {words[0], words[1],  words[2], bootstrap, words[3], topic,    words[4], level,
                    words[5], words[10], words[6], words[7],  words[8], words[9], NULL};
    int ends[2], status;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    assert_int_equal(posix_spawnp(&pid, "kcat", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char line[64];
    FILE *in = fdopen(ends[0], "r");
    assert_non_null(in);
    *s = (struct stock){.records = 0};
    while (fgets(line, sizeof line, in))
        note_line(s, line);
    fclose(in);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A reader of committed records sees each tag up to last exactly once, in the order of its key,
 * and nothing else; skip is one that is not there, or 0. */
static void assert_once(struct bench *b, size_t last, size_t skip)
{
    struct stock s;
    read_stock(b, "read_committed", &s);
    for (size_t tag = 1; tag <= last; tag++)
        if (s.times[tag] != (tag == skip ? 0 : 1))
            fail_msg("tag %zu is there %u times", tag, s.times[tag]);
    assert_int_equal(s.records, last - (skip ? 1 : 0));
}

/* ---------------------------------------------------------------------------- killed processes */

/* Commits up to 100, produces up to 200, and then: "open" waits with the transaction open,
 * "ending" has called commit. It is killed by its parent. */
static int be_victim(const char *what)
{
    struct bench *b = calloc(1, sizeof *b);
    name_all(b, environment("RELAY_TEST_ID"));
    size_t first = strtoul(environment("RELAY_TEST_FIRST"), NULL, 10);
    open_publisher(b);
    adopt(b);
    forward_by(b, first + 100, 100);
    while (!push(b, first + 200) || !b->is_under_way[first + 200])
        turn(b, "filling the transaction");
    if (strcmp(what, "ending") == 0)
        assert_int_equal(commit(b), ST_OK);
    if (write(STDOUT_FILENO, "!", 1) != 1)
        return 1;
    struct pollfd never = {.fd = -1};
    poll(&never, 1, DEADLINE_MS);
    return 1;
}

/* Runs a victim and kills it delay_ms after it says that it is there. */
static void kill_victim(struct bench *b, const char *what, size_t first, int delay_ms)
{
    char self[] = "/proc/self/exe", name[] = "victim", number[16], c = 0;
    char *argv[] = {name, NULL};
    int ends[2], status;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    snprintf(number, sizeof number, "%zu", first);
    setenv("RELAY_TEST_VICTIM", what, 1);
    setenv("RELAY_TEST_ID", b->id, 1);
    setenv("RELAY_TEST_FIRST", number, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&pid, self, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    unsetenv("RELAY_TEST_VICTIM");
    close(ends[1]);
    struct pollfd pfd = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, DEADLINE_MS), 1);
    assert_int_equal(read(ends[0], &c, 1), 1);
    pfd.events = 0; /* nothing more comes: this is the time until the kill */
    poll(&pfd, 1, delay_ms);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    close(ends[0]);
}

/* -------------------------------------------------------------------------------------- tests */

static int make_bench(void **state)
{
    char id[IDENT_TEXT_MAX], name[ID_MAX];
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    struct ident unique = ident_random();
    ident_format(&unique, id);
    snprintf(name, sizeof name, "t-%s", id);
    name_all(b, name);
    *state = b;
    return 0;
}

static int end_bench(void **state)
{
    struct bench *b = *state;
    close_publisher(b);
    free(b);
    return 0;
}

static void committed_records_are_there_once_and_in_order(void **state)
{
    struct bench *b = *state;
    char policy[64];
    open_publisher(b);
    adopt(b);
    assert_int_equal(b->done, 0);
    forward(b, 5000);
    assert_int_equal(b->retried, 0);
    assert_once(b, 5000, 0);
    read_config(b->checkpoint_topic, "cleanup.policy", policy, sizeof policy);
    assert_string_equal(policy, "compact");
    close_publisher(b);
    open_publisher(b);
    adopt(b);
    assert_int_equal(b->done, 5000);
}

static void an_aborted_transaction_is_not_seen(void **state)
{
    struct bench *b = *state;
    struct stock s;
    open_publisher(b);
    adopt(b);
    forward(b, 10);
    assert_true(push(b, 60));
    do {
        read_stock(b, "read_uncommitted", &s);
    } while (s.records < 60);
    b->p->ops->abandon(b->p);
    while (b->retried < 50)
        turn(b, "an abort");
    assert_once(b, 10, 0);
    forward(b, 60);
    assert_once(b, 60, 0);
}

static void parks_only_the_record_that_is_too_large_for_its_topic(void **state)
{
    struct bench *b = *state;
    create_topic(b->topic, 1, "max.message.bytes", "10000");
    b->big_tag = 7;
    open_publisher(b);
    adopt(b);
    forward(b, 20);
    assert_int_equal(b->rejected, 1);
    assert_int_equal(b->last[7], PUBLISHER_REJECTED);
    assert_once(b, 20, 7);
    forward(b, 500);
    assert_once(b, 500, 7);
}

static void an_older_instance_is_fenced_and_disturbs_the_younger_no_more(void **state)
{
    struct bench *older = *state;
    struct publisher_checkpoint unused;
    struct bench *younger = calloc(1, sizeof *younger);
    assert_non_null(younger);
    name_all(younger, older->id);
    open_publisher(older);
    adopt(older);
    forward(older, 10);
    assert_true(push(older, 20));
    open_publisher(younger);
    adopt(younger);
    assert_int_equal(younger->done, 10);
    forward(younger, 50);
    commit(older);
    while (older->p->ops->standing(older->p, &unused) != PUBLISHER_FENCED)
        turn(older, "being fenced");
    assert_int_equal(older->done, 10);
    forward(younger, 100);
    assert_int_equal(younger->retried, 0);
    assert_once(younger, 100, 0);
    close_publisher(younger);
    free(younger);
}

static void what_was_not_committed_before_a_kill_is_absent(void **state)
{
    struct bench *b = *state;
    kill_victim(b, "open", 0, 0);
    open_publisher(b);
    adopt(b);
    assert_int_equal(b->done, 100);
    assert_once(b, 100, 0);
    forward(b, 300);
    assert_once(b, 300, 0);
}

/* Killed at several moments of the commit: the checkpoint alone knows whether it happened. */
static void the_checkpoint_decides_a_commit_that_a_kill_cut_off(void **state)
{
    struct bench *b = *state;
    static const int delays_ms[] = {0, 5, 15, 30, 60, 200};
    size_t at = 0, committed = 0;
    for (size_t i = 0; i < sizeof delays_ms / sizeof delays_ms[0]; i++) {
        kill_victim(b, "ending", at, delays_ms[i]);
        open_publisher(b);
        adopt(b);
        assert_true(b->done == at + 100 || b->done == at + 200);
        committed += b->done == at + 200;
        assert_once(b, b->done, 0);
        at = b->done;
        close_publisher(b);
    }
    print_message("%zu of %zu commits had happened\n", committed,
                  sizeof delays_ms / sizeof delays_ms[0]);
}

static void finds_the_checkpoint_behind_many_aborted_transactions(void **state)
{
    struct bench *b = *state;
    open_publisher(b);
    adopt(b);
    forward(b, 10);
    close_publisher(b);
    write_aborted(b->checkpoint_topic, 40);
    open_publisher(b);
    adopt(b);
    assert_int_equal(b->done, 10);
}

static void loses_and_repeats_nothing_when_the_broker_is_killed(void **state)
{
    struct bench *b = *state;
    open_publisher(b);
    adopt(b);
    forward(b, 1000);
    assert_true(push(b, 1500));
    wait_kafka(run_kafka("kill"));
    commit(b);
    pid_t restart = run_kafka("restart");
    forward(b, 4000);
    wait_kafka(restart);
    assert_once(b, 4000, 0);
    print_message("%zu records went again\n", b->retried);
}

#define WITH_KAFKA(test) cmocka_unit_test_setup_teardown(test, make_bench, end_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KAFKA(committed_records_are_there_once_and_in_order),
        WITH_KAFKA(an_aborted_transaction_is_not_seen),
        WITH_KAFKA(parks_only_the_record_that_is_too_large_for_its_topic),
        WITH_KAFKA(an_older_instance_is_fenced_and_disturbs_the_younger_no_more),
        WITH_KAFKA(what_was_not_committed_before_a_kill_is_absent),
        WITH_KAFKA(the_checkpoint_decides_a_commit_that_a_kill_cut_off),
        WITH_KAFKA(finds_the_checkpoint_behind_many_aborted_transactions),
        WITH_KAFKA(loses_and_repeats_nothing_when_the_broker_is_killed),
    };
    struct err e;
    const char *victim = getenv("RELAY_TEST_VICTIM");
    if (ident_init(&e))
        return 1;
    if (!getenv("RELAY_TEST_LOG"))
        log_set_level(LOG_ERROR);
    if (victim)
        return be_victim(victim);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
