/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_routes.h"

#include "api/admin_act.h"
#include "api/admin_call.h"
#include "api/admin_events.h"
#include "api/admin_replays.h"
#include "api/admin_status.h"
#include "base/num.h"

/* who, why and a topic or scope, every byte of them escaped. */
#define ACT_BODY_MAX 4096
/* The same, and a selection. */
#define REPLAY_BODY_MAX 12288

/* X(method, path, role, body_max, answer, doc) */
#define ROUTES(X)                                                                             \
    X(GET, "/metrics", OPEN, 0, admin_status_metrics, "figures in Prometheus' text format")   \
    X(GET, "/v1/status", READ, 0, admin_status_answer, "how the relay is, and what is wrong") \
    X(GET, "/v1/lanes", READ, 0, admin_status_lanes, "every lane with its state and backlog") \
    X(GET, "/v1/events", READ, 0, admin_events_list, "events without their bodies")           \
    X(GET, "/v1/events/{seq}", READ, 0, admin_events_show, "one event with its body")         \
    X(GET, "/v1/parked", READ, 0, admin_events_parked, "events that wait for a person")       \
    X(GET, "/v1/parked/{seq}", READ, 0, admin_events_parked_one, "one of them with its body") \
    X(GET, "/v1/actions", READ, 0, admin_events_actions, "what operators did")                \
    X(POST, "/v1/pause", OPERATE, ACT_BODY_MAX, admin_act_pause, "stop publishing a scope")   \
    X(POST, "/v1/resume", OPERATE, ACT_BODY_MAX, admin_act_resume, "end a pause")             \
    X(POST, "/v1/parked/{seq}/requeue", OPERATE, ACT_BODY_MAX, admin_act_requeue,             \
      "publish a parked event after all")                                                     \
    X(POST, "/v1/parked/{seq}/discard", OPERATE, ACT_BODY_MAX, admin_act_discard,             \
      "give a parked event up")                                                               \
    X(GET, "/v1/replays", READ, 0, admin_replays_list, "what was published again")            \
    X(POST, "/v1/replays", OPERATE, REPLAY_BODY_MAX, admin_replays_start,                     \
      "publish stored events again, or count them")                                           \
    X(GET, "/v1/replays/{seq}", READ, 0, admin_replays_show, "one replay, how far it is")     \
    X(POST, "/v1/replays/{seq}/pause", OPERATE, ACT_BODY_MAX, admin_replays_pause,            \
      "hold a replay")                                                                        \
    X(POST, "/v1/replays/{seq}/resume", OPERATE, ACT_BODY_MAX, admin_replays_resume,          \
      "let it go on")                                                                         \
    X(POST, "/v1/replays/{seq}/cancel", OPERATE, ACT_BODY_MAX, admin_replays_cancel,          \
      "end it before its end")

#define ROW(method, path, role, body_max, answer, doc) \
    {#method, path, ADMIN_ROLE_##role, body_max, answer, doc},
/* clang-format off */
static const struct admin_route routes[] = { ROUTES(ROW) };
/* clang-format on */
#define COUNT (sizeof routes / sizeof routes[0])

/* A POST changes something: it is never open, and never for those who may only look. */
#define ONLY_GET_IS_FOR_READERS(method, path, role, body_max, answer, doc) \
    _Static_assert(sizeof #method == sizeof "GET" || ADMIN_ROLE_##role == ADMIN_ROLE_OPERATE, path);
ROUTES(ONLY_GET_IS_FOR_READERS)

size_t admin_routes_count(void)
{
    return COUNT;
}

const struct admin_route *admin_routes_at(size_t i)
{
    CHECK(i < COUNT);
    return &routes[i];
}

static struct slice first_part(struct slice *rest)
{
    const char *slash = rest->len ? memchr(rest->ptr, '/', rest->len) : NULL;
    struct slice part = {rest->ptr, slash ? (size_t)(slash - rest->ptr) : rest->len};
    size_t used = part.len + (slash ? 1 : 0);
    *rest = (struct slice){rest->len ? rest->ptr + used : NULL, rest->len - used};
    return part;
}

static bool is_path(const char *pattern, struct slice path, int64_t *seq)
{
    struct slice wanted = slice_of(pattern);
    *seq = 0;
    while (wanted.len && path.len) {
        struct slice part = first_part(&wanted), given = first_part(&path);
        uint64_t number;
        if (!slice_eq(part, slice_of("{seq}"))) {
            if (!slice_eq(part, given))
                return false;
            continue;
        }
        if (num_parse_u64(given, 1, INT64_MAX, &number, NULL) != ST_OK)
            return false;
        *seq = (int64_t)number;
    }
    return !wanted.len && !path.len;
}

const struct admin_route *admin_routes_find(const char *method, struct slice path, int64_t *seq,
                                            const char **allow)
{
    *allow = NULL;
    /* A last slash would be lost on the way. */
    if (path.len && path.ptr[path.len - 1] == '/')
        return NULL;
    for (size_t i = 0; i < COUNT; i++) {
        if (!is_path(routes[i].path, path, seq))
            continue;
        if (strcmp(routes[i].method, method) == 0)
            return &routes[i];
        *allow = *allow ? "GET, POST" : routes[i].method;
    }
    return NULL;
}
