/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_lanes.h"

#include <stdlib.h>
#include <string.h>

void audit_lanes_init(struct audit_lanes *l, const char *topic, const struct audit_opts *opts)
{
    *l = (struct audit_lanes){.topic = topic, .opts = opts, .is_first = true};
}

void audit_lanes_fini(struct audit_lanes *l)
{
    free(l->list);
    l->list = NULL;
    l->count = 0;
}

static struct audit_lanes_one *by_id(struct audit_lanes *l, int64_t id)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->list[i].in.id == id)
            return &l->list[i];
    return NULL;
}

static void on_lane(void *arg, const struct journal_audit_lane *in)
{
    struct audit_lanes *l = arg;
    struct audit_lanes_one *lane = by_id(l, in->lane.id);
    if (strcmp(in->lane.topic, l->topic) != 0 || l->st != ST_OK)
        return;
    if (!lane) {
        lane = realloc(l->list, (l->count + 1) * sizeof *lane);
        if (!lane) {
            l->st = ST_NO_MEM;
            return;
        }
        l->list = lane;
        lane += l->count++;
        *lane =
            (struct audit_lanes_one){.in = in->lane,
                                     .cursor = l->is_first ? in->lane.cursor : 0,
                                     .is_wanted = !l->opts->lane || in->lane.id == l->opts->lane};
    }
    lane->floor = in->pruned_to;
    lane->in_other = in->bound_after;
}

enum status audit_lanes_look(struct audit_lanes *l, struct err *e)
{
    const struct audit_journal *journal = l->opts->journal;
    enum status st = journal->lanes(journal->ctx, on_lane, l, e);
    l->is_first = false;
    if (st == ST_OK && l->st != ST_OK)
        st = err_set(e, ST_NO_MEM, "audit: out of memory");
    return st;
}

bool audit_lanes_is_in_time(const struct audit_lanes *l, struct wall received)
{
    return received.us >= l->opts->since.us && received.us < l->opts->until.us;
}

static void on_parked(void *arg, const struct journal_audit_parked *parked)
{
    struct audit_lanes *l = arg;
    struct audit_lanes_one *lane = by_id(l, parked->lane);
    if (!lane || parked->seq > lane->floor || !audit_lanes_is_in_time(l, parked->parked))
        return;
    lane->out.parked += parked->fate == JOURNAL_PARKED;
    lane->out.requeued += parked->fate == JOURNAL_REQUEUED;
    lane->out.discarded += parked->fate == JOURNAL_DISCARDED;
}

enum status audit_lanes_settle(struct audit_lanes *l, struct err *e)
{
    const struct audit_journal *journal = l->opts->journal;
    for (size_t i = 0; i < l->count; i++) {
        struct audit_lanes_one *lane = &l->list[i];
        lane->out = (struct audit_lane){
            .id = lane->in.id, .source = lane->in.source_name, .topic = l->topic};
        if (!lane->is_wanted)
            continue;
        lane->part = l->wanted++;
        l->is_pruned |= lane->floor > 0;
    }
    return journal->parked(journal->ctx, on_parked, l, e);
}

static void on_lane_gone(void *arg, const struct journal_audit_lane *in)
{
    struct audit_lanes_one *lane = by_id(arg, in->lane.id);
    if (lane)
        lane->gone_to = in->pruned_to;
}

enum status audit_lanes_note_gone(struct audit_lanes *l, struct err *e)
{
    return l->opts->journal->lanes(l->opts->journal->ctx, on_lane_gone, l, e);
}

struct audit_lanes_one *audit_lanes_find(struct audit_lanes *l, struct slice source)
{
    for (size_t n = 0; n < l->count; n++) {
        size_t i = (l->recent + n) % l->count;
        if (slice_eq(source, slice_of(l->list[i].in.source_name))) {
            l->recent = i;
            return &l->list[i];
        }
    }
    return NULL;
}

struct record_origin audit_lanes_origin(const struct audit_lanes *l, int64_t source)
{
    struct record_origin origin = {l->opts->journal_id, "", "", l->topic};
    for (size_t i = 0; i < l->count; i++) {
        if (l->list[i].in.source == source) {
            origin.org = l->list[i].in.org;
            origin.source = l->list[i].in.source_name;
        }
    }
    return origin;
}

struct comparing {
    const struct audit_lanes *lanes;
    const struct audit_record *record;
    struct audit_comparison *out;
};

static void on_row_to_compare(void *arg, const struct journal_audit_row *row)
{
    struct comparing *c = arg;
    struct record_origin origin = audit_lanes_origin(c->lanes, row->row.source);
    struct audit_expected expected;
    if (!row->row.intact)
        return;
    audit_record_expect(&expected, &row->row, &origin);
    c->out->differs = audit_record_differs(&expected.record, c->record, c->out->difference);
}

enum status audit_lanes_compare(const struct audit_lanes *l, const struct audit_record *record,
                                struct audit_comparison *out, struct err *e)
{
    const struct audit_journal *journal = l->opts->journal;
    struct comparing c = {l, record, out};
    *out = (struct audit_comparison){.differs = false};
    return journal->row(journal->ctx, record->seq, on_row_to_compare, &c, e);
}
