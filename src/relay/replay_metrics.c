/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/replay_metrics.h"

static struct metric *counter(struct metrics *m, const char *name, const char *help)
{
    return metric_single(metric_family(m, METRIC_COUNTER, name, "", help));
}

void replay_metrics_init(struct replay_metrics *r, struct metrics *m)
{
    *r = (struct replay_metrics){0};
    if (!m)
        return;
    r->published =
        counter(m, "relay_replay_published_total", "Records of replays that Kafka confirmed");
    r->failed =
        counter(m, "relay_replay_failed_total", "Events of replays that could not be published");
    r->labelled = counter(m, "relay_replay_possible_duplicates_total",
                          "Records of replays sent with relay-possible-duplicate");
}

void replay_metrics_add(struct metric *one, int64_t n)
{
    if (one)
        metric_add(one, n);
}
