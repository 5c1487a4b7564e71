/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: every route of the admin listener asks for its role before anything else, over TCP and over
 * the socket; what operators change is refused when it is malformed, and done once. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/admin.h"
#include "api/admin_routes.h"
#include "api/query.h"
#include "base/ident.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wakeup.h"
#include "http/http_client.h"
#include "journal/journal.h"
#include "journal/replays.h"
#include "json/json_value.h"

#define OPERATE    "operate-token-0123456789"
#define READ       "read-token-0123456789"
#define TIMEOUT_MS 5000

/* A journal with its committer and an admin in front, without a forwarder. */
struct world {
    char dir[64];
    char path[96];
    struct conf conf;
    struct journal *journal;
    struct metrics *metrics;
    struct committer *committer;
    struct thread *thread;
    struct wakeup seeded;
    int64_t source;
    struct admin *admin;
    struct http_server *server;
};

/* Events 1 and 2 are quarantined. The journal's writer is the first thread that writes. */
static void add_events(struct world *w)
{
    const struct event ev = {.body = {"\xff\0x", 3},
                             .reason = {"broken", 6},
                             .received = clock_wall(clock_system()),
                             .flags = EVENT_QUARANTINED};
    const struct journal_append append = {.ev = &ev, .source = w->source};
    struct journal_appended appended;
    struct err e;
    CHECK(journal_begin(w->journal, &e) == ST_OK);
    for (int i = 0; i < 2; i++)
        CHECK(journal_append(w->journal, &append, &appended, &e) == ST_OK);
    CHECK(journal_commit(w->journal, &e) == ST_OK);
}

static void run_committer(void *arg)
{
    struct world *w = arg;
    add_events(w);
    wakeup_signal(&w->seeded);
    while (committer_step(w->committer, 1000) == COMMITTER_WORKING)
        continue;
}

static void start_server(struct world *w, enum admin_door door)
{
    const struct http_server_opts opts = {.address = "127.0.0.1",
                                          .listen_fd = -1,
                                          .threads = 1,
                                          .name = "admin",
                                          .limits = {.connections_max = 16,
                                                     .header_bytes_max = 16384,
                                                     .header_count_max = 64,
                                                     .body_max = ADMIN_BODY_MAX,
                                                     .memory_max = 1 << 20,
                                                     .waiting_max = ADMIN_WAITING_MAX,
                                                     .request_timeout_ms = TIMEOUT_MS,
                                                     .idle_timeout_ms = TIMEOUT_MS,
                                                     .answer_timeout_ms = TIMEOUT_MS},
                                          .handler = admin_handler(w->admin, door),
                                          .user_bytes = admin_user_bytes()};
    struct err e;
    if (http_server_start(&w->server, &opts, &e) != ST_OK)
        fail_msg("%s", e.text);
}

static void world_make(struct world *w, bool tokens, enum admin_door door)
{
    struct journal_opts opts = {.path = w->path,
                                .clock = clock_system(),
                                .wal_max_bytes = 1 << 20,
                                .checkpoint_pages = 1000,
                                .window_ids_max = 1000};
    struct committer_opts committer = {
        .clock = clock_system(), .mailbox_max = 100, .rows_max = 100};
    struct admin_opts admin = {.conf = &w->conf, .clock = clock_system()};
    struct err e;
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/relay-routes-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/relay.db", w->dir);
    w->conf.journal.path = w->path;
    w->conf.admin.token = tokens ? OPERATE : "";
    w->conf.admin.read_token = tokens ? READ : "";
    w->metrics = metrics_create();
    assert_int_equal(journal_open(&w->journal, &opts, &e), ST_OK);
    assert_int_equal(journal_source(w->journal, "acme", "gladly", &w->source, &e), ST_OK);
    assert_int_equal(wakeup_init(&w->seeded, &e), ST_OK);
    committer.journal = w->journal;
    assert_int_equal(committer_create(&w->committer, &committer, &e), ST_OK);
    admin.journal = w->journal;
    admin.committer = w->committer;
    admin.metrics = w->metrics;
    assert_int_equal(admin_create(&w->admin, &admin, &e), ST_OK);
    start_server(w, door);
}

static void world_run(struct world *w)
{
    struct pollfd fd = {.fd = w->seeded.fd, .events = POLLIN};
    struct err e;
    assert_int_equal(thread_start(&w->thread, "committer", run_committer, w, &e), ST_OK);
    assert_int_equal(poll(&fd, 1, TIMEOUT_MS), 1);
}

static void world_free(struct world *w)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    http_server_stop(w->server, TIMEOUT_MS);
    committer_close(w->committer);
    thread_join(w->thread);
    admin_destroy(w->admin);
    committer_destroy(w->committer);
    journal_close(w->journal);
    metrics_destroy(w->metrics);
    wakeup_fini(&w->seeded);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", w->path, suffixes[i]);
        unlink(path);
    }
    rmdir(w->dir);
}

struct ask {
    const char *method;
    const char *path;
    const char *bearer;
    const char *body;
};

/* The status; the body is kept in *out when it is not NULL. */
static int ask(struct world *w, const struct ask *a, struct buf *out)
{
    struct http_client_request request = {
        .method = a->method, .bearer = a->bearer, .timeout_ms = TIMEOUT_MS};
    struct buf own;
    char url[256];
    struct err e;
    int status = 0;
    buf_init(&own, 1 << 20);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_server_port(w->server), a->path);
    request.url = url;
    if (a->body) {
        request.content_type = "application/json";
        request.body = slice_of(a->body);
    }
    if (out)
        buf_clear(out);
    if (http_client_run(&request, &status, out ? out : &own, &e) != ST_OK)
        fail_msg("%s %s: %s", a->method, a->path, e.text);
    buf_fini(&own);
    return status;
}

/* A request of a route that does its work when it is allowed to. */
static struct ask working(const struct admin_route *route, char path[128])
{
    struct ask a = {.method = route->method, .path = path};
    bool discards = strstr(route->path, "discard") != NULL;
    const char *hole = strstr(route->path, "{seq}");
    if (hole)
        snprintf(path, 128, "%.*s%d%s", (int)(hole - route->path), route->path, discards ? 2 : 1,
                 hole + 5);
    else
        snprintf(path, 128, "%s", route->path);
    if (strcmp(route->path, "/v1/replays") == 0 && strcmp(route->method, "POST") == 0)
        a.body = "{\"who\":\"me\",\"why\":\"test\",\"selection\":{}}";
    else if (strstr(route->path, "/v1/replays/") && strcmp(route->method, "POST") == 0)
        a.body = "{\"who\":\"me\",\"why\":\"test\"}";
    else if (strstr(route->path, "requeue"))
        a.body = "{\"who\":\"me\",\"topic\":\"x.y\"}";
    else if (discards)
        a.body = "{\"who\":\"me\",\"why\":\"test\"}";
    else if (strcmp(route->method, "POST") == 0)
        a.body = "{\"who\":\"me\",\"why\":\"test\",\"scope\":\"all\"}";
    return a;
}

static void expect(struct world *w, const struct admin_route *route, const char *bearer, int status)
{
    char path[128];
    struct ask a = working(route, path);
    a.bearer = bearer;
    int got = ask(w, &a, NULL);
    if (got != status)
        fail_msg("%s %s with %s: %d, not %d", route->method, route->path,
                 bearer ? bearer : "nothing", got, status);
}

static void every_route_asks_for_its_role_over_tcp(void **state)
{
    struct world w;
    (void)state;
    world_make(&w, true, ADMIN_DOOR_TCP);
    world_run(&w);
    assert_true(admin_routes_count() > 10);
    for (size_t i = 0; i < admin_routes_count(); i++) {
        const struct admin_route *route = admin_routes_at(i);
        bool open = route->role == ADMIN_ROLE_OPEN, read = route->role == ADMIN_ROLE_READ;
        expect(&w, route, NULL, open ? 200 : 401);
        expect(&w, route, "operate-token-012345678", open ? 200 : 401);
        expect(&w, route, OPERATE "9", open ? 200 : 401);
        expect(&w, route, READ, open || read ? 200 : 403);
        expect(&w, route, OPERATE, 200);
    }
    world_free(&w);
}

static void without_tokens_only_open_routes_answer_over_tcp(void **state)
{
    struct world w;
    (void)state;
    world_make(&w, false, ADMIN_DOOR_TCP);
    world_run(&w);
    for (size_t i = 0; i < admin_routes_count(); i++) {
        const struct admin_route *route = admin_routes_at(i);
        int status = route->role == ADMIN_ROLE_OPEN ? 200 : 403;
        expect(&w, route, NULL, status);
        expect(&w, route, "any-token-0123456789", status);
        expect(&w, route, "", status);
    }
    world_free(&w);
}

static void who_opens_the_socket_may_do_everything(void **state)
{
    struct world w;
    (void)state;
    world_make(&w, false, ADMIN_DOOR_SOCKET);
    world_run(&w);
    for (size_t i = 0; i < admin_routes_count(); i++)
        expect(&w, admin_routes_at(i), NULL, 200);
    world_free(&w);
}

static void a_reload_takes_tokens_away(void **state)
{
    struct conf fresh = {0};
    struct world w;
    struct ask a = {"GET", "/v1/lanes", READ, NULL};
    (void)state;
    world_make(&w, true, ADMIN_DOOR_TCP);
    world_run(&w);
    assert_int_equal(ask(&w, &a, NULL), 200);
    fresh.admin.token = OPERATE;
    fresh.admin.read_token = "";
    admin_reload(w.admin, &fresh);
    assert_int_equal(ask(&w, &a, NULL), 401);
    a.bearer = OPERATE;
    assert_int_equal(ask(&w, &a, NULL), 200);
    world_free(&w);
}

#define REPLAY(selection, more) "{\"who\":\"me\",\"why\":\"w\",\"selection\":" selection more "}"

static void refuses_what_is_malformed(void **state)
{
    static const struct {
        struct ask ask;
        int status;
    } cases[] = {
        {{"GET", "/v1/nothing", NULL, NULL}, 404},
        {{"GET", "/v1/status/", NULL, NULL}, 404},
        {{"GET", "/v1//status", NULL, NULL}, 404},
        {{"GET", "/v1/events/x", NULL, NULL}, 404},
        {{"GET", "/v1/events/0", NULL, NULL}, 404},
        {{"GET", "/v1/events/9223372036854775808", NULL, NULL}, 404},
        {{"GET", "/v1/events/77", NULL, NULL}, 404},
        {{"GET", "/v1/events?typ=x", NULL, NULL}, 400},
        {{"GET", "/v1/events?limit=1001", NULL, NULL}, 400},
        {{"GET", "/v1/events?limit=1&limit=2", NULL, NULL}, 400},
        {{"GET", "/v1/events?key=%0", NULL, NULL}, 400},
        {{"DELETE", "/v1/events", NULL, NULL}, 405},
        {{"GET", "/v1/pause", NULL, NULL}, 405},
        {{"POST", "/v1/pause", NULL, ""}, 400},
        {{"POST", "/v1/pause", NULL, "[]"}, 400},
        {{"POST", "/v1/pause", NULL, "{\"who\":\"me\",\"scope\":\"all\"}"}, 400},
        {{"POST", "/v1/pause", NULL, "{\"why\":\"w\",\"scope\":\"all\"}"}, 400},
        {{"POST", "/v1/pause", NULL, "{\"who\":\"a\\nb\",\"why\":\"w\",\"scope\":\"all\"}"}, 400},
        {{"POST", "/v1/pause", NULL, "{\"who\":\"me\",\"why\":\"w\",\"scope\":\"lane:1x\"}"}, 400},
        {{"POST", "/v1/pause", NULL, "{\"who\":\"me\",\"why\":\"w\",\"scope\":\"lane:5\"}"}, 400},
        {{"POST", "/v1/pause", NULL, "{\"who\":\"me\",\"why\":\"w\",\"scope\":\"source:no\"}"},
         400},
        {{"POST", "/v1/pause", NULL, "{\"who\":\"me\",\"why\":\"w\",\"scope\":\"all\",\"x\":1}"},
         400},
        {{"POST", "/v1/resume", NULL, "{\"who\":\"me\",\"scope\":\"all\"}"}, 409},
        {{"POST", "/v1/parked/1/requeue", NULL, "{\"who\":\"me\"}"}, 400},
        {{"POST", "/v1/parked/1/requeue", NULL, "{\"who\":\"me\",\"topic\":\"a b\"}"}, 400},
        {{"POST", "/v1/parked/77/requeue", NULL, "{\"who\":\"me\",\"topic\":\"a\"}"}, 404},
        {{"POST", "/v1/parked/1/discard", NULL, "{\"who\":\"me\"}"}, 400},
        {{"POST", "/v1/parked/1/discard", NULL, "{\"who\":\"me\",\"why\":\"\"}"}, 400},
        {{"DELETE", "/v1/replays", NULL, NULL}, 405},
        {{"GET", "/v1/replays?limit=1001", NULL, NULL}, 400},
        {{"GET", "/v1/replays/7", NULL, NULL}, 404},
        {{"POST", "/v1/replays/7/cancel", NULL, "{\"who\":\"me\",\"why\":\"w\"}"}, 404},
        {{"POST", "/v1/replays", NULL, "{\"who\":\"me\",\"why\":\"w\"}"}, 400},
        {{"POST", "/v1/replays", NULL, "{\"who\":\"me\",\"selection\":{}}"}, 400},
        {{"POST", "/v1/replays", NULL, "{\"why\":\"w\",\"selection\":{}}"}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{\"typ\":\"A\"}", "")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{\"type\":\"\"}", "")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{\"source\":\"nobody\"}", "")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{\"since\":\"today\"}", "")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{}", ",\"topic\":\"a b\"")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{}", ",\"rate\":\"1000001\"")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{}", ",\"rate\":\"-1\"")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{}", ",\"after\":\"1\"")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{}", ",\"dryrun\":true")}, 400},
        {{"POST", "/v1/replays", NULL, REPLAY("{}", ",\"older_than\":\"2026-01-02T03:04:05Z\"")},
         400},
        {{"POST", "/v1/replays", NULL, REPLAY("{}", ",\"dry_run\":true,\"older_than\":\"x\"")},
         400},
    };
    struct world w;
    (void)state;
    world_make(&w, false, ADMIN_DOOR_SOCKET);
    world_run(&w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int got = ask(&w, &cases[i].ask, NULL);
        if (got != cases[i].status)
            fail_msg("%s %s %s: %d, not %d", cases[i].ask.method, cases[i].ask.path,
                     cases[i].ask.body ? cases[i].ask.body : "", got, cases[i].status);
    }
    world_free(&w);
}

static void refuses_a_body_over_its_routes_bound(void **state)
{
    char *body = malloc(8193);
    struct ask a = {"POST", "/v1/pause", NULL, body};
    struct world w;
    (void)state;
    assert_non_null(body);
    memset(body, ' ', 8192);
    body[8192] = 0;
    world_make(&w, false, ADMIN_DOOR_SOCKET);
    world_run(&w);
    assert_int_equal(ask(&w, &a, NULL), 413);
    world_free(&w);
    free(body);
}

static struct json_value *ask_json(struct world *w, const char *path)
{
    struct ask a = {"GET", path, NULL, NULL};
    struct json_value *root;
    struct buf out;
    struct err e;
    buf_init(&out, 1 << 20);
    assert_int_equal(ask(w, &a, &out), 200);
    assert_int_equal(json_parse(buf_slice(&out), 1 << 20, &root, &e), ST_OK);
    buf_fini(&out);
    return root;
}

static void expect_text(const struct json_value *o, const char *name, const char *text)
{
    struct slice got = json_text(json_get(o, name));
    if (!slice_eq(got, slice_of(text)))
        fail_msg("%s is %.*s, not %s", name, (int)got.len, got.ptr ? got.ptr : "", text);
}

static void a_parked_event_is_settled_once_and_the_deed_is_kept(void **state)
{
    struct ask requeue = {"POST", "/v1/parked/1/requeue", NULL,
                          "{\"who\":\"me\",\"topic\":\"x.y\",\"why\":\"fixed\"}"};
    struct ask discard = {"POST", "/v1/parked/1/discard", NULL, "{\"who\":\"me\",\"why\":\"no\"}"};
    struct json_value *root;
    struct world w;
    (void)state;
    world_make(&w, false, ADMIN_DOOR_SOCKET);
    world_run(&w);
    root = ask_json(&w, "/v1/parked");
    assert_int_equal(json_count(json_get(root, "parked")), 2);
    json_destroy(root);
    assert_int_equal(ask(&w, &requeue, NULL), 200);
    assert_int_equal(ask(&w, &requeue, NULL), 409);
    assert_int_equal(ask(&w, &discard, NULL), 409);

    root = ask_json(&w, "/v1/events/3");
    expect_text(root, "requeue_of", "1");
    expect_text(root, "topic", "x.y");
    expect_text(root, "state", "waits");
    expect_text(root, "body_base64", "/wB4");
    json_destroy(root);
    root = ask_json(&w, "/v1/parked/1");
    expect_text(json_get(root, "parked"), "successor", "3");
    expect_text(json_get(root, "parked"), "settled_by", "me");
    json_destroy(root);
    root = ask_json(&w, "/v1/actions");
    assert_int_equal(json_count(json_get(root, "actions")), 1);
    expect_text(json_first(json_get(root, "actions")), "target", "seq:1");
    expect_text(json_first(json_get(root, "actions")), "why", "fixed");
    json_destroy(root);
    world_free(&w);
}

static void a_replay_is_counted_started_and_ended(void **state)
{
    struct ask dry = {"POST", "/v1/replays", NULL, REPLAY("{}", ",\"dry_run\":true")};
    struct ask start = {"POST", "/v1/replays", NULL, REPLAY("{\"key\":\"k\"}", ",\"rate\":\"7\"")};
    struct ask pause = {"POST", "/v1/replays/1/pause", NULL, "{\"who\":\"me\"}"};
    struct ask resume = {"POST", "/v1/replays/1/resume", NULL, "{\"who\":\"me\"}"};
    struct ask cancel = {"POST", "/v1/replays/1/cancel", NULL, "{\"who\":\"me\",\"why\":\"no\"}"};
    struct ask requeue = {"POST", "/v1/parked/1/requeue", NULL,
                          "{\"who\":\"me\",\"topic\":\"x.y\"}"};
    struct json_value *root;
    struct buf out;
    struct err e;
    struct world w;
    (void)state;
    world_make(&w, false, ADMIN_DOOR_SOCKET);
    world_run(&w);
    assert_int_equal(ask(&w, &requeue, NULL), 200);
    buf_init(&out, 1 << 20);
    assert_int_equal(ask(&w, &dry, &out), 200);
    assert_int_equal(json_parse(buf_slice(&out), 1 << 20, &root, &e), ST_OK);
    buf_fini(&out);
    expect_text(json_first(json_get(root, "topics")), "topic", "x.y");
    expect_text(json_first(json_get(root, "topics")), "events", "1");
    expect_text(json_first(json_get(root, "topics")), "bytes", "3");
    expect_text(root, "last", "3");
    assert_int_equal(json_kind(json_get(root, "complete")), JSON_TRUE);
    json_destroy(root);
    root = ask_json(&w, "/v1/replays");
    assert_int_equal(json_count(json_get(root, "replays")), 0);
    json_destroy(root);

    assert_int_equal(ask(&w, &start, NULL), 200);
    assert_int_equal(ask(&w, &start, NULL), 200);
    root = ask_json(&w, "/v1/replays");
    assert_int_equal(json_count(json_get(root, "replays")), 2);
    expect_text(json_first(json_get(root, "replays")), "reason", "replay 1 goes first");
    json_destroy(root);
    assert_int_equal(ask(&w, &resume, NULL), 409);
    assert_int_equal(ask(&w, &pause, NULL), 200);
    root = ask_json(&w, "/v1/replays/1");
    expect_text(root, "state", "paused");
    expect_text(root, "rate", "7");
    expect_text(root, "last", "3");
    expect_text(json_get(root, "selection"), "key", "k");
    json_destroy(root);
    assert_int_equal(ask(&w, &resume, NULL), 200);
    assert_int_equal(ask(&w, &cancel, NULL), 200);
    assert_int_equal(ask(&w, &cancel, NULL), 409);
    root = ask_json(&w, "/v1/actions");
    expect_text(json_first(json_get(root, "actions")), "action", "replay cancel");
    expect_text(json_first(json_get(root, "actions")), "target", "replay:1");
    json_destroy(root);
    world_free(&w);
}

static void only_so_many_replays_can_be_open(void **state)
{
    struct ask start = {"POST", "/v1/replays", NULL, REPLAY("{}", "")};
    struct world w;
    (void)state;
    world_make(&w, false, ADMIN_DOOR_SOCKET);
    world_run(&w);
    for (int i = 0; i < REPLAYS_OPEN_MAX; i++)
        assert_int_equal(ask(&w, &start, NULL), 200);
    assert_int_equal(ask(&w, &start, NULL), 409);
    world_free(&w);
}

static void status_says_what_is_wrong_and_what_helps(void **state)
{
    struct ask pause = {"POST", "/v1/pause", NULL,
                        "{\"who\":\"me\",\"why\":\"w\",\"scope\":\"source:gladly\"}"};
    struct json_value *root;
    bool found = false;
    struct world w;
    (void)state;
    world_make(&w, false, ADMIN_DOOR_SOCKET);
    world_run(&w);
    assert_int_equal(ask(&w, &pause, NULL), 200);
    root = ask_json(&w, "/v1/status");
    expect_text(json_get(root, "parked"), "count", "2");
    expect_text(json_get(root, "intake"), "last_minute", "2");
    for (const struct json_value *p = json_first(json_get(root, "problems")); p; p = json_next(p))
        found |=
            slice_eq(json_text(json_get(p, "help")), slice_of("gladly-relay resume source:gladly"));
    assert_true(found);
    json_destroy(root);
    world_free(&w);
}

static void a_change_is_not_answered_when_nobody_commits(void **state)
{
    struct ask pause = {"POST", "/v1/pause", NULL,
                        "{\"who\":\"me\",\"why\":\"w\",\"scope\":\"all\"}"};
    struct world w;
    (void)state;
    world_make(&w, false, ADMIN_DOOR_SOCKET);
    committer_close(w.committer);
    assert_int_equal(ask(&w, &pause, NULL), 503);
    world_run(&w);
    world_free(&w);
}

/* ---- queries ---- */

static void decodes_a_query(void **state)
{
    const struct slice query = slice_of("type=CONTACT%2FSTARTED&after=12&key=a+b");
    char text[32];
    uint64_t number;
    struct err e;
    (void)state;
    assert_int_equal(query_check(query, "after,type,key", &e), ST_OK);
    assert_int_equal(query_check(query, "after,type", &e), ST_BAD_INPUT);
    assert_int_equal(query_text(query, "type", text, sizeof text, &e), ST_OK);
    assert_string_equal(text, "CONTACT/STARTED");
    assert_int_equal(query_text(query, "key", text, sizeof text, &e), ST_OK);
    assert_string_equal(text, "a+b");
    assert_int_equal(query_text(query, "type", text, 15, &e), ST_BAD_INPUT);
    assert_int_equal(query_text(slice_of("key=%00"), "key", text, sizeof text, &e), ST_BAD_INPUT);
    assert_int_equal(query_number(query, "after", 12, 0, &number, &e), ST_OK);
    assert_int_equal(number, 12);
    assert_int_equal(query_number(query, "after", 11, 0, &number, &e), ST_BAD_INPUT);
    assert_int_equal(query_number(query, "limit", 11, 7, &number, &e), ST_OK);
    assert_int_equal(number, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_asks_for_its_role_over_tcp),
        cmocka_unit_test(without_tokens_only_open_routes_answer_over_tcp),
        cmocka_unit_test(who_opens_the_socket_may_do_everything),
        cmocka_unit_test(a_reload_takes_tokens_away),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(refuses_a_body_over_its_routes_bound),
        cmocka_unit_test(a_parked_event_is_settled_once_and_the_deed_is_kept),
        cmocka_unit_test(a_replay_is_counted_started_and_ended),
        cmocka_unit_test(only_so_many_replays_can_be_open),
        cmocka_unit_test(status_says_what_is_wrong_and_what_helps),
        cmocka_unit_test(a_change_is_not_answered_when_nobody_commits),
        cmocka_unit_test(decodes_a_query),
    };
    struct err e;
    if (ident_init(&e) != ST_OK || http_client_init(&e) != ST_OK)
        return 1;
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
