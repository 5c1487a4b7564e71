/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_lanes.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/admin_backlog.h"
#include "api/admin_json.h"
#include "journal/journal.h"

/* Lanes that may appear between counting and copying. */
#define LANES_EXTRA 16

struct gathering {
    struct admin_lanes *lanes;
    size_t cap;
    bool no_mem;
};

static void on_lane(void *arg, const struct journal_lane *lane)
{
    struct gathering *g = arg;
    struct admin_lanes *lanes = g->lanes;
    if (lanes->count == g->cap && !g->no_mem) {
        size_t cap = g->cap ? 2 * g->cap : 64;
        struct admin_lane *more = realloc(lanes->items, cap * sizeof *more);
        g->no_mem = !more;
        if (more) {
            lanes->items = more;
            g->cap = cap;
        }
    }
    if (g->no_mem)
        return;
    lanes->items[lanes->count++] = (struct admin_lane){.lane = *lane, .state = "unknown"};
}

static struct admin_lane *find(struct admin_lanes *lanes, int64_t id)
{
    size_t low = 0, high = lanes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lanes->items[middle].lane.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < lanes->count && lanes->items[low].lane.id == id ? &lanes->items[low] : NULL;
}

static enum status add_states(struct admin_lanes *lanes, struct forwarder *f, struct err *e)
{
    size_t count = forwarder_view(f, NULL, 0) + LANES_EXTRA, there;
    struct forwarder_lane_view *views = calloc(count, sizeof *views);
    if (!views)
        return err_set(e, ST_NO_MEM, "lanes: out of memory");
    there = forwarder_view(f, views, count);
    for (size_t i = 0; i < there && i < count; i++) {
        struct admin_lane *lane = find(lanes, views[i].id);
        if (!lane)
            continue;
        lane->state = views[i].state;
        lane->in_air = views[i].in_air;
        snprintf(lane->reason, sizeof lane->reason, "%s", views[i].reason);
    }
    free(views);
    return ST_OK;
}

enum status admin_lanes_read(struct admin_lanes *out, const struct admin_call *call, struct err *e)
{
    struct gathering g = {.lanes = out};
    enum status st;
    *out = (struct admin_lanes){0};
    st = journal_reader_lanes(call->reader, 0, on_lane, &g, e);
    if (st == ST_OK && g.no_mem)
        st = err_set(e, ST_NO_MEM, "lanes: out of memory");
    if (st == ST_OK && call->shared->opts.forwarder)
        st = add_states(out, call->shared->opts.forwarder, e);
    if (st == ST_OK)
        st = admin_backlog_fill(call->shared->counted, call->reader, out, e);
    for (size_t i = 0; i < out->count && st == ST_OK; i++) {
        const struct admin_lane *lane = &out->items[i];
        out->backlog += lane->backlog;
        if (lane->oldest.us && (!out->oldest.us || lane->oldest.us < out->oldest.us))
            out->oldest = lane->oldest;
    }
    return st;
}

void admin_lanes_free(struct admin_lanes *lanes)
{
    free(lanes->items);
}

static int compare(const void *one, const void *other)
{
    const struct admin_lane *a = one, *b = other;
    bool a_open = strcmp(a->state, "open") == 0, b_open = strcmp(b->state, "open") == 0;
    if (a_open != b_open)
        return a_open ? 1 : -1;
    if (a->backlog != b->backlog)
        return a->backlog > b->backlog ? -1 : 1;
    return a->lane.id < b->lane.id ? -1 : 1;
}

void admin_lanes_sort_worst(struct admin_lanes *lanes)
{
    if (lanes->count)
        qsort(lanes->items, lanes->count, sizeof lanes->items[0], compare);
}

int admin_lanes_count(const struct admin_lanes *lanes, const char *state)
{
    int n = 0;
    for (size_t i = 0; i < lanes->count; i++)
        n += strcmp(lanes->items[i].state, state) == 0;
    return n;
}

void admin_lanes_add(const struct admin_lanes *lanes, size_t max, struct json_value *array)
{
    for (size_t i = 0; i < lanes->count && i < max; i++) {
        const struct admin_lane *lane = &lanes->items[i];
        struct json_value *o = json_add_object(array, NULL);
        json_add_u64(o, "id", (uint64_t)lane->lane.id);
        json_add_string(o, "org", slice_of(lane->lane.org));
        json_add_string(o, "source", slice_of(lane->lane.source_name));
        json_add_string(o, "topic", slice_of(lane->lane.topic));
        json_add_string(o, "state", slice_of(lane->state));
        json_add_string(o, "reason", slice_of(lane->reason));
        json_add_u64(o, "cursor", (uint64_t)lane->lane.cursor);
        json_add_u64(o, "backlog", (uint64_t)lane->backlog);
        admin_json_time(o, "oldest", lane->oldest);
        json_add_u64(o, "in_flight", lane->in_air);
    }
}
