/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of memvfs that SQLite's own order of calls hides: this test calls the VFS directly. */
#include "memvfs/memvfs.h"

#include <sqlite3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RANDOM_RUNS 200

struct raw {
    struct memvfs *disk;
    sqlite3_vfs *vfs;
    sqlite3_file *f;
};

static void raw_begin(struct raw *w, uint64_t seed)
{
    /* A failed test leaves its disk behind: the next one takes another name. */
    static unsigned n_disks;
    char name[32];
    snprintf(name, sizeof name, "memvfs-raw-%u", ++n_disks);
    w->disk = memvfs_create(name, seed);
    assert_non_null(w->disk);
    w->vfs = sqlite3_vfs_find(name);
    w->f = calloc(1, (size_t)w->vfs->szOsFile);
    assert_non_null(w->f);
}

static void raw_end(struct raw *w)
{
    free(w->f);
    memvfs_destroy(w->disk);
}

static void raw_open(struct raw *w, const char *name, int type)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | type;
    assert_int_equal(w->vfs->xOpen(w->vfs, name, w->f, flags, NULL), SQLITE_OK);
}

static void raw_write(struct raw *w, const char *text, sqlite3_int64 offset)
{
    assert_int_equal(w->f->pMethods->xWrite(w->f, text, (int)strlen(text), offset), SQLITE_OK);
}

static int raw_read(struct raw *w, void *out, int len, sqlite3_int64 offset)
{
    return w->f->pMethods->xRead(w->f, out, len, offset);
}

static int raw_sync(struct raw *w)
{
    return w->f->pMethods->xSync(w->f, SQLITE_SYNC_NORMAL);
}

static void raw_close(struct raw *w)
{
    w->f->pMethods->xClose(w->f);
}

static void raw_restart(struct raw *w, enum memvfs_mode mode)
{
    memvfs_power_cut(w->disk, mode);
    if (w->f->pMethods) {
        assert_int_equal(raw_sync(w), SQLITE_IOERR);
        raw_close(w);
    }
    memvfs_power_on(w->disk);
}

static void a_name_is_durable_only_after_a_sync_of_the_directory(void **state)
{
    (void)state;
    struct raw w;
    raw_begin(&w, 5);
    raw_open(&w, "a.db", SQLITE_OPEN_MAIN_DB);
    raw_write(&w, "old", 0);
    assert_int_equal(raw_sync(&w), SQLITE_OK);
    raw_restart(&w, MEMVFS_STRICT);
    assert_int_equal(memvfs_file_size(w.disk, "a.db"), -1);

    raw_open(&w, "a.db", SQLITE_OPEN_MAIN_DB);
    raw_write(&w, "newer", 0);
    assert_int_equal(raw_sync(&w), SQLITE_OK);
    memvfs_sync_dir(w.disk);
    raw_restart(&w, MEMVFS_STRICT);
    assert_int_equal(memvfs_file_size(w.disk, "a.db"), 5);

    assert_int_equal(w.vfs->xDelete(w.vfs, "a.db", 0), SQLITE_OK);
    assert_int_equal(memvfs_file_size(w.disk, "a.db"), -1);
    raw_restart(&w, MEMVFS_STRICT);
    assert_int_equal(memvfs_file_size(w.disk, "a.db"), 5);
    assert_int_equal(w.vfs->xDelete(w.vfs, "a.db", 1), SQLITE_OK);
    raw_restart(&w, MEMVFS_STRICT);
    assert_int_equal(w.vfs->xDelete(w.vfs, "a.db", 1), SQLITE_IOERR_DELETE_NOENT);

    raw_open(&w, "a.db-wal", SQLITE_OPEN_WAL);
    raw_write(&w, "frame", 0);
    assert_int_equal(raw_sync(&w), SQLITE_OK);
    raw_restart(&w, MEMVFS_STRICT);
    assert_int_equal(memvfs_file_size(w.disk, "a.db-wal"), 5);
    raw_end(&w);
}

static void bytes_of_a_failed_sync_are_not_covered_by_the_next_one(void **state)
{
    (void)state;
    char out[3] = "";
    struct raw w;
    raw_begin(&w, 5);
    raw_open(&w, "a.db", SQLITE_OPEN_MAIN_DB);
    raw_write(&w, "1", 0);
    memvfs_fail_at(w.disk, (struct memvfs_fault){.op = MEMVFS_SYNC, .code = SQLITE_IOERR_FSYNC});
    assert_int_equal(raw_sync(&w), SQLITE_IOERR_FSYNC);
    raw_write(&w, "2", MEMVFS_SECTOR_BYTES);
    assert_int_equal(raw_sync(&w), SQLITE_OK);
    memvfs_sync_dir(w.disk);
    assert_int_equal(raw_read(&w, out, 1, 0), SQLITE_OK);
    assert_int_equal(out[0], '1');
    raw_restart(&w, MEMVFS_STRICT);

    raw_open(&w, "a.db", SQLITE_OPEN_MAIN_DB);
    assert_int_equal(raw_read(&w, out, 1, 0), SQLITE_OK);
    assert_int_equal(out[0], 0);
    assert_int_equal(raw_read(&w, out, 2, MEMVFS_SECTOR_BYTES), SQLITE_IOERR_SHORT_READ);
    assert_int_equal(out[0], '2');
    raw_close(&w);
    raw_end(&w);
}

static void random_cut_never_changes_bytes_that_were_not_written(void **state)
{
    (void)state;
    char before[8 * MEMVFS_SECTOR_BYTES + 1], after[sizeof before - 1];
    size_t n_old = 0, n_new = 0;
    memset(before, 'o', sizeof after);
    before[sizeof after] = 0;
    for (uint64_t seed = 0; seed < RANDOM_RUNS; seed++) {
        struct raw w;
        raw_begin(&w, seed);
        raw_open(&w, "a.db", SQLITE_OPEN_MAIN_DB);
        raw_write(&w, before, 0);
        assert_int_equal(raw_sync(&w), SQLITE_OK);
        memvfs_sync_dir(w.disk);
        raw_write(&w, "nnnnnnnnnn", 1000);
        raw_write(&w, "nnnnnnnnnn", 3000);
        raw_restart(&w, MEMVFS_RANDOM);
        raw_open(&w, "a.db", SQLITE_OPEN_MAIN_DB);
        assert_int_equal(raw_read(&w, after, sizeof after, 0), SQLITE_OK);
        for (size_t i = 0; i < sizeof after; i++) {
            bool written = (i >= 1000 && i < 1010) || (i >= 3000 && i < 3010);
            assert_true(after[i] == 'o' || (written && after[i] == 'n'));
            n_old += written && after[i] == 'o';
            n_new += written && after[i] == 'n';
        }
        raw_close(&w);
        raw_end(&w);
    }
    assert_true(n_old > 0 && n_new > 0);
}

static void random_cut_keeps_a_truncation_whole_or_undoes_it_whole(void **state)
{
    (void)state;
    char before[4 * MEMVFS_SECTOR_BYTES + 1], after[sizeof before - 1];
    bool seen[2] = {false, false};
    memset(before, 'o', sizeof after);
    before[sizeof after] = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct raw w;
        raw_begin(&w, seed);
        raw_open(&w, "a.db", SQLITE_OPEN_MAIN_DB);
        raw_write(&w, before, 0);
        assert_int_equal(raw_sync(&w), SQLITE_OK);
        memvfs_sync_dir(w.disk);
        assert_int_equal(w.f->pMethods->xTruncate(w.f, 0), SQLITE_OK);
        raw_restart(&w, MEMVFS_RANDOM);
        raw_open(&w, "a.db", SQLITE_OPEN_MAIN_DB);
        bool kept = memvfs_file_size(w.disk, "a.db") == sizeof after;
        if (kept) {
            assert_int_equal(raw_read(&w, after, sizeof after, 0), SQLITE_OK);
            assert_memory_equal(after, before, sizeof after);
        } else {
            assert_int_equal(memvfs_file_size(w.disk, "a.db"), 0);
        }
        seen[kept] = true;
        raw_close(&w);
        raw_end(&w);
    }
    assert_true(seen[false] && seen[true]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_durable_only_after_a_sync_of_the_directory),
        cmocka_unit_test(bytes_of_a_failed_sync_are_not_covered_by_the_next_one),
        cmocka_unit_test(random_cut_never_changes_bytes_that_were_not_written),
        cmocka_unit_test(random_cut_keeps_a_truncation_whole_or_undoes_it_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
