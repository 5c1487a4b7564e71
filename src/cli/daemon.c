/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/daemon.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/ingress.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/thread.h"
#include "base/wakeup.h"
#include "cli/admin_part.h"
#include "cli/inherited.h"
#include "cli/publisher_part.h"
#include "cli/tls_files.h"
#include "journal/journal_select.h"
#include "journal/replays.h"
#include "relay/acks.h"
#include "relay/forwarder.h"
#include "relay/keeper.h"

/* Jobs waiting for the committer: the server holds at most waiting_max requests, the forwarder has
 * one, operators theirs. */
#define MAILBOX_EXTRA (16 + ADMIN_PART_JOBS_MAX)

/* One read of a lane: bounds the read transaction and the memory of a drain. */
/* Small: the lanes read the same pages soon after each other, while they are in the cache. */
#define READ_ROWS_MAX  100
#define READ_BYTES_MAX (4u << 20)

/* What librdkafka adds to a body on the wire: key, headers, framing (PUBLISHER_HEADERS_MAX short
 * headers). */
#define RECORD_OVERHEAD 8192
/* librdkafka's default of message.max.bytes (CONFIGURATION.md). */
#define MESSAGE_MAX_DEFAULT 1000000

/* How long what is in the air may take to be reported at a clean stop. */
#define FINISH_MS 2000
/* How long written answers may take to leave when a listener closes. */
#define LAST_ANSWERS_MS 500

struct daemon {
    const struct conf *conf;
    bool demo;
    struct wakeup attention; /* main looks: a part died, or a batch ended while draining */
    _Atomic bool draining;
    _Atomic bool stop_forwarder;
    struct lock *failure_lock; /* protects failed and failure */
    bool failed;
    struct err failure;
    struct metrics *metrics;
    struct journal *journal;
    char *journal_directory;
    char *ballast_path;
    struct keeper *keeper;
    struct committer *committer;
    struct thread *committer_thread;
    struct publisher_part *publisher;
    struct journal_reader *reader;
    struct replays *replays;
    struct journal_select *select;
    struct forwarder *forwarder;
    struct thread *forwarder_thread;
    struct acks *acks; /* NULL: no source has ack = kafka */
    struct ingress *ingress;
    struct lock *intake_lock; /* protects intake: others flush it, main takes it down */
    struct http_server *intake;
    struct admin_part *admin;
    struct metric *wal_pages;
    struct metric *window_ids;
    struct metric *window_short;
    struct metric *waiting;
    struct metric *ack_waiting;
    struct metric *connections;
    struct mono sample_due;
};

static void fail(struct daemon *d, const struct err *e)
{
    lock_take(d->failure_lock);
    if (!d->failed)
        d->failure = *e;
    d->failed = true;
    lock_give(d->failure_lock);
    wakeup_signal(&d->attention);
}

bool daemon_failed(const struct daemon *d, struct err *e)
{
    bool failed;
    lock_take(d->failure_lock);
    failed = d->failed;
    if (failed)
        *e = d->failure;
    lock_give(d->failure_lock);
    return failed;
}

int daemon_wait_fd(const struct daemon *d)
{
    return d->attention.fd;
}

/* ---- threads ---- */

static void flush_intake(void *ctx)
{
    struct daemon *d = ctx;
    lock_take(d->intake_lock);
    if (d->intake)
        http_server_flush(d->intake);
    lock_give(d->intake_lock);
}

static void on_batch(void *ctx, bool stored_events)
{
    struct daemon *d = ctx;
    flush_intake(d);
    admin_part_flush(d->admin);
    if (stored_events && d->forwarder)
        forwarder_notify(d->forwarder);
    if (d->draining)
        wakeup_signal(&d->attention);
}

static enum status housekeeping(void *ctx, struct journal *j, bool *again, struct err *e)
{
    struct daemon *d = ctx;
    return keeper_step(d->keeper, j, d->committer, again, e);
}

static void run_committer(void *arg)
{
    struct daemon *d = arg;
    enum committer_state state;
    do
        state = committer_step(d->committer, 1000);
    while (state == COMMITTER_WORKING);
    if (state == COMMITTER_DEAD) {
        struct err e;
        err_set(&e, ST_IO, "the journal's disk failed; the reason is in the line before");
        fail(d, &e);
    }
}

static void run_forwarder(void *arg)
{
    struct daemon *d = arg;
    struct err e;
    while (!d->stop_forwarder && !forwarder_is_dead(d->forwarder, &e))
        if (!forwarder_step(d->forwarder))
            forwarder_wait(d->forwarder, 1000);
    if (forwarder_is_dead(d->forwarder, &e))
        fail(d, &e);
    else if (!daemon_failed(d,
                            &e)) /* a dead journal settles nothing: there is nothing to wait for */
        forwarder_finish(d->forwarder, FINISH_MS);
}

/* ---- start ---- */

static enum status start_journal(struct daemon *d, struct err *e)
{
    const struct conf_journal *c = &d->conf->journal;
    const struct journal_opts opts = {.path = c->path,
                                      .demo = d->demo,
                                      .secure_delete = c->secure_delete,
                                      .clock = clock_system(),
                                      .wal_max_bytes = c->wal_max_bytes,
                                      .checkpoint_pages = c->checkpoint_pages,
                                      .window_ms = c->dedupe_window_ms,
                                      .window_ids_max = c->dedupe_ids_max};
    enum status st = journal_open(&d->journal, &opts, e);
    if (st == ST_OK)
        log_info("journal.opened", LOG_S("path", c->path), LOG_S("id", journal_id(d->journal)));
    return st;
}

static enum status create_keeper(struct daemon *d, struct err *e)
{
    const struct conf_journal *c = &d->conf->journal;
    char *directory = strdup(c->path);
    char *ballast = NULL;
    char *slash = directory ? strrchr(directory, '/') : NULL;
    struct keeper_opts opts = {.clock = clock_system(),
                               .ballast_bytes = c->ballast_bytes,
                               .floor_bytes = c->free_space_floor_bytes,
                               .retention_ms = c->retention_ms,
                               .retention_bytes = c->retention_bytes,
                               .metrics = d->metrics};
    enum status st;
    if (!directory || asprintf(&ballast, "%s-ballast", c->path) < 0) {
        free(directory);
        return err_set(e, ST_NO_MEM, "keeper: out of memory");
    }
    if (slash == directory)
        slash++;
    if (slash)
        *slash = 0;
    d->journal_directory = directory;
    d->ballast_path = ballast;
    opts.directory = slash ? directory : ".";
    opts.ballast_path = ballast;
    st = keeper_create(&d->keeper, &opts, e);
    return st;
}

static enum status create_committer(struct daemon *d, struct err *e)
{
    const struct committer_opts opts = {.journal = d->journal,
                                        .clock = clock_system(),
                                        .mailbox_max = d->conf->http.waiting_max + MAILBOX_EXTRA,
                                        .rows_max = d->conf->journal.commit_rows_max,
                                        .on_batch = on_batch,
                                        .housekeeping = housekeeping,
                                        .ctx = d,
                                        .metrics = d->metrics};
    return committer_create(&d->committer, &opts, e);
}

static enum status start_publisher(struct daemon *d, struct err *e)
{
    const struct publisher_part_opts opts = {
        .conf = &d->conf->kafka, .journal_id = journal_id(d->journal), .demo = d->demo};
    return publisher_part_start(&d->publisher, &opts, e);
}

static enum status create_forwarder(struct daemon *d, struct err *e)
{
    struct forwarder_opts opts = {.publisher = publisher_part_get(d->publisher),
                                  .committer = d->committer,
                                  .clock = clock_system(),
                                  .lane_in_flight = d->conf->kafka.lane_in_flight,
                                  .read_rows_max = READ_ROWS_MAX,
                                  .read_bytes_max = READ_BYTES_MAX,
                                  .bind_cluster = !d->demo,
                                  .on_delivered = acks_on_delivered,
                                  .on_delivered_arg = d->acks,
                                  .metrics = d->metrics};
    enum status st = journal_reader_open(&d->reader, d->conf->journal.path, NULL, e);
    if (st == ST_OK)
        st = replays_open(&d->replays, d->conf->journal.path, NULL, e);
    if (st == ST_OK)
        st = journal_select_open(&d->select, d->conf->journal.path, NULL, e);
    opts.reader = d->reader;
    opts.replays = d->replays;
    opts.select = d->select;
    if (st == ST_OK)
        st = forwarder_create(&d->forwarder, &opts, e);
    return st;
}

/* How large a body may be and still fit into one record. */
static size_t record_max(const struct conf *conf)
{
    uint64_t max = MESSAGE_MAX_DEFAULT;
    for (size_t i = 0; i < conf->kafka.properties.count; i++) {
        const struct conf_property *p = &conf->kafka.properties.items[i];
        struct err ignored; /* kafka_property_check has judged the value */
        if (strcmp(p->name, "message.max.bytes") == 0 &&
            num_parse_u64(slice_of(p->value), 0, UINT32_MAX, &max, &ignored) != ST_OK)
            max = MESSAGE_MAX_DEFAULT;
    }
    return max > 2 * RECORD_OVERHEAD ? (size_t)max - RECORD_OVERHEAD : (size_t)max / 2;
}

static bool wants_acks(const struct conf *conf)
{
    for (size_t i = 0; i < conf->source_count; i++)
        if (strcmp(conf->sources[i].ack, "kafka") == 0)
            return true;
    return false;
}

/* Half of what intake may hold: those that wait for Kafka must not make it refuse others. */
static enum status create_acks(struct daemon *d, struct err *e)
{
    const struct conf_http *c = &d->conf->http;
    uint32_t most = c->waiting_max < c->connections_max ? c->waiting_max : c->connections_max;
    const struct acks_opts opts = {.clock = clock_system(),
                                   .waiters_max = most / 2,
                                   .bytes_max = (size_t)(c->memory_max_bytes / 2),
                                   .on_answers = flush_intake,
                                   .ctx = d};
    return wants_acks(d->conf) ? acks_create(&d->acks, &opts, e) : ST_OK;
}

static enum status create_ingress(struct daemon *d, struct err *e)
{
    const struct ingress_opts opts = {.conf = d->conf,
                                      .journal = d->journal,
                                      .committer = d->committer,
                                      .clock = clock_system(),
                                      .record_max = record_max(d->conf),
                                      .acks = d->acks,
                                      .ack_timeout_ms = d->conf->http.ack_timeout_ms,
                                      .metrics = d->metrics};
    return ingress_create(&d->ingress, &opts, e);
}

static struct http_limits limits_of(const struct conf_http *c)
{
    return (struct http_limits){.connections_max = c->connections_max,
                                .header_bytes_max = c->header_bytes_max,
                                .header_count_max = c->header_count_max,
                                .body_max = c->body_max_bytes,
                                .memory_max = c->memory_max_bytes,
                                .waiting_max = c->waiting_max,
                                .request_timeout_ms = (int)c->request_timeout_ms,
                                .idle_timeout_ms = (int)c->idle_timeout_ms,
                                .answer_timeout_ms = (int)c->answer_timeout_ms};
}

static enum status start_intake(struct daemon *d, struct err *e)
{
    const struct conf_http *c = &d->conf->http;
    struct http_server_opts opts = {.address = c->listen.address,
                                    .port = c->listen.port,
                                    .listen_fd = inherited_listener(),
                                    .threads = (int)c->threads,
                                    .name = "http",
                                    .limits = limits_of(c),
                                    .handler = ingress_handler(d->ingress),
                                    .user_bytes = ingress_user_bytes()};
    struct tls_files tls;
    struct http_server *server;
    enum status st = tls_files_read(&tls, c, e);
    if (st != ST_OK)
        return st;
    opts.tls_cert_pem = tls.cert_pem;
    opts.tls_key_pem = tls.key_pem;
    st = http_server_start(&server, &opts, e);
    tls_files_free(&tls);
    if (st != ST_OK) {
        err_context(e, "[http] listen");
        return st;
    }
    /* What was committed before this line waits for its answer until the next batch or the server's
     * own look. */
    lock_take(d->intake_lock);
    d->intake = server;
    lock_give(d->intake_lock);
    log_info("intake.listening", LOG_S("address", c->listen.address),
             LOG_I("port", http_server_port(server)));
    return ST_OK;
}

/* Gauges are looked up when somebody asks. Thread: admin http. */
static void on_scrape(void *ctx)
{
    struct daemon *d = ctx;
    struct journal_figures f;
    journal_figures(d->journal, &f);
    metric_set(d->wal_pages, f.wal_unsaved > f.wal_pages ? f.wal_unsaved : f.wal_pages);
    metric_set(d->window_ids, f.window_ids);
    metric_set(d->window_short, f.window_short);
    if (d->acks)
        metric_set(d->ack_waiting, (int64_t)acks_waiting(d->acks));
    lock_take(d->intake_lock);
    if (d->intake) {
        metric_set(d->waiting, (int64_t)http_server_waiting(d->intake));
        metric_set(d->connections, (int64_t)http_server_connections(d->intake));
    }
    lock_give(d->intake_lock);
}

static void create_gauges(struct daemon *d)
{
    struct metrics *m = d->metrics;
    d->wal_pages = metric_single(metric_family(m, METRIC_GAUGE, "relay_wal_pages", "",
                                               "Pages of 4 KiB in the journal's write-ahead log"));
    d->window_ids = metric_single(
        metric_family(m, METRIC_GAUGE, "relay_dedupe_ids", "", "Event ids in the dedupe window"));
    d->window_short =
        metric_single(metric_family(m, METRIC_GAUGE, "relay_dedupe_window_short", "",
                                    "1 when dedupe_ids_max made the window shorter than asked"));
    d->waiting = metric_single(metric_family(m, METRIC_GAUGE, "relay_http_waiting", "",
                                             "Deliveries waiting for their answer"));
    d->ack_waiting =
        metric_single(metric_family(m, METRIC_GAUGE, "relay_ack_waiting", "",
                                    "Of them those that wait for Kafka (ack = kafka)"));
    d->connections = metric_single(metric_family(m, METRIC_GAUGE, "relay_http_connections", "",
                                                 "Open connections of the intake"));
}

/* Before the committer runs, which flushes its answers. */
static enum status create_admin(struct daemon *d, struct err *e)
{
    const struct admin_opts opts = {.conf = d->conf,
                                    .journal = d->journal,
                                    .committer = d->committer,
                                    .forwarder = d->forwarder,
                                    .keeper = d->keeper,
                                    .clock = clock_system(),
                                    .metrics = d->metrics,
                                    .on_scrape = on_scrape,
                                    .ctx = d};
    create_gauges(d);
    return admin_part_create(&d->admin, &opts, e);
}

static enum status start_parts(struct daemon *d, struct err *e)
{
    enum status st = start_journal(d, e);
    if (st == ST_OK)
        st = create_keeper(d, e);
    if (st == ST_OK)
        st = create_committer(d, e);
    if (st == ST_OK)
        st = create_acks(d, e);
    if (st == ST_OK)
        st = create_ingress(d, e);
    if (st == ST_OK)
        st = start_publisher(d, e);
    if (st == ST_OK)
        st = create_forwarder(d, e);
    if (st == ST_OK)
        st = create_admin(d, e);
    if (st == ST_OK)
        st = thread_start(&d->forwarder_thread, "forwarder", run_forwarder, d, e);
    if (st == ST_OK)
        st = thread_start(&d->committer_thread, "committer", run_committer, d, e);
    if (st == ST_OK)
        st = admin_part_start(d->admin, d->conf, e);
    if (st == ST_OK)
        st = start_intake(d, e);
    return st;
}

enum status daemon_start(struct daemon **out, const struct conf *conf, bool demo, struct err *e)
{
    enum status st;
    struct daemon *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, ST_NO_MEM, "out of memory");
    d->conf = conf;
    d->demo = demo;
    d->failure_lock = lock_create();
    d->intake_lock = lock_create();
    d->metrics = metrics_create();
    st = d->metrics ? wakeup_init(&d->attention, e) : err_set(e, ST_NO_MEM, "out of memory");
    if (st == ST_OK)
        st = start_parts(d, e);
    if (st != ST_OK) {
        daemon_stop(d, 0);
        return st;
    }
    *out = d;
    return ST_OK;
}

int daemon_timer_fd(const struct daemon *d)
{
    return d->acks ? acks_timer_fd(d->acks) : -1;
}

int daemon_tick(struct daemon *d)
{
    struct mono now = clock_mono(clock_system());
    if (d->acks)
        acks_expire(d->acks);
    if (now.ns >= d->sample_due.ns)
        d->sample_due = mono_add_ms(now, admin_part_sample(d->admin));
    return mono_until_ms(now, d->sample_due, INT_MAX);
}

static void reload_tls(struct daemon *d, const struct conf_http *conf)
{
    struct tls_files tls;
    struct err e = {0};
    enum status st = tls_files_read(&tls, conf, &e);
    /* A listener without TLS stays one until a restart. */
    if (st == ST_OK && tls.cert_pem && d->conf->http.tls_cert_file[0])
        st = http_server_set_tls(d->intake, tls.cert_pem, tls.key_pem, &e);
    if (st != ST_OK)
        log_error("config.tls_not_reloaded", LOG_S("reason", e.text),
                  LOG_S("effect", "the certificate in force stays"));
    tls_files_free(&tls);
}

void daemon_reload(struct daemon *d, const struct conf *conf)
{
    reload_tls(d, &conf->http);
    ingress_reload(d->ingress, conf);
    admin_part_reload(d->admin, conf);
    keeper_set_retention(d->keeper, conf->journal.retention_ms, conf->journal.retention_bytes);
}

/* ---- stop ---- */

/* What is in hand is committed and answered. */
static void drain_intake(struct daemon *d, int deadline_ms)
{
    struct mono until = mono_add_ms(clock_mono(clock_system()), deadline_ms);
    struct pollfd fd = {.fd = d->attention.fd, .events = POLLIN};
    d->draining = true;
    ingress_set_draining(d->ingress);
    http_server_drain(d->intake);
    while (http_server_waiting(d->intake)) {
        int left = mono_until_ms(clock_mono(clock_system()), until, 100);
        if (left == 0)
            break;
        poll(&fd, 1, left);
        wakeup_clear(&d->attention);
    }
}

static void stop_intake(struct daemon *d, int deadline_ms)
{
    struct http_server *server;
    struct err e;
    /* What is committed is answered at once; nobody waits for Kafka any more. */
    if (d->acks)
        acks_close(d->acks);
    if (d->intake && !daemon_failed(d, &e))
        drain_intake(d, deadline_ms);
    lock_take(d->intake_lock);
    server = d->intake;
    d->intake = NULL;
    lock_give(d->intake_lock);
    http_server_stop(server, LAST_ANSWERS_MS);
}

void daemon_stop(struct daemon *d, int deadline_ms)
{
    if (!d)
        return;
    stop_intake(d, deadline_ms);
    admin_part_stop(d->admin, LAST_ANSWERS_MS);
    d->stop_forwarder = true;
    if (d->forwarder_thread)
        forwarder_notify(d->forwarder);
    thread_join(d->forwarder_thread);
    if (d->committer)
        committer_close(d->committer);
    thread_join(d->committer_thread);
    forwarder_destroy(d->forwarder);
    journal_select_close(d->select);
    replays_close(d->replays);
    journal_reader_close(d->reader);
    publisher_part_stop(d->publisher);
    ingress_destroy(d->ingress);
    acks_destroy(d->acks);
    admin_part_destroy(d->admin);
    committer_destroy(d->committer);
    keeper_destroy(d->keeper);
    free(d->journal_directory);
    free(d->ballast_path);
    journal_close(d->journal);
    metrics_destroy(d->metrics);
    wakeup_fini(&d->attention);
    lock_destroy(d->failure_lock);
    lock_destroy(d->intake_lock);
    free(d);
}
