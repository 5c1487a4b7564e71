/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The bare HTTP baseline: libmicrohttpd reads a body and answers 200, nothing else.
 *
 * Each thread owns one MHD daemon with its own listen socket (SO_REUSEPORT) and drives it from
 * outside: epoll on MHD_DAEMON_INFO_EPOLL_FD with the timeout of MHD_get_timeout, then MHD_run.
 * MHD's internal polling threads are not used: their epoll loop stalls when exactly 128 events are
 * ready.
 */

#include "fail.h"

#include <microhttpd.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX     64
#define CONNECTIONS_MAX 20000U /* for each thread; the load generator's own bound */
/* A second connection that comes in while a thread is busy must not wait for a SYN to be sent
 * again. */
#define BACKLOG SOMAXCONN

struct server {
    uint16_t port;
    int stop_fd; /* readable for ever once the server is to stop */
    uint32_t thread_count;
    atomic_uint_fast64_t seq;
    pthread_t thread[THREADS_MAX];
    struct MHD_Daemon *daemon[THREADS_MAX];
    atomic_uint next; /* the daemon that the next thread takes */
};

static enum MHD_Result answer(struct server *server, struct MHD_Connection *connection)
{
    char body[64];
    uint64_t seq = atomic_fetch_add_explicit(&server->seq, 1, memory_order_relaxed) + 1;
    int len = snprintf(body, sizeof body, "{\"status\":\"stored\",\"seq\":%" PRIu64 "}", seq);
    struct MHD_Response *r =
        MHD_create_response_from_buffer((size_t)len, body, MHD_RESPMEM_MUST_COPY);
    if (r == NULL)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return result;
}

/* MHD calls once for the head, once for each piece of the body and once at the end (microhttpd.h).
 */
static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request)
{
    static char seen;
    (void)url;
    (void)method;
    (void)version;
    (void)upload_data;
    if (*request == NULL) {
        *request = &seen;
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        *upload_data_size = 0;
        return MHD_YES;
    }
    return answer(ctx, connection);
}

static bool open_listener(struct server *s, int *out, struct fail *f)
{
    const int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    socklen_t to_len = sizeof to;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *out = fd;
    /* REUSEADDR too: a restart must not wait for connections of the last run in TIME_WAIT. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&to, to_len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&to, &to_len) != 0)
        return fail_set_errno(f, errno, "cannot listen on 127.0.0.1:%u", (unsigned)s->port);
    s->port = ntohs(to.sin_port);
    return true;
}

static bool start_daemon(struct server *s, uint32_t i, struct fail *f)
{
    int fd = -1;
    if (!open_listener(s, &fd, f)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    s->daemon[i] = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, s,
                                    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                    CONNECTIONS_MAX, MHD_OPTION_END);
    if (s->daemon[i] != NULL)
        return true;
    close(fd);
    return fail_set(f, "MHD_start_daemon failed");
}

static int timeout_ms_of(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    if (MHD_get_timeout(daemon, &ms) != MHD_YES)
        return -1;
    return ms > 1000 ? 1000 : (int)ms;
}

static void *serve(void *ctx)
{
    struct server *s = ctx;
    struct MHD_Daemon *daemon = s->daemon[atomic_fetch_add(&s->next, 1)];
    int mhd_fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = mhd_fd};
    int outer = epoll_create1(EPOLL_CLOEXEC);
    CHECK(outer >= 0 && epoll_ctl(outer, EPOLL_CTL_ADD, mhd_fd, &ev) == 0);
    ev.data.fd = s->stop_fd;
    CHECK(epoll_ctl(outer, EPOLL_CTL_ADD, s->stop_fd, &ev) == 0);
    for (bool is_stopped = false; !is_stopped;) {
        struct epoll_event ready[2];
        int n = epoll_wait(outer, ready, 2, timeout_ms_of(daemon));
        CHECK(n >= 0 || errno == EINTR);
        for (int i = 0; i < n; i++)
            is_stopped = is_stopped || ready[i].data.fd == s->stop_fd;
        MHD_run(daemon);
    }
    close(outer);
    return NULL;
}

static bool wait_for_stop(struct server *s, const sigset_t *stops, struct fail *f)
{
    int signal_number = 0;
    int error = sigwait(stops, &signal_number);
    if (error != 0 || eventfd_write(s->stop_fd, 1) != 0)
        return fail_set_errno(f, error != 0 ? error : errno, "cannot wait for a signal");
    return true;
}

static bool run(struct server *s, struct fail *f)
{
    bool ok = true;
    uint32_t started = 0;
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    /* Before the threads: they inherit the mask. */
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (s->stop_fd < 0)
        return fail_set_errno(f, errno, "cannot create an eventfd");
    for (uint32_t i = 0; ok && i < s->thread_count; i++)
        ok = start_daemon(s, i, f);
    for (; ok && started < s->thread_count; started++) {
        int error = pthread_create(&s->thread[started], NULL, serve, s);
        if (error != 0) {
            ok = fail_set_errno(f, error, "cannot start a thread");
            break;
        }
    }
    if (ok) {
        printf("%u\n", (unsigned)s->port);
        fflush(stdout);
        ok = wait_for_stop(s, &stops, f);
    } else {
        eventfd_write(s->stop_fd, 1);
    }
    for (uint32_t i = 0; i < started; i++)
        pthread_join(s->thread[i], NULL);
    for (uint32_t i = 0; i < s->thread_count; i++)
        if (s->daemon[i] != NULL)
            MHD_stop_daemon(s->daemon[i]);
    close(s->stop_fd);
    return ok;
}

static bool read_number(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
    char *end = NULL;
    errno = 0;
    *out = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    return end != NULL && *end == '\0' && errno == 0 && *out >= min && *out <= max;
}

int main(int argc, char **argv)
{
    static struct server server;
    struct fail f = {""};
    unsigned long port = 0;
    unsigned long threads = 0;
    if (argc != 3 || !read_number(argv[1], 0, 65535, &port) ||
        !read_number(argv[2], 1, THREADS_MAX, &threads)) {
        fprintf(stderr,
                "usage: bare_server PORT THREADS\n"
                "Answers every request on 127.0.0.1:PORT with 200 and a small JSON body. PORT 0 "
                "takes a\n"
                "free port; the port is printed on stdout. THREADS is 1..%d. SIGTERM stops it.\n",
                THREADS_MAX);
        return 2;
    }
    server.port = (uint16_t)port;
    server.thread_count = (uint32_t)threads;
    if (!run(&server, &f)) {
        fprintf(stderr, "bare_server: %s\n", f.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
