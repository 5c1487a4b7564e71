/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_RECORD_H
#define RELAY_RELAY_RECORD_H

/*
 * From a journal row to a Kafka record: key, value, headers, timestamp. The one place that knows
 * what consumers see.
 *
 * Headers follow the CloudEvents Kafka protocol binding 1.0, binary content mode (ce_*,
 * content-type), plus relay-* headers by which a consumer checks the feed itself (promise P11). A
 * copy of a parked event says what it is the copy of, and why that was parked. README.md, "What a
 * record looks like", is the consumers' text.
 *
 * Threads: re-entrant.
 */

#include "journal/journal_reader.h"
#include "kafka/publisher.h"

#define RECORD_TEXT_MAX 512

struct record_origin {
    const char *journal_id;
    const char *org;
    const char *source;
    const char *topic;
};

/* Scratch that the record's headers point into; one for each record that is being built. */
struct record {
    struct publisher_record out;
    struct publisher_header headers[PUBLISHER_HEADERS_MAX];
    char text[RECORD_TEXT_MAX]; /* numbers and times as text */
    size_t text_len;
};

/* Adds relay-possible-duplicate: true to a record that was built. */
void record_label_repeat(struct record *r);

/* Adds relay-replay with the replay's number to a record that was built. The other headers stay
 * what they were at first, relay-origin too. */
void record_label_replay(struct record *r, int64_t replay);

/* Fills r->out from row; it borrows from row, origin and r. tag is passed through to the report. */
void record_build(struct record *r, const struct journal_row *row,
                  const struct record_origin *origin, uint64_t tag);

#endif
