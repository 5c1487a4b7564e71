/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_ERRORS_H
#define RELAY_CONF_CONF_ERRORS_H

/*
 * Everything that is wrong with a configuration file, so that it is mended in one go.
 *
 * Each message is one line: "FILE:LINE: [section] key: reason"; the key, the section and the line
 * are left out where there is none. They are in the order of the lines, and for one line in the
 * order in which they were found. The first CONF_ERRORS_MAX are kept, all are counted.
 *
 * Threads: belongs to its caller.
 */

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define CONF_ERRORS_MAX 100 /* more than a person reads; the rest is only counted */

struct conf_errors;

/* NULL when out of memory. */
struct conf_errors *conf_errors_create(void);
void conf_errors_destroy(struct conf_errors *errs);

/* Forgets all messages and sets the name of the file for new ones (copied, cut at 255 bytes). */
void conf_errors_reset(struct conf_errors *errs, const char *file);

/* Adds a message. line 0: the whole file. section without brackets; section and key may be NULL. */
void conf_errors_add(struct conf_errors *errs, int line, const char *section, const char *key,
                     const char *fmt, ...) PRINTF_LIKE(5, 6);

/* All that were added. */
size_t conf_errors_count(const struct conf_errors *errs);
/* Those that are kept: at most CONF_ERRORS_MAX. */
size_t conf_errors_kept(const struct conf_errors *errs);
/* The message i < kept, without a line end; lives until the next change of errs. */
const char *conf_errors_text(const struct conf_errors *errs, size_t i);

/* Appends each kept message with a line end, then "FILE: and N more errors" if there are more. */
MUST_CHECK enum status conf_errors_write(const struct conf_errors *errs, struct buf *out);

#endif
