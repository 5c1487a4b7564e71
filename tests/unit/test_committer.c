/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/committer.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/thread.h"
#include "memvfs/memvfs.h"

#define VFS         "committer-test"
#define PRODUCERS   4
#define JOBS        500 /* of one producer */
#define MAILBOX     64
#define DEADLINE_MS 60000

struct rig {
    char dir[64];
    char path[96];
    struct memvfs *disk; /* NULL: a real one */
    struct journal *journal;
    struct committer *committer;
    int64_t source;
    atomic_int batches;
    atomic_int batches_stored;
};

struct job {
    struct commit_job job;
    struct rig *rig;
    char body[32];
    atomic_int answers;
    enum status outcome;
    bool has_error;
    struct journal_appended out;
};

static enum status apply(struct commit_job *job, struct journal *j, struct err *e)
{
    struct job *own = (struct job *)(void *)job;
    const struct event ev = {.body = slice_of(own->body),
                             .type = slice_of("CONTACT/STARTED"),
                             .topic = slice_of("gladly.contact"),
                             .received = clock_wall(clock_system())};
    const struct journal_append in = {.ev = &ev, .source = own->rig->source};
    return journal_append(j, &in, &own->out, e);
}

static void done(struct commit_job *job, enum status outcome, const struct err *e)
{
    struct job *own = (struct job *)(void *)job;
    own->outcome = outcome;
    own->has_error = e != NULL;
    atomic_fetch_add(&own->answers, 1);
}

static void on_batch(void *ctx, bool stored_events)
{
    struct rig *r = ctx;
    atomic_fetch_add(&r->batches, 1);
    atomic_fetch_add(&r->batches_stored, stored_events ? 1 : 0);
}

static void job_init(struct job *j, struct rig *r, int number)
{
    memset(j, 0, sizeof *j);
    j->job = (struct commit_job){.apply = apply, .done = done, .needs_room = true};
    j->rig = r;
    snprintf(j->body, sizeof j->body, "{\"n\":%d}", number);
}

static void rig_open(struct rig *r, bool in_memory)
{
    struct err e = {0};
    memset(r, 0, sizeof *r);
    if (in_memory) {
        r->disk = memvfs_create(VFS, 1);
        snprintf(r->path, sizeof r->path, "relay.db");
    } else {
        snprintf(r->dir, sizeof r->dir, "/tmp/relay-committer-XXXXXX");
        assert_non_null(mkdtemp(r->dir));
        snprintf(r->path, sizeof r->path, "%s/relay.db", r->dir);
    }
    const struct journal_opts opts = {.path = r->path,
                                      .vfs = in_memory ? VFS : NULL,
                                      .clock = clock_system(),
                                      .wal_max_bytes = 1 << 20,
                                      .checkpoint_pages = 100,
                                      .window_ms = 60000,
                                      .window_ids_max = 1000};
    assert_int_equal(journal_open(&r->journal, &opts, &e), ST_OK);
    assert_int_equal(journal_source(r->journal, "org", "main", &r->source, &e), ST_OK);
    const struct committer_opts committer_opts = {.journal = r->journal,
                                                  .clock = clock_system(),
                                                  .mailbox_max = MAILBOX,
                                                  .rows_max = 1000,
                                                  .on_batch = on_batch,
                                                  .ctx = r};
    assert_int_equal(committer_create(&r->committer, &committer_opts, &e), ST_OK);
}

static void remove_file(const struct rig *r, const char *suffix)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", r->path, suffix);
    unlink(name);
}

static void rig_close(struct rig *r)
{
    committer_close(r->committer);
    while (committer_step(r->committer, 0) == COMMITTER_WORKING)
        continue;
    committer_destroy(r->committer);
    journal_close(r->journal);
    memvfs_destroy(r->disk);
    if (r->disk)
        return;
    remove_file(r, "");
    remove_file(r, "-wal");
    remove_file(r, "-shm");
    remove_file(r, "-lock");
    rmdir(r->dir);
}

static void run_committer(void *arg)
{
    struct rig *r = arg;
    while (committer_step(r->committer, 1000) == COMMITTER_WORKING)
        continue;
}

struct producer {
    struct rig *rig;
    struct job jobs[JOBS];
    int refused;
};

static void run_producer(void *arg)
{
    struct producer *p = arg;
    for (int i = 0; i < JOBS; i++) {
        struct mono until = mono_add_ms(clock_mono(clock_system()), DEADLINE_MS);
        job_init(&p->jobs[i], p->rig, i);
        while (committer_submit(p->rig->committer, &p->jobs[i].job) != ST_OK &&
               clock_mono(clock_system()).ns < until.ns) {
            p->refused++;
            sched_yield();
        }
    }
}

static void answers_every_job_once_from_many_threads(void **state)
{
    static struct producer producers[PRODUCERS];
    static bool seen[PRODUCERS * JOBS + 1];
    struct thread *threads[PRODUCERS], *committer;
    struct rig r;
    struct err e;
    (void)state;
    rig_open(&r, false);
    assert_int_equal(thread_start(&committer, "committer", run_committer, &r, &e), ST_OK);
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i].rig = &r;
        assert_int_equal(thread_start(&threads[i], "producer", run_producer, &producers[i], &e),
                         ST_OK);
    }
    for (int i = 0; i < PRODUCERS; i++)
        thread_join(threads[i]);
    /* Closing drains: whoever was taken is answered when the thread is through. */
    committer_close(r.committer);
    thread_join(committer);
    for (int i = 0; i < PRODUCERS; i++)
        for (int n = 0; n < JOBS; n++) {
            const struct job *j = &producers[i].jobs[n];
            assert_int_equal(j->answers, 1);
            assert_int_equal(j->outcome, ST_OK);
            assert_in_range(j->out.seq, 1, PRODUCERS * JOBS);
            assert_false(seen[j->out.seq]);
            seen[j->out.seq] = true;
        }
    assert_in_range(r.batches, 1, PRODUCERS * JOBS - 1);
    committer_destroy(r.committer);
    journal_close(r.journal);
    remove_file(&r, "");
    remove_file(&r, "-wal");
    remove_file(&r, "-shm");
    remove_file(&r, "-lock");
    rmdir(r.dir);
}

static void commits_what_waits_in_one_transaction(void **state)
{
    struct journal_figures figures;
    struct job jobs[10];
    struct rig r;
    (void)state;
    rig_open(&r, true);
    for (int i = 0; i < 10; i++) {
        job_init(&jobs[i], &r, i);
        assert_int_equal(committer_submit(r.committer, &jobs[i].job), ST_OK);
    }
    assert_int_equal(committer_depth(r.committer), 10);
    uint64_t syncs = memvfs_count(r.disk, MEMVFS_SYNC);
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_WORKING);
    /* One sync of the WAL, and one of its header when the file began anew. */
    assert_in_range(memvfs_count(r.disk, MEMVFS_SYNC) - syncs, 1, 2);
    assert_int_equal(r.batches, 1);
    assert_int_equal(r.batches_stored, 1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(jobs[i].answers, 1);
        assert_int_equal(jobs[i].outcome, ST_OK);
        assert_false(jobs[i].has_error);
        assert_int_equal(jobs[i].out.seq, i + 1);
    }
    journal_figures(r.journal, &figures);
    assert_int_equal(figures.last_seq, 10);
    rig_close(&r);
}

static void refuses_when_the_mailbox_is_full(void **state)
{
    static struct job jobs[MAILBOX + 1];
    struct rig r;
    (void)state;
    rig_open(&r, true);
    for (int i = 0; i <= MAILBOX; i++) {
        job_init(&jobs[i], &r, i);
        assert_int_equal(committer_submit(r.committer, &jobs[i].job),
                         i < MAILBOX ? ST_OK : ST_FULL);
    }
    rig_close(&r);
    for (int i = 0; i < MAILBOX; i++)
        assert_int_equal(jobs[i].answers, 1);
    assert_int_equal(jobs[MAILBOX].answers, 0);
}

static void drains_what_waits_when_it_is_closed(void **state)
{
    struct job jobs[3], late;
    struct rig r;
    (void)state;
    rig_open(&r, true);
    for (int i = 0; i < 3; i++) {
        job_init(&jobs[i], &r, i);
        assert_int_equal(committer_submit(r.committer, &jobs[i].job), ST_OK);
    }
    committer_close(r.committer);
    assert_false(committer_is_ready(r.committer));
    job_init(&late, &r, 9);
    assert_int_equal(committer_submit(r.committer, &late.job), ST_DENIED);
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_WORKING);
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_DRAINED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(jobs[i].outcome, ST_OK);
    assert_int_equal(late.answers, 0);
    rig_close(&r);
}

static void ends_for_good_after_a_failed_sync(void **state)
{
    struct job jobs[5], late;
    struct rig r;
    (void)state;
    rig_open(&r, true);
    for (int i = 0; i < 5; i++) {
        job_init(&jobs[i], &r, i);
        assert_int_equal(committer_submit(r.committer, &jobs[i].job), ST_OK);
    }
    memvfs_fail_at(r.disk, (struct memvfs_fault){
                               .op = MEMVFS_SYNC, .code = SQLITE_IOERR_FSYNC, .suffix = "-wal"});
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_DEAD);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(jobs[i].answers, 1);
        assert_int_equal(jobs[i].outcome, ST_IO);
        assert_true(jobs[i].has_error);
    }
    assert_false(committer_is_ready(r.committer));
    job_init(&late, &r, 9);
    assert_int_equal(committer_submit(r.committer, &late.job), ST_DENIED);
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_DEAD);
    rig_close(&r);
}

static void refuses_on_a_full_disk_and_recovers(void **state)
{
    struct job refused, taken;
    struct rig r;
    (void)state;
    rig_open(&r, true);
    memvfs_set_capacity(r.disk, memvfs_used_bytes(r.disk));
    job_init(&refused, &r, 1);
    assert_int_equal(committer_submit(r.committer, &refused.job), ST_OK);
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_WORKING);
    assert_int_equal(refused.outcome, ST_FULL);
    assert_false(committer_is_ready(r.committer));
    memvfs_set_capacity(r.disk, MEMVFS_UNLIMITED);
    job_init(&taken, &r, 2);
    assert_int_equal(committer_submit(r.committer, &taken.job), ST_OK);
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_WORKING);
    assert_int_equal(taken.outcome, ST_OK);
    assert_int_equal(taken.out.seq, 1);
    assert_true(committer_is_ready(r.committer));
    rig_close(&r);
}

static void keeps_out_intake_alone_when_there_is_no_room(void **state)
{
    struct job intake, other;
    struct rig r;
    (void)state;
    rig_open(&r, true);
    committer_set_room(r.committer, false);
    assert_false(committer_is_ready(r.committer));
    job_init(&intake, &r, 1);
    job_init(&other, &r, 2);
    other.job.needs_room = false;
    assert_int_equal(committer_submit(r.committer, &intake.job), ST_OK);
    assert_int_equal(committer_submit(r.committer, &other.job), ST_OK);
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_WORKING);
    assert_int_equal(intake.answers, 1);
    assert_int_equal(intake.outcome, ST_FULL);
    assert_int_equal(other.answers, 1);
    assert_int_equal(other.outcome, ST_OK);
    rig_close(&r);
}

static enum status apply_badly(struct commit_job *job, struct journal *j, struct err *e)
{
    (void)job;
    (void)j;
    return err_set(e, ST_NO_MEM, "out of memory");
}

static void rolls_back_all_jobs_when_one_ends_the_transaction(void **state)
{
    struct journal_figures figures;
    struct job good, bad;
    struct rig r;
    (void)state;
    rig_open(&r, true);
    job_init(&good, &r, 1);
    job_init(&bad, &r, 2);
    bad.job.apply = apply_badly;
    assert_int_equal(committer_submit(r.committer, &good.job), ST_OK);
    assert_int_equal(committer_submit(r.committer, &bad.job), ST_OK);
    assert_int_equal(committer_step(r.committer, 0), COMMITTER_WORKING);
    assert_int_equal(good.outcome, ST_NO_MEM);
    assert_int_equal(bad.outcome, ST_NO_MEM);
    assert_int_equal(r.batches_stored, 0);
    journal_figures(r.journal, &figures);
    assert_int_equal(figures.last_seq, 0);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_every_job_once_from_many_threads),
        cmocka_unit_test(commits_what_waits_in_one_transaction),
        cmocka_unit_test(refuses_when_the_mailbox_is_full),
        cmocka_unit_test(drains_what_waits_when_it_is_closed),
        cmocka_unit_test(ends_for_good_after_a_failed_sync),
        cmocka_unit_test(refuses_on_a_full_disk_and_recovers),
        cmocka_unit_test(keeps_out_intake_alone_when_there_is_no_room),
        cmocka_unit_test(rolls_back_all_jobs_when_one_ends_the_transaction),
    };
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
