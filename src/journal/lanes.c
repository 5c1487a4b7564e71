/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/lanes.h"

#include <stdlib.h>

#include "base/checksum.h"
#include "base/failpoint.h"
#include "journal/journal.h"

#define BUCKETS 1024

struct node {
    struct lane lane;
    struct node *next; /* in its bucket */
};

struct lanes {
    sqlite3 *db;
    sqlite3_stmt *insert;
    struct node *buckets[BUCKETS];
    struct node **by_id; /* index is the lane's number; JOURNAL_LANES_MAX + 1 places */
    int64_t count;
    struct node **dirty; /* touched in the open transaction */
    size_t dirty_count;
};

static struct node **bucket_of(struct lanes *l, int64_t source, struct slice topic)
{
    return &l->buckets[checksum_crc32c((uint32_t)source, topic.ptr, topic.len) % BUCKETS];
}

static struct node *find(struct lanes *l, int64_t source, struct slice topic)
{
    struct node *n = *bucket_of(l, source, topic);
    while (n && (n->lane.source != source || !slice_eq(slice_of(n->lane.topic), topic)))
        n = n->next;
    return n;
}

static enum status add(struct lanes *l, const struct lane *lane, struct slice topic,
                       struct node **out, struct err *e)
{
    struct node **bucket = bucket_of(l, lane->source, topic);
    struct node *n = calloc(1, sizeof *n);
    if (!n)
        return err_set(e, ST_NO_MEM, "lanes: out of memory");
    n->lane = *lane;
    n->lane.topic = strndup(topic.ptr, topic.len);
    if (!n->lane.topic) {
        free(n);
        return err_set(e, ST_NO_MEM, "lanes: out of memory");
    }
    n->next = *bucket;
    *bucket = n;
    l->by_id[lane->id] = n;
    l->count = lane->id > l->count ? lane->id : l->count;
    *out = n;
    return ST_OK;
}

static enum status load(struct lanes *l, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc;
    /* When every row of a lane is pruned, its cursor is its last seq: only published rows are ever
     * pruned. */
    enum status st =
        db_prepare(l->db, &stmt,
                   "SELECT id, source, topic, cursor, max(cursor, coalesce((SELECT seq FROM events "
                   "WHERE lane = lanes.id ORDER BY seq DESC LIMIT 1), 0)) FROM lanes",
                   e);
    if (st != ST_OK)
        return st;
    while (st == ST_OK && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
        struct node *n;
        struct lane lane = {.id = sqlite3_column_int64(stmt, 0),
                            .source = sqlite3_column_int64(stmt, 1),
                            .cursor = sqlite3_column_int64(stmt, 3),
                            .last_seq = sqlite3_column_int64(stmt, 4)};
        lane.committed_last_seq = lane.last_seq;
        if (rc != SQLITE_ROW)
            st = db_error(l->db, e, "lanes");
        else if (lane.id < 1 || lane.id > JOURNAL_LANES_MAX)
            st = err_set(e, ST_CORRUPT, "lanes: number %lld is out of range", (long long)lane.id);
        else
            st = add(l, &lane, db_column(stmt, 2), &n, e);
    }
    sqlite3_finalize(stmt);
    return st;
}

enum status lanes_create(struct lanes **out, sqlite3 *db, struct err *e)
{
    enum status st = ST_NO_MEM;
    struct lanes *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, ST_NO_MEM, "lanes: out of memory");
    l->db = db;
    l->by_id = calloc(JOURNAL_LANES_MAX + 1, sizeof(struct node *));
    l->dirty = calloc(JOURNAL_LANES_MAX + 1, sizeof(struct node *));
    if (!l->by_id || !l->dirty)
        err_set(e, ST_NO_MEM, "lanes: out of memory");
    else
        st = db_prepare(db, &l->insert,
                        "INSERT INTO lanes(id, source, topic, mark) VALUES(?1, ?2, ?3, ?4)", e);
    if (st == ST_OK)
        st = load(l, e);
    if (st != ST_OK) {
        lanes_destroy(l);
        return st;
    }
    *out = l;
    return ST_OK;
}

static void free_node(struct node *n)
{
    free(n->lane.topic);
    free(n);
}

void lanes_destroy(struct lanes *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (l->buckets[i]) {
            struct node *next = l->buckets[i]->next;
            free_node(l->buckets[i]);
            l->buckets[i] = next;
        }
    }
    sqlite3_finalize(l->insert);
    free(l->by_id);
    free(l->dirty);
    free(l);
}

enum status lanes_source(struct lanes *l, struct slice org, struct slice name, int64_t *source,
                         struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum status st = db_prepare(l->db, &stmt,
                                "INSERT INTO sources(org, name) VALUES(?1, ?2) "
                                "ON CONFLICT(name) DO UPDATE SET org = excluded.org RETURNING id",
                                e);
    if (st != ST_OK)
        return st;
    db_bind_text(stmt, 1, org);
    db_bind_text(stmt, 2, name);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *source = sqlite3_column_int64(stmt, 0);
    else
        st = db_error(l->db, e, "source");
    /* The statement must run to its end for its own transaction to commit. */
    if (st == ST_OK && sqlite3_step(stmt) != SQLITE_DONE)
        st = db_error(l->db, e, "source");
    sqlite3_finalize(stmt);
    if (st == ST_OK && *source > JOURNAL_SOURCES_MAX)
        st = err_set(e, ST_FULL, "more than %d sources in one journal", JOURNAL_SOURCES_MAX);
    return st;
}

static void mark_dirty(struct lanes *l, struct node *n)
{
    if (n->lane.dirty)
        return;
    n->lane.dirty = true;
    l->dirty[l->dirty_count++] = n;
}

static enum status insert(struct lanes *l, int64_t source, struct slice topic, int64_t first_seq,
                          struct node **out, struct err *e)
{
    struct lane lane = {.id = l->count + 1, .source = source, .fresh = true};
    enum status st;
    if (l->count == JOURNAL_LANES_MAX)
        return err_set(e, ST_FULL, "more than %d lanes in one journal", JOURNAL_LANES_MAX);
    sqlite3_bind_int64(l->insert, 1, lane.id);
    sqlite3_bind_int64(l->insert, 2, source);
    db_bind_text(l->insert, 3, topic);
    sqlite3_bind_int64(l->insert, 4, first_seq + JOURNAL_MARK_AHEAD);
    st = db_run(l->db, l->insert, e);
    if (st == ST_OK)
        st = add(l, &lane, topic, out, e);
    if (st == ST_OK)
        mark_dirty(l, *out);
    FAILPOINT("journal.lane_made");
    return st;
}

enum status lanes_find(struct lanes *l, int64_t source, struct slice topic, int64_t first_seq,
                       struct lane **out, struct err *e)
{
    struct node *n = find(l, source, topic);
    enum status st = ST_OK;
    if (!n)
        st = insert(l, source, topic, first_seq, &n, e);
    if (st == ST_OK)
        *out = &n->lane;
    return st;
}

bool lanes_has_room(struct lanes *l, int64_t source, struct slice topic)
{
    return l->count < JOURNAL_LANES_MAX || find(l, source, topic);
}

struct lane *lanes_by_id(struct lanes *l, int64_t id)
{
    if (id < 1 || id > l->count || !l->by_id[id])
        return NULL;
    return &l->by_id[id]->lane;
}

void lanes_advance(struct lanes *l, struct lane *lane, int64_t seq)
{
    lane->last_seq = seq;
    mark_dirty(l, l->by_id[lane->id]);
}

void lanes_committed(struct lanes *l)
{
    for (size_t i = 0; i < l->dirty_count; i++) {
        struct lane *lane = &l->dirty[i]->lane;
        lane->committed_last_seq = lane->last_seq;
        lane->dirty = false;
        lane->fresh = false;
    }
    l->dirty_count = 0;
}

static void forget(struct lanes *l, struct node *n)
{
    struct node **at = bucket_of(l, n->lane.source, slice_of(n->lane.topic));
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    l->by_id[n->lane.id] = NULL;
    l->count--;
    free_node(n);
}

void lanes_rolled_back(struct lanes *l)
{
    /* Newest first, so that the count of lanes goes back in step. */
    for (size_t i = l->dirty_count; i-- > 0;) {
        struct node *n = l->dirty[i];
        n->lane.last_seq = n->lane.committed_last_seq;
        n->lane.dirty = false;
        if (n->lane.fresh)
            forget(l, n);
    }
    l->dirty_count = 0;
}
