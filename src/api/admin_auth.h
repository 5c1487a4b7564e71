/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_AUTH_H
#define RELAY_API_ADMIN_AUTH_H

/*
 * Which role a caller of the admin listener has, by its bearer token (RFC 6750 section 2.1).
 *
 * Owns: digests of the tokens under a key that dies with the process, never their text (promise
 * P10). Every comparison runs to its end, whatever matched before.
 *
 * Threads: role from every http thread; reload from main beside them.
 */

#include "conf/conf.h"
#include "http/http_server.h"

/* Each may do what those before it may. No value is 0, so that a row of the route table that names
 * none fails. */
enum admin_role {
    ADMIN_ROLE_OPEN = 1, /* everybody */
    ADMIN_ROLE_READ,     /* look at everything */
    ADMIN_ROLE_OPERATE,  /* and change it */
    ADMIN_ROLE_END
};
/* "open", "read", "operate". */
const char *admin_role_name(enum admin_role role);

struct admin_auth;

/* NULL when out of memory. */
struct admin_auth *admin_auth_create(const struct conf_admin *conf);
void admin_auth_destroy(struct admin_auth *a);

/* Takes over the tokens of a new configuration for the requests from now on. */
void admin_auth_reload(struct admin_auth *a, const struct conf_admin *conf);

/* The role that the request's token gives; ADMIN_ROLE_OPEN without a token that is known. */
enum admin_role admin_auth_role(struct admin_auth *a, const struct http_req *req);
/* Whether there is any token that could give more than ADMIN_ROLE_OPEN. */
bool admin_auth_has_tokens(struct admin_auth *a);

#endif
