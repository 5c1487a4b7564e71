/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: corpus files with the exact messages or dump beside them, the committed
 * documents, and differences.
 *
 * CONF_UPDATE=1 in the environment writes config/ and the corpus's expected texts anew; read the
 * difference before it is kept.
 */
#include "conf/conf.h"

#include "api/source_routes.h"
#include "conf/conf_diff.h"
#include "conf/conf_dump.h"
#include "conf/conf_write.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Behind what it needs. */
#include <cmocka.h>

#define TEXT_MAX (8u * 1024u * 1024u)
#define TOKEN    "0123456789abcdef"

/* ---- helpers ---- */

static bool is_update(void)
{
    return getenv("CONF_UPDATE") != NULL;
}

static void read_file(const char *path, struct buf *out)
{
    char bytes[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    while ((n = fread(bytes, 1, sizeof bytes, f)) > 0)
        assert_int_equal(buf_append(out, bytes, n), ST_OK);
    fclose(f);
}

static void write_file(const char *path, struct slice text, mode_t mode)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* The file at path holds exactly text. */
static void expect_file(const char *path, const struct buf *text)
{
    struct buf expected;
    if (is_update()) {
        write_file(path, buf_slice(text), 0644);
        return;
    }
    buf_init(&expected, TEXT_MAX);
    read_file(path, &expected);
    if (!slice_eq(buf_slice(&expected), buf_slice(text)))
        fail_msg("%s differs; it should be:\n%.*s", path, (int)text->len, text->ptr);
    buf_fini(&expected);
}

static enum status check_property(const char *name, const char *value, struct err *e)
{
    if (strstr(name, "refused") || strstr(value, "refused"))
        return err_set(e, ST_BAD_INPUT, "the client refuses \"%s\"", value);
    return ST_OK;
}

static const struct conf_load_opts usual = {.kafka_check = check_property,
                                            .dead_letter_check = source_routes_check};
static const struct conf_load_opts demo = {.demo = true, .kafka_check = check_property};

static struct conf *load_good(const char *text)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    assert_non_null(errs);
    if (conf_load_text("test.conf", slice_of(text), &usual, &c, errs) != ST_OK)
        fail_msg("not loaded: %s", conf_errors_text(errs, 0));
    assert_int_equal(conf_errors_count(errs), 0);
    conf_errors_destroy(errs);
    return c;
}

/* Loads text and holds all messages against expected. */
static void expect_errors_with(const struct conf_load_opts *opts, struct slice text,
                               const char *expected)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    struct buf all;
    assert_non_null(errs);
    buf_init(&all, TEXT_MAX);
    assert_int_equal(conf_load_text("test.conf", text, opts, &c, errs), ST_BAD_INPUT);
    assert_null(c);
    assert_int_equal(conf_errors_write(errs, &all), ST_OK);
    assert_int_equal(buf_append(&all, "", 1), ST_OK);
    assert_string_equal(all.ptr, expected);
    buf_fini(&all);
    conf_errors_destroy(errs);
}

/* ---- corpus ---- */

static void check_bad(const char *path, const char *name, const char *expected_path)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    struct buf text, all;
    buf_init(&text, TEXT_MAX);
    buf_init(&all, TEXT_MAX);
    read_file(path, &text);
    assert_int_equal(conf_load_text(name, buf_slice(&text), &usual, &c, errs), ST_BAD_INPUT);
    assert_null(c);
    assert_int_equal(conf_errors_write(errs, &all), ST_OK);
    expect_file(expected_path, &all);
    buf_fini(&text);
    buf_fini(&all);
    conf_errors_destroy(errs);
}

static void check_good(const char *path, const char *expected_path)
{
    struct conf *c, *again;
    struct buf text, dump, second;
    buf_init(&text, TEXT_MAX);
    buf_init(&dump, TEXT_MAX);
    buf_init(&second, TEXT_MAX);
    read_file(path, &text);
    assert_int_equal(buf_append(&text, "", 1), ST_OK);
    c = load_good(text.ptr);
    assert_int_equal(conf_dump(c, &dump), ST_OK);
    expect_file(expected_path, &dump);
    /* A dump is a configuration itself, of the same dump. */
    assert_int_equal(buf_append(&dump, "", 1), ST_OK);
    again = load_good(dump.ptr);
    assert_int_equal(conf_dump(again, &second), ST_OK);
    assert_int_equal(buf_append(&second, "", 1), ST_OK);
    assert_string_equal(dump.ptr, second.ptr);
    conf_destroy(c);
    conf_destroy(again);
    buf_fini(&text);
    buf_fini(&dump);
    buf_fini(&second);
}

static void judges_each_file_of_the_corpus_as_written_beside_it(void **state)
{
    char dir[2100], path[2600], expected[2600];
    size_t bad = 0, good = 0;
    struct dirent *entry;
    DIR *d;
    (void)state;
    snprintf(dir, sizeof dir, "%s/tests/corpus/conf", RELAY_SOURCE_DIR);
    d = opendir(dir);
    assert_non_null(d);
    while ((entry = readdir(d))) {
        const char *name = entry->d_name;
        size_t len = strlen(name);
        if (len < 6 || strcmp(name + len - 5, ".conf") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, name);
        if (strncmp(name, "bad-", 4) == 0) {
            snprintf(expected, sizeof expected, "%s/%.*s.expect", dir, (int)len - 5, name);
            check_bad(path, name, expected);
            bad++;
        } else {
            snprintf(expected, sizeof expected, "%s/%.*s.dump", dir, (int)len - 5, name);
            check_good(path, expected);
            good++;
        }
    }
    closedir(d);
    assert_true(bad >= 17 && good >= 3);
}

/* ---- committed documents ---- */

static void check_document(const char *name, enum status (*write)(struct buf *))
{
    char path[2100];
    struct buf text;
    buf_init(&text, TEXT_MAX);
    assert_int_equal(write(&text), ST_OK);
    snprintf(path, sizeof path, "%s/config/%s", RELAY_SOURCE_DIR, name);
    expect_file(path, &text);
    buf_fini(&text);
}

static void config_directory_is_what_the_table_says(void **state)
{
    (void)state;
    check_document("README.md", conf_write_reference);
    check_document("relay.conf", conf_write_sample);
    check_document("minimal.conf", conf_write_minimal);
}

static struct conf *load_sample(const char *name)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    char path[2100];
    snprintf(path, sizeof path, "%s/config/%s", RELAY_SOURCE_DIR, name);
    if (conf_load(path, NULL, &c, errs) != ST_OK)
        fail_msg("%s", conf_errors_text(errs, 0));
    conf_errors_destroy(errs);
    return c;
}

static void sample_files_load_and_mean_the_same(void **state)
{
    struct conf *full = load_sample("relay.conf");
    struct conf *minimal = load_sample("minimal.conf");
    struct buf a, b;
    (void)state;
    buf_init(&a, TEXT_MAX);
    buf_init(&b, TEXT_MAX);
    assert_int_equal(conf_dump(full, &a), ST_OK);
    assert_int_equal(conf_dump(minimal, &b), ST_OK);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_fini(&a);
    buf_fini(&b);
    conf_destroy(full);
    conf_destroy(minimal);
}

/* What the sample comments out is right as well: without the comment marks it loads. */
static void every_commented_line_of_the_sample_is_a_valid_option(void **state)
{
    struct buf text, live;
    bool at_line_start = true;
    struct conf *c;
    (void)state;
    setenv("GLADLY_TOKEN_PREVIOUS", TOKEN, 1);
    setenv("GLADLY_HEADER", TOKEN, 1);
    setenv("GLADLY_PASSWORD", TOKEN, 1);
    setenv("GLADLY_PASSWORD_PREVIOUS", TOKEN, 1);
    setenv("ADMIN_TOKEN", TOKEN, 1);
    setenv("ADMIN_READ_TOKEN", TOKEN, 1);
    setenv("KAFKA_PASSWORD", TOKEN, 1);
    setenv("KAFKA_CLIENT_SECRET", TOKEN, 1);
    setenv("KAFKA_OAUTHBEARER", TOKEN, 1);
    setenv("KAFKA_KEY", TOKEN, 1);
    setenv("KAFKA_KEY_PASSWORD", TOKEN, 1);
    setenv("KAFKA_KEYSTORE_PASSWORD", TOKEN, 1);
    buf_init(&text, TEXT_MAX);
    buf_init(&live, TEXT_MAX);
    assert_int_equal(conf_write_sample(&text), ST_OK);
    for (size_t i = 0; i < text.len; i++) {
        bool mark = at_line_start && text.ptr[i] == ';' && text.ptr[i + 1] != ' ';
        at_line_start = text.ptr[i] == '\n';
        if (!mark)
            assert_int_equal(buf_append(&live, text.ptr + i, 1), ST_OK);
    }
    assert_int_equal(buf_append(&live, "", 1), ST_OK);
    /* The one example that stands for any name. */
    char *any = strstr(live.ptr, "ANY.PROPERTY");
    assert_non_null(any);
    memcpy(any, "any.property", 12);
    c = load_good(live.ptr);
    assert_string_equal(c->sources[0].org, "acme");
    assert_int_equal(c->sources[0].rules.count, 1);
    assert_int_equal(c->sources[0].headers.count, 1);
    conf_destroy(c);
    buf_fini(&text);
    buf_fini(&live);
}

/* ---- demo, diff ---- */

static void demo_needs_no_broker_and_refuses_one(void **state)
{
    static const char text[] = "[journal]\npath = j\n[source s]\npath = /s\ntoken = 12345678\n";
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    (void)state;
    assert_int_equal(conf_load_text("test.conf", slice_of(text), &demo, &c, errs), ST_OK);
    assert_int_equal(c->kafka.properties.count, 0);
    conf_destroy(c);
    conf_errors_destroy(errs);
    expect_errors_with(&demo,
                       slice_of("[journal]\npath = j\n[source s]\npath = /s\ntoken = 12345678\n"
                                "[kafka]\nbootstrap.servers = b\n"),
                       "test.conf:7: [kafka] bootstrap.servers: has no effect with --demo; remove "
                       "it or start without --demo\n");
}

static void demo_refuses_exactly_once(void **state)
{
    static const char good[] = "[journal]\npath = j\n[source s]\npath = /s\ntoken = 12345678\n"
                               "[kafka]\ndelivery = at_least_once\n";
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    (void)state;
    assert_int_equal(conf_load_text("test.conf", slice_of(good), &demo, &c, errs), ST_OK);
    conf_destroy(c);
    conf_errors_destroy(errs);
    expect_errors_with(&demo,
                       slice_of("[journal]\npath = j\n[source s]\npath = /s\ntoken = 12345678\n"
                                "[kafka]\ndelivery = exactly_once\n"),
                       "test.conf:7: [kafka] delivery: exactly_once needs a real Kafka: the demo's "
                       "broker has no transactions; remove it or start without --demo\n");
    expect_errors_with(&demo,
                       slice_of("[journal]\npath = j\n[source s]\npath = /s\ntoken = 12345678\n"
                                "[kafka]\ndelivery = twice\n"),
                       "test.conf:7: [kafka] delivery: must be at_least_once or exactly_once\n");
}

static void note_change(void *ctx, const struct conf_change *change)
{
    static const char *const kinds[] = {"changed", "added", "removed"};
    assert_int_equal(buf_printf(ctx, "%s [%s] %s%s\n", kinds[change->kind], change->section,
                                change->key, change->is_reloadable ? " reload" : ""),
                     ST_OK);
}

static void diff_names_what_changed_and_whether_a_reload_applies_it(void **state)
{
    struct conf *before = load_good("[http]\nthreads = 2\n[journal]\npath = j\nretention = 48h\n"
                                    "[kafka]\nbootstrap.servers = b\nlinger.ms = 5\n"
                                    "sasl.password = one\n[org acme]\n[org old]\n"
                                    "[source a]\npath = /a\ntoken = secret-1\norg = acme\n"
                                    "topic.CONTACT = x\nheader.X-One = 1\n"
                                    "[source b]\npath = /b\ntoken = secret-2\n");
    struct conf *after = load_good("[http]\nthreads = 3\n[journal]\npath = j\nretention = 2d\n"
                                   "[kafka]\nbootstrap.servers = b\nqueue.buffering.max.ms = 5\n"
                                   "sasl.password = two\n[log]\nlevel = warn\n[org acme]\n"
                                   "[source c]\npath = /b\ntoken = secret-2\n"
                                   "[source a]\npath = /a\ntoken = secret-3\n"
                                   "topic.CONTACT = y\nheader.X-Two = 1\n"
                                   "token_previous = secret-1\n");
    struct buf all;
    (void)state;
    buf_init(&all, TEXT_MAX);
    assert_int_equal(conf_diff(before, after, note_change, &all), ST_OK);
    assert_int_equal(buf_append(&all, "", 1), ST_OK);
    assert_string_equal(all.ptr, "changed [http] threads\n"
                                 "changed [kafka] sasl.password\n"
                                 "removed [kafka] linger.ms\n"
                                 "added [kafka] queue.buffering.max.ms\n"
                                 "changed [log] level reload\n"
                                 "removed [org old] \n"
                                 "changed [source a] org\n"
                                 "changed [source a] token reload\n"
                                 "changed [source a] token_previous reload\n"
                                 "removed [source a] header.X-One reload\n"
                                 "changed [source a] topic.CONTACT\n"
                                 "added [source a] header.X-Two reload\n"
                                 "removed [source b] \n"
                                 "added [source c] \n");
    buf_clear(&all);
    assert_int_equal(conf_diff(after, after, note_change, &all), ST_OK);
    assert_int_equal(all.len, 0);
    conf_destroy(before);
    conf_destroy(after);
    buf_fini(&all);
}

static void dump_masks_every_secret(void **state)
{
    static const char secret[] = "never-to-be-seen";
    struct buf text, dump;
    struct conf *c;
    (void)state;
    setenv("HIDDEN_VARIABLE", secret, 1);
    buf_init(&text, TEXT_MAX);
    buf_init(&dump, TEXT_MAX);
    assert_int_equal(
        buf_printf(&text,
                   "[journal]\npath = j\n[kafka]\nbootstrap.servers = b\n"
                   "sasl.password = %s\nssl.key.password = %s\nssl.keystore.password = %s\n"
                   "ssl.key.pem = %s\nsasl.oauthbearer.client.secret = %s\n"
                   "sasl.oauthbearer.config = %s\n[source s]\npath = /s\n"
                   "token = ${HIDDEN_VARIABLE}\ntoken_previous = %s\nbasic_user = u\n"
                   "basic_password = %s\nbasic_password_previous = %s\nheader.X = %s\n",
                   secret, secret, secret, secret, secret, secret, secret, secret, secret, secret),
        ST_OK);
    assert_int_equal(buf_append(&text, "", 1), ST_OK);
    c = load_good(text.ptr);
    assert_int_equal(conf_dump(c, &dump), ST_OK);
    assert_int_equal(buf_append(&dump, "", 1), ST_OK);
    assert_null(strstr(dump.ptr, secret));
    assert_non_null(strstr(dump.ptr, "\nsasl.password = ********\n"));
    assert_non_null(strstr(dump.ptr, "\nheader.X = ********\n"));
    conf_destroy(c);
    unsetenv("HIDDEN_VARIABLE");
    buf_fini(&text);
    buf_fini(&dump);
}

static int set_up(void **state)
{
    (void)state;
    setenv("GLADLY_TOKEN", TOKEN, 1);
    setenv("EMPTY_VARIABLE", "", 1);
    setenv("NESTED_VARIABLE", "${GLADLY_TOKEN}", 1);
    setenv("SPECIAL_VARIABLE", "semi ; colon # hash", 1);
    unsetenv("UNSET_VARIABLE");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_each_file_of_the_corpus_as_written_beside_it),
        cmocka_unit_test(config_directory_is_what_the_table_says),
        cmocka_unit_test(sample_files_load_and_mean_the_same),
        cmocka_unit_test(every_commented_line_of_the_sample_is_a_valid_option),
        cmocka_unit_test(demo_needs_no_broker_and_refuses_one),
        cmocka_unit_test(demo_refuses_exactly_once),
        cmocka_unit_test(diff_names_what_changed_and_whether_a_reload_applies_it),
        cmocka_unit_test(dump_masks_every_secret),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
