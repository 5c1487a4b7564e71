/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: text of others is told whole, in lines that fit, and cannot move a cursor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/table.h"

/* What the call prints to stdout, and the lines that it says it took. */
static int wrapped(const char *text, int indent, int width, char *out, size_t size)
{
    FILE *file = tmpfile();
    int kept, lines;
    size_t len;
    assert_non_null(file);
    fflush(stdout);
    kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    lines = table_wrap(slice_of(text), indent, width, true);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    rewind(file);
    len = fread(out, 1, size - 1, file);
    out[len] = 0;
    fclose(file);
    assert_int_equal(table_wrap(slice_of(text), indent, width, false), lines);
    return lines;
}

static void expect(const char *text, int width, const char *wanted)
{
    char out[512];
    int lines = wrapped(text, 2, width, out, sizeof out), ends = 0;
    assert_string_equal(out, wanted);
    for (const char *at = out; *at; at++)
        ends += *at == '\n';
    assert_int_equal(lines, ends);
}

static void a_text_that_fits_is_one_line(void **state)
{
    (void)state;
    expect("", 10, "\n");
    expect("ten bytes.", 10, "ten bytes.\n");
    expect("ends with a blank ", 17, "ends with a blank\n");
}

static void a_longer_text_is_broken_at_blanks_and_told_whole(void **state)
{
    (void)state;
    expect("one two three four", 9, "one two\n  three\n  four\n");
    expect("one two three four", 8, "one two\n  three\n  four\n");
    expect("one two", 3, "one\n  two\n");
    expect("one  two", 4, "one \n  two\n");
}

static void a_word_that_is_longer_than_a_line_stays_whole_and_counts_as_several(void **state)
{
    char out[512];
    (void)state;
    assert_int_equal(wrapped("abcdefghij", 2, 4, out, sizeof out), 3);
    assert_string_equal(out, "abcdefghij\n");
    assert_int_equal(wrapped("a bcdefghij kl", 2, 4, out, sizeof out), 5);
    assert_string_equal(out, "a\n  bcdefghij\n  kl\n");
}

static void characters_are_counted_and_not_bytes(void **state)
{
    (void)state;
    expect("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 4, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\n");
    expect("\xc3\xa4\xc3\xb6 \xc3\xbc", 3, "\xc3\xa4\xc3\xb6\n  \xc3\xbc\n");
}

static void control_characters_are_replaced(void **state)
{
    (void)state;
    expect("a\033[2Jb\nc\xff", 20, "a?[2Jb?c?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_fits_is_one_line),
        cmocka_unit_test(a_longer_text_is_broken_at_blanks_and_told_whole),
        cmocka_unit_test(a_word_that_is_longer_than_a_line_stays_whole_and_counts_as_several),
        cmocka_unit_test(characters_are_counted_and_not_bytes),
        cmocka_unit_test(control_characters_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
