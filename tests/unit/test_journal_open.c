/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/journal_rig.h"

#include <fcntl.h>

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
    static const char text[] =
        "this is a text, long enough for the header of a database file to be "
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
        journal_row_free(row);
        journal_close(r->journal);
        r->journal = NULL;
        run_sql(r, damages[i]);
        row = read_event(r, 1);
        assert_false(row->intact);
        journal_row_free(row);
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
    const struct CMUnitTest tests[] = {
        RIG_TEST(refuses_the_wrong_stamp_both_ways),
        RIG_TEST(refuses_a_second_process),
        RIG_TEST(refuses_a_newer_version),
        RIG_TEST(refuses_a_database_of_something_else),
        RIG_TEST(refuses_a_file_that_is_no_database),
        RIG_TEST(keeps_its_identity),
        RIG_TEST(tells_a_damaged_row),
        RIG_TEST(checks_the_whole_file_after_a_failure),
    };
    return rig_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
