/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_CLUSTER_H
#define SIM_SIM_CLUSTER_H

/*
 * What the models of both producers share: the brokers as they are just now, and the way of a
 * record from the relay's hand to the truth. The struct is open to the producers' files.
 *
 * Owns: nothing. Threads: one.
 */

#include "kafka/publisher.h"
#include "sim/sim_plant.h"
#include "sim/sim_replays.h"
#include "sim/sim_truth.h"

struct sim_kafka_env {
    struct sim_rng *rng;
    struct sim_trace *trace;
    struct sim_truth *truth;
    struct sim_replays *replays;
    const struct clock *clock;
};

/* Records in the air; above the largest queue limit that a schedule sets. */
#define SIM_AIR_MAX       128
#define SIM_QUEUE_DEFAULT 64
/* How long making a producer anew takes at least. */
#define SIM_RECREATE_MS 150

struct sim_cluster {
    struct sim_kafka_env env;
    enum sim_plant plant;
    struct {
        enum publisher_topic state;
        bool denied;
    } topics[SIM_LOGS];
    bool up;
    bool known;  /* the producer has seen the cluster */
    bool prompt; /* reports do not linger */
    size_t queue_max;
    char journal_id[64];
};

/* Everything works, and reports linger. */
void sim_cluster_begin(struct sim_cluster *c, enum sim_plant plant);
int sim_cluster_topic_index(const char *name);
/* The publisher's operation. */
enum publisher_topic sim_cluster_topic(const struct sim_cluster *c, const char *topic,
                                       const char **reason);
/* What both producers keep of a record. */
struct sim_sent {
    int64_t seq;
    int replay; /* its number in sim_replays.h; SIM_REPLAYS_NONE */
    int log;    /* index of its topic */
    enum sim_kind kind;
    bool labelled; /* as a possible duplicate */
};
/*
 * The refusals that both producers have, and the comparison with the journal. ST_OK fills *sent. A
 * planted bug changes the record on its way.
 */
enum status sim_cluster_accept(struct sim_cluster *c, const struct publisher_record *rec,
                               size_t in_air, struct sim_sent *sent, struct err *e);
/* Consumers can see it from now on. */
void sim_cluster_appended(struct sim_cluster *c, const struct sim_sent *sent);
/* The relay has heard that it was delivered. */
void sim_cluster_reported(struct sim_cluster *c, const struct sim_sent *sent);
/* Planted: whether "queued" is reported as delivered of such a record. */
bool sim_cluster_lies_early(const struct sim_cluster *c, const struct sim_sent *sent);
/* Records with a key keep together; the others go round. */
unsigned sim_cluster_partition(const struct publisher_record *rec, int64_t seq);

#endif
