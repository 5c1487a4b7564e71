/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_REPLAY_METRICS_H
#define RELAY_RELAY_REPLAY_METRICS_H

/*
 * What the replayer counts for the whole process. Internal to the replayer.
 *
 * Owns nothing: the metrics belong to their registry. Threads: the forwarder's.
 */

#include "base/metric.h"

struct replay_metrics {
    struct metric *published; /* these are NULL without a registry */
    struct metric *failed;
    struct metric *labelled;
};

/* m may be NULL: then nothing is counted. */
void replay_metrics_init(struct replay_metrics *r, struct metrics *m);
/* One of them grows by n; NULL is a no-op. */
void replay_metrics_add(struct metric *one, int64_t n);

#endif
