/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The publisher against a real Kafka of one node. The environment names it; without that the tests
 * fail (test_kafka_publisher_e2e.sh sets it):
 *   RELAY_TEST_BOOTSTRAP  host:port
 *   RELAY_TEST_KAFKA      tests/support/kafka/kafka
 *   RELAY_TEST_KAFKA_DIR  the directory of the cluster
 */

#include "base/clock.h"
#include "base/ident.h"
#include "base/log.h"
#include "kafka/kafka_publisher.h"

#include <librdkafka/rdkafka.h>

#include <poll.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

extern char **environ;

/* A killed broker is back after 5 s on an idle machine. */
#define DEADLINE_MS 60000

#define TAGS_MAX 40000
#define KEYS     50
#define BIG      20000 /* bytes; over the limit of the topic that refuses it */

/* A publisher and a small forwarder that rewinds as the real one does. */
struct bench {
    char topic[64];
    const char *bootstrap;
    rd_kafka_t *admin;
    struct publisher *p;
    size_t big_tag;     /* its record is BIG */
    size_t keyless_tag; /* its record has no key */
    size_t next;
    size_t done;
    unsigned accepted[TAGS_MAX];
    unsigned reported[TAGS_MAX];
    bool is_done[TAGS_MAX];
    enum publisher_outcome last[TAGS_MAX];
};

static struct mono now_mono(void)
{
    return clock_mono(clock_system());
}

static int until_ms(struct mono deadline)
{
    return mono_until_ms(now_mono(), deadline, DEADLINE_MS);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    if (!value)
        fail_msg("%s is not set: run test_kafka_publisher_e2e.sh", name);
    return value;
}

static void on_report(void *arg, const struct publisher_report *r)
{
    struct bench *b = arg;
    assert_true(r->tag < TAGS_MAX);
    b->reported[r->tag]++;
    assert_true(b->reported[r->tag] <= b->accepted[r->tag]);
    b->last[r->tag] = r->outcome;
    if (r->outcome == PUBLISHER_DELIVERED || r->outcome == PUBLISHER_REJECTED) {
        assert_false(b->is_done[r->tag]);
        b->is_done[r->tag] = true;
        b->done++;
    } else if (r->tag < b->next) {
        b->next = r->tag;
    }
}

/* Waits for the descriptor alone: a missing wake-up is a failure. Returns false after the time. */
static bool turn(struct bench *b, struct mono deadline)
{
    struct pollfd pfd = {.fd = b->p->ops->wait_fd(b->p), .events = POLLIN};
    int n = poll(&pfd, 1, until_ms(deadline));
    b->p->ops->poll(b->p, on_report, b);
    return n > 0;
}

static void wait_topic(struct bench *b, enum publisher_topic wanted)
{
    const char *reason = "";
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    while (b->p->ops->topic(b->p, b->topic, &reason) != wanted)
        if (!turn(b, deadline))
            fail_msg("the topic is not in state %d: %s", (int)wanted, reason);
}

static void wait_connected(struct bench *b, bool wanted)
{
    bool connected;
    const char *line;
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    while (line = b->p->ops->state(b->p, &connected), connected != wanted)
        if (!turn(b, deadline))
            fail_msg("the state is still: %s", line);
}

/* The value is "number-in-key", padded with noise when it is to be big. */
static enum status produce(struct bench *b, size_t tag, struct err *e)
{
    static char value[BIG];
    char key[16];
    size_t len = (size_t)snprintf(value, sizeof value, "%zu ", tag / KEYS);
    snprintf(key, sizeof key, "%zu", tag % KEYS);
    if (tag == b->big_tag)
        while (len + IDENT_BYTES <= sizeof value) {
            struct ident noise = ident_random();
            memcpy(value + len, noise.bytes, IDENT_BYTES);
            len += IDENT_BYTES;
        }
    struct publisher_record rec = {
        .topic = b->topic,
        .key = tag == b->keyless_tag ? (struct slice){NULL, 0} : slice_of(key),
        .value = {value, len},
        .timestamp = {1700000000000000},
        .tag = tag,
    };
    enum status st = b->p->ops->produce(b->p, &rec, e);
    if (st == ST_OK)
        b->accepted[tag]++;
    return st;
}

/* Produces up to the tag limit what is neither done nor under way. */
static void push(struct bench *b, size_t limit)
{
    struct err e;
    for (; b->next < limit; b->next++) {
        if (b->is_done[b->next] || b->accepted[b->next] > b->reported[b->next])
            continue;
        enum status st = produce(b, b->next, &e);
        if (st == ST_OK)
            continue;
        if (st != ST_AGAIN && st != ST_FULL)
            fail_msg("tag %zu: %s", b->next, e.text);
        return;
    }
}

static void forward(struct bench *b, size_t limit)
{
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    while (push(b, limit), b->done < limit)
        if (!turn(b, deadline))
            fail_msg("%zu of %zu are done", b->done, limit);
    for (size_t i = 0; i < limit; i++)
        assert_int_equal(b->accepted[i], b->reported[i]);
}

static void start(struct bench *b, bool create_topics, int partitions)
{
    struct err e;
    const struct kafka_property properties[] = {{"bootstrap.servers", b->bootstrap}};
    struct kafka_publisher_opts opts = {.properties = properties,
                                        .property_count = 1,
                                        .create_topics = create_topics,
                                        .partitions = partitions,
                                        .replication_factor = partitions == -1 ? -1 : 1};
    if (kafka_publisher_create(&b->p, &opts, &e))
        fail_msg("%s", e.text);
}

/* ------------------------------------------------------------------- another client's doings */

static rd_kafka_t *open_client(const char *bootstrap, rd_kafka_type_t type)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    if (type == RD_KAFKA_CONSUMER) {
        rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
        rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    assert_non_null(rk);
    return rk;
}

static void wait_event(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, DEADLINE_MS);
    assert_non_null(ev);
    assert_int_equal(rd_kafka_event_error(ev), 0);
    rd_kafka_event_destroy(ev);
    rd_kafka_queue_destroy(queue);
}

static void create_topic(struct bench *b, int partitions, const char *name, const char *value)
{
    char text[256];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(b->admin);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(b->topic, partitions, 1, text, sizeof text);
    assert_non_null(topic);
    if (name)
        assert_int_equal(rd_kafka_NewTopic_set_config(topic, name, value), 0);
    rd_kafka_CreateTopics(b->admin, &topic, 1, NULL, queue);
    wait_event(queue);
    rd_kafka_NewTopic_destroy(topic);
}

static void delete_topic(struct bench *b)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(b->admin);
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(b->topic);
    rd_kafka_DeleteTopics(b->admin, &topic, 1, NULL, queue);
    wait_event(queue);
    rd_kafka_DeleteTopic_destroy(topic);
}

static int partitions_of(struct bench *b)
{
    const struct rd_kafka_metadata *md;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(b->admin, b->topic, NULL);
    assert_int_equal(rd_kafka_metadata(b->admin, 0, rkt, &md, DEADLINE_MS), 0);
    int count = md->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(rkt);
    return count;
}

/* Runs tests/support/kafka/kafka COMMAND on the cluster; the caller waits for its end. */
static pid_t run_kafka(const char *command)
{
    char script[512], dir[512], verb[16];
    char flag[] = "--dir";
    pid_t pid;
    snprintf(script, sizeof script, "%s", environment("RELAY_TEST_KAFKA"));
    snprintf(dir, sizeof dir, "%s", environment("RELAY_TEST_KAFKA_DIR"));
    snprintf(verb, sizeof verb, "%s", command);
    char *argv[] = {script, verb, flag, dir, NULL};
    assert_int_equal(posix_spawn(&pid, script, NULL, NULL, argv, environ), 0);
    return pid;
}

static void wait_kafka(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ------------------------------------------------------------------------------- reading back */

struct stock {
    size_t next[KEYS]; /* the number that the key's next new record must have */
    size_t records;
    size_t repeated;
};

/*
 * A record of a key may come again, but a new one is always the next number: no gap, no disorder.
 * skip is a tag that is not stored, or SIZE_MAX.
 */
static void note_stored(struct stock *s, const rd_kafka_message_t *m, size_t skip)
{
    char key[16] = "", value[32] = "";
    assert_true(m->key_len < sizeof key);
    memcpy(key, m->key, m->key_len);
    memcpy(value, m->payload, m->len < sizeof value ? m->len : sizeof value - 1);
    size_t k = strtoul(key, NULL, 10), number = strtoul(value, NULL, 10);
    assert_true(k < KEYS);
    if (s->next[k] * KEYS + k == skip)
        s->next[k]++;
    s->records++;
    if (number < s->next[k]) {
        s->repeated++;
        return;
    }
    if (number != s->next[k])
        fail_msg("key %zu: %zu is stored before %zu", k, number, s->next[k]);
    s->next[k]++;
}

static void read_stock(struct bench *b, int partitions, size_t skip, struct stock *s)
{
    struct mono deadline = mono_add_ms(now_mono(), DEADLINE_MS);
    rd_kafka_t *rk = open_client(b->bootstrap, RD_KAFKA_CONSUMER);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(partitions);
    int ends = 0;
    *s = (struct stock){.records = 0};
    for (int i = 0; i < partitions; i++)
        rd_kafka_topic_partition_list_add(all, b->topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_poll_set_consumer(rk);
    assert_int_equal(rd_kafka_assign(rk, all), 0);
    while (ends < partitions && until_ms(deadline) > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, until_ms(deadline));
        if (!m)
            continue;
        if (!m->err)
            note_stored(s, m, skip);
        else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            ends++;
        rd_kafka_message_destroy(m);
    }
    assert_int_equal(ends, partitions);
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

/* Everything below limit but skip is stored in order; returns how many came twice. */
static size_t assert_stored(struct bench *b, int partitions, size_t limit, size_t skip)
{
    struct stock s;
    read_stock(b, partitions, skip, &s);
    assert_int_equal(s.records - s.repeated, limit - (skip < limit ? 1 : 0));
    return s.repeated;
}

/* -------------------------------------------------------------------------------------- tests */

static int make_bench(void **state)
{
    char id[IDENT_TEXT_MAX];
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->bootstrap = environment("RELAY_TEST_BOOTSTRAP");
    b->big_tag = b->keyless_tag = SIZE_MAX;
    struct ident unique = ident_random();
    ident_format(&unique, id);
    snprintf(b->topic, sizeof b->topic, "test-%s", id);
    b->admin = open_client(b->bootstrap, RD_KAFKA_PRODUCER);
    *state = b;
    return 0;
}

static int end_bench(void **state)
{
    struct bench *b = *state;
    if (b->p)
        b->p->ops->destroy(b->p);
    rd_kafka_destroy(b->admin);
    free(b);
    return 0;
}

static void creates_a_missing_topic_with_its_partitions(void **state)
{
    struct bench *b = *state;
    start(b, true, 6);
    wait_topic(b, PUBLISHER_TOPIC_READY);
    assert_int_equal(partitions_of(b), 6);
    assert_non_null(b->p->ops->cluster_id(b->p));
    forward(b, 500);
    assert_int_equal(assert_stored(b, 6, 500, SIZE_MAX), 0);
}

static void creates_with_the_defaults_of_the_broker(void **state)
{
    struct bench *b = *state;
    start(b, true, -1);
    forward(b, 10);
    assert_true(partitions_of(b) >= 1);
}

static void takes_a_topic_that_is_there_as_it_is(void **state)
{
    struct bench *b = *state;
    create_topic(b, 3, NULL, NULL);
    start(b, true, 6);
    forward(b, 100);
    assert_int_equal(partitions_of(b), 3);
    assert_int_equal(assert_stored(b, 3, 100, SIZE_MAX), 0);
}

static void missing_topic_is_not_created_and_is_ready_when_somebody_does(void **state)
{
    struct bench *b = *state;
    const char *reason;
    start(b, false, -1);
    wait_topic(b, PUBLISHER_TOPIC_MISSING);
    b->p->ops->topic(b->p, b->topic, &reason);
    assert_string_equal(reason, "the topic does not exist");
    assert_int_equal(partitions_of(b), 0);
    create_topic(b, 2, NULL, NULL);
    wait_topic(b, PUBLISHER_TOPIC_READY);
    forward(b, 100);
    assert_int_equal(assert_stored(b, 2, 100, SIZE_MAX), 0);
    assert_int_equal(kafka_publisher_restarts(b->p), 0);
}

static void impossible_creation_is_told_with_its_reason(void **state)
{
    struct bench *b = *state;
    struct err e;
    const char *reason;
    const struct kafka_property properties[] = {{"bootstrap.servers", b->bootstrap}};
    struct kafka_publisher_opts opts = {.properties = properties,
                                        .property_count = 1,
                                        .create_topics = true,
                                        .partitions = 1,
                                        .replication_factor = 3};
    assert_int_equal(kafka_publisher_create(&b->p, &opts, &e), ST_OK);
    wait_topic(b, PUBLISHER_TOPIC_MISSING);
    b->p->ops->topic(b->p, b->topic, &reason);
    if (!strstr(reason, "replication"))
        fail_msg("the reason is \"%s\"", reason);
}

static void parks_only_the_record_that_is_too_large_for_its_topic(void **state)
{
    struct bench *b = *state;
    create_topic(b, 1, "max.message.bytes", "10000");
    b->big_tag = 57;
    start(b, false, -1);
    forward(b, 200);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(b->last[i], i == 57 ? PUBLISHER_REJECTED : PUBLISHER_DELIVERED);
    assert_int_equal(assert_stored(b, 1, 200, 57), 0);
}

static void parks_only_the_record_without_key_of_a_compacted_topic(void **state)
{
    struct bench *b = *state;
    create_topic(b, 1, "cleanup.policy", "compact");
    b->keyless_tag = 31;
    start(b, false, -1);
    forward(b, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(b->last[i], i == 31 ? PUBLISHER_REJECTED : PUBLISHER_DELIVERED);
    assert_int_equal(assert_stored(b, 1, 100, 31), 0);
}

static void keeps_the_order_of_each_key(void **state)
{
    struct bench *b = *state;
    create_topic(b, 8, NULL, NULL);
    start(b, false, -1);
    forward(b, TAGS_MAX);
    assert_int_equal(assert_stored(b, 8, TAGS_MAX, SIZE_MAX), 0);
    assert_int_equal(kafka_publisher_restarts(b->p), 0);
}

static void goes_on_after_the_topic_was_deleted(void **state)
{
    struct bench *b = *state;
    create_topic(b, 2, NULL, NULL);
    start(b, true, 2);
    forward(b, 100);
    delete_topic(b);
    push(b, 1000);
    forward(b, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(b->last[i], PUBLISHER_DELIVERED);
    assert_int_equal(partitions_of(b), 2);
}

static void loses_and_reorders_nothing_when_the_broker_is_killed(void **state)
{
    struct bench *b = *state;
    create_topic(b, 4, NULL, NULL);
    start(b, false, -1);
    forward(b, 5000);
    push(b, 20000);
    wait_kafka(run_kafka("kill"));
    pid_t restart = run_kafka("restart");
    forward(b, 30000);
    wait_kafka(restart);
    size_t repeated = assert_stored(b, 4, 30000, SIZE_MAX);
    print_message("%zu records came twice, %d restarts\n", repeated,
                  (int)kafka_publisher_restarts(b->p));
}

static void notices_a_broker_that_hangs_and_ends_in_bounded_time(void **state)
{
    struct bench *b = *state;
    create_topic(b, 4, NULL, NULL);
    start(b, false, -1);
    forward(b, 100);
    wait_kafka(run_kafka("pause"));
    push(b, 2000);
    wait_connected(b, false);
    wait_kafka(run_kafka("cont"));
    forward(b, 2000);
    wait_connected(b, true);
    assert_stored(b, 4, 2000, SIZE_MAX);
    wait_kafka(run_kafka("pause"));
    push(b, 3000);
    struct mono before = now_mono();
    b->p->ops->destroy(b->p);
    b->p = NULL;
    assert_true(mono_diff_ns(now_mono(), before) < 6000000000);
    wait_kafka(run_kafka("cont"));
}

#define WITH_KAFKA(test) cmocka_unit_test_setup_teardown(test, make_bench, end_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KAFKA(creates_a_missing_topic_with_its_partitions),
        WITH_KAFKA(creates_with_the_defaults_of_the_broker),
        WITH_KAFKA(takes_a_topic_that_is_there_as_it_is),
        WITH_KAFKA(missing_topic_is_not_created_and_is_ready_when_somebody_does),
        WITH_KAFKA(impossible_creation_is_told_with_its_reason),
        WITH_KAFKA(parks_only_the_record_that_is_too_large_for_its_topic),
        WITH_KAFKA(parks_only_the_record_without_key_of_a_compacted_topic),
        WITH_KAFKA(keeps_the_order_of_each_key),
        WITH_KAFKA(goes_on_after_the_topic_was_deleted),
        WITH_KAFKA(loses_and_reorders_nothing_when_the_broker_is_killed),
        WITH_KAFKA(notices_a_broker_that_hangs_and_ends_in_bounded_time),
    };
    struct err e;
    if (ident_init(&e))
        return 1;
    if (!getenv("RELAY_TEST_LOG"))
        log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
