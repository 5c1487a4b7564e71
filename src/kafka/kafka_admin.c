/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_admin.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

PRINTF_LIKE(2, 3)
static struct kafka_answer answer(enum kafka_answer_kind kind, const char *fmt, ...)
{
    struct kafka_answer a = {.kind = kind};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a.reason, sizeof a.reason, fmt, ap);
    va_end(ap);
    return a;
}

static struct kafka_answer no_answer(rd_kafka_resp_err_t err)
{
    return answer(KAFKA_ANSWER_UNREACHABLE, "no answer: %s", rd_kafka_err2str(err));
}

static struct kafka_answer of_metadata(const rd_kafka_metadata_topic_t *t)
{
    struct kafka_answer a;
    switch ((int)t->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return answer(KAFKA_ANSWER_NO, "the topic does not exist");
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return answer(KAFKA_ANSWER_REFUSED, "Kafka refuses the topic: %s",
                      rd_kafka_err2str(t->err));
    default:
        return answer(KAFKA_ANSWER_SETTLING, "the topic is not available: %s",
                      rd_kafka_err2str(t->err));
    }
    a = (struct kafka_answer){.kind = KAFKA_ANSWER_YES, .partitions = t->partition_cnt};
    for (int i = 0; i < t->partition_cnt; i++)
        if (t->partitions[i].leader < 0)
            a.leaderless++;
    if (a.partitions > a.leaderless)
        return a;
    return answer(KAFKA_ANSWER_SETTLING, "no partition of the topic has a leader");
}

static void add_cluster_id(struct kafka_answer *a, rd_kafka_t *rk)
{
    char *id = rd_kafka_clusterid(rk, 0);
    if (!id)
        return;
    snprintf(a->cluster_id, sizeof a->cluster_id, "%s", id);
    rd_kafka_mem_free(rk, id);
}

struct kafka_answer kafka_admin_ask(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
    const struct rd_kafka_metadata *md = NULL;
    struct kafka_answer a;
    /* librdkafka keeps its own topic object after this handle is gone: partitions refer to it. */
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    if (!rkt)
        return answer(KAFKA_ANSWER_REFUSED, "librdkafka refuses the topic: %s",
                      rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, rkt, &md, timeout_ms);
    rd_kafka_topic_destroy(rkt);
    if (err)
        return no_answer(err);
    if (md->topic_cnt == 1)
        a = of_metadata(&md->topics[0]);
    else
        a = answer(KAFKA_ANSWER_SETTLING, "the broker did not tell about the topic");
    rd_kafka_metadata_destroy(md);
    add_cluster_id(&a, rk);
    return a;
}

struct kafka_answer kafka_admin_ask_known(rd_kafka_t *rk, int timeout_ms,
                                          void (*on_topic)(void *arg, const char *topic,
                                                           struct kafka_answer *answer),
                                          void *arg)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, NULL, &md, timeout_ms);
    if (err)
        return no_answer(err);
    struct kafka_answer all = {.kind = KAFKA_ANSWER_YES};
    add_cluster_id(&all, rk);
    for (int i = 0; i < md->topic_cnt; i++) {
        struct kafka_answer a = of_metadata(&md->topics[i]);
        memcpy(a.cluster_id, all.cluster_id, sizeof a.cluster_id);
        on_topic(arg, md->topics[i].topic, &a);
    }
    rd_kafka_metadata_destroy(md);
    return all;
}

struct kafka_answer kafka_admin_ping(rd_kafka_t *rk, int timeout_ms)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 1, NULL, &md, timeout_ms);
    if (err)
        return no_answer(err);
    rd_kafka_metadata_destroy(md);
    struct kafka_answer a = {.kind = KAFKA_ANSWER_YES};
    add_cluster_id(&a, rk);
    return a;
}

static struct kafka_answer of_failure(rd_kafka_resp_err_t err, const char *text)
{
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return (struct kafka_answer){.kind = KAFKA_ANSWER_YES};
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
        return answer(KAFKA_ANSWER_SETTLING, "the topic is being created: %s",
                      rd_kafka_err2str(err));
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__DESTROY:
        return no_answer(err);
    default:
        return answer(KAFKA_ANSWER_REFUSED, "the topic cannot be created: %s",
                      text ? text : rd_kafka_err2str(err));
    }
}

static struct kafka_answer of_creation(rd_kafka_event_t *ev)
{
    size_t count = 0;
    if (rd_kafka_event_error(ev))
        return of_failure(rd_kafka_event_error(ev), rd_kafka_event_error_string(ev));
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(ev);
    const rd_kafka_topic_result_t **topics = NULL;
    if (result)
        topics = rd_kafka_CreateTopics_result_topics(result, &count);
    if (count != 1)
        return answer(KAFKA_ANSWER_SETTLING, "the broker did not tell about the new topic");
    return of_failure(rd_kafka_topic_result_error(topics[0]),
                      rd_kafka_topic_result_error_string(topics[0]));
}

static struct kafka_answer of_configs(rd_kafka_event_t *ev)
{
    size_t count = 0;
    if (rd_kafka_event_error(ev))
        return of_failure(rd_kafka_event_error(ev), rd_kafka_event_error_string(ev));
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(ev);
    const rd_kafka_ConfigResource_t **resources = NULL;
    if (result)
        resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    if (count != 1 || rd_kafka_ConfigResource_error(resources[0]))
        return answer(KAFKA_ANSWER_REFUSED, "the broker does not tell the topic's configuration");
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[0], &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") != 0 || !value)
            continue;
        /* "compact,delete" deletes as well. */
        if (strcmp(value, "compact") == 0)
            return (struct kafka_answer){.kind = KAFKA_ANSWER_YES};
        return answer(KAFKA_ANSWER_NO, "cleanup.policy is %s", value);
    }
    return answer(KAFKA_ANSWER_REFUSED, "the broker does not tell the topic's cleanup.policy");
}

/* Waits for the result in slices, so that give_up is heard. */
static struct kafka_answer wait_result(rd_kafka_queue_t *queue,
                                       struct kafka_answer (*read)(rd_kafka_event_t *ev),
                                       int timeout_ms, const atomic_bool *give_up)
{
    for (int waited = 0; waited < timeout_ms && !atomic_load(give_up);
         waited += KAFKA_ADMIN_SLICE_MS) {
        rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, KAFKA_ADMIN_SLICE_MS);
        if (!ev)
            continue;
        struct kafka_answer a = read(ev);
        rd_kafka_event_destroy(ev);
        return a;
    }
    return no_answer(RD_KAFKA_RESP_ERR__TIMED_OUT);
}

/* Small segments and frequent cleaning keep what a start has to look through short. */
static void set_compacted(rd_kafka_NewTopic_t *topic)
{
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
    rd_kafka_NewTopic_set_config(topic, "segment.bytes", "16777216");
    rd_kafka_NewTopic_set_config(topic, "segment.ms", "3600000");
    rd_kafka_NewTopic_set_config(topic, "min.cleanable.dirty.ratio", "0.1");
}

struct kafka_answer kafka_admin_make_topic(rd_kafka_t *rk, const struct kafka_admin_topic *topic,
                                           int timeout_ms, const atomic_bool *give_up)
{
    char text[200];
    struct kafka_answer a;
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(
        topic->name, topic->partitions, topic->replication_factor, text, sizeof text);
    if (!wanted)
        return answer(KAFKA_ANSWER_REFUSED, "the topic cannot be created: %s", text);
    if (topic->is_compacted)
        set_compacted(wanted);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    if (rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof text) ||
        rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, text, sizeof text)) {
        a = answer(KAFKA_ANSWER_REFUSED, "the topic cannot be created: %s", text);
    } else {
        rd_kafka_CreateTopics(rk, &wanted, 1, options, queue);
        a = wait_result(queue, of_creation, timeout_ms + KAFKA_ADMIN_SLICE_MS, give_up);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(wanted);
    return a;
}

struct kafka_answer kafka_admin_is_compacted(rd_kafka_t *rk, const char *topic, int timeout_ms,
                                             const atomic_bool *give_up)
{
    rd_kafka_ConfigResource_t *wanted = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_DescribeConfigs(rk, &wanted, 1, options, queue);
    struct kafka_answer a = wait_result(queue, of_configs, timeout_ms, give_up);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(wanted);
    return a;
}
