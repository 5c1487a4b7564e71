/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "api/admin_json.h"
#include "api/admin_lanes.h"
#include "api/reply.h"
#include "base/lock.h"
#include "base/log.h"
#include "journal/journal.h"
#include "relay/keeper.h"

/* Some hundred bytes a child, METRIC_CHILDREN_MAX children a family: far above what a scrape holds.
 */
#define EXPOSITION_MAX (64u << 20)

/* Lanes that are named among the problems; more are told as a number. */
#define LANE_PROBLEMS_MAX 5

#define RATE_MS 60000

/* A growing backlog that reaches the floor within this time is a problem already. */
#define FLOOR_SOON_S (24 * 3600)

/* Taking a transactional id over takes a second or two. */
#define RECOVERING_LONG_S 10

/* A status in the making. */
struct status_page {
    struct admin_call *call;
    struct json_value *root;
    struct json_value *problems;
    struct json_value *pauses;
    struct admin_lanes lanes;
    struct keeper_outlook outlook;
};

void admin_status_create_metrics(struct admin_shared *shared)
{
    shared->lane_backlog =
        metric_family(shared->opts.metrics, METRIC_GAUGE, "relay_lane_backlog_events",
                      "source,topic", "Events of the lane that Kafka does not have yet");
    shared->lane_oldest = metric_family(
        shared->opts.metrics, METRIC_GAUGE, "relay_lane_oldest_unpublished_seconds", "source,topic",
        "Age of the oldest event of the lane that Kafka does not have yet; 0 without one");
}

/* ---- how fast the backlog grows ---- */

static void note_backlog(const struct admin_call *call, const struct admin_lanes *lanes)
{
    struct admin_shared *shared = call->shared;
    lock_take(shared->trend_lock);
    trend_note(&shared->backlog, clock_mono(shared->opts.clock), lanes->backlog);
    lock_give(shared->trend_lock);
}

static bool find_growth(const struct admin_call *call, struct trend_rate *out)
{
    struct admin_shared *shared = call->shared;
    bool known;
    lock_take(shared->trend_lock);
    known = trend_find(&shared->backlog, clock_mono(shared->opts.clock), out);
    lock_give(shared->trend_lock);
    return known;
}

enum status admin_status_sample(const struct admin_call *call, struct err *e)
{
    struct admin_lanes lanes;
    enum status st = admin_lanes_read(&lanes, call, e);
    if (st == ST_OK)
        note_backlog(call, &lanes);
    admin_lanes_free(&lanes);
    return st;
}

/* ---- metrics ---- */

/* What only the journal knows is asked when somebody scrapes. */
static void scrape_lanes(const struct admin_call *call)
{
    struct wall now = clock_wall(clock_system());
    struct admin_lanes lanes;
    struct err e = {0};
    if (admin_lanes_read(&lanes, call, &e) != ST_OK)
        log_warn("admin.lanes_unreadable", LOG_S("reason", e.text));
    else
        note_backlog(call, &lanes);
    for (size_t i = 0; i < lanes.count; i++) {
        const struct admin_lane *l = &lanes.items[i];
        struct slice source = slice_of(l->lane.source_name), topic = slice_of(l->lane.topic);
        metric_set(metric_child(call->shared->lane_backlog, source, topic, slice_of("")),
                   l->backlog);
        metric_set(metric_child(call->shared->lane_oldest, source, topic, slice_of("")),
                   l->oldest.us ? (now.us - l->oldest.us) / 1000000 : 0);
    }
    admin_lanes_free(&lanes);
}

void admin_status_metrics(struct admin_call *call)
{
    const struct admin_opts *opts = &call->shared->opts;
    struct buf text;
    buf_init(&text, EXPOSITION_MAX);
    if (opts->on_scrape)
        opts->on_scrape(opts->ctx);
    scrape_lanes(call);
    if (metrics_render(opts->metrics, &text) == ST_OK) {
        struct http_reply reply = {.status = 200,
                                   .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                   .body = buf_slice(&text)};
        http_req_reply(call->req, &reply);
    } else {
        reply_error(call->req, 503, "out_of_memory", NULL);
    }
    buf_fini(&text);
}

/* ---- what is wrong, and what helps ---- */

/* help is what to do, a command where there is one; fmt says what is wrong. */
static void problem(struct status_page *p, const char *help, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void problem(struct status_page *p, const char *help, const char *fmt, ...)
{
    char text[FORWARDER_STATE_MAX + 64];
    struct json_value *o = json_add_object(p->problems, NULL);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_add_string(o, "what", slice_of(text));
    json_add_string(o, "help", slice_of(help));
}

static void lane_problems(struct status_page *p)
{
    int waiting = 0;
    for (size_t i = 0; i < p->lanes.count; i++) {
        const struct admin_lane *lane = &p->lanes.items[i];
        char help[640];
        /* A lane that waits with nothing to send is about to be looked up. */
        if (strcmp(lane->state, "waits") != 0 || !lane->backlog || ++waiting > LANE_PROBLEMS_MAX)
            continue;
        snprintf(help, sizeof help, "kafka-topics.sh --bootstrap-server %s --describe --topic %s",
                 p->call->shared->brokers[0] ? p->call->shared->brokers : "BROKER",
                 lane->lane.topic);
        problem(p, help, "lane %" PRId64 " (%s) waits: %s", lane->lane.id, lane->lane.topic,
                lane->reason);
    }
    if (waiting > LANE_PROBLEMS_MAX)
        problem(p, "gladly-relay status --json", "%d more lanes wait", waiting - LANE_PROBLEMS_MAX);
}

/* ---- the parts of a status ---- */

static void add_kafka(struct status_page *p)
{
    const char *brokers = p->call->shared->brokers;
    struct forwarder_kafka_view kafka = {0};
    struct json_value *o = json_add_object(p->root, "kafka");
    char help[640];
    if (p->call->shared->opts.forwarder)
        forwarder_kafka(p->call->shared->opts.forwarder, &kafka);
    json_add_bool(o, "connected", kafka.connected);
    json_add_bool(o, "wrong_cluster", kafka.wrong_cluster);
    json_add_bool(o, "fenced", kafka.fenced);
    json_add_bool(o, "journal_behind", kafka.journal_behind);
    json_add_bool(o, "checkpoint_missing", kafka.checkpoint_missing);
    json_add_u64(o, "recovering_s", (uint64_t)kafka.recovering_s);
    json_add_string(o, "cluster_id", slice_of(kafka.cluster_id));
    json_add_string(o, "state", slice_of(kafka.state));
    json_add_string(o, "brokers", slice_of(brokers));
    snprintf(help, sizeof help, "kcat -L -b %s", brokers[0] ? brokers : "BROKER");
    if (kafka.wrong_cluster)
        problem(p,
                "point [kafka] bootstrap.servers back and restart; if the move is meant: stop it, "
                "gladly-relay journal rebind --why TEXT -c FILE, start it",
                "another Kafka cluster answers: nothing is published (expected %s)",
                kafka.cluster_id);
    else if (kafka.fenced)
        problem(p,
                "find the other relay: a copy of this journal, or the same transactional_id twice; "
                "stop one, restart the other",
                "a younger relay, or one with another journal, uses the same transactional_id; %s",
                kafka.state);
    else if (kafka.journal_behind)
        problem(p,
                "stop it; put the newest journal back, or, when it is lost: "
                "gladly-relay journal renew --why TEXT -c FILE; start it",
                "the journal is older than what Kafka has of it: nothing is published");
    else if (kafka.checkpoint_missing)
        problem(p,
                "kafka-topics.sh --create --topic NAME --partitions 1 --config "
                "cleanup.policy=compact; the relay goes on by itself",
                "%s: nothing is published", kafka.state);
    else if (!kafka.connected)
        problem(p, help, "Kafka is not reached: %s", kafka.state);
    else if (kafka.recovering_s >= RECOVERING_LONG_S)
        problem(p, "kafka-topics.sh --bootstrap-server BROKER --describe --unavailable-partitions",
                "nothing has been published for %" PRId64 " s, no transaction can begin: %s",
                kafka.recovering_s, kafka.state);
}

/* A decimal with one digit behind the point, as text: no integer, and not more exact than that. */
static void add_decimal(struct json_value *o, const char *name, double value)
{
    char text[64];
    snprintf(text, sizeof text, "%.1f", value);
    json_add_string(o, name, slice_of(text));
}

/* When free space will be down to the floor, as far as that is known. */
static void add_outlook(struct status_page *p, struct json_value *o)
{
    struct keeper_outlook outlook = {0};
    const char *word = "unknown";
    if (p->call->shared->opts.keeper)
        keeper_find_outlook(p->call->shared->opts.keeper, &outlook);
    p->outlook = outlook;
    if (outlook.is_known && !outlook.floor_bytes)
        word = "none";
    else if (outlook.is_known && outlook.floor_in_s == 0)
        word = "reached";
    else if (outlook.is_known && outlook.has_rate)
        word = outlook.floor_in_s > 0 ? "ahead" : "not_at_this_rate";
    json_add_string(o, "floor", slice_of(word));
    if (outlook.is_known && outlook.floor_in_s > 0)
        json_add_u64(o, "floor_in_s", (uint64_t)outlook.floor_in_s);
    else
        json_add_null(o, "floor_in_s");
    if (outlook.is_known)
        json_add_u64(o, "room_bytes", (uint64_t)outlook.room_bytes);
    else
        json_add_null(o, "room_bytes");
    if (outlook.is_known && outlook.has_rate)
        add_decimal(o, "shrinks_bytes_per_s", outlook.shrinks_bytes_per_s);
    else
        json_add_null(o, "shrinks_bytes_per_s");
}

static void add_disk(struct status_page *p)
{
    const struct admin_shared *shared = p->call->shared;
    struct json_value *o = json_add_object(p->root, "disk");
    struct statvfs fs = {0};
    struct stat file = {0}, wal = {0};
    uint64_t free_bytes;
    char path[4200], help[4300];
    if (statvfs(shared->journal_directory, &fs) != 0)
        problem(p, "look at the directory's disk", "the journal's directory cannot be read");
    snprintf(path, sizeof path, "%s-wal", shared->journal_path);
    /* Both stay 0 when they cannot be read; the committer notices what matters. */
    (void)stat(shared->journal_path, &file);
    (void)stat(path, &wal);
    free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    json_add_u64(o, "free_bytes", free_bytes);
    json_add_u64(o, "floor_bytes", shared->free_space_floor_bytes);
    json_add_u64(o, "journal_bytes", (uint64_t)file.st_size);
    json_add_u64(o, "wal_bytes", (uint64_t)wal.st_size);
    snprintf(help, sizeof help, "df -h %s", shared->journal_directory);
    if (free_bytes < shared->free_space_floor_bytes)
        problem(p, help, "free disk space is below the floor: make room");
    if (!committer_is_ready(shared->opts.committer))
        problem(p, help, "the journal does not commit: webhooks are answered 503, see the log");
    add_outlook(p, o);
}

static enum status add_intake(struct status_page *p, struct wall now, struct err *e)
{
    struct json_value *o = json_add_object(p->root, "intake");
    struct journal_recent recent;
    struct journal_figures figures;
    int64_t minute;
    enum status st = journal_list_recent(
        p->call->list, (struct wall){now.us - (int64_t)RATE_MS * 1000}, &recent, e);
    if (st != ST_OK)
        return st;
    journal_figures(p->call->shared->opts.journal, &figures);
    minute = recent.first_seq ? recent.last_seq - recent.first_seq + 1 : 0;
    json_add_u64(o, "last_seq", (uint64_t)figures.last_seq);
    json_add_u64(o, "last_minute", (uint64_t)minute);
    admin_json_time(o, "last_received", recent.last_received);
    if (figures.window_short)
        problem(p, "raise [journal] dedupe_ids_max and restart",
                "the dedupe window is shorter than dedupe_window asks");
    return ST_OK;
}

static enum status add_parked(struct status_page *p, struct err *e)
{
    struct json_value *o = json_add_object(p->root, "parked");
    int64_t parked = 0, quarantined = 0;
    enum status st = journal_list_parked_count(p->call->list, &parked, &quarantined, e);
    json_add_u64(o, "count", (uint64_t)parked);
    json_add_u64(o, "quarantined", (uint64_t)quarantined);
    if (parked)
        problem(p, "gladly-relay parked list", "%" PRId64 " parked, waiting for a person", parked);
    return st;
}

static void on_pause(void *arg, const struct journal_pause *pause)
{
    struct status_page *p = arg;
    struct json_value *o = json_add_object(p->pauses, NULL);
    char help[160];
    json_add_string(o, "scope", slice_of(pause->scope));
    admin_json_time(o, "since", pause->since);
    json_add_string(o, "who", slice_of(pause->who));
    json_add_string(o, "why", slice_of(pause->why));
    snprintf(help, sizeof help, "gladly-relay resume %s", pause->scope);
    problem(p, help, "%s is paused by %s: %s", pause->scope, pause->who, pause->why);
}

/* Ending a pause helps most; without one somebody has to look at the disk. */
static void floor_problem(struct status_page *p)
{
    const struct json_value *pause = json_first(p->pauses);
    struct slice scope = json_text(json_get(pause, "scope"));
    struct trend_rate growth;
    char help[4300];
    int64_t floor_in_s = p->outlook.floor_in_s;
    if (!p->outlook.is_known || floor_in_s <= 0 || floor_in_s > FLOOR_SOON_S ||
        !find_growth(p->call, &growth) || growth.per_second <= 0)
        return;
    if (pause)
        snprintf(help, sizeof help, "gladly-relay resume %.*s", (int)scope.len, scope.ptr);
    else
        snprintf(help, sizeof help, "df -h %s", p->call->shared->journal_directory);
    problem(p, help,
            "the backlog grows: free space is down to the floor in %d h %02d min at this rate",
            (int)(floor_in_s / 3600), (int)(floor_in_s / 60 % 60));
}

static void add_lanes(struct status_page *p)
{
    static const char *const states[] = {"open", "waits", "paused", "unknown"};
    struct json_value *o = json_add_object(p->root, "lanes");
    struct trend_rate growth;
    json_add_int(o, "count", (int)p->lanes.count);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        json_add_int(o, states[i], admin_lanes_count(&p->lanes, states[i]));
    json_add_u64(o, "backlog", (uint64_t)p->lanes.backlog);
    admin_json_time(o, "oldest", p->lanes.oldest);
    if (find_growth(p->call, &growth)) {
        struct json_value *rate = json_add_object(o, "growth");
        add_decimal(rate, "events_per_s", growth.per_second);
        json_add_int(rate, "over_s", (int)(growth.over_ms / 1000));
    } else {
        json_add_null(o, "growth");
    }
    admin_lanes_sort_worst(&p->lanes);
    admin_lanes_add(&p->lanes, ADMIN_STATUS_LANES_MAX, json_add_array(o, "worst"));
}

static enum status build(struct status_page *p, struct err *e)
{
    const struct admin_opts *opts = &p->call->shared->opts;
    struct wall now = clock_wall(opts->clock);
    enum status st = admin_lanes_read(&p->lanes, p->call, e);
    if (st != ST_OK)
        return st;
    note_backlog(p->call, &p->lanes);
    json_add_string(p->root, "journal", slice_of(journal_id(opts->journal)));
    json_add_bool(p->root, "ready", committer_is_ready(opts->committer));
    admin_json_time(p->root, "started", p->call->shared->started);
    admin_json_time(p->root, "now", now);
    p->problems = json_add_array(p->root, "problems");
    p->pauses = json_add_array(p->root, "pauses");
    add_disk(p);
    add_kafka(p);
    st = journal_read_pauses(p->call->reader, on_pause, p, e);
    floor_problem(p);
    if (st == ST_OK)
        st = add_intake(p, now, e);
    lane_problems(p);
    if (st == ST_OK)
        st = add_parked(p, e);
    add_lanes(p);
    return st;
}

void admin_status_answer(struct admin_call *call)
{
    struct status_page page = {.call = call, .root = json_object()};
    struct err e = {0};
    if (build(&page, &e) == ST_OK) {
        reply_json(call->req, 200, page.root);
    } else {
        log_error("admin.read_failed", LOG_S("reason", e.text));
        json_destroy(page.root);
        admin_json_failed(call->req, &e);
    }
    admin_lanes_free(&page.lanes);
}

void admin_status_lanes(struct admin_call *call)
{
    struct json_value *root;
    struct admin_lanes lanes;
    struct err e = {0};
    if (admin_lanes_read(&lanes, call, &e) == ST_OK) {
        root = json_object();
        admin_lanes_add(&lanes, lanes.count, json_add_array(root, "lanes"));
        reply_json(call->req, 200, root);
    } else {
        log_error("admin.read_failed", LOG_S("reason", e.text));
        admin_json_failed(call->req, &e);
    }
    admin_lanes_free(&lanes);
}
