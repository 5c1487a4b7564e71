/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_property.h"

#include "base/buf.h"
#include "base/num.h"

#include <librdkafka/rdkafka.h>

#include <stdint.h>
#include <string.h>

/* The in-flight table holds one entry a record; the journal is the buffer, not librdkafka. */
#define QUEUE_MESSAGES_MAX 1000000

enum rule_kind {
    RULE_NEVER,  /* whatever the value */
    RULE_ONLY,   /* only the values of the list, which is separated by | */
    RULE_RANGE,  /* a number from 1 to max */
    RULE_PREFIX, /* every name that begins like this, never */
};

struct rule {
    const char *name;
    enum rule_kind kind;
    const char *values;
    uint64_t max;
    const char *reason;
};

static const char relay_decides[] = "the relay decides it";
static const char code_loading[] = "it loads code into the relay";
static const char no_callback[] = "callbacks cannot be set from a file";
static const char consumer_only[] = "it is a consumer's property and the relay only produces";
static const char weaker_acks[] = "only acks=all means that all in-sync replicas hold a record";
static const char overtaking[] = "a batch that a broker refused counts as stored when the next one "
                                 "passes it; only 1 prevents that";
static const char gaps[] = "a record that runs out of time or retries leaves a gap, because later "
                           "ones go on; the journal waits without limit";

static const struct rule rules[] = {
    {"metadata.broker.list", RULE_NEVER, NULL, 0, "use bootstrap.servers"},
    {"acks", RULE_ONLY, "all|-1", 0, weaker_acks},
    {"request.required.acks", RULE_ONLY, "all|-1", 0, weaker_acks},
    {"enable.idempotence", RULE_ONLY, "true", 0,
     "without it a retry may store a record twice or out of order"},
    {"message.timeout.ms", RULE_ONLY, "0", 0, gaps},
    {"delivery.timeout.ms", RULE_ONLY, "0", 0, gaps},
    {"message.send.max.retries", RULE_NEVER, NULL, 0, gaps},
    {"retries", RULE_NEVER, NULL, 0, gaps},
    {"enable.gapless.guarantee", RULE_ONLY, "true", 0,
     "without it later records of a key pass one that failed"},
    {"max.in.flight", RULE_ONLY, "1", 0, overtaking},
    {"max.in.flight.requests.per.connection", RULE_ONLY, "1", 0, overtaking},
    {"queuing.strategy", RULE_ONLY, "fifo", 0, "another order breaks the order of keys"},
    {"queue.buffering.max.messages", RULE_RANGE, NULL, QUEUE_MESSAGES_MAX,
     "the queue must have a bound (1 to 1000000); the journal is the buffer"},
    {"queue.buffering.backpressure.threshold", RULE_ONLY, "1", 0, "idempotence needs it to be 1"},
    {"api.version.request", RULE_ONLY, "true", 0, "idempotence needs it"},
    {"allow.auto.create.topics", RULE_NEVER, NULL, 0, "use the relay's own create_topics"},
    {"transactional.id", RULE_NEVER, NULL, 0, relay_decides},
    {"transaction.timeout.ms", RULE_NEVER, NULL, 0, relay_decides},
    {"delivery.report.only.error", RULE_NEVER, NULL, 0,
     "the relay counts a record as published only by its report"},
    {"enabled_events", RULE_NEVER, NULL, 0, relay_decides},
    {"log.queue", RULE_NEVER, NULL, 0, relay_decides},
    {"statistics.interval.ms", RULE_NEVER, NULL, 0, "nothing reads it; the relay has metrics"},
    {"opaque", RULE_NEVER, NULL, 0, no_callback},
    {"msg_order_cmp", RULE_NEVER, NULL, 0, no_callback},
    {"ssl_engine_callback_data", RULE_NEVER, NULL, 0, no_callback},
    {"default_topic_conf", RULE_NEVER, NULL, 0, no_callback},
    {"plugin.library.paths", RULE_NEVER, NULL, 0, code_loading},
    {"interceptors", RULE_NEVER, NULL, 0, code_loading},
    {"ssl.engine.location", RULE_NEVER, NULL, 0, code_loading},
    {"ssl.engine.id", RULE_NEVER, NULL, 0, code_loading},
    {"test.", RULE_PREFIX, NULL, 0, "it replaces the cluster by a mock that keeps nothing"},
    {"ut_", RULE_PREFIX, NULL, 0, "it is librdkafka's own test hook"},
    {"internal.", RULE_PREFIX, NULL, 0, relay_decides},
    {"group.", RULE_PREFIX, NULL, 0, consumer_only},
    {"partition.assignment.strategy", RULE_NEVER, NULL, 0, consumer_only},
    {"session.timeout.ms", RULE_NEVER, NULL, 0, consumer_only},
    {"heartbeat.interval.ms", RULE_NEVER, NULL, 0, consumer_only},
    {"coordinator.query.interval.ms", RULE_NEVER, NULL, 0, consumer_only},
    {"max.poll.interval.ms", RULE_NEVER, NULL, 0, consumer_only},
    {"max.partition.fetch.bytes", RULE_NEVER, NULL, 0, consumer_only},
    {"isolation.level", RULE_NEVER, NULL, 0, consumer_only},
    {"enable.partition.eof", RULE_NEVER, NULL, 0, consumer_only},
    {"check.crcs", RULE_NEVER, NULL, 0, consumer_only},
    {"enable.auto.", RULE_PREFIX, NULL, 0, consumer_only},
    {"auto.", RULE_PREFIX, NULL, 0, consumer_only},
    {"queued.", RULE_PREFIX, NULL, 0, consumer_only},
    {"fetch.", RULE_PREFIX, NULL, 0, consumer_only},
    {"offset.", RULE_PREFIX, NULL, 0, consumer_only},
    {"consume.", RULE_PREFIX, NULL, 0, consumer_only},
};

static bool is_listed(const char *list, const char *value)
{
    struct slice wanted = slice_of(value);
    for (const char *at = list; at;) {
        const char *bar = strchr(at, '|');
        struct slice one = {at, bar ? (size_t)(bar - at) : strlen(at)};
        if (slice_eq_nocase(one, wanted))
            return true;
        at = bar ? bar + 1 : NULL;
    }
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The reason why the rule refuses the property; NULL when it does not. */
static const char *refusal(const struct rule *r, const char *name, const char *value)
{
    uint64_t number;
    if (r->kind == RULE_PREFIX)
        return strncmp(name, r->name, strlen(r->name)) == 0 ? r->reason : NULL;
    if (strcmp(name, r->name) != 0)
        return NULL;
    if (r->kind == RULE_ONLY && is_listed(r->values, value))
        return NULL;
    if (r->kind == RULE_RANGE && num_parse_u64(slice_of(value), 1, r->max, &number, NULL) == ST_OK)
        return NULL;
    return r->reason;
}

enum status kafka_property_check(const char *name, const char *value, struct err *e)
{
    char text[ERR_TEXT_MAX];
    enum status st = ST_OK;
    if (!name || !value)
        return err_set(e, ST_BAD_INPUT, "a Kafka property needs a name and a value");
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const char *reason = refusal(&rules[i], name, value);
        if (reason)
            return err_set(e, ST_BAD_INPUT, "Kafka property %s is refused: %s", name, reason);
    }
    if (ends_with(name, "_cb"))
        return err_set(e, ST_BAD_INPUT, "Kafka property %s is refused: %s", name, no_callback);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
        st = err_set(e, ST_BAD_INPUT, "Kafka property %s is refused by librdkafka: %s", name, text);
    rd_kafka_conf_destroy(conf);
    return st;
}
