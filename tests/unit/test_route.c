/* SPDX-License-Identifier: Apache-2.0 */
#include "event/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct routes_opts with_template(const char *template_text)
{
    return (struct routes_opts){
        .template_text = template_text,
        .source = "main",
        .org = "acme",
        .keys = &envelope_keys_default,
    };
}

static struct routes *created(const struct routes_opts *opts)
{
    struct routes *r = NULL;
    struct err e = {ST_OK, 0, ""};
    if (routes_create(&r, opts, &e) != ST_OK)
        fail_msg("refused: %s", e.text);
    return r;
}

static void goes_to(const struct routes *r, const char *type, const char *topic)
{
    struct route found = routes_find(r, slice_of(type));
    if (!slice_eq(found.topic, slice_of(topic)))
        fail_msg("%s goes to \"%.*s\"", type, (int)found.topic.len, found.topic.ptr);
}

static void refused(const struct routes_opts *opts, const char *reason)
{
    struct routes *r = NULL;
    struct err e = {ST_OK, 0, ""};
    assert_int_equal(routes_create(&r, opts, &e), ST_BAD_INPUT);
    assert_null(r);
    assert_string_equal(e.text, reason);
}

static void names_every_documented_family(void **state)
{
    static const char *const rows[][2] = {
        {"AGENT_AVAILABILITY/UPDATED", "agent-availability"},
        {"AGENT_STATUS/LOGGED_IN", "agent-status"},
        {"AUTOMATION/MESSAGE_RECEIVED", "automation"},
        {"CONTACT/STARTED", "contact"},
        {"CONVERSATION/CREATED", "conversation"},
        {"CONVERSATION_ASSIGNEE/UPDATED", "conversation-assignee"},
        {"CONVERSATION_STATUS/UPDATED", "conversation-status"},
        {"CUSTOM_CHANNEL/MESSAGE_SENT", "custom-channel"},
        {"CUSTOMER/MERGED", "customer"},
        {"CUSTOMER_PROFILE/UPDATED", "customer-profile"},
        {"EXPORT_JOB/FAILED", "export-job"},
        {"MESSAGE/RECEIVED", "message"},
        {"PAYMENT_REQUEST/VIEWED", "payment-request"},
        {"TASK/CLOSED", "task"},
        {"CONTACT/", "contact"},
        {"CONTACT/A_NEW/ONE", "contact"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(route_family(slice_of(rows[i][0])), rows[i][1]);
}

static void all_else_is_other(void **state)
{
    static const char *const types[] = {"",
                                        "PING",
                                        "CONTACT",
                                        "/",
                                        "/STARTED",
                                        "contact/started",
                                        "CONTACT /X",
                                        "WFM/X",
                                        "CONTACTS/X",
                                        "CONTAC/X",
                                        "TASK\\/X",
                                        "..//evil",
                                        "CUSTOMER-PROFILE/X"};
    (void)state;
    for (size_t i = 0; i < COUNT(types); i++)
        assert_string_equal(route_family(slice_of(types[i])), "other");
    assert_string_equal(route_family((struct slice){NULL, 0}), "other");
}

static void the_template_names_the_topics(void **state)
{
    struct routes_opts opts = with_template("gladly.{family}");
    struct routes *r = created(&opts);
    (void)state;
    goes_to(r, "CONTACT/STARTED", "gladly.contact");
    goes_to(r, "CONVERSATION_STATUS/UPDATED", "gladly.conversation-status");
    goes_to(r, "NEW_FAMILY/X", "gladly.other");
    goes_to(r, "PING", "gladly.other");
    goes_to(r, "", "gladly.other");
    assert_ptr_equal(routes_find(r, slice_of("X")).keys->names[0], envelope_keys_default.names[0]);
    routes_destroy(r);
    opts = with_template("{org}-{source}_{family}.{family}v1");
    r = created(&opts);
    goes_to(r, "TASK/CLOSED", "acme-main_task.taskv1");
    routes_destroy(r);
    opts = with_template("all");
    r = created(&opts);
    goes_to(r, "TASK/CLOSED", "all");
    routes_destroy(r);
    routes_destroy(NULL);
}

static void refuses_bad_templates(void **state)
{
    static const char *const rows[][2] = {
        {"", "Kafka takes no topic of the name \"\""},
        {"a b", "Kafka takes no topic of the name \"a b\""},
        {".", "Kafka takes no topic of the name \".\""},
        {"gladly/{family}", "Kafka takes no topic of the name \"gladly/agent-availability\""},
        {"a}", "Kafka takes no topic of the name \"a}\""},
        {"x.{type}", "unknown placeholder {type} in the topic template; there are {family}, "
                     "{source} and {org}"},
        {"x.{}", "unknown placeholder {} in the topic template; there are {family}, {source} and "
                 "{org}"},
        {"x.{family", "unknown placeholder {family in the topic template; there are {family}, "
                      "{source} and {org}"},
        {"{{family}}", "unknown placeholder {{family} in the topic template; there are {family}, "
                       "{source} and {org}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct routes_opts opts = with_template(rows[i][0]);
        refused(&opts, rows[i][1]);
    }
}

static void refuses_templates_that_grow_too_long(void **state)
{
    char text[300];
    struct routes_opts opts = with_template(text);
    struct routes *r;
    (void)state;
    /* "agent-availability", "conversation-assignee" are the longest names: 21 bytes. */
    memset(text, 'a', sizeof text);
    memcpy(text + 249 - 21, "{family}", 9);
    r = created(&opts);
    assert_int_equal(routes_find(r, slice_of("CONVERSATION_ASSIGNEE/X")).topic.len, 249);
    routes_destroy(r);
    memcpy(text + 250 - 21, "{family}", 9);
    text[250 - 22] = 'a';
    refused(&opts, "the topic template gives names over 249 bytes");
}

static void refuses_a_source_that_is_no_topic_text(void **state)
{
    struct routes_opts opts = with_template("{source}.x");
    (void)state;
    opts.source = "my source";
    refused(&opts, "Kafka takes no topic of the name \"my source.x\"");
}

static void a_type_wins_over_its_family_and_both_over_the_template(void **state)
{
    static const struct envelope_keys by_customer = {{"customerId", "id"}};
    const struct route_rule rules[] = {
        {"CONTACT", "contacts", NULL},
        {"CONTACT/STARTED", "contacts.started", &by_customer},
        {"CONTACT/ENDED", "", NULL},
        {"CONTACT/OFFERED", NULL, &by_customer},
        {"CUSTOMER", NULL, &by_customer},
        {"EXPORT_JOB", "", NULL},
        {"WFM", "wfm", NULL},
        {"NEW/THING", NULL, NULL},
    };
    struct routes_opts opts = with_template("gladly.{family}");
    struct routes *r;
    (void)state;
    opts.rules = rules;
    opts.rule_count = COUNT(rules);
    r = created(&opts);
    goes_to(r, "CONTACT/JOINED", "contacts");
    goes_to(r, "CONTACT/STARTED", "contacts.started");
    goes_to(r, "CONTACT/STARTED2", "contacts");
    goes_to(r, "CONTACT/ENDED", "");
    goes_to(r, "CONTACT/OFFERED", "gladly.contact");
    goes_to(r, "CUSTOMER/MERGED", "gladly.customer");
    goes_to(r, "CUSTOMER_PROFILE/MERGED", "gladly.customer-profile");
    goes_to(r, "EXPORT_JOB/FAILED", "");
    goes_to(r, "WFM/X", "wfm");
    goes_to(r, "NEW/THING", "gladly.other");
    goes_to(r, "NEW/OTHER", "gladly.other");
    goes_to(r, "CONTACT", "gladly.other");
    goes_to(r, "PING", "gladly.other");
    assert_string_equal(routes_find(r, slice_of("CONTACT/STARTED")).keys->names[0], "customerId");
    assert_string_equal(routes_find(r, slice_of("CONTACT/STARTED")).keys->names[1], "id");
    assert_null(routes_find(r, slice_of("CONTACT/STARTED")).keys->names[2]);
    assert_string_equal(routes_find(r, slice_of("CONTACT/OFFERED")).keys->names[0], "customerId");
    assert_string_equal(routes_find(r, slice_of("CUSTOMER/X")).keys->names[0], "customerId");
    assert_string_equal(routes_find(r, slice_of("CONTACT/X")).keys->names[0], "conversationId");
    routes_destroy(r);
}

static void other_can_be_routed_as_a_whole(void **state)
{
    const struct route_rule rules[] = {{"other", "", NULL}, {"WFM", "wfm", NULL}};
    struct routes_opts opts = with_template("gladly.{family}");
    struct routes *r;
    (void)state;
    opts.rules = rules;
    opts.rule_count = COUNT(rules);
    r = created(&opts);
    goes_to(r, "NEW/X", "");
    goes_to(r, "WITHOUT_SLASH", "");
    goes_to(r, "WFM/X", "wfm");
    goes_to(r, "TASK/X", "gladly.task");
    routes_destroy(r);
}

static void keeps_nothing_of_the_callers(void **state)
{
    char what[] = "CONTACT/STARTED", topic[] = "started", key[] = "taskId", text[] = "x.{family}";
    struct envelope_keys keys = {{key}};
    struct route_rule rule = {what, topic, &keys};
    struct routes_opts opts = with_template(text);
    struct routes *r;
    (void)state;
    opts.rules = &rule;
    opts.rule_count = 1;
    opts.keys = &keys;
    r = created(&opts);
    memset(what, 'z', sizeof what - 1);
    memset(topic, 'z', sizeof topic - 1);
    memset(key, 'z', sizeof key - 1);
    memset(text, 'z', sizeof text - 1);
    memset(&keys, 0, sizeof keys);
    goes_to(r, "CONTACT/STARTED", "started");
    goes_to(r, "TASK/X", "x.task");
    assert_string_equal(routes_find(r, slice_of("CONTACT/STARTED")).keys->names[0], "taskId");
    assert_string_equal(routes_find(r, slice_of("TASK/X")).keys->names[0], "taskId");
    routes_destroy(r);
}

static void refuses_bad_rules(void **state)
{
    static const struct envelope_keys wrong = {{"conversationId", "contactId"}};
    static const struct {
        struct route_rule rule;
        const char *reason;
    } rows[] = {
        {{"", "t", NULL}, "\"\" names no family and no type"},
        {{"/X", "t", NULL}, "\"/X\" names no family and no type"},
        {{"CONTACT/", "t", NULL}, "\"CONTACT/\" names no family and no type"},
        {{"TASK", "a b", NULL}, "the route of \"TASK\": Kafka takes no topic of the name \"a b\""},
        {{"TASK", "..", NULL}, "the route of \"TASK\": Kafka takes no topic of the name \"..\""},
        {{"TASK", "{family}", NULL},
         "the route of \"TASK\": Kafka takes no topic of the name \"{family}\""},
        {{"TASK", NULL, &wrong}, "the route of \"TASK\": no such key: \"contactId\""},
    };
    const struct route_rule twice[] = {
        {"TASK", "a", NULL}, {"CONTACT", "b", NULL}, {"TASK", "a", NULL}};
    struct routes_opts opts = with_template("x");
    (void)state;
    opts.rule_count = 1;
    for (size_t i = 0; i < COUNT(rows); i++) {
        opts.rules = &rows[i].rule;
        refused(&opts, rows[i].reason);
    }
    opts.rules = twice;
    opts.rule_count = COUNT(twice);
    refused(&opts, "\"TASK\" has two routes");
    opts.rule_count = ROUTE_RULES_MAX + 1;
    refused(&opts, "more than 256 routes");
    opts.rule_count = 0;
    opts.keys = &wrong;
    refused(&opts, "no such key: \"contactId\"");
}

static void finds_each_of_many_rules(void **state)
{
    static char names[ROUTE_RULES_MAX][24];
    struct route_rule rules[ROUTE_RULES_MAX];
    struct routes_opts opts = with_template("rest");
    struct routes *r;
    (void)state;
    for (size_t i = 0; i < ROUTE_RULES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "TASK/N%zu", i * 7919 % 997);
        rules[i] = (struct route_rule){names[i], names[i] + 5, NULL};
    }
    opts.rules = rules;
    opts.rule_count = ROUTE_RULES_MAX;
    r = created(&opts);
    for (size_t i = 0; i < ROUTE_RULES_MAX; i++)
        goes_to(r, names[i], names[i] + 5);
    goes_to(r, "TASK/N", "rest");
    goes_to(r, "TASK/N1000", "rest");
    goes_to(r, "A/B", "rest");
    goes_to(r, "Z/B", "rest");
    routes_destroy(r);
}

static void share(const struct routes_opts *a, const struct routes_opts *b, const char *topic)
{
    struct routes *one = created(a), *other = created(b);
    struct slice found = {NULL, 0};
    bool is_shared = routes_share(one, other, &found);
    assert_true(is_shared == (topic != NULL));
    assert_true(!topic || slice_eq(found, slice_of(topic)));
    assert_true(routes_share(other, one, &found) == is_shared);
    routes_destroy(one);
    routes_destroy(other);
}

static void finds_a_topic_that_two_routes_give(void **state)
{
    static const struct route_rule away[] = {{.what = "TASK", .topic = "jobs"}};
    static const struct route_rule kept[] = {{.what = "TASK", .topic = ""},
                                             {.what = "other", .topic = "rest"}};
    struct routes_opts usual = with_template("gladly.{family}");
    struct routes_opts letters = with_template("gladly.dead-letter");
    (void)state;
    share(&usual, &letters, NULL);
    letters.template_text = "dead.{family}";
    share(&usual, &letters, NULL);
    letters.template_text = "gladly.task";
    share(&usual, &letters, "gladly.task");
    letters.template_text = "gladly.{family}";
    share(&usual, &letters, "gladly.agent-availability");
    usual.rules = away;
    usual.rule_count = 1;
    letters.template_text = "jobs";
    share(&usual, &letters, "jobs");
    /* A family with a rule of its own does not come to the template's topic. */
    letters.template_text = "gladly.task";
    share(&usual, &letters, NULL);
    usual.rules = kept;
    usual.rule_count = 2;
    share(&usual, &letters, NULL);
    letters.template_text = "gladly.other";
    share(&usual, &letters, NULL);
    letters.template_text = "rest";
    share(&usual, &letters, "rest");
}

static void knows_legal_topics(void **state)
{
    static const char *const legal[] = {"a", "Z", "0", "...", "a.b_c-D", "__consumer_offsets"};
    static const char *const illegal[] = {"",         ".",   "..",  "a b", "a/b",
                                          "\xc3\xa4", "a\n", "a:b", "*"};
    char longest[251];
    (void)state;
    for (size_t i = 0; i < COUNT(legal); i++)
        assert_true(route_topic_is_legal(slice_of(legal[i])));
    for (size_t i = 0; i < COUNT(illegal); i++)
        assert_false(route_topic_is_legal(slice_of(illegal[i])));
    memset(longest, 'a', sizeof longest);
    assert_true(route_topic_is_legal((struct slice){longest, ROUTE_TOPIC_MAX}));
    assert_false(route_topic_is_legal((struct slice){longest, ROUTE_TOPIC_MAX + 1}));
    assert_false(route_topic_is_legal((struct slice){"a\0b", 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_documented_family),
        cmocka_unit_test(all_else_is_other),
        cmocka_unit_test(the_template_names_the_topics),
        cmocka_unit_test(refuses_bad_templates),
        cmocka_unit_test(refuses_templates_that_grow_too_long),
        cmocka_unit_test(refuses_a_source_that_is_no_topic_text),
        cmocka_unit_test(a_type_wins_over_its_family_and_both_over_the_template),
        cmocka_unit_test(other_can_be_routed_as_a_whole),
        cmocka_unit_test(keeps_nothing_of_the_callers),
        cmocka_unit_test(refuses_bad_rules),
        cmocka_unit_test(finds_each_of_many_rules),
        cmocka_unit_test(finds_a_topic_that_two_routes_give),
        cmocka_unit_test(knows_legal_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
