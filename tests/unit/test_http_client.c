/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: one request and its response over TCP and over a Unix socket; bounds of time and size hold;
 * a socket that a crash left behind is replaced, one in use is not. */
#include "test_http_kit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/ident.h"
#include "http/http_client.h"
#include "http/http_unix.h"

#define SECRET "s3cret-token-0123456789"

static char url_text[128];

static const char *url_of(struct rig *r, const char *path)
{
    snprintf(url_text, sizeof url_text, "http://127.0.0.1:%u%s", http_server_port(r->server), path);
    return url_text;
}

static struct http_client_request get(struct rig *r, const char *path)
{
    return (struct http_client_request){.url = url_of(r, path), .timeout_ms = KIT_DEADLINE_MS};
}

/* Runs the request and frees nothing of out. */
static enum status run(const struct http_client_request *request, int *status, struct buf *out)
{
    struct err e = {0};
    enum status st = http_client_run(request, status, out, &e);
    assert_int_equal(st, e.code);
    assert_null(strstr(e.text, SECRET));
    return st;
}

static void gets_a_response_with_its_status_and_body(void **state)
{
    struct rig *r = rig_of(NULL);
    struct http_client_request request = get(r, "/now?x=1");
    struct buf out;
    int status = 0;
    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(run(&request, &status, &out), ST_OK);
    assert_int_equal(status, 200);
    assert_true(slice_eq(buf_slice(&out), slice_of("{\"ok\":true}")));
    assert_string_equal(r->last_query, "x=1");
    request.url = url_of(r, "/deny");
    assert_int_equal(run(&request, &status, &out), ST_OK);
    assert_int_equal(status, 401);
    buf_fini(&out);
    rig_free(r);
}

static void sends_method_body_and_headers(void **state)
{
    struct rig *r = rig_of(NULL);
    struct http_client_request request = get(r, "/now");
    struct buf out;
    int status = 0;
    (void)state;
    buf_init(&out, 1000);
    request.method = "POST";
    request.content_type = "application/json";
    request.body = (struct slice){"a\0b", 3};
    request.bearer = SECRET;
    request.headers[0] = (struct http_header){"X-Probe", "7"};
    assert_int_equal(run(&request, &status, &out), ST_OK);
    assert_true(slice_eq(buf_slice(&out), request.body));
    assert_string_equal(r->last_header, "7");
    assert_int_equal(r->last_declared, 3);
    buf_fini(&out);
    rig_free(r);
}

static void refuses_a_line_end_in_a_header(void **state)
{
    struct rig *r = rig_of(NULL);
    struct http_client_request request = get(r, "/now");
    struct buf out;
    int status = 0;
    (void)state;
    buf_init(&out, 1000);
    request.headers[0] = (struct http_header){"X-Probe", "7\r\nX-Other: 8"};
    assert_int_equal(run(&request, &status, &out), ST_BAD_INPUT);
    request.headers[0] = (struct http_header){NULL, NULL};
    request.bearer = SECRET "\nX-Other: 8";
    assert_int_equal(run(&request, &status, &out), ST_BAD_INPUT);
    buf_fini(&out);
    rig_free(r);
}

static void holds_its_bounds_of_size_and_time(void **state)
{
    struct rig *r = rig_of(NULL);
    struct http_client_request request = get(r, "/big");
    struct buf out;
    int status = 0;
    (void)state;
    buf_init(&out, 1 << 20);
    request.bearer = SECRET;
    assert_int_equal(run(&request, &status, &out), ST_TOO_BIG);
    buf_clear(&out);
    request.url = url_of(r, "/hold");
    request.timeout_ms = 200;
    assert_int_equal(run(&request, &status, &out), ST_AGAIN);
    rig_wait_held(r, 1);
    rig_answer_held(r);
    buf_fini(&out);
    rig_free(r);
}

static void tells_nobody_there_from_other_failures(void **state)
{
    struct http_client_request request = {.timeout_ms = KIT_DEADLINE_MS, .bearer = SECRET};
    struct rig *r = rig_of(NULL);
    struct buf out;
    int status = 0;
    (void)state;
    buf_init(&out, 1000);
    url_of(r, "/now");
    rig_free(r);
    request.url = url_text;
    assert_int_equal(run(&request, &status, &out), ST_NOT_FOUND);
    request.url = "http://localhost/";
    request.unix_socket = "/nonexistent/socket";
    assert_int_equal(run(&request, &status, &out), ST_NOT_FOUND);
    request.unix_socket = NULL;
    request.url = "file:///etc/passwd";
    assert_int_equal(run(&request, &status, &out), ST_BAD_INPUT);
    buf_fini(&out);
}

/* ---- Unix sockets ---- */

/* A directory whose path is too long for a socket's address. */
struct place {
    char top[64];
    char dir[400];
    char path[460];
};

static void place_make(struct place *p)
{
    snprintf(p->top, sizeof p->top, "/tmp/relay-unix-XXXXXX");
    assert_non_null(mkdtemp(p->top));
    snprintf(p->dir, sizeof p->dir, "%s/%0200d", p->top, 0);
    assert_int_equal(mkdir(p->dir, 0700), 0);
    snprintf(p->path, sizeof p->path, "%s/relay.db-admin", p->dir);
}

static void place_remove(const struct place *p)
{
    unlink(p->path);
    rmdir(p->dir);
    rmdir(p->top);
}

static enum status listen_at(const char *path, int *fd)
{
    struct err e = {0};
    return http_unix_listen(path, fd, &e);
}

static void serves_over_a_unix_socket_of_any_path(void **state)
{
    struct rig kit = {0};
    struct http_server_opts opts = kit_opts(&kit);
    struct http_client_request request = {.url = "http://localhost/auto",
                                          .timeout_ms = KIT_DEADLINE_MS};
    struct http_unix_way way;
    struct place place;
    struct stat info;
    struct rig *r;
    struct buf out;
    struct err e;
    int status = 0;
    (void)state;
    place_make(&place);
    buf_init(&out, 1000);
    umask(0);
    assert_int_equal(listen_at(place.path, &opts.listen_fd), ST_OK);
    assert_int_equal(stat(place.path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    opts.threads = 1;
    r = rig_of(&opts);
    assert_int_equal(http_unix_open_way(&way, place.path, &e), ST_OK);
    request.unix_socket = way.path;
    for (int i = 0; i < 3; i++)
        assert_int_equal(run(&request, &status, &out), ST_OK);
    assert_int_equal(status, 200);
    assert_string_equal(r->last_peer, "");
    http_unix_close_way(&way);
    rig_free(r);
    buf_fini(&out);
    place_remove(&place);
}

static void replaces_a_socket_only_when_nobody_answers(void **state)
{
    struct place place;
    int first, second = -1;
    (void)state;
    place_make(&place);
    assert_int_equal(listen_at(place.path, &first), ST_OK);
    assert_int_equal(listen_at(place.path, &second), ST_BUSY);
    close(first);
    assert_int_equal(listen_at(place.path, &second), ST_OK);
    close(second);
    place_remove(&place);
}

static void leaves_alone_what_is_no_socket(void **state)
{
    struct place place;
    int fd;
    (void)state;
    place_make(&place);
    fd = open(place.path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(listen_at(place.path, &fd), ST_BUSY);
    assert_int_equal(access(place.path, F_OK), 0);
    place_remove(&place);
    assert_int_equal(listen_at("/nonexistent/directory/socket", &fd), ST_NOT_FOUND);
    assert_int_equal(listen_at("/tmp/", &fd), ST_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_a_response_with_its_status_and_body),
        cmocka_unit_test(sends_method_body_and_headers),
        cmocka_unit_test(refuses_a_line_end_in_a_header),
        cmocka_unit_test(holds_its_bounds_of_size_and_time),
        cmocka_unit_test(tells_nobody_there_from_other_failures),
        cmocka_unit_test(serves_over_a_unix_socket_of_any_path),
        cmocka_unit_test(replaces_a_socket_only_when_nobody_answers),
        cmocka_unit_test(leaves_alone_what_is_no_socket),
    };
    struct err e;
    if (ident_init(&e) != ST_OK || http_client_init(&e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
