/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_LIST_H
#define RELAY_CONF_CONF_LIST_H

/*
 * Options that come several times: header.NAME, topic.WHAT, key.WHAT and Kafka's properties.
 *
 * Threads: re-entrant.
 */

#include "conf/conf_option.h"
#include "conf/conf_store.h"

struct conf_list_entry {
    struct conf_option_match match; /* a list's row */
    struct slice value;             /* of a secret: the secret itself */
    int line;
};

/*
 * Adds the entry to its list in base (the section's struct), everything copied into store.
 * ST_BAD_INPUT with the reason: a malformed name or value, a second entry of one name, a full list;
 * ST_NO_MEM. The list is then unchanged.
 */
MUST_CHECK enum status conf_list_add(void *base, const struct conf_list_entry *entry,
                                     struct conf_store *store, struct err *e);

#endif
