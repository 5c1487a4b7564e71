/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/lane.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *lane_state_name(enum lane_state state)
{
    static const char *const names[] = {"waits", "open", "paused"};
    return names[state];
}

struct lane *lane_create(const struct journal_lane *info, size_t in_flight, int64_t start_seq)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->ring = lane_ring_create(in_flight);
    if (!lane->ring) {
        free(lane);
        return NULL;
    }
    lane->info = *info;
    lane->cursor = lane->settled = info->cursor;
    lane->mark = lane->mark_asked = info->mark;
    /* What came in after the start was sent by nobody before. */
    lane->repeat_until = info->mark < start_seq ? info->mark : start_seq;
    lane->may_have_rows = true;
    return lane;
}

void lane_destroy(struct lane *lane)
{
    if (!lane)
        return;
    lane_ring_destroy(lane->ring);
    free(lane);
}

void lane_set_reason(char out[SETTLE_REASON_MAX], const char *reason)
{
    snprintf(out, SETTLE_REASON_MAX, "%.*s", SETTLE_REASON_MAX - 1, reason ? reason : "");
}

bool lane_set_paused(struct lane *lane, bool paused, struct mono now)
{
    if (paused == (lane->state == LANE_PAUSED))
        return false;
    lane->state = paused ? LANE_PAUSED : LANE_TOPIC;
    lane->paused_at = now;
    lane_set_reason(lane->reason, paused ? "paused by an operator" : "");
    return true;
}

bool lane_is_in_scope(const struct lane *lane, const char *scope)
{
    char own[32];
    if (strcmp(scope, "all") == 0)
        return true;
    if (strncmp(scope, "source:", 7) == 0)
        return strcmp(scope + 7, lane->info.source_name) == 0;
    snprintf(own, sizeof own, "lane:%" PRId64, lane->info.id);
    return strcmp(scope, own) == 0;
}
