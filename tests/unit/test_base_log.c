/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int memory_fd;
static char written[8192];

static int redirect(void **state)
{
    (void)state;
    memory_fd = memfd_create("log", MFD_CLOEXEC);
    log_set_fd(memory_fd);
    log_set_level(LOG_INFO);
    thread_set_name("tester");
    return memory_fd < 0;
}

static int restore(void **state)
{
    (void)state;
    log_set_fd(STDERR_FILENO);
    return close(memory_fd);
}

/* All that was logged, NUL-terminated. */
static const char *logged(void)
{
    ssize_t n = pread(memory_fd, written, sizeof written - 1, 0);
    assert_true(n >= 0);
    written[n] = 0;
    return written;
}

/* The first line from its level on. */
static const char *behind_time(void)
{
    const char *level = strstr(logged(), " level=");
    assert_non_null(level);
    return level + 1;
}

static void writes_time_level_thread_and_event(void **state)
{
    struct wall when;
    const char *line;
    (void)state;
    log_warn("journal.opened");
    line = logged();
    assert_memory_equal(line, "ts=", 3);
    assert_true(wall_parse(line + 3, strcspn(line + 3, " "), &when));
    assert_string_equal(behind_time(), "level=warn thread=tester event=journal.opened\n");
}

static void writes_text_quoted_and_numbers_bare(void **state)
{
    (void)state;
    log_info("x", LOG_S("path", "relay.db"), LOG_I("seq", -12),
             LOG_SLICE("none", ((struct slice){0})), LOG_I("least", INT64_MIN));
    assert_string_equal(behind_time(), "level=info thread=tester event=x path=\"relay.db\" seq=-12 "
                                       "none=\"\" least=-9223372036854775808\n");
}

static void escapes_all_that_could_forge_a_line(void **state)
{
    const struct slice evil = {"a\"b\\c\nd\r\t\0\x1b[0m\x7f\xc3\xa4=", 18};
    (void)state;
    log_info("x", LOG_SLICE("v", evil));
    assert_string_equal(behind_time(),
                        "level=info thread=tester event=x "
                        "v=\"a\\\"b\\\\c\\x0ad\\x0d\\x09\\x00\\x1b[0m\\x7f\\xc3\\xa4=\"\n");
}

static void cuts_a_long_line_and_still_ends_it(void **state)
{
    static char long_text[5000];
    (void)state;
    memset(long_text, 'a', sizeof long_text);
    for (size_t length = 1900; length < 2100; length++) {
        assert_int_equal(ftruncate(memory_fd, 0), 0);
        assert_int_equal(lseek(memory_fd, 0, SEEK_SET), 0);
        struct slice text = {long_text, length};
        log_info("x", LOG_SLICE("v", text), LOG_SLICE("w", text), LOG_S("u", "1"), LOG_I("n", 1));
        const char *line = logged();
        size_t n = strlen(line);
        assert_in_range(n, 1900, 2048);
        assert_ptr_equal(strchr(line, '\n'), line + n - 1);
    }
}

static void a_cut_never_splits_an_escape(void **state)
{
    static char quotes[3000];
    (void)state;
    memset(quotes, '"', sizeof quotes);
    for (size_t shift = 0; shift < 2; shift++) {
        assert_int_equal(ftruncate(memory_fd, 0), 0);
        assert_int_equal(lseek(memory_fd, 0, SEEK_SET), 0);
        log_info(shift ? "xy" : "x", LOG_SLICE("v", ((struct slice){quotes, sizeof quotes})));
        const char *value = strstr(logged(), "v=\"") + 3;
        while (value[0] == '\\') {
            assert_int_equal(value[1], '"');
            value += 2;
        }
        assert_string_equal(value, "\"\n");
    }
}

static void drops_fields_over_the_bound(void **state)
{
    struct log_field f = LOG_I("n", 1);
    const char *at;
    int n = 0;
    (void)state;
    log_info("x", f, f, f, f, f, f, f, f, f, f, f, f, f, f);
    for (at = logged(); (at = strstr(at, " n=1")); at++)
        n++;
    assert_int_equal(n, LOG_FIELDS_MAX);
}

static void drops_lines_below_the_level(void **state)
{
    (void)state;
    log_debug("x");
    assert_string_equal(logged(), "");
    log_set_level(LOG_DEBUG);
    assert_true(log_is_enabled(LOG_DEBUG));
    log_debug("x");
    assert_string_not_equal(logged(), "");
    log_set_level(LOG_ERROR);
    assert_false(log_is_enabled(LOG_WARN));
}

static void keeps_errno(void **state)
{
    (void)state;
    log_set_fd(-1);
    errno = ENOSPC;
    log_error("x", LOG_I("n", 1));
    assert_int_equal(errno, ENOSPC);
}

static void reads_the_names_of_levels(void **state)
{
    enum log_level level = LOG_INFO;
    (void)state;
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        assert_true(log_level_parse(slice_of(log_level_name((enum log_level)i)), &level));
        assert_int_equal(level, i);
    }
    assert_false(log_level_parse(slice_of("Warn"), &level));
    assert_false(log_level_parse(slice_of(""), &level));
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, redirect, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(writes_time_level_thread_and_event),
        LOG_TEST(writes_text_quoted_and_numbers_bare),
        LOG_TEST(escapes_all_that_could_forge_a_line),
        LOG_TEST(cuts_a_long_line_and_still_ends_it),
        LOG_TEST(a_cut_never_splits_an_escape),
        LOG_TEST(drops_fields_over_the_bound),
        LOG_TEST(drops_lines_below_the_level),
        LOG_TEST(keeps_errno),
        LOG_TEST(reads_the_names_of_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
