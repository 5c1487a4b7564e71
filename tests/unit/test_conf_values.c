/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration's values: defaults, variables, secret files, limits.
 */
#include "conf/conf.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Behind what it needs. */
#include <cmocka.h>

#define TEXT_MAX (8u * 1024u * 1024u)
#define TOKEN    "0123456789abcdef"

static const char body[] = "[journal]\npath = relay.db\n"
                           "[kafka]\nbootstrap.servers = 127.0.0.1:9092\n"
                           "[source gladly]\npath = /gladly\n";

static char temp_dir[64];

/* ---- helpers ---- */

static void write_file(const char *path, struct slice text, mode_t mode)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static struct conf *load_good(const char *text)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    assert_non_null(errs);
    if (conf_load_text("test.conf", slice_of(text), NULL, &c, errs) != ST_OK)
        fail_msg("not loaded: %s", conf_errors_text(errs, 0));
    assert_int_equal(conf_errors_count(errs), 0);
    conf_errors_destroy(errs);
    return c;
}

/* Loads text and holds all messages against expected. */
static void expect_errors(struct slice text, const char *expected)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    struct buf all;
    assert_non_null(errs);
    buf_init(&all, TEXT_MAX);
    assert_int_equal(conf_load_text("test.conf", text, NULL, &c, errs), ST_BAD_INPUT);
    assert_null(c);
    assert_int_equal(conf_errors_write(errs, &all), ST_OK);
    assert_int_equal(buf_append(&all, "", 1), ST_OK);
    assert_string_equal(all.ptr, expected);
    buf_fini(&all);
    conf_errors_destroy(errs);
}

/* The same for what follows the usual sections, in the one of source gladly (from line 7 on). */
static void expect_source_errors(const char *text, const char *expected)
{
    struct buf all;
    buf_init(&all, TEXT_MAX);
    assert_int_equal(buf_printf(&all, "%s%s", body, text), ST_OK);
    expect_errors(buf_slice(&all), expected);
    buf_fini(&all);
}

static struct conf *load_source(const char *text)
{
    struct conf *c;
    struct buf all;
    buf_init(&all, TEXT_MAX);
    assert_int_equal(buf_printf(&all, "%s%s", body, text), ST_OK);
    assert_int_equal(buf_append(&all, "", 1), ST_OK);
    c = load_good(all.ptr);
    buf_fini(&all);
    return c;
}

/* ---- content ---- */

static void minimal_file_has_every_default(void **state)
{
    struct conf *c = load_source("token = ${GLADLY_TOKEN}\n");
    const struct conf_source *s = &c->sources[0];
    (void)state;
    assert_string_equal(c->http.listen.address, "127.0.0.1");
    assert_int_equal(c->http.listen.port, 8080);
    assert_int_equal(c->http.body_max_bytes, 16 * 1024 * 1024);
    assert_int_equal(c->http.answer_timeout_ms, 10000);
    assert_int_equal(c->http.trusted_proxies.count, 0);
    assert_string_equal(c->http.tls_cert_file, "");
    assert_int_equal(c->journal.retention_ms, 4 * 86400000LL);
    assert_false(c->journal.secure_delete);
    assert_true(c->kafka.create_topics);
    assert_int_equal(c->kafka.properties.count, 1);
    assert_string_equal(c->kafka.properties.items[0].name, "bootstrap.servers");
    assert_string_equal(c->kafka.properties.items[0].value, "127.0.0.1:9092");
    assert_int_equal(c->kafka.properties.items[0].line, 4);
    assert_int_equal(c->admin.listen.port, 9464);
    assert_int_equal(c->log.level, LOG_INFO);
    assert_int_equal(c->org_count, 0);
    assert_int_equal(c->source_count, 1);
    assert_string_equal(s->name, "gladly");
    assert_string_equal(s->org, "gladly");
    assert_int_equal(s->line, 5);
    assert_string_equal(s->token, TOKEN);
    assert_string_equal(s->token_previous, "");
    assert_string_equal(s->header, "x-api-key");
    assert_string_equal(s->topic, "gladly.{family}");
    assert_string_equal(s->key.names[0], "conversationId");
    assert_string_equal(s->key.names[6], "id");
    assert_null(s->key.names[7]);
    conf_destroy(c);
}

static void rules_of_a_type_are_one_rule(void **state)
{
    struct conf *c = load_source("token = ${GLADLY_TOKEN}\n"
                                 "topic.CONTACT/STARTED = -\n"
                                 "key.CONTACT/STARTED = agentId, id\n"
                                 "key.TASK = taskId\n"
                                 "topic.AGENT_STATUS = agents\n");
    const struct conf_rules *rules = &c->sources[0].rules;
    (void)state;
    assert_int_equal(rules->count, 3);
    assert_string_equal(rules->items[0].what, "CONTACT/STARTED");
    assert_string_equal(rules->items[0].topic, "");
    assert_int_equal(rules->items[0].topic_line, 8);
    assert_int_equal(rules->items[0].keys_line, 9);
    assert_string_equal(rules->items[0].keys.names[0], "agentId");
    assert_string_equal(rules->items[0].keys.names[1], "id");
    assert_null(rules->items[0].keys.names[2]);
    assert_null(rules->items[1].topic);
    assert_string_equal(rules->items[2].topic, "agents");
    assert_int_equal(rules->items[2].keys_line, 0);
    conf_destroy(c);
}

static void listen_takes_numeric_addresses_with_a_port_only(void **state)
{
    static const char *const bad[] = {"127.0.0.1",    "8080",           "[::1]",
                                      "::1:8080",     "127.0.0.1:",     "127.0.0.1:65536",
                                      "256.0.0.1:80", "[127.0.0.1]:80", "127.0.0.1:080000",
                                      ":80",          "localhost:80",   "127.0.0.1:+1",
                                      "[]:80",        "0.0.0.0.0:80",   ""};
    static const struct {
        const char *text;
        const char *address;
        uint16_t port;
    } good[] = {
        {"0.0.0.0:0", "0.0.0.0", 0}, {"[::]:65535", "::", 65535}, {"[0:0::1]:80", "::1", 80}};
    char text[256];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "token = 12345678\n[http]\nlisten = %s\n", bad[i]);
        expect_source_errors(text, "test.conf:9: [http] listen: must be ADDRESS:PORT with a "
                                   "numeric address, such as 127.0.0.1:8080 or [::1]:8080\n");
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "token = 12345678\n[http]\nlisten = %s\n", good[i].text);
        struct conf *c = load_source(text);
        assert_string_equal(c->http.listen.address, good[i].address);
        assert_int_equal(c->http.listen.port, good[i].port);
        conf_destroy(c);
    }
}

static void variables_are_filled_in_once(void **state)
{
    struct conf *c = load_source("token = a${GLADLY_TOKEN}b${GLADLY_TOKEN}\n"
                                 "token_previous = $${GLADLY_TOKEN}$x$\n"
                                 "basic_user = ${SPECIAL_VARIABLE}\n"
                                 "basic_password = ${NESTED_VARIABLE}\n");
    (void)state;
    assert_string_equal(c->sources[0].token, "a" TOKEN "b" TOKEN);
    assert_string_equal(c->sources[0].token_previous, "${GLADLY_TOKEN}$x$");
    assert_string_equal(c->sources[0].basic_user, "semi ; colon # hash");
    assert_string_equal(c->sources[0].basic_password, "${GLADLY_TOKEN}");
    conf_destroy(c);
}

static void variables_cannot_grow_a_value_without_bound(void **state)
{
    struct buf text;
    char *large = calloc(1, 40001);
    (void)state;
    assert_non_null(large);
    memset(large, 'x', 40000);
    setenv("LARGE_VARIABLE", large, 1);
    buf_init(&text, TEXT_MAX);
    expect_source_errors(
        "token = ${LARGE_VARIABLE}${LARGE_VARIABLE}\ntoken_previous = ${LARGE_VARIABLE}\n",
        "test.conf:7: [source gladly] token: is longer than 65536 bytes with its variables filled "
        "in\n"
        "test.conf:8: [source gladly] token_previous: must have 8 to 1024 characters\n");
    unsetenv("LARGE_VARIABLE");
    buf_fini(&text);
    free(large);
}

static void control_characters_of_variables_are_refused(void **state)
{
    (void)state;
    setenv("LINES_VARIABLE", "first line\nsecond line", 1);
    expect_source_errors("token = ${LINES_VARIABLE}\n",
                         "test.conf:7: [source gladly] token: must not hold a control character\n");
    unsetenv("LINES_VARIABLE");
}

/* ---- secret files ---- */

static const char *temp_file(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", temp_dir, name);
    return path;
}

static void secrets_come_from_files(void **state)
{
    char text[512];
    struct conf *c;
    (void)state;
    write_file(temp_file("token"), slice_of("${GLADLY_TOKEN} ; # \n"), 0640);
    write_file(temp_file("password"), slice_of("12345678\r\n"), 0400);
    write_file(temp_file("header"), slice_of("no end of line"), 0600);
    snprintf(text, sizeof text,
             "token_file = %s/token\nbasic_user = u\nbasic_password_file = %s/password\n"
             "header_file.X-Extra = %s/header\n[org x]\n",
             temp_dir, temp_dir, temp_dir);
    c = load_source(text);
    assert_string_equal(c->sources[0].token, "${GLADLY_TOKEN} ; # ");
    assert_string_equal(c->sources[0].basic_password, "12345678");
    assert_string_equal(c->sources[0].headers.items[0].name, "X-Extra");
    assert_string_equal(c->sources[0].headers.items[0].value, "no end of line");
    conf_destroy(c);
}

static void property_secrets_come_from_files_and_may_have_lines(void **state)
{
    char text[512];
    struct conf *c;
    const struct conf_property *p;
    (void)state;
    write_file(temp_file("pem"), slice_of("line one\nline two\n"), 0600);
    snprintf(text, sizeof text,
             "[journal]\npath = j\n[kafka]\nbootstrap.servers = b\nssl.key.pem_file = %s/pem\n"
             "[source s]\npath = /s\ntoken = ${GLADLY_TOKEN}\n",
             temp_dir);
    c = load_good(text);
    p = &c->kafka.properties.items[1];
    assert_string_equal(p->name, "ssl.key.pem");
    assert_string_equal(p->value, "line one\nline two");
    assert_true(p->is_secret);
    conf_destroy(c);
}

static void check_secret_file(const char *name, struct slice content, mode_t mode,
                              const char *reason)
{
    char text[256], expected[512];
    write_file(temp_file(name), content, mode);
    snprintf(text, sizeof text, "token_file = %s/%s\n", temp_dir, name);
    snprintf(expected, sizeof expected, "test.conf:7: [source gladly] token_file: %s/%s %s\n",
             temp_dir, name, reason);
    expect_source_errors(text, expected);
}

static void bad_secret_files_are_refused_with_the_reason(void **state)
{
    static char large[4097];
    (void)state;
    memset(large, 'x', sizeof large);
    check_secret_file("world", slice_of(TOKEN), 0644,
                      "is open to every user (mode 0644); run chmod o-rwx on it");
    check_secret_file("empty", slice_of(""), 0600, "is empty");
    check_secret_file("newline", slice_of("\n"), 0600, "is empty");
    check_secret_file("large", (struct slice){large, sizeof large}, 0600,
                      "is larger than 4096 bytes");
    check_secret_file("nul", (struct slice){"0123\00056789", 10}, 0600, "holds a NUL byte");
}

static void short_secret_in_a_file_is_refused(void **state)
{
    char text[256];
    (void)state;
    write_file(temp_file("short"), slice_of("1234567\n"), 0600);
    snprintf(text, sizeof text, "token_file = %s/short\n", temp_dir);
    expect_source_errors(
        text, "test.conf:7: [source gladly] token_file: must have 8 to 1024 characters\n");
}

/* ---- limits ---- */

static void line_of_the_limit_is_read_in_full_and_a_longer_one_refused(void **state)
{
    struct buf text;
    struct conf *c;
    static const char key[] = "client.rack = ";
    size_t at;
    (void)state;
    buf_init(&text, TEXT_MAX);
    assert_int_equal(buf_printf(&text,
                                "[journal]\npath = relay.db\n[source s]\npath = /s\ntoken = "
                                "${GLADLY_TOKEN}\n[kafka]\nbootstrap.servers = b\n%s",
                                key),
                     ST_OK);
    at = text.len;
    for (size_t i = sizeof key - 1; i < CONF_LINE_MAX; i++)
        assert_int_equal(buf_append(&text, "v", 1), ST_OK);
    assert_int_equal(buf_append(&text, "\0", 1), ST_OK);
    c = load_good(text.ptr);
    assert_int_equal(strlen(c->kafka.properties.items[1].value), CONF_LINE_MAX - sizeof key + 1);
    conf_destroy(c);
    assert_int_equal(text.len, at + CONF_LINE_MAX - sizeof key + 2);
    text.ptr[text.len - 1] = 'v';
    assert_int_equal(buf_printf(&text, "\nlinger.ms = 5\nunknown = 1\n"), ST_OK);
    expect_errors(buf_slice(&text), "test.conf:8: the line is longer than 4096 bytes\n"
                                    "test.conf:10: [kafka] unknown: unknown key\n");
    buf_fini(&text);
}

static void too_many_sections_and_entries_are_refused(void **state)
{
    struct buf text;
    (void)state;
    buf_init(&text, TEXT_MAX);
    assert_int_equal(buf_printf(&text, "%stoken = ${GLADLY_TOKEN}\n", body), ST_OK);
    for (int i = 0; i < 9; i++)
        assert_int_equal(buf_printf(&text, "header.X-%d = v\n", i), ST_OK);
    for (int i = 0; i < 257; i++)
        assert_int_equal(buf_printf(&text, "topic.T%d = t\nkey.T%d = id\n", i, i), ST_OK);
    for (int i = 0; i < 33; i++)
        assert_int_equal(buf_printf(&text, "[org o%d]\n", i), ST_OK);
    for (int i = 1; i < 65; i++)
        assert_int_equal(
            buf_printf(&text, "[source s%d]\npath = /%d\ntoken = ${GLADLY_TOKEN}\n", i, i), ST_OK);
    assert_int_equal(buf_printf(&text, "[kafka]\n"), ST_OK);
    for (int i = 1; i < 257; i++)
        assert_int_equal(buf_printf(&text, "p.%d = v\n", i), ST_OK);
    expect_errors(
        buf_slice(&text),
        "test.conf:16: [source gladly] header.X-8: is one too many; at most 8 headers\n"
        "test.conf:529: [source gladly] topic.T256: is one too many; at most 256 families and "
        "types\n"
        "test.conf:530: [source gladly] key.T256: is one too many; at most 256 families and "
        "types\n"
        "test.conf:563: [org o32]: is one too many; at most 32 sections [org NAME]\n"
        "test.conf:753: [source s64]: is one too many; at most 64 sections [source NAME]\n"
        "test.conf:756: [kafka]: the section is in line 3 already\n"
        "test.conf:1012: [kafka] p.256: is one too many; at most 256 client properties\n");
    buf_fini(&text);
}

static void first_hundred_errors_are_listed_and_the_rest_counted(void **state)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    struct buf text, all;
    (void)state;
    buf_init(&text, TEXT_MAX);
    buf_init(&all, TEXT_MAX);
    assert_int_equal(buf_printf(&text, "%s", body), ST_OK);
    for (int i = 0; i < 150; i++)
        assert_int_equal(buf_printf(&text, "unknown%d = 1\n", i), ST_OK);
    assert_int_equal(conf_load_text("test.conf", buf_slice(&text), NULL, &c, errs), ST_BAD_INPUT);
    assert_int_equal(conf_errors_count(errs), 151);
    assert_int_equal(conf_errors_kept(errs), 100);
    /* Found last, in the order of lines before the others. */
    assert_string_equal(conf_errors_text(errs, 0),
                        "test.conf:5: [source gladly]: needs a token, or basic_user and "
                        "basic_password");
    assert_string_equal(conf_errors_text(errs, 99),
                        "test.conf:105: [source gladly] unknown98: unknown key");
    assert_int_equal(conf_errors_write(errs, &all), ST_OK);
    assert_int_equal(buf_append(&all, "", 1), ST_OK);
    assert_non_null(strstr(all.ptr, "unknown98: unknown key\ntest.conf: and 51 more errors\n"));
    buf_fini(&text);
    buf_fini(&all);
    conf_errors_destroy(errs);
}

static void check_load(const char *path, enum status status, const char *reason)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    char expected[512];
    assert_int_equal(conf_load(path, NULL, &c, errs), status);
    assert_null(c);
    snprintf(expected, sizeof expected, "%s: %s", path, reason);
    assert_int_equal(conf_errors_count(errs), 1);
    assert_string_equal(conf_errors_text(errs, 0), expected);
    conf_errors_destroy(errs);
}

static void unreadable_files_are_told_apart(void **state)
{
    struct buf large;
    (void)state;
    check_load(temp_file("missing.conf"), ST_NOT_FOUND,
               "cannot open it: No such file or directory");
    check_load(temp_dir, ST_IO, "it is not a regular file");
    buf_init(&large, TEXT_MAX);
    for (size_t i = 0; i <= CONF_FILE_MAX; i++)
        assert_int_equal(buf_append(&large, "\n", 1), ST_OK);
    write_file(temp_file("large.conf"), buf_slice(&large), 0600);
    check_load(temp_file("large.conf"), ST_BAD_INPUT, "the file is larger than 1048576 bytes");
    buf_fini(&large);
}

static int set_up(void **state)
{
    (void)state;
    setenv("GLADLY_TOKEN", TOKEN, 1);
    setenv("NESTED_VARIABLE", "${GLADLY_TOKEN}", 1);
    setenv("SPECIAL_VARIABLE", "semi ; colon # hash", 1);
    snprintf(temp_dir, sizeof temp_dir, "/tmp/test_conf.XXXXXX");
    return mkdtemp(temp_dir) ? 0 : 1;
}

static int tear_down(void **state)
{
    struct dirent *entry;
    DIR *d = opendir(temp_dir);
    (void)state;
    while (d && (entry = readdir(d)))
        if (entry->d_name[0] != '.')
            unlink(temp_file(entry->d_name));
    if (d)
        closedir(d);
    return rmdir(temp_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minimal_file_has_every_default),
        cmocka_unit_test(rules_of_a_type_are_one_rule),
        cmocka_unit_test(listen_takes_numeric_addresses_with_a_port_only),
        cmocka_unit_test(variables_are_filled_in_once),
        cmocka_unit_test(variables_cannot_grow_a_value_without_bound),
        cmocka_unit_test(control_characters_of_variables_are_refused),
        cmocka_unit_test(secrets_come_from_files),
        cmocka_unit_test(property_secrets_come_from_files_and_may_have_lines),
        cmocka_unit_test(bad_secret_files_are_refused_with_the_reason),
        cmocka_unit_test(short_secret_in_a_file_is_refused),
        cmocka_unit_test(line_of_the_limit_is_read_in_full_and_a_longer_one_refused),
        cmocka_unit_test(too_many_sections_and_entries_are_refused),
        cmocka_unit_test(first_hundred_errors_are_listed_and_the_rest_counted),
        cmocka_unit_test(unreadable_files_are_told_apart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
