/* SPDX-License-Identifier: Apache-2.0 */

/*
 * selftest_produce BOOTSTRAP TOPIC: records that a lossy or transaction-blind reader would get
 * wrong.
 *
 * To partition 0, in this order: one committed transaction of three records (every byte value in
 * key, value and header value; no key and no value, with a header without value and a repeated
 * header name; empty key and empty value), one aborted transaction of two records, one committed
 * transaction of one record, and last one that is left open. So a read_committed reader sees four
 * records, and the partition holds ten offsets.
 */

#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(const char *what, rd_kafka_error_t *error)
{
    if (error) {
        (void)fprintf(stderr, "selftest_produce: %s: %s\n", what, rd_kafka_error_string(error));
        exit(1);
    }
}

struct bytes {
    const void *ptr;
    size_t len;
};

static struct bytes text(const char *s)
{
    return (struct bytes){s, strlen(s)};
}

static void produce(rd_kafka_t *rk, const char *topic, struct bytes key, struct bytes value,
                    rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)key.ptr, key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)value.ptr, value.len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = 1700000000123},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    must("produce", rd_kafka_produceva(rk, record, sizeof record / sizeof record[0]));
}

static rd_kafka_headers_t *odd_headers(const char *bytes, size_t len)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    (void)rd_kafka_header_add(headers, "all", -1, bytes, (ssize_t)len);
    (void)rd_kafka_header_add(headers, "none", -1, NULL, 0);
    (void)rd_kafka_header_add(headers, "twice", -1, "a,b=c", -1);
    (void)rd_kafka_header_add(headers, "twice", -1, "", 0);
    return headers;
}

static rd_kafka_t *connect_to(const char *bootstrap)
{
    char reason[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, reason, sizeof reason) ||
        rd_kafka_conf_set(conf, "transactional.id", "selftest", reason, sizeof reason)) {
        (void)fprintf(stderr, "selftest_produce: %s\n", reason);
        exit(1);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!rk) {
        (void)fprintf(stderr, "selftest_produce: %s\n", reason);
        exit(1);
    }
    return rk;
}

int main(int argc, char **argv)
{
    char all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    if (argc != 3) {
        (void)fprintf(stderr, "usage: selftest_produce BOOTSTRAP TOPIC\n");
        return 2;
    }
    const char *topic = argv[2];
    const struct bytes every = {all, sizeof all};
    const struct bytes none = {NULL, 0};
    rd_kafka_t *rk = connect_to(argv[1]);
    must("init", rd_kafka_init_transactions(rk, 20000));
    must("begin", rd_kafka_begin_transaction(rk));
    produce(rk, topic, every, every, odd_headers(all, sizeof all));
    produce(rk, topic, none, none, odd_headers("\xff", 1));
    produce(rk, topic, text(""), text(""), rd_kafka_headers_new(1));
    must("commit", rd_kafka_commit_transaction(rk, 20000));
    must("begin", rd_kafka_begin_transaction(rk));
    produce(rk, topic, text("k"), text("aborted 1"), rd_kafka_headers_new(1));
    produce(rk, topic, text("k"), text("aborted 2"), rd_kafka_headers_new(1));
    (void)rd_kafka_flush(rk, 20000);
    must("abort", rd_kafka_abort_transaction(rk, 20000));
    must("begin", rd_kafka_begin_transaction(rk));
    produce(rk, topic, text("k"), text("{\"n\":1}"), rd_kafka_headers_new(1));
    must("commit", rd_kafka_commit_transaction(rk, 20000));
    must("begin", rd_kafka_begin_transaction(rk));
    produce(rk, topic, text("k"), text("left open"), rd_kafka_headers_new(1));
    (void)rd_kafka_flush(rk, 20000);
    /* No rd_kafka_destroy(): it would wait, and an open transaction is the point. */
    return 0;
}
