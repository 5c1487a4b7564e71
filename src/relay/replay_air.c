/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/replay_air.h"

#include <stdlib.h>

struct replay_air {
    struct lane_ring *ring;
    bool *delivered; /* by serial modulo places */
    size_t places;   /* one more than in_flight, for the entry that closes the ring */
    uint64_t head;   /* the ring's first serial */
};

struct replay_air *replay_air_create(size_t in_flight)
{
    struct replay_air *a = calloc(1, sizeof *a);
    CHECK(in_flight > 0);
    if (!a)
        return NULL;
    a->places = in_flight + 1;
    a->ring = lane_ring_create(a->places);
    a->delivered = calloc(a->places, sizeof *a->delivered);
    if (!a->ring || !a->delivered) {
        replay_air_destroy(a);
        return NULL;
    }
    return a;
}

void replay_air_destroy(struct replay_air *a)
{
    if (!a)
        return;
    lane_ring_destroy(a->ring);
    free(a->delivered);
    free(a);
}

bool replay_air_clear(struct replay_air *a)
{
    struct lane_ring *fresh = lane_ring_create(a->places);
    CHECK(lane_ring_in_air(a->ring) == 0);
    if (!fresh)
        return false;
    lane_ring_destroy(a->ring);
    a->ring = fresh;
    a->head = 0;
    return true;
}

struct lane_ring *replay_air_ring(const struct replay_air *a)
{
    return a->ring;
}

size_t replay_air_room(const struct replay_air *a)
{
    size_t count = lane_ring_count(a->ring);
    return count < a->places - 1 ? a->places - 1 - count : 0;
}

bool replay_air_offer(struct replay_air *a, int64_t seq, uint64_t *serial)
{
    if (!lane_ring_offer(a->ring, seq, serial))
        return false;
    a->delivered[*serial % a->places] = false;
    return true;
}

int64_t replay_air_report(struct replay_air *a, uint64_t serial, enum lane_entry_state state)
{
    int64_t seq = lane_ring_report(a->ring, serial, state);
    if (seq && state == LANE_DELIVERED)
        a->delivered[serial % a->places] = true;
    return seq;
}

void replay_air_step_over(struct replay_air *a, int64_t seq)
{
    uint64_t serial;
    if (!replay_air_offer(a, seq, &serial))
        return;
    lane_ring_step(a->ring, LANE_SENT);
    seq = replay_air_report(a, serial, LANE_DELIVERED);
    CHECK(seq > 0);
}

void replay_air_close(struct replay_air *a, int64_t last)
{
    uint64_t serial;
    if (!lane_ring_is_at_tail(a->ring) && replay_air_offer(a, last + 1, &serial))
        lane_ring_step(a->ring, LANE_TO_PARK);
}

/* What the ring hands out while it advances. */
struct parks {
    int64_t last;
    int64_t counted;
    int64_t failed;
    int64_t waits;
};

static bool take_failed(void *arg, int64_t seq)
{
    struct parks *parks = arg;
    bool is_close = seq > parks->last;
    if (!is_close && seq > parks->counted) {
        parks->waits = seq;
        return false;
    }
    parks->failed += !is_close;
    return true;
}

struct replay_air_passed replay_air_advance(struct replay_air *a, int64_t last, int64_t counted)
{
    struct parks parks = {.last = last, .counted = counted};
    struct replay_air_passed passed = {0};
    size_t count = lane_ring_count(a->ring);
    passed.seq = lane_ring_advance(a->ring, take_failed, &parks);
    if (passed.seq > last)
        passed.seq = last;
    for (count -= lane_ring_count(a->ring); count; count--, a->head++)
        passed.published += a->delivered[a->head % a->places];
    passed.failed = parks.failed;
    passed.waits = parks.waits;
    return passed;
}
