/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_EVENT_EVENT_H
#define RELAY_EVENT_EVENT_H

/*
 * The event record: what the relay knows of one delivery beside its bytes.
 *
 * Only data; no module keeps state here. All slices are borrowed from whoever filled the record.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"

/* How an event came into the journal. Stored as numbers: append only. */
enum event_origin {
    EVENT_ORIGIN_WEBHOOK = 0,
    EVENT_ORIGIN_BACKFILL = 1,
    EVENT_ORIGIN_REQUEUE = 2,
    EVENT_ORIGIN_DEAD_LETTER = 3, /* the copy of a parked event, for another topic */
};
/* "webhook", "backfill", "requeue", "dead_letter": the relay-origin header; "unknown" for a number
 * that this version does not know. */
const char *event_origin_name(enum event_origin origin);

/* Stored as bits: append only. */
enum event_flag {
    EVENT_QUARANTINED = 1 << 0, /* no valid envelope: parked at birth */
    EVENT_PING = 1 << 1,        /* Gladly's test delivery: never published */
    EVENT_CONFLICT = 1 << 2,    /* the same id came before with other bytes (promise P9) */
    EVENT_UNROUTED = 1 << 3,    /* journaled, by configuration not published */
    EVENT_HAS_TIME = 1 << 4,    /* event_time holds the event's own timestamp */
    EVENT_OVERSIZE = 1 << 5,    /* larger than Kafka takes: parked at birth */
};

struct event {
    struct slice body;
    struct slice id;    /* empty: none, then it is never a duplicate */
    struct slice type;  /* "CONTACT/STARTED"; empty when quarantined */
    struct slice key;   /* of the Kafka record; empty: none */
    struct slice topic; /* where it is to be published; empty: nowhere */
    struct slice trace; /* "traceparent" or "traceparent\ntracestate"; empty: none */
    /*
     * "Name: value\n" lines: of a quarantined event the content headers of its delivery; of a dead
     * letter those, then Relay-Park-Reason and, when its body is left out, Relay-Body-Omitted with
     * the body's bytes. Else empty.
     */
    struct slice content_headers;
    struct slice reason; /* quarantined or oversize: why, for people */
    struct wall received;
    struct wall event_time; /* valid with EVENT_HAS_TIME */
    unsigned flags;         /* of enum event_flag */
    enum event_origin origin;
};

/*
 * The timestamp of its Kafka record: its own, or the received time when that is missing, later than
 * received, or not at least one millisecond after 1970 began: Kafka has no negative timestamps
 * (org.apache.kafka.common.record.DefaultRecord) and librdkafka reads 0 as "now".
 */
struct wall event_record_time(const struct event *ev);

#endif
