/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_JOURNAL_H
#define RELAY_JOURNAL_JOURNAL_H

/*
 * The durable outbox: every accepted event, until it is published and its retention is over.
 *
 * Owns: the SQLite file, its lock file, the only read-write connection, the sequence, the lanes and
 * the dedupe window. Does not own: when to commit and whom to answer (relay/committer), what to
 * publish (relay/forwarder, through journal_reader.h).
 *
 * Invariants, cited by the tests:
 *  J1 journal_commit() returns ST_OK only after SQLite's COMMIT did so in WAL mode with
 * synchronous=FULL, both read back at open (promise P1). J2 seq grows by one an event and is never
 * reused, also when every row is gone. J3 Within a lane, prev of a row is the seq of the row before
 * it, 0 for the lane's first (promise P11). J4 A row that is neither published nor parked and
 * resolved is deleted by nobody (promise P4). J5 This connection does every write and every
 * checkpoint (promise P8; two of them can hit SQLite's WAL-reset bug, fixed in 3.51.3,
 * sqlite.org/wal.html). J6 After ST_IO or ST_CORRUPT from any call the journal is dead: every later
 * call fails, and the process must exit (promise P6; Rebello et al., "Can Applications Recover from
 * fsync Failures?", USENIX ATC 2020).
 *
 * Threads: one writer thread after open (the committer's); the exceptions say so.
 */

#include "base/clock.h"
#include "base/ident.h"
#include "event/event.h"

struct journal;
struct metric;
struct routes;

struct journal_opts {
    const char *path;
    const char *vfs; /* NULL: the system's. With another (simulation) there is no lock file and no
                        marker file. */
    bool demo;
    bool secure_delete;
    const struct clock *clock;
    uint64_t wal_max_bytes;
    int64_t checkpoint_pages; /* checkpoint when the WAL holds more pages of 4 KiB */
    int64_t window_ms;        /* dedupe window; 0: no deduplication */
    uint64_t window_ids_max;  /* ids kept in memory: about 12 bytes each */
};

/*
 * Locks, opens, migrates and recovers the journal; creates it when it is not there. ST_BUSY:
 * another process has it. ST_DENIED: newer version or wrong demo stamp. ST_CORRUPT: quick_check
 * failed (run only when the process before ended on an I/O error). Thread: main; the first writer
 * call binds the writer thread.
 */
MUST_CHECK enum status journal_open(struct journal **out, const struct journal_opts *opts,
                                    struct err *e);
/* Rolls back what is open, checkpoints if it can, closes and unlocks. NULL is a no-op. Thread: the
 * writer's or main after it. */
void journal_close(struct journal *j);

/* The journal's identity: the relay-journal header. Any thread. */
const char *journal_id(const struct journal *j);

#define JOURNAL_SOURCES_MAX 1024
#define JOURNAL_LANES_MAX   8192

/* The number of a source, made on first use in a transaction of its own. Thread: main before the
 * writer starts. */
MUST_CHECK enum status journal_source(struct journal *j, const char *org, const char *name,
                                      int64_t *source, struct err *e);

/*
 * Parked events of a source leave a copy for Kafka: one more row, in the transaction that parks
 * them, with origin dead_letter and the parked seq as its parent. It is in no dedupe window. When
 * there is no lane left for it, there is none.
 */
struct journal_dead_letters {
    const struct routes *routes; /* the copy's topic, by the event's type; outlives the journal */
    size_t body_max;             /* bytes; a larger body is left out of the copy, which says so */
    struct metric *count;        /* of copies; NULL: none. Outlives the journal's writer */
};
/* Thread: main before the writer starts. */
void journal_set_dead_letters(struct journal *j, int64_t source,
                              const struct journal_dead_letters *to);

/* What an event is known by inside the dedupe window; computed outside the writer thread because it
 * costs. */
struct journal_digest {
    bool present; /* false: the event has no id and is never a duplicate */
    struct ident id;
    uint64_t body;
};
/* Keyed digests of (org, id) and of the bytes (promise P9). Any thread. */
struct journal_digest journal_digest(const struct journal *j, struct slice org,
                                     const struct event *ev);

/* ---- the writer's transaction ---- */

MUST_CHECK enum status journal_begin(struct journal *j, struct err *e);

struct journal_append {
    const struct event *ev; /* ev->topic names its lane; empty: none */
    struct journal_digest digest;
    int64_t source;
    int64_t parent; /* of a requeue; else 0 */
};

struct journal_appended {
    int64_t seq;    /* of the stored event, or of the first one when it is a duplicate */
    bool duplicate; /* nothing was stored */
    bool conflict;  /* stored; the same id came before with other bytes */
};

/*
 * Adds an event. Quarantined and oversize events are parked, and copied, in the same transaction.
 * ST_FULL: disk or JOURNAL_LANES_MAX; roll back.
 */
MUST_CHECK enum status journal_append(struct journal *j, const struct journal_append *in,
                                      struct journal_appended *out, struct err *e);

/* Everything in the lane up to seq is published or parked. It never goes back. */
MUST_CHECK enum status journal_set_cursor(struct journal *j, int64_t lane, int64_t seq,
                                          struct err *e);
/*
 * Nothing of the lane beyond seq was ever handed to Kafka: what lies between cursor and mark after
 * a crash may be there already. It never goes back. A new lane is born with a mark
 * JOURNAL_MARK_AHEAD beyond its first event, so that its first record waits for no commit.
 */
#define JOURNAL_MARK_AHEAD 10000
MUST_CHECK enum status journal_set_mark(struct journal *j, int64_t lane, int64_t seq,
                                        struct err *e);
/* Parks an event that Kafka will never take, and copies it (journal_set_dead_letters). Parking what
 * is parked changes nothing. */
MUST_CHECK enum status journal_park(struct journal *j, int64_t lane, int64_t seq,
                                    struct slice reason, struct err *e);
/* Sets a value of the meta table ("kafka_cluster_id"). */
MUST_CHECK enum status journal_set_meta(struct journal *j, const char *name, const char *value,
                                        struct err *e);

/*
 * ST_OK: durable (J1). ST_FULL, ST_BUSY, ST_NO_MEM: rolled back, nothing happened. ST_IO,
 * ST_CORRUPT: the outcome is unknown (J6).
 */
MUST_CHECK enum status journal_commit(struct journal *j, struct err *e);
void journal_rollback(struct journal *j);

/* ---- housekeeping, between transactions ---- */

/*
 * A passive checkpoint when the WAL is over checkpoint_pages; call it after the waiters were
 * answered. ST_OK also when there was nothing to do or a reader was in the way.
 */
MUST_CHECK enum status journal_maintain(struct journal *j, struct err *e);

struct journal_pruned {
    int64_t deleted;
    bool round_ended; /* every lane had its turn; nothing was done in this call */
};
/*
 * One slice of retention, in a transaction of the caller's: of the lane whose turn it is, deletes
 * at most max_rows events that are published, parked and resolved, or never to be published, and
 * were received before `before`; and window rows that left the window. Call it until round_ended.
 */
MUST_CHECK enum status journal_prune(struct journal *j, struct wall before, int64_t max_rows,
                                     struct journal_pruned *out, struct err *e);

struct journal_space {
    uint64_t file_bytes; /* of the database file, without its WAL */
    uint64_t free_bytes; /* of them on the freelist: reused before the file grows */
};
/* Between transactions. */
MUST_CHECK enum status journal_space(struct journal *j, struct journal_space *out, struct err *e);

/* ---- figures; any thread ---- */

struct journal_figures {
    int64_t last_seq;    /* of the last committed event */
    int64_t wal_pages;   /* in the WAL now */
    int64_t wal_unsaved; /* of them not yet checkpointed */
    int64_t checkpoints;
    int64_t window_ids; /* in memory */
    bool window_short;  /* window_ids_max forced the window to be shorter than window_ms */
};
void journal_figures(const struct journal *j, struct journal_figures *out);

#endif
