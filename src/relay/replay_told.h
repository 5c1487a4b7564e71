/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_REPLAY_TOLD_H
#define RELAY_RELAY_REPLAY_TOLD_H

/*
 * How far the journal knows a replay to be: what was told to it last, and what of that is
 * committed. Progress that matters is told at once; a place that only moves over events of others,
 * and a reason to wait, with less haste: each costs a commit.
 *
 * Internal to replayer.c. Threads: the forwarder's.
 */

#include "journal/replays.h"
#include "relay/settle.h"

struct replay_told {
    struct replays_progress last;
    struct mono at;
    uint64_t settled; /* the serial that is committed */
};

/* Nothing needs to be told of this replay as it was read. Serials go on. */
void replay_told_begin(struct replay_told *t, const struct replay *job, struct mono now);

struct replay_telling {
    struct replays_progress *progress; /* its serial is filled in */
    bool is_urgent;                    /* as what grew in number is anyway */
    struct mono waits_since;           /* when its reason to wait came up */
    struct mono now;
};
/* Tells it if that is due. False: not now. */
bool replay_told_tell(struct replay_told *t, struct settle *settle, const struct replay_telling *w);

/* The progress of this serial is committed. */
void replay_told_settled(struct replay_told *t, uint64_t serial);
bool replay_told_is_settling(const struct replay_told *t);

#endif
