/* SPDX-License-Identifier: Apache-2.0 */
#include "memvfs/memvfs.h"

#include <sqlite3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DB_NAME     "journal.db"
#define WAL_NAME    "journal.db-wal"
#define RANDOM_RUNS 200
#define SPEED_RUNS  1000

struct rig {
    struct memvfs *disk;
    sqlite3 *db;
};

/* A failed test leaves its disk behind: the next one takes another name. */
static char vfs_name[32];

static struct memvfs *fresh_disk(uint64_t seed)
{
    static unsigned n_disks;
    snprintf(vfs_name, sizeof vfs_name, "memvfs-test-%u", ++n_disks);
    struct memvfs *disk = memvfs_create(vfs_name, seed);
    assert_non_null(disk);
    return disk;
}

static int exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int64_t query(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        value = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return value;
}

static void assert_intact(sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
    sqlite3_finalize(st);
}

/* Opens with the settings of the journal; on failure the code, with the connection closed. */
static int open_db(sqlite3 **db, const char *synchronous)
{
    char pragma[64];
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(DB_NAME, db, flags, vfs_name);
    snprintf(pragma, sizeof pragma, "PRAGMA synchronous=%s", synchronous);
    if (code == SQLITE_OK)
        code = exec(*db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
    if (code == SQLITE_OK)
        code = exec(*db, pragma);
    if (code == SQLITE_OK)
        code = exec(*db, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, body BLOB)");
    if (code != SQLITE_OK) {
        sqlite3_close(*db);
        *db = NULL;
    }
    return code;
}

static int checkpoint(sqlite3 *db, int mode)
{
    return sqlite3_wal_checkpoint_v2(db, NULL, mode, NULL, NULL);
}

static int insert(sqlite3 *db)
{
    return exec(db, "INSERT INTO t(body) VALUES(zeroblob(700))");
}

static void rig_open(struct rig *r, uint64_t seed, const char *synchronous)
{
    r->disk = fresh_disk(seed);
    assert_int_equal(open_db(&r->db, synchronous), SQLITE_OK);
}

static void rig_insert(struct rig *r, int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(insert(r->db), SQLITE_OK);
}

/* The next life of the process on the same disk. */
static void rig_restart(struct rig *r, enum memvfs_mode mode)
{
    memvfs_power_cut(r->disk, mode);
    sqlite3_close(r->db);
    assert_int_equal(memvfs_open_files(r->disk), 0);
    memvfs_power_on(r->disk);
    assert_int_equal(open_db(&r->db, "FULL"), SQLITE_OK);
}

static void rig_close(struct rig *r)
{
    assert_int_equal(sqlite3_close(r->db), SQLITE_OK);
    memvfs_destroy(r->disk);
}

static void full_commits_survive_a_strict_cut(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1, "FULL");
    rig_insert(&r, 20);
    rig_restart(&r, MEMVFS_STRICT);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 20);
    assert_intact(r.db);
    rig_close(&r);
}

static void normal_commits_are_lost_in_a_strict_cut(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1, "NORMAL");
    rig_insert(&r, 20);
    rig_restart(&r, MEMVFS_STRICT);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 0);
    assert_intact(r.db);
    rig_close(&r);
}

static void kill_keeps_unsynced_commits_until_the_next_power_cut(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1, "NORMAL");
    rig_insert(&r, 20);
    rig_restart(&r, MEMVFS_KILL);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 20);
    rig_restart(&r, MEMVFS_STRICT);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 0);
    rig_close(&r);
}

static void checkpointed_rows_survive_truncation_and_reset_of_the_wal(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3, "FULL");
    rig_insert(&r, 10);
    assert_int_equal(exec(r.db, "PRAGMA wal_checkpoint(TRUNCATE)"), SQLITE_OK);
    assert_int_equal(memvfs_file_size(r.disk, WAL_NAME), 0);
    rig_insert(&r, 10);
    assert_int_equal(exec(r.db, "PRAGMA wal_checkpoint(PASSIVE)"), SQLITE_OK);
    rig_insert(&r, 10);
    rig_restart(&r, MEMVFS_STRICT);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 30);
    assert_intact(r.db);
    rig_close(&r);
}

static void read_only_connection_sees_commits_and_cannot_write(void **state)
{
    (void)state;
    struct rig r;
    sqlite3 *reader = NULL;
    rig_open(&r, 1, "FULL");
    rig_insert(&r, 3);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    assert_int_equal(sqlite3_open_v2(DB_NAME, &reader, flags, vfs_name), SQLITE_OK);
    assert_int_equal(query(reader, "SELECT count(*) FROM t"), 3);
    rig_insert(&r, 2);
    assert_int_equal(query(reader, "SELECT count(*) FROM t"), 5);
    assert_int_equal(insert(reader), SQLITE_READONLY);

    assert_int_equal(exec(reader, "BEGIN"), SQLITE_OK);
    assert_int_equal(query(reader, "SELECT count(*) FROM t"), 5);
    rig_insert(&r, 1);
    assert_int_equal(query(reader, "SELECT count(*) FROM t"), 5);
    assert_int_equal(checkpoint(r.db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_BUSY);
    assert_int_equal(exec(reader, "COMMIT"), SQLITE_OK);
    assert_int_equal(checkpoint(r.db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
    assert_int_equal(query(reader, "SELECT count(*) FROM t"), 6);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    rig_close(&r);
}

static void second_writer_is_busy_in_both_journal_modes(void **state)
{
    (void)state;
    static const char *const modes[] = {"WAL", "DELETE"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct rig r;
        sqlite3 *other = NULL;
        char pragma[64];
        rig_open(&r, 1, "FULL");
        snprintf(pragma, sizeof pragma, "PRAGMA journal_mode=%s", modes[i]);
        assert_int_equal(exec(r.db, pragma), SQLITE_OK);
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
        assert_int_equal(sqlite3_open_v2(DB_NAME, &other, flags, vfs_name), SQLITE_OK);
        assert_int_equal(exec(r.db, "BEGIN IMMEDIATE"), SQLITE_OK);
        assert_int_equal(exec(other, "BEGIN IMMEDIATE"), SQLITE_BUSY);
        rig_insert(&r, 1);
        assert_int_equal(query(other, "SELECT count(*) FROM t"), 0);
        assert_int_equal(exec(r.db, "COMMIT"), SQLITE_OK);
        assert_int_equal(exec(other, "BEGIN IMMEDIATE"), SQLITE_OK);
        assert_int_equal(insert(other), SQLITE_OK);
        assert_int_equal(exec(other, "COMMIT"), SQLITE_OK);
        assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 2);
        assert_int_equal(sqlite3_close(other), SQLITE_OK);
        rig_close(&r);
    }
}

static void waiting_writer_of_a_rollback_journal_keeps_new_readers_out(void **state)
{
    (void)state;
    struct rig r;
    sqlite3 *readers[2];
    rig_open(&r, 1, "FULL");
    assert_int_equal(exec(r.db, "PRAGMA journal_mode=DELETE"), SQLITE_OK);
    for (int i = 0; i < 2; i++) {
        int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
        assert_int_equal(sqlite3_open_v2(DB_NAME, &readers[i], flags, vfs_name), SQLITE_OK);
    }
    assert_int_equal(exec(readers[0], "BEGIN"), SQLITE_OK);
    assert_int_equal(query(readers[0], "SELECT count(*) FROM t"), 0);
    assert_int_equal(exec(r.db, "BEGIN IMMEDIATE"), SQLITE_OK);
    assert_int_equal(insert(r.db), SQLITE_OK);
    assert_int_equal(exec(r.db, "COMMIT"), SQLITE_BUSY);
    assert_int_equal(exec(readers[1], "SELECT count(*) FROM t"), SQLITE_BUSY);
    assert_int_equal(exec(readers[0], "COMMIT"), SQLITE_OK);
    assert_int_equal(exec(r.db, "COMMIT"), SQLITE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(query(readers[i], "SELECT count(*) FROM t"), 1);
        assert_int_equal(sqlite3_close(readers[i]), SQLITE_OK);
    }
    rig_close(&r);
}

static void failed_sync_comes_out_of_commit(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1, "FULL");
    rig_insert(&r, 1);
    uint64_t syncs = memvfs_count(r.disk, MEMVFS_SYNC);
    memvfs_fail_at(r.disk,
                   (struct memvfs_fault){.op = MEMVFS_SYNC, .nth = 3, .code = SQLITE_IOERR_FSYNC});
    rig_insert(&r, 2);
    assert_int_equal(exec(r.db, "BEGIN IMMEDIATE"), SQLITE_OK);
    assert_int_equal(insert(r.db), SQLITE_OK);
    assert_int_equal(exec(r.db, "COMMIT"), SQLITE_IOERR);
    assert_int_equal(sqlite3_extended_errcode(r.db), SQLITE_IOERR_FSYNC);
    assert_int_equal(memvfs_count(r.disk, MEMVFS_SYNC), syncs + 3);
    rig_restart(&r, MEMVFS_STRICT);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 3);
    rig_close(&r);
}

static void failed_commit_reappears_after_a_kill(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1, "FULL");
    rig_insert(&r, 1);
    memvfs_fail_at(r.disk,
                   (struct memvfs_fault){.op = MEMVFS_SYNC, .nth = 1, .code = SQLITE_IOERR_FSYNC});
    assert_int_equal(insert(r.db), SQLITE_IOERR);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 1);
    rig_restart(&r, MEMVFS_KILL);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 2);
    rig_close(&r);
}

static void faults_choose_their_file_and_stick(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1, "FULL");
    memvfs_fail_at(r.disk, (struct memvfs_fault){.op = MEMVFS_WRITE,
                                                 .nth = 1,
                                                 .code = SQLITE_IOERR_WRITE,
                                                 .sticky = true,
                                                 .suffix = ".db"});
    rig_insert(&r, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(checkpoint(r.db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_IOERR_WRITE & 0xff);
    memvfs_clear_faults(r.disk);
    assert_int_equal(checkpoint(r.db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_OK);
    rig_close(&r);
}

static void capacity_gives_full_and_the_rollback_works(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1, "FULL");
    rig_insert(&r, 5);
    memvfs_set_capacity(r.disk, memvfs_used_bytes(r.disk) + 20000);
    assert_int_equal(exec(r.db, "BEGIN IMMEDIATE"), SQLITE_OK);
    assert_int_equal(exec(r.db, "INSERT INTO t(body) VALUES(zeroblob(60000))"), SQLITE_OK);
    assert_int_equal(exec(r.db, "COMMIT"), SQLITE_FULL);
    (void)exec(r.db, "ROLLBACK");
    assert_true(memvfs_used_bytes(r.disk) > 20000);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 5);
    memvfs_set_capacity(r.disk, MEMVFS_UNLIMITED);
    rig_insert(&r, 1);
    rig_restart(&r, MEMVFS_STRICT);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 6);
    assert_intact(r.db);
    rig_close(&r);
}

static void dead_connection_gets_errors_only(void **state)
{
    (void)state;
    struct rig r;
    sqlite3 *late = NULL;
    rig_open(&r, 1, "FULL");
    rig_insert(&r, 1);
    assert_int_equal(exec(r.db, "BEGIN IMMEDIATE; INSERT INTO t(body) VALUES(zeroblob(9000))"),
                     SQLITE_OK);
    memvfs_power_cut(r.disk, MEMVFS_STRICT);
    assert_true(memvfs_is_cut(r.disk));
    assert_int_equal(exec(r.db, "COMMIT"), SQLITE_IOERR);
    assert_int_equal(insert(r.db), SQLITE_IOERR);
    assert_int_not_equal(open_db(&late, "FULL"), SQLITE_OK);
    sqlite3_close(r.db);
    memvfs_power_on(r.disk);
    assert_false(memvfs_is_cut(r.disk));
    assert_int_equal(open_db(&r.db, "FULL"), SQLITE_OK);
    assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 1);
    rig_close(&r);
}

/* Works until the disk dies or the work is done; returns the last acknowledged row. */
static int64_t work_until_cut(const char *synchronous, int rows, bool *all_done)
{
    sqlite3 *db = NULL;
    int64_t acknowledged = 0;
    *all_done = false;
    if (open_db(&db, synchronous) != SQLITE_OK)
        return 0;
    int64_t id = query(db, "SELECT coalesce(max(id), 0) FROM t");
    int code = SQLITE_OK;
    for (int i = 0; i < rows && code == SQLITE_OK; i++) {
        code = insert(db);
        if (code == SQLITE_OK)
            acknowledged = ++id;
        if (code == SQLITE_OK && i % 7 == 6)
            code = exec(db, i % 2 ? "PRAGMA wal_checkpoint(TRUNCATE)" : "PRAGMA wal_checkpoint");
    }
    *all_done = code == SQLITE_OK;
    sqlite3_close(db);
    return acknowledged;
}

/*
 * In each of several lives, work is cut in its nth change; what was acknowledged must be there
 * afterwards, and at most one more. False when n is past the end of the work.
 */
static bool survives_cuts(uint64_t seed, uint64_t n, enum memvfs_mode mode)
{
    struct rig r = {.disk = fresh_disk(seed)};
    int64_t known = 0;
    bool cut = true;
    for (int life = 0; life < 3 && cut; life++) {
        bool all_done;
        memvfs_cut_at(r.disk, n, mode);
        int64_t acknowledged = work_until_cut("FULL", 20, &all_done);
        cut = memvfs_is_cut(r.disk);
        assert_true(cut || all_done);
        assert_int_equal(memvfs_open_files(r.disk), 0);
        memvfs_cut_at(r.disk, 0, mode);
        memvfs_power_on(r.disk);
        assert_int_equal(open_db(&r.db, "FULL"), SQLITE_OK);
        assert_intact(r.db);
        int64_t max = query(r.db, "SELECT coalesce(max(id), 0) FROM t");
        known = acknowledged > known ? acknowledged : known;
        assert_in_range(max, known, known + 1);
        known = max;
        assert_int_equal(query(r.db, "SELECT count(*) FROM t"), max);
        memvfs_power_cut(r.disk, mode);
        sqlite3_close(r.db);
        memvfs_power_on(r.disk);
    }
    memvfs_destroy(r.disk);
    return cut;
}

static void no_full_commit_is_lost_wherever_the_cut_falls(void **state)
{
    (void)state;
    static const enum memvfs_mode modes[] = {MEMVFS_STRICT, MEMVFS_RANDOM, MEMVFS_KILL};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        uint64_t n = 1;
        while (survives_cuts(n, n, modes[i]))
            n++;
        assert_true(n > 50);
    }
}

static void no_full_commit_is_lost_in_random_cuts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= RANDOM_RUNS; seed++)
        survives_cuts(seed, 1 + seed * 37 % 120, MEMVFS_RANDOM);
}

static void random_cuts_differ_between_seeds_and_repeat_with_one(void **state)
{
    (void)state;
    int64_t first[8];
    bool differ = false;
    for (int round = 0; round < 2; round++) {
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct rig r;
            rig_open(&r, seed, "NORMAL");
            rig_insert(&r, 40);
            rig_restart(&r, MEMVFS_RANDOM);
            int64_t rows = query(r.db, "SELECT count(*) FROM t");
            assert_intact(r.db);
            rig_close(&r);
            if (round == 0)
                first[seed] = rows;
            assert_int_equal(rows, first[seed]);
            differ = differ || rows != first[0];
        }
    }
    assert_true(differ);
}

static void default_vfs_makes_random_numbers_a_function_of_the_seed(void **state)
{
    (void)state;
    int64_t drawn[3];
    static const uint64_t seeds[] = {7, 7, 8};
    for (size_t i = 0; i < 3; i++) {
        struct rig r;
        struct memvfs *disk = fresh_disk(seeds[i]);
        memvfs_set_default(disk);
        assert_int_equal(open_db(&r.db, "FULL"), SQLITE_OK);
        memvfs_set_time(disk, (struct wall){.us = INT64_C(1780000000) * 1000000});
        assert_int_equal(query(r.db, "SELECT unixepoch('now')"), 1780000000);
        drawn[i] = query(r.db, "SELECT random()");
        sqlite3_close(r.db);
        memvfs_destroy(disk);
    }
    assert_true(drawn[0] == drawn[1]);
    assert_true(drawn[0] != drawn[2]);
    assert_null(sqlite3_vfs_find(vfs_name));
}

static void prints_its_speed(void **state)
{
    (void)state;
    clock_t begin = clock();
    for (uint64_t i = 0; i < SPEED_RUNS; i++) {
        struct rig r;
        rig_open(&r, i, "FULL");
        rig_insert(&r, 20);
        rig_restart(&r, MEMVFS_STRICT);
        assert_int_equal(query(r.db, "SELECT count(*) FROM t"), 20);
        rig_close(&r);
    }
    print_message("%d cycles of open, 20 commits, cut and reopen: %.2f s of CPU\n", SPEED_RUNS,
                  (double)(clock() - begin) / CLOCKS_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_commits_survive_a_strict_cut),
        cmocka_unit_test(normal_commits_are_lost_in_a_strict_cut),
        cmocka_unit_test(kill_keeps_unsynced_commits_until_the_next_power_cut),
        cmocka_unit_test(checkpointed_rows_survive_truncation_and_reset_of_the_wal),
        cmocka_unit_test(read_only_connection_sees_commits_and_cannot_write),
        cmocka_unit_test(second_writer_is_busy_in_both_journal_modes),
        cmocka_unit_test(waiting_writer_of_a_rollback_journal_keeps_new_readers_out),
        cmocka_unit_test(failed_sync_comes_out_of_commit),
        cmocka_unit_test(failed_commit_reappears_after_a_kill),
        cmocka_unit_test(faults_choose_their_file_and_stick),
        cmocka_unit_test(capacity_gives_full_and_the_rollback_works),
        cmocka_unit_test(dead_connection_gets_errors_only),
        cmocka_unit_test(no_full_commit_is_lost_wherever_the_cut_falls),
        cmocka_unit_test(no_full_commit_is_lost_in_random_cuts),
        cmocka_unit_test(random_cuts_differ_between_seeds_and_repeat_with_one),
        cmocka_unit_test(default_vfs_makes_random_numbers_a_function_of_the_seed),
        cmocka_unit_test(prints_its_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
