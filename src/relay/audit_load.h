/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_LOAD_H
#define RELAY_RELAY_AUDIT_LOAD_H

/*
 * Fills a window of rows from the journal: each with the digest of the record that it should be,
 * and what became of it.
 *
 * Keeps no state. Threads: one.
 */

#include "relay/audit_lanes.h"
#include "relay/audit_rows.h"

/* A row's state: what became of it, and what was seen of it. */
enum audit_load_state {
    AUDIT_LOAD_PUBLISHED,
    AUDIT_LOAD_WAITS,
    AUDIT_LOAD_PARKED,
    AUDIT_LOAD_REQUEUED,
    AUDIT_LOAD_DISCARDED,
    AUDIT_LOAD_DAMAGED,
    AUDIT_LOAD_OUTSIDE, /* of the time that is asked for */
    AUDIT_LOAD_FATE = 0x0f,
    AUDIT_LOAD_SEEN = 0x10,
    AUDIT_LOAD_INTACT = 0x20,
};

/* Rows with after < seq <= *upto of the wanted lanes. *upto becomes less when they do not all fit:
 * up to there the window is complete. */
MUST_CHECK enum status audit_load_rows(struct audit_lanes *lanes, struct audit_rows *rows,
                                       const struct ident *digest_key, int64_t after, int64_t *upto,
                                       struct err *e);

#endif
