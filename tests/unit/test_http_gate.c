/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_gate.h"

#define FIELDS_MAX 4

struct row {
    const char *what;
    const char *method;
    const char *target;
    const char *version;
    const char *fields[FIELDS_MAX][2]; /* ends at a NULL name */
    enum http_gate_verdict want;
};

static enum http_gate_verdict judge(const struct row *r, struct http_gate_body *body)
{
    struct http_gate_field fields[FIELDS_MAX];
    struct http_gate_head head = {.method = slice_of(r->method),
                                  .target = slice_of(r->target),
                                  .version = slice_of(r->version),
                                  .fields = fields};
    while (head.field_count < FIELDS_MAX && r->fields[head.field_count][0]) {
        const char *const *f = r->fields[head.field_count];
        fields[head.field_count++] = (struct http_gate_field){slice_of(f[0]), slice_of(f[1])};
    }
    return http_gate_judge(&head, body);
}

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct http_gate_body body;
        enum http_gate_verdict got = judge(&rows[i], &body);
        if (got != rows[i].want)
            fail_msg("%s: %s", rows[i].what, http_gate_reason(got));
    }
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HOST                \
    {                       \
        "Host", "a.example" \
    }

static const struct row accepted[] = {
    {"get", "GET", "/", "HTTP/1.1", {HOST}, HTTP_GATE_PASSED},
    {"get 1.0 without host", "GET", "/", "HTTP/1.0", {{0}}, HTTP_GATE_PASSED},
    {"host with port", "GET", "/", "HTTP/1.1", {{"host", "[::1]:8080"}}, HTTP_GATE_PASSED},
    {"host with blanks", "GET", "/", "HTTP/1.1", {{"Host", "a.b \t"}}, HTTP_GATE_PASSED},
    {"query", "GET", "/a/b%00?c=%2f&d", "HTTP/1.1", {HOST}, HTTP_GATE_PASSED},
    {"post", "POST", "/", "HTTP/1.1", {HOST, {"Content-Length", "0"}}, HTTP_GATE_PASSED},
    {"leading zeros", "PUT", "/", "HTTP/1.1", {HOST, {"content-length", "0007"}}, 0},
    {"19 digits", "PUT", "/", "HTTP/1.1", {HOST, {"Content-Length", "9999999999999999999"}}, 0},
    {"chunked", "POST", "/", "HTTP/1.1", {HOST, {"TRANSFER-ENCODING", "Chunked"}}, 0},
    {"get with length", "GET", "/", "HTTP/1.1", {HOST, {"Content-Length", "3"}}, 0},
    {"own method", "M-SEARCH", "/", "HTTP/1.1", {HOST}, HTTP_GATE_PASSED},
    {"tab and high bytes", "GET", "/", "HTTP/1.1", {HOST, {"X", "a\tb\xff"}}, 0},
    {"empty value", "GET", "/", "HTTP/1.1", {HOST, {"X", ""}}, HTTP_GATE_PASSED},
    {"one authorization", "GET", "/", "HTTP/1.1", {HOST, {"Authorization", "Basic x"}}, 0},
};

static void accepts_what_senders_send(void **state)
{
    (void)state;
    check(accepted, COUNT(accepted));
}

static const struct row ambiguous[] = {
    {"both",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}},
     HTTP_GATE_LENGTH_AND_CODING},
    {"two lengths",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Content-Length", "1"}, {"Content-Length", "2"}},
     HTTP_GATE_TWO_LENGTHS},
    {"two equal lengths",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, {"Content-Length", "1"}, {"content-length", "1"}},
     HTTP_GATE_TWO_LENGTHS},
    {"plus", "POST", "/", "HTTP/1.1", {HOST, {"Content-Length", "+5"}}, HTTP_GATE_BAD_LENGTH},
    {"list", "POST", "/", "HTTP/1.1", {HOST, {"Content-Length", "5, 5"}}, HTTP_GATE_BAD_LENGTH},
    {"blank after",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Content-Length", "5 "}},
     HTTP_GATE_BAD_LENGTH},
    {"empty length", "POST", "/", "HTTP/1.1", {HOST, {"Content-Length", ""}}, HTTP_GATE_BAD_LENGTH},
    {"hex", "POST", "/", "HTTP/1.1", {HOST, {"Content-Length", "0x5"}}, HTTP_GATE_BAD_LENGTH},
    {"20 digits",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Content-Length", "10000000000000000000"}},
     HTTP_GATE_BAD_LENGTH},
    {"20 digits of zero",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Content-Length", "00000000000000000000"}},
     HTTP_GATE_BAD_LENGTH},
    {"coding list",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Transfer-Encoding", "gzip, chunked"}},
     HTTP_GATE_BAD_CODING},
    {"unknown coding",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Transfer-Encoding", "xchunked"}},
     HTTP_GATE_BAD_CODING},
    {"blank after coding",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Transfer-Encoding", "chunked "}},
     HTTP_GATE_BAD_CODING},
    {"two codings",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Transfer-Encoding", "identity"}, {"Transfer-Encoding", "chunked"}},
     HTTP_GATE_BAD_CODING},
    {"chunked twice",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
     HTTP_GATE_BAD_CODING},
    {"empty coding",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, {"Transfer-Encoding", ""}},
     HTTP_GATE_BAD_CODING},
    {"coding in 1.0",
     "POST",
     "/",
     "HTTP/1.0",
     {HOST, {"Transfer-Encoding", "chunked"}},
     HTTP_GATE_CODING_IN_1_0},
    {"post without", "POST", "/", "HTTP/1.1", {HOST}, HTTP_GATE_NO_LENGTH},
    {"put without", "PUT", "/", "HTTP/1.0", {{0}}, HTTP_GATE_NO_LENGTH},
    {"patch without", "PATCH", "/", "HTTP/1.1", {HOST}, HTTP_GATE_NO_LENGTH},
};

static void rejects_ambiguous_framing(void **state)
{
    (void)state;
    check(ambiguous, COUNT(ambiguous));
}

static const struct row malformed[] = {
    {"empty method", "", "/", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_METHOD},
    {"method with tab", "GE\tT", "/", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_METHOD},
    {"long method",
     "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG",
     "/",
     "HTTP/1.1",
     {HOST},
     HTTP_GATE_BAD_METHOD},
    {"empty target", "GET", "", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_TARGET},
    {"absolute target", "GET", "http://a/", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_TARGET},
    {"star", "OPTIONS", "*", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_TARGET},
    {"fragment", "GET", "/a#b", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_TARGET},
    {"control in target", "GET", "/a\x01", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_TARGET},
    {"blank in target", "GET", "/a b", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_TARGET},
    {"high byte in target", "GET", "/\xc3\xa4", "HTTP/1.1", {HOST}, HTTP_GATE_BAD_TARGET},
    {"version 1.2", "GET", "/", "HTTP/1.2", {HOST}, HTTP_GATE_BAD_VERSION},
    {"lower case version", "GET", "/", "http/1.1", {HOST}, HTTP_GATE_BAD_VERSION},
    {"blank before colon", "GET", "/", "HTTP/1.1", {HOST, {"X ", "1"}}, HTTP_GATE_BAD_NAME},
    {"empty name", "GET", "/", "HTTP/1.1", {HOST, {"", "1"}}, HTTP_GATE_BAD_NAME},
    {"folded into the name",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, {"X-AContent-Length: 5", "1"}},
     HTTP_GATE_BAD_NAME},
    {"high byte in name", "GET", "/", "HTTP/1.1", {HOST, {"\xe4", "1"}}, HTTP_GATE_BAD_NAME},
    {"cr in value", "GET", "/", "HTTP/1.1", {HOST, {"X", "a\rb"}}, HTTP_GATE_BAD_VALUE},
    {"del in value", "GET", "/", "HTTP/1.1", {HOST, {"X", "a\x7f"}}, HTTP_GATE_BAD_VALUE},
    {"no host", "GET", "/", "HTTP/1.1", {{0}}, HTTP_GATE_BAD_HOST},
    {"two hosts", "GET", "/", "HTTP/1.1", {HOST, HOST}, HTTP_GATE_BAD_HOST},
    {"two hosts in 1.0", "GET", "/", "HTTP/1.0", {HOST, HOST}, HTTP_GATE_BAD_HOST},
    {"empty host", "GET", "/", "HTTP/1.1", {{"Host", " "}}, HTTP_GATE_BAD_HOST},
    {"host with path", "GET", "/", "HTTP/1.1", {{"Host", "a/b"}}, HTTP_GATE_BAD_HOST},
    {"host with user", "GET", "/", "HTTP/1.1", {{"Host", "u@a"}}, HTTP_GATE_BAD_HOST},
    {"host list", "GET", "/", "HTTP/1.1", {{"Host", "a, b"}}, HTTP_GATE_BAD_HOST},
    {"expectation", "GET", "/", "HTTP/1.1", {HOST, {"Expect", "200-ok"}}, HTTP_GATE_BAD_EXPECT},
    {"two expectations",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, {"Expect", "100-continue"}, {"Expect", "100-continue"}},
     HTTP_GATE_BAD_EXPECT},
    {"two authorizations",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, {"Authorization", "a"}, {"authorization", "b"}},
     HTTP_GATE_REPEATED},
    {"two content types",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, {"Content-Type", "a/b"}, {"Content-Type", "a/b"}},
     HTTP_GATE_REPEATED},
};

static void rejects_malformed_parts(void **state)
{
    (void)state;
    check(malformed, COUNT(malformed));
}

static void describes_the_body(void **state)
{
    static const struct row none = {"", "GET", "/", "HTTP/1.1", {HOST}, 0};
    static const struct row length = {
        "", "POST", "/", "HTTP/1.1", {HOST, {"Content-Length", "42"}, {"Expect", "100-Continue"}},
        0};
    static const struct row chunked = {
        "", "POST", "/", "HTTP/1.1", {HOST, {"Transfer-Encoding", "chunked"}}, 0};
    struct http_gate_body b;
    (void)state;
    assert_int_equal(judge(&none, &b), HTTP_GATE_PASSED);
    assert_int_equal(b.framing, HTTP_GATE_BODY_NONE);
    assert_false(b.expects_continue);
    assert_int_equal(judge(&length, &b), HTTP_GATE_PASSED);
    assert_int_equal(b.framing, HTTP_GATE_BODY_LENGTH);
    assert_int_equal(b.length, 42);
    assert_true(b.expects_continue);
    assert_int_equal(judge(&chunked, &b), HTTP_GATE_PASSED);
    assert_int_equal(b.framing, HTTP_GATE_BODY_CHUNKED);
}

/* "GET /a HTTP/1.1\r\nHost: b\r\nX: y\r\n\r\n" and where its pieces are. */
static void rejects_pieces_that_do_not_touch(void **state)
{
    static const char raw[] = "GET /a HTTP/1.1\r\nHost: b\r\nX:  y\r\n\r\n...";
    struct http_gate_field fields[] = {{{raw + 17, 4}, {raw + 23, 1}},
                                       {{raw + 26, 1}, {raw + 30, 1}}};
    const struct http_gate_head good = {{raw, 3}, {raw + 4, 2}, {raw + 7, 8}, fields,
                                        2,        35,           raw + 4};
    struct http_gate_head head = good;
    struct http_gate_body b;
    (void)state;
    assert_int_equal(http_gate_judge(&head, &b), HTTP_GATE_PASSED);
    head.head_len++;
    assert_int_equal(http_gate_judge(&head, &b), HTTP_GATE_BAD_LAYOUT);
    head = good;
    head.target_at++;
    assert_int_equal(http_gate_judge(&head, &b), HTTP_GATE_BAD_LAYOUT);
    head = good;
    head.target.len--; /* as cut by a NUL byte */
    assert_int_equal(http_gate_judge(&head, &b), HTTP_GATE_BAD_LAYOUT);
    fields[1].name = (struct slice){raw + 17, 4}; /* as after a folded line was copied away */
    head = good;
    assert_int_equal(http_gate_judge(&head, &b), HTTP_GATE_BAD_LAYOUT);
    fields[1] = (struct http_gate_field){{raw + 26, 1}, {raw + 26, 1}};
    assert_int_equal(http_gate_judge(&head, &b), HTTP_GATE_BAD_LAYOUT);
    fields[1] = (struct http_gate_field){{raw + 26, 1}, {raw + 30, 0}}; /* a cut value */
    assert_int_equal(http_gate_judge(&head, &b), HTTP_GATE_BAD_LAYOUT);
    head = good;
    head.field_count = 0;
    head.version = (struct slice){raw + 7, 8};
    assert_int_equal(http_gate_judge(&head, &b), HTTP_GATE_BAD_LAYOUT);
}

static void names_status_and_reason_of_each_verdict(void **state)
{
    (void)state;
    for (int v = HTTP_GATE_PASSED + 1; v < HTTP_GATE_VERDICT_COUNT; v++) {
        int status = http_gate_status((enum http_gate_verdict)v);
        assert_true(http_gate_reason((enum http_gate_verdict)v)[0] != '\0');
        assert_int_equal(status, v == HTTP_GATE_NO_LENGTH    ? 411
                                 : v == HTTP_GATE_BAD_EXPECT ? 417
                                                             : 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_senders_send),
        cmocka_unit_test(rejects_ambiguous_framing),
        cmocka_unit_test(rejects_malformed_parts),
        cmocka_unit_test(describes_the_body),
        cmocka_unit_test(rejects_pieces_that_do_not_touch),
        cmocka_unit_test(names_status_and_reason_of_each_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
