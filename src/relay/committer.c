/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/committer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"

/* How often a journal that refused the last transaction is tried again when nobody else does. */
#define PROBE_MS 1000

/* How long deliveries may come in before housekeeping that has more to do goes on. */
#define HOUSE_WAIT_MS 2

struct committer {
    struct committer_opts opts;
    struct thread_owner owner;
    struct mailbox *mailbox;
    bool house_waits; /* housekeeping has more to do */
    struct mono probe_due;
    enum status last_outcome; /* logged when it changes */
    _Atomic bool has_room;
    _Atomic bool healthy; /* the last transaction committed */
    bool dead;
    struct metric *commit_seconds;
    struct metric *sync_seconds;
    struct metric *batch_rows;
    struct metric *commits;
    struct metric *failures;
};

static void create_metrics(struct committer *c, struct metrics *m)
{
    if (!m)
        return;
    c->commit_seconds = metric_single(
        metric_family(m, METRIC_HISTOGRAM, "relay_commit_seconds", "",
                      "Time of one journal transaction, from BEGIN to the end of COMMIT's sync"));
    c->sync_seconds =
        metric_single(metric_family(m, METRIC_HISTOGRAM, "relay_commit_sync_seconds", "",
                                    "Of it the COMMIT alone: writing the WAL and its sync"));
    c->commits = metric_single(metric_family(m, METRIC_COUNTER, "relay_commits_total", "",
                                             "Journal transactions committed"));
    c->batch_rows = metric_single(metric_family(m, METRIC_COUNTER, "relay_commit_jobs_total", "",
                                                "Jobs in committed transactions; over "
                                                "relay_commits_total: the mean batch"));
    c->failures = metric_single(metric_family(m, METRIC_COUNTER, "relay_commit_failures_total", "",
                                              "Journal transactions that did not commit"));
}

enum status committer_create(struct committer **out, const struct committer_opts *opts,
                             struct err *e)
{
    struct committer *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, ST_NO_MEM, "committer: out of memory");
    c->opts = *opts;
    c->mailbox = mailbox_create(opts->mailbox_max);
    if (!c->mailbox) {
        free(c);
        return err_set(e, ST_NO_MEM, "committer: out of memory");
    }
    c->has_room = true;
    c->healthy = true;
    create_metrics(c, opts->metrics);
    *out = c;
    return ST_OK;
}

void committer_destroy(struct committer *c)
{
    if (!c)
        return;
    mailbox_destroy(c->mailbox);
    free(c);
}

enum status committer_submit(struct committer *c, struct commit_job *job)
{
    return mailbox_post(c->mailbox, &job->mail);
}

void committer_close(struct committer *c)
{
    mailbox_close(c->mailbox);
}

void committer_set_room(struct committer *c, bool has_room)
{
    c->has_room = has_room;
}

bool committer_is_ready(const struct committer *c)
{
    return c->healthy && c->has_room && !mailbox_is_closed(c->mailbox);
}

size_t committer_depth(const struct committer *c)
{
    return mailbox_depth(c->mailbox);
}

static struct commit_job *job_of(struct mail *m)
{
    return (struct commit_job *)m;
}
_Static_assert(offsetof(struct commit_job, mail) == 0, "a job is its mail");

/* The transaction's outcome, logged once when it turns bad and once when it is good again. */
static void note_outcome(struct committer *c, enum status st, const struct err *e)
{
    if (st != c->last_outcome && st == ST_OK)
        log_info("committer.recovered", LOG_S("after", status_name(c->last_outcome)));
    else if (st != c->last_outcome)
        log_error("committer.commit_failed", LOG_S("status", status_name(st)),
                  LOG_I("code", e->detail), LOG_S("reason", e->text));
    c->last_outcome = st;
    c->healthy = st == ST_OK;
    if (st != ST_OK && c->failures)
        metric_add(c->failures, 1);
    /* ST_CORRUPT is as final as ST_IO: what a damaged file took in cannot be trusted. */
    if (st == ST_IO || st == ST_CORRUPT)
        c->dead = true;
}

static enum status apply_all(struct committer *c, struct mail *first, struct err *e)
{
    enum status st = ST_OK;
    for (struct mail *m = first; m && st == ST_OK; m = m->next)
        st = job_of(m)->apply(job_of(m), c->opts.journal, e);
    return st;
}

/* BEGIN, every job, COMMIT. */
static enum status transact(struct committer *c, struct mail *first, struct err *e)
{
    struct mono began = clock_mono(c->opts.clock);
    struct mono applied;
    enum status st = journal_begin(c->opts.journal, e);
    if (st != ST_OK)
        return st;
    st = apply_all(c, first, e);
    FAILPOINT("committer.applied");
    applied = clock_mono(c->opts.clock);
    if (st == ST_OK)
        st = journal_commit(c->opts.journal, e);
    else
        journal_rollback(c->opts.journal);
    FAILPOINT("committer.committed");
    if (c->commit_seconds) {
        struct mono ended = clock_mono(c->opts.clock);
        metric_observe_ns(c->commit_seconds, mono_diff_ns(ended, began));
        metric_observe_ns(c->sync_seconds, mono_diff_ns(ended, applied));
    }
    return st;
}

static void answer(struct mail *m, enum status st, const struct err *e)
{
    while (m) {
        /* done() may free the job or post it again. */
        struct mail *next = m->next;
        job_of(m)->done(job_of(m), st, st == ST_OK ? NULL : e);
        FAILPOINT("committer.answered_one");
        m = next;
    }
}

/* Splits off the jobs that need room, which there is not; the rest (cursors, parks, deletes) goes
 * on. */
static struct mail *refuse_for_room(struct mail *first)
{
    struct mail *kept = NULL, **kept_tail = &kept;
    struct err e;
    err_set(&e, ST_FULL, "free disk space is below the floor");
    while (first) {
        struct mail *next = first->next;
        first->next = NULL;
        if (job_of(first)->needs_room) {
            answer(first, ST_FULL, &e);
        } else {
            *kept_tail = first;
            kept_tail = &first->next;
        }
        first = next;
    }
    return kept;
}

static void run_batch(struct committer *c, struct mail *first, size_t count)
{
    struct err e = {0};
    enum status st = ST_OK;
    bool intake = false;
    if (!c->has_room)
        first = refuse_for_room(first);
    for (struct mail *m = first; m && !intake; m = m->next)
        intake = job_of(m)->needs_room;
    if (c->dead) {
        st = err_set(&e, ST_IO, "the journal failed; the process is about to exit");
    } else if (first) {
        st = transact(c, first, &e);
        note_outcome(c, st, &e);
    }
    if (st == ST_OK && first && c->commits) {
        metric_add(c->commits, 1);
        metric_add(c->batch_rows, (int64_t)count);
    }
    answer(first, st, &e);
    FAILPOINT("committer.answered_all");
    if (c->opts.on_batch)
        c->opts.on_batch(c->opts.ctx, st == ST_OK && intake);
}

/*
 * After a transaction that failed without harm (full disk) readiness must not hang on the next
 * delivery: a load balancer that looks at it sends none. So try a commit of our own.
 */
static void probe(struct committer *c)
{
    struct mono now = clock_mono(c->opts.clock);
    struct err e = {0};
    enum status st;
    if (c->healthy || now.ns < c->probe_due.ns)
        return;
    c->probe_due = mono_add_ms(now, PROBE_MS);
    st = journal_begin(c->opts.journal, &e);
    if (st == ST_OK)
        st = journal_set_meta(c->opts.journal, "probe", status_name(c->last_outcome), &e);
    if (st == ST_OK)
        st = journal_commit(c->opts.journal, &e);
    else
        journal_rollback(c->opts.journal);
    note_outcome(c, st, &e);
}

/* Everything that keeps nobody waiting: it runs after the answers left. */
static void keep_house(struct committer *c, bool worked)
{
    struct err e = {0};
    enum status st = ST_OK;
    c->house_waits = false;
    if (worked)
        st = journal_maintain(c->opts.journal, &e);
    if (st == ST_OK && c->opts.housekeeping)
        st = c->opts.housekeeping(c->opts.ctx, c->opts.journal, &c->house_waits, &e);
    if (st != ST_OK)
        note_outcome(c, st, &e);
}

enum committer_state committer_step(struct committer *c, int timeout_ms)
{
    struct mail *first;
    size_t count;
    thread_owner_check(&c->owner);
    if (c->house_waits && timeout_ms != 0)
        timeout_ms = HOUSE_WAIT_MS;
    count = mailbox_take(c->mailbox, c->opts.rows_max, timeout_ms, &first);
    if (count)
        run_batch(c, first, count);
    if (!c->dead)
        keep_house(c, count > 0);
    if (!c->dead)
        probe(c);
    if (c->dead) {
        /* Nobody may be left waiting: later jobs are refused at the door, those inside get their
         * answer. */
        mailbox_close(c->mailbox);
        while ((count = mailbox_take(c->mailbox, c->opts.rows_max, 0, &first)) > 0)
            run_batch(c, first, count);
        return COMMITTER_DEAD;
    }
    if (!count && mailbox_is_closed(c->mailbox) && mailbox_depth(c->mailbox) == 0)
        return COMMITTER_DRAINED;
    return COMMITTER_WORKING;
}
