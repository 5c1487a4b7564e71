/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_INTAKE_COUNTS_H
#define RELAY_API_INTAKE_COUNTS_H

/*
 * relay_intake_total without a lock: remembers the metric's children by source, type and status, so
 * that counting a delivery is a look at a few cells and one addition.
 *
 * Owns: a table of INTAKE_COUNTS_CELLS cells that only fills. The type is the sender's text: one
 * that finds no cell is looked up in the metric, under its lock, each time. The metric itself
 * counts types beyond its bound as "other".
 *
 * Threads: add from every thread.
 */

#include "base/metric.h"

struct intake_counts;

/* Twice the children that a metric may have, so that what finds no cell is rare. */
#define INTAKE_COUNTS_CELLS (2 * METRIC_CHILDREN_MAX)

/* family has the labels source, type and status, and outlives it. NULL when out of memory. */
struct intake_counts *intake_counts_create(struct metric_family *family);
/* NULL is a no-op. */
void intake_counts_destroy(struct intake_counts *c);

/* One delivery more. source and status are strings that outlive c, the same pointer each time. */
void intake_counts_add(struct intake_counts *c, const char *source, struct slice type,
                       const char *status);

#endif
