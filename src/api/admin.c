/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin.h"

#include <stdlib.h>

#include "api/admin_act.h"
#include "api/admin_auth.h"
#include "api/admin_backlog.h"
#include "api/admin_call.h"
#include "api/admin_routes.h"
#include "api/admin_status.h"
#include "api/reply.h"
#include "api/throttle.h"
#include "base/lock.h"
#include "base/log.h"

/* Sampling takes at most one part in so many of the time; but it is not given up. */
#define SAMPLE_SHARE  100
#define SAMPLE_MS_MAX 600000

struct door {
    struct admin *admin;
    enum admin_door kind;
    struct journal_reader *reader;
    struct journal_list *list;
};

struct admin {
    struct admin_shared shared;
    struct admin_auth *auth;
    struct throttle *throttle;
    struct door doors[ADMIN_DOOR_COUNT];
    struct journal_reader *sampler;
};

/* The handler's memory in each request. */
struct user {
    struct admin_call call;
    struct admin_act act;
};

/* ---- who may ---- */

/* Answers when the caller may not; true when it may. */
static bool admit(const struct door *d, struct http_req *req, enum admin_role needed)
{
    struct admin *a = d->admin;
    enum admin_role role;
    if (d->kind == ADMIN_DOOR_SOCKET || needed == ADMIN_ROLE_OPEN)
        return true;
    role = admin_auth_role(a->auth, req);
    if (role >= needed)
        return true;
    if (role > ADMIN_ROLE_OPEN) {
        reply_refusal(req, 403, "forbidden", "this token may only read");
    } else if (!admin_auth_has_tokens(a->auth)) {
        reply_refusal(req, 403, "forbidden",
                      "[admin] has no token: use the Unix socket, or configure one");
    } else if (throttle_failure(a->throttle, http_req_peer(req),
                                clock_mono(a->shared.opts.clock))) {
        reply_error(req, 429, "too_many_failures", NULL);
    } else {
        reply_unauthorized(req);
    }
    return false;
}

static bool on_head(void *ctx, struct http_req *req)
{
    const struct door *d = ctx;
    struct user *u = http_req_user(req);
    const char *allow;
    int64_t seq;
    const struct admin_route *route =
        admin_routes_find(http_req_method(req), http_req_path(req), &seq, &allow);
    if (!route) {
        reply_error(req, allow ? 405 : 404, allow ? "method_not_allowed" : "not_found", allow);
        return false;
    }
    if (!admit(d, req, route->role))
        return false;
    if (http_req_declared_length(req) > route->body_max) {
        reply_error(req, 413, "body_too_large", NULL);
        return false;
    }
    u->call = (struct admin_call){.shared = &d->admin->shared,
                                  .route = route,
                                  .req = req,
                                  .reader = d->reader,
                                  .list = d->list,
                                  .seq = seq,
                                  .act = &u->act};
    return true;
}

static void on_request(void *ctx, struct http_req *req)
{
    struct user *u = http_req_user(req);
    (void)ctx;
    u->call.route->answer(&u->call);
}

/* ---- life ---- */

static enum status open_door(struct admin *a, enum admin_door kind, const char *path, struct err *e)
{
    struct door *d = &a->doors[kind];
    enum status st;
    d->admin = a;
    d->kind = kind;
    st = journal_reader_open(&d->reader, path, NULL, e);
    return st == ST_OK ? journal_list_open(&d->list, path, e) : st;
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static const char *brokers_of(const struct conf *conf)
{
    for (size_t i = 0; i < conf->kafka.properties.count; i++)
        if (strcmp(conf->kafka.properties.items[i].name, "bootstrap.servers") == 0)
            return conf->kafka.properties.items[i].value;
    return "";
}

enum status admin_create(struct admin **out, const struct admin_opts *opts, struct err *e)
{
    const char *path = opts->conf->journal.path;
    enum status st = ST_OK;
    struct admin *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(e, ST_NO_MEM, "admin: out of memory");
    a->shared.opts = *opts;
    a->shared.trend_lock = lock_create();
    a->shared.counted = admin_backlog_create(opts->clock);
    trend_init(&a->shared.backlog, ADMIN_STATUS_STEP_MS);
    a->shared.started = clock_wall(opts->clock);
    a->shared.free_space_floor_bytes = opts->conf->journal.free_space_floor_bytes;
    a->shared.journal_path = strdup(path);
    a->shared.journal_directory = directory_of(path);
    a->shared.brokers = strdup(brokers_of(opts->conf));
    a->auth = admin_auth_create(&opts->conf->admin);
    a->throttle = throttle_create(opts->conf->http.auth_failures_max);
    if (!a->shared.journal_path || !a->shared.journal_directory || !a->shared.brokers || !a->auth ||
        !a->throttle || !a->shared.counted)
        st = err_set(e, ST_NO_MEM, "admin: out of memory");
    for (int i = 0; i < ADMIN_DOOR_COUNT && st == ST_OK; i++)
        st = open_door(a, (enum admin_door)i, path, e);
    if (st == ST_OK)
        st = journal_reader_open(&a->sampler, path, NULL, e);
    if (st != ST_OK) {
        admin_destroy(a);
        return st;
    }
    admin_status_create_metrics(&a->shared);
    *out = a;
    return ST_OK;
}

void admin_destroy(struct admin *a)
{
    if (!a)
        return;
    for (int i = 0; i < ADMIN_DOOR_COUNT; i++) {
        journal_reader_close(a->doors[i].reader);
        journal_list_close(a->doors[i].list);
    }
    journal_reader_close(a->sampler);
    lock_destroy(a->shared.trend_lock);
    admin_backlog_destroy(a->shared.counted);
    throttle_destroy(a->throttle);
    admin_auth_destroy(a->auth);
    free(a->shared.journal_path);
    free(a->shared.journal_directory);
    free(a->shared.brokers);
    free(a);
}

struct http_handler admin_handler(struct admin *a, enum admin_door door)
{
    CHECK((unsigned)door < ADMIN_DOOR_COUNT);
    return (struct http_handler){
        .ctx = &a->doors[door], .on_head = on_head, .on_request = on_request};
}

size_t admin_user_bytes(void)
{
    return sizeof(struct user);
}

int admin_sample(struct admin *a)
{
    const struct clock *clock = a->shared.opts.clock;
    const struct admin_call call = {.shared = &a->shared, .reader = a->sampler};
    struct mono began = clock_mono(clock);
    int64_t wait_ms;
    struct err e = {0};
    if (admin_status_sample(&call, &e) != ST_OK)
        log_warn("admin.backlog_unknown", LOG_S("reason", e.text));
    wait_ms = SAMPLE_SHARE * mono_diff_ns(clock_mono(clock), began) / 1000000;
    if (wait_ms < ADMIN_STATUS_STEP_MS)
        return ADMIN_STATUS_STEP_MS;
    return wait_ms < SAMPLE_MS_MAX ? (int)wait_ms : SAMPLE_MS_MAX;
}

void admin_reload(struct admin *a, const struct conf *conf)
{
    admin_auth_reload(a->auth, &conf->admin);
    throttle_set_max(a->throttle, conf->http.auth_failures_max);
}
