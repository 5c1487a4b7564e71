/* SPDX-License-Identifier: Apache-2.0 */

/*
 * envelope_read over arbitrary bodies, then the route of what it read: either a reason or a type,
 * never a slice that leaves the body and the scratch, never a topic that Kafka refuses.
 */

#include "event/envelope.h"
#include "event/route.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct slice part, struct slice whole)
{
    return whole.len && part.ptr >= whole.ptr && part.len <= whole.len &&
           (size_t)(part.ptr - whole.ptr) <= whole.len - part.len;
}

static void check_slice(const struct envelope *env, struct slice body, struct slice s)
{
    CHECK(s.len <= ENVELOPE_STRING_MAX);
    CHECK(s.len == 0 || is_within(s, body) || is_within(s, buf_slice(&env->scratch)));
}

static struct routes *make_routes(void)
{
    static const struct route_rule rules[] = {{"CONTACT/STARTED", "started", NULL},
                                              {"TASK", "", NULL}};
    const struct routes_opts opts = {
        .template_text = "gladly.{family}",
        .source = "s",
        .org = "o",
        .keys = &envelope_keys_default,
        .rules = rules,
        .rule_count = 2,
    };
    struct routes *r = NULL;
    CHECK(routes_create(&r, &opts, NULL) == ST_OK);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct routes *routes;
    const struct slice body = {(const char *)data, size};
    struct event ev = {.received = {INT64_C(1600000000000000)}};
    struct err e = {ST_OK, 0, ""};
    struct envelope env;
    if (!routes)
        routes = make_routes();
    envelope_init(&env);
    if (envelope_read(&env, body, &envelope_keys_default, &ev, &e) == ST_OK) {
        struct route route = routes_find(routes, ev.type);
        CHECK(ev.type.len);
        CHECK(route.topic.len == 0 || route_topic_is_legal(route.topic));
        CHECK(slice_eq(envelope_key(&env, route.keys), ev.key));
        CHECK(event_record_time(&ev).us >= 1000);
        CHECK(event_record_time(&ev).us <= ev.received.us);
    } else {
        CHECK(e.code == ST_BAD_INPUT && e.text[0]);
        CHECK(ev.type.len + ev.id.len + ev.key.len == 0);
    }
    check_slice(&env, body, ev.type);
    check_slice(&env, body, ev.id);
    check_slice(&env, body, ev.key);
    envelope_fini(&env);
    return 0;
}
