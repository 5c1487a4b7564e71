/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_JOURNAL_RIG_H
#define UNIT_JOURNAL_RIG_H

/*
 * What the tests of the journal share: one in a directory of its own, with a clock that stands
 * until it is moved. Included by test programs after cmocka.h. Threads: one.
 */

#include "base/log.h"
#include "journal/journal.h"
#include "journal/journal_reader.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WINDOW_MS 60000

struct rig {
    char dir[64];
    char path[96];
    struct wall now;
    struct clock clock;
    struct journal_opts opts;
    struct journal *journal;
    int64_t source;
};

static inline struct mono read_mono(void *ctx)
{
    return (struct mono){((struct rig *)ctx)->now.us * 1000};
}

static inline struct wall read_wall(void *ctx)
{
    return ((struct rig *)ctx)->now;
}

static inline void open_journal(struct rig *r)
{
    struct err e = {0};
    assert_int_equal(journal_open(&r->journal, &r->opts, &e), ST_OK);
    assert_int_equal(journal_source(r->journal, "org", "main", &r->source, &e), ST_OK);
}

static inline void reopen(struct rig *r)
{
    journal_close(r->journal);
    open_journal(r);
}

static inline int rig_set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    snprintf(r->dir, sizeof r->dir, "/tmp/relay-journal-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof r->path, "%s/relay.db", r->dir);
    r->now.us = INT64_C(1767225600000000);
    r->clock = (struct clock){read_mono, read_wall, r};
    r->opts = (struct journal_opts){.path = r->path,
                                    .clock = &r->clock,
                                    .wal_max_bytes = 1 << 20,
                                    .checkpoint_pages = 1000,
                                    .window_ms = WINDOW_MS,
                                    .window_ids_max = 10000};
    *state = r;
    return 0;
}

static inline int rig_tear_down(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock", "-failed"};
    struct rig *r = *state;
    char name[128];
    journal_close(r->journal);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", r->path, suffixes[i]);
        unlink(name);
    }
    rmdir(r->dir);
    free(r);
    return 0;
}

/* SQL of somebody else, while the journal is closed. */
static inline void run_sql(const struct rig *r, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(r->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static inline struct event event_of(const struct rig *r, const char *topic, const char *id,
                                    const char *body)
{
    return (struct event){.body = slice_of(body),
                          .id = slice_of(id),
                          .type = slice_of("CONTACT/STARTED"),
                          .key = slice_of("key-1"),
                          .topic = slice_of(topic),
                          .received = r->now};
}

/* Appends inside the open transaction. */
static inline struct journal_appended put(struct rig *r, const struct event *ev)
{
    struct journal_append in = {.ev = ev, .source = r->source};
    struct journal_appended out;
    struct err e = {0};
    in.digest = journal_digest(r->journal, slice_of("org"), ev);
    assert_int_equal(journal_append(r->journal, &in, &out, &e), ST_OK);
    return out;
}

static inline void begin(struct rig *r)
{
    struct err e = {0};
    assert_int_equal(journal_begin(r->journal, &e), ST_OK);
}

static inline void commit(struct rig *r)
{
    struct err e = {0};
    assert_int_equal(journal_commit(r->journal, &e), ST_OK);
}

static inline struct journal_appended store(struct rig *r, const char *topic, const char *id,
                                            const char *body)
{
    struct event ev = event_of(r, topic, id, body);
    struct journal_appended out;
    begin(r);
    out = put(r, &ev);
    commit(r);
    return out;
}

static inline struct journal_reader *open_reader(const struct rig *r)
{
    struct journal_reader *reader;
    struct err e = {0};
    assert_int_equal(journal_reader_open(&reader, r->path, NULL, &e), ST_OK);
    return reader;
}

static inline struct journal_row *read_event(const struct rig *r, int64_t seq)
{
    struct journal_reader *reader = open_reader(r);
    struct journal_row *row = NULL;
    struct err e = {0};
    enum status st = journal_read_event(reader, seq, &row, &e);
    assert_true(st == ST_OK || st == ST_NOT_FOUND);
    journal_reader_close(reader);
    return st == ST_OK ? row : NULL;
}

static inline int rig_prepare(void)
{
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    log_set_level(LOG_ERROR);
    return 0;
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

#endif
