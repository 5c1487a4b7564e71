/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_publisher.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * A broker that becomes a partition's leader between two batches of a producer that it does not
 * know yet refuses the first and takes the second. librdkafka, with both under way, reports the
 * first as delivered. The publisher must not: what it calls delivered is read back here by a
 * consumer.
 */

#define DEADLINE_MS 20000
#define RTT_MS      300 /* so long the answer to the first batch is under way */
#define STEP_MS     20
#define RECORDS     6
#define API_PRODUCE 0 /* kafka.apache.org/protocol, "Api Keys" */

struct bench {
    rd_kafka_t *mock_client;
    rd_kafka_mock_cluster_t *mock;
    const char *bootstrap;
    struct publisher *p;
    size_t delivered;
};

static struct mono deadline(void)
{
    return mono_add_ms(clock_mono(clock_system()), DEADLINE_MS);
}

static bool is_over(struct mono until)
{
    return mono_until_ms(clock_mono(clock_system()), until, DEADLINE_MS) == 0;
}

static void on_report(void *arg, const struct publisher_report *r)
{
    struct bench *b = arg;
    assert_int_equal(r->outcome, PUBLISHER_DELIVERED);
    b->delivered++;
}

static void turn(struct bench *b, int timeout_ms)
{
    struct pollfd pfd = {.fd = b->p->ops->wait_fd(b->p), .events = POLLIN};
    poll(&pfd, 1, timeout_ms);
    b->p->ops->poll(b->p, on_report, b);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    char text[256];
    struct err e;
    assert_non_null(b);
    b->mock_client = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    assert_non_null(b->mock_client);
    b->mock = rd_kafka_mock_cluster_new(b->mock_client, 1);
    assert_non_null(b->mock);
    b->bootstrap = rd_kafka_mock_cluster_bootstraps(b->mock);
    assert_int_equal(rd_kafka_mock_topic_create(b->mock, "t", 1, 1), 0);
    const struct kafka_property properties[] = {{"bootstrap.servers", b->bootstrap}};
    const struct kafka_publisher_opts opts = {
        .properties = properties, .property_count = 1, .partitions = 1, .replication_factor = 1};
    assert_int_equal(kafka_publisher_create(&b->p, &opts, &e), ST_OK);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    b->p->ops->destroy(b->p);
    rd_kafka_mock_cluster_destroy(b->mock);
    rd_kafka_destroy(b->mock_client);
    free(b);
    return 0;
}

static void wait_topic(struct bench *b)
{
    const char *reason;
    struct mono until = deadline();
    while (b->p->ops->topic(b->p, "t", &reason) != PUBLISHER_TOPIC_READY) {
        assert_false(is_over(until));
        turn(b, STEP_MS);
    }
}

/* Each record gets time to leave in a batch of its own; the first one's answer is not there yet. */
static void produce_all(struct bench *b)
{
    struct err e;
    for (int i = 0; i < RECORDS; i++) {
        char value = (char)('0' + i);
        const struct publisher_record rec = {.topic = "t",
                                             .key = slice_of("k"),
                                             .value = {&value, 1},
                                             .timestamp = {1700000000000000},
                                             .tag = (uint64_t)i};
        assert_int_equal(b->p->ops->produce(b->p, &rec, &e), ST_OK);
        turn(b, STEP_MS);
    }
}

/* What stands in the partition, as text; as many records as were called delivered, or fewer. */
static void read_back(const struct bench *b, char out[RECORDS + 1])
{
    char text[256];
    size_t n = 0;
    struct mono until = deadline();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", b->bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(parts, "t", 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(rk, parts), 0);
    bool at_end = false;
    while (!at_end && n < RECORDS) {
        rd_kafka_message_t *msg = rd_kafka_consumer_poll(rk, STEP_MS);
        assert_false(is_over(until));
        at_end = msg && msg->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (msg && !msg->err)
            out[n++] = *(const char *)msg->payload;
        if (msg)
            rd_kafka_message_destroy(msg);
    }
    out[n] = '\0';
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

static void a_refused_batch_is_not_taken_for_delivered_when_later_ones_succeed(void **state)
{
    struct bench *b = *state;
    char found[RECORDS + 1];
    struct mono until = deadline();
    wait_topic(b);
    rd_kafka_mock_broker_set_rtt(b->mock, 1, RTT_MS);
    rd_kafka_mock_push_request_errors(b->mock, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    produce_all(b);
    while (b->delivered < RECORDS) {
        assert_false(is_over(until));
        turn(b, STEP_MS);
    }
    rd_kafka_mock_broker_set_rtt(b->mock, 1, 0);
    read_back(b, found);
    assert_string_equal(found, "012345");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_refused_batch_is_not_taken_for_delivered_when_later_ones_succeed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
