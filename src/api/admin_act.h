/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_ACT_H
#define RELAY_API_ADMIN_ACT_H

/*
 * What operators change: pause, resume, requeue, discard. Each is a job of the committer, which
 * leaves a row of who, when and why in the same transaction; the request is answered after COMMIT.
 *
 * A job that cannot be done (the event was settled meanwhile, there is no such pause) is told so
 * before it writes anything, and fails alone: it shares its transaction with deliveries.
 *
 * Threads: answering functions on admin http; the job's on the committer's.
 */

#include "api/admin_call.h"
#include "event/route.h"
#include "journal/actions.h"
#include "relay/committer.h"

#define ADMIN_SCOPE_MAX \
    64 /* bytes: "source:" and a name of CONF_NAME_MAX, or "lane:" and a number */

/* One change under way; lives in the request's own memory. */
struct admin_act {
    struct commit_job job; /* first: a job is cast back to its act */
    struct admin_call *call;
    const char *action; /* "pause" */
    enum status (*apply)(struct admin_act *act, struct journal *j, struct err *e);
    char who[ACTION_WHO_MAX + 1];
    char why[ACTION_WHY_MAX + 1];
    char target[ADMIN_SCOPE_MAX + 1]; /* a scope, or "seq:12" */
    char topic[ROUTE_TOPIC_MAX + 1];  /* of a requeue */
    struct journal_row *row;          /* of a requeue */
    int64_t successor;
    struct err refusal; /* code ST_OK: applied */
};

void admin_act_pause(struct admin_call *call);
void admin_act_resume(struct admin_call *call);
void admin_act_requeue(struct admin_call *call);
void admin_act_discard(struct admin_call *call);

#endif
