/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_demo.h"

#include "kafka/kafka_conf.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdlib.h>

struct kafka_demo {
    struct kafka_log *log;
    struct kafka_hooks hooks;
    rd_kafka_t *client;
    rd_kafka_mock_cluster_t *cluster;
};

static rd_kafka_t *make_client(struct kafka_demo *d, struct err *e)
{
    char text[ERR_TEXT_MAX];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, &d->hooks);
    rd_kafka_conf_set_log_cb(conf, kafka_conf_log_cb);
    /* Only errors: the client itself connects to nothing and would say so. */
    rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
    rd_kafka_conf_set(conf, "client.id", "gladly-relay-demo", NULL, 0);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!client) {
        rd_kafka_conf_destroy(conf);
        err_set(e, ST_NO_MEM, "demo broker: %s", text);
    }
    return client;
}

enum status kafka_demo_start(struct kafka_demo **out, struct err *e)
{
    enum status st = ST_NO_MEM;
    struct kafka_demo *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, ST_NO_MEM, "demo broker: out of memory");
    d->log = kafka_conf_log_create();
    if (!d->log) {
        err_set(e, ST_NO_MEM, "demo broker: out of memory");
        goto out_free;
    }
    d->hooks.log = d->log;
    d->client = make_client(d, e);
    if (!d->client)
        goto out_log;
    d->cluster = rd_kafka_mock_cluster_new(d->client, 1);
    if (!d->cluster) {
        st = err_set(e, ST_IO, "demo broker: no port on the loopback address");
        goto out_client;
    }
    *out = d;
    return ST_OK;

out_client:
    rd_kafka_destroy(d->client);
out_log:
    kafka_conf_log_destroy(d->log);
out_free:
    free(d);
    return st;
}

const char *kafka_demo_bootstrap(const struct kafka_demo *d)
{
    return rd_kafka_mock_cluster_bootstraps(d->cluster);
}

void kafka_demo_stop(struct kafka_demo *d)
{
    if (!d)
        return;
    rd_kafka_mock_cluster_destroy(d->cluster);
    rd_kafka_destroy(d->client);
    kafka_conf_log_destroy(d->log);
    free(d);
}
