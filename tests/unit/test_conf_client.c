/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a client's look at the configuration finds the relay whatever else the file needs, and
 * still sees its own mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/conf.h"

static const struct conf_load_opts client = {.client = true};

static struct conf *load(const char *text, struct conf_errors *errors)
{
    struct conf *c = NULL;
    enum status st = conf_load_text("test.conf", slice_of(text), &client, &c, errors);
    assert_int_equal(st == ST_OK, c != NULL);
    return c;
}

static void passes_over_what_only_the_relay_needs(void **state)
{
    static const char text[] = "[journal]\npath = /x/relay.db\n"
                               "[admin]\nsocket = /run/relay\ntoken = ${RELAY_NOT_SET}\n"
                               "read_token_file = /there/is/none\n"
                               "[kafka]\nbootstrap.servers = ${RELAY_NOT_SET}\nacks = 1\n"
                               "[source gladly]\ntoken = ${RELAY_NOT_SET}\nlater_option = 1\n";
    struct conf_errors *errors = conf_errors_create();
    struct conf *c = load(text, errors);
    (void)state;
    unsetenv("RELAY_NOT_SET");
    assert_non_null(c);
    assert_string_equal(c->journal.path, "/x/relay.db");
    assert_string_equal(c->admin.socket, "/run/relay");
    assert_string_equal(c->admin.token, "");
    assert_string_equal(c->admin.read_token, "");
    conf_destroy(c);
    conf_errors_destroy(errors);
}

static void needs_a_journal_and_nothing_else(void **state)
{
    struct conf_errors *errors = conf_errors_create();
    struct conf *c = load("[journal]\npath = relay.db\n", errors);
    (void)state;
    assert_non_null(c);
    assert_string_equal(c->admin.socket, "");
    conf_destroy(c);
    assert_null(load("[admin]\nsocket = /run/relay\n", errors));
    assert_string_equal(
        conf_errors_text(errors, 0),
        "test.conf: [journal] path: is required, and there is no section [journal]");
    conf_errors_destroy(errors);
}

static void sees_mistakes_in_what_it_reads(void **state)
{
    struct conf_errors *errors = conf_errors_create();
    (void)state;
    assert_null(load("[journal]\npath = relay.db\n[admin]\nsockets = x\n", errors));
    assert_string_equal(conf_errors_text(errors, 0), "test.conf:4: [admin] sockets: unknown key");
    conf_errors_destroy(errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_over_what_only_the_relay_needs),
        cmocka_unit_test(needs_a_journal_and_nothing_else),
        cmocka_unit_test(sees_mistakes_in_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
