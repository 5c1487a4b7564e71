/* SPDX-License-Identifier: Apache-2.0 */
#include "event/route.h"

#include <stdio.h>
#include <stdlib.h>

/* The part before the slash of every type in Gladly's webhook payload documents, and the name that
 * it has in topics. */
static const struct family {
    const char *type;
    size_t length;
    const char *name;
} families[] = {
#define FAMILY(type, name)          \
    {                               \
        type, sizeof type - 1, name \
    }
    FAMILY("AGENT_AVAILABILITY", "agent-availability"),
    FAMILY("AGENT_STATUS", "agent-status"),
    FAMILY("AUTOMATION", "automation"),
    FAMILY("CONTACT", "contact"),
    FAMILY("CONVERSATION", "conversation"),
    FAMILY("CONVERSATION_ASSIGNEE", "conversation-assignee"),
    FAMILY("CONVERSATION_STATUS", "conversation-status"),
    FAMILY("CUSTOM_CHANNEL", "custom-channel"),
    FAMILY("CUSTOMER", "customer"),
    FAMILY("CUSTOMER_PROFILE", "customer-profile"),
    FAMILY("EXPORT_JOB", "export-job"),
    FAMILY("MESSAGE", "message"),
    FAMILY("PAYMENT_REQUEST", "payment-request"),
    FAMILY("TASK", "task"),
#undef FAMILY
};
#define FAMILIES (sizeof families / sizeof families[0])

/* The index after the last family stands for all others. */
#define OTHER FAMILIES
static const char other_name[] = "other";

struct target {
    char topic[ROUTE_TOPIC_MAX + 1];
    size_t topic_length;
    struct envelope_keys keys; /* names point into envelope_keys_default */
};

struct rule {
    char what[ROUTE_WHAT_MAX + 1];
    size_t what_length;
    struct target target;
};

struct routes {
    struct target families[FAMILIES + 1];
    size_t rule_count;
    struct rule rules[]; /* sorted by compare_what() */
};

/* The part before the slash; empty without one. */
static struct slice family_part(struct slice type)
{
    const char *slash = type.len ? memchr(type.ptr, '/', type.len) : NULL;
    return (struct slice){type.ptr, slash ? (size_t)(slash - type.ptr) : 0};
}

static size_t family_index(struct slice part)
{
    size_t i = 0;
    while (i < FAMILIES &&
           (families[i].length != part.len || memcmp(families[i].type, part.ptr, part.len) != 0))
        i++;
    return i;
}

static const char *family_name(size_t index)
{
    return index < FAMILIES ? families[index].name : other_name;
}

const char *route_family(struct slice type)
{
    return family_name(family_index(family_part(type)));
}

static bool is_topic_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool route_topic_is_legal(struct slice topic)
{
    if (topic.len == 0 || topic.len > ROUTE_TOPIC_MAX || slice_eq(topic, slice_of(".")) ||
        slice_eq(topic, slice_of("..")))
        return false;
    for (size_t i = 0; i < topic.len; i++)
        if (!is_topic_byte(topic.ptr[i]))
            return false;
    return true;
}

static enum status set_topic(struct target *t, struct slice topic, struct err *e)
{
    if (!route_topic_is_legal(topic))
        return err_set(e, ST_BAD_INPUT, "Kafka takes no topic of the name \"%.*s\"%s",
                       (int)(topic.len < 64 ? topic.len : 64), topic.ptr ? topic.ptr : "",
                       topic.len > ROUTE_TOPIC_MAX ? " (longer than 249 bytes)" : "");
    memcpy(t->topic, topic.ptr, topic.len);
    t->topic_length = topic.len;
    return ST_OK;
}

/* What the placeholder (without its braces) stands for; NULL when it is none. */
static const char *placeholder(const struct routes_opts *opts, const char *family,
                               struct slice name)
{
    if (slice_eq(name, slice_of("family")))
        return family;
    if (slice_eq(name, slice_of("source")))
        return opts->source;
    if (slice_eq(name, slice_of("org")))
        return opts->org;
    return NULL;
}

static enum status expand(const struct routes_opts *opts, const char *family, struct buf *topic,
                          struct err *e)
{
    const char *at = opts->template_text;
    enum status st = ST_OK;
    while (*at && st == ST_OK) {
        size_t plain = strcspn(at, "{");
        st = buf_append(topic, at, plain);
        at += plain;
        if (st != ST_OK || !*at)
            break;
        size_t inner = strcspn(++at, "}");
        const char *text = at[inner] ? placeholder(opts, family, (struct slice){at, inner}) : NULL;
        if (!text)
            return err_set(e, ST_BAD_INPUT,
                           "unknown placeholder {%.*s in the topic template; there are {family}, "
                           "{source} and {org}",
                           (int)(at[inner] ? inner + 1 : inner), at);
        at += inner + 1;
        st = buf_append(topic, text, strlen(text));
    }
    if (st == ST_FULL)
        return err_set(e, ST_BAD_INPUT, "the topic template gives names over %d bytes",
                       ROUTE_TOPIC_MAX);
    return st == ST_OK ? ST_OK : err_set(e, st, "out of memory");
}

/* The template's topic for a family. */
static enum status set_template_topic(struct target *t, const struct routes_opts *opts,
                                      const char *family, struct err *e)
{
    struct buf topic;
    enum status st;
    buf_init(&topic, ROUTE_TOPIC_MAX);
    st = expand(opts, family, &topic, e);
    if (st == ST_OK)
        st = set_topic(t, buf_slice(&topic), e);
    buf_fini(&topic);
    return st;
}

/* Copies an order by the constant names, so that nothing of the caller's is kept. */
static enum status set_keys(struct target *t, const struct envelope_keys *keys, struct err *e)
{
    for (size_t i = 0; i < ENVELOPE_KEYS_MAX && keys->names[i]; i++) {
        const char *const *known = envelope_keys_default.names;
        while (*known && strcmp(*known, keys->names[i]) != 0)
            known++;
        if (!*known)
            return err_set(e, ST_BAD_INPUT, "no such key: \"%s\"", keys->names[i]);
        t->keys.names[i] = *known;
    }
    return ST_OK;
}

static bool names_something(const char *what)
{
    const char *slash = strchr(what, '/');
    return *what && slash != what && (!slash || slash[1]);
}

/* The family whose template topic a rule without a topic of its own has. */
static const char *rule_family(const struct route_rule *from)
{
    struct slice what = slice_of(from->what);
    struct slice part = family_part(what);
    return family_name(family_index(part.len ? part : what));
}

static enum status compile_rule(struct rule *rule, const struct routes_opts *opts,
                                const struct route_rule *from, struct err *e)
{
    enum status st = ST_OK;
    size_t length = strlen(from->what);
    if (!names_something(from->what) || length > ROUTE_WHAT_MAX)
        return err_set(e, ST_BAD_INPUT, "\"%.64s\" names no family and no type", from->what);
    memcpy(rule->what, from->what, length);
    rule->what_length = length;
    if (!from->topic)
        st = set_template_topic(&rule->target, opts, rule_family(from), e);
    else if (*from->topic)
        st = set_topic(&rule->target, slice_of(from->topic), e);
    if (st == ST_OK)
        st = set_keys(&rule->target, from->keys ? from->keys : opts->keys, e);
    if (st != ST_OK)
        err_context(e, "the route of \"%s\"", from->what);
    return st;
}

static int compare_what(const void *a, const void *b)
{
    const struct rule *left = a;
    const struct rule *right = b;
    return strcmp(left->what, right->what);
}

static enum status compile(struct routes *r, const struct routes_opts *opts, struct err *e)
{
    enum status st = ST_OK;
    for (size_t i = 0; i <= FAMILIES && st == ST_OK; i++) {
        st = set_template_topic(&r->families[i], opts, family_name(i), e);
        if (st == ST_OK)
            st = set_keys(&r->families[i], opts->keys, e);
    }
    for (size_t i = 0; i < opts->rule_count && st == ST_OK; i++)
        st = compile_rule(&r->rules[i], opts, &opts->rules[i], e);
    if (st != ST_OK)
        return st;
    r->rule_count = opts->rule_count;
    qsort(r->rules, r->rule_count, sizeof r->rules[0], compare_what);
    for (size_t i = 1; i < r->rule_count; i++)
        if (strcmp(r->rules[i - 1].what, r->rules[i].what) == 0)
            return err_set(e, ST_BAD_INPUT, "\"%s\" has two routes", r->rules[i].what);
    return ST_OK;
}

enum status routes_create(struct routes **out, const struct routes_opts *opts, struct err *e)
{
    struct routes *r;
    enum status st;
    if (opts->rule_count > ROUTE_RULES_MAX)
        return err_set(e, ST_BAD_INPUT, "more than %d routes", ROUTE_RULES_MAX);
    r = calloc(1, sizeof *r + opts->rule_count * sizeof r->rules[0]);
    if (!r)
        return err_set(e, ST_NO_MEM, "out of memory");
    st = compile(r, opts, e);
    if (st == ST_OK)
        *out = r;
    else
        free(r);
    return st;
}

void routes_destroy(struct routes *r)
{
    free(r);
}

/* The rule that names exactly this, or NULL. */
static const struct target *find_rule(const struct routes *r, struct slice what)
{
    size_t low = 0;
    size_t high = r->rule_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct rule *rule = &r->rules[middle];
        size_t n = what.len < rule->what_length ? what.len : rule->what_length;
        int order = memcmp(what.ptr, rule->what, n);
        if (order == 0 && what.len == rule->what_length)
            return &rule->target;
        if (order < 0 || (order == 0 && what.len < rule->what_length))
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

#define TARGETS(r) (FAMILIES + 1 + (r)->rule_count)

/* The topic of the target of this number; empty when it has none, or when no type comes to it. */
static struct slice target_topic(const struct routes *r, size_t i)
{
    const struct target *t = i <= FAMILIES ? &r->families[i] : &r->rules[i - FAMILIES - 1].target;
    if (i <= FAMILIES && find_rule(r, slice_of(i < FAMILIES ? families[i].type : other_name)))
        return (struct slice){NULL, 0};
    return (struct slice){t->topic, t->topic_length};
}

bool routes_share(const struct routes *a, const struct routes *b, struct slice *topic)
{
    for (size_t i = 0; i < TARGETS(a); i++) {
        *topic = target_topic(a, i);
        for (size_t k = 0; k < TARGETS(b) && topic->len; k++)
            if (slice_eq(*topic, target_topic(b, k)))
                return true;
    }
    return false;
}

struct route routes_find(const struct routes *r, struct slice type)
{
    struct slice part = family_part(type);
    const struct target *t = NULL;
    if (r->rule_count && part.len) {
        t = find_rule(r, type);
        if (!t)
            t = find_rule(r, part);
    }
    if (!t) {
        size_t family = family_index(part);
        if (r->rule_count && family == OTHER)
            t = find_rule(r, slice_of(other_name));
        if (!t)
            t = &r->families[family];
    }
    return (struct route){{t->topic, t->topic_length}, &t->keys};
}
