/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_RECORD_H
#define RELAY_RELAY_AUDIT_RECORD_H

/*
 * A record of a topic as an audit sees it: what its headers say, and whether it is what the journal
 * row says that it should be.
 *
 * The expected record is made by record.c, as the forwarder makes it, so the two cannot drift
 * apart. Compared are key, value, ce_id, ce_type and relay-prev-seq; of a replay all but the last.
 *
 * Keeps no state. Threads: re-entrant.
 */

#include "base/ident.h"
#include "journal/journal_audit.h"
#include "kafka/kafka_reader.h"
#include "relay/record.h"

struct audit_record {
    const struct kafka_reader_record *in; /* borrowed */
    bool is_ours;                         /* it names this journal */
    bool is_labelled;                     /* relay-possible-duplicate: true */
    bool is_replay;                       /* relay-replay is there */
    int64_t seq;                          /* 0: none, or malformed */
    int64_t prev;                         /* likewise */
    struct wall received;
    struct slice source; /* the last part of ce_source; empty: none */
    struct slice id;     /* the others as they are; ptr NULL: not there */
    struct slice type;
    struct slice prev_text;
};

/* Reads a record's headers; out borrows from in. */
void audit_record_read(struct audit_record *out, const struct kafka_reader_record *in,
                       const char *journal_id);

/* Where an expected record lives. */
struct audit_expected {
    struct record made;
    struct kafka_reader_record in;
    struct audit_record record;
};
/* The record that the row should be; out borrows from row and origin. */
void audit_record_expect(struct audit_expected *out, const struct journal_row *row,
                         const struct record_origin *origin);

/* A digest over all that is compared. */
struct ident audit_record_digest(const struct audit_record *record, const struct ident *key);

#define AUDIT_DIFFERENCE_MAX 64
/* Names what differs, "key, value"; false: nothing does. */
bool audit_record_differs(const struct audit_record *a, const struct audit_record *b,
                          char out[AUDIT_DIFFERENCE_MAX]);

#endif
