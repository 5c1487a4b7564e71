/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_cluster.h"

void sim_cluster_begin(struct sim_cluster *c, enum sim_plant plant)
{
    for (int i = 0; i < SIM_LOGS; i++) {
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
    while (i < SIM_LOGS && strcmp(sim_content_topic[i], name) != 0)
        i++;
    CHECK(i < SIM_LOGS);
    return i;
}

enum publisher_topic sim_cluster_topic(const struct sim_cluster *c, const char *topic,
                                       const char **reason)
{
    *reason = "the model says so";
    return c->known ? c->topics[sim_cluster_topic_index(topic)].state : PUBLISHER_TOPIC_PENDING;
}

static bool is_labelled(const struct publisher_record *rec)
{
    for (size_t i = 0; i < rec->header_count; i++)
        if (strcmp(rec->headers[i].name, "relay-possible-duplicate") == 0)
            return true;
    return false;
}

/* The truth compares what would be in the log; a planted bug changes it on the way. */
static int64_t compare_record(struct sim_cluster *c, const struct publisher_record *rec, int replay)
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
    if (replay != SIM_REPLAYS_NONE)
        return sim_replays_produced(c->env.replays, replay, &changed);
    return sim_truth_produced(c->env.truth, &changed, c->journal_id);
}

enum status sim_cluster_accept(struct sim_cluster *c, const struct publisher_record *rec,
                               size_t in_air, struct sim_sent *sent, struct err *e)
{
    const struct sim_content *content;
    *sent = (struct sim_sent){.replay = sim_replays_of(c->env.replays, rec),
                              .log = sim_cluster_topic_index(rec->topic),
                              .labelled = is_labelled(rec)};
    if (c->topics[sent->log].state != PUBLISHER_TOPIC_READY)
        return err_set(e, ST_AGAIN, "the topic is not ready");
    if (in_air >= c->queue_max)
        return err_set(e, ST_FULL, "the queue is full");
    sent->seq = compare_record(c, rec, sent->replay);
    if (!sent->seq)
        return err_set(e, ST_AGAIN, "the run has failed");
    content = sim_truth_row(c->env.truth, sent->seq)->content;
    sent->kind = sent->log < SIM_TOPICS ? content->kind : content->elsewhere;
    if (sent->replay != SIM_REPLAYS_NONE && c->plant == SIM_PLANT_REPLAY_UNLABELLED)
        sent->labelled = false;
    return sent->kind == SIM_BIG ? err_set(e, ST_TOO_BIG, "over the limit") : ST_OK;
}

void sim_cluster_appended(struct sim_cluster *c, const struct sim_sent *sent)
{
    if (sent->replay == SIM_REPLAYS_NONE) {
        sim_trace_note(c->env.trace, "kafka: seq %lld is in the log", (long long)sent->seq);
        sim_truth_appended(c->env.truth, sent->seq, sent->labelled);
    } else {
        sim_trace_note(c->env.trace, "kafka: seq %lld of replay %d is in the log",
                       (long long)sent->seq, sent->replay);
        sim_replays_appended(c->env.replays, sent->replay, sent->seq, sent->labelled);
    }
}

void sim_cluster_reported(struct sim_cluster *c, const struct sim_sent *sent)
{
    if (sent->replay == SIM_REPLAYS_NONE)
        sim_truth_reported(c->env.truth, sent->seq);
    else
        sim_replays_reported(c->env.replays, sent->replay, sent->seq);
}

bool sim_cluster_lies_early(const struct sim_cluster *c, const struct sim_sent *sent)
{
    return c->plant == SIM_PLANT_CURSOR_BEFORE_DELIVERY ||
           (c->plant == SIM_PLANT_REPLAY_BEFORE_DELIVERY && sent->replay != SIM_REPLAYS_NONE);
}

unsigned sim_cluster_partition(const struct publisher_record *rec, int64_t seq)
{
    return rec->key.len ? (unsigned char)rec->key.ptr[rec->key.len - 1] % SIM_PARTITIONS
                        : (unsigned)seq % SIM_PARTITIONS;
}
