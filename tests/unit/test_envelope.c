/* SPDX-License-Identifier: Apache-2.0 */
#include "event/envelope.h"

#include "event/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The build says where the tests are; by hand they run from the top of the tree. */
#ifndef RELAY_TEST_DIR
#define RELAY_TEST_DIR "tests"
#endif

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
/* 2019-07-03T04:30:12.07Z, the timestamp of all examples. */
#define EXAMPLE_US INT64_C(1562128212070000)

static struct envelope env;

static int make(void **state)
{
    (void)state;
    envelope_init(&env);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    envelope_fini(&env);
    return 0;
}

static bool text_is(struct slice s, const char *want)
{
    return slice_eq(s, slice_of(want));
}

static struct event read_ok(const char *body)
{
    struct event ev = {.flags = EVENT_CONFLICT};
    struct err e = {ST_OK, 0, ""};
    if (envelope_read(&env, slice_of(body), &envelope_keys_default, &ev, &e) != ST_OK)
        fail_msg("%s is refused: %s", body, e.text);
    assert_true(ev.flags & EVENT_CONFLICT);
    return ev;
}

/* One row a file: its name, type, id, key and family. */
static const char *const examples[][5] = {
    {"AGENT_AVAILABILITY__FOCUS_ENTERED", "AGENT_AVAILABILITY/FOCUS_ENTERED",
     "vQ7i-dP9yk7uoyuEwO7S_Q", "zGaHXjD4SR-moMR9LbULDa", "agent-availability"},
    {"AGENT_AVAILABILITY__FOCUS_EXITED", "AGENT_AVAILABILITY/FOCUS_EXITED",
     "a4iTVJkzNtLoekm4Nia8xQ", "zGaHXjD4SR-moMR9LbULDa", "agent-availability"},
    {"AGENT_AVAILABILITY__UPDATED", "AGENT_AVAILABILITY/UPDATED", "6QHDDawbRzi_OGbQiIoG2A",
     "zGaHXjD4SR-moMR9LbULDa", "agent-availability"},
    {"AGENT_STATUS__CHANGED_ACTIVE_REASON", "AGENT_STATUS/CHANGED_ACTIVE_REASON",
     "WBfPQ727QSMK44njaqoHHA", "zGaHXjD4SR-moMR9LbULDa", "agent-status"},
    {"AGENT_STATUS__LOGGED_IN", "AGENT_STATUS/LOGGED_IN", "WthZ_ykErsySrgnyZvMydg",
     "zGaHXjD4SR-moMR9LbULDa", "agent-status"},
    {"AGENT_STATUS__LOGGED_OUT", "AGENT_STATUS/LOGGED_OUT", "VsdC9POB7pioCGOtiojHEA",
     "zGaHXjD4SR-moMR9LbULDa", "agent-status"},
    {"AGENT_STATUS__RETURNED_FROM_AWAY", "AGENT_STATUS/RETURNED_FROM_AWAY",
     "NLA33gr-MqzGVwGP5nU9ow", "zGaHXjD4SR-moMR9LbULDa", "agent-status"},
    {"AGENT_STATUS__WENT_AWAY", "AGENT_STATUS/WENT_AWAY", "Tbgia_xRaSjQLQz6PAEnlA",
     "zGaHXjD4SR-moMR9LbULDa", "agent-status"},
    {"AUTOMATION__MESSAGE_RECEIVED", "AUTOMATION/MESSAGE_RECEIVED", "o-FpiSN1giIKPLRPIvPqmQ",
     "zGaHXjD4SR-moMR9LbULDa", "automation"},
    {"CONTACT__ENDED", "CONTACT/ENDED", "0IA1ISCwsDlAc0x0qLvd-g", "K98jhf874HjDFkA1457K86",
     "contact"},
    {"CONTACT__FULFILLED", "CONTACT/FULFILLED", "2KgBev1FAHpAODlDxsz8sA", "K98jhf874HjDFkA1457K86",
     "contact"},
    {"CONTACT__HOLD_ENDED", "CONTACT/HOLD_ENDED", "ORhHmvJC0K-qKPrpoiSayQ",
     "K98jhf874HjDFkA1457K86", "contact"},
    {"CONTACT__HOLD_STARTED", "CONTACT/HOLD_STARTED", "RvsIaqqPdAwF_DEWuRqfaA",
     "K98jhf874HjDFkA1457K86", "contact"},
    {"CONTACT__JOINED", "CONTACT/JOINED", "ZQ4Yp2_y4ZTtZXohopvYJw", "K98jhf874HjDFkA1457K86",
     "contact"},
    {"CONTACT__MESSAGE_RECEIVED", "CONTACT/MESSAGE_RECEIVED", "VzR4Tf2qz1bC5wWhmJq1Ug",
     "K98jhf874HjDFkA1457K86", "contact"},
    {"CONTACT__MESSAGE_SENT", "CONTACT/MESSAGE_SENT", "m0IqQR5MIJx6KA5o3omCDQ",
     "K98jhf874HjDFkA1457K86", "contact"},
    {"CONTACT__OFFERED", "CONTACT/OFFERED", "pucaMfQk_3PMFnMNWkyXjw", "K98jhf874HjDFkA1457K86",
     "contact"},
    {"CONTACT__OFFER_ACCEPTED", "CONTACT/OFFER_ACCEPTED", "dDZwa56pAddkAqBrbYAzoA",
     "K98jhf874HjDFkA1457K86", "contact"},
    {"CONTACT__OFFER_REJECTED", "CONTACT/OFFER_REJECTED", "cJtNZhEEYSbqbN13L4B1zA",
     "K98jhf874HjDFkA1457K86", "contact"},
    {"CONTACT__STARTED", "CONTACT/STARTED", "qINhRcQulYAY6NcEOKhGjQ", "K98jhf874HjDFkA1457K86",
     "contact"},
    {"CONTACT__TRANSFERRED", "CONTACT/TRANSFERRED", "hAnMNiLMxZhmlkgMLOgjtA",
     "K98jhf874HjDFkA1457K86", "contact"},
    {"CONVERSATION_ASSIGNEE__UPDATED", "CONVERSATION_ASSIGNEE/UPDATED", "B75vOC8yGOgMAHW6WsAfgA",
     "aGaHXjD4li-moMR8LbULZb", "conversation-assignee"},
    {"CONVERSATION_STATUS__UPDATED", "CONVERSATION_STATUS/UPDATED", "1pRvMGSlXRCknSyxnCfUYw",
     "IBBcbj2ARXWwvUGV_LbfEQ", "conversation-status"},
    {"CONVERSATION__CLOSED", "CONVERSATION/CLOSED", "nrIbF3g95sI2eeYFrDeodw",
     "aGaHXjD4li-moMR8LbULZb", "conversation"},
    {"CONVERSATION__CREATED", "CONVERSATION/CREATED", "zqfro8WTLMY5uwY8JTcxMQ",
     "aGaHXjD4li-moMR8LbULZb", "conversation"},
    {"CONVERSATION__CUSTOM_ATTRIBUTE_ADDED", "CONVERSATION/CUSTOM_ATTRIBUTE_ADDED",
     "QsbR1GwvOFzqGNorcnkqBw", "aGaHXjD4li-moMR8LbULZb", "conversation"},
    {"CONVERSATION__CUSTOM_ATTRIBUTE_REMOVED", "CONVERSATION/CUSTOM_ATTRIBUTE_REMOVED",
     "3ckAcoReccn97CtSwPIqpQ", "aGaHXjD4li-moMR8LbULZb", "conversation"},
    {"CONVERSATION__NOTE_CREATED", "CONVERSATION/NOTE_CREATED", "MttIyVaIEi51S8rCbeMBUg",
     "aGaHXjD4li-moMR8LbULZb", "conversation"},
    {"CONVERSATION__REOPENED", "CONVERSATION/REOPENED", "JQMhPZ0bbeOuW6fY4iWjLw",
     "aGaHXjD4li-moMR8LbULZb", "conversation"},
    {"CONVERSATION__TOPIC_ADDED", "CONVERSATION/TOPIC_ADDED", "JDLw-dNWfjdpNVIPkoL6BA",
     "aGaHXjD4li-moMR8LbULZb", "conversation"},
    {"CONVERSATION__TOPIC_REMOVED", "CONVERSATION/TOPIC_REMOVED", "o1LxrI3vQhdcZoT9Y7RnIA",
     "aGaHXjD4li-moMR8LbULZb", "conversation"},
    {"CUSTOMER_PROFILE__CREATED", "CUSTOMER_PROFILE/CREATED", "CXMc_5Fks7UYeMBORcMKHA",
     "THx8Z8y-ScuMoqBH8Awtng", "customer-profile"},
    {"CUSTOMER_PROFILE__DELETED", "CUSTOMER_PROFILE/DELETED", "ZnCepUuIVlBgrXdbt8pXNg",
     "THx8Z8y-ScuMoqBH8Awtng", "customer-profile"},
    {"CUSTOMER_PROFILE__MERGED", "CUSTOMER_PROFILE/MERGED", "qQcTUnh6Y--6nZ_7q9ln9Q",
     "qJaE0di0SdOWNnq5dT13Aw", "customer-profile"},
    {"CUSTOMER_PROFILE__UPDATED", "CUSTOMER_PROFILE/UPDATED", "RV3Xye7J9ZjKwGYHYPBnZw",
     "THx8Z8y-ScuMoqBH8Awtng", "customer-profile"},
    {"CUSTOMER__MERGED", "CUSTOMER/MERGED", "AIpO9RDcj3Kt3pm_IS2azA", "THx8Z8y-ScuMoqBH8Awtng",
     "customer"},
    {"CUSTOM_CHANNEL__MESSAGE_SENT", "CUSTOM_CHANNEL/MESSAGE_SENT", "428mjVZ1a0NfR2XfCk04FQ",
     "9BcE2O0DQ2ynGHRmk9FeoA", "custom-channel"},
    {"EXPORT_JOB__COMPLETED", "EXPORT_JOB/COMPLETED", "Yn-AusEZjMZqbBd5wH6GzA",
     "vZgCEQlDR6aQz_0HeWZ9_Q", "export-job"},
    {"EXPORT_JOB__FAILED", "EXPORT_JOB/FAILED", "oYgDOvMHzL4hwihcQfQdMQ", "vZgCEQlDR6aQz_0HeWZ9_Q",
     "export-job"},
    {"MESSAGE__RECEIVED", "MESSAGE/RECEIVED", "AGQrRAbvyAvLu7qkf2TfYg", "9BcE2O0DQ2ynGHRmk9FeoA",
     "message"},
    {"PAYMENT_REQUEST__CREATED", "PAYMENT_REQUEST/CREATED", "C0Z_ubDwxaww8ZTcqMzMaw",
     "pJpmy-qjazfzJh1K8gc1BR", "payment-request"},
    {"PAYMENT_REQUEST__STATUS_CHANGED", "PAYMENT_REQUEST/STATUS_CHANGED", "BQN4_AIDqDoYZq3EVLPKmQ",
     "K98jhf874HjDFkA1457K86", "payment-request"},
    {"PAYMENT_REQUEST__VIEWED", "PAYMENT_REQUEST/VIEWED", "afjTU5oRacxZPdCa2uj-QA",
     "aGaHXjD4li-moMR8LbULZb", "payment-request"},
    {"PING", "PING", "GuopPK9qw-1qVvd_7r7Gzw", "GuopPK9qw-1qVvd_7r7Gzw", "other"},
    {"TASK__ASSIGNEE_UPDATED", "TASK/ASSIGNEE_UPDATED", "ANoG73K84oihGlFKxh9FEA",
     "gHufx-U3QqOmhvFuViceTw", "task"},
    {"TASK__CLOSED", "TASK/CLOSED", "hR6a3KnJr8JloUz6POnJgw", "gHufx-U3QqOmhvFuViceTw", "task"},
    {"TASK__COMMENT_ADDED", "TASK/COMMENT_ADDED", "y3uhkw9ovpQ9dPVmwagFjw",
     "gHufx-U3QqOmhvFuViceTw", "task"},
    {"TASK__CONTENT_UPDATED", "TASK/CONTENT_UPDATED", "UDWJV4aCHjrx-eyFco-e2g",
     "gHufx-U3QqOmhvFuViceTw", "task"},
    {"TASK__CREATED", "TASK/CREATED", "uB_R6sN_qykFbQbOUbaJsw", "gHufx-U3QqOmhvFuViceTw", "task"},
    {"TASK__DUE_DATE_UPDATED", "TASK/DUE_DATE_UPDATED", "NM27ZddqeJXzdOWubqc6cg",
     "gHufx-U3QqOmhvFuViceTw", "task"},
    {"TASK__FOLLOWER_ADDED", "TASK/FOLLOWER_ADDED", "P7oEXtYsJclh-H8fUiIl4w",
     "gHufx-U3QqOmhvFuViceTw", "task"},
    {"TASK__FOLLOWER_REMOVED", "TASK/FOLLOWER_REMOVED", "HdBRXKBLJDhte72d9dBnFQ",
     "gHufx-U3QqOmhvFuViceTw", "task"},
    {"TASK__REOPENED", "TASK/REOPENED", "Q3UDRnJ_Us0wQEt7mriY0A", "gHufx-U3QqOmhvFuViceTw", "task"},
};

static size_t load(const char *name, char *bytes, size_t max)
{
    char path[512];
    FILE *f;
    size_t n;
    snprintf(path, sizeof path, "%s/corpus/events/%s.json", RELAY_TEST_DIR, name);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    n = fread(bytes, 1, max, f);
    assert_int_equal(ferror(f), 0);
    fclose(f);
    return n;
}

static void reads_every_example_body(void **state)
{
    char bytes[4096];
    (void)state;
    assert_int_equal(COUNT(examples), 53);
    for (size_t i = 0; i < COUNT(examples); i++) {
        const char *const *row = examples[i];
        struct slice body = {bytes, load(row[0], bytes, sizeof bytes)};
        struct event ev = {0};
        struct err e = {ST_OK, 0, ""};
        if (envelope_read(&env, body, &envelope_keys_default, &ev, &e) != ST_OK)
            fail_msg("%s is refused: %s", row[0], e.text);
        if (!text_is(ev.type, row[1]) || !text_is(ev.id, row[2]) || !text_is(ev.key, row[3]) ||
            strcmp(route_family(ev.type), row[4]) != 0)
            fail_msg("%s: type %.*s id %.*s key %.*s family %s", row[0], (int)ev.type.len,
                     ev.type.ptr, (int)ev.id.len, ev.id.ptr, (int)ev.key.len, ev.key.ptr,
                     route_family(ev.type));
        assert_int_equal(ev.event_time.us, EXAMPLE_US);
        assert_int_equal(ev.flags & EVENT_HAS_TIME, EVENT_HAS_TIME);
        assert_int_equal(!!(ev.flags & EVENT_PING), strcmp(row[1], "PING") == 0);
        assert_ptr_equal(ev.body.ptr, bytes);
        /* Nothing is escaped in them, so nothing was allocated. */
        assert_null(env.scratch.ptr);
    }
}

static void every_cut_off_example_is_quarantined(void **state)
{
    char bytes[4096];
    size_t n = load("CONTACT__STARTED", bytes, sizeof bytes);
    (void)state;
    while (n && bytes[n - 1] != '}')
        n--;
    for (size_t cut = 0; cut < n; cut++) {
        char *copy = malloc(cut ? cut : 1);
        struct event ev = {0};
        struct err e;
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        assert_int_equal(
            envelope_read(&env, (struct slice){copy, cut}, &envelope_keys_default, &ev, &e),
            ST_BAD_INPUT);
        free(copy);
    }
}

static void a_ping_needs_its_type_only(void **state)
{
    struct event ev = read_ok("{\"type\":\"PING\"}");
    (void)state;
    assert_true(ev.flags & EVENT_PING);
    assert_false(ev.flags & EVENT_HAS_TIME);
    assert_int_equal(ev.id.len, 0);
    assert_int_equal(ev.key.len, 0);
    ev = read_ok("{\"type\":\"PING/X\"}");
    assert_false(ev.flags & EVENT_PING);
    ev = read_ok("{\"type\":\"ping\"}");
    assert_false(ev.flags & EVENT_PING);
    ev = read_ok("{\"type\":\"P\\u0049NG\"}");
    assert_true(ev.flags & EVENT_PING);
}

static void quarantines_with_the_reason(void **state)
{
    static const struct {
        const char *body;
        const char *reason;
    } rows[] = {
        {"", "the body is not JSON: the text is empty"},
        {"hello", "the body is not JSON: expected a value at byte 0"},
        {"{\"type\":\"A/B\"", "the body is not JSON: the text ends too early at byte 13"},
        {"{\"type\":\"A/B\"}{}", "the body is not JSON: trailing bytes after the value at byte 14"},
        {"{\"type\":\"A\nB\"}", "the body is not JSON: control byte in a string at byte 10"},
        {"{\"type\":\"\xff\"}", "the body is not JSON: not UTF-8 at byte 9"},
        {"\xef\xbb\xbf{\"type\":\"A/B\"}", "the body is not JSON: byte order mark at byte 0"},
        {"[{\"type\":\"A/B\"}]", "the body is not a JSON object"},
        {"\"type\"", "the body is not a JSON object"},
        {"null", "the body is not a JSON object"},
        {"{}", "the body has no \"type\""},
        {"{\"id\":\"1\",\"content\":{\"type\":\"A/B\"}}", "the body has no \"type\""},
        {"{\"Type\":\"A/B\"}", "the body has no \"type\""},
        {"{\"type\":1}", "\"type\" is not a string"},
        {"{\"type\":null}", "\"type\" is not a string"},
        {"{\"type\":{\"a\":\"b\"}}", "\"type\" is not a string"},
        {"{\"type\":\"A/B\",\"type\":1}", "\"type\" is not a string"},
        {"{\"id\":\"1\",\"type\":\"\"}", "\"type\" is empty"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct event ev = {.id = {"x", 1}, .type = {"x", 1}, .key = {"x", 1}, .flags = EVENT_PING};
        struct err e = {ST_OK, 0, ""};
        struct slice body = slice_of(rows[i].body);
        assert_int_equal(envelope_read(&env, body, &envelope_keys_default, &ev, &e), ST_BAD_INPUT);
        assert_int_equal(e.code, ST_BAD_INPUT);
        assert_string_equal(e.text, rows[i].reason);
        assert_int_equal(ev.id.len + ev.type.len + ev.key.len, 0);
        assert_int_equal(ev.flags, 0);
        assert_true(slice_eq(ev.body, body));
        assert_int_equal(envelope_key(&env, &envelope_keys_default).len, 0);
    }
}

/* A body whose member name holds a string of n bytes, each written as unit. */
static void long_string(struct buf *out, const char *head, const char *unit, size_t n)
{
    buf_clear(out);
    assert_int_equal(buf_printf(out, "%s", head), ST_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_append(out, unit, strlen(unit)), ST_OK);
    assert_int_equal(buf_printf(out, "\"}"), ST_OK);
}

static void strings_over_the_limit_do_not_count(void **state)
{
    static const char *const units[] = {"a", "\\u0061"};
    struct buf body;
    struct err e;
    (void)state;
    buf_init(&body, 1 << 16);
    for (size_t i = 0; i < COUNT(units); i++)
        for (size_t n = ENVELOPE_STRING_MAX; n <= ENVELOPE_STRING_MAX + 1; n++) {
            bool fits = n == ENVELOPE_STRING_MAX;
            struct event ev = {0};
            long_string(&body, "{\"type\":\"A/B\",\"id\":\"", units[i], n);
            assert_int_equal(envelope_read(&env, buf_slice(&body), &envelope_keys_default, &ev, &e),
                             ST_OK);
            assert_int_equal(ev.id.len, fits ? n : 0);
            long_string(&body, "{\"type\":\"", units[i], n);
            assert_int_equal(envelope_read(&env, buf_slice(&body), &envelope_keys_default, &ev, &e),
                             fits ? ST_OK : ST_BAD_INPUT);
            if (!fits)
                assert_string_equal(e.text, "\"type\" is longer than 1024 bytes");
        }
    buf_fini(&body);
}

static void decodes_escaped_strings(void **state)
{
    struct event ev = read_ok("{\"type\":\"A\\/\\u0042\",\"id\":\"\\u20ac\",\"timestamp\":"
                              "\"2019-07-03T04\\u003a30:12.07Z\",\"content\":{\"taskId\":\"t"
                              "\\n\",\"agentId\":\"plain\"}}");
    (void)state;
    assert_true(text_is(ev.type, "A/B"));
    assert_true(text_is(ev.id, "\xe2\x82\xac"));
    assert_true(text_is(ev.key, "t\n"));
    assert_true(ev.flags & EVENT_HAS_TIME);
    assert_int_equal(ev.event_time.us, EXAMPLE_US);
}

static void the_key_is_the_first_non_empty_string_of_the_order(void **state)
{
    static const struct {
        const char *content;
        const char *key;
    } rows[] = {
        {"{\"customerId\":\"c\",\"conversationId\":\"v\"}", "v"},
        {"{\"conversationId\":\"\",\"customerId\":\"c\"}", "c"},
        {"{\"conversationId\":7,\"customerId\":\"c\"}", "c"},
        {"{\"conversationId\":null,\"customerId\":{},\"taskId\":\"t\"}", "t"},
        {"{\"destinationCustomerId\":\"d\",\"sourceCustomerId\":\"s\"}", "d"},
        {"{\"jobId\":\"j\",\"agentId\":\"a\"}", "a"},
        {"{\"jobId\":\"j\"}", "j"},
        {"{\"context\":{\"conversationId\":\"v\"}}", "own"},
        {"[{\"conversationId\":\"v\"}]", "own"},
        {"null", "own"},
        {"{}", "own"},
    };
    char body[256];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        snprintf(body, sizeof body, "{\"type\":\"A/B\",\"id\":\"own\",\"content\":%s}",
                 rows[i].content);
        struct event ev = read_ok(body);
        if (!text_is(ev.key, rows[i].key))
            fail_msg("%s has the key %.*s", rows[i].content, (int)ev.key.len, ev.key.ptr);
    }
}

static void another_order_gives_another_key(void **state)
{
    static const struct envelope_keys order = {{"id", "customerId"}};
    static const struct envelope_keys customer = {{"customerId"}};
    static const struct envelope_keys nothing = {{NULL}};
    static const struct envelope_keys full = {
        {"jobId", "agentId", "taskId", "jobId", "agentId", "taskId", "jobId", "customerId"}};
    struct event ev = {0};
    struct err e;
    (void)state;
    assert_int_equal(
        envelope_read(&env,
                      slice_of("{\"type\":\"A/B\",\"id\":\"1\",\"content\":{\"customerId\":\"c\","
                               "\"conversationId\":\"v\"}}"),
                      &order, &ev, &e),
        ST_OK);
    assert_true(text_is(ev.key, "1"));
    assert_true(text_is(envelope_key(&env, &envelope_keys_default), "v"));
    assert_true(text_is(envelope_key(&env, &customer), "c"));
    assert_true(text_is(envelope_key(&env, &full), "c"));
    assert_int_equal(envelope_key(&env, &nothing).len, 0);
}

static void a_malformed_timestamp_is_no_time(void **state)
{
    static const char *const stamps[] = {"\"\"", "\"yesterday\"", "1562128212",
                                         "\"2019-02-29T00:00:00Z\"", "null"};
    char body[128];
    (void)state;
    for (size_t i = 0; i < COUNT(stamps); i++) {
        snprintf(body, sizeof body, "{\"type\":\"A/B\",\"timestamp\":%s}", stamps[i]);
        assert_false(read_ok(body).flags & EVENT_HAS_TIME);
    }
}

static void knows_the_closed_list_of_keys(void **state)
{
    (void)state;
    for (size_t i = 0; envelope_keys_default.names[i]; i++)
        assert_true(envelope_key_is_known(slice_of(envelope_keys_default.names[i])));
    assert_false(envelope_key_is_known(slice_of("")));
    assert_false(envelope_key_is_known(slice_of("ID")));
    assert_false(envelope_key_is_known(slice_of("contactId")));
    assert_false(envelope_key_is_known((struct slice){NULL, 0}));
}

static void the_record_time_is_never_in_the_future_or_before_kafka(void **state)
{
    struct event ev = {.received = {5000000}, .event_time = {4000000}, .flags = EVENT_HAS_TIME};
    (void)state;
    assert_int_equal(event_record_time(&ev).us, 4000000);
    ev.event_time.us = 5000001;
    assert_int_equal(event_record_time(&ev).us, 5000000);
    ev.event_time.us = -62135596800000000;
    assert_int_equal(event_record_time(&ev).us, 5000000);
    ev.event_time.us = 999;
    assert_int_equal(event_record_time(&ev).us, 5000000);
    ev.event_time.us = 1000;
    assert_int_equal(event_record_time(&ev).us, 1000);
    ev.flags = 0;
    assert_int_equal(event_record_time(&ev).us, 5000000);
}

static void names_the_origins(void **state)
{
    (void)state;
    assert_string_equal(event_origin_name(EVENT_ORIGIN_WEBHOOK), "webhook");
    assert_string_equal(event_origin_name(EVENT_ORIGIN_BACKFILL), "backfill");
    assert_string_equal(event_origin_name(EVENT_ORIGIN_REQUEUE), "requeue");
    assert_string_equal(event_origin_name(EVENT_ORIGIN_DEAD_LETTER), "dead_letter");
}

#define ENVELOPE_TEST(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENVELOPE_TEST(reads_every_example_body),
        ENVELOPE_TEST(every_cut_off_example_is_quarantined),
        ENVELOPE_TEST(a_ping_needs_its_type_only),
        ENVELOPE_TEST(quarantines_with_the_reason),
        ENVELOPE_TEST(strings_over_the_limit_do_not_count),
        ENVELOPE_TEST(decodes_escaped_strings),
        ENVELOPE_TEST(the_key_is_the_first_non_empty_string_of_the_order),
        ENVELOPE_TEST(another_order_gives_another_key),
        ENVELOPE_TEST(a_malformed_timestamp_is_no_time),
        ENVELOPE_TEST(knows_the_closed_list_of_keys),
        ENVELOPE_TEST(the_record_time_is_never_in_the_future_or_before_kafka),
        ENVELOPE_TEST(names_the_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
