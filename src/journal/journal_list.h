/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_JOURNAL_LIST_H
#define RELAY_JOURNAL_JOURNAL_LIST_H

/*
 * What operators look up in the journal: lists of events, what became of an event, what operators
 * did. Reads over a read-only connection of its own, beside the writer.
 *
 * Type and key have no index, on purpose (schema.c): a filtered list looks at a bounded number of
 * rows and says how far it came. Read transactions are short, and no body is read.
 *
 * Threads: a list belongs to the thread that first uses it.
 */

#include "event/event.h"

struct journal_list;

/* ST_NOT_FOUND or ST_DENIED: no such journal. */
MUST_CHECK enum status journal_list_open(struct journal_list **out, const char *path,
                                         struct err *e);
/* NULL is a no-op. */
void journal_list_close(struct journal_list *l);

/* What became of an event; numbers of the parked table's state column where that has one. */
enum journal_fate {
    JOURNAL_PUBLISHED, /* Kafka has confirmed it */
    JOURNAL_WAITS,     /* beyond its lane's cursor */
    JOURNAL_KEPT,      /* never meant for Kafka: a PING, or kept out by configuration */
    JOURNAL_PARKED,    /* waits for a person */
    JOURNAL_REQUEUED,  /* was parked; its successor has its place */
    JOURNAL_DISCARDED, /* was parked; a person gave it up */
};
/* "published", "waits", "kept", "parked", "requeued", "discarded". */
const char *journal_fate_name(enum journal_fate fate);

/* An event without its body. The slices are borrowed until the callback returns. */
struct journal_listed {
    int64_t seq;
    int64_t lane; /* 0: none */
    const char *source;
    const char *topic; /* of its lane; "" without one */
    struct wall received;
    unsigned flags; /* of enum event_flag */
    enum event_origin origin;
    int64_t parent; /* of a requeue: the parked seq; else 0 */
    enum journal_fate fate;
    struct slice type;
    struct slice id;
    struct slice key;
    int64_t body_bytes;
};
typedef void journal_listed_fn(void *arg, const struct journal_listed *event);

/* At most so many rows are looked at in one call: some ten milliseconds. */
#define JOURNAL_LIST_SCAN_MAX 20000

#define JOURNAL_LIST_NEWEST (-1)

struct journal_query {
    int64_t after;       /* events with a higher seq, in order; or JOURNAL_LIST_NEWEST: the newest,
                            from the newest down */
    size_t max;          /* events that fn is called for at most */
    struct slice source; /* name; empty ones match everything */
    struct slice type;
    struct slice key;
    journal_listed_fn *fn;
    void *arg;
};

struct journal_listing {
    int64_t last; /* seq of the last row that was looked at: where to go on */
    bool at_end;  /* there was nothing more to look at in this direction */
};

/* Calls fn for the events that match. */
MUST_CHECK enum status journal_list_events(struct journal_list *l, const struct journal_query *q,
                                           struct journal_listing *out, struct err *e);
/* One event by its seq. ST_NOT_FOUND. */
MUST_CHECK enum status journal_list_one(struct journal_list *l, int64_t seq, journal_listed_fn *fn,
                                        void *arg, struct err *e);

/* The row of an event that is or was parked. */
struct journal_parking {
    enum journal_fate fate;
    struct wall parked;
    struct wall settled; /* 0: it waits */
    int64_t successor;   /* of a requeue */
    char reason[321];
    char settled_by[65];
    char settled_why[257];
};
/* ST_NOT_FOUND: never parked. */
MUST_CHECK enum status journal_list_parking(struct journal_list *l, int64_t seq,
                                            struct journal_parking *out, struct err *e);
/* How many wait for a person, and how many of them are quarantined. */
MUST_CHECK enum status journal_list_parked_count(struct journal_list *l, int64_t *parked,
                                                 int64_t *quarantined, struct err *e);

/* What an operator did. */
struct journal_action {
    int64_t id;
    struct wall at;
    char who[65];
    char action[32]; /* "pause", "resume", "requeue", "discard" */
    char target[128];
    char why[257];
};
/* Calls fn for the newest max actions, from the newest down. */
MUST_CHECK enum status journal_list_actions(struct journal_list *l, size_t max,
                                            void (*fn)(void *arg, const struct journal_action *),
                                            void *arg, struct err *e);

/*
 * The first event in the order of seq that was received at or after since, and the newest of all
 * with its time; zeros when there is none. Received times grow with seq but for the few requests
 * that share a commit, so it is found by halving: some twenty look-ups.
 */
struct journal_recent {
    int64_t first_seq;
    int64_t last_seq;
    struct wall last_received;
};
MUST_CHECK enum status journal_list_recent(struct journal_list *l, struct wall since,
                                           struct journal_recent *out, struct err *e);

#endif
