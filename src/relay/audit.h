/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_H
#define RELAY_RELAY_AUDIT_H

/*
 * The audit: does Kafka hold what the journal says that it holds (promises P2, P3, P11)?
 *
 * Reads every topic back and holds each record that names this journal against its row. Pure logic
 * over two doors, one to the journal and one to the topics; it writes nothing. It may run beside
 * the relay: of each topic it takes first the cursors, then the ends, then lanes and rows. So what
 * is published meanwhile lies beyond those cursors: it is complete when it is before the ends, and
 * waiting when it is not.
 *
 * What is judged
 *  - An event up to its lane's cursor and never parked must be there: complete, else missing.
 *  - A second record of an event must say relay-possible-duplicate; else it is unlabelled.
 *  - The first records of a key stand in one partition in the order of seq (promise P3). Between
 *    partitions there is no order to judge.
 *  - A record must be what record.c makes of its row (audit_record.h); else it is altered.
 *  - A record must have a row in a lane of its topic; else, unless retention took the row, it is
 *    unknown.
 *  - A row whose checksum does not hold is damaged: its record cannot be judged.
 *  - Of rows that retention took only the records' headers tell: a seq that a record names as its
 *    relay-prev-seq, that has no record and was never parked, is a hole.
 *  - A replay (relay-replay) is counted by itself; it is held against its row and nothing else.
 *
 * Expired. Kafka deletes a partition's oldest records. An event without a record counts as expired,
 * which is no finding, when a partition of its topic begins above offset 0 and either every record
 * of its lane that is there has a higher seq, or it may have been in such a partition below that
 * one's first record of the lane. It may have been in the partition of its key, as long as every
 * record that is there is where the default partitioner puts it; otherwise in any. So
 * what Kafka deleted is not called missing (unless partitions were added and nothing that is older
 * is left to show it); what is missing below such a line cannot be told from it.
 *
 * Elsewhere. What was published before journal rebind or renew has another relay-journal or is in
 * another cluster. An event up to the lane's cursor of that moment that is not there is no finding.
 *
 * Since. With opts.since a topic is read from where the records of the events in question can begin
 * (audit_start.h), and rows before them are passed over. The counts of records are then of what was
 * read.
 *
 * Memory: opts.memory_bytes (M), whatever the number of events, and beside it 1 KiB a lane, 8 bytes
 * for each pair of a lane and a partition of one topic, and what the doors hold (KAFKA_READER_*).
 *  - rows of a pass, AUDIT_ROWS_BYTES (12) each: 15/16 M, or 12/16 M when there are deleted rows;
 *  - deleted rows, 2 bits for each seq of a pass and each lane of the topic: 3/16 M;
 *  - suspects of order, AUDIT_ORDER_BYTES (40) each: 1/16 M.
 * A topic takes as many passes as its rows or its seqs demand, and each reads it whole: with 64 MiB
 * one for each 5.2 million rows of a lane that has the topic for itself.
 *
 * Threads: one.
 */

#include "base/clock.h"
#include "journal/journal_audit.h"
#include "kafka/kafka_reader.h"

#define AUDIT_MEMORY_DEFAULT_BYTES (64u << 20)
#define AUDIT_MEMORY_MIN_BYTES     1024u

/* The functions of journal_audit.h. */
struct audit_journal {
    void *ctx;
    enum status (*lanes)(void *ctx, journal_audit_lane_fn *fn, void *arg, struct err *e);
    enum status (*rows)(void *ctx, const struct journal_audit_want *want, journal_audit_row_fn *fn,
                        void *arg, int64_t *count, struct err *e);
    enum status (*row)(void *ctx, int64_t seq, journal_audit_row_fn *fn, void *arg, struct err *e);
    enum status (*parked)(void *ctx, void (*fn)(void *arg, const struct journal_audit_parked *),
                          void *arg, struct err *e);
    enum status (*was_parked)(void *ctx, int64_t seq, bool *out, struct err *e);
    enum status (*last_seq)(void *ctx, int64_t *seq, struct err *e);
};

/* The functions of kafka_reader.h. */
struct audit_feed {
    void *ctx;
    enum status (*open)(void *ctx, const char *topic, int *partitions, struct err *e);
    enum status (*span)(void *ctx, int partition, int64_t *low, int64_t *end, struct err *e);
    enum status (*read)(void *ctx, int partition, int64_t from, kafka_reader_fn *fn, void *arg,
                        struct err *e);
    /* The first record with a timestamp at or after t; the end when there is none. */
    enum status (*find)(void *ctx, int partition, struct wall t, int64_t *offset, struct err *e);
    int (*place)(void *ctx, struct slice key);
};

enum audit_kind {
    AUDIT_MISSING,
    AUDIT_HOLE, /* missing, as the headers of others tell */
    AUDIT_UNLABELLED,
    AUDIT_DISORDERED,
    AUDIT_ALTERED,
    AUDIT_UNKNOWN,
    AUDIT_DAMAGED, /* in the journal */
    AUDIT_KINDS
};
/* "missing", "hole", "unlabelled", "disordered", "altered", "unknown", "damaged". */
const char *audit_kind_name(enum audit_kind kind);

struct audit_lane {
    int64_t id; /* 0: records of this journal that name no lane of the topic */
    const char *source;
    const char *topic;
    int64_t found[AUDIT_KINDS];
    /* Events. */
    int64_t complete; /* there and intact */
    int64_t waiting;  /* beyond the cursor, and not there */
    int64_t parked;
    int64_t requeued;  /* parked, then given a new place */
    int64_t discarded; /* parked, then given up */
    int64_t expired;   /* deleted by Kafka */
    int64_t elsewhere; /* published before the journal was bound anew or renewed, and not there */
    int64_t pruned;    /* there; the row is deleted */
    /* Records. */
    int64_t repeated; /* beyond an event's first, labelled or not */
    int64_t replayed;
};

struct audit_finding {
    enum audit_kind kind;
    const struct audit_lane *lane;
    int64_t seq; /* 0: the record has none */
    int32_t partition;
    int64_t offset; /* -1, with partition -1: there is no record */
    const char *detail;
};

struct audit_opts {
    const struct audit_journal *journal;
    const struct audit_feed *feed;
    const char *journal_id;
    int64_t lane;      /* only this one; 0: all */
    struct wall since; /* only events that were received at or after it */
    struct wall until; /* and before this one; INT64_MAX: no bound */
    size_t memory_bytes;
    void (*on_finding)(void *ctx, const struct audit_finding *finding);
    /* May be NULL; every AUDIT_PROGRESS_STEP records. of is an estimate, from the offsets. */
    void (*on_progress)(void *ctx, const char *topic, int pass, int64_t records, int64_t of);
    /* Once for each lane, in the order of topics; lane is gone when it returns. */
    void (*on_lane)(void *ctx, const struct audit_lane *lane);
    void *ctx;
};
#define AUDIT_PROGRESS_STEP 10000

struct audit_result {
    int64_t findings;
    int64_t records; /* of this journal */
    int64_t foreign; /* of others: not judged */
    int passes;      /* of the topic that took most */
};

/* ST_NOT_FOUND: no such lane. Otherwise what the doors say. A topic that is not there holds
 * nothing, which is no error. */
MUST_CHECK enum status audit_run(const struct audit_opts *opts, struct audit_result *out,
                                 struct err *e);

#endif
