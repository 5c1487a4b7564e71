/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_property.h"

#include "base/err.h"
#include "kafka/kafka_publisher.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void assert_refused(const char *name, const char *value, const char *because)
{
    struct err e = {.code = ST_OK};
    if (kafka_property_check(name, value, &e) != ST_BAD_INPUT)
        fail_msg("%s=%s is accepted", name, value);
    if (!strstr(e.text, name) || !strstr(e.text, because))
        fail_msg("%s=%s: the reason is \"%s\"", name, value, e.text);
}

static void assert_accepted(const char *name, const char *value)
{
    struct err e = {.code = ST_OK};
    if (kafka_property_check(name, value, &e) != ST_OK)
        fail_msg("%s=%s is refused: %s", name, value, e.text);
}

static void accepts_what_an_operator_needs(void **state)
{
    (void)state;
    assert_accepted("bootstrap.servers", "a:9092,b:9092");
    assert_accepted("security.protocol", "sasl_ssl");
    assert_accepted("sasl.mechanisms", "SCRAM-SHA-512");
    assert_accepted("sasl.username", "relay");
    assert_accepted("sasl.password", "secret");
    assert_accepted("ssl.ca.location", "/etc/ssl/ca.pem");
    assert_accepted("compression.type", "zstd");
    assert_accepted("linger.ms", "5");
    assert_accepted("message.max.bytes", "2000000");
    assert_accepted("partitioner", "consistent_random");
    assert_accepted("queue.buffering.max.messages", "1000000");
    assert_accepted("max.in.flight", "1");
    assert_accepted("client.id", "relay-7");
}

static void accepts_the_value_that_is_promised_anyway(void **state)
{
    (void)state;
    assert_accepted("acks", "all");
    assert_accepted("acks", "-1");
    assert_accepted("request.required.acks", "ALL");
    assert_accepted("enable.idempotence", "true");
    assert_accepted("message.timeout.ms", "0");
    assert_accepted("delivery.timeout.ms", "0");
    assert_accepted("enable.gapless.guarantee", "true");
    assert_accepted("queuing.strategy", "fifo");
}

static void refuses_weaker_promises(void **state)
{
    (void)state;
    assert_refused("acks", "1", "in-sync");
    assert_refused("acks", "0", "in-sync");
    assert_refused("acks", "", "in-sync");
    assert_refused("request.required.acks", "1", "in-sync");
    assert_refused("enable.idempotence", "false", "retry");
    assert_refused("message.timeout.ms", "300000", "gap");
    assert_refused("message.timeout.ms", "00", "gap");
    assert_refused("delivery.timeout.ms", "1", "gap");
    assert_refused("message.send.max.retries", "3", "gap");
    assert_refused("retries", "2147483647", "gap");
    assert_refused("enable.gapless.guarantee", "false", "pass");
    assert_refused("max.in.flight", "2", "only 1");
    assert_refused("max.in.flight.requests.per.connection", "5", "only 1");
    assert_refused("queuing.strategy", "lifo", "order");
    assert_refused("queue.buffering.max.messages", "0", "bound");
    assert_refused("queue.buffering.max.messages", "1000001", "bound");
}

static void refuses_what_the_relay_decides(void **state)
{
    (void)state;
    assert_refused("metadata.broker.list", "a:9092", "use bootstrap.servers");
    assert_refused("allow.auto.create.topics", "true", "create_topics");
    assert_refused("transactional.id", "x", "relay decides");
    assert_refused("delivery.report.only.error", "true", "report");
    assert_refused("enabled_events", "1", "relay decides");
    assert_refused("internal.termination.signal", "29", "relay decides");
}

static void refuses_mocks_callbacks_and_code(void **state)
{
    (void)state;
    assert_refused("test.mock.num.brokers", "3", "mock");
    assert_refused("test.mock.broker.rtt", "3", "mock");
    assert_refused("ut_handle_ProduceResponse", "1", "test hook");
    assert_refused("dr_cb", "1", "callbacks");
    assert_refused("dr_msg_cb", "1", "callbacks");
    assert_refused("ssl.certificate.verify_cb", "1", "callbacks");
    assert_refused("some_unknown_cb", "1", "callbacks");
    assert_refused("opaque", "1", "callbacks");
    assert_refused("interceptors", "1", "loads code");
    assert_refused("ssl.engine.location", "/tmp/x.so", "loads code");
}

static void refuses_plugins_before_librdkafka_loads_them(void **state)
{
    (void)state;
    /* librdkafka would answer with the loader's complaint about the missing file. */
    assert_refused("plugin.library.paths", "/nonexistent/plugin", "loads code");
}

static void refuses_consumer_properties(void **state)
{
    (void)state;
    assert_refused("group.id", "x", "consumer");
    assert_refused("group.instance.id", "x", "consumer");
    assert_refused("auto.offset.reset", "earliest", "consumer");
    assert_refused("enable.auto.commit", "true", "consumer");
    assert_refused("fetch.max.bytes", "1", "consumer");
    assert_refused("isolation.level", "read_committed", "consumer");
}

static void refuses_unknown_names_and_bad_values(void **state)
{
    (void)state;
    assert_refused("no.such.property", "x", "No such configuration property");
    assert_refused("linger.ms", "soon", "librdkafka");
    assert_refused("compression.type", "rar", "librdkafka");
    assert_refused("", "x", "librdkafka");
    assert_int_equal(kafka_property_check(NULL, "x", NULL), ST_BAD_INPUT);
    assert_int_equal(kafka_property_check("linger.ms", NULL, NULL), ST_BAD_INPUT);
}

static void assert_not_created(const struct kafka_publisher_opts *opts, const char *because)
{
    struct publisher *p = NULL;
    struct err e = {.code = ST_OK};
    assert_int_equal(kafka_publisher_create(&p, opts, &e), ST_BAD_INPUT);
    assert_null(p);
    if (!strstr(e.text, because))
        fail_msg("the reason is \"%s\"", e.text);
}

static void publisher_is_not_created_with_bad_options(void **state)
{
    (void)state;
    const struct kafka_property good = {"bootstrap.servers", "127.0.0.1:1"};
    const struct kafka_property bad[] = {good, {"acks", "1"}};
    /* Each value is legal, the two together are not. */
    const struct kafka_property clash[] = {
        good, {"reconnect.backoff.ms", "9000"}, {"reconnect.backoff.max.ms", "8000"}};
    struct kafka_publisher_opts opts = {.partitions = -1, .replication_factor = -1};
    assert_not_created(&opts, "bootstrap.servers is missing");
    opts.properties = bad;
    opts.property_count = 2;
    assert_not_created(&opts, "acks");
    opts.properties = clash;
    opts.property_count = 3;
    assert_not_created(&opts, "reconnect");
    opts.properties = &good;
    opts.property_count = 1;
    opts.partitions = 0;
    assert_not_created(&opts, "partitions");
    opts.partitions = 1;
    opts.replication_factor = -2;
    assert_not_created(&opts, "replication_factor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_an_operator_needs),
        cmocka_unit_test(accepts_the_value_that_is_promised_anyway),
        cmocka_unit_test(refuses_weaker_promises),
        cmocka_unit_test(refuses_what_the_relay_decides),
        cmocka_unit_test(refuses_mocks_callbacks_and_code),
        cmocka_unit_test(refuses_plugins_before_librdkafka_loads_them),
        cmocka_unit_test(refuses_consumer_properties),
        cmocka_unit_test(refuses_unknown_names_and_bad_values),
        cmocka_unit_test(publisher_is_not_created_with_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
