/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/daemon.h"
#include "cli/inherited.h"

/* Signals are read from a descriptor by main; they are blocked before the first thread exists, so
 * no thread is interrupted. */
static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What a crash would leave behind must not hold secrets. */
static void forbid_core_dumps(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

/*
 * Larger blocks, above all a batch on its way to Kafka, go back to the system when they are freed.
 * Left alone, glibc raises this bound to the largest block that was ever freed, and holes of that
 * size stay resident (mallopt(3), M_MMAP_THRESHOLD): 5 of 103 MiB in a long drain (bench/results).
 */
#define MMAP_FROM_BYTES (256 * 1024)

static void keep_heap_small(void)
{
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
}

/* Besides one for each connection: listeners, epoll, the journal's files, librdkafka's connections.
 */
#define OTHER_DESCRIPTORS 256

/* Without descriptors an accept fails in a loop: have as many as the connections that are allowed.
 */
static void raise_descriptor_limit(size_t connections_max)
{
    struct rlimit limit;
    rlim_t want = connections_max + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
        return;
    limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < want)
        log_warn("relay.few_descriptors", LOG_I("limit", limit.rlim_cur), LOG_I("wanted", want),
                 LOG_S("effect", "fewer connections than connections_max"));
}

static void reload(const struct cli_args *args, struct daemon *d)
{
    struct conf *fresh = cli_load_conf(args);
    if (!fresh) {
        log_error("config.reload_failed", LOG_S("file", args->config),
                  LOG_S("effect", "the configuration in force stays"));
        return;
    }
    log_set_level(fresh->log.level);
    daemon_reload(d, fresh);
    log_info("config.reloaded", LOG_S("file", args->config));
    conf_destroy(fresh);
}

/* Runs until a signal or a failure says stop. */
static void wait_for_end(const struct cli_args *args, struct daemon *d, int signals)
{
    struct pollfd fds[3] = {{.fd = signals, .events = POLLIN},
                            {.fd = daemon_wait_fd(d), .events = POLLIN},
                            {.fd = daemon_timer_fd(d), .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(fds, 3, daemon_tick(d)) < 0 && errno != EINTR)
            return;
        if (fds[1].revents)
            return;
        if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
            continue;
        if (info.ssi_signo != SIGHUP) {
            log_info("relay.stopping", LOG_S("signal", strsignal((int)info.ssi_signo)));
            return;
        }
        reload(args, d);
    }
}

enum cli_exit cli_serve(const struct cli_args *args)
{
    int signals = open_signals();
    struct conf *conf = cli_load_conf(args);
    struct daemon *d = NULL;
    struct err e = {0};
    enum cli_exit code = CLI_OK;
    if (!conf || signals < 0)
        return CLI_FAILED;
    forbid_core_dumps();
    keep_heap_small();
    log_set_level(conf->log.level);
    raise_descriptor_limit(conf->http.connections_max);
    if (daemon_start(&d, conf, args->demo, &e) != ST_OK) {
        log_error("relay.start_failed", LOG_S("reason", e.text));
        conf_destroy(conf);
        return e.code == ST_IO || e.code == ST_CORRUPT ? CLI_DISK_FAILED : CLI_FAILED;
    }
    log_info("relay.ready");
    inherited_notify("READY=1");
    wait_for_end(args, d, signals);
    inherited_notify("STOPPING=1");
    if (daemon_failed(d, &e)) {
        log_error("relay.failed", LOG_S("reason", e.text));
        code = CLI_DISK_FAILED;
    }
    daemon_stop(d, (int)conf->http.drain_timeout_ms);
    log_info("relay.stopped");
    conf_destroy(conf);
    close(signals);
    return code;
}
