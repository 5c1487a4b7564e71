/* SPDX-License-Identifier: Apache-2.0 */
#include "test_http_kit.h"

#include <fcntl.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void replies_and_keeps_the_connection(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    (void)state;
    client_open(&c, r);
    assert_int_equal(client_ask(&c, KIT_GET("/now")), 200);
    assert_string_equal(c.body, "{\"ok\":true}");
    assert_non_null(strstr(c.head, "Content-Type: application/json"));
    assert_int_equal(client_ask(&c, KIT_POST("/now", "5", "hello")), 200);
    assert_string_equal(c.body, "hello");
    assert_int_equal(client_ask(&c,
                                "POST /now HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n"
                                "\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
                     200);
    assert_string_equal(c.body, "abcde");
    assert_int_equal(client_ask(&c, KIT_POST("/now", "0", "")), 200);
    assert_int_equal(client_ask(&c, "GET /now HTTP/1.0\r\n\r\n"), 200);
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    rig_wait_gauge(r, http_server_connections, 0);
    assert_int_equal(http_server_memory(r->server), 0);
    rig_free(r);
}

static void shows_the_request_to_the_handler(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    (void)state;
    client_open(&c, r);
    assert_int_equal(client_ask(&c,
                                "POST /a%2fb%00?c=%41&d=1+2 HTTP/1.1\r\nHost: t\r\n"
                                "X-Probe:  one \t\r\nx-probe: two\r\nContent-Length: 3\r\n\r\nxyz"),
                     200);
    assert_string_equal(r->last_path, "/a%2fb%00");
    assert_string_equal(r->last_query, "c=%41&d=1+2");
    assert_string_equal(r->last_header, "one");
    assert_int_equal(r->last_header_count, 2);
    assert_int_equal(r->last_declared, 3);
    assert_string_equal(r->last_peer, "127.0.0.1");
    client_send(&c, "GET /");
    for (int i = 0; i < 300; i++)
        client_send(&c, "x");
    assert_int_equal(client_ask(&c, "? HTTP/1.1\r\nHost: t\r\n\r\n"), 200);
    assert_int_equal(strlen(r->last_path), 63);
    assert_string_equal(r->last_query, "");
    assert_int_equal(r->last_declared, 0);
    client_close(&c);
    rig_free(r);
}

static void takes_large_heads_and_bodies_in_pieces(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    static char block[100 * 1000];
    (void)state;
    memset(block, 'x', sizeof block);
    client_open(&c, r);
    client_send(&c, "POST /auto HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\nX: ");
    for (int i = 0; i < 8; i++) {
        assert_true(client_try_send(&c, block, 1000));
        (void)poll(NULL, 0, 1); /* so that the pieces arrive as such */
    }
    client_send(&c, "\r\n\r\n");
    for (int i = 0; i < 10; i++)
        assert_true(client_try_send(&c, block, sizeof block));
    assert_int_equal(client_status(&c), 200);
    client_send(&c, "POST /auto HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        client_send(&c, "186a0\r\n");
        assert_true(client_try_send(&c, block, sizeof block));
        client_send(&c, "\r\n");
    }
    assert_int_equal(client_ask(&c, "0\r\n\r\n"), 200);
    client_close(&c);
    rig_free(r);
}

static void listens_on_ipv6(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct client c = {.fd = socket(AF_INET6, SOCK_STREAM, 0)};
    (void)state;
    if (c.fd < 0 || bind(c.fd, (struct sockaddr *)&sa, sizeof sa)) {
        close(c.fd);
        free(r);
        skip(); /* a machine without IPv6 */
    }
    o.address = "::1";
    rig_start(r, &o);
    sa.sin6_port = htons(http_server_port(r->server));
    assert_int_equal(connect(c.fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(client_ask(&c, KIT_GET("/auto")), 200);
    assert_string_equal(r->last_peer, "::1");
    client_close(&c);
    rig_free(r);
}

struct shape {
    const char *what;
    const char *bytes;
    size_t len;
    int status; /* 0: closed without an answer */
};
#define SHAPE(what, text, status)            \
    {                                        \
        what, text, sizeof(text) - 1, status \
    }
#define LINE "POST /now HTTP/1.1\r\nHost: t\r\n"
#define GETS "GET /now HTTP/1.1\r\n"

static const struct shape shapes[] = {
    SHAPE("both framings", LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400),
    SHAPE("two lengths", LINE "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    SHAPE("plus", LINE "Content-Length: +5\r\n\r\nhello", 400),
    SHAPE("length list", LINE "Content-Length: 5, 5\r\n\r\nhello", 400),
    SHAPE("blank before colon", LINE "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    SHAPE("blank before colon, get", GETS "Host: t\r\nContent-Length : 9\r\n\r\nGET /x HT", 400),
    SHAPE("coding list", LINE "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    SHAPE("unknown coding", LINE "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    SHAPE("blank after coding", LINE "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n", 400),
    SHAPE("two codings",
          LINE "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    SHAPE("coding in 1.0", "POST /now HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400),
    SHAPE("folded length", LINE "Content-Length: 5\r\n x\r\n\r\nhello", 400),
    SHAPE("folded coding, get", GETS "Host: t\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
          400),
    SHAPE("fold by tab", GETS "Host: t\r\nX: 1\r\n\tContent-Length: 5\r\n\r\n", 400),
    SHAPE("glue that is a token", GETS "Host: t\r\nContent-Length: 5\r\n x\r\n\r\n", 400),
    SHAPE("fold of blanks", GETS "Host: t\r\nX: 1\r\n \r\n\r\n", 400),
    SHAPE("bare lf after a header", GETS "Host: t\nX: 1\r\n\r\n", 400),
    SHAPE("bare lf after the request line", "GET /now HTTP/1.1\nHost: t\r\n\r\n", 400),
    SHAPE("bare lf at the end", GETS "Host: t\r\n\n", 400),
    SHAPE("nul in a value", GETS "Host: t\r\nX: a\0b\r\n\r\n", 400),
    SHAPE("nul in the length",
          LINE "Content-Length: 5\0"
               "0\r\n\r\nhello",
          400),
    SHAPE("nul in a name", GETS "Host: t\r\nX\0Y: a\r\n\r\n", 400),
    SHAPE("nul in the target", "GET /now\0/x HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    SHAPE("nul in the method", "GET\0X /now HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    SHAPE("bare cr in a value", GETS "Host: t\r\nX: a\rContent-Length: 5\r\n\r\n", 400),
    SHAPE("control byte in a value", GETS "Host: t\r\nX: a\x01\r\n\r\n", 400),
    SHAPE("no colon", GETS "Host: t\r\nX\r\n\r\n", 400),
    SHAPE("no host", GETS "\r\n", 400),
    SHAPE("two hosts", GETS "Host: t\r\nHost: u\r\n\r\n", 400),
    SHAPE("empty host", GETS "Host:\r\n\r\n", 400),
    SHAPE("absolute target", "GET http://t/now HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    SHAPE("star", "OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    SHAPE("fragment", "GET /now#x HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    SHAPE("high byte in the target", "GET /\xc3 HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    SHAPE("two blanks", "GET  /now HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    SHAPE("blank in the target", "GET /now x HTTP/1.1\r\nHost: t\r\n\r\n", 0),
    SHAPE("version 1.2", "GET /now HTTP/1.2\r\nHost: t\r\n\r\n", 400),
    SHAPE("version 2.0", "GET /now HTTP/2.0\r\nHost: t\r\n\r\n", 505),
    SHAPE("version 0.9", "GET /now\r\n\r\n", 400),
    SHAPE("tls on a plain port", "\x16\x03\x01\x02\r\n\r\n", 0),
    SHAPE("no length", LINE "\r\n", 411),
    SHAPE("expectation", LINE "Content-Length: 5\r\nExpect: magic\r\n\r\nhello", 417),
    SHAPE("two authorizations", GETS "Host: t\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
          400),
    SHAPE("bad chunk size", LINE "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", 400),
    SHAPE("negative chunk size", LINE "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n", 400),
    SHAPE("chunk longer than said", LINE "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", 400),
};

static void refuses_each_odd_shape_and_closes(void **state)
{
    struct rig *r = rig_of(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        struct client c;
        client_open(&c, r);
        assert_true(client_try_send(&c, shapes[i].bytes, shapes[i].len));
        int status = client_status(&c);
        if (status != shapes[i].status)
            fail_msg("%s: status %d", shapes[i].what, status);
        if (!client_is_closed(&c, KIT_DEADLINE_MS))
            fail_msg("%s: not closed", shapes[i].what);
        client_close(&c);
    }
    rig_wait_gauge(r, http_server_connections, 0);
    /* All but the request lines that the library does not understand are counted. */
    rig_wait_refused(r, HTTP_REFUSED_FRAMING, COUNT(shapes) - 4);
    rig_free(r);
}

static void refuses_too_large_bodies(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct client c;
    static char block[64 * 1024];
    (void)state;
    o.limits.body_max = 100;
    rig_start(r, &o);
    client_open(&c, r); /* short enough to be read and dropped */
    memset(block, 'x', sizeof block);
    client_send(&c, "POST /now HTTP/1.1\r\nHost: t\r\nContent-Length: 65536\r\n\r\n");
    assert_true(client_try_send(&c, block, sizeof block));
    assert_int_equal(client_status(&c), 413);
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    client_open(&c, r); /* answered before a byte of it came */
    assert_int_equal(
        client_ask(&c, "POST /now HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n"), 413);
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    client_open(&c, r);
    client_send(&c, "POST /now HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n");
    assert_true(client_try_send(&c, block, 100));
    assert_int_equal(client_ask(&c, "\r\n1\r\nx\r\n0\r\n\r\n"), 413);
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    client_open(&c, r); /* a hundred bytes are just right */
    client_send(&c, "POST /now HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n");
    assert_true(client_try_send(&c, block, 100));
    assert_int_equal(client_ask(&c, "\r\n0\r\n\r\n"), 200);
    client_close(&c);
    client_open(&c, r); /* a body without end is cut */
    client_send(&c, "POST /now HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1000 && client_try_send(&c, "10000\r\n", 7); i++)
        if (!client_try_send(&c, block, sizeof block) || !client_try_send(&c, "\r\n", 2))
            break;
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    rig_wait_refused(r, HTTP_REFUSED_BODY_SIZE, 4);
    rig_wait_gauge(r, http_server_memory, 0);
    rig_free(r);
}

static void refuses_too_large_heads(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct client c;
    static char line[128 * 1024];
    (void)state;
    o.limits.header_bytes_max = 2048;
    o.limits.header_count_max = 8;
    rig_start(r, &o);
    client_open(&c, r); /* by number */
    client_send(&c, "GET /now HTTP/1.1\r\nHost: t\r\n");
    for (int i = 0; i < 8; i++)
        client_send(&c, "X: y\r\n");
    assert_int_equal(client_ask(&c, "\r\n"), 431);
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    for (size_t size = 2048; size < sizeof line; size *= 4) { /* by us, then by the library */
        memset(line, 'y', size);
        client_open(&c, r);
        client_send(&c, "GET /now HTTP/1.1\r\nHost: t\r\nX: ");
        (void)client_try_send(&c, line, size);
        (void)client_try_send(&c, "\r\n\r\n", 4);
        int status = client_status(&c);
        assert_true(status == 431 || status == 0); /* a reset may outrun the answer */
        assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
        client_close(&c);
    }
    rig_wait_refused(r, HTTP_REFUSED_HEADERS, 4);
    client_open(&c, r);
    client_send(&c, "GET /now HTTP/1.1\r\nHost: t\r\nX: ");
    memset(line, 'y', 1900);
    assert_true(client_try_send(&c, line, 1900));
    assert_int_equal(client_ask(&c, "\r\n\r\n"), 200);
    client_close(&c);
    rig_free(r);
}

/* Sends one byte each 20 ms until the server closes; returns how long that took. */
static int64_t trickle(struct client *c, const char *text)
{
    struct mono start = clock_mono(clock_system());
    struct mono deadline = kit_deadline();
    while (kit_ms_left(deadline) > 0) {
        if (!client_try_send(c, *text ? text++ : "x", 1) || client_is_closed(c, 20))
            break;
    }
    return mono_diff_ns(clock_mono(clock_system()), start) / 1000000;
}

static void cuts_slow_clients(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    static const char *const texts[] = {
        "GET /",
        "GET / HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n900\r\n"};
    struct client c;
    (void)state;
    o.limits.request_timeout_ms = 300;
    o.limits.idle_timeout_ms = 500;
    rig_start(r, &o);
    for (size_t i = 0; i < COUNT(texts); i++) {
        client_open(&c, r);
        /* The head at once where the body is what trickles. */
        const char *rest = strstr(texts[i], "\r\n\r\n");
        if (rest) {
            assert_true(client_try_send(&c, texts[i], (size_t)(rest - texts[i])));
            int64_t ms = trickle(&c, rest);
            assert_in_range(ms, 250, 1500);
        } else {
            assert_in_range(trickle(&c, texts[i]), 250, 1500);
        }
        client_close(&c);
        rig_wait_refused(r, HTTP_REFUSED_SLOW, i + 1);
    }
    client_open(&c, r); /* says nothing at all */
    assert_true(client_is_closed(&c, 1500));
    client_close(&c);
    rig_wait_refused(r, HTTP_REFUSED_SLOW, COUNT(texts) + 1);
    client_open(&c, r); /* after an answer the idle time counts, and is no refusal */
    assert_int_equal(client_ask(&c, KIT_GET("/now")), 200);
    assert_false(client_is_closed(&c, 350));
    assert_true(client_is_closed(&c, 1500));
    client_close(&c);
    client_open(&c, r); /* does not take its answer */
    client_send(&c, KIT_GET("/big"));
    rig_wait_refused(r, HTTP_REFUSED_SLOW, COUNT(texts) + 2);
    client_close(&c);
    rig_wait_gauge(r, http_server_connections, 0);
    assert_int_equal(http_server_memory(r->server), 0);
    rig_free(r);
}

static void refuses_over_memory_limit(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct client a, b;
    char body[402];
    (void)state;
    o.limits.body_max = o.limits.memory_max = 1000;
    rig_start(r, &o);
    memset(body, 'x', sizeof body);
    client_open(&a, r);
    client_open(&b, r);
    client_send(&a, "POST /now HTTP/1.1\r\nHost: t\r\nContent-Length: 600\r\n\r\n");
    rig_wait_gauge(r, http_server_memory, 600);
    client_send(&b, "POST /now HTTP/1.1\r\nHost: t\r\nContent-Length: 401\r\n\r\n");
    assert_true(client_try_send(&b, body, 401));
    assert_int_equal(client_status(&b), 503);
    assert_non_null(strstr(b.head, "Retry-After: 5"));
    assert_false(b.says_close);
    client_send(&b, "POST /now HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n191\r\n");
    assert_true(client_try_send(&b, body, 401));
    assert_int_equal(client_ask(&b, "\r\n0\r\n\r\n"), 503);
    client_send(&b, "POST /now HTTP/1.1\r\nHost: t\r\nContent-Length: 400\r\n\r\n");
    assert_true(client_try_send(&b, body, 400));
    assert_int_equal(client_status(&b), 200);
    client_close(&a);
    rig_wait_gauge(r, http_server_memory, 0);
    rig_wait_refused(r, HTTP_REFUSED_MEMORY, 2);
    client_close(&b);
    rig_free(r);
}

static void refuses_over_waiting_limit_but_answers_probes(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct client a, b;
    (void)state;
    o.limits.waiting_max = 1;
    rig_start(r, &o);
    client_open(&a, r);
    client_open(&b, r);
    client_send(&a, KIT_POST("/hold", "1", "x"));
    rig_wait_held(r, 1);
    assert_int_equal(http_server_waiting(r->server), 1);
    assert_int_equal(client_ask(&b, KIT_POST("/now", "1", "x")), 503);
    assert_non_null(strstr(b.head, "Retry-After: 5"));
    assert_int_equal(client_ask(&b, KIT_GET("/now")), 200);
    rig_answer_held(r);
    assert_int_equal(client_status(&a), 200);
    assert_int_equal(client_ask(&b, KIT_POST("/now", "1", "x")), 200);
    assert_int_equal(http_server_waiting(r->server), 0);
    rig_wait_refused(r, HTTP_REFUSED_WAITING, 1);
    client_close(&a);
    client_close(&b);
    rig_free(r);
}

static void refuses_connections_over_the_limit(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct client in[3], out;
    (void)state;
    o.limits.connections_max = COUNT(in);
    rig_start(r, &o);
    for (size_t i = 0; i < COUNT(in); i++) {
        client_open(&in[i], r);
        assert_int_equal(client_ask(&in[i], KIT_GET("/now")), 200);
    }
    client_open(&out, r);
    assert_true(client_is_closed(&out, KIT_DEADLINE_MS));
    client_close(&out);
    rig_wait_refused(r, HTTP_REFUSED_CONNECTIONS, 1);
    client_close(&in[0]);
    rig_wait_gauge(r, http_server_connections, COUNT(in) - 1);
    client_open(&in[0], r);
    for (size_t i = 0; i < COUNT(in); i++) {
        assert_int_equal(client_ask(&in[i], KIT_GET("/now")), 200);
        client_close(&in[i]);
    }
    rig_free(r);
}

static void keeps_the_connection_after_an_early_answer(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    (void)state;
    client_open(&c, r);
    assert_int_equal(client_ask(&c, KIT_POST("/deny", "5", "hello")), 401);
    assert_non_null(strstr(c.head, "WWW-Authenticate: Basic"));
    assert_int_equal(client_ask(&c, KIT_GET("/deny")), 401);
    assert_false(c.says_close);
    assert_int_equal(client_ask(&c, KIT_GET("/now")), 200);
    /* Nobody is asked to continue with a body that is not wanted. */
    assert_int_equal(client_ask(&c, "POST /deny HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n"
                                    "Expect: 100-continue\r\n\r\n"),
                     401);
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    client_open(&c, r);
    assert_int_equal(client_ask(&c, "POST /now HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n"
                                    "Expect: 100-continue\r\n\r\n"),
                     100);
    assert_int_equal(client_ask(&c, "hello"), 200);
    assert_int_equal(client_ask(&c, "POST /deny HTTP/1.1\r\nHost: t\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n"),
                     401);
    assert_true(client_is_closed(&c, KIT_DEADLINE_MS));
    client_close(&c);
    rig_free(r);
}

static void serves_ten_thousand_connections_in_turn(void **state)
{
    struct rig *r = rig_of(NULL);
    struct client c;
    (void)state;
    for (int i = 0; i < 10000; i++) {
        /* An abortive close leaves no TIME_WAIT behind, of which 10,000 would use up ports. */
        struct linger abort_on_close = {1, 0};
        client_open(&c, r);
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
        assert_int_equal(client_ask(&c, KIT_POST("/now", "2", "hi")), 200);
        client_close(&c);
    }
    rig_wait_gauge(r, http_server_connections, 0);
    rig_free(r);
}

static void takes_over_an_inherited_socket(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct client c;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 16), 0);
    o.listen_fd = fd;
    rig_start(r, &o);
    for (int i = 0; i < 8; i++) {
        client_open(&c, r);
        assert_int_equal(client_ask(&c, KIT_GET("/auto")), 200);
        client_close(&c);
    }
    rig_free(r);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void refuses_to_start_with_bad_options(void **state)
{
    struct rig *r = rig_of(NULL);
    struct http_server_opts o = kit_opts(r);
    struct http_server *s = NULL;
    struct err e;
    (void)state;
    o.port = http_server_port(r->server);
    assert_int_equal(http_server_start(&s, &o, &e), ST_BUSY);
    o = kit_opts(r);
    o.address = "localhost";
    assert_int_equal(http_server_start(&s, &o, &e), ST_BAD_INPUT);
    o.address = "192.0.2.1"; /* RFC 5737: no address of this machine */
    assert_int_equal(http_server_start(&s, &o, &e), ST_BAD_INPUT);
    o = kit_opts(r);
    o.threads = 17;
    assert_int_equal(http_server_start(&s, &o, &e), ST_BAD_INPUT);
    o = kit_opts(r);
    o.limits.body_max = o.limits.memory_max + 1;
    assert_int_equal(http_server_start(&s, &o, &e), ST_BAD_INPUT);
    o = kit_opts(r);
    o.tls_cert_pem = "x";
    assert_int_equal(http_server_start(&s, &o, &e), ST_BAD_INPUT);
    o.tls_key_pem = "y";
    assert_int_equal(http_server_start(&s, &o, &e), ST_BAD_INPUT);
    o = kit_opts(r);
    o.listen_fd = socket(AF_INET, SOCK_STREAM, 0); /* not listening; closed all the same */
    assert_int_equal(http_server_start(&s, &o, &e), ST_BAD_INPUT);
    assert_int_equal(fcntl(o.listen_fd, F_GETFD), -1);
    assert_null(s);
    rig_free(r);
    http_server_stop(NULL, 0);
}

static void names_every_refusal(void **state)
{
    (void)state;
    for (int i = 0; i < HTTP_REFUSAL_COUNT; i++)
        assert_true(strlen(http_refusal_name((enum http_refusal)i)) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_and_keeps_the_connection),
        cmocka_unit_test(shows_the_request_to_the_handler),
        cmocka_unit_test(takes_large_heads_and_bodies_in_pieces),
        cmocka_unit_test(listens_on_ipv6),
        cmocka_unit_test(refuses_each_odd_shape_and_closes),
        cmocka_unit_test(refuses_too_large_bodies),
        cmocka_unit_test(refuses_too_large_heads),
        cmocka_unit_test(cuts_slow_clients),
        cmocka_unit_test(refuses_over_memory_limit),
        cmocka_unit_test(refuses_over_waiting_limit_but_answers_probes),
        cmocka_unit_test(refuses_connections_over_the_limit),
        cmocka_unit_test(keeps_the_connection_after_an_early_answer),
        cmocka_unit_test(serves_ten_thousand_connections_in_turn),
        cmocka_unit_test(takes_over_an_inherited_socket),
        cmocka_unit_test(refuses_to_start_with_bad_options),
        cmocka_unit_test(names_every_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
