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

static void must(const char *what, rd_kafka_error_t *error)
{
    if (error) {
        (void)fprintf(stderr, "selftest_produce: %s: %s\n", what, rd_kafka_error_string(error));
        exit(1);
    }
}

static void produce(rd_kafka_t *rk, const char *topic, const void *key, size_t key_len,
                    const void *value, size_t value_len, rd_kafka_headers_t *headers)
{
    rd_kafka_resp_err_t code = rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, key_len),
        RD_KAFKA_V_VALUE((void *)value, value_len), RD_KAFKA_V_TIMESTAMP(1700000000123),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code) {
        (void)fprintf(stderr, "selftest_produce: %s\n", rd_kafka_err2str(code));
        exit(1);
    }
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
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text, sizeof text) ||
        rd_kafka_conf_set(conf, "transactional.id", "selftest", text, sizeof text)) {
        (void)fprintf(stderr, "selftest_produce: %s\n", text);
        exit(1);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk) {
        (void)fprintf(stderr, "selftest_produce: %s\n", text);
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
    rd_kafka_t *rk = connect_to(argv[1]);
    must("init", rd_kafka_init_transactions(rk, 20000));
    must("begin", rd_kafka_begin_transaction(rk));
    produce(rk, topic, all, sizeof all, all, sizeof all, odd_headers(all, sizeof all));
    produce(rk, topic, NULL, 0, NULL, 0, odd_headers("\xff", 1));
    produce(rk, topic, "", 0, "", 0, rd_kafka_headers_new(1));
    must("commit", rd_kafka_commit_transaction(rk, 20000));
    must("begin", rd_kafka_begin_transaction(rk));
    produce(rk, topic, "k", 1, "aborted 1", 9, rd_kafka_headers_new(1));
    produce(rk, topic, "k", 1, "aborted 2", 9, rd_kafka_headers_new(1));
    (void)rd_kafka_flush(rk, 20000);
    must("abort", rd_kafka_abort_transaction(rk, 20000));
    must("begin", rd_kafka_begin_transaction(rk));
    produce(rk, topic, "k", 1, "{\"n\":1}", 7, rd_kafka_headers_new(1));
    must("commit", rd_kafka_commit_transaction(rk, 20000));
    must("begin", rd_kafka_begin_transaction(rk));
    produce(rk, topic, "k", 1, "left open", 9, rd_kafka_headers_new(1));
    (void)rd_kafka_flush(rk, 20000);
    /* No rd_kafka_destroy(): it would wait, and an open transaction is the point. */
    return 0;
}
