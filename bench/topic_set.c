/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_set.h"

#include "instant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS    60000
#define ASK_AGAIN_MS 50

struct topic_set {
    rd_kafka_t *client;
};

static bool set_one(rd_kafka_conf_t *conf, const char *setting, struct fail *f)
{
    char name[128];
    char reason[256];
    const char *equals = strchr(setting, '=');
    if (equals == NULL || (size_t)(equals - setting) >= sizeof name)
        return fail_set(f, "--set '%s' is not NAME=VALUE", setting);
    snprintf(name, sizeof name, "%.*s", (int)(equals - setting), setting);
    if (rd_kafka_conf_set(conf, name, equals + 1, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        return fail_set(f, "--set %s: %s", setting, reason);
    return true;
}

rd_kafka_conf_t *topic_set_conf(const struct topic_set_settings *settings, struct fail *f)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < settings->count; i++)
        if (!set_one(conf, settings->text[i], f)) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    return conf;
}

static bool add_partitions(rd_kafka_t *client, const char *name, bool at_end,
                           rd_kafka_topic_partition_list_t *out, struct fail *f)
{
    const struct rd_kafka_metadata *answer;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    rd_kafka_resp_err_t err = rd_kafka_metadata(client, 0, topic, &answer, ANSWER_MS);
    rd_kafka_topic_destroy(topic);
    if (err)
        return fail_set(f, "%s: %s", name, rd_kafka_err2str(err));
    int count = answer->topic_cnt == 1 ? answer->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(answer);
    if (count == 0)
        return fail_set(f, "%s: there is no such topic", name);
    for (int32_t i = 0; i < count; i++) {
        int64_t low = 0, high = 0;
        struct mono until = instant_add_ms(instant_mono(), ANSWER_MS);
        /* A topic that was made just now has no leader for a moment. */
        while ((err = rd_kafka_query_watermark_offsets(client, name, i, &low, &high, ANSWER_MS)) &&
               !instant_reached(instant_mono(), until))
            rd_kafka_poll(client, ASK_AGAIN_MS);
        if (err)
            return fail_set(f, "%s: %s", name, rd_kafka_err2str(err));
        rd_kafka_topic_partition_list_add(out, name, i)->offset = at_end ? high : low;
    }
    return true;
}

static bool assign(rd_kafka_t *client, const char *topics, bool at_end, struct fail *f)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    bool ok = true;
    while (*topics && ok) {
        char name[256];
        size_t len = strcspn(topics, ",");
        snprintf(name, sizeof name, "%.*s", (int)len, topics);
        ok = add_partitions(client, name, at_end, list, f);
        topics += topics[len] ? len + 1 : len;
    }
    if (ok && rd_kafka_assign(client, list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        ok = fail_set(f, "the partitions cannot be assigned");
    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}

struct topic_set *topic_set_open(const char *topics, bool at_end,
                                 const struct topic_set_settings *settings, struct fail *f)
{
    static const char *const own[] = {"group.id=bench", "enable.auto.commit=false",
                                      "isolation.level=read_committed",
                                      /* An end of a partition is noticed soon, and nothing waits
                                         for company. */
                                      "fetch.wait.max.ms=10", "fetch.min.bytes=1"};
    struct topic_set_settings all = *settings;
    char reason[256];
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        CHECK(all.count < TOPIC_SET_SETTINGS_MAX);
        all.text[all.count++] = own[i];
    }
    rd_kafka_conf_t *conf = topic_set_conf(&all, f);
    if (conf == NULL)
        return NULL;
    struct topic_set *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (s->client == NULL) {
        fail_set(f, "consumer: %s", reason);
        rd_kafka_conf_destroy(conf);
        free(s);
        return NULL;
    }
    rd_kafka_poll_set_consumer(s->client);
    if (!assign(s->client, topics, at_end, f)) {
        topic_set_close(s);
        return NULL;
    }
    return s;
}

void topic_set_close(struct topic_set *s)
{
    if (s == NULL)
        return;
    rd_kafka_consumer_close(s->client);
    rd_kafka_destroy(s->client);
    free(s);
}

rd_kafka_message_t *topic_set_next(struct topic_set *s, int timeout_ms)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(s->client, timeout_ms);
    if (m != NULL && m->err) {
        rd_kafka_message_destroy(m);
        return NULL;
    }
    return m;
}

void topic_set_rest(struct topic_set *s)
{
    rd_kafka_assign(s->client, NULL);
}
