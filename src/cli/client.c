/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/admin_part.h"
#include "cli/who.h"
#include "http/http_client.h"
#include "http/http_unix.h"

#define PATH_MAX_BYTES 8192
/* The largest answer is one event of 16 MiB with every byte escaped (REPLY_JSON_MAX). */
#define ANSWER_MAX (112u << 20)
/* Longer than the relay's own limit for an answer (10 s), so that its reason arrives. */
#define TIMEOUT_MS 15000

struct client {
    struct conf *conf;
    struct buf socket_path; /* with its NUL */
    struct buf text;        /* the last answer */
    struct json_value *root;
    bool is_quiet;
};

static struct conf *load(const char *path)
{
    const struct conf_load_opts opts = {.client = true};
    struct conf_errors *errors = conf_errors_create();
    struct conf *conf = NULL;
    struct buf text;
    buf_init(&text, 1 << 20);
    if (!errors)
        fputs("gladly-relay: out of memory\n", stderr);
    else if (conf_load(path, &opts, &conf, errors) != ST_OK &&
             conf_errors_write(errors, &text) == ST_OK)
        fwrite(text.ptr, 1, text.len, stderr);
    buf_fini(&text);
    conf_errors_destroy(errors);
    return conf;
}

enum cli_exit client_open(struct client **out, const struct cli_args *args)
{
    struct client *c = calloc(1, sizeof *c);
    struct err e = {0};
    enum status st;
    if (!c) {
        fputs("gladly-relay: out of memory\n", stderr);
        return CLI_FAILED;
    }
    buf_init(&c->socket_path, PATH_MAX_BYTES);
    buf_init(&c->text, ANSWER_MAX);
    c->conf = load(args->config);
    if (!c->conf)
        goto out_close;
    st = http_client_init(&e);
    if (st == ST_OK)
        st = admin_part_socket_path(c->conf, &c->socket_path);
    if (st == ST_OK && !c->socket_path.len)
        st = err_set(&e, ST_DENIED, "[admin] socket is off: there is nothing to ask over");
    if (st == ST_OK)
        st = buf_append(&c->socket_path, "", 1);
    if (st != ST_OK) {
        fprintf(stderr, "gladly-relay: %s\n", e.text[0] ? e.text : "the path is too long");
        goto out_close;
    }
    *out = c;
    return CLI_OK;

out_close:
    client_close(c);
    return CLI_FAILED;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    json_destroy(c->root);
    buf_fini(&c->text);
    buf_fini(&c->socket_path);
    conf_destroy(c->conf);
    free(c);
}

/* The relay's own words for a refusal. */
static enum cli_exit refused(const struct client *c, int status)
{
    struct slice word = json_text(json_get(c->root, "error"));
    struct slice reason = json_text(json_get(c->root, "reason"));
    fprintf(stderr, "gladly-relay: %.*s (%d %.*s)\n", (int)(reason.len ? reason.len : 7),
            reason.len ? reason.ptr : "refused", status, (int)word.len, word.ptr ? word.ptr : "");
    return CLI_FAILED;
}

static enum cli_exit not_asked(const struct client *c, const struct err *e)
{
    if (e->code == ST_NOT_FOUND) {
        if (!c->is_quiet)
            fprintf(stderr, "gladly-relay: the relay is not running: nobody answers on %s\n",
                    c->socket_path.ptr);
        return CLI_NOT_RUNNING;
    }
    fprintf(stderr, "gladly-relay: %s: %s%s\n", c->socket_path.ptr, e->text,
            e->code == ST_DENIED ? "; be the relay's user or root" : "");
    return CLI_FAILED;
}

/* Sends over the socket, whatever the length of its path. */
static enum status exchange(struct client *c, const struct http_client_request *asked, int *status,
                            struct err *e)
{
    struct http_client_request request = *asked;
    struct http_unix_way way;
    enum status st = http_unix_open_way(&way, c->socket_path.ptr, e);
    if (st != ST_OK)
        return st;
    request.unix_socket = way.path;
    st = http_client_run(&request, status, &c->text, e);
    http_unix_close_way(&way);
    return st;
}

enum cli_exit client_ask(struct client *c, const char *method, const char *path,
                         struct json_value *body)
{
    struct http_client_request request = {.method = method, .timeout_ms = TIMEOUT_MS};
    struct buf url, sent;
    struct err e = {0};
    int status = 0;
    enum status st;
    buf_init(&url, PATH_MAX_BYTES);
    buf_init(&sent, 1 << 16);
    buf_clear(&c->text);
    json_destroy(c->root);
    c->root = NULL;
    st = buf_printf(&url, "http://localhost%s", path);
    if (st == ST_OK)
        st = buf_append(&url, "", 1);
    if (st == ST_OK && body)
        st = json_print(body, &sent);
    json_destroy(body);
    if (st != ST_OK)
        err_set(&e, st, "out of memory, or the request is too long");
    request.url = url.ptr;
    request.body = buf_slice(&sent);
    request.content_type = sent.len ? "application/json" : NULL;
    if (st == ST_OK)
        st = exchange(c, &request, &status, &e);
    if (st == ST_OK)
        st = json_parse(buf_slice(&c->text), ANSWER_MAX, &c->root, &e);
    if (st == ST_BAD_INPUT)
        err_context(&e, "this is no answer of gladly-relay (status %d)", status);
    buf_fini(&url);
    buf_fini(&sent);
    if (st != ST_OK)
        return not_asked(c, &e);
    return status == 200 ? CLI_OK : refused(c, status);
}

void client_set_quiet(struct client *c)
{
    c->is_quiet = true;
}

const struct json_value *client_root(const struct client *c)
{
    return c->root;
}

void client_print_json(const struct client *c)
{
    fwrite(c->text.ptr, 1, c->text.len, stdout);
}

const char *client_journal_path(const struct client *c)
{
    return c->conf->journal.path;
}

const char *client_socket_path(const struct client *c)
{
    return c->socket_path.ptr;
}

struct json_value *client_change(const char *why)
{
    struct json_value *body = json_object();
    char who[WHO_MAX];
    who_am_i(who);
    json_add_string(body, "who", slice_of(who));
    if (why)
        json_add_string(body, "why", slice_of(why));
    return body;
}
