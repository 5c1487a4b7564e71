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

static void commit(struct transaction *t)
{
    struct publisher_checkpoint cp = {.positions = t->positions};
    struct err e = {0};
    if (t->opts.other_feeds)
        cp.count = t->opts.other_feeds(t->opts.arg, t->positions,
                                       PUBLISHER_POSITIONS_MAX - JOURNAL_LANES_MAX);
    cp.count += sender_positions(t->opts.sender, t->positions + cp.count);
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
