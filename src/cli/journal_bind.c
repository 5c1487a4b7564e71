/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/who.h"
#include "conf/conf.h"
#include "journal/actions.h"

static enum status change(struct journal *j, bool is_renewed, const char *why, struct err *e)
{
    char who[WHO_MAX];
    const struct action_by by = {who, why};
    who_am_i(who);
    enum status st = journal_begin(j, e);
    if (st != ST_OK)
        return st;
    st = is_renewed ? action_renew(j, &by, e) : action_rebind(j, &by, e);
    if (st != ST_OK) {
        journal_rollback(j);
        return st;
    }
    return journal_commit(j, e);
}

enum cli_exit cli_journal_bind(const struct cli_args *args, const struct conf *conf,
                               bool is_renewed)
{
    const struct conf_journal *c = &conf->journal;
    const struct journal_opts opts = {.path = c->path,
                                      .demo = args->demo,
                                      .clock = clock_system(),
                                      .wal_max_bytes = c->wal_max_bytes,
                                      .checkpoint_pages = c->checkpoint_pages,
                                      .window_ms = c->dedupe_window_ms,
                                      .window_ids_max = c->dedupe_ids_max};
    struct journal *j = NULL;
    struct err e;
    enum status st = journal_open(&j, &opts, &e);
    if (st == ST_OK)
        st = change(j, is_renewed, args->why ? args->why : "", &e);
    journal_close(j);
    if (st != ST_OK) {
        fprintf(stderr, "gladly-relay journal: %s\n", e.text);
        return CLI_FAILED;
    }
    puts(is_renewed
             ? "the journal has a new identity; it is bound to the cluster that it meets next"
             : "the journal is bound to the cluster that it meets next");
    return CLI_OK;
}
