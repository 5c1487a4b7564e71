/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_CALL_H
#define RELAY_API_ADMIN_CALL_H

/*
 * What an answering function of the route table gets. Internal to the admin_ files.
 *
 * Threads: the http thread that the request lives on; act belongs to the committer while its job is
 * there.
 */

#include "api/admin.h"
#include "journal/journal_list.h"
#include "journal/journal_reader.h"
#include "relay/trend.h"

struct admin_act;
struct admin_backlog;
struct admin_route;
struct lock;

/* What all requests share; lives as long as the admin. */
struct admin_shared {
    struct admin_opts opts;
    struct wall started;
    char *journal_path;
    char *journal_directory;
    uint64_t free_space_floor_bytes;
    char *brokers; /* bootstrap.servers, for people; "" with the demo broker */
    struct admin_backlog *counted;
    struct lock *trend_lock; /* protects backlog */
    struct trend backlog;
    struct metric_family *lane_backlog;
    struct metric_family *lane_oldest;
};

struct admin_call {
    struct admin_shared *shared;
    const struct admin_route *route;
    struct http_req *req;
    struct journal_reader *reader; /* of this http thread */
    struct journal_list *list;
    int64_t seq; /* in the path; 0: none */
    struct admin_act *act;
};

#endif
