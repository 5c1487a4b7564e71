/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_JOURNAL_READER_H
#define RELAY_JOURNAL_JOURNAL_READER_H

/*
 * Reading the journal beside its writer, over a read-only connection that cannot checkpoint.
 *
 * Every call is one short read transaction, unless it stands between begin and end: no reader pins
 * the WAL for longer than that.
 *
 * Threads: a reader belongs to the thread that first uses it.
 */

#include "event/event.h"

struct journal_reader;

/* ST_NOT_FOUND or ST_DENIED: no such journal. */
MUST_CHECK enum status journal_reader_open(struct journal_reader **out, const char *path,
                                           const char *vfs, struct err *e);
void journal_reader_close(struct journal_reader *r);
/* The next thread that calls owns it. */
void journal_reader_hand_over(struct journal_reader *r);

struct journal_lane {
    int64_t id;
    int64_t source;
    char org[64];
    char source_name[64];
    char topic[256];
    int64_t cursor; /* published or parked up to here */
    int64_t mark;
};

/* Calls on_lane for each lane with an id above after, in order of id. */
MUST_CHECK enum status journal_reader_lanes(struct journal_reader *r, int64_t after,
                                            void (*on_lane)(void *arg, const struct journal_lane *),
                                            void *arg, struct err *e);

/* One event as it stands in the journal. */
struct journal_row {
    int64_t seq;
    int64_t prev;
    int64_t lane;
    int64_t source;
    int64_t parent;
    bool intact;     /* its checksum holds; else nothing below may be trusted */
    struct event ev; /* slices into this row; topic, content_headers and reason are not filled for
                        rows of a lane */
};

/*
 * The reads up to the end are one transaction: they see one state of the journal, and pages that
 * several of them want are read from the file once. A pair brackets one turn of its caller, never a
 * wait: the WAL cannot start over meanwhile. A begin that fails leaves nothing to end.
 */
MUST_CHECK enum status journal_reader_begin(struct journal_reader *r, struct err *e);
void journal_reader_end(struct journal_reader *r);

/*
 * Shows rows of a lane with seq > after in order to on_row: at most max_rows, and no further row
 * once max_bytes of bodies are reached, or when on_row returns false. A row and its bytes are
 * SQLite's and valid inside on_row only, which must not call the reader: a copy of each would cost
 * the forwarder a tenth of its time. *count is how many were shown; 0 at the end of the lane.
 */
struct journal_slice {
    int64_t lane;
    int64_t after;
    size_t max_rows;
    size_t max_bytes;
};
MUST_CHECK enum status journal_read_lane(struct journal_reader *r, const struct journal_slice *want,
                                         bool (*on_row)(void *arg, const struct journal_row *),
                                         void *arg, size_t *count, struct err *e);
/*
 * The same for the rows of all lanes, and of none, together. Whose a damaged row is only
 * journal_read_lane() knows. *is_end: no row stands behind those that were shown.
 */
struct journal_span {
    int64_t after;
    size_t max_rows;
    size_t max_bytes;
};
MUST_CHECK enum status journal_read_span(struct journal_reader *r, const struct journal_span *want,
                                         bool (*on_row)(void *arg, const struct journal_row *),
                                         void *arg, bool *is_end, struct err *e);
/* A copy of one event by its seq, freed with journal_row_free(). ST_NOT_FOUND. */
MUST_CHECK enum status journal_read_event(struct journal_reader *r, int64_t seq,
                                          struct journal_row **row, struct err *e);
/* The checksum that is stored with an event, without reading the rest. ST_NOT_FOUND. */
MUST_CHECK enum status journal_read_checksum(struct journal_reader *r, int64_t seq,
                                             uint32_t *checksum, struct err *e);
/* NULL is a no-op. */
void journal_row_free(struct journal_row *row);

/* A value of the meta table ("journal_id"); ST_NOT_FOUND. */
MUST_CHECK enum status journal_read_meta(struct journal_reader *r, const char *name, char *out,
                                         size_t size, struct err *e);

struct journal_pause {
    char scope[96]; /* "all", "source:NAME", "lane:ID" */
    struct wall since;
    char who[65];
    char why[257];
};
/* Calls on_pause for each pause in force. */
MUST_CHECK enum status journal_read_pauses(struct journal_reader *r,
                                           void (*on_pause)(void *arg,
                                                            const struct journal_pause *),
                                           void *arg, struct err *e);

struct journal_parked {
    int64_t seq;
    int64_t lane; /* 0: parked at birth */
    int64_t source;
    struct wall parked;
    bool quarantined;
    char topic[256]; /* of its lane; "" without one */
    char type[128];
    char reason[321];
    uint64_t body_bytes;
};
/* Calls on_parked for events that wait for a person with seq > after, in order, at most max. */
MUST_CHECK enum status journal_read_parked(struct journal_reader *r, int64_t after, int64_t max,
                                           void (*on_parked)(void *arg,
                                                             const struct journal_parked *),
                                           void *arg, struct err *e);

/* Of one lane: how many events lie beyond its cursor, and when the first of them was received (0:
 * none). Walks the lane's index. */
MUST_CHECK enum status journal_read_backlog(struct journal_reader *r, int64_t lane, int64_t cursor,
                                            int64_t *events, struct wall *oldest, struct err *e);

/* The seq of the newest event that was ever committed, 0 before the first. */
MUST_CHECK enum status journal_read_last_seq(struct journal_reader *r, int64_t *seq, struct err *e);

struct journal_counts {
    int64_t events;
    int64_t first_seq, last_seq;   /* 0 when there are none */
    int64_t unpublished;           /* in lanes, beyond their cursors */
    int64_t oldest_unpublished_us; /* received time; 0 when there are none */
    int64_t parked;                /* waiting for a person; quarantined ones too */
    int64_t quarantined;
};
/* Counts by walking indexes: linear in the backlog; for commands and slow polls. */
MUST_CHECK enum status journal_count(struct journal_reader *r, struct journal_counts *out,
                                     struct err *e);

#endif
