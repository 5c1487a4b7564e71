/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit.h"

#include <stdlib.h>
#include <string.h>

#include "relay/audit_topic.h"

const char *audit_kind_name(enum audit_kind kind)
{
    static const char *const names[] = {
        [AUDIT_MISSING] = "missing",       [AUDIT_HOLE] = "hole",
        [AUDIT_UNLABELLED] = "unlabelled", [AUDIT_DISORDERED] = "disordered",
        [AUDIT_ALTERED] = "altered",       [AUDIT_UNKNOWN] = "unknown",
        [AUDIT_DAMAGED] = "damaged"};
    CHECK((unsigned)kind < AUDIT_KINDS);
    return names[kind];
}

/* The topics of the lanes that are wanted, each once. */
struct topics {
    int64_t lane;
    char **names;
    size_t count;
    enum status st;
};

static void on_lane(void *arg, const struct journal_audit_lane *lane)
{
    struct topics *t = arg;
    char **more;
    if (t->st != ST_OK || (t->lane && lane->lane.id != t->lane))
        return;
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->names[i], lane->lane.topic) == 0)
            return;
    more = realloc(t->names, (t->count + 1) * sizeof *more);
    if (more)
        t->names = more;
    if (more && (more[t->count] = strdup(lane->lane.topic)))
        t->count++;
    else
        t->st = ST_NO_MEM;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum status audit_run(const struct audit_opts *opts, struct audit_result *out, struct err *e)
{
    struct topics topics = {.lane = opts->lane};
    enum status st = opts->journal->lanes(opts->journal->ctx, on_lane, &topics, e);
    *out = (struct audit_result){0};
    if (st == ST_OK && topics.st != ST_OK)
        st = err_set(e, ST_NO_MEM, "audit: out of memory");
    if (st == ST_OK && !topics.count && opts->lane)
        st = err_set(e, ST_NOT_FOUND, "there is no lane %lld", (long long)opts->lane);
    if (st == ST_OK && topics.count)
        qsort(topics.names, topics.count, sizeof *topics.names, by_name);
    for (size_t i = 0; i < topics.count && st == ST_OK; i++)
        st = audit_topic_run(topics.names[i], opts, out, e);
    for (size_t i = 0; i < topics.count; i++)
        free(topics.names[i]);
    free(topics.names);
    return st;
}
