/* SPDX-License-Identifier: Apache-2.0 */
#include "test_http_kit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* libmicrohttpd's own epoll loop stalls when one wait returns exactly 128 events. */
static void answers_rounds_of_128_clients_promptly(void **state)
{
    static const size_t counts[] = {127, 128, 129, 256};
    static struct client clients[256];
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    (void)state;
    o.threads = 1;
    rig_start(r, &o);
    for (size_t k = 0; k < COUNT(counts); k++) {
        struct mono start = clock_mono(clock_system());
        for (size_t i = 0; i < counts[k]; i++)
            client_open(&clients[i], r);
        for (int round = 0; round < 10; round++) {
            for (size_t i = 0; i < counts[k]; i++)
                client_send(&clients[i], KIT_POST("/auto", "5", "hello"));
            for (size_t i = 0; i < counts[k]; i++)
                assert_int_equal(client_status(&clients[i]), 200);
        }
        for (size_t i = 0; i < counts[k]; i++)
            client_close(&clients[i]);
        /* A stall would last until the next timer: far over what ten rounds need. */
        assert_in_range(mono_diff_ns(clock_mono(clock_system()), start) / 1000000, 0, 3000);
    }
    rig_free(r);
}

static void forgets_clients_that_vanish_while_suspended(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct linger reset = {1, i % 2 ? 0 : 1};
        client_open(&c, r);
        client_send(&c, KIT_POST("/hold", "5", "hello"));
        rig_wait_held(r, (size_t)i + 1);
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        client_close(&c);
    }
    assert_int_equal(http_server_waiting(r->server), 100);
    assert_int_equal(http_server_memory(r->server), 500);
    rig_answer_held(r);
    http_server_flush(r->server);
    rig_wait_gauge(r, http_server_waiting, 0);
    rig_wait_gauge(r, http_server_connections, 0);
    rig_wait_gauge(r, http_server_memory, 0);
    client_open(&c, r);
    assert_int_equal(client_ask(&c, KIT_GET("/auto")), 200);
    client_close(&c);
    rig_free(r);
}

static void answers_pipelined_requests(void **state)
{
    static const int counts[] = {2, 5, 50};
    struct rig *r = rig_of(NULL);
    struct client c;
    (void)state;
    client_open(&c, r);
    for (size_t k = 0; k < COUNT(counts); k++) {
        char all[50 * 80];
        size_t len = 0;
        for (int i = 0; i < counts[k]; i++) {
            const char *one = i % 3 == 2 ? KIT_GET("/now") : KIT_POST("/auto", "5", "hello");
            memcpy(all + len, one, strlen(one));
            len += strlen(one);
        }
        struct mono start = clock_mono(clock_system());
        assert_true(client_try_send(&c, all, len));
        for (int i = 0; i < counts[k]; i++)
            assert_int_equal(client_status(&c), 200);
        assert_in_range(mono_diff_ns(clock_mono(clock_system()), start) / 1000000, 0, 1500);
    }
    client_close(&c);
    rig_free(r);
}

static void answers_late_requests_with_503_and_drops_the_late_answer(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct client c;
    (void)state;
    o.limits.answer_timeout_ms = 200;
    rig_start(r, &o);
    client_open(&c, r);
    struct mono start = clock_mono(clock_system());
    assert_int_equal(client_ask(&c, KIT_POST("/hold", "5", "hello")), 503);
    assert_in_range(mono_diff_ns(clock_mono(clock_system()), start) / 1000000, 180, 1000);
    assert_non_null(strstr(c.head, "Retry-After: 5"));
    assert_false(c.says_close);
    rig_wait_refused(r, HTTP_REFUSED_ANSWER_LATE, 1);
    assert_int_equal(http_server_waiting(r->server), 0);
    /* The holder still reads the body, and its bytes still count. */
    rig_wait_held(r, 1);
    assert_true(slice_eq(http_req_body(r->held[0]), slice_of("hello")));
    assert_string_equal(http_req_peer(r->held[0]), "127.0.0.1");
    assert_ptr_equal(((struct kit_user *)http_req_user(r->held[0]))->req, r->held[0]);
    assert_int_equal(http_server_memory(r->server), 5);
    rig_answer_held(r);
    http_server_flush(r->server);
    rig_wait_gauge(r, http_server_memory, 0);
    assert_int_equal(client_ask(&c, KIT_GET("/auto")), 200); /* and no second answer before it */
    client_close(&c);
    rig_free(r);
}

/* Without the wake-up each answer would wait for the sweep, 100 ms. */
static void flush_wakes_the_thread(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    (void)state;
    client_open(&c, r);
    struct mono start = clock_mono(clock_system());
    for (int i = 0; i < 40; i++)
        assert_int_equal(client_ask(&c, KIT_GET("/auto")), 200);
    assert_in_range(mono_diff_ns(clock_mono(clock_system()), start) / 1000000, 0, 1500);
    client_close(&c);
    rig_free(r);
}

static void sends_answers_without_a_flush_in_the_next_turn(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    (void)state;
    client_open(&c, r);
    client_send(&c, KIT_GET("/hold"));
    rig_wait_held(r, 1);
    rig_answer_held(r);
    assert_int_equal(client_status(&c), 200);
    client_close(&c);
    rig_free(r);
}

static void copies_the_reply_of_an_answer(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    char body[900], value[400];
    struct http_reply reply = {.status = 207, .close = true};
    (void)state;
    memset(body, 'b', sizeof body);
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    reply.content_type = "text/x";
    reply.body = (struct slice){body, sizeof body};
    reply.headers[0] = (struct http_header){"X-Long", value};
    reply.headers[3] = (struct http_header){"X-Last", "y"};
    client_open(&c, r);
    client_send(&c, KIT_GET("/hold"));
    rig_wait_held(r, 1);
    http_req_answer(r->held[0], &reply);
    memset(body, '!', sizeof body);
    memset(value, '!', sizeof value - 1);
    http_server_flush(r->server);
    assert_int_equal(client_status(&c), 207);
    assert_true(c.says_close);
    assert_non_null(strstr(c.head, "X-Long: vvvv"));
    assert_non_null(strstr(c.head, "X-Last: y"));
    assert_non_null(strstr(c.head, "Content-Type: text/x"));
    assert_int_equal(c.body_len, sizeof body);
    assert_null(memchr(c.body, '!', c.body_len));
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    rig_free(r);
}

static void drains_open_connections_and_lets_the_suspended_finish(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client open, waiting;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(http_server_port(r->server))};
    (void)state;
    client_open(&open, r);
    assert_int_equal(client_ask(&open, KIT_GET("/now")), 200);
    client_open(&waiting, r);
    client_send(&waiting, KIT_POST("/hold", "1", "x"));
    rig_wait_held(r, 1);
    http_server_drain(r->server);
    struct mono deadline = kit_deadline();
    bool is_shut = false;
    while (!is_shut && kit_ms_left(deadline) > 0) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        is_shut = connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0;
        close(fd);
    }
    assert_true(is_shut);
    assert_int_equal(client_ask(&open, KIT_POST("/now", "1", "x")), 503);
    assert_true(open.says_close);
    assert_true(client_is_closed(&open, KIT_DEADLINE_MS));
    assert_int_equal(http_server_waiting(r->server), 1);
    rig_answer_held(r);
    http_server_flush(r->server);
    assert_int_equal(client_status(&waiting), 200);
    assert_true(waiting.says_close);
    assert_true(client_is_closed(&waiting, KIT_DEADLINE_MS));
    client_close(&open);
    client_close(&waiting);
    rig_free(r);
}

static void stop_answers_each_suspended_request_with_503(void **state)
{
    static struct client clients[40];
    struct rig *r = rig_of(NULL);
    struct client half;
    (void)state;
    for (size_t i = 0; i < COUNT(clients); i++) {
        client_open(&clients[i], r);
        client_send(&clients[i], KIT_POST("/hold", "1", "x"));
    }
    client_open(&half, r); /* a body that never ends does not hold the stop up */
    client_send(&half, KIT_POST("/hold", "9", "x"));
    rig_wait_gauge(r, http_server_memory, COUNT(clients) + 9);
    rig_wait_held(r, COUNT(clients));
    rig_stop_answerer(r);
    struct mono start = clock_mono(clock_system());
    http_server_stop(r->server, 2000);
    assert_in_range(mono_diff_ns(clock_mono(clock_system()), start) / 1000000, 0, 1000);
    for (size_t i = 0; i < COUNT(clients); i++) {
        assert_int_equal(client_status(&clients[i]), 503);
        assert_true(clients[i].says_close);
        assert_true(client_is_closed(&clients[i], KIT_DEADLINE_MS));
        client_close(&clients[i]);
    }
    assert_true(client_is_closed(&half, KIT_DEADLINE_MS));
    client_close(&half);
    assert_int_equal(r->refused[HTTP_REFUSED_DRAINING], COUNT(clients));
    /* The holders come too late; the server is gone. */
    assert_true(slice_eq(http_req_body(r->held[0]), slice_of("x")));
    rig_answer_held(r);
    r->server = NULL;
    rig_free(r);
}

struct reader {
    int fd;
    atomic_size_t bytes;
};

static void read_to_the_end(void *arg)
{
    struct reader *r = arg;
    char buf[65536];
    ssize_t n;
    while ((n = recv(r->fd, buf, sizeof buf, 0)) > 0)
        atomic_fetch_add(&r->bytes, (size_t)n);
}

static void stop_waits_for_answers_to_be_written(void **state)
{
    struct rig *r = rig_of(NULL);
    struct reader reader = {.fd = kit_connect(http_server_port(r->server))};
    struct thread *thread;
    struct err e;
    (void)state;
    assert_int_equal(send(reader.fd, KIT_GET("/big"), strlen(KIT_GET("/big")), 0),
                     (int)strlen(KIT_GET("/big")));
    /* Once the first byte is here, more than the sockets hold is still to be written. */
    struct pollfd p = {reader.fd, POLLIN, 0};
    assert_int_equal(poll(&p, 1, KIT_DEADLINE_MS), 1);
    assert_int_equal(thread_start(&thread, "reader", read_to_the_end, &reader, &e), ST_OK);
    rig_stop_answerer(r);
    http_server_stop(r->server, KIT_DEADLINE_MS);
    r->server = NULL;
    thread_join(thread);
    close(reader.fd);
    assert_true(atomic_load(&reader.bytes) > KIT_BIG_BYTES);
    rig_free(r);
}

/* Answers race with the deadline: each client gets exactly one answer, 200 or 503. */
static void survives_answers_at_the_deadline(void **state)
{
    enum { ROUNDS = 12, CLIENTS = 8 };
    static struct client clients[CLIENTS];
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    (void)state;
    o.limits.answer_timeout_ms = 50;
    rig_start(r, &o);
    for (size_t i = 0; i < CLIENTS; i++)
        client_open(&clients[i], r);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < CLIENTS; i++)
            client_send(&clients[i], KIT_POST("/hold", "1", "x"));
        rig_wait_held(r, CLIENTS);
        /* The sweep looks every 100 ms; aim around it. */
        for (int waited = 0; waited < 40 + round * 8 && http_server_waiting(r->server); waited++)
            (void)poll(NULL, 0, 1);
        rig_answer_held(r);
        http_server_flush(r->server);
        for (size_t i = 0; i < CLIENTS; i++) {
            int status = client_status(&clients[i]);
            assert_true(status == 200 || status == 503);
        }
        rig_wait_gauge(r, http_server_memory, 0);
    }
    assert_int_equal(http_server_waiting(r->server), 0);
    for (size_t i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    rig_free(r);
}

struct racer {
    struct rig *rig;
    size_t first;
};

static void answer_half(void *arg)
{
    struct racer *a = arg;
    for (size_t i = a->first; i < a->rig->held_count; i += 2)
        http_req_answer(a->rig->held[i], &kit_ok);
}

/* The answering threads never touch the server, only their requests: it may be gone. */
static void survives_answers_while_stopping(void **state)
{
    static struct client clients[64];
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct rig *r = rig_of(NULL);
        struct racer racers[2] = {{r, 0}, {r, 1}};
        struct thread *threads[2];
        struct err e;
        for (size_t i = 0; i < COUNT(clients); i++) {
            client_open(&clients[i], r);
            client_send(&clients[i], KIT_POST("/hold", "1", "x"));
        }
        rig_wait_held(r, COUNT(clients));
        rig_stop_answerer(r);
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(thread_start(&threads[i], "racer", answer_half, &racers[i], &e),
                             ST_OK);
        http_server_stop(r->server, 2000);
        thread_join(threads[0]);
        thread_join(threads[1]);
        for (size_t i = 0; i < COUNT(clients); i++) {
            int status = client_status(&clients[i]);
            assert_true(status == 200 || status == 503);
            client_close(&clients[i]);
        }
        r->server = NULL;
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_rounds_of_128_clients_promptly),
        cmocka_unit_test(forgets_clients_that_vanish_while_suspended),
        cmocka_unit_test(answers_pipelined_requests),
        cmocka_unit_test(answers_late_requests_with_503_and_drops_the_late_answer),
        cmocka_unit_test(flush_wakes_the_thread),
        cmocka_unit_test(sends_answers_without_a_flush_in_the_next_turn),
        cmocka_unit_test(copies_the_reply_of_an_answer),
        cmocka_unit_test(drains_open_connections_and_lets_the_suspended_finish),
        cmocka_unit_test(stop_answers_each_suspended_request_with_503),
        cmocka_unit_test(stop_waits_for_answers_to_be_written),
        cmocka_unit_test(survives_answers_at_the_deadline),
        cmocka_unit_test(survives_answers_while_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
