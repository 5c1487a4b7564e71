/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_cluster.h"

void sim_cluster_begin(struct sim_cluster *c, enum sim_plant plant)
{
    for (int i = 0; i < SIM_TOPICS; i++) {
        c->topics[i].state = PUBLISHER_TOPIC_READY;
        c->topics[i].denied = false;
    }
    c->plant = plant;
    c->up = true;
    c->known = false;
    c->prompt = false;
    c->queue_max = SIM_QUEUE_DEFAULT;
}

int sim_cluster_topic_index(const char *name)
{
    int i = 0;
    while (i < SIM_TOPICS && strcmp(sim_content_topic[i], name) != 0)
        i++;
    CHECK(i < SIM_TOPICS);
    return i;
}

enum publisher_topic sim_cluster_topic(const struct sim_cluster *c, const char *topic,
                                       const char **reason)
{
    *reason = "the model says so";
    return c->known ? c->topics[sim_cluster_topic_index(topic)].state : PUBLISHER_TOPIC_PENDING;
}

/* The truth compares what would be in the log; a planted bug changes it on the way. */
static int64_t compare_record(struct sim_cluster *c, const struct publisher_record *rec)
{
    struct publisher_record changed = *rec;
    struct publisher_header headers[PUBLISHER_HEADERS_MAX];
    char byte[1] = {'?'};
    memcpy(headers, rec->headers, rec->header_count * sizeof headers[0]);
    changed.headers = headers;
    if (c->plant == SIM_PLANT_CHANGED_BYTE && sim_rng_chance(c->env.rng, 2))
        changed.value = (struct slice){byte, 1};
    for (size_t i = 0; i < rec->header_count; i++)
        if (c->plant == SIM_PLANT_BROKEN_CHAIN && sim_rng_chance(c->env.rng, 2) &&
            strcmp(headers[i].name, "relay-prev-seq") == 0)
            headers[i].value = slice_of("7777");
    return sim_truth_produced(c->env.truth, &changed, c->journal_id);
}

enum status sim_cluster_accept(struct sim_cluster *c, const struct publisher_record *rec,
                               size_t in_air, int64_t *seq, struct err *e)
{
    const struct sim_row *row;
    if (c->topics[sim_cluster_topic_index(rec->topic)].state != PUBLISHER_TOPIC_READY)
        return err_set(e, ST_AGAIN, "the topic is not ready");
    if (in_air >= c->queue_max)
        return err_set(e, ST_FULL, "the queue is full");
    *seq = compare_record(c, rec);
    row = sim_truth_row(c->env.truth, *seq);
    if (!row)
        return err_set(e, ST_AGAIN, "the run has failed");
    if (row->content->kind == SIM_BIG)
        return err_set(e, ST_TOO_BIG, "over the limit");
    return ST_OK;
}

unsigned sim_cluster_partition(const struct publisher_record *rec, int64_t seq)
{
    return rec->key.len ? (unsigned char)rec->key.ptr[rec->key.len - 1] % SIM_PARTITIONS
                        : (unsigned)seq % SIM_PARTITIONS;
}

bool sim_cluster_is_labelled(const struct publisher_record *rec)
{
    for (size_t i = 0; i < rec->header_count; i++)
        if (strcmp(rec->headers[i].name, "relay-possible-duplicate") == 0)
            return true;
    return false;
}
