/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_PAIRS_H
#define RELAY_CONF_CONF_PAIRS_H

/*
 * A section's effective options as keys and values, lists entry by entry: what the dump prints and
 * the diff compares.
 *
 * Threads: re-entrant.
 */

#include "conf/conf_option.h"

#define CONF_PAIRS_VALUE_MAX (128u * 1024u) /* bytes; above the largest value and list */

struct conf_pair {
    const struct conf_option *row;
    const char *key;    /* "token", "topic.CONTACT" */
    struct slice value; /* a secret too; overwritten after the call */
    bool is_set;        /* false: the option has no value, and an empty one is not allowed */
};

/* Returns ST_OK to go on. */
typedef enum status conf_pairs_fn(void *ctx, const struct conf_pair *pair);

/* Calls fn for each option of section i of the kind. The first status other than ST_OK ends it;
 * ST_NO_MEM. */
MUST_CHECK enum status conf_pairs_each(const struct conf *c, enum conf_section_kind kind, size_t i,
                                       conf_pairs_fn *fn, void *ctx);

#endif
