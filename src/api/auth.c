/* SPDX-License-Identifier: Apache-2.0 */
#include "api/auth.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ident.h"
#include "base/lock.h"

#define SECRETS_MAX 2 /* the current one and the one before it */

/* A credential: one of the live secrets must match. */
struct rule {
    char header[72];
    struct secret secrets[SECRETS_MAX];
    size_t count;
};

struct rules {
    struct rule items[CONF_HEADERS_MAX + 2];
    size_t count;
};

struct auth {
    struct lock *lock; /* protects rules */
    struct rules rules;
};

static void add_secret(struct rule *r, const char *text)
{
    if (text[0])
        r->secrets[r->count++] = secret_of(slice_of(text));
}

static struct rule *add_rule(struct rules *rules, const char *header)
{
    struct rule *r = &rules->items[rules->count++];
    snprintf(r->header, sizeof r->header, "%s", header);
    return r;
}

static void add_basic(struct rule *r, const char *user, const char *password)
{
    if (password[0])
        r->secrets[r->count++] = secret_of_basic(user, password);
}

static void compile(struct rules *rules, const struct conf_source *source)
{
    *rules = (struct rules){0};
    if (source->token[0]) {
        struct rule *r = add_rule(rules, source->header);
        add_secret(r, source->token);
        add_secret(r, source->token_previous);
    }
    if (source->basic_user[0]) {
        struct rule *r = add_rule(rules, "Authorization");
        add_basic(r, source->basic_user, source->basic_password);
        add_basic(r, source->basic_user, source->basic_password_previous);
    }
    for (size_t i = 0; i < source->headers.count; i++)
        add_secret(add_rule(rules, source->headers.items[i].name), source->headers.items[i].value);
}

struct auth *auth_create(const struct conf_source *source)
{
    struct auth *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->lock = lock_create();
    compile(&a->rules, source);
    return a;
}

void auth_destroy(struct auth *a)
{
    if (!a)
        return;
    lock_destroy(a->lock);
    secret_wipe(&a->rules, sizeof a->rules);
    free(a);
}

void auth_reload(struct auth *a, const struct conf_source *source)
{
    struct rules fresh;
    compile(&fresh, source);
    lock_take(a->lock);
    a->rules = fresh;
    lock_give(a->lock);
    secret_wipe(&fresh, sizeof fresh);
}

/* "basic" in any case and any spaces behind it become the one form that the digests were made of.
 */
static struct slice normal_basic(struct slice value, char out[2000])
{
    static const struct slice scheme = {"basic", 5};
    struct slice head = {value.ptr, value.len < scheme.len ? value.len : scheme.len};
    struct slice rest;
    if (!slice_eq_nocase(head, scheme))
        return value;
    rest = slice_trim((struct slice){value.ptr + scheme.len, value.len - scheme.len});
    int n = snprintf(out, 2000, "Basic %.*s", (int)(rest.len < 1900 ? rest.len : 1900),
                     rest.ptr ? rest.ptr : "");
    return (struct slice){out, (size_t)n};
}

static bool matches(const struct rule *rule, const struct http_req *req)
{
    char scratch[2000];
    bool any = false;
    struct slice value = http_req_header(req, rule->header);
    /* A repeated header is ambiguous: the proxy before us may have looked at the other one. */
    bool once = http_req_header_count(req, rule->header) == 1;
    if (strcmp(rule->header, "Authorization") == 0)
        value = normal_basic(value, scratch);
    for (size_t i = 0; i < rule->count; i++)
        any |= secret_matches(&rule->secrets[i], value);
    return any && once;
}

bool auth_check(struct auth *a, const struct http_req *req)
{
    bool all;
    lock_take(a->lock);
    all = a->rules.count > 0;
    for (size_t i = 0; i < a->rules.count; i++)
        all &= matches(&a->rules.items[i], req);
    lock_give(a->lock);
    return all;
}
