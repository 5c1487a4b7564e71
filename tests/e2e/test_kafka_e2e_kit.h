/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_TESTS_TEST_KAFKA_E2E_KIT_H
#define RELAY_TESTS_TEST_KAFKA_E2E_KIT_H

/*
 * What somebody else does to a real Kafka while a test is at it: makes and describes topics, writes
 * transactions that end aborted, kills and restarts the broker. with_kafka names the cluster.
 *
 * Owns nothing. Threads: the test's; each function blocks until it is done, at most DEADLINE_MS.
 */

#include <librdkafka/rdkafka.h>

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

static inline const char *environment(const char *name)
{
    const char *value = getenv(name);
    if (!value)
        fail_msg("%s is not set: run it by with_kafka", name);
    return value;
}

static inline rd_kafka_t *open_client(const char *transactional_id)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", environment("RELAY_TEST_BOOTSTRAP"), NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    if (transactional_id)
        rd_kafka_conf_set(conf, "transactional.id", transactional_id, NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(rk);
    return rk;
}

static inline rd_kafka_event_t *wait_event(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, DEADLINE_MS);
    assert_non_null(ev);
    assert_int_equal(rd_kafka_event_error(ev), 0);
    return ev;
}

static inline void create_topic(const char *name, int partitions, const char *key,
                                const char *value)
{
    char text[256];
    rd_kafka_t *rk = open_client(NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, text, sizeof text);
    assert_non_null(topic);
    assert_int_equal(rd_kafka_NewTopic_set_config(topic, key, value), 0);
    rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
    rd_kafka_event_destroy(wait_event(queue));
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

/* The topic's value of a configuration, as the broker tells it. */
static inline void read_config(const char *topic, const char *name, char *out, size_t size)
{
    size_t count;
    rd_kafka_t *rk = open_client(NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_ConfigResource_t *res = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_DescribeConfigs(rk, &res, 1, NULL, queue);
    rd_kafka_event_t *ev = wait_event(queue);
    const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(ev), &count);
    assert_int_equal(count, 1);
    out[0] = '\0';
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(found[0], &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            snprintf(out, size, "%s", rd_kafka_ConfigEntry_value(entries[i]));
    rd_kafka_event_destroy(ev);
    rd_kafka_ConfigResource_destroy(res);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

static inline void assert_no_error(rd_kafka_error_t *err)
{
    if (err)
        fail_msg("%s", rd_kafka_error_string(err));
}

/* Transactions that end aborted, each with a record that looks like a checkpoint. */
static inline void write_aborted(const char *topic, int transactions)
{
    static const char text[] = "gladly-relay-checkpoint 1\njournal x\ngeneration 99\nnumber 99\n";
    rd_kafka_t *rk = open_client("somebody-else");
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    assert_no_error(rd_kafka_init_transactions(rk, DEADLINE_MS));
    for (int i = 0; i < transactions; i++) {
        assert_no_error(rd_kafka_begin_transaction(rk));
        assert_int_equal(rd_kafka_produce(rkt, 0, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)text,
                                          sizeof text - 1, NULL, 0, NULL),
                         0);
        assert_int_equal(rd_kafka_flush(rk, DEADLINE_MS), 0);
        assert_no_error(rd_kafka_abort_transaction(rk, DEADLINE_MS));
    }
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
}

static inline void wait_kafka(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Runs tests/support/kafka/kafka COMMAND on the cluster; the caller waits for its end. */
static inline pid_t run_kafka(const char *command)
{
    char script[512], dir[512], verb[16], flag[] = "--dir";
    pid_t pid;
    snprintf(script, sizeof script, "%s", environment("RELAY_TEST_KAFKA"));
    snprintf(dir, sizeof dir, "%s", environment("RELAY_TEST_KAFKA_DIR"));
    snprintf(verb, sizeof verb, "%s", command);
    char *argv[] = {script, verb, flag, dir, NULL};
    assert_int_equal(posix_spawn(&pid, script, NULL, NULL, argv, environ), 0);
    return pid;
}

#endif
