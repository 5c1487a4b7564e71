/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_load.h"

#include "relay/audit_record.h"

/* So short are the journal's read transactions. */
#define ROWS_AT_ONCE 1000

struct loading {
    const struct audit_lanes *lanes;
    const struct audit_lanes_one *lane;
    struct audit_rows *rows;
    const struct ident *digest_key;
    struct record_origin origin;
    int64_t done; /* the last row that was taken */
    int64_t upto;
    bool is_full;
};

static uint8_t state_of(const struct loading *l, const struct journal_audit_row *row)
{
    switch (row->fate) {
    case JOURNAL_PARKED:
        return AUDIT_LOAD_PARKED;
    case JOURNAL_REQUEUED:
        return AUDIT_LOAD_REQUEUED;
    case JOURNAL_DISCARDED:
        return AUDIT_LOAD_DISCARDED;
    default:
        break;
    }
    if (!row->row.intact)
        return AUDIT_LOAD_DAMAGED;
    if (!audit_lanes_is_in_time(l->lanes, row->row.ev.received))
        return AUDIT_LOAD_OUTSIDE;
    return row->row.seq > l->lane->cursor ? AUDIT_LOAD_WAITS : AUDIT_LOAD_PUBLISHED;
}

static void on_row(void *arg, const struct journal_audit_row *row)
{
    struct loading *l = arg;
    struct ident digest = {{0}};
    if (l->is_full)
        return;
    if (row->row.intact) {
        struct audit_expected expected;
        audit_record_expect(&expected, &row->row, &l->origin);
        digest = audit_record_digest(&expected.record, l->digest_key);
    }
    if (audit_rows_add(l->rows, l->lane->part, row->row.seq, state_of(l, row), &digest)) {
        l->done = row->row.seq;
    } else {
        l->upto = row->row.seq - 1;
        l->is_full = true;
    }
}

static enum status load_lane(struct loading *l, int64_t after, struct err *e)
{
    const struct audit_journal *journal = l->lanes->opts->journal;
    enum status st = ST_OK;
    int64_t count = 1;
    l->origin = audit_lanes_origin(l->lanes, l->lane->in.source);
    l->is_full = false;
    l->done = l->lane->floor > after ? l->lane->floor : after;
    while (st == ST_OK && count && !l->is_full && l->done < l->upto) {
        const struct journal_audit_want want = {l->lane->in.id, l->done, l->upto, ROWS_AT_ONCE};
        st = journal->rows(journal->ctx, &want, on_row, l, &count, e);
    }
    return st;
}

enum status audit_load_rows(struct audit_lanes *lanes, struct audit_rows *rows,
                            const struct ident *digest_key, int64_t after, int64_t *upto,
                            struct err *e)
{
    struct loading loading = {
        .lanes = lanes, .rows = rows, .digest_key = digest_key, .upto = *upto};
    enum status st = ST_OK;
    audit_rows_reset(rows, after);
    for (size_t i = 0; i < lanes->count && st == ST_OK; i++) {
        loading.lane = &lanes->list[i];
        if (loading.lane->is_wanted)
            st = load_lane(&loading, after, e);
    }
    audit_rows_cut(rows, loading.upto);
    *upto = loading.upto;
    /* What retention took between two of these reads is no row that was never there. */
    if (st == ST_OK)
        st = audit_lanes_note_gone(lanes, e);
    return st;
}
