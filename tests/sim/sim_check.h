/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_CHECK_H
#define SIM_SIM_CHECK_H

/*
 * Holds the journal's file against the truth: over a read-only connection of its own, with SQL of
 * its own, so that it shares no code with what it checks.
 *
 * Threads: one.
 */

#include "sim/sim_replays.h"

struct sqlite3;

struct sim_check {
    struct sqlite3 **kept; /* the connection, opened with the first check; closed by
                              sim_check_leave(), before the machine's other connections */
    const char *path;
    const char *vfs;
    struct sim_truth *truth;
    struct sim_replays *replays;
    struct sim_trace *trace;
    struct wall now;
    int64_t retention_ms; /* published rows younger than this must still be there; -1: not known */
    bool is_final;        /* everything must be published or parked */
    bool is_quiet;        /* faults may be armed: a failure to read says nothing */
};

/*
 * After a start and before the relay does anything: makes rows known that nobody was told of, and
 * checks promises P1, P2, P4, P6, P7, P9 and P11 on every row, lane and parked event.
 */
void sim_check_journal(const struct sim_check *c);

/* What an operator sees: the newest parked events that wait, up to max. Returns how many. */
int sim_check_parked(const struct sim_check *c, int64_t *seqs, int max);
/* Marks the truth's rows that the journal holds as seen. False: it could not be read. */
bool sim_check_mark_seen(const struct sim_check *c);

/* Closes the connection. */
void sim_check_leave(struct sqlite3 **kept);

/* Whether every lane's cursor is at its last row, and every replay at its end. */
bool sim_check_is_drained(const struct sim_check *c);

/* Planted: deletes the newest row that is not published, as no part of the relay may. */
void sim_check_delete_unpublished(const struct sim_check *c);
/* Uses up the next seqs, as a journal does that ran for long; the process must not run. Nothing is
 * done to one that has no events yet, or is as old as it can get here. */
void sim_check_age(const struct sim_check *c, int64_t seqs);

#endif
