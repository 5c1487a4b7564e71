/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/thread.h"
#include "journal/beside.h"
#include "journal/dead_letters.h"
#include "journal/digest.h"
#include "journal/journal_internal.h"
#include "journal/lanes.h"
#include "journal/parked.h"
#include "journal/retention.h"
#include "journal/row.h"
#include "journal/schema.h"
#include "journal/window.h"

enum statement {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_APPEND,
    STMT_CURSOR,
    STMT_MARK,
    STMT_META,
    STMT_COUNT
};

static const char *const statements[] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_APPEND] = ROW_INSERT,
    [STMT_CURSOR] = "UPDATE lanes SET cursor = ?2 WHERE id = ?1 AND cursor < ?2",
    [STMT_MARK] = "UPDATE lanes SET mark = ?2 WHERE id = ?1 AND mark < ?2",
    [STMT_META] = "INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)",
};
_Static_assert(sizeof statements / sizeof statements[0] == STMT_COUNT, "one text a statement");

struct journal {
    struct journal_opts opts;
    char *path;
    int lock_fd;
    struct thread_owner writer;
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
    struct lanes *lanes;
    struct window *window;
    struct retention *retention;
    struct parked *parked;
    struct dead_letters *dead_letters;
    char id[IDENT_TEXT_MAX];
    struct ident window_key;
    int64_t next_seq;
    int64_t begin_seq; /* next_seq when the transaction began */
    bool open;         /* a transaction is */
    bool dead;         /* J6 */
    int wal_pages;     /* set by SQLite's hook at each commit */
    _Atomic int64_t figure_last_seq;
    _Atomic int64_t figure_wal_pages;
    _Atomic int64_t figure_wal_unsaved;
    _Atomic int64_t figure_checkpoints;
};

/* ---- life ---- */

/* J6: remembers that the journal must not be used again. */
static enum status judge(struct journal *j, enum status st)
{
    if (st == ST_IO || st == ST_CORRUPT) {
        if (!j->dead && !j->opts.vfs)
            beside_leave_marker(j->path);
        j->dead = true;
    }
    return st;
}

enum status journal_judge(struct journal *j, enum status st)
{
    return judge(j, st);
}

sqlite3 *journal_writer(struct journal *j)
{
    thread_owner_check(&j->writer);
    CHECK(j->open);
    return j->db;
}

struct wall journal_now(const struct journal *j)
{
    return clock_wall(j->opts.clock);
}

enum status journal_note(struct journal *j, const struct action_by *by, const char *action,
                         const char *target, struct err *e)
{
    return journal_judge(j, action_note_write(j->db, journal_now(j), by, action, target, e));
}

static enum status refuse_dead(struct err *e)
{
    return err_set(e, ST_IO, "the journal failed before; the process must restart");
}

static int on_wal_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct journal *j = arg;
    (void)db;
    (void)name;
    j->wal_pages = pages;
    j->figure_wal_pages = pages;
    return SQLITE_OK;
}

static enum status quick_check(sqlite3 *db, struct err *e)
{
    char verdict[128];
    enum status st = db_text(db, "PRAGMA quick_check(1)", NULL, verdict, sizeof verdict, e);
    if (st == ST_OK && strcmp(verdict, "ok") != 0)
        st = err_set(e, ST_CORRUPT,
                     "quick_check says: %s. Run `gladly-relay journal verify`, restore a backup",
                     verdict);
    return st;
}

/*
 * Makes the WAL's truncation durable, which SQLite leaves to chance. After a failed sync the disk
 * may hold an older, shorter WAL than the one that was just checkpointed; coming back in a power
 * cut it would lay old pages over the new file.
 */
static int sync_wal(sqlite3 *db)
{
    sqlite3_file *wal = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (rc == SQLITE_OK && wal && wal->pMethods)
        rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
    return rc;
}

/*
 * What the last process left in the WAL goes into the file as fresh pages, synced. After a failed
 * sync the kernel may hold pages as clean that never reached the disk; rewriting them is a
 * mitigation, not a proof.
 */
static enum status recover(struct journal *j, struct err *e)
{
    enum status st = ST_OK;
    bool failed_before = !j->opts.vfs && beside_has_marker(j->path);
    int rc;
    if (failed_before)
        st = quick_check(j->db, e);
    if (st != ST_OK)
        return st;
    rc = sqlite3_wal_checkpoint_v2(j->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    /* Only a running process publishes, deletes and gives back its ballast: a full disk must not
     * keep it from starting (promise P6). After a failed sync nothing goes on before the rewrite.
     */
    if ((rc & 0xff) == SQLITE_FULL && !failed_before)
        return ST_OK;
    /* A reader (a backup, an operator's query) may hold the WAL: harmless, the next checkpoint gets
     * it. */
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        return db_error(j->db, e, "checkpoint at start");
    if (rc == SQLITE_OK && (rc = sync_wal(j->db)) != SQLITE_OK)
        return err_set_detail(e, ST_IO, rc, "sync of the emptied WAL at start failed (SQLite %d)",
                              rc);
    if (!j->opts.vfs)
        beside_remove_marker(j->path);
    return ST_OK;
}

static enum status read_identity(struct journal *j, struct err *e)
{
    char key[IDENT_TEXT_MAX];
    int64_t last = 0;
    enum status st = db_text(j->db, "SELECT value FROM meta WHERE name = ?1", "journal_id", j->id,
                             sizeof j->id, e);
    if (st == ST_OK)
        st = db_text(j->db, "SELECT value FROM meta WHERE name = ?1", "window_key", key, sizeof key,
                     e);
    if (st == ST_OK && !ident_parse(slice_of(key), &j->window_key))
        st = err_set(e, ST_CORRUPT, "the journal's window key is malformed");
    if (st == ST_OK)
        st =
            db_int(j->db, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'",
                   &last, e);
    j->next_seq = last + 1;
    j->figure_last_seq = last;
    return st;
}

static enum status prepare_all(struct journal *j, struct err *e)
{
    enum status st = ST_OK;
    for (int i = 0; i < STMT_COUNT && st == ST_OK; i++)
        st = db_prepare(j->db, &j->stmt[i], statements[i], e);
    return st;
}

static enum status open_database(struct journal *j, struct err *e)
{
    const struct db_opts db_opts = {.path = j->path,
                                    .vfs = j->opts.vfs,
                                    .mode = DB_WRITER,
                                    .secure_delete = j->opts.secure_delete,
                                    .wal_max_bytes = j->opts.wal_max_bytes};
    const struct window_opts window_opts = {.window_ms = j->opts.window_ms,
                                            .ids_max = j->opts.window_ids_max};
    char *copy = beside_name(j->path, "-before-migration");
    struct schema_stamp stamp = {.demo = j->opts.demo, .backup = j->opts.vfs ? NULL : copy};
    struct window_opts with_db = window_opts;
    enum status st = db_open(&j->db, &db_opts, e);
    if (st != ST_OK)
        goto out_free;
    st = recover(j, e);
    if (st == ST_OK)
        st = schema_prepare(j->db, &stamp, e);
    /* The database and its WAL exist now, and keep their names for the life of the process. */
    if (st == ST_OK && !j->opts.vfs)
        st = db_sync_directory(j->path, e);
    with_db.db = j->db;
    if (st == ST_OK)
        st = read_identity(j, e);
    if (st == ST_OK)
        st = prepare_all(j, e);
    if (st == ST_OK)
        st = lanes_create(&j->lanes, j->db, e);
    if (st == ST_OK)
        st = retention_create(&j->retention, j->db, e);
    if (st == ST_OK)
        st = parked_create(&j->parked, j->db, e);
    if (st == ST_OK)
        st = dead_letters_create(&j->dead_letters, j->db, e);
    if (st == ST_OK)
        st = window_create(&j->window, &with_db, clock_wall(j->opts.clock), e);
    if (st != ST_OK)
        err_context(e, "journal %s", j->path);

out_free:
    free(copy);
    return st;
}

enum status journal_open(struct journal **out, const struct journal_opts *opts, struct err *e)
{
    enum status st = ST_OK;
    struct journal *j = calloc(1, sizeof *j);
    if (!j)
        return err_set(e, ST_NO_MEM, "journal: out of memory");
    j->opts = *opts;
    j->lock_fd = -1;
    j->path = strdup(opts->path);
    if (!j->path)
        st = err_set(e, ST_NO_MEM, "journal: out of memory");
    if (st == ST_OK && !opts->vfs)
        st = beside_lock(j->path, &j->lock_fd, e);
    if (st == ST_OK)
        st = open_database(j, e);
    if (st != ST_OK) {
        judge(j, st);
        journal_close(j);
        return st;
    }
    sqlite3_wal_hook(j->db, on_wal_commit, j);
    *out = j;
    return ST_OK;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->open)
        journal_rollback(j);
    /* Nothing acknowledged depends on this one; it makes the next start shorter. */
    if (j->db && !j->dead)
        sqlite3_wal_checkpoint_v2(j->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    window_destroy(j->window);
    retention_destroy(j->retention);
    parked_destroy(j->parked);
    dead_letters_destroy(j->dead_letters);
    lanes_destroy(j->lanes);
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(j->stmt[i]);
    db_close(j->db);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
    free(j->path);
    free(j);
}

const char *journal_id(const struct journal *j)
{
    return j->id;
}

enum status journal_source(struct journal *j, const char *org, const char *name, int64_t *source,
                           struct err *e)
{
    enum status st = lanes_source(j->lanes, slice_of(org), slice_of(name), source, e);
    if (st != ST_OK)
        err_context(e, "journal %s", j->path);
    return judge(j, st);
}

void journal_set_dead_letters(struct journal *j, int64_t source,
                              const struct journal_dead_letters *to)
{
    dead_letters_set(j->dead_letters, source, to);
}

struct journal_digest journal_digest(const struct journal *j, struct slice org,
                                     const struct event *ev)
{
    return digest_event(&j->window_key, org, ev);
}

/* ---- the writer's transaction ---- */

enum status journal_begin(struct journal *j, struct err *e)
{
    enum status st;
    thread_owner_check(&j->writer);
    if (j->dead)
        return refuse_dead(e);
    CHECK(!j->open);
    st = db_run(j->db, j->stmt[STMT_BEGIN], e);
    if (st != ST_OK)
        return judge(j, st);
    j->open = true;
    j->begin_seq = j->next_seq;
    return ST_OK;
}

/* Gives the row the next seq and, with a topic, a place at the end of its lane. */
static enum status place_row(struct journal *j, struct row *row, struct slice topic, struct err *e)
{
    struct lane *lane = NULL;
    enum status st = ST_OK;
    row->seq = j->next_seq;
    if (topic.len)
        st = lanes_find(j->lanes, row->source, topic, row->seq, &lane, e);
    if (st != ST_OK)
        return st;
    if (lane) {
        row->lane = lane->id;
        row->prev = lane->last_seq;
    }
    row_bind(j->stmt[STMT_APPEND], row);
    st = db_run(j->db, j->stmt[STMT_APPEND], e);
    if (st != ST_OK)
        return st;
    j->next_seq++;
    if (lane)
        lanes_advance(j->lanes, lane, row->seq);
    return ST_OK;
}

/* A copy that its topic refused is given up for the one after it. */
static enum status give_up_copy(struct journal *j, int64_t seq, int64_t successor, struct err *e)
{
    static const struct action_by relay = {
        .who = "gladly-relay", .why = "the topic refused the copy: one without its body follows"};
    const struct parked_end end = {
        .seq = seq, .state = PARKED_REQUEUED, .successor = successor, .at = journal_now(j)};
    return parked_settle(j->db, &end, &relay, e);
}

/* The copy of a row that was parked just now, if one is wanted. */
static enum status add_dead_letter(struct journal *j, const struct dead_letters_parked *parked,
                                   struct err *e)
{
    struct row copy = {.seq = 0};
    enum status st = dead_letters_make(j->dead_letters, parked, journal_now(j), &copy, e);
    /* The park is what was promised: it must not fail for want of a lane for its copy. */
    if (st != ST_OK || !copy.ev.topic.len || !lanes_has_room(j->lanes, copy.source, copy.ev.topic))
        return st;
    st = place_row(j, &copy, copy.ev.topic, e);
    if (st != ST_OK)
        return st;
    dead_letters_note(j->dead_letters, copy.source);
    if (parked->row.ev.origin == EVENT_ORIGIN_DEAD_LETTER)
        st = give_up_copy(j, parked->row.seq, copy.seq, e);
    return st;
}

static enum status insert_row(struct journal *j, const struct journal_append *in,
                              const struct window_match *match, int64_t *seq, struct err *e)
{
    bool is_parked = in->ev->flags & (EVENT_QUARANTINED | EVENT_OVERSIZE), is_new;
    struct dead_letters_parked parked = {
        .row = {.source = in->source, .parent = in->parent, .ev = *in->ev},
        .is_intact = true,
        .reason = in->ev->reason};
    enum status st;
    if (match->conflict)
        parked.row.ev.flags |= EVENT_CONFLICT;
    /* An oversize event keeps out of the lane's chain: a requeue gives it a new place. */
    st = place_row(j, &parked.row, is_parked ? (struct slice){NULL, 0} : in->ev->topic, e);
    if (st == ST_OK && is_parked)
        st = parked_add(j->parked,
                        &(struct parked_event){
                            .seq = parked.row.seq, .at = journal_now(j), .reason = in->ev->reason},
                        &is_new, e);
    if (st == ST_OK && is_parked)
        st = add_dead_letter(j, &parked, e);
    *seq = parked.row.seq;
    return st;
}

enum status journal_append(struct journal *j, const struct journal_append *in,
                           struct journal_appended *out, struct err *e)
{
    struct window_match match = {0};
    enum status st = ST_OK;
    CHECK(j->open);
    *out = (struct journal_appended){0};
    if (in->digest.present && j->opts.window_ms > 0)
        st = window_find(j->window, &in->digest, &match, e);
    if (st == ST_OK && match.duplicate_of) {
        out->seq = match.duplicate_of;
        out->duplicate = true;
        return ST_OK;
    }
    out->conflict = match.conflict;
    if (st == ST_OK)
        st = insert_row(j, in, &match, &out->seq, e);
    if (st == ST_OK)
        st = window_add(j->window, &in->digest, out->seq, in->ev->received, e);
    return judge(j, st);
}

enum status journal_set_cursor(struct journal *j, int64_t lane, int64_t seq, struct err *e)
{
    sqlite3_stmt *s = j->stmt[STMT_CURSOR];
    CHECK(j->open);
    sqlite3_bind_int64(s, 1, lane);
    sqlite3_bind_int64(s, 2, seq);
    return judge(j, db_run(j->db, s, e));
}

enum status journal_set_mark(struct journal *j, int64_t lane, int64_t seq, struct err *e)
{
    sqlite3_stmt *s = j->stmt[STMT_MARK];
    CHECK(j->open);
    sqlite3_bind_int64(s, 1, lane);
    sqlite3_bind_int64(s, 2, seq);
    return judge(j, db_run(j->db, s, e));
}

enum status journal_park(struct journal *j, int64_t lane, int64_t seq, struct slice reason,
                         struct err *e)
{
    const struct lane *of = lanes_by_id(j->lanes, lane);
    const struct parked_event event = {
        .seq = seq, .lane = lane, .at = journal_now(j), .reason = reason};
    struct dead_letters_parked parked = {.reason = reason};
    bool is_new;
    enum status st;
    CHECK(j->open);
    st = parked_add(j->parked, &event, &is_new, e);
    if (st != ST_OK || !is_new || !of || !dead_letters_is_wanted(j->dead_letters, of->source))
        return judge(j, st);
    st = dead_letters_read(j->dead_letters, seq, &parked, e);
    /* What a damaged row says of its own place is worth nothing. */
    parked.row.seq = seq;
    parked.row.source = of->source;
    if (st == ST_OK)
        st = add_dead_letter(j, &parked, e);
    return judge(j, st == ST_NOT_FOUND ? ST_OK : st);
}

enum status journal_set_meta(struct journal *j, const char *name, const char *value, struct err *e)
{
    sqlite3_stmt *s = j->stmt[STMT_META];
    CHECK(j->open);
    db_bind_text(s, 1, slice_of(name));
    db_bind_text(s, 2, slice_of(value));
    return judge(j, db_run(j->db, s, e));
}

enum status journal_commit(struct journal *j, struct err *e)
{
    enum status st;
    thread_owner_check(&j->writer);
    CHECK(j->open);
    if (j->dead) {
        journal_rollback(j);
        return refuse_dead(e);
    }
    st = window_flush(j->window, e);
    if (st == ST_OK)
        st = db_run(j->db, j->stmt[STMT_COMMIT], e);
    if (st != ST_OK) {
        judge(j, st);
        journal_rollback(j);
        return st;
    }
    j->open = false;
    lanes_committed(j->lanes);
    dead_letters_committed(j->dead_letters);
    window_committed(j->window);
    j->figure_last_seq = j->next_seq - 1;
    return ST_OK;
}

void journal_rollback(struct journal *j)
{
    if (!j->open)
        return;
    /* SQLite may have rolled back by itself (full disk, I/O error). */
    if (!sqlite3_get_autocommit(j->db))
        sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
    j->open = false;
    j->next_seq = j->begin_seq;
    lanes_rolled_back(j->lanes);
    dead_letters_rolled_back(j->dead_letters);
    window_rolled_back(j->window);
    retention_rolled_back(j->retention);
}

/* ---- housekeeping ---- */

enum status journal_maintain(struct journal *j, struct err *e)
{
    int in_wal = 0, saved = 0, rc;
    thread_owner_check(&j->writer);
    if (j->dead)
        return refuse_dead(e);
    CHECK(!j->open);
    if (j->wal_pages < j->opts.checkpoint_pages)
        return ST_OK;
    FAILPOINT("journal.checkpoint_due");
    rc = sqlite3_wal_checkpoint_v2(j->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_wal, &saved);
    FAILPOINT("journal.checkpointed");
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        return judge(j, db_error(j->db, e, "checkpoint"));
    j->figure_checkpoints++;
    j->figure_wal_unsaved = in_wal - saved;
    /* Saved in full, the next commit starts the file anew; else again after as many pages more. */
    if (in_wal == saved)
        j->wal_pages = 0;
    return ST_OK;
}

enum status journal_prune(struct journal *j, struct wall before, int64_t max_rows,
                          struct journal_pruned *out, struct err *e)
{
    enum status st;
    CHECK(j->open);
    st = retention_slice(j->retention, before, max_rows, out, e);
    if (st == ST_OK)
        st = window_prune(j->window, clock_wall(j->opts.clock), max_rows, e);
    return judge(j, st);
}

enum status journal_space(struct journal *j, struct journal_space *out, struct err *e)
{
    int64_t pages = 0, unused = 0, size = 0;
    enum status st;
    thread_owner_check(&j->writer);
    if (j->dead)
        return refuse_dead(e);
    st = db_int(j->db, "PRAGMA page_count", &pages, e);
    if (st == ST_OK)
        st = db_int(j->db, "PRAGMA freelist_count", &unused, e);
    if (st == ST_OK)
        st = db_int(j->db, "PRAGMA page_size", &size, e);
    *out = (struct journal_space){.file_bytes = (uint64_t)(pages * size),
                                  .free_bytes = (uint64_t)(unused * size)};
    return judge(j, st);
}

void journal_figures(const struct journal *j, struct journal_figures *out)
{
    *out = (struct journal_figures){.last_seq = j->figure_last_seq,
                                    .wal_pages = j->figure_wal_pages,
                                    .wal_unsaved = j->figure_wal_unsaved,
                                    .checkpoints = j->figure_checkpoints};
    window_figures(j->window, &out->window_ids, &out->window_short);
}
