/* SPDX-License-Identifier: Apache-2.0 */

/*
 * write_records BOOTSTRAP TOPIC [TRANSACTIONAL_ID]: writes to a topic whatever it is told, byte for
 * byte, and deletes its oldest records: so that tests can plant faults in a feed by other means
 * than the relay.
 *
 * Commands on stdin, one a line, in order; bytes are hex, "-" is none at all:
 *
 *   record PARTITION TIMESTAMP_MS KEY VALUE [NAME VALUE]...
 *   delete PARTITION OFFSET     records of the partition below the offset
 *   begin, commit, abort        with a transactional id, around records
 *
 * It ends with 0 when Kafka has confirmed everything, and with 1 at the first failure.
 */

#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 60000

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "write_records: %s: %s\n", what, why);
    exit(1);
}

struct bytes {
    void *ptr;
    size_t len;
};

static unsigned digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    if (!at)
        die("hex", "not a lower case digit");
    return (unsigned)(at - digits);
}

static struct bytes decode(const char *hex)
{
    struct bytes b = {NULL, 0};
    unsigned char *at;
    if (!hex)
        die("command", "too few words");
    if (strcmp(hex, "-") == 0)
        return b;
    b.len = strlen(hex) / 2;
    b.ptr = at = malloc(b.len + 1);
    if (!at)
        die("memory", "none left");
    for (size_t i = 0; i < b.len; i++)
        at[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return b;
}

static long long number(const char *text)
{
    char *end;
    long long value = text ? strtoll(text, &end, 10) : 0;
    if (!text || *end)
        die("command", "a number is missing");
    return value;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (msg->err)
        die("delivery", rd_kafka_err2str(msg->err));
}

static void write_record(rd_kafka_t *rk, const char *topic, char *words)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(16);
    int partition = (int)number(strsep(&words, " "));
    long long timestamp_ms = number(strsep(&words, " "));
    struct bytes key = decode(strsep(&words, " ")), value = decode(strsep(&words, " "));
    const char *name;
    rd_kafka_error_t *error;
    while ((name = strsep(&words, " "))) {
        struct bytes header = decode(strsep(&words, " "));
        (void)rd_kafka_header_add(headers, name, -1, header.ptr, (ssize_t)header.len);
        free(header.ptr);
    }
    rd_kafka_vu_t record[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {key.ptr, key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value.ptr, value.len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    error = rd_kafka_produceva(rk, record, sizeof record / sizeof record[0]);
    if (error)
        die("produce", rd_kafka_error_string(error));
    free(key.ptr);
    free(value.ptr);
    rd_kafka_poll(rk, 0);
}

static void delete_records(rd_kafka_t *rk, const char *topic, char *words)
{
    int partition = (int)number(strsep(&words, " "));
    long long before = number(strsep(&words, " "));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteRecords_t *request;
    rd_kafka_event_t *event;
    const rd_kafka_topic_partition_list_t *done;
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = before;
    request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(rk, &request, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
    if (!event)
        die("delete", "no answer");
    if (rd_kafka_event_error(event))
        die("delete", rd_kafka_event_error_string(event));
    done = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
    if (done->cnt != 1 || done->elems[0].err)
        die("delete", "refused");
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
}

/* False: no such command. */
static int end_or_begin(rd_kafka_t *rk, const char *what)
{
    rd_kafka_error_t *error = NULL;
    if (strcmp(what, "begin") == 0)
        error = rd_kafka_begin_transaction(rk);
    else if (strcmp(what, "commit") == 0)
        error = rd_kafka_commit_transaction(rk, TIMEOUT_MS);
    else if (strcmp(what, "abort") == 0 && rd_kafka_flush(rk, TIMEOUT_MS) == 0)
        error = rd_kafka_abort_transaction(rk, TIMEOUT_MS);
    else
        return 0;
    if (error)
        die(what, rd_kafka_error_string(error));
    return 1;
}

static rd_kafka_t *connect_to(const char *bootstrap, const char *transactional_id)
{
    char reason[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *rk;
    if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, reason, sizeof reason) ||
        rd_kafka_conf_set(conf, "enable.idempotence", "true", reason, sizeof reason))
        die("configuration", reason);
    if (transactional_id &&
        rd_kafka_conf_set(conf, "transactional.id", transactional_id, reason, sizeof reason))
        die("configuration", reason);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!rk)
        die("client", reason);
    rd_kafka_error_t *error = transactional_id ? rd_kafka_init_transactions(rk, TIMEOUT_MS) : NULL;
    if (error)
        die("transactions", rd_kafka_error_string(error));
    return rk;
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    rd_kafka_t *rk;
    if (argc != 3 && argc != 4) {
        (void)fprintf(stderr,
                      "usage: write_records BOOTSTRAP TOPIC [TRANSACTIONAL_ID] < COMMANDS\n");
        return 2;
    }
    rk = connect_to(argv[1], argv[3]);
    while ((len = getline(&line, &size, stdin)) > 0) {
        char *words = line;
        const char *what;
        if (line[len - 1] == '\n')
            line[len - 1] = 0;
        what = strsep(&words, " ");
        if (strcmp(what, "record") == 0)
            write_record(rk, argv[2], words);
        else if (strcmp(what, "delete") == 0 && rd_kafka_flush(rk, TIMEOUT_MS) == 0)
            delete_records(rk, argv[2], words);
        else if (!end_or_begin(rk, what))
            die(what, "no such command, or Kafka is away");
    }
    free(line);
    if (rd_kafka_flush(rk, TIMEOUT_MS))
        die("flush", "no answer");
    rd_kafka_destroy(rk);
    return 0;
}
