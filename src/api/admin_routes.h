/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_ROUTES_H
#define RELAY_API_ADMIN_ROUTES_H

/*
 * The table of the admin listener: every method and path, who may call it, how large its body may
 * be, and who answers. src/api/PROTOCOL.md describes each row.
 *
 * Owns: constant data. Threads: from every one.
 *
 * Invariant: each row has a role. A row without one does not compile: the role is a word that a
 * macro completes.
 */

#include "api/admin_auth.h"

struct admin_call;

struct admin_route {
    const char *method;
    const char *path; /* "{seq}" stands for a number */
    enum admin_role role;
    size_t body_max;                         /* bytes; 0: no body */
    void (*answer)(struct admin_call *call); /* thread: admin http */
    const char *doc;
};

size_t admin_routes_count(void);
const struct admin_route *admin_routes_at(size_t i);

/* The row of a path and method, and the number in the path (0: none). NULL when there is none;
 * *allow is then the method that the path has, or NULL for an unknown path. */
const struct admin_route *admin_routes_find(const char *method, struct slice path, int64_t *seq,
                                            const char **allow);

#endif
