/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: each refusal and fault of the intake moves its own metric, and no other refusal's. */
#include "test_http_kit.h"

#include "api/ingress.h"
#include "base/ident.h"
#include "conf/conf.h"
#include "memvfs/memvfs.h"

#define VFS   "ingress-test"
#define HEAD  "Host: t\r\nx-api-key: 0123456789abcdef\r\ncontent-type: application/json\r\n"
#define EVENT "{\"id\":\"%s\",\"type\":\"CONTACT/STARTED\",\"n\":%d}"

static const char conf_text[] = "[http]\nauth_failures_max = 2\n[journal]\npath = relay.db\n"
                                "[kafka]\nbootstrap.servers = 127.0.0.1:1\n"
                                "[source main]\npath = /in\ntoken = 0123456789abcdef\n"
                                "[source both]\npath = /both\ntoken = 0123456789abcdef\n"
                                "ack = kafka\n";

/* The intake without its forwarder; the test is the committer. */
struct world {
    struct conf *conf;
    struct memvfs *disk;
    struct metrics *metrics;
    struct journal *journal;
    struct committer *committer;
    struct acks *acks;
    struct ingress *ingress;
    struct rig rig; /* only its server is used */
};

static void world_open(struct world *w, void (*tighten)(struct http_limits *limits),
                       size_t acks_max)
{
    struct conf_errors *errs = conf_errors_create();
    struct err e = {0};
    memset(w, 0, sizeof *w);
    assert_int_equal(conf_load_text("test", slice_of(conf_text), NULL, &w->conf, errs), ST_OK);
    conf_errors_destroy(errs);
    w->disk = memvfs_create(VFS, 1);
    w->metrics = metrics_create();
    const struct journal_opts journal = {.path = "relay.db",
                                         .vfs = VFS,
                                         .clock = clock_system(),
                                         .wal_max_bytes = 1 << 20,
                                         .checkpoint_pages = 100,
                                         .window_ms = 60000,
                                         .window_ids_max = 1000};
    assert_int_equal(journal_open(&w->journal, &journal, &e), ST_OK);
    const struct committer_opts committer = {.journal = w->journal,
                                             .clock = clock_system(),
                                             .mailbox_max = 100,
                                             .rows_max = 100,
                                             .metrics = w->metrics};
    assert_int_equal(committer_create(&w->committer, &committer, &e), ST_OK);
    const struct acks_opts acks = {
        .clock = clock_system(), .waiters_max = acks_max, .bytes_max = 1 << 20};
    assert_int_equal(acks_create(&w->acks, &acks, &e), ST_OK);
    const struct ingress_opts ingress = {.conf = w->conf,
                                         .journal = w->journal,
                                         .committer = w->committer,
                                         .clock = clock_system(),
                                         .record_max = 4000,
                                         .acks = w->acks,
                                         .ack_timeout_ms = KIT_DEADLINE_MS,
                                         .metrics = w->metrics};
    assert_int_equal(ingress_create(&w->ingress, &ingress, &e), ST_OK);
    struct http_server_opts server = kit_opts(&w->rig);
    server.threads = 1;
    server.handler = ingress_handler(w->ingress);
    server.user_bytes = ingress_user_bytes();
    server.limits.body_max = 8000;
    server.limits.header_bytes_max = 4096;
    if (tighten)
        tighten(&server.limits);
    if (http_server_start(&w->rig.server, &server, &e) != ST_OK)
        fail_msg("%s", e.text);
}

static void world_close(struct world *w)
{
    acks_close(w->acks);
    committer_close(w->committer);
    while (committer_step(w->committer, 0) == COMMITTER_WORKING)
        continue;
    http_server_stop(w->rig.server, 1000);
    ingress_destroy(w->ingress);
    acks_destroy(w->acks);
    committer_destroy(w->committer);
    journal_close(w->journal);
    memvfs_destroy(w->disk);
    metrics_destroy(w->metrics);
    conf_destroy(w->conf);
}

/* A sample's value by its name and labels as they are rendered; 0 while there is none. */
static int64_t figure(struct world *w, const char *sample)
{
    char line[160];
    struct buf text;
    const char *at;
    int64_t value = 0;
    snprintf(line, sizeof line, "\n%s ", sample);
    buf_init(&text, 1 << 20);
    assert_int_equal(metrics_render(w->metrics, &text), ST_OK);
    assert_int_equal(buf_append(&text, "", 1), ST_OK);
    at = strstr(text.ptr, line);
    if (at)
        value = strtoll(at + strlen(line), NULL, 10);
    buf_fini(&text);
    return value;
}

static int64_t refused(struct world *w, const char *reason)
{
    char sample[160];
    snprintf(sample, sizeof sample, "relay_http_refused_total{reason=\"%s\"}", reason);
    return figure(w, sample);
}

/* So many for this reason, and none for any other. Counted after the answer: waits for it. */
static void expect_refused(struct world *w, const char *reason, int64_t count)
{
    static const char *const reasons[] = {"framing",  "headers",     "body_size", "memory",
                                          "waiting",  "connections", "slow",      "answer_late",
                                          "draining", "not_found",   "method",    "throttled"};
    struct mono deadline = kit_deadline();
    while (refused(w, reason) < count && kit_ms_left(deadline) > 0)
        (void)poll(NULL, 0, 1);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (refused(w, reasons[i]) != (strcmp(reasons[i], reason) == 0 ? count : 0))
            fail_msg("%s counts %d", reasons[i], (int)refused(w, reasons[i]));
}

static int64_t answered(struct world *w, const char *status)
{
    char sample[160];
    const char *type = strcmp(status, "quarantined") == 0 ? "" : "CONTACT/STARTED";
    snprintf(sample, sizeof sample, "relay_intake_total{source=\"main\",type=\"%s\",status=\"%s\"}",
             type, status);
    return figure(w, sample);
}

/* A whole delivery, sent. */
static void post(struct client *c, const char *path, const char *body)
{
    char text[9000];
    int n = snprintf(text, sizeof text, "POST %s HTTP/1.1\r\n" HEAD "Content-Length: %zu\r\n\r\n%s",
                     path, strlen(body), body);
    assert_true(n > 0 && (size_t)n < sizeof text);
    client_send(c, text);
}

/* Commits what waits until the connection has its answer. */
static int commit_until_answered(struct world *w, struct client *c)
{
    struct mono deadline = kit_deadline();
    while (!c->len && kit_ms_left(deadline) > 0) {
        committer_step(w->committer, 1);
        http_server_flush(w->rig.server);
        client_fill(c, 1);
    }
    return client_status(c);
}

static int deliver(struct world *w, struct client *c, const char *path, const char *body)
{
    post(c, path, body);
    return commit_until_answered(w, c);
}

static const char *event(const char *id, int n)
{
    static char text[128];
    snprintf(text, sizeof text, EVENT, id, n);
    return text;
}

/* ---- what a request alone is refused for ---- */

static void malformed_framing_is_counted(void **state)
{
    static const char *const shapes[] = {
        "POST /in HTTP/1.1\r\n" HEAD "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST /in HTTP/1.1\r\n" HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "POST /in HTTP/1.1\r\n" HEAD "Content-Length: +2\r\n\r\n{}",
        "POST /in HTTP/1.1\r\n" HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n{}",
        "POST /in HTTP/1.1\r\n" HEAD "\r\n",
    };
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, NULL, 8);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        client_open(&c, &w.rig);
        int status = client_ask(&c, shapes[i]);
        assert_true(status == 400 || status == 411);
        assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
        client_close(&c);
        expect_refused(&w, "framing", (int64_t)i + 1);
    }
    world_close(&w);
}

static void too_many_and_too_large_headers_are_counted(void **state)
{
    char text[8192] = "GET /in HTTP/1.1\r\nHost: t\r\n";
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, NULL, 8);
    for (int i = 0; i < 40; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "x-%d: y\r\n", i);
    snprintf(text + strlen(text), sizeof text - strlen(text), "\r\n");
    client_open(&c, &w.rig);
    assert_int_equal(client_ask(&c, text), 431);
    client_close(&c);
    expect_refused(&w, "headers", 1);
    snprintf(text, sizeof text, "GET /in HTTP/1.1\r\nHost: t\r\nx-large: %05000d\r\n\r\n", 7);
    client_open(&c, &w.rig);
    assert_int_equal(client_ask(&c, text), 431);
    client_close(&c);
    expect_refused(&w, "headers", 2);
    world_close(&w);
}

static void a_body_over_the_limit_is_counted(void **state)
{
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, NULL, 8);
    client_open(&c, &w.rig);
    /* So large that the answer does not wait for it. */
    assert_int_equal(client_ask(&c, "POST /in HTTP/1.1\r\n" HEAD "Content-Length: 1000000\r\n\r\n"),
                     413);
    client_close(&c);
    expect_refused(&w, "body_size", 1);
    world_close(&w);
}

static void unknown_paths_and_wrong_methods_are_counted(void **state)
{
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, NULL, 8);
    client_open(&c, &w.rig);
    assert_int_equal(client_ask(&c, KIT_GET("/nothing")), 404);
    expect_refused(&w, "not_found", 1);
    client_close(&c);
    world_close(&w);

    world_open(&w, NULL, 8);
    client_open(&c, &w.rig);
    assert_int_equal(client_ask(&c, KIT_GET("/in")), 405);
    assert_int_equal(client_ask(&c, KIT_POST("/readyz", "2", "{}")), 405);
    expect_refused(&w, "method", 2);
    client_close(&c);
    world_close(&w);
}

static void failed_credentials_are_counted_and_those_throttled_again(void **state)
{
    static const char unauthorized[] = "relay_intake_unauthorized_total{source=\"main\"}";
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, NULL, 8);
    for (int i = 0; i < 3; i++) {
        client_open(&c, &w.rig);
        assert_int_equal(client_ask(&c, KIT_POST("/in", "2", "{}")), i < 2 ? 401 : 429);
        client_close(&c);
        assert_int_equal(figure(&w, unauthorized), i + 1);
    }
    expect_refused(&w, "throttled", 1);
    world_close(&w);
}

/* ---- limits over all requests ---- */

static void tighten_memory(struct http_limits *l)
{
    l->memory_max = 8000;
}

static void bytes_over_the_memory_limit_are_counted(void **state)
{
    struct client first, second;
    struct world w;
    (void)state;
    world_open(&w, tighten_memory, 8);
    client_open(&first, &w.rig);
    client_open(&second, &w.rig);
    client_send(&first, "POST /in HTTP/1.1\r\n" HEAD "Content-Length: 5000\r\n\r\n{");
    rig_wait_gauge(&w.rig, http_server_memory, 5000);
    client_send(&second, "POST /in HTTP/1.1\r\n" HEAD "Content-Length: 5000\r\n\r\n{");
    /* The declared body is thrown away before the answer. */
    for (int i = 0; i < 4999; i++)
        client_send(&second, "x");
    assert_int_equal(client_status(&second), 503);
    expect_refused(&w, "memory", 1);
    client_close(&first);
    client_close(&second);
    world_close(&w);
}

static void tighten_waiting(struct http_limits *l)
{
    l->waiting_max = 1;
}

static void requests_over_the_waiting_limit_are_counted(void **state)
{
    struct client first, second;
    struct world w;
    (void)state;
    world_open(&w, tighten_waiting, 8);
    client_open(&first, &w.rig);
    client_open(&second, &w.rig);
    post(&first, "/in", event("a", 1));
    rig_wait_gauge(&w.rig, http_server_waiting, 1);
    post(&second, "/in", event("b", 1));
    assert_int_equal(client_status(&second), 503);
    expect_refused(&w, "waiting", 1);
    assert_int_equal(commit_until_answered(&w, &first), 200);
    client_close(&first);
    client_close(&second);
    world_close(&w);
}

static void tighten_connections(struct http_limits *l)
{
    l->connections_max = 1;
}

static void connections_over_the_limit_are_counted(void **state)
{
    struct client first, second;
    struct world w;
    (void)state;
    world_open(&w, tighten_connections, 8);
    client_open(&first, &w.rig);
    assert_int_equal(client_ask(&first, KIT_GET("/healthz")), 200);
    client_open(&second, &w.rig);
    assert_true(client_is_closed(&second, KIT_DEADLINE_MS));
    expect_refused(&w, "connections", 1);
    client_close(&first);
    client_close(&second);
    world_close(&w);
}

/* ---- time ---- */

static void tighten_request(struct http_limits *l)
{
    l->request_timeout_ms = 300;
}

static void tighten_answer(struct http_limits *l)
{
    l->answer_timeout_ms = 200;
}

static void a_client_that_trickles_is_counted(void **state)
{
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, tighten_request, 8);
    client_open(&c, &w.rig);
    client_send(&c, "POST /in HTTP/1.1\r\n" HEAD "Content-Length: 100\r\n\r\n{");
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    expect_refused(&w, "slow", 1);
    client_close(&c);
    world_close(&w);
}

static void a_commit_that_comes_too_late_is_counted(void **state)
{
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, tighten_answer, 8);
    client_open(&c, &w.rig);
    post(&c, "/in", event("late", 1));
    assert_int_equal(client_status(&c), 503);
    expect_refused(&w, "answer_late", 1);
    client_close(&c);
    world_close(&w);
}

static void a_request_while_draining_is_counted(void **state)
{
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, NULL, 8);
    client_open(&c, &w.rig);
    assert_int_equal(client_ask(&c, KIT_GET("/healthz")), 200);
    http_server_drain(w.rig.server);
    assert_int_equal(client_ask(&c, KIT_POST("/in", "2", "{}")), 503);
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    expect_refused(&w, "draining", 1);
    client_close(&c);
    world_close(&w);
}

/* ---- the journal ---- */

static void each_outcome_of_a_delivery_is_counted(void **state)
{
    char large[5000];
    struct client c;
    struct world w;
    (void)state;
    world_open(&w, NULL, 8);
    client_open(&c, &w.rig);
    assert_int_equal(deliver(&w, &c, "/in", event("a", 1)), 200);
    assert_int_equal(answered(&w, "stored"), 1);
    assert_int_equal(deliver(&w, &c, "/in", event("a", 1)), 200);
    assert_int_equal(answered(&w, "duplicate"), 1);
    assert_int_equal(deliver(&w, &c, "/in", "not json"), 200);
    assert_int_equal(answered(&w, "quarantined"), 1);
    assert_int_equal(figure(&w, "relay_intake_conflicting_ids_total{source=\"main\"}"), 0);
    assert_int_equal(deliver(&w, &c, "/in", event("a", 2)), 200);
    assert_int_equal(answered(&w, "stored"), 2);
    assert_int_equal(figure(&w, "relay_intake_conflicting_ids_total{source=\"main\"}"), 1);
    snprintf(large, sizeof large,
             "{\"id\":\"large\",\"type\":\"CONTACT/STARTED\",\"x\":\"%04500d\"}", 1);
    assert_int_equal(figure(&w, "relay_intake_oversize_total{source=\"main\"}"), 0);
    assert_int_equal(deliver(&w, &c, "/in", large), 200);
    assert_int_equal(deliver(&w, &c, "/in", large), 200);
    assert_int_equal(answered(&w, "duplicate"), 2);
    assert_int_equal(figure(&w, "relay_intake_oversize_total{source=\"main\"}"), 1);
    expect_refused(&w, "framing", 0);
    client_close(&c);
    world_close(&w);
}

static void a_full_disk_and_the_floor_are_counted(void **state)
{
    struct client c;
    struct world w;
    int64_t failures;
    (void)state;
    world_open(&w, NULL, 8);
    client_open(&c, &w.rig);
    memvfs_set_capacity(w.disk, memvfs_used_bytes(w.disk));
    assert_int_equal(deliver(&w, &c, "/in", event("a", 1)), 503);
    assert_int_equal(answered(&w, "unavailable"), 1);
    /* The committer tries again by itself. */
    assert_true(figure(&w, "relay_commit_failures_total") > 0);
    memvfs_set_capacity(w.disk, MEMVFS_UNLIMITED);
    assert_int_equal(deliver(&w, &c, "/in", event("a", 1)), 200);
    failures = figure(&w, "relay_commit_failures_total");
    committer_set_room(w.committer, false);
    assert_int_equal(deliver(&w, &c, "/in", event("b", 1)), 503);
    assert_int_equal(answered(&w, "unavailable"), 2);
    /* No transaction was tried. */
    assert_int_equal(figure(&w, "relay_commit_failures_total"), failures);
    client_close(&c);
    world_close(&w);
}

/* ---- Kafka ---- */

static int64_t fallbacks(struct world *w, const char *reason)
{
    char sample[160];
    snprintf(sample, sizeof sample, "relay_ack_fallback_total{source=\"both\",reason=\"%s\"}",
             reason);
    return figure(w, sample);
}

static void expect_acknowledged(const struct client *c, const char *by)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"acknowledged\":\"%s\"}\n", by);
    assert_non_null(strstr(c->body, wanted));
}

/* Posts an event that is committed, and then waits for Kafka. */
static void post_and_commit(struct world *w, struct client *c, const char *id)
{
    struct mono deadline = kit_deadline();
    post(c, "/both", event(id, 1));
    while (acks_waiting(w->acks) == 0 && kit_ms_left(deadline) > 0)
        committer_step(w->committer, 1);
    assert_int_equal(acks_waiting(w->acks), 1);
}

static void waiting_for_kafka_and_every_fallback_is_counted(void **state)
{
    static const char waited[] = "relay_ack_wait_seconds_count{source=\"both\"}";
    struct client first, second;
    struct world w;
    (void)state;
    world_open(&w, NULL, 1);
    client_open(&first, &w.rig);
    client_open(&second, &w.rig);
    post_and_commit(&w, &first, "a");
    assert_int_equal(deliver(&w, &second, "/both", event("b", 1)), 200);
    expect_acknowledged(&second, "journal");
    assert_int_equal(fallbacks(&w, "full"), 1);
    assert_int_equal(figure(&w, waited), 0);
    acks_delivered(w.acks, 1);
    http_server_flush(w.rig.server);
    assert_int_equal(client_status(&first), 200);
    expect_acknowledged(&first, "kafka");
    assert_int_equal(figure(&w, waited), 1);

    post_and_commit(&w, &first, "c");
    acks_close(w.acks);
    http_server_flush(w.rig.server);
    assert_int_equal(client_status(&first), 200);
    expect_acknowledged(&first, "journal");
    assert_int_equal(fallbacks(&w, "stopping"), 1);
    assert_int_equal(figure(&w, waited), 2);
    assert_int_equal(deliver(&w, &second, "/in", event("d", 1)), 200);
    assert_null(strstr(second.body, "acknowledged"));
    client_close(&first);
    client_close(&second);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_framing_is_counted),
        cmocka_unit_test(too_many_and_too_large_headers_are_counted),
        cmocka_unit_test(a_body_over_the_limit_is_counted),
        cmocka_unit_test(unknown_paths_and_wrong_methods_are_counted),
        cmocka_unit_test(failed_credentials_are_counted_and_those_throttled_again),
        cmocka_unit_test(bytes_over_the_memory_limit_are_counted),
        cmocka_unit_test(requests_over_the_waiting_limit_are_counted),
        cmocka_unit_test(connections_over_the_limit_are_counted),
        cmocka_unit_test(a_client_that_trickles_is_counted),
        cmocka_unit_test(a_commit_that_comes_too_late_is_counted),
        cmocka_unit_test(a_request_while_draining_is_counted),
        cmocka_unit_test(each_outcome_of_a_delivery_is_counted),
        cmocka_unit_test(a_full_disk_and_the_floor_are_counted),
        cmocka_unit_test(waiting_for_kafka_and_every_fallback_is_counted),
    };
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
