/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event.h"

/* Kafka's timestamps count milliseconds. */
#define MILLISECOND_US 1000

const char *event_origin_name(enum event_origin origin)
{
    switch (origin) {
    case EVENT_ORIGIN_WEBHOOK:
        return "webhook";
    case EVENT_ORIGIN_BACKFILL:
        return "backfill";
    case EVENT_ORIGIN_REQUEUE:
        return "requeue";
    case EVENT_ORIGIN_DEAD_LETTER:
        return "dead_letter";
    }
    return "unknown";
}

struct wall event_record_time(const struct event *ev)
{
    bool usable = (ev->flags & EVENT_HAS_TIME) && ev->event_time.us <= ev->received.us &&
                  ev->event_time.us >= MILLISECOND_US;
    return usable ? ev->event_time : ev->received;
}
