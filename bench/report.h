/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_REPORT_H
#define RELAY_BENCH_REPORT_H

/*
 * The result of a run as text for a person or as one line of JSON for a script.
 *
 * Owns nothing. Never prints request headers: they may carry a secret.
 *
 * Threads: one writer for each stream.
 */

#include "options.h"
#include "tally.h"

#include <stdbool.h>
#include <stdio.h>

/* Writes the report of a finished run. Returns false when the stream has an error. */
bool report_text(FILE *out, const struct options *o, const struct tally *t);
bool report_json(FILE *out, const struct options *o, const struct tally *t);

#endif
