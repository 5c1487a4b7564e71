/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/window.h"

#include <stdatomic.h>
#include <stdlib.h>

/*
 * A row's blob is a list of entries: 4 bytes seq - first_seq, 16 bytes id digest, 8 bytes body
 * digest, little-endian.
 */
#define ENTRY_BYTES 28

/* Generations in a full window. More of them drop ids more finely and cost one more probe a look-up
 * each. */
#define GENERATIONS     8
#define GENERATIONS_MAX (2 * GENERATIONS + 2)

/* A generation is left only between transactions, so it has room for one commit's ids more. */
#define COMMIT_IDS_MAX 8192

/* A slot: 24 bits of fingerprint above 40 bits of seq (10^12 events: a thousand years at 35 a
 * second). 0 is empty. */
#define SEQ_BITS 40
#define SEQ_MASK ((1ull << SEQ_BITS) - 1)

struct generation {
    uint64_t *slots;
    uint64_t mask;
    uint64_t used; /* slots taken, dead ones too */
    int64_t last_seq;
    struct wall first; /* received time of its first id */
    struct wall last;
};

/* An id of the open transaction: not on disk yet, and to be forgotten on rollback. */
struct pending {
    struct journal_digest digest;
    int64_t seq;
    struct generation *generation;
    uint64_t slot;
};

struct window {
    struct window_opts opts;
    sqlite3_stmt *insert;
    sqlite3_stmt *find;
    sqlite3_stmt *prune;
    struct generation generations[GENERATIONS_MAX]; /* oldest first; the last one takes new ids */
    size_t generation_count;
    uint64_t generation_ids; /* a generation is full with so many */
    struct pending *pending;
    size_t pending_count;
    size_t pending_cap;
    struct wall pending_received; /* of the first pending id */
    struct buf blob;
    _Atomic int64_t ids;
    _Atomic bool is_short;
};

/* The digest is already a keyed hash: its bits need no further mixing. */
static uint64_t word(const struct ident *id, size_t at)
{
    uint64_t w;
    memcpy(&w, id->bytes + at, sizeof w);
    return w;
}

static uint64_t fingerprint(const struct journal_digest *d)
{
    return word(&d->id, 8) & ~SEQ_MASK;
}

static void drop_oldest(struct window *w)
{
    free(w->generations[0].slots);
    w->ids -= (int64_t)w->generations[0].used;
    w->generation_count--;
    memmove(&w->generations[0], &w->generations[1], w->generation_count * sizeof w->generations[0]);
}

static bool has_left(const struct window *w, const struct generation *g, struct wall now)
{
    return g->last.us + w->opts.window_ms * 1000 < now.us;
}

/* The generation for the next id; starts a new one when the last is full or spans its share of the
 * window. */
static enum status current(struct window *w, struct wall now, struct generation **out,
                           struct err *e)
{
    struct generation *g = w->generation_count ? &w->generations[w->generation_count - 1] : NULL;
    uint64_t room = w->generation_ids + COMMIT_IDS_MAX;
    uint64_t slots = 16;
    if (g && g->used < w->generation_ids &&
        now.us - g->first.us < w->opts.window_ms * 1000 / GENERATIONS) {
        *out = g;
        return ST_OK;
    }
    while (w->generation_count && has_left(w, &w->generations[0], now))
        drop_oldest(w);
    while (w->generation_count == GENERATIONS_MAX ||
           (w->generation_count && (uint64_t)w->ids + w->generation_ids > w->opts.ids_max)) {
        w->is_short = true;
        drop_oldest(w);
    }
    while (slots < room + room / 2)
        slots *= 2;
    g = &w->generations[w->generation_count];
    *g = (struct generation){.mask = slots - 1, .first = now, .last = now};
    /* Zero pages come from the kernel when they are touched: a quiet generation stays small. */
    g->slots = calloc(slots, sizeof *g->slots);
    if (!g->slots)
        return err_set(e, ST_NO_MEM, "dedupe window: out of memory");
    w->generation_count++;
    *out = g;
    return ST_OK;
}

static uint64_t put(struct generation *g, const struct journal_digest *d, int64_t seq)
{
    uint64_t i = word(&d->id, 0) & g->mask;
    CHECK(g->used < g->mask);
    while (g->slots[i])
        i = (i + 1) & g->mask;
    g->slots[i] = fingerprint(d) | ((uint64_t)seq & SEQ_MASK);
    g->used++;
    return i;
}

static enum status grow_pending(struct window *w, struct err *e)
{
    if (w->pending_count < w->pending_cap)
        return ST_OK;
    size_t cap = w->pending_cap ? w->pending_cap * 2 : 64;
    struct pending *p = realloc(w->pending, cap * sizeof *p);
    if (!p)
        return err_set(e, ST_NO_MEM, "dedupe window: out of memory");
    w->pending = p;
    w->pending_cap = cap;
    return ST_OK;
}

enum status window_add(struct window *w, const struct journal_digest *digest, int64_t seq,
                       struct wall received, struct err *e)
{
    struct generation *g;
    enum status st;
    if (!digest->present || w->opts.window_ms == 0)
        return ST_OK;
    st = grow_pending(w, e);
    /* Generations keep their place while ids are pending: a new one starts only between
     * transactions. */
    if (st == ST_OK && w->pending_count)
        g = w->pending[0].generation;
    else if (st == ST_OK)
        st = current(w, received, &g, e);
    if (st != ST_OK)
        return st;
    if (w->pending_count == 0)
        w->pending_received = received;
    w->pending[w->pending_count++] = (struct pending){
        .digest = *digest, .seq = seq, .generation = g, .slot = put(g, digest, seq)};
    g->last = received;
    g->last_seq = seq;
    w->ids++;
    return ST_OK;
}

static bool same_id(const struct journal_digest *a, const struct ident *id)
{
    return ident_eq(&a->id, id);
}

static const struct pending *find_pending(const struct window *w, int64_t seq)
{
    /* Pending ids are in order of seq. */
    size_t low = 0, high = w->pending_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (w->pending[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low < w->pending_count && w->pending[low].seq == seq ? &w->pending[low] : NULL;
}

/* Compares the entry of seq in a row's blob with the digest. */
static void match_blob(struct slice blob, uint32_t offset, const struct journal_digest *d,
                       int64_t seq, struct window_match *out)
{
    for (size_t at = 0; at + ENTRY_BYTES <= blob.len; at += ENTRY_BYTES) {
        uint32_t delta;
        struct ident id;
        uint64_t body;
        memcpy(&delta, blob.ptr + at, sizeof delta);
        if (delta != offset)
            continue;
        memcpy(id.bytes, blob.ptr + at + 4, sizeof id.bytes);
        memcpy(&body, blob.ptr + at + 20, sizeof body);
        if (!same_id(d, &id))
            return;
        if (body == d->body)
            out->duplicate_of = seq;
        else
            out->conflict = true;
        return;
    }
}

/* Asks the row on disk (or the open transaction) whether the candidate at seq really is the one. */
static enum status verify(struct window *w, const struct journal_digest *d, int64_t seq,
                          struct window_match *out, struct err *e)
{
    const struct pending *p = find_pending(w, seq);
    enum status st = ST_OK;
    if (p) {
        if (same_id(&p->digest, &d->id) && p->digest.body == d->body)
            out->duplicate_of = seq;
        else if (same_id(&p->digest, &d->id))
            out->conflict = true;
        return ST_OK;
    }
    sqlite3_bind_int64(w->find, 1, seq);
    switch (sqlite3_step(w->find)) {
    case SQLITE_ROW:
        match_blob(db_column(w->find, 1), (uint32_t)(seq - sqlite3_column_int64(w->find, 0)), d,
                   seq, out);
        break;
    case SQLITE_DONE:
        break;
    default:
        st = db_error(w->opts.db, e, "dedupe window");
    }
    sqlite3_reset(w->find);
    return st;
}

static enum status find_in(struct window *w, const struct generation *g,
                           const struct journal_digest *d, struct window_match *out, struct err *e)
{
    uint64_t want = fingerprint(d);
    enum status st = ST_OK;
    for (uint64_t i = word(&d->id, 0) & g->mask; g->slots[i]; i = (i + 1) & g->mask) {
        int64_t seq = (int64_t)(g->slots[i] & SEQ_MASK);
        /* Seq 0 marks a slot whose event was rolled back. */
        if ((g->slots[i] & ~SEQ_MASK) != want || seq == 0)
            continue;
        st = verify(w, d, seq, out, e);
        if (st != ST_OK || out->duplicate_of)
            break;
    }
    return st;
}

enum status window_find(struct window *w, const struct journal_digest *digest,
                        struct window_match *out, struct err *e)
{
    enum status st = ST_OK;
    *out = (struct window_match){0};
    if (!digest->present)
        return ST_OK;
    /* The newest first: most repeats come within minutes. */
    for (size_t i = w->generation_count; i-- > 0 && st == ST_OK && !out->duplicate_of;)
        st = find_in(w, &w->generations[i], digest, out, e);
    return st;
}

enum status window_flush(struct window *w, struct err *e)
{
    int64_t first;
    enum status st = ST_OK;
    if (!w->pending_count)
        return ST_OK;
    first = w->pending[0].seq;
    buf_clear(&w->blob);
    for (size_t i = 0; i < w->pending_count && st == ST_OK; i++) {
        const struct pending *p = &w->pending[i];
        char entry[ENTRY_BYTES];
        uint32_t delta = (uint32_t)(p->seq - first);
        memcpy(entry, &delta, 4);
        memcpy(entry + 4, p->digest.id.bytes, IDENT_BYTES);
        memcpy(entry + 20, &p->digest.body, 8);
        st = buf_append(&w->blob, entry, sizeof entry);
    }
    if (st != ST_OK)
        return err_set(e, st, "dedupe window: out of memory");
    sqlite3_bind_int64(w->insert, 1, first);
    sqlite3_bind_int64(w->insert, 2, w->pending_received.us);
    sqlite3_bind_blob(w->insert, 3, w->blob.ptr, (int)w->blob.len, SQLITE_STATIC);
    return db_run(w->opts.db, w->insert, e);
}

void window_committed(struct window *w)
{
    w->pending_count = 0;
}

void window_rolled_back(struct window *w)
{
    /* The slot stays taken so that probing goes on past it, but leads nowhere. */
    for (size_t i = 0; i < w->pending_count; i++)
        w->pending[i].generation->slots[w->pending[i].slot] = ~SEQ_MASK;
    w->pending_count = 0;
}

enum status window_prune(struct window *w, struct wall now, int64_t max_rows, struct err *e)
{
    sqlite3_bind_int64(w->prune, 1, now.us - w->opts.window_ms * 1000);
    sqlite3_bind_int64(w->prune, 2, max_rows);
    return db_run(w->opts.db, w->prune, e);
}

/* Takes over one row at start. */
static enum status load_row(struct window *w, int64_t first_seq, struct wall received,
                            struct slice blob, struct err *e)
{
    enum status st = ST_OK;
    for (size_t at = 0; at + ENTRY_BYTES <= blob.len && st == ST_OK; at += ENTRY_BYTES) {
        struct journal_digest d = {.present = true};
        struct generation *g;
        uint32_t delta;
        memcpy(&delta, blob.ptr + at, sizeof delta);
        memcpy(d.id.bytes, blob.ptr + at + 4, sizeof d.id.bytes);
        st = current(w, received, &g, e);
        if (st != ST_OK)
            break;
        put(g, &d, first_seq + delta);
        g->last = received;
        g->last_seq = first_seq + delta;
        w->ids++;
    }
    return st;
}

/*
 * Where loading starts: rows inside the window, and no more than ids_max ids, counted from the
 * newest back. Only the length of each blob is needed for that, which SQLite knows without reading
 * it.
 */
static enum status find_start(struct window *w, struct wall oldest, int64_t *first_seq,
                              struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    uint64_t ids = 0;
    int rc;
    enum status st = db_prepare(w->opts.db, &stmt,
                                "SELECT first_seq, received_us, length(ids) FROM window "
                                "ORDER BY first_seq DESC",
                                e);
    if (st != ST_OK)
        return st;
    *first_seq = INT64_MAX;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        ids += (uint64_t)sqlite3_column_int64(stmt, 2) / ENTRY_BYTES;
        if (sqlite3_column_int64(stmt, 1) < oldest.us)
            break;
        if (ids > w->opts.ids_max) {
            w->is_short = true;
            break;
        }
        *first_seq = sqlite3_column_int64(stmt, 0);
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = db_error(w->opts.db, e, "dedupe window");
    sqlite3_finalize(stmt);
    return st;
}

static enum status load(struct window *w, struct wall now, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int64_t first_seq = 0;
    int rc;
    enum status st;
    st = find_start(w, (struct wall){now.us - w->opts.window_ms * 1000}, &first_seq, e);
    if (st == ST_OK)
        st = db_prepare(w->opts.db, &stmt,
                        "SELECT first_seq, received_us, ids FROM window WHERE first_seq >= ?1 "
                        "ORDER BY first_seq",
                        e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, first_seq);
    while (st == ST_OK && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW)
            st = db_error(w->opts.db, e, "dedupe window");
        else
            st = load_row(w, sqlite3_column_int64(stmt, 0),
                          (struct wall){sqlite3_column_int64(stmt, 1)}, db_column(stmt, 2), e);
    }
    sqlite3_finalize(stmt);
    return st;
}

enum status window_create(struct window **out, const struct window_opts *opts, struct wall now,
                          struct err *e)
{
    enum status st;
    struct window *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ST_NO_MEM, "dedupe window: out of memory");
    w->opts = *opts;
    w->generation_ids = opts->ids_max / GENERATIONS + 1;
    /* One commit's ids; far above what a batch can hold. */
    buf_init(&w->blob, 64 << 20);
    st = db_prepare(opts->db, &w->insert,
                    "INSERT INTO window(first_seq, received_us, ids) VALUES(?1, ?2, ?3)", e);
    if (st == ST_OK)
        st = db_prepare(opts->db, &w->find,
                        "SELECT first_seq, ids FROM window WHERE first_seq <= ?1 "
                        "ORDER BY first_seq DESC LIMIT 1",
                        e);
    if (st == ST_OK)
        st = db_prepare(opts->db, &w->prune,
                        "DELETE FROM window WHERE first_seq IN (SELECT first_seq FROM "
                        "(SELECT first_seq, received_us FROM window ORDER BY first_seq LIMIT ?2) "
                        "WHERE received_us < ?1)",
                        e);
    if (st == ST_OK && opts->window_ms > 0)
        st = load(w, now, e);
    if (st != ST_OK) {
        window_destroy(w);
        return st;
    }
    *out = w;
    return ST_OK;
}

void window_destroy(struct window *w)
{
    if (!w)
        return;
    sqlite3_finalize(w->insert);
    sqlite3_finalize(w->find);
    sqlite3_finalize(w->prune);
    while (w->generation_count)
        drop_oldest(w);
    buf_fini(&w->blob);
    free(w->pending);
    free(w);
}

void window_figures(const struct window *w, int64_t *ids, bool *is_short)
{
    *ids = w->ids;
    *is_short = w->is_short;
}
