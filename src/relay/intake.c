/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/intake.h"

#include <stddef.h>

/* Whether the forwarder will hand this event to Kafka by itself. */
static bool is_for_kafka(const struct intake_item *item)
{
    return !item->result.duplicate && item->ev->topic.len &&
           !(item->ev->flags & (EVENT_PING | EVENT_QUARANTINED | EVENT_OVERSIZE | EVENT_UNROUTED));
}

static void on_ack(struct ack_waiter *w, enum ack_outcome outcome)
{
    struct intake_item *item =
        (struct intake_item *)(void *)((char *)w - offsetof(struct intake_item, waiter));
    item->ack = outcome;
    item->done(item, ST_OK);
}

static enum status apply(struct commit_job *job, struct journal *j, struct err *e)
{
    struct intake_item *item = (struct intake_item *)job;
    const struct journal_append append = {
        .ev = item->ev, .digest = item->digest, .source = item->source};
    enum status st = journal_append(j, &append, &item->result, e);
    if (st != ST_OK || !item->acks || !is_for_kafka(item))
        return st;
    /* Before the COMMIT, behind which the forwarder can be faster than done(). */
    item->waiter =
        (struct ack_waiter){.done = on_ack, .deadline = item->ack_by, .bytes = item->ev->body.len};
    item->ack = acks_expect(item->acks, &item->waiter, item->result.seq);
    item->ack_waited = item->ack == ACK_KAFKA;
    return ST_OK;
}

static void done(struct commit_job *job, enum status outcome, const struct err *e)
{
    struct intake_item *item = (struct intake_item *)job;
    (void)e; /* the committer has logged it; no sender is told more than that it failed */
    if (item->ack_waited && outcome != ST_OK)
        acks_cancel(item->acks, &item->waiter);
    else if (item->ack_waited && acks_commit(item->acks, &item->waiter, &item->ack))
        return;
    item->done(item, outcome);
}

enum status intake_source(struct journal *j, const char *org, const char *name, int64_t *source,
                          struct err *e)
{
    return journal_source(j, org, name, source, e);
}

void intake_dead_letters(struct journal *j, int64_t source, const struct journal_dead_letters *to)
{
    journal_set_dead_letters(j, source, to);
}

enum status intake_submit(struct committer *c, struct journal *j, struct slice org,
                          struct intake_item *item)
{
    _Static_assert(offsetof(struct intake_item, job) == 0, "an item is its job");
    item->digest = journal_digest(j, org, item->ev);
    item->job = (struct commit_job){.apply = apply, .done = done, .needs_room = true};
    return committer_submit(c, &item->job);
}
