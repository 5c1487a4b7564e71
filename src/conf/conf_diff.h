/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_DIFF_H
#define RELAY_CONF_CONF_DIFF_H

/*
 * What a reload would change, by name: values are not shown, they may be secrets.
 *
 * Threads: re-entrant.
 */

#include "conf/conf.h"

enum conf_change_kind {
    CONF_CHANGED,
    CONF_ADDED, /* an entry of a list, or a whole section */
    CONF_REMOVED,
};

struct conf_change {
    enum conf_change_kind kind;
    const char *section; /* "source gladly" */
    const char *key;     /* "token", "topic.CONTACT"; "" for a whole section */
    bool is_reloadable;  /* false: only a restart applies it; always so for whole sections */
};

/* The strings of change live until it returns. */
typedef void conf_diff_fn(void *ctx, const struct conf_change *change);

/* Calls fn for each difference, in the order of the table. ST_NO_MEM. */
MUST_CHECK enum status conf_diff(const struct conf *before, const struct conf *after,
                                 conf_diff_fn *fn, void *ctx);

#endif
