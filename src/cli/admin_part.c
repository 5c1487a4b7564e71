/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/admin_part.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/log.h"
#include "http/http_unix.h"

#define SOCKET_PATH_MAX 8192 /* bytes; an option has at most 4000 */

struct admin_part {
    struct admin *admin;
    struct buf socket_path; /* with its NUL; empty: no socket was made */
    struct lock *lock;      /* protects servers: the committer flushes them, main takes them down */
    struct http_server *servers[ADMIN_DOOR_COUNT];
};

enum status admin_part_create(struct admin_part **out, const struct admin_opts *opts, struct err *e)
{
    enum status st;
    struct admin_part *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ST_NO_MEM, "admin: out of memory");
    buf_init(&p->socket_path, SOCKET_PATH_MAX);
    p->lock = lock_create();
    st = admin_create(&p->admin, opts, e);
    if (st != ST_OK) {
        admin_part_destroy(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

enum status admin_part_socket_path(const struct conf *conf, struct buf *out)
{
    if (strcmp(conf->admin.socket, "off") == 0)
        return ST_OK;
    if (conf->admin.socket[0])
        return buf_printf(out, "%s", conf->admin.socket);
    return buf_printf(out, "%s-admin", conf->journal.path);
}

static struct http_server_opts server_opts(struct admin_part *p, enum admin_door door)
{
    return (struct http_server_opts){.listen_fd = -1,
                                     .threads = 1,
                                     .name = door == ADMIN_DOOR_TCP ? "admin" : "socket",
                                     .limits = {.connections_max = 64,
                                                .header_bytes_max = 16384,
                                                .header_count_max = 64,
                                                .body_max = ADMIN_BODY_MAX,
                                                .memory_max = 64 * ADMIN_BODY_MAX,
                                                .waiting_max = ADMIN_WAITING_MAX,
                                                .request_timeout_ms = 10000,
                                                .idle_timeout_ms = 60000,
                                                .answer_timeout_ms = 10000},
                                     .handler = admin_handler(p->admin, door),
                                     .user_bytes = admin_user_bytes()};
}

static enum status start(struct admin_part *p, enum admin_door door,
                         const struct http_server_opts *opts, struct err *e)
{
    struct http_server *server;
    enum status st = http_server_start(&server, opts, e);
    if (st != ST_OK)
        return st;
    lock_take(p->lock);
    p->servers[door] = server;
    lock_give(p->lock);
    return ST_OK;
}

static enum status start_tcp(struct admin_part *p, const struct conf_listen *listen, struct err *e)
{
    struct http_server_opts opts = server_opts(p, ADMIN_DOOR_TCP);
    enum status st;
    if (!listen->address[0])
        return ST_OK;
    opts.address = listen->address;
    opts.port = listen->port;
    st = start(p, ADMIN_DOOR_TCP, &opts, e);
    if (st == ST_OK)
        log_info("admin.listening", LOG_S("address", listen->address),
                 LOG_I("port", http_server_port(p->servers[ADMIN_DOOR_TCP])));
    else
        err_context(e, "[admin] listen");
    return st;
}

static enum status start_socket(struct admin_part *p, const struct conf *conf, struct err *e)
{
    struct http_server_opts opts = server_opts(p, ADMIN_DOOR_SOCKET);
    struct buf path;
    enum status st;
    buf_init(&path, SOCKET_PATH_MAX);
    st = admin_part_socket_path(conf, &path);
    if (st == ST_OK && path.len)
        st = buf_append(&path, "", 1);
    if (st != ST_OK)
        err_set(e, st, "the path is too long");
    if (st == ST_OK && path.len)
        st = http_unix_listen(path.ptr, &opts.listen_fd, e);
    if (st != ST_OK || !path.len) {
        if (st != ST_OK)
            err_context(e, "[admin] socket");
        buf_fini(&path);
        return st;
    }
    /* From here on the file is ours to remove. */
    p->socket_path = path;
    st = start(p, ADMIN_DOOR_SOCKET, &opts, e);
    if (st == ST_OK)
        log_info("admin.socket", LOG_S("path", path.ptr));
    return st;
}

enum status admin_part_start(struct admin_part *p, const struct conf *conf, struct err *e)
{
    enum status st = start_tcp(p, &conf->admin.listen, e);
    return st == ST_OK ? start_socket(p, conf, e) : st;
}

void admin_part_flush(struct admin_part *p)
{
    if (!p)
        return;
    lock_take(p->lock);
    for (int i = 0; i < ADMIN_DOOR_COUNT; i++)
        if (p->servers[i])
            http_server_flush(p->servers[i]);
    lock_give(p->lock);
}

int admin_part_sample(struct admin_part *p)
{
    return admin_sample(p->admin);
}

void admin_part_reload(struct admin_part *p, const struct conf *conf)
{
    admin_reload(p->admin, conf);
}

void admin_part_stop(struct admin_part *p, int deadline_ms)
{
    struct http_server *servers[ADMIN_DOOR_COUNT];
    if (!p)
        return;
    /* While it still listens: nobody else can have taken its place. */
    if (p->socket_path.len)
        unlink(p->socket_path.ptr);
    buf_fini(&p->socket_path);
    lock_take(p->lock);
    for (int i = 0; i < ADMIN_DOOR_COUNT; i++) {
        servers[i] = p->servers[i];
        p->servers[i] = NULL;
    }
    lock_give(p->lock);
    for (int i = 0; i < ADMIN_DOOR_COUNT; i++)
        http_server_stop(servers[i], deadline_ms);
}

void admin_part_destroy(struct admin_part *p)
{
    if (!p)
        return;
    admin_destroy(p->admin);
    buf_fini(&p->socket_path);
    lock_destroy(p->lock);
    free(p);
}
