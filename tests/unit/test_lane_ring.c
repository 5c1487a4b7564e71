/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/lane_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/sim_rng.h"

#define RUNS        400
#define OPERATIONS  400
#define ENTRIES_MAX 1024

/* The model keeps every entry for ever and finds each answer by looking at all of them. */
struct entry {
    int64_t seq;
    uint64_t serial;
    enum lane_entry_state state; /* WAITS, SENT, DELIVERED or TO_PARK */
    bool may_be_there;
};

struct rig {
    struct sim_rng rng;
    struct lane_ring *ring;
    size_t capacity;
    struct entry entries[ENTRIES_MAX];
    size_t head, next, tail;
    int64_t passed; /* seq of the last entry before head */
    unsigned parks_allowed;
    int64_t last_parked;
};

static size_t count_state(const struct rig *r, size_t from, size_t to, enum lane_entry_state state)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        n += r->entries[i].state == state;
    return n;
}

/* An entry behind next came back. */
static bool model_must_wait(const struct rig *r)
{
    return count_state(r, r->head, r->next, LANE_WAITS) > 0;
}

static void model_rewind(struct rig *r)
{
    if (count_state(r, r->head, r->tail, LANE_SENT) > 0)
        return;
    for (size_t i = r->head; i < r->next; i++)
        if (r->entries[i].state == LANE_WAITS)
            r->next = i;
}

static size_t find_state(const struct rig *r, size_t from, size_t to, enum lane_entry_state state)
{
    size_t i = from;
    while (i < to && r->entries[i].state != state)
        i++;
    return i;
}

/* The entries before it are in Kafka or on their way, in order. */
static int64_t model_position(const struct rig *r)
{
    size_t end = find_state(r, r->head, r->next, LANE_WAITS);
    end = find_state(r, r->head, end, LANE_TO_PARK);
    return end > r->head ? r->entries[end - 1].seq : r->passed;
}

static void compare(const struct rig *r)
{
    int64_t after = r->passed;
    if (r->next < r->tail)
        after = r->entries[r->next].seq - 1;
    else if (r->head < r->tail)
        after = r->entries[r->tail - 1].seq;
    assert_int_equal(lane_ring_count(r->ring), r->tail - r->head);
    assert_int_equal(lane_ring_room(r->ring), r->capacity - (r->tail - r->head));
    assert_int_equal(lane_ring_in_air(r->ring), count_state(r, r->head, r->tail, LANE_SENT));
    assert_int_equal(lane_ring_must_wait(r->ring), model_must_wait(r));
    assert_int_equal(lane_ring_has_resend(r->ring), model_must_wait(r) || r->next < r->tail);
    assert_int_equal(lane_ring_is_at_tail(r->ring), r->next == r->tail);
    assert_int_equal(lane_ring_read_after(r->ring, r->passed), after);
    assert_int_equal(lane_ring_is_barred(r->ring),
                     find_state(r, r->head, r->next, LANE_TO_PARK) < r->next);
    assert_int_equal(lane_ring_position(r->ring, r->passed), model_position(r));
}

/* The next row of the lane; now and then the one that was next is gone from the journal. */
static int64_t choose_seq(struct rig *r)
{
    size_t at = r->next;
    if (at < r->tail && sim_rng_chance(&r->rng, 5))
        at++;
    if (at < r->tail)
        return r->entries[at].seq;
    if (r->next < r->tail && r->tail - r->head == r->capacity)
        return r->entries[r->next].seq;
    return (r->tail ? r->entries[r->tail - 1].seq : 0) + 1 + sim_rng_below(&r->rng, 3);
}

static void offer_a_row(struct rig *r)
{
    bool full = r->tail - r->head == r->capacity, must_send = true;
    uint64_t serial;
    int64_t seq;
    if (model_must_wait(r) || (r->next == r->tail && (full || r->tail == ENTRIES_MAX)))
        return;
    seq = choose_seq(r);
    for (; r->next < r->tail && r->entries[r->next].seq < seq; r->next++)
        if (r->entries[r->next].state == LANE_WAITS)
            r->entries[r->next].state = LANE_DELIVERED;
    if (r->next == r->tail)
        r->entries[r->tail++] = (struct entry){.seq = seq, .state = LANE_WAITS};
    else
        must_send = r->entries[r->next].state == LANE_WAITS;
    assert_int_equal(lane_ring_offer(r->ring, seq, &serial), must_send);
    r->entries[r->next].serial = serial;
    if (!must_send) {
        r->next++;
        return;
    }
    assert_int_equal(lane_ring_is_repeat(r->ring), r->entries[r->next].may_be_there);
    /* A full producer queue leaves it where it is. */
    if (sim_rng_chance(&r->rng, 20))
        return;
    r->entries[r->next].state = sim_rng_chance(&r->rng, 90) ? LANE_SENT : LANE_TO_PARK;
    lane_ring_step(r->ring, r->entries[r->next].state);
    r->next++;
}

static void report_one(struct rig *r)
{
    static const enum lane_entry_state outcomes[] = {LANE_DELIVERED, LANE_DELIVERED, LANE_DELIVERED,
                                                     LANE_TO_PARK,   LANE_WAITS,     LANE_UNSURE};
    enum lane_entry_state outcome = outcomes[sim_rng_below(&r->rng, 6)];
    size_t in_air = count_state(r, r->head, r->tail, LANE_SENT);
    size_t skip, i = r->head;
    if (!in_air)
        return;
    skip = sim_rng_below(&r->rng, (unsigned)in_air);
    while (r->entries[i].state != LANE_SENT || skip-- > 0)
        i++;
    assert_int_equal(lane_ring_report(r->ring, r->entries[i].serial, outcome), r->entries[i].seq);
    r->entries[i].may_be_there |= outcome == LANE_UNSURE;
    r->entries[i].state = outcome == LANE_UNSURE ? LANE_WAITS : outcome;
    model_rewind(r);
    /* A second report of it finds nothing in the air. */
    assert_int_equal(lane_ring_report(r->ring, r->entries[i].serial, LANE_DELIVERED), 0);
}

static bool take_park(void *arg, int64_t seq)
{
    struct rig *r = arg;
    if (r->parks_allowed == 0)
        return false;
    r->parks_allowed--;
    r->last_parked = seq;
    return true;
}

static void advance(struct rig *r)
{
    unsigned allowed = sim_rng_below(&r->rng, 3), left = allowed;
    int64_t passed = 0, parked = 0;
    while (r->head < r->next) {
        const struct entry *e = &r->entries[r->head];
        if (e->state == LANE_WAITS || e->state == LANE_SENT || (e->state == LANE_TO_PARK && !left))
            break;
        if (e->state == LANE_TO_PARK) {
            left--;
            parked = e->seq;
        }
        passed = e->seq;
        r->head++;
    }
    r->parks_allowed = allowed;
    r->last_parked = 0;
    assert_int_equal(lane_ring_advance(r->ring, take_park, r), passed);
    assert_int_equal(r->parks_allowed, left);
    assert_int_equal(r->last_parked, parked);
    if (passed)
        r->passed = passed;
}

static void behaves_like_the_naive_model(void **state)
{
    static struct rig r;
    (void)state;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        r = (struct rig){.rng = {seed}};
        r.capacity = (size_t)1 << sim_rng_below(&r.rng, 6);
        r.ring = lane_ring_create(r.capacity);
        assert_non_null(r.ring);
        for (int i = 0; i < OPERATIONS; i++) {
            unsigned draw = sim_rng_below(&r.rng, 10);
            if (draw < 5)
                offer_a_row(&r);
            else if (draw < 8)
                report_one(&r);
            else
                advance(&r);
            compare(&r);
        }
        lane_ring_destroy(r.ring);
    }
}

static uint64_t send(struct lane_ring *ring, int64_t seq)
{
    uint64_t serial;
    assert_true(lane_ring_offer(ring, seq, &serial));
    lane_ring_step(ring, LANE_SENT);
    return serial;
}

static void waits_for_the_rest_before_it_sends_again(void **state)
{
    struct lane_ring *ring = lane_ring_create(8);
    uint64_t serial, first = send(ring, 10), second = send(ring, 11);
    (void)state;
    assert_int_equal(lane_ring_report(ring, first, LANE_WAITS), 10);
    assert_true(lane_ring_must_wait(ring));
    assert_int_equal(lane_ring_read_after(ring, 0), 11);
    assert_int_equal(lane_ring_report(ring, second, LANE_DELIVERED), 11);
    assert_false(lane_ring_must_wait(ring));
    assert_int_equal(lane_ring_read_after(ring, 0), 9);
    assert_true(lane_ring_offer(ring, 10, &serial));
    lane_ring_step(ring, LANE_SENT);
    /* What Kafka has is stepped over. */
    assert_false(lane_ring_offer(ring, 11, &serial));
    assert_true(lane_ring_is_at_tail(ring));
    lane_ring_destroy(ring);
}

static bool take_always(void *arg, int64_t seq)
{
    *(int64_t *)arg = seq;
    return true;
}

static void an_entry_to_park_ends_the_position_and_bars_what_is_behind_it(void **state)
{
    struct lane_ring *ring = lane_ring_create(8);
    uint64_t serial, first = send(ring, 10), second;
    int64_t parked = 0;
    (void)state;
    assert_int_equal(lane_ring_position(ring, 9), 10);
    assert_true(lane_ring_offer(ring, 11, &serial));
    assert_false(lane_ring_is_barred(ring));
    lane_ring_step(ring, LANE_TO_PARK);
    assert_true(lane_ring_is_barred(ring));
    assert_int_equal(lane_ring_position(ring, 9), 10);
    assert_int_equal(lane_ring_report(ring, first, LANE_DELIVERED), 10);
    assert_int_equal(lane_ring_advance(ring, take_always, &parked), 11);
    assert_int_equal(parked, 11);
    assert_false(lane_ring_is_barred(ring));
    assert_int_equal(lane_ring_position(ring, 11), 11);
    second = send(ring, 12);
    assert_int_equal(lane_ring_position(ring, 11), 12);
    assert_int_equal(lane_ring_report(ring, second, LANE_TO_PARK), 12);
    assert_int_equal(lane_ring_position(ring, 11), 11);
    lane_ring_destroy(ring);
}

static void what_stands_before_a_rejected_entry_goes_again_and_what_is_behind_it_waits(void **state)
{
    struct lane_ring *ring = lane_ring_create(8);
    uint64_t serial, sent[3] = {send(ring, 10), send(ring, 11), send(ring, 12)};
    (void)state;
    lane_ring_report(ring, sent[0], LANE_WAITS);
    lane_ring_report(ring, sent[1], LANE_TO_PARK);
    lane_ring_report(ring, sent[2], LANE_WAITS);
    assert_false(lane_ring_is_barred(ring));
    assert_int_equal(lane_ring_position(ring, 9), 9);
    assert_true(lane_ring_offer(ring, 10, &serial));
    lane_ring_step(ring, LANE_SENT);
    assert_false(lane_ring_offer(ring, 11, &serial));
    assert_true(lane_ring_is_barred(ring));
    assert_int_equal(lane_ring_position(ring, 9), 10);
    lane_ring_destroy(ring);
}

static void rounds_its_capacity_up(void **state)
{
    struct lane_ring *ring = lane_ring_create(5);
    (void)state;
    assert_int_equal(lane_ring_room(ring), 8);
    lane_ring_destroy(ring);
    lane_ring_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_the_naive_model),
        cmocka_unit_test(waits_for_the_rest_before_it_sends_again),
        cmocka_unit_test(an_entry_to_park_ends_the_position_and_bars_what_is_behind_it),
        cmocka_unit_test(
            what_stands_before_a_rejected_entry_goes_again_and_what_is_behind_it_waits),
        cmocka_unit_test(rounds_its_capacity_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
