/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/reading.h"

#include <stdlib.h>

/* A lane that lags behind the others reads so many times their rows in a turn: lanes that are at
 * the same place share pages in the reader's cache, and none is held back for it. */
#define CATCH_UP 8

#define NOBODY SIZE_MAX

struct reading {
    struct reading_opts opts;
    size_t first;       /* with whom the next turn begins; the front's place is behind all lanes */
    int64_t front;      /* how far the lanes at the front have been read */
    size_t front_lanes; /* how many those are */
    /* Of this turn: */
    struct reading_turn *turn;
    bool is_begun;    /* the read transaction */
    int64_t furthest; /* the place of the furthest lane */
    size_t refused;   /* the first that the publisher told to wait; NOBODY */
    size_t taken;     /* rows at the front */
    bool met_damage;  /* the front's read ended at a damaged row */
};

struct reading *reading_create(const struct reading_opts *opts)
{
    struct reading *r = calloc(1, sizeof *r);
    if (r)
        r->opts = *opts;
    return r;
}

void reading_destroy(struct reading *r)
{
    free(r);
}

/* A turn that reads nothing costs no transaction. */
static enum status begin(struct reading *r, struct err *e)
{
    enum status st = r->is_begun ? ST_OK : journal_reader_begin(r->opts.reader, e);
    r->is_begun |= st == ST_OK;
    return st;
}

/* Behind which row a lane goes on. */
static int64_t place_of(const struct lane *lane)
{
    return lane_ring_read_after(lane->ring, lane->cursor);
}

/* True when the row needs not be read again. */
static bool give(struct reading *r, size_t place, const struct journal_row *row)
{
    enum reading_answer answer = r->opts.take(r->opts.arg, place, row);
    r->turn->sent += answer == READING_SENT;
    if (answer == READING_REFUSED && r->refused == NOBODY)
        r->refused = place;
    return answer == READING_SENT || answer == READING_PASSED;
}

/* A read found the end of the lane. */
static void caught_up(struct lane *lane)
{
    lane->may_have_rows = false;
    /* Everything that was there at the start is through. */
    if (lane_ring_count(lane->ring) == 0)
        lane->repeat_until = 0;
}

/* ---- at the front ---- */

static void leave(struct reading *r, struct lane *lane)
{
    lane->is_at_front = false;
    lane->may_have_rows = true;
    r->front_lanes--;
}

static void leave_all(struct reading *r)
{
    for (size_t i = 0; i < r->turn->lane_count; i++)
        if (r->opts.lanes[i]->is_at_front)
            leave(r, r->opts.lanes[i]);
}

/*
 * Every row of the lane that this turn can see was offered, and the front's place is among what it
 * can see. The first lane moves that place to the newest event: what others left between is
 * theirs to read.
 */
static enum status join(struct reading *r, struct lane *lane, struct err *e)
{
    if (!r->front_lanes) {
        enum status st = journal_read_last_seq(r->opts.reader, &r->front, e);
        if (st != ST_OK)
            return st;
    }
    lane->is_at_front = true;
    r->front_lanes++;
    return ST_OK;
}

/* Before anything is read: who cannot go on together with the others. */
static void dismiss(struct reading *r)
{
    for (size_t i = 0; i < r->turn->lane_count; i++) {
        struct lane *lane = r->opts.lanes[i];
        if (lane->is_at_front && (lane->state != LANE_OPEN || lane_ring_has_resend(lane->ring)))
            leave(r, lane);
    }
}

static bool front_may_have_rows(const struct reading *r)
{
    for (size_t i = 0; i < r->turn->lane_count; i++)
        if (r->opts.lanes[i]->is_at_front && r->opts.lanes[i]->may_have_rows)
            return true;
    return false;
}

/* The lane of a row, when it is at the front and did not have the row by a read of its own. Lanes
 * that the sender does not know yet begin behind. */
static struct lane *taker_of(const struct reading *r, const struct journal_row *row)
{
    bool is_known = row->lane >= 1 && (size_t)row->lane <= r->turn->lane_count;
    struct lane *lane = is_known ? r->opts.lanes[row->lane - 1] : NULL;
    return lane && lane->is_at_front && row->seq > place_of(lane) ? lane : NULL;
}

static bool on_front_row(void *arg, const struct journal_row *row)
{
    struct reading *r = arg;
    struct lane *lane;
    r->met_damage = !row->intact;
    if (r->met_damage || r->turn->sent >= r->turn->room ||
        r->taken >= r->front_lanes * r->opts.rows_max)
        return false;
    lane = taker_of(r, row);
    if (lane) {
        r->taken++;
        lane->may_have_rows = true;
        if (!r->opts.wanted(r->opts.arg, lane) || !give(r, (size_t)row->lane - 1, row))
            leave(r, lane);
    }
    r->front = row->seq;
    return r->front_lanes > 0;
}

/*
 * It may look at as much as all lanes may read alone. Rows of lanes that are behind are among that,
 * and are passed over: while those lanes gain on what comes in, the front does not fall back.
 */
static enum status read_front(struct reading *r, struct err *e)
{
    const struct journal_span span = {.after = r->front,
                                      .max_rows = r->turn->lane_count * r->opts.rows_max * CATCH_UP,
                                      .max_bytes = r->turn->lane_count * r->opts.bytes_max};
    bool is_end = false;
    if (!front_may_have_rows(r))
        return ST_OK;
    enum status st = begin(r, e);
    if (st == ST_OK)
        st = journal_read_span(r->opts.reader, &span, on_front_row, r, &is_end, e);
    if (st != ST_OK)
        return st;
    r->turn->again |= r->front_lanes && !is_end;
    /* Whose the row is only the lanes' own reads tell. */
    if (r->met_damage)
        leave_all(r);
    for (size_t i = 0; is_end && i < r->turn->lane_count; i++)
        if (r->opts.lanes[i]->is_at_front)
            caught_up(r->opts.lanes[i]);
    return ST_OK;
}

/* ---- behind ---- */

/* One lane's part of a turn. */
struct own_read {
    struct reading *r;
    size_t place;
    size_t rows;
    bool all_taken;
};

static bool on_row(void *arg, const struct journal_row *row)
{
    struct own_read *own = arg;
    if (own->rows >= own->r->opts.rows_max && row->seq > own->r->furthest)
        return false;
    own->rows++;
    own->all_taken = give(own->r, own->place, row);
    return own->all_taken;
}

static enum status read_alone(struct reading *r, size_t place, struct err *e)
{
    struct lane *lane = r->opts.lanes[place];
    struct own_read own = {.r = r, .place = place, .all_taken = true};
    struct journal_slice want = {
        .lane = lane->info.id, .after = place_of(lane), .max_bytes = r->opts.bytes_max};
    bool resend = lane_ring_has_resend(lane->ring);
    size_t max = r->opts.rows_max, room = r->turn->room - r->turn->sent, count;
    want.max_rows = r->opts.wanted(r->opts.arg, lane);
    if (!want.max_rows)
        return ST_OK;
    if (want.after < r->furthest)
        max *= CATCH_UP;
    max = max < room ? max : room;
    want.max_rows = want.max_rows < max ? want.max_rows : max;
    enum status st = begin(r, e);
    if (st == ST_OK)
        st = journal_read_lane(r->opts.reader, &want, on_row, &own, &count, e);
    if (st != ST_OK)
        return st;
    r->turn->again |= own.all_taken && count > 0;
    if (resend || count > 0)
        return ST_OK;
    caught_up(lane);
    return join(r, lane, e);
}

/* How far the lane that is furthest has been read. */
static int64_t find_furthest(const struct reading *r)
{
    int64_t furthest = 0;
    for (size_t i = 0; i < r->turn->lane_count; i++) {
        const struct lane *lane = r->opts.lanes[i];
        if (lane->may_have_rows && lane->state == LANE_OPEN && place_of(lane) > furthest)
            furthest = place_of(lane);
    }
    return furthest;
}

/* ---- turns ---- */

enum status reading_take_turn(struct reading *r, struct reading_turn *turn, struct err *e)
{
    size_t places = turn->lane_count + 1, place = r->first;
    enum status st = ST_OK;
    r->turn = turn;
    r->refused = NOBODY;
    r->taken = 0;
    r->met_damage = false;
    dismiss(r);
    r->furthest = find_furthest(r);
    for (size_t i = 0; i < places && turn->sent < turn->room && st == ST_OK; i++) {
        if (place == turn->lane_count)
            st = read_front(r, e);
        else if (!r->opts.lanes[place]->is_at_front)
            st = read_alone(r, place, e);
        place = (place + 1) % places;
    }
    if (r->is_begun)
        journal_reader_end(r->opts.reader);
    r->is_begun = false;
    r->turn = NULL;
    r->first = r->refused != NOBODY ? r->refused : place;
    return st;
}
