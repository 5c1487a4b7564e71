/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/lane_ring.h"

#include <stdlib.h>

struct entry {
    int64_t seq;
    enum lane_entry_state state;
    bool may_be_there; /* it came back once without certainty */
};

/* Serials count up for ever; an entry's place is its serial modulo the capacity. */
struct lane_ring {
    struct entry *entries;
    uint64_t mask;
    uint64_t head;
    uint64_t next;
    uint64_t tail;
    size_t in_air;
    uint64_t resend_from; /* the first serial that waits again; NONE */
    uint64_t park_from;   /* the first serial to park; NONE */
};

#define NONE UINT64_MAX

static struct entry *at(const struct lane_ring *r, uint64_t serial)
{
    return &r->entries[serial & r->mask];
}

struct lane_ring *lane_ring_create(size_t capacity)
{
    size_t size = 1;
    struct lane_ring *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    while (size < capacity)
        size *= 2;
    r->entries = calloc(size, sizeof *r->entries);
    if (!r->entries) {
        free(r);
        return NULL;
    }
    r->mask = size - 1;
    r->resend_from = NONE;
    r->park_from = NONE;
    return r;
}

void lane_ring_destroy(struct lane_ring *r)
{
    if (!r)
        return;
    free(r->entries);
    free(r);
}

size_t lane_ring_room(const struct lane_ring *r)
{
    return (size_t)(r->mask + 1 - (r->tail - r->head));
}

size_t lane_ring_count(const struct lane_ring *r)
{
    return (size_t)(r->tail - r->head);
}

size_t lane_ring_in_air(const struct lane_ring *r)
{
    return r->in_air;
}

/* Goes back to the first entry that waits again, once no report can come in any more for those
 * behind it. */
static void rewind_if_quiet(struct lane_ring *r)
{
    if (r->resend_from == NONE || r->in_air)
        return;
    if (r->resend_from < r->next)
        r->next = r->resend_from;
    r->resend_from = NONE;
}

bool lane_ring_has_resend(const struct lane_ring *r)
{
    return r->resend_from != NONE || r->next < r->tail;
}

bool lane_ring_must_wait(const struct lane_ring *r)
{
    return r->resend_from != NONE;
}

bool lane_ring_is_at_tail(const struct lane_ring *r)
{
    return r->next == r->tail;
}

bool lane_ring_is_barred(const struct lane_ring *r)
{
    return r->park_from < r->next;
}

int64_t lane_ring_position(const struct lane_ring *r, int64_t floor)
{
    uint64_t end = r->next;
    if (r->resend_from < end)
        end = r->resend_from;
    if (r->park_from < end)
        end = r->park_from;
    return end > r->head ? at(r, end - 1)->seq : floor;
}

int64_t lane_ring_read_after(const struct lane_ring *r, int64_t floor)
{
    if (r->next < r->tail)
        return at(r, r->next)->seq - 1;
    if (r->head < r->tail)
        return at(r, r->tail - 1)->seq;
    return floor;
}

bool lane_ring_offer(struct lane_ring *r, int64_t seq, uint64_t *serial)
{
    /* A row that is no longer in the journal was discarded by a person: nothing is left to send. */
    for (; r->next < r->tail && at(r, r->next)->seq < seq; r->next++)
        if (at(r, r->next)->state == LANE_WAITS)
            at(r, r->next)->state = LANE_DELIVERED;
    *serial = r->next;
    if (r->next < r->tail) {
        CHECK(at(r, r->next)->seq == seq);
        if (at(r, r->next)->state == LANE_WAITS)
            return true;
        r->next++;
        return false;
    }
    CHECK(lane_ring_room(r) > 0);
    CHECK(r->head == r->tail || at(r, r->tail - 1)->seq < seq);
    *at(r, r->tail++) = (struct entry){seq, LANE_WAITS, false};
    return true;
}

bool lane_ring_is_repeat(const struct lane_ring *r)
{
    return r->next < r->tail && at(r, r->next)->may_be_there;
}

static void note_park(struct lane_ring *r, uint64_t serial)
{
    if (serial < r->park_from)
        r->park_from = serial;
}

/* The head moves past an entry to park. */
static void find_next_park(struct lane_ring *r)
{
    uint64_t serial = r->head + 1;
    while (serial < r->tail && at(r, serial)->state != LANE_TO_PARK)
        serial++;
    r->park_from = serial < r->tail ? serial : NONE;
}

void lane_ring_step(struct lane_ring *r, enum lane_entry_state state)
{
    CHECK(r->next < r->tail);
    CHECK(state == LANE_SENT || state == LANE_TO_PARK);
    at(r, r->next)->state = state;
    if (state == LANE_SENT)
        r->in_air++;
    else
        note_park(r, r->next);
    r->next++;
}

int64_t lane_ring_report(struct lane_ring *r, uint64_t serial, enum lane_entry_state state)
{
    if (serial < r->head || serial >= r->tail || at(r, serial)->state != LANE_SENT)
        return 0;
    if (state == LANE_UNSURE) {
        at(r, serial)->may_be_there = true;
        state = LANE_WAITS;
    }
    at(r, serial)->state = state;
    r->in_air--;
    if (state == LANE_WAITS && serial < r->resend_from)
        r->resend_from = serial;
    if (state == LANE_TO_PARK)
        note_park(r, serial);
    rewind_if_quiet(r);
    return at(r, serial)->seq;
}

int64_t lane_ring_advance(struct lane_ring *r, bool (*take_park)(void *arg, int64_t seq), void *arg)
{
    int64_t passed = 0;
    while (r->head < r->next) {
        const struct entry *entry = at(r, r->head);
        if (entry->state == LANE_TO_PARK && !take_park(arg, entry->seq))
            break;
        if (entry->state != LANE_DELIVERED && entry->state != LANE_TO_PARK)
            break;
        passed = entry->seq;
        if (entry->state == LANE_TO_PARK)
            find_next_park(r);
        r->head++;
    }
    return passed;
}
