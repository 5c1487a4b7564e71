/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_QUERY_H
#define RELAY_API_QUERY_H

/*
 * The query of a request's target: "after=12&type=CONTACT%2FSTARTED". Keeps no state. Threads:
 * re-entrant.
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Every name must be one of the comma-separated known ones, once: a mistyped filter must not match
 * everything. ST_BAD_INPUT. */
MUST_CHECK enum status query_check(struct slice query, const char *known, struct err *e);

/* The decoded value (%XX; '+' is a plus) with a NUL, "" when the name is not there. ST_BAD_INPUT:
 * malformed, a zero byte in it, or longer than size - 1. */
MUST_CHECK enum status query_text(struct slice query, const char *name, char *out, size_t size,
                                  struct err *e);

/* A decimal number, fallback when the name is not there. ST_BAD_INPUT. */
MUST_CHECK enum status query_number(struct slice query, const char *name, uint64_t max,
                                    uint64_t fallback, uint64_t *out, struct err *e);

#endif
