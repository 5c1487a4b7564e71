/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_REPLAYS_H
#define RELAY_JOURNAL_REPLAYS_H

/*
 * The replays that operators asked for: what each publishes again, how far it is, how it ended.
 *
 * The one that runs is the oldest in state running; the others of that state wait for it. Each
 * change by an operator leaves its row of who, when and why in the same transaction. What retention
 * deletes before a replay has come to it is counted in the transaction that deletes it: a replay
 * never holds back retention, and never loses an event in silence.
 *
 * Threads: functions that take a journal: the writer's, inside a transaction. A struct replays
 * belongs to the thread that first uses it.
 */

#include "event/selection.h"
#include "journal/action_note.h"
#include "journal/journal.h"
#include "journal/replays_gone.h"

#define REPLAYS_REASON_MAX 200
#define REPLAYS_TOPIC_MAX  249
#define REPLAYS_RATE_MAX   1000000

/* Numbers of the table's state column: append only. */
enum replays_state {
    REPLAYS_RUNNING = 0, /* or waits for its turn */
    REPLAYS_PAUSED = 1,
    REPLAYS_DONE = 2,
    REPLAYS_CANCELLED = 3,
    REPLAYS_FAILED = 4,
};
/* "running", "paused", "done", "cancelled", "failed". */
const char *replays_state_name(enum replays_state state);

struct replay {
    int64_t id;
    enum replays_state state;
    char selection[SELECTION_JSON_MAX]; /* as JSON (event/selection.h) */
    char topic[REPLAYS_TOPIC_MAX + 1];  /* "": each event's own */
    int64_t rate;                       /* events a second; 0: no limit */
    int64_t first;                      /* where it began: position at its birth */
    int64_t position;                   /* done with everything selected up to here */
    int64_t last;                       /* where it ends */
    int64_t mark;                       /* nothing beyond it was ever handed to Kafka */
    int64_t published;                  /* records that Kafka confirmed */
    int64_t failed;                     /* records that Kafka refused, and damaged rows */
    int64_t gone;                       /* pruned before it came to them; such as were in the air at
                                           that moment can count as published too */
    char failure[REPLAYS_REASON_MAX +
                 1];                    /* why the last one of `failed` was; of state failed: why */
    char waits[REPLAYS_REASON_MAX + 1]; /* why nothing goes now; "" when something does */
    struct wall created;
    struct wall changed;
    char who[ACTION_WHO_MAX + 1];
    char why[ACTION_WHY_MAX + 1];
};

/* ---- the writer's side ---- */

struct replays_order {
    const struct selection *which;
    int64_t after; /* what is selected lies in (after, last] (journal_select_bounds) */
    int64_t last;
    const char *topic; /* "": each event's own; else legal for Kafka */
    int64_t rate;
};
/* *id is its number. ST_BAD_INPUT: who or why. ST_TOO_BIG: REPLAYS_OPEN_MAX are open; nothing was
 * written. */
MUST_CHECK enum status replays_create(struct journal *j, const struct replays_order *order,
                                      const struct action_by *by, int64_t *id, struct err *e);
/*
 * An operator's change: running to paused and back, either to cancelled. ST_NOT_FOUND: there is no
 * such replay, or it is in no state for that; nothing was written.
 */
MUST_CHECK enum status replays_set_state(struct journal *j, int64_t id, enum replays_state state,
                                         const struct action_by *by, struct err *e);

/* How far one is. Everything is absolute, so that it may be written twice. */
struct replays_progress {
    int64_t id; /* 0: none */
    int64_t position;
    int64_t mark;
    int64_t published;
    int64_t failed;
    bool is_over;           /* it becomes `end`, unless an operator has ended it */
    enum replays_state end; /* REPLAYS_DONE or REPLAYS_FAILED */
    uint64_t serial;        /* of the sender, who hears what was committed; not stored */
    char failure[REPLAYS_REASON_MAX + 1];
    char waits[REPLAYS_REASON_MAX + 1];
};
MUST_CHECK enum status replays_progress(struct journal *j, const struct replays_progress *p,
                                        struct err *e);

/* Everything that open replays still send may be a repeat: as if it had been handed to Kafka
 * before, and nobody knows. Their marks go to their ends. */
MUST_CHECK enum status replays_suspect(struct journal *j, struct err *e);

/* ---- the reader's side ---- */

struct replays;

/* Over a read-only connection of its own. ST_NOT_FOUND or ST_DENIED: no such journal. */
MUST_CHECK enum status replays_open(struct replays **out, const char *path, const char *vfs,
                                    struct err *e);
/* NULL is a no-op. */
void replays_close(struct replays *r);
/* The next thread that calls owns it. */
void replays_hand_over(struct replays *r);

/* Calls fn for the newest max replays, from the newest down. */
MUST_CHECK enum status replays_list(struct replays *r, size_t max,
                                    void (*fn)(void *arg, const struct replay *), void *arg,
                                    struct err *e);
/* ST_NOT_FOUND. */
MUST_CHECK enum status replays_one(struct replays *r, int64_t id, struct replay *out,
                                   struct err *e);
/* The one whose turn it is. ST_NOT_FOUND: none is to run. */
MUST_CHECK enum status replays_first(struct replays *r, struct replay *out, struct err *e);

#endif
