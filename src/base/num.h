/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_NUM_H
#define RELAY_BASE_NUM_H

/*
 * Strict, always bounded reading of numbers from text. Nothing before, between or after the parts
 * is accepted, and no sign. All functions are re-entrant; *out is unchanged on failure.
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Decimal digits only, min <= value <= max. ST_BAD_INPUT with the reason in *e. */
MUST_CHECK enum status num_parse_u64(struct slice text, uint64_t min, uint64_t max, uint64_t *out,
                                     struct err *e);

/* Bytes: digits followed by nothing, B, KiB, MiB or GiB. */
MUST_CHECK enum status num_parse_size(struct slice text, uint64_t min, uint64_t max, uint64_t *out,
                                      struct err *e);

/* A duration: digits followed by ms, s, m, h or d (a bare 0 needs no unit). Result and bounds in
 * milliseconds. */
MUST_CHECK enum status num_parse_duration_ms(struct slice text, uint64_t min, uint64_t max,
                                             uint64_t *out, struct err *e);

/* true, false, yes, no, on, off. */
MUST_CHECK enum status num_parse_bool(struct slice text, bool *out, struct err *e);

#define NUM_I64_MAX 21

/* Writes v in decimal and a final NUL; returns its length. Faster than snprintf by an order of
 * magnitude, for what is written with every event. */
size_t num_format_i64(int64_t v, char out[NUM_I64_MAX]);

#endif
