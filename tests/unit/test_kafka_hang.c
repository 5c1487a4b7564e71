/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a transactional call of librdkafka that does not come back ends the process with a line in
 * the log, and one that only takes long does not; and no commit is called for when a report has
 * left a doubt.
 *
 * The calls here stand in for librdkafka's: the program's own functions come before those of a
 * shared library. No client is made. What ends a process runs in a child.
 */
#include "base/clock.h"
#include "base/log.h"
#include "kafka/kafka_transactions.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Generous: a loaded machine under a sanitizer. */
#define DEADLINE_MS 60000
#define HANG_MS     200

/* A call waits until somebody writes into its pipe. */
static int commit_pipe[2], begin_pipe[2];

static rd_kafka_error_t *wait_for(const int pipe_fds[2])
{
    char byte;
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    return NULL;
}

rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout_ms)
{
    (void)rk;
    (void)timeout_ms;
    return wait_for(commit_pipe);
}

rd_kafka_error_t *rd_kafka_begin_transaction(rd_kafka_t *rk)
{
    (void)rk;
    return wait_for(begin_pipe);
}

/* The last report comes while the others are waited for. */
static struct kafka_transactions_reports reports, last_reports;
static rd_kafka_resp_err_t flush_answer;
static int flush_calls;

rd_kafka_resp_err_t rd_kafka_flush(rd_kafka_t *rk, int timeout_ms)
{
    (void)rk;
    (void)timeout_ms;
    flush_calls++;
    reports = last_reports;
    return flush_answer;
}

static void let_go(const int pipe_fds[2])
{
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
}

struct bench {
    struct wakeup wake;
    struct kafka_transactions *t;
};

static void make(struct bench *b, int hang_ms)
{
    const struct kafka_transactions_opts opts = {
        .timeout_ms = 1000, .wake = &b->wake, .hang_ms = hang_ms};
    struct err e;
    assert_int_equal(pipe(commit_pipe), 0);
    assert_int_equal(pipe(begin_pipe), 0);
    assert_int_equal(wakeup_init(&b->wake, &e), ST_OK);
    assert_int_equal(kafka_transactions_create(&b->t, &opts, &e), ST_OK);
    /* Only the functions above see the client. */
    kafka_transactions_commit(b->t, (rd_kafka_t *)b, &reports);
}

/* Looks as the publisher does until the work is done. False: not within the deadline. */
static bool look(struct bench *b, int deadline_ms, struct kafka_transactions_outcome *out)
{
    struct mono until = mono_add_ms(clock_mono(clock_system()), deadline_ms);
    struct pollfd pfd = {.fd = b->wake.fd, .events = POLLIN};
    while (!kafka_transactions_take(b->t, out)) {
        if (mono_diff_ns(clock_mono(clock_system()), until) >= 0)
            return false;
        (void)poll(&pfd, 1, 10);
        wakeup_clear(&b->wake);
    }
    return true;
}

static void finish(struct bench *b)
{
    kafka_transactions_destroy(b->t, NULL);
    wakeup_fini(&b->wake);
    for (int i = 0; i < 2; i++) {
        close(commit_pipe[i]);
        close(begin_pipe[i]);
    }
}

/* ---- a process that is to end ---- */

static void hang_in_child(int log_fd, bool in_commit)
{
    const struct rlimit no_core = {0, 0};
    struct kafka_transactions_outcome outcome;
    struct bench b;
    setrlimit(RLIMIT_CORE, &no_core);
    if (dup2(log_fd, STDERR_FILENO) < 0)
        _exit(1);
    make(&b, HANG_MS);
    if (!in_commit)
        let_go(commit_pipe);
    look(&b, DEADLINE_MS, &outcome);
    _exit(2); /* the watchdog has not ended it */
}

/* Everything that comes until the child has closed it. */
static void read_log(int fd, char *out, size_t size)
{
    struct mono until = mono_add_ms(clock_mono(clock_system()), DEADLINE_MS);
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    size_t len = 0;
    ssize_t n = 1;
    while (n > 0 && len < size - 1) {
        int left = mono_until_ms(clock_mono(clock_system()), until, DEADLINE_MS);
        n = poll(&pfd, 1, left) == 1 ? read(fd, out + len, size - 1 - len) : 0;
        len += n > 0 ? (size_t)n : 0;
    }
    out[len] = 0;
}

static void expect_end(bool in_commit)
{
    char log[4096];
    int fds[2], status = 0;
    pid_t child;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        hang_in_child(fds[1], in_commit);
    }
    close(fds[1]);
    read_log(fds[0], log, sizeof log);
    close(fds[0]);
    /* It is gone, or it is stuck after all: in both cases this ends it. */
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("status %x, log: %s", (unsigned)status, log);
    assert_non_null(strstr(log, "level=error"));
    assert_non_null(strstr(log, "event=kafka.hangs in=\"commit\""));
}

static void a_commit_that_does_not_come_back_ends_the_process(void **state)
{
    (void)state;
    expect_end(true);
}

static void beginning_the_next_one_counts_too(void **state)
{
    (void)state;
    expect_end(false);
}

/* ---- a process that goes on ---- */

static void a_call_that_takes_long_is_waited_for(void **state)
{
    struct kafka_transactions_outcome outcome;
    struct bench b;
    (void)state;
    make(&b, DEADLINE_MS);
    assert_false(look(&b, 2 * HANG_MS, &outcome));
    let_go(commit_pipe);
    assert_false(look(&b, HANG_MS, &outcome));
    let_go(begin_pipe);
    assert_true(look(&b, DEADLINE_MS, &outcome));
    assert_int_equal(outcome.end, KAFKA_TRANSACTIONS_DONE);
    finish(&b);
}

static void a_bound_that_is_not_given_is_far_above_the_timeouts(void **state)
{
    struct kafka_transactions_outcome outcome;
    struct bench b;
    (void)state;
    make(&b, 0);
    assert_false(look(&b, 2 * HANG_MS, &outcome));
    let_go(commit_pipe);
    let_go(begin_pipe);
    assert_true(look(&b, DEADLINE_MS, &outcome));
    finish(&b);
}

static void nothing_is_committed_when_a_report_leaves_a_doubt(void **state)
{
    struct kafka_transactions_outcome outcome;
    struct bench b;
    (void)state;
    last_reports.is_doubtful = true;
    make(&b, 0);
    assert_true(look(&b, DEADLINE_MS, &outcome)); /* nobody lets a commit go */
    last_reports.is_doubtful = reports.is_doubtful = false;
    assert_int_equal(outcome.end, KAFKA_TRANSACTIONS_FAILED);
    assert_int_equal(outcome.code, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_non_null(strstr(outcome.why, "no broker confirmed"));
    finish(&b);
}

static void nothing_is_committed_while_a_report_is_missing(void **state)
{
    struct kafka_transactions_outcome outcome;
    struct bench b;
    (void)state;
    flush_answer = RD_KAFKA_RESP_ERR__TIMED_OUT;
    make(&b, 0);
    assert_true(look(&b, DEADLINE_MS, &outcome)); /* nobody lets a commit go */
    flush_answer = RD_KAFKA_RESP_ERR_NO_ERROR;
    assert_int_equal(outcome.end, KAFKA_TRANSACTIONS_FAILED);
    assert_non_null(strstr(outcome.why, "without a report"));
    finish(&b);
}

static void records_on_the_way_are_not_waited_for_when_one_has_failed(void **state)
{
    struct kafka_transactions_outcome outcome;
    struct bench b;
    (void)state;
    last_reports.is_failed = true;
    flush_answer = RD_KAFKA_RESP_ERR__TIMED_OUT;
    flush_calls = 0;
    make(&b, 0);
    let_go(commit_pipe);
    let_go(begin_pipe);
    assert_true(look(&b, DEADLINE_MS, &outcome));
    assert_int_equal(flush_calls, 1);
    last_reports.is_failed = reports.is_failed = false;
    flush_answer = RD_KAFKA_RESP_ERR_NO_ERROR;
    finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_that_does_not_come_back_ends_the_process),
        cmocka_unit_test(beginning_the_next_one_counts_too),
        cmocka_unit_test(a_call_that_takes_long_is_waited_for),
        cmocka_unit_test(a_bound_that_is_not_given_is_far_above_the_timeouts),
        cmocka_unit_test(nothing_is_committed_when_a_report_leaves_a_doubt),
        cmocka_unit_test(nothing_is_committed_while_a_report_is_missing),
        cmocka_unit_test(records_on_the_way_are_not_waited_for_when_one_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
