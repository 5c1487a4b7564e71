/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "journal/journal_reader.h"

#define WINDOW_MS 60000

/* A journal in a directory of its own, with a clock that stands until it is moved. */
struct rig {
    char dir[64];
    char path[96];
    struct wall now;
    struct clock clock;
    struct journal_opts opts;
    struct journal *journal;
    int64_t source;
};

static struct mono read_mono(void *ctx)
{
    return (struct mono){((struct rig *)ctx)->now.us * 1000};
}

static struct wall read_wall(void *ctx)
{
    return ((struct rig *)ctx)->now;
}

static void open_journal(struct rig *r)
{
    struct err e = {0};
    assert_int_equal(journal_open(&r->journal, &r->opts, &e), ST_OK);
    assert_int_equal(journal_source(r->journal, "org", "main", &r->source, &e), ST_OK);
}

static void reopen(struct rig *r)
{
    journal_close(r->journal);
    open_journal(r);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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
static void run_sql(const struct rig *r, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(r->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void touch_file(const struct rig *r, const char *suffix)
{
    char name[128];
    int fd;
    snprintf(name, sizeof name, "%s%s", r->path, suffix);
    fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool file_is_there(const struct rig *r, const char *suffix)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", r->path, suffix);
    return access(name, F_OK) == 0;
}

static struct event event_of(const struct rig *r, const char *topic, const char *id,
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
static struct journal_appended put(struct rig *r, const struct event *ev)
{
    struct journal_append in = {.ev = ev, .source = r->source};
    struct journal_appended out;
    struct err e = {0};
    in.digest = journal_digest(r->journal, slice_of("org"), ev);
    assert_int_equal(journal_append(r->journal, &in, &out, &e), ST_OK);
    return out;
}

static void begin(struct rig *r)
{
    struct err e = {0};
    assert_int_equal(journal_begin(r->journal, &e), ST_OK);
}

static void commit(struct rig *r)
{
    struct err e = {0};
    assert_int_equal(journal_commit(r->journal, &e), ST_OK);
}

static struct journal_appended store(struct rig *r, const char *topic, const char *id,
                                     const char *body)
{
    struct event ev = event_of(r, topic, id, body);
    struct journal_appended out;
    begin(r);
    out = put(r, &ev);
    commit(r);
    return out;
}

static struct journal_reader *open_reader(const struct rig *r)
{
    struct journal_reader *reader;
    struct err e = {0};
    assert_int_equal(journal_reader_open(&reader, r->path, NULL, &e), ST_OK);
    return reader;
}

static struct journal_row *read_event(const struct rig *r, int64_t seq)
{
    struct journal_reader *reader = open_reader(r);
    struct journal_row *row = NULL;
    struct err e = {0};
    enum status st = journal_read_event(reader, seq, &row, &e);
    assert_true(st == ST_OK || st == ST_NOT_FOUND);
    journal_reader_close(reader);
    return st == ST_OK ? row : NULL;
}

static void assert_slice(struct slice got, const char *want)
{
    assert_true(slice_eq(got, slice_of(want)));
}

struct lanes {
    struct journal_lane lane[8];
    size_t count;
};

static void on_lane(void *arg, const struct journal_lane *lane)
{
    struct lanes *l = arg;
    assert_true(l->count < 8);
    l->lane[l->count++] = *lane;
}

static struct lanes read_lanes(const struct rig *r)
{
    struct journal_reader *reader = open_reader(r);
    struct lanes lanes = {.count = 0};
    struct err e = {0};
    assert_int_equal(journal_reader_lanes(reader, 0, on_lane, &lanes, &e), ST_OK);
    journal_reader_close(reader);
    return lanes;
}

/* ---- appending and reading ---- */

static void gives_back_every_part_of_an_event(void **state)
{
    struct rig *r = *state;
    struct event ev;
    struct journal_row *row;
    open_journal(r);
    ev = event_of(r, "gladly.contact", "id-1", "{\"a\":1}");
    ev.body = (struct slice){"a\0b\xff", 4};
    ev.trace = slice_of("00-11-22-01\nvendor=1");
    ev.flags = EVENT_HAS_TIME;
    ev.event_time.us = 42;
    begin(r);
    assert_int_equal(put(r, &ev).seq, 1);
    commit(r);
    row = read_event(r, 1);
    assert_non_null(row);
    assert_true(row->intact);
    assert_int_equal(row->prev, 0);
    assert_int_equal(row->source, r->source);
    assert_true(slice_eq(row->ev.body, ev.body));
    assert_slice(row->ev.id, "id-1");
    assert_slice(row->ev.type, "CONTACT/STARTED");
    assert_slice(row->ev.key, "key-1");
    assert_slice(row->ev.trace, "00-11-22-01\nvendor=1");
    assert_int_equal(row->ev.flags, EVENT_HAS_TIME);
    assert_int_equal(row->ev.event_time.us, 42);
    assert_int_equal(row->ev.received.us, r->now.us);
    journal_rows_free(row);
    assert_null(read_event(r, 2));
}

static void reads_a_lane_in_order_and_in_slices(void **state)
{
    struct rig *r = *state;
    struct journal_reader *reader;
    struct journal_row *rows;
    struct lanes lanes;
    struct err e = {0};
    size_t count;
    open_journal(r);
    for (int i = 0; i < 6; i++)
        store(r, i % 2 ? "gladly.contact" : "gladly.other", "", "{}");
    lanes = read_lanes(r);
    assert_int_equal(lanes.count, 2);
    assert_string_equal(lanes.lane[0].topic, "gladly.other");
    assert_string_equal(lanes.lane[0].source_name, "main");
    assert_string_equal(lanes.lane[0].org, "org");
    reader = open_reader(r);
    struct journal_slice want = {
        .lane = lanes.lane[0].id, .after = 1, .max_rows = 10, .max_bytes = 1000};
    assert_int_equal(journal_read_lane(reader, &want, &rows, &count, &e), ST_OK);
    assert_int_equal(count, 2);
    assert_int_equal(rows->seq, 3);
    assert_int_equal(rows->next->seq, 5);
    journal_rows_free(rows);
    want = (struct journal_slice){lanes.lane[0].id, 0, 1, 1000};
    assert_int_equal(journal_read_lane(reader, &want, &rows, &count, &e), ST_OK);
    assert_int_equal(count, 1);
    journal_rows_free(rows);
    /* The row that reaches the bytes is the last one. */
    want = (struct journal_slice){lanes.lane[0].id, 0, 10, 3};
    assert_int_equal(journal_read_lane(reader, &want, &rows, &count, &e), ST_OK);
    assert_int_equal(count, 2);
    journal_rows_free(rows);
    journal_reader_close(reader);
}

static void chains_the_rows_of_each_lane(void **state)
{
    static const int64_t prev[] = {0, 0, 1, 2, 3, 4};
    struct rig *r = *state;
    open_journal(r);
    for (int i = 0; i < 6; i++) {
        store(r, i % 2 ? "gladly.contact" : "gladly.other", "", "{}");
        if (i == 3)
            reopen(r);
    }
    for (int i = 0; i < 6; i++) {
        struct journal_row *row = read_event(r, i + 1);
        assert_non_null(row);
        assert_int_equal(row->prev, prev[i]);
        journal_rows_free(row);
    }
}

/* ---- settling ---- */

static void moves_a_cursor_forward_only(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    open_journal(r);
    store(r, "gladly.contact", "", "{}");
    store(r, "gladly.contact", "", "{}");
    begin(r);
    assert_int_equal(journal_set_cursor(r->journal, 1, 2, &e), ST_OK);
    assert_int_equal(journal_set_cursor(r->journal, 1, 1, &e), ST_OK);
    commit(r);
    assert_int_equal(read_lanes(r).lane[0].cursor, 2);
}

static void parks_once_and_at_birth(void **state)
{
    struct rig *r = *state;
    struct journal_reader *reader;
    struct journal_counts counts;
    struct event ev;
    struct err e = {0};
    open_journal(r);
    ev = event_of(r, "", "", "no JSON");
    ev.flags = EVENT_QUARANTINED;
    ev.reason = slice_of("no JSON");
    begin(r);
    put(r, &ev);
    ev = event_of(r, "gladly.contact", "", "large");
    ev.flags = EVENT_OVERSIZE;
    ev.reason = slice_of("large");
    put(r, &ev);
    commit(r);
    store(r, "gladly.contact", "", "{}");
    begin(r);
    assert_int_equal(journal_park(r->journal, 1, 3, slice_of("poison"), &e), ST_OK);
    assert_int_equal(journal_park(r->journal, 1, 3, slice_of("again"), &e), ST_OK);
    assert_int_equal(journal_set_cursor(r->journal, 1, 3, &e), ST_OK);
    commit(r);
    reader = open_reader(r);
    assert_int_equal(journal_count(reader, &counts, &e), ST_OK);
    journal_reader_close(reader);
    assert_int_equal(counts.events, 3);
    assert_int_equal(counts.parked, 3);
    assert_int_equal(counts.quarantined, 1);
    assert_int_equal(counts.unpublished, 0);
}

/* ---- rollback ---- */

static void forgets_everything_of_a_rolled_back_transaction(void **state)
{
    struct rig *r = *state;
    struct event ev;
    struct journal_appended out;
    open_journal(r);
    store(r, "gladly.contact", "id-1", "{}");
    begin(r);
    ev = event_of(r, "gladly.contact", "id-2", "{}");
    assert_int_equal(put(r, &ev).seq, 2);
    ev = event_of(r, "gladly.new", "id-3", "{}");
    assert_int_equal(put(r, &ev).seq, 3);
    journal_rollback(r->journal);
    assert_int_equal(read_lanes(r).count, 1);
    /* The seq, the lane's place in the chain and the window are as before. */
    out = store(r, "gladly.contact", "id-2", "{}");
    assert_int_equal(out.seq, 2);
    assert_false(out.duplicate);
    struct journal_row *row = read_event(r, 2);
    assert_int_equal(row->prev, 1);
    journal_rows_free(row);
    /* A lane that was born and undone is born again. */
    assert_int_equal(store(r, "gladly.newer", "id-3", "{}").seq, 3);
    assert_string_equal(read_lanes(r).lane[1].topic, "gladly.newer");
}

/* ---- the sequence ---- */

static void never_uses_a_seq_again(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    for (int i = 0; i < 3; i++)
        store(r, "gladly.contact", "", "{}");
    journal_close(r->journal);
    r->journal = NULL;
    run_sql(r, "UPDATE lanes SET cursor = 3; DELETE FROM events");
    open_journal(r);
    assert_int_equal(store(r, "gladly.contact", "", "{}").seq, 4);
    /* The chain goes on behind what is gone. */
    struct journal_row *row = read_event(r, 4);
    assert_int_equal(row->prev, 3);
    journal_rows_free(row);
}

/* ---- the dedupe window ---- */

static void tells_repeats_from_conflicts(void **state)
{
    struct rig *r = *state;
    struct journal_appended out;
    open_journal(r);
    assert_int_equal(store(r, "gladly.contact", "id-1", "{}").seq, 1);
    for (int i = 0; i < 2; i++) {
        out = store(r, "gladly.contact", "id-1", "{}");
        assert_true(out.duplicate);
        assert_int_equal(out.seq, 1);
        out = store(r, "gladly.contact", "id-1", i ? "{\"b\":2}" : "{\"b\":1}");
        assert_false(out.duplicate);
        assert_true(out.conflict);
        reopen(r);
    }
    out = store(r, "gladly.contact", "id-1", "{\"b\":2}");
    assert_true(out.duplicate);
    assert_int_equal(out.seq, 3);
    struct journal_row *row = read_event(r, 2);
    assert_true(row->ev.flags & EVENT_CONFLICT);
    journal_rows_free(row);
}

static void finds_repeats_within_one_transaction(void **state)
{
    struct rig *r = *state;
    struct event ev;
    open_journal(r);
    ev = event_of(r, "gladly.contact", "id-1", "{}");
    begin(r);
    assert_int_equal(put(r, &ev).seq, 1);
    assert_true(put(r, &ev).duplicate);
    commit(r);
}

static void keeps_organisations_and_nameless_events_apart(void **state)
{
    struct rig *r = *state;
    struct event ev;
    struct journal_digest a, b;
    open_journal(r);
    ev = event_of(r, "gladly.contact", "id-1", "{}");
    a = journal_digest(r->journal, slice_of("org"), &ev);
    b = journal_digest(r->journal, slice_of("other"), &ev);
    assert_true(a.present);
    assert_false(ident_eq(&a.id, &b.id));
    assert_int_equal(a.body, b.body);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store(r, "gladly.contact", "", "{}").seq, i + 1);
}

static void lets_repeats_pass_after_the_window(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    store(r, "gladly.contact", "id-1", "{}");
    r->now.us += (WINDOW_MS - 1) * INT64_C(1000);
    assert_true(store(r, "gladly.contact", "id-1", "{}").duplicate);
    r->now.us += WINDOW_MS * INT64_C(2000);
    /* What left the window is dropped when newer ids come in. */
    store(r, "gladly.contact", "id-2", "{}");
    assert_false(store(r, "gladly.contact", "id-1", "{}").duplicate);
    /* The same after a restart. */
    r->now.us += WINDOW_MS * INT64_C(2000);
    reopen(r);
    assert_false(store(r, "gladly.contact", "id-1", "{}").duplicate);
}

static void shortens_the_window_at_its_bound(void **state)
{
    struct rig *r = *state;
    struct journal_figures figures;
    char id[32];
    r->opts.window_ids_max = 64;
    open_journal(r);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "id-%d", i);
        store(r, "gladly.contact", id, "{}");
    }
    journal_figures(r->journal, &figures);
    assert_true(figures.window_short);
    assert_in_range(figures.window_ids, 1, 80);
    assert_false(store(r, "gladly.contact", "id-0", "{}").duplicate);
    assert_true(store(r, "gladly.contact", "id-199", "{}").duplicate);
    reopen(r);
    journal_figures(r->journal, &figures);
    assert_in_range(figures.window_ids, 1, 80);
    assert_true(store(r, "gladly.contact", "id-199", "{}").duplicate);
}

/* ---- opening ---- */

static enum status try_open(struct rig *r)
{
    struct journal *second = NULL;
    struct err e = {0};
    enum status st = journal_open(&second, &r->opts, &e);
    if (st == ST_OK)
        journal_close(second);
    else
        assert_true(e.text[0]);
    return st;
}

static void refuses_the_wrong_stamp_both_ways(void **state)
{
    struct rig *r = *state;
    assert_int_equal(try_open(r), ST_OK);
    r->opts.demo = true;
    assert_int_equal(try_open(r), ST_DENIED);
    unlink(r->path);
    assert_int_equal(try_open(r), ST_OK);
    r->opts.demo = false;
    assert_int_equal(try_open(r), ST_DENIED);
}

static void refuses_a_second_process(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    assert_int_equal(try_open(r), ST_BUSY);
}

static void refuses_a_newer_version(void **state)
{
    struct rig *r = *state;
    assert_int_equal(try_open(r), ST_OK);
    run_sql(r, "PRAGMA user_version=99");
    assert_int_equal(try_open(r), ST_DENIED);
}

static void refuses_a_database_of_something_else(void **state)
{
    struct rig *r = *state;
    run_sql(r, "CREATE TABLE other(x)");
    assert_int_equal(try_open(r), ST_BAD_INPUT);
}

static void refuses_a_file_that_is_no_database(void **state)
{
    static const char text[] = "this is a text, long enough for the header of a database file to be "
                               "read from it: it must have at least one hundred bytes";
    struct rig *r = *state;
    int fd = open(r->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    close(fd);
    assert_int_equal(try_open(r), ST_CORRUPT);
}

static void keeps_its_identity(void **state)
{
    struct rig *r = *state;
    char id[IDENT_TEXT_MAX];
    open_journal(r);
    snprintf(id, sizeof id, "%s", journal_id(r->journal));
    assert_int_equal(strlen(id), IDENT_TEXT_MAX - 1);
    reopen(r);
    assert_string_equal(journal_id(r->journal), id);
}

/* ---- damage ---- */

static void tells_a_damaged_row(void **state)
{
    static const char *const damages[] = {
        "UPDATE events SET body = x'7b7c'", "UPDATE events SET prev = 7",
        "UPDATE events SET key = 'key-2'", "UPDATE events SET checksum = checksum + 1"};
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct journal_row *row;
        unlink(r->path);
        open_journal(r);
        store(r, "gladly.contact", "id-1", "{}");
        row = read_event(r, 1);
        assert_true(row->intact);
        journal_rows_free(row);
        journal_close(r->journal);
        r->journal = NULL;
        run_sql(r, damages[i]);
        row = read_event(r, 1);
        assert_false(row->intact);
        journal_rows_free(row);
    }
}

/* Overwrites the page in which the index on lanes begins, so that only a check of the whole file
 * sees it. */
static void damage_an_index(const struct rig *r)
{
    char zeros[64] = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int64_t page;
    int fd;
    assert_int_equal(sqlite3_open(r->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name = 'events_lane'", -1,
                           &s, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    page = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    fd = open(r->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, page * 4096 - (off_t)sizeof zeros),
                     sizeof zeros);
    close(fd);
}

static void checks_the_whole_file_after_a_failure(void **state)
{
    struct rig *r = *state;
    open_journal(r);
    for (int i = 0; i < 5; i++)
        store(r, "gladly.contact", "", "{}");
    journal_close(r->journal);
    r->journal = NULL;
    touch_file(r, "-failed");
    assert_int_equal(try_open(r), ST_OK);
    assert_false(file_is_there(r, "-failed"));
    run_sql(r, "PRAGMA wal_checkpoint(TRUNCATE)");
    damage_an_index(r);
    assert_int_equal(try_open(r), ST_OK);
    touch_file(r, "-failed");
    assert_int_equal(try_open(r), ST_CORRUPT);
    assert_true(file_is_there(r, "-failed"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(gives_back_every_part_of_an_event),
        TEST(reads_a_lane_in_order_and_in_slices),
        TEST(chains_the_rows_of_each_lane),
        TEST(moves_a_cursor_forward_only),
        TEST(parks_once_and_at_birth),
        TEST(forgets_everything_of_a_rolled_back_transaction),
        TEST(never_uses_a_seq_again),
        TEST(tells_repeats_from_conflicts),
        TEST(finds_repeats_within_one_transaction),
        TEST(keeps_organisations_and_nameless_events_apart),
        TEST(lets_repeats_pass_after_the_window),
        TEST(shortens_the_window_at_its_bound),
        TEST(refuses_the_wrong_stamp_both_ways),
        TEST(refuses_a_second_process),
        TEST(refuses_a_newer_version),
        TEST(refuses_a_database_of_something_else),
        TEST(refuses_a_file_that_is_no_database),
        TEST(keeps_its_identity),
        TEST(tells_a_damaged_row),
        TEST(checks_the_whole_file_after_a_failure),
    };
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
