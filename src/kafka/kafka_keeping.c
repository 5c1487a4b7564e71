/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_keeping.h"

#include "base/buf.h"
#include "base/num.h"

#include <string.h>

static enum status failure(rd_kafka_resp_err_t err, const char *reason, struct err *e)
{
    enum status st = ST_AGAIN;
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        st = ST_NOT_FOUND;
    else if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
             err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
        st = ST_DENIED;
    return err_set_detail(e, st, (int)err, "%s", reason ? reason : rd_kafka_err2str(err));
}

/* "-1" and what is no number: no limit. */
static int64_t limit_of(const char *value)
{
    uint64_t number = 0;
    struct err ignored; /* Kafka sends numbers */
    if (num_parse_u64(slice_of(value), 0, INT64_MAX, &number, &ignored) != ST_OK)
        return -1;
    return (int64_t)number;
}

static void take(struct kafka_keeping *out, const char *name, const char *value)
{
    if (strcmp(name, "cleanup.policy") == 0) {
        out->deletes = strstr(value, "delete") != NULL;
        out->compacts = strstr(value, "compact") != NULL;
    } else if (strcmp(name, "message.timestamp.type") == 0) {
        out->is_append_time = strcmp(value, "LogAppendTime") == 0;
    } else if (strcmp(name, "retention.ms") == 0) {
        out->retention_ms = limit_of(value);
    } else if (strcmp(name, "retention.bytes") == 0) {
        out->retention_bytes = limit_of(value);
    }
}

static enum status read_answer(rd_kafka_event_t *ev, struct kafka_keeping *out, struct err *e)
{
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(ev);
    const rd_kafka_ConfigResource_t **resources = NULL;
    const rd_kafka_ConfigEntry_t **entries;
    size_t count = 0;
    if (rd_kafka_event_error(ev))
        return failure(rd_kafka_event_error(ev), rd_kafka_event_error_string(ev), e);
    if (result)
        resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    if (count != 1)
        return failure(RD_KAFKA_RESP_ERR__BAD_MSG, NULL, e);
    if (rd_kafka_ConfigResource_error(resources[0]))
        return failure(rd_kafka_ConfigResource_error(resources[0]),
                       rd_kafka_ConfigResource_error_string(resources[0]), e);
    *out = (struct kafka_keeping){.retention_ms = -1, .retention_bytes = -1};
    entries = rd_kafka_ConfigResource_configs(resources[0], &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value)
            take(out, rd_kafka_ConfigEntry_name(entries[i]), value);
    }
    return ST_OK;
}

enum status kafka_keeping_ask(rd_kafka_t *rk, const char *topic, int timeout_ms,
                              struct kafka_keeping *out, struct err *e)
{
    rd_kafka_ConfigResource_t *wanted = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_event_t *ev;
    enum status st;
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_DescribeConfigs(rk, &wanted, 1, options, queue);
    ev = rd_kafka_queue_poll(queue, timeout_ms);
    st = ev ? read_answer(ev, out, e) : failure(RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, e);
    if (ev)
        rd_kafka_event_destroy(ev);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(wanted);
    return st;
}
