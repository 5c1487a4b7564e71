/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_CONTENT_H
#define SIM_SIM_CONTENT_H

/*
 * What senders send: events drawn from small sets, so that lanes, keys and ids collide.
 *
 * Owns: the bytes of every content of the schedule. Threads: one.
 */

#include "event/event.h"
#include "sim/sim_rng.h"

#define SIM_SOURCES 3
#define SIM_TOPICS  3
#define SIM_KEYS    5
/* Topics that there are: those of lanes, and one that only replays are sent to. */
#define SIM_LOGS         (SIM_TOPICS + 1)
#define SIM_CONTENTS_MAX 1024

extern const char *const sim_content_org[SIM_SOURCES];
extern const char *const sim_content_source[SIM_SOURCES];
extern const char *const sim_content_topic[SIM_LOGS];

enum sim_kind {
    SIM_PLAIN,
    SIM_POISON, /* Kafka rejects it for good */
    SIM_BIG,    /* the producer refuses it as too big */
};

/* What a sender sends; the same content may be sent again. */
struct sim_content {
    int source;
    int topic; /* -1: it has no lane */
    int key;   /* 0: none */
    enum sim_kind kind;
    enum sim_kind elsewhere; /* what it is for the topic that only replays are sent to */
    int64_t parent;          /* of a requeue: the seq that it was parked under; else 0 */
    struct event ev;         /* without received */
};

struct sim_contents;

struct sim_contents *sim_contents_create(void);
void sim_contents_destroy(struct sim_contents *c);
/* Forgets everything. */
void sim_contents_begin(struct sim_contents *c);

/* A new content. NULL at SIM_CONTENTS_MAX. Borrowed until the next begin, as below. */
const struct sim_content *sim_contents_fresh(struct sim_contents *c, struct sim_rng *rng);
/* The id, source and key of another one with other bytes; a fresh one when it has no id. */
const struct sim_content *sim_contents_conflicting(struct sim_contents *c, struct sim_rng *rng,
                                                   const struct sim_content *other);
/*
 * What an operator's requeue of the parked event makes of it: the same bytes, a lane, and mostly
 * the cause is mended. NULL at SIM_CONTENTS_MAX.
 */
const struct sim_content *sim_contents_requeued(struct sim_contents *c, struct sim_rng *rng,
                                                const struct sim_content *other, int64_t parent);

/* One organisation, one id. */
bool sim_content_same_id(const struct sim_content *a, const struct sim_content *b);
/* What the dedupe window calls the same: one organisation, id and bytes. */
bool sim_content_repeats(const struct sim_content *a, const struct sim_content *b);

#endif
