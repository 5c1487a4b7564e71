/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_LANE_H
#define RELAY_RELAY_LANE_H

/*
 * One lane as the forwarder keeps it in memory: where it stands, whether records may go, and why
 * not. Internal to the forwarder's files; the struct is open to them. Threads: the forwarder's.
 *
 *   waits ──topic ready──▶ open ──topic lost, denied──▶ waits
 *     either ◀──pause / resume──▶ paused
 */

#include "base/metric.h"
#include "journal/journal_reader.h"
#include "relay/lane_ring.h"
#include "relay/settle.h"

enum lane_state {
    LANE_TOPIC,  /* its topic is not ready */
    LANE_OPEN,   /* records go */
    LANE_PAUSED, /* an operator said so */
};

struct lane {
    struct journal_lane info;
    struct lane_ring *ring;
    enum lane_state state;
    struct mono paused_at; /* valid in LANE_PAUSED */
    int64_t cursor;        /* the floor of reading when the ring is empty */
    int64_t settled;       /* the cursor that the journal has */
    int64_t parking;       /* exactly-once: its park and the cursor up to it are on the way */
    int64_t mark;          /* committed: records up to it may go */
    int64_t mark_asked;    /* under way */
    int64_t repeat_until;  /* rows up to it may have been sent by the process before */
    bool may_have_rows;    /* a read might find more */
    bool is_at_front;      /* read together with others (reading.h) */
    char reason[SETTLE_REASON_MAX];      /* why it waits; empty when it does not */
    char park_reason[SETTLE_REASON_MAX]; /* why its last entry to park is one */
    struct metric *published;
    struct metric *parked;
    struct metric *retried;
    struct metric *labelled;
};

/* "waits", "open", "paused". */
const char *lane_state_name(enum lane_state state);

/* start_seq: the newest event when the forwarder began. NULL when out of memory. */
struct lane *lane_create(const struct journal_lane *info, size_t in_flight, int64_t start_seq);
void lane_destroy(struct lane *lane);

/* Keeps a reason for people; a long one is cut. */
void lane_set_reason(char out[SETTLE_REASON_MAX], const char *reason);
/* Enters or leaves the pause. True when that changed something. */
bool lane_set_paused(struct lane *lane, bool paused, struct mono now);
/* Whether a pause of this scope covers the lane. */
bool lane_is_in_scope(const struct lane *lane, const char *scope);

#endif
