/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_DUMP_H
#define RELAY_CONF_CONF_DUMP_H

/*
 * The effective configuration as an INI file, defaults and all, secrets as "********". An option
 * without a value is a comment; a control character in a Kafka property is written '?'.
 *
 * Threads: re-entrant.
 */

#include "conf/conf.h"

#define CONF_DUMP_MASK "********"
#define CONF_DUMP_MAX  (32u * 1024u * 1024u) /* bytes; for out: twice what all strings can take */

/* Appends the dump to out. ST_FULL, ST_NO_MEM. */
MUST_CHECK enum status conf_dump(const struct conf *c, struct buf *out);

#endif
