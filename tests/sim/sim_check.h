/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_CHECK_H
#define SIM_SIM_CHECK_H

/*
 * Holds the journal's file against the truth: over a read-only connection of its own, with SQL of
 * its own, so that it shares no code with what it checks.
 *
 * Threads: one.
 */

#include "sim/sim_truth.h"

struct sim_check {
    const char *path;
    const char *vfs;
    struct sim_truth *truth;
    struct sim_trace *trace;
    struct wall now;
    int64_t retention_ms; /* published rows younger than this must still be there; -1: not known */
    bool is_final;        /* everything must be published or parked */
};

/*
 * After a start and before the relay does anything: makes rows known that nobody was told of, and
 * checks promises P1, P2, P4, P6, P7, P9 and P11 on every row, lane and parked event.
 */
void sim_check_journal(const struct sim_check *c);

/* Whether every lane's cursor is at its last row. */
bool sim_check_is_drained(const struct sim_check *c);

/* Planted: deletes the newest row that is not published, as no part of the relay may. */
void sim_check_delete_unpublished(const struct sim_check *c);
/* Uses up the next seqs, as a journal does that ran for long; the process must not run. Nothing is
 * done to one that has no events yet, or is as old as it can get here. */
void sim_check_age(const struct sim_check *c, int64_t seqs);

#endif
