/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_TRACE_H
#define SIM_SIM_TRACE_H

/*
 * What happened in a schedule: a hash over every line, the last SIM_TRACE_LINES lines for people,
 * and the first promise that was found broken.
 *
 * Threads: one.
 */

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

#define SIM_TRACE_LINES 40

struct sim_trace;

/* With verbose each line goes to stdout at once. Aborts when out of memory. */
struct sim_trace *sim_trace_create(bool verbose);
void sim_trace_destroy(struct sim_trace *t);
/* Forgets everything for the next schedule. */
void sim_trace_begin(struct sim_trace *t);

/* One line; it must be a function of the seed alone. */
void sim_trace_note(struct sim_trace *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Notes a broken promise ("P1"); the first one stays. */
void sim_trace_fail(struct sim_trace *t, const char *promise, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* NULL while nothing failed. */
const char *sim_trace_promise(const struct sim_trace *t);
uint64_t sim_trace_hash(const struct sim_trace *t);
/* The failure and the lines before it. */
void sim_trace_print(const struct sim_trace *t, FILE *out);

#endif
