/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/transaction.h"

#include <stdlib.h>

#include "base/failpoint.h"
#include "base/log.h"

struct transaction {
    struct transaction_opts opts;
    bool is_committing; /* its outcome is not known */
    struct publisher_position positions[PUBLISHER_POSITIONS_MAX];
};

_Static_assert(JOURNAL_LANES_MAX < PUBLISHER_POSITIONS_MAX, "every lane has its position");

struct transaction *transaction_create(const struct transaction_opts *opts)
{
    struct transaction *t = calloc(1, sizeof *t);
    if (t)
        t->opts = *opts;
    return t;
}

void transaction_destroy(struct transaction *t)
{
    free(t);
}

size_t transaction_room(struct transaction *t, size_t in_air)
{
    /* The outcome comes as the reports of all its records at once. */
    if (!in_air)
        t->is_committing = false;
    if (t->is_committing || in_air >= t->opts.records_max)
        return 0;
    return t->opts.records_max - in_air;
}

/* What the last checkpoint says of the same place: its row may have been deleted since. */
static uint32_t known_check(struct transaction *t, const struct publisher_position *p)
{
    struct publisher_checkpoint last = {0};
    struct publisher *publisher = t->opts.publisher;
    if (publisher->ops->standing(publisher, &last) != PUBLISHER_ABLE)
        return 0;
    for (size_t i = 0; i < last.count; i++)
        if (last.positions[i].feed == p->feed && last.positions[i].seq == p->seq)
            return last.positions[i].check;
    return 0;
}

/* The lane with the newest seq gets its check (publisher.h). */
static void add_check(struct transaction *t, struct publisher_position *lanes, size_t count)
{
    struct publisher_position *newest = NULL;
    struct err e = {0};
    for (size_t i = 0; i < count; i++)
        if (lanes[i].seq > (newest ? newest->seq : 0))
            newest = &lanes[i];
    if (!newest)
        return;
    enum status st = journal_read_checksum(t->opts.reader, newest->seq, &newest->check, &e);
    if (st == ST_NOT_FOUND)
        newest->check = known_check(t, newest);
    else if (st != ST_OK)
        log_warn("forwarder.checkpoint_unchecked", LOG_S("reason", e.text));
}

static void commit(struct transaction *t)
{
    struct publisher_checkpoint cp = {.positions = t->positions};
    size_t others;
    struct err e = {0};
    if (t->opts.other_feeds)
        cp.count = t->opts.other_feeds(t->opts.arg, t->positions,
                                       PUBLISHER_POSITIONS_MAX - JOURNAL_LANES_MAX);
    others = cp.count;
    cp.count += sender_positions(t->opts.sender, t->positions + others);
    add_check(t, t->positions + others, cp.count - others);
    switch (t->opts.publisher->ops->commit(t->opts.publisher, &cp, &e)) {
    case ST_OK:
        t->is_committing = true;
        FAILPOINT("transaction.asked");
        break;
    case ST_AGAIN:
        /* It has failed already; a poll brings the reports. */
        break;
    default:
        log_warn("forwarder.commit_refused", LOG_S("reason", e.text));
    }
}

bool transaction_end_turn(struct transaction *t, size_t in_air, size_t sent)
{
    if (!in_air || t->is_committing)
        return false;
    if (sent && in_air < t->opts.records_max)
        return true;
    commit(t);
    return false;
}
