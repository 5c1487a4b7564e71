/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_TRUTH_H
#define SIM_SIM_TRUTH_H

/*
 * What the world outside the relay knows: what senders sent and how it was answered, which rows the
 * journal must therefore hold, and what Kafka's logs hold. It survives every crash of the relay.
 *
 * Each call that learns something compares it with what was known before, and reports a broken
 * promise to the trace. Threads: one.
 */

#include "journal/journal.h"
#include "kafka/publisher.h"
#include "sim/sim_content.h"
#include "sim/sim_trace.h"

#define SIM_PARTITIONS      3
#define SIM_SUBMISSIONS_MAX 1024
/* Seqs that a schedule may skip to have a journal that was used for long. */
#define SIM_AGE_MAX 30000
/* Requeues that operators ask for. */
#define SIM_REQUEUES_MAX 64
/* Every submission and every requeue makes at most one row. */
#define SIM_ROWS_MAX (SIM_SUBMISSIONS_MAX + SIM_REQUEUES_MAX + SIM_AGE_MAX)

enum sim_fate {
    SIM_WAITS,   /* no answer yet */
    SIM_OK,      /* answered OK: stored under seq, or a duplicate of seq */
    SIM_REFUSED, /* answered "not stored" */
    SIM_UNKNOWN, /* answered "unknown", or the relay died before the answer */
    SIM_FOUND,   /* was unknown; a restart found it in the journal under seq */
};

struct sim_submission {
    const struct sim_content *content;
    struct wall received;
    enum sim_fate fate;
    int64_t seq;
};

/* A row that the journal must hold. */
struct sim_row {
    const struct sim_content *content;
    struct wall received;
    struct wall window_base; /* from when on its place in the dedupe window counts */
    int64_t prev;            /* the row before it in its lane */
    int64_t skipped_to;      /* without content: no row up to this seq */
    bool conflict;
    bool in_kafka;
    bool parked;
    bool settled;           /* parked once; an operator has requeued or discarded it */
    bool requeued;          /* an operator was told so */
    bool below_cursor;      /* a restart found it published */
    bool delivered_in_life; /* this process of the relay has its delivery report */
    bool is_answered;       /* a sender was told OK */
    bool gone;              /* a check found it deleted */
    bool seen;              /* by the check that runs */
};

struct sim_truth;

struct sim_truth *sim_truth_create(struct sim_trace *trace);
void sim_truth_destroy(struct sim_truth *t);
/* Forgets everything; window_ms is the relay's. once: consumers may see no event twice, labelled or
 * not. */
void sim_truth_begin(struct sim_truth *t, int64_t window_ms, bool once);
bool sim_truth_is_once(const struct sim_truth *t);

/* ---- the senders ---- */

/* A submission's number; -1 when SIM_SUBMISSIONS_MAX is reached. */
int sim_truth_submit(struct sim_truth *t, const struct sim_content *content, struct wall now);
const struct sim_submission *sim_truth_submission(const struct sim_truth *t, int number);

/* How a submission was answered, and when. For ST_OK out says what was stored and base when the
 * batch's first id was received. */
struct sim_answer {
    enum status status;
    struct wall now;
    struct journal_appended out;
    struct wall base;
};
void sim_truth_answer(struct sim_truth *t, int number, const struct sim_answer *answer);
/* The relay died: whoever waits will never know. */
void sim_truth_relay_died(struct sim_truth *t);
/* Somebody is not sure what became of a submission. */
bool sim_truth_has_unknown(const struct sim_truth *t);
/* The relay had to shorten its dedupe window: repeats may pass from now on. */
void sim_truth_window_short(struct sim_truth *t);

/* ---- the journal, as a restart finds it ---- */

int64_t sim_truth_last_seq(const struct sim_truth *t);
/* The journal's next seqs were used up by events that are long gone. False: too many of them. */
bool sim_truth_skip(struct sim_truth *t, int64_t seqs);
int sim_truth_submission_count(const struct sim_truth *t);
/* NULL when no such row is known. */
struct sim_row *sim_truth_row(struct sim_truth *t, int64_t seq);
/* Of the first known row behind seq; beyond sim_truth_last_seq() when there is none. */
int64_t sim_truth_next(const struct sim_truth *t, int64_t seq);
/* A row of the journal that nobody was told of: makes it known, or fails when no sender can have
 * sent it. */
struct sim_found {
    int64_t seq;
    int source;
    int64_t parent; /* 0: it is no requeue */
    struct event ev;
    struct wall now;
};
void sim_truth_found(struct sim_truth *t, const struct sim_found *found);
/* Nothing unknown was left: what was not found was never stored. */
void sim_truth_all_found(struct sim_truth *t);

/* ---- operators ---- */

/* Scopes that they pause and resume. */
#define SIM_SCOPES 3
extern const char *const sim_truth_scope[SIM_SCOPES];
/* From now on nothing of it may go to Kafka; or something may. */
void sim_truth_pause(struct sim_truth *t, int scope, bool paused);
bool sim_truth_is_paused(const struct sim_truth *t, const struct sim_content *content);
/* There is a lane:1. */
bool sim_truth_has_lane(const struct sim_truth *t);

/* A requeue is asked for, as this content. Its number; -1 at SIM_REQUEUES_MAX. */
int sim_truth_requeue(struct sim_truth *t, const struct sim_content *content);
/* How it ended: the successor's seq; 0: nothing was done. Without this call nobody knows. */
void sim_truth_requeued(struct sim_truth *t, int number, int64_t seq);
/* An operator was told that the parked event of this seq is requeued, or discarded. */
void sim_truth_settled(struct sim_truth *t, int64_t seq, bool requeued);

/* ---- Kafka ---- */

/* A record that the relay produces: compares it with its row; returns its seq, 0 after a failure.
 */
int64_t sim_truth_produced(struct sim_truth *t, const struct publisher_record *rec,
                           const char *journal_id);
/* What a record says of its row that is the same in a replay, but for the topic. */
void sim_truth_compare(struct sim_truth *t, const struct publisher_record *rec, int64_t seq,
                       const char *topic);
/* A header of a record; empty when it has none of this name. As a number: -1 when it is none. */
struct slice sim_truth_header(const struct publisher_record *rec, const char *name);
int64_t sim_truth_header_number(const struct publisher_record *rec, const char *name);
/* A consumer that reads committed records can see the one of this row from now on; labelled: as a
 * possible duplicate. */
void sim_truth_appended(struct sim_truth *t, int64_t seq, bool labelled);
/* The relay has heard that it is. */
void sim_truth_reported(struct sim_truth *t, int64_t seq);
/* Reads the logs as a consumer does and follows relay-prev-seq (promise P11). */
void sim_truth_check_chains(struct sim_truth *t);

#endif
