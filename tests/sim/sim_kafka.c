/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_kafka.h"

#include <stdlib.h>

#include "sim/sim_idempotent.h"
#include "sim/sim_transactional.h"

struct sim_kafka {
    struct sim_cluster cluster;
    struct sim_idempotent *idempotent;
    struct sim_transactional *transactional;
    bool once; /* the living process has the transactional one */
};

struct sim_kafka *sim_kafka_create(const struct sim_kafka_env *env)
{
    struct sim_kafka *k = calloc(1, sizeof *k);
    CHECK(k);
    k->cluster.env = *env;
    k->idempotent = sim_idempotent_create(&k->cluster);
    k->transactional = sim_transactional_create(&k->cluster);
    return k;
}

void sim_kafka_destroy(struct sim_kafka *k)
{
    if (!k)
        return;
    sim_idempotent_destroy(k->idempotent);
    sim_transactional_destroy(k->transactional);
    free(k);
}

void sim_kafka_begin(struct sim_kafka *k, enum sim_plant plant)
{
    k->once = false;
    sim_cluster_begin(&k->cluster, plant);
    sim_idempotent_begin(k->idempotent);
    sim_transactional_begin(k->transactional);
}

struct publisher *sim_kafka_connect(struct sim_kafka *k, const char *journal_id, bool once)
{
    size_t len = strlen(journal_id);
    CHECK(len < sizeof k->cluster.journal_id);
    memcpy(k->cluster.journal_id, journal_id, len + 1);
    k->cluster.known = false;
    k->once = once;
    if (!once)
        sim_transactional_leave(k->transactional);
    return once ? sim_transactional_connect(k->transactional)
                : sim_idempotent_connect(k->idempotent);
}

void sim_kafka_disconnect(struct sim_kafka *k)
{
    if (k->once)
        sim_transactional_disconnect(k->transactional);
    else
        sim_idempotent_disconnect(k->idempotent);
}

/* ---- what happens to it ---- */

void sim_kafka_tick(struct sim_kafka *k)
{
    k->cluster.known |= k->cluster.up;
    if (k->once)
        sim_transactional_tick(k->transactional);
    else
        sim_idempotent_tick(k->idempotent);
}

void sim_kafka_set_up(struct sim_kafka *k, bool up)
{
    k->cluster.up = up;
}

bool sim_kafka_is_up(const struct sim_kafka *k)
{
    return k->cluster.up;
}

void sim_kafka_set_topic(struct sim_kafka *k, int topic, enum publisher_topic state)
{
    k->cluster.topics[topic].state = state;
}

void sim_kafka_set_denied(struct sim_kafka *k, int topic, bool denied)
{
    k->cluster.topics[topic].denied = denied;
}

void sim_kafka_set_queue(struct sim_kafka *k, size_t records_max)
{
    CHECK(records_max <= SIM_AIR_MAX);
    k->cluster.queue_max = records_max;
}

void sim_kafka_fail_some(struct sim_kafka *k)
{
    if (k->once)
        sim_transactional_fail(k->transactional);
    else
        sim_idempotent_fail_some(k->idempotent);
}

void sim_kafka_fail_all(struct sim_kafka *k)
{
    if (k->once)
        sim_transactional_lose(k->transactional);
    else
        sim_idempotent_fail_all(k->idempotent);
}

void sim_kafka_fence(struct sim_kafka *k)
{
    if (k->once)
        sim_transactional_fence(k->transactional);
}

bool sim_kafka_is_fenced(const struct sim_kafka *k)
{
    return k->once && sim_transactional_is_fenced(k->transactional);
}

void sim_kafka_heal(struct sim_kafka *k)
{
    struct sim_cluster *c = &k->cluster;
    c->up = true;
    c->prompt = true;
    c->queue_max = SIM_QUEUE_DEFAULT;
    for (int i = 0; i < SIM_LOGS; i++) {
        c->topics[i].state = PUBLISHER_TOPIC_READY;
        c->topics[i].denied = false;
    }
}

bool sim_kafka_is_idle(const struct sim_kafka *k)
{
    return k->once ? sim_transactional_is_idle(k->transactional)
                   : sim_idempotent_is_idle(k->idempotent);
}
