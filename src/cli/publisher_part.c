/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/publisher_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kafka/kafka_demo.h"
#include "kafka/kafka_publisher.h"
#include "kafka/kafka_txn_publisher.h"

struct publisher_part {
    struct publisher *publisher;
    struct kafka_demo *broker;
    struct kafka_property *properties; /* texts are owned */
    size_t count;
};

static enum status no_memory(struct err *e)
{
    return err_set(e, ST_NO_MEM, "kafka: out of memory");
}

static enum status add(struct publisher_part *p, const char *name, const char *value, struct err *e)
{
    struct kafka_property *to = &p->properties[p->count++];
    to->name = strdup(name);
    to->value = strdup(value);
    return to->name && to->value ? ST_OK : no_memory(e);
}

static enum status copy_properties(struct publisher_part *p, const struct conf_properties *from,
                                   struct err *e)
{
    enum status st = ST_OK;
    p->properties = calloc(from->count + 1, sizeof *p->properties);
    if (!p->properties)
        return no_memory(e);
    for (size_t i = 0; i < from->count && st == ST_OK; i++)
        st = add(p, from->items[i].name, from->items[i].value, e);
    return st;
}

static enum status start_broker(struct publisher_part *p, struct err *e)
{
    enum status st = kafka_demo_start(&p->broker, e);
    if (st == ST_OK)
        st = add(p, "bootstrap.servers", kafka_demo_bootstrap(p->broker), e);
    if (st == ST_OK)
        log_info("demo.broker", LOG_S("bootstrap", kafka_demo_bootstrap(p->broker)));
    return st;
}

static const char *set_or(const char *value, const char *otherwise)
{
    return value && value[0] ? value : otherwise;
}

static enum status create_exactly_once(struct publisher_part *p,
                                       const struct publisher_part_opts *opts,
                                       const struct kafka_publisher_opts *common, struct err *e)
{
    const struct conf_kafka *c = opts->conf;
    if (opts->demo)
        return err_set(e, ST_BAD_INPUT,
                       "delivery = exactly_once needs a real Kafka: the demo's broker has no "
                       "transactions");
    char id[256], topic[300];
    snprintf(id, sizeof id, "gladly-relay-%s", opts->journal_id);
    const char *used = set_or(c->transactional_id, id);
    snprintf(topic, sizeof topic, "%s-checkpoint", used);
    const struct kafka_txn_opts own = {.common = *common,
                                       .journal_id = opts->journal_id,
                                       .transactional_id = used,
                                       .checkpoint_topic = set_or(c->checkpoint_topic, topic)};
    return kafka_txn_publisher_create(&p->publisher, &own, e);
}

static enum status create_publisher(struct publisher_part *p,
                                    const struct publisher_part_opts *opts, struct err *e)
{
    const struct conf_kafka *c = opts->conf;
    const struct kafka_publisher_opts common = {.properties = p->properties,
                                                .property_count = p->count,
                                                .create_topics = c->create_topics,
                                                .partitions = (int)c->partitions,
                                                .replication_factor =
                                                    c->replication ? (int)c->replication : -1};
    if (strcmp(c->delivery, "exactly_once") == 0)
        return create_exactly_once(p, opts, &common, e);
    return kafka_publisher_create(&p->publisher, &common, e);
}

enum status publisher_part_start(struct publisher_part **out,
                                 const struct publisher_part_opts *opts, struct err *e)
{
    struct publisher_part *p = calloc(1, sizeof *p);
    if (!p)
        return no_memory(e);
    enum status st = copy_properties(p, &opts->conf->properties, e);
    if (st == ST_OK && opts->demo)
        st = start_broker(p, e);
    if (st == ST_OK)
        st = create_publisher(p, opts, e);
    if (st != ST_OK) {
        publisher_part_stop(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

void publisher_part_stop(struct publisher_part *p)
{
    if (!p)
        return;
    if (p->publisher)
        p->publisher->ops->destroy(p->publisher);
    kafka_demo_stop(p->broker);
    for (size_t i = 0; i < p->count; i++) {
        free((char *)(uintptr_t)p->properties[i].name);
        free((char *)(uintptr_t)p->properties[i].value);
    }
    free(p->properties);
    free(p);
}

struct publisher *publisher_part_get(const struct publisher_part *p)
{
    return p->publisher;
}
