/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_backlog.h"

#include <stdlib.h>
#include <string.h>

#include "base/lock.h"

struct figure {
    int64_t events;
    struct wall oldest;
};

struct admin_backlog {
    const struct clock *clock;
    struct lock *lock; /* protects what follows */
    struct mono until; /* the count is given again until then */
    struct figure *kept;
    size_t count;
};

struct admin_backlog *admin_backlog_create(const struct clock *clock)
{
    struct admin_backlog *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->clock = clock;
    b->lock = lock_create();
    return b;
}

void admin_backlog_destroy(struct admin_backlog *b)
{
    if (!b)
        return;
    lock_destroy(b->lock);
    free(b->kept);
    free(b);
}

/* Lanes are numbered from 1 without gaps: place i is always the same lane. */
static bool give_again(struct admin_backlog *b, struct admin_lanes *lanes)
{
    lock_take(b->lock);
    bool is_valid = clock_mono(b->clock).ns < b->until.ns;
    for (size_t i = 0; is_valid && i < lanes->count && i < b->count; i++) {
        lanes->items[i].backlog = b->kept[i].events;
        lanes->items[i].oldest = b->kept[i].oldest;
    }
    lock_give(b->lock);
    return is_valid;
}

static enum status keep(struct admin_backlog *b, const struct admin_lanes *lanes, int64_t cost_ms,
                        struct err *e)
{
    struct figure *figures = lanes->count ? calloc(lanes->count, sizeof *figures) : NULL;
    if (lanes->count && !figures)
        return err_set(e, ST_NO_MEM, "backlog: out of memory");
    for (size_t i = 0; i < lanes->count; i++)
        figures[i] = (struct figure){lanes->items[i].backlog, lanes->items[i].oldest};
    lock_take(b->lock);
    free(b->kept);
    b->kept = figures;
    b->count = lanes->count;
    b->until = mono_add_ms(clock_mono(b->clock), cost_ms * ADMIN_BACKLOG_SHARE);
    lock_give(b->lock);
    return ST_OK;
}

enum status admin_backlog_fill(struct admin_backlog *b, struct journal_reader *reader,
                               struct admin_lanes *lanes, struct err *e)
{
    enum status st = ST_OK;
    if (give_again(b, lanes))
        return ST_OK;
    struct mono began = clock_mono(b->clock);
    for (size_t i = 0; i < lanes->count && st == ST_OK; i++) {
        struct admin_lane *lane = &lanes->items[i];
        st = journal_read_backlog(reader, lane->lane.id, lane->lane.cursor, &lane->backlog,
                                  &lane->oldest, e);
    }
    int64_t cost_ms = mono_diff_ns(clock_mono(b->clock), began) / 1000000;
    if (st == ST_OK && cost_ms >= ADMIN_BACKLOG_CHEAP_MS)
        st = keep(b, lanes, cost_ms, e);
    return st;
}
