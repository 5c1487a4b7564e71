/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_auth.h"

#include <stdlib.h>

#include "base/ident.h"
#include "base/lock.h"

struct token {
    bool is_set;
    struct secret secret;
};

struct tokens {
    struct token operate;
    struct token read;
};

struct admin_auth {
    struct lock *lock; /* protects tokens */
    struct tokens tokens;
};

const char *admin_role_name(enum admin_role role)
{
    static const char *const names[ADMIN_ROLE_END] = {
        [ADMIN_ROLE_OPEN] = "open", [ADMIN_ROLE_READ] = "read", [ADMIN_ROLE_OPERATE] = "operate"};
    CHECK(role >= ADMIN_ROLE_OPEN && role < ADMIN_ROLE_END);
    return names[role];
}

static struct token token_of(const char *text)
{
    struct token t = {.is_set = text[0] != '\0'};
    if (t.is_set)
        t.secret = secret_of(slice_of(text));
    return t;
}

void admin_auth_reload(struct admin_auth *a, const struct conf_admin *conf)
{
    struct tokens fresh = {token_of(conf->token), token_of(conf->read_token)};
    lock_take(a->lock);
    a->tokens = fresh;
    lock_give(a->lock);
    secret_wipe(&fresh, sizeof fresh);
}

struct admin_auth *admin_auth_create(const struct conf_admin *conf)
{
    struct admin_auth *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->lock = lock_create();
    admin_auth_reload(a, conf);
    return a;
}

void admin_auth_destroy(struct admin_auth *a)
{
    if (!a)
        return;
    lock_destroy(a->lock);
    secret_wipe(&a->tokens, sizeof a->tokens);
    free(a);
}

/* What stands behind "Bearer" (any case, RFC 9110 section 11.1); empty when it is not there. */
static struct slice bearer_of(const struct http_req *req)
{
    static const struct slice scheme = {"bearer", 6};
    struct slice value = http_req_header(req, "Authorization");
    struct slice head = {value.ptr, value.len < scheme.len ? value.len : scheme.len};
    if (http_req_header_count(req, "Authorization") != 1 || !slice_eq_nocase(head, scheme) ||
        value.len == scheme.len || value.ptr[scheme.len] != ' ')
        return (struct slice){NULL, 0};
    return slice_trim((struct slice){value.ptr + scheme.len, value.len - scheme.len});
}

enum admin_role admin_auth_role(struct admin_auth *a, const struct http_req *req)
{
    struct slice given = bearer_of(req);
    enum admin_role role = ADMIN_ROLE_OPEN;
    bool may_operate, may_read;
    lock_take(a->lock);
    may_operate = secret_matches(&a->tokens.operate.secret, given) & a->tokens.operate.is_set;
    may_read = secret_matches(&a->tokens.read.secret, given) & a->tokens.read.is_set;
    lock_give(a->lock);
    if (may_read)
        role = ADMIN_ROLE_READ;
    if (may_operate)
        role = ADMIN_ROLE_OPERATE;
    return role;
}

bool admin_auth_has_tokens(struct admin_auth *a)
{
    bool any;
    lock_take(a->lock);
    any = a->tokens.operate.is_set || a->tokens.read.is_set;
    lock_give(a->lock);
    return any;
}
