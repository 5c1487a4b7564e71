/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_WRITE_H
#define RELAY_CONF_CONF_WRITE_H

/*
 * The documents that come from the table: config/README.md, config/relay.conf and
 * config/minimal.conf. A test compares the committed files with these, byte for byte.
 *
 * Each appends to out: ST_FULL, ST_NO_MEM. Threads: re-entrant.
 */

#include "base/buf.h"
#include "base/err.h"

/* The reference in Markdown: rules of the file, one table a section. */
MUST_CHECK enum status conf_write_reference(struct buf *out);
/* A sample with each option, its default and its reason. It loads when GLADLY_TOKEN is set. */
MUST_CHECK enum status conf_write_sample(struct buf *out);
/* The least that works. It loads when GLADLY_TOKEN is set. */
MUST_CHECK enum status conf_write_minimal(struct buf *out);

#endif
