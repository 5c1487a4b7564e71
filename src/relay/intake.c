/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/intake.h"

static enum status apply(struct commit_job *job, struct journal *j, struct err *e)
{
    struct intake_item *item = (struct intake_item *)job;
    const struct journal_append append = {
        .ev = item->ev, .digest = item->digest, .source = item->source};
    return journal_append(j, &append, &item->result, e);
}

static void done(struct commit_job *job, enum status outcome, const struct err *e)
{
    struct intake_item *item = (struct intake_item *)job;
    (void)e; /* the committer has logged it; no sender is told more than that it failed */
    item->done(item, outcome);
}

enum status intake_source(struct journal *j, const char *org, const char *name, int64_t *source,
                          struct err *e)
{
    return journal_source(j, org, name, source, e);
}

enum status intake_submit(struct committer *c, struct journal *j, struct slice org,
                          struct intake_item *item)
{
    _Static_assert(offsetof(struct intake_item, job) == 0, "an item is its job");
    item->digest = journal_digest(j, org, item->ev);
    item->job = (struct commit_job){.apply = apply, .done = done, .needs_room = true};
    return committer_submit(c, &item->job);
}
