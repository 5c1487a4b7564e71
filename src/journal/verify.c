/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/journal.h"
#include "journal/row.h"

/* Rows of one read transaction. */
#define SLICE_ROWS     2000
#define PROGRESS_EVERY 10000

struct verify {
    const struct verify_opts *opts;
    struct verify_result *out;
    sqlite3 *db;
    int64_t total;
    int64_t *lane_last; /* the newest row seen of each lane; 0: none yet */
};

static void report(struct verify *v, enum verify_finding finding, int64_t seq, const char *detail)
{
    v->out->findings++;
    v->opts->on_finding(v->opts->ctx, finding, seq, detail);
}

const char *verify_finding_name(enum verify_finding finding)
{
    static const char *const names[] = {"structure", "checksum", "chain"};
    return names[finding];
}

static enum status check_structure(struct verify *v, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int rc;
    enum status st = db_prepare(v->db, &s, "PRAGMA integrity_check(100)", e);
    if (st != ST_OK)
        return st;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        if (text && strcmp(text, "ok") != 0)
            report(v, VERIFY_STRUCTURE, 0, text);
    }
    /* A damaged file may end the check itself: that is a finding too, not a failure to run. */
    if (rc != SQLITE_DONE)
        report(v, VERIFY_STRUCTURE, 0, sqlite3_errmsg(v->db));
    sqlite3_finalize(s);
    return ST_OK;
}

/* The first row of a lane that is still there may name one that retention deleted; from then on the
 * chain must hold. */
static void check_chain(struct verify *v, const struct row *row)
{
    char detail[96];
    int64_t *last;
    if (row->lane < 1 || row->lane > JOURNAL_LANES_MAX)
        return;
    last = &v->lane_last[row->lane];
    /* A parked row may have stayed while those after it went: only a row named wrongly upwards is a
     * fault. */
    if (*last && row->prev < *last) {
        snprintf(detail, sizeof detail, "names %" PRId64 " before it, but %" PRId64 " is there",
                 row->prev, *last);
        report(v, VERIFY_CHAIN, row->seq, detail);
    }
    *last = row->seq;
}

/* One slice in one read transaction. *last is where it ended, 0 at the end of the table. */
static enum status check_slice(struct verify *v, sqlite3_stmt *s, int64_t *last, struct err *e)
{
    enum status st = ST_OK;
    int64_t after = *last;
    int rc;
    *last = 0;
    sqlite3_bind_int64(s, 1, after);
    sqlite3_bind_int64(s, 2, SLICE_ROWS);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct row row;
        if (row_read(s, &row))
            check_chain(v, &row);
        else
            report(v, VERIFY_CHECKSUM, row.seq, "the row's checksum does not hold");
        *last = row.seq;
        v->out->rows++;
        if (v->opts->on_progress && v->out->rows % PROGRESS_EVERY == 0)
            v->opts->on_progress(v->opts->ctx, v->out->rows, v->total);
    }
    if (rc != SQLITE_DONE) {
        st = db_error(v->db, e, "reading events");
        if (st == ST_CORRUPT) {
            report(v, VERIFY_STRUCTURE, *last, sqlite3_errmsg(v->db));
            *last = 0;
            st = ST_OK;
        }
    }
    sqlite3_reset(s);
    return st;
}

static enum status check_rows(struct verify *v, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int64_t last = 0;
    enum status st = db_prepare(
        v->db, &s, "SELECT " ROW_COLUMNS " FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2", e);
    if (st != ST_OK)
        return st;
    do
        st = check_slice(v, s, &last, e);
    while (st == ST_OK && last);
    sqlite3_finalize(s);
    return st;
}

enum status verify_run(const struct verify_opts *opts, struct verify_result *out, struct err *e)
{
    const struct db_opts db_opts = {.path = opts->path, .mode = DB_READER};
    struct verify v = {.opts = opts, .out = out};
    enum status st = ST_OK;
    *out = (struct verify_result){0};
    v.lane_last = calloc(JOURNAL_LANES_MAX + 1, sizeof *v.lane_last);
    if (!v.lane_last)
        return err_set(e, ST_NO_MEM, "verify: out of memory");
    st = db_open(&v.db, &db_opts, e);
    if (st == ST_OK && db_int(v.db, "SELECT count(*) FROM events", &v.total, e) != ST_OK)
        v.total = 0;
    if (st == ST_OK)
        st = check_structure(&v, e);
    if (st == ST_OK)
        st = check_rows(&v, e);
    db_close(v.db);
    free(v.lane_last);
    return st;
}
