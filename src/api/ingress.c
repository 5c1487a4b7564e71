/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ingress.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/delivery.h"
#include "api/intake_counts.h"
#include "api/reply.h"
#include "api/source_routes.h"
#include "api/throttle.h"
#include "base/log.h"

struct source {
    const char *name; /* conf's strings outlive the ingress: they are copied below */
    const char *org;
    const char *path;
    int64_t number; /* in the journal */
    struct auth *auth;
    struct routes *routes;
    struct routes *dead_letters; /* NULL: none */
    struct metric *oversize;
    struct metric *conflicts;
    bool wants_kafka;           /* ack = kafka */
    struct metric *ack_seconds; /* these two with wants_kafka */
    struct metric *fallbacks[ACK_OUTCOME_COUNT];
};

struct ingress {
    struct ingress_opts opts;
    struct source sources[CONF_SOURCES_MAX];
    size_t source_count;
    struct throttle *throttle;
    struct conf_addresses proxies;
    _Atomic bool draining;
    struct intake_counts *counts;
    struct metric_family *unauthorized;
    struct metric_family *dead_letters;
    struct metric *refusals[HTTP_REFUSAL_COUNT];
    struct metric *not_found;
    struct metric *wrong_method;
    struct metric *throttled;
    struct metric *answer_seconds;
    struct metric *body_bytes;
};

/* One delivery under way; lives in the request's own memory. */
struct intake {
    struct intake_item item;
    struct ingress *in;
    const struct source *source;
    struct http_req *req;
    struct delivery delivery;
};

/* ---- after the commit ---- */

static const char *outcome_word(const struct intake *i)
{
    if (i->item.result.duplicate)
        return "duplicate";
    if (i->delivery.ev.flags & EVENT_QUARANTINED)
        return "quarantined";
    return i->delivery.ev.flags & EVENT_PING ? "ping" : "stored";
}

static void count(const struct intake *i, const char *word)
{
    intake_counts_add(i->in->counts, i->source->name, i->delivery.ev.type, word);
}

/* Of a delivery that was to be confirmed by Kafka: whether it was, and how long that took. */
static void count_ack(const struct intake *i)
{
    const struct intake_item *item = &i->item;
    if (item->ack_waited)
        metric_observe_ns(i->source->ack_seconds,
                          mono_diff_ns(clock_mono(i->in->opts.clock), item->waiter.since));
    if (item->ack > ACK_KAFKA)
        metric_add(i->source->fallbacks[item->ack], 1);
}

static void note_trouble(const struct intake *i)
{
    const struct event *ev = &i->delivery.ev;
    if (i->item.result.duplicate)
        return;
    if (ev->flags & (EVENT_QUARANTINED | EVENT_OVERSIZE))
        log_warn("intake.parked", LOG_S("source", i->source->name),
                 LOG_I("seq", i->item.result.seq), LOG_I("bytes", ev->body.len),
                 LOG_SLICE("reason", ev->reason));
    if (ev->flags & EVENT_OVERSIZE)
        metric_add(i->source->oversize, 1);
    if (!i->item.result.conflict)
        return;
    metric_add(i->source->conflicts, 1);
    log_warn("intake.conflicting_id", LOG_S("source", i->source->name),
             LOG_I("seq", i->item.result.seq), LOG_SLICE("id", ev->id));
}

static void answer(struct intake *i, int status, const char *body, size_t len)
{
    struct http_reply reply = {
        .status = status, .content_type = "application/json", .body = {body, len}};
    struct http_req *req = i->req;
    if (status == 503)
        reply.headers[0] = (struct http_header){"Retry-After", REPLY_RETRY_AFTER};
    metric_observe_ns(i->in->answer_seconds,
                      mono_diff_ns(clock_mono(i->in->opts.clock), http_req_started(req)));
    delivery_fini(&i->delivery);
    http_req_answer(req, &reply);
}

/* What the 200 stands on, for those who asked for more than the journal. */
static const char *acknowledged(const struct intake *i)
{
    if (!i->source->wants_kafka)
        return "";
    return i->item.ack == ACK_KAFKA ? ",\"acknowledged\":\"kafka\""
                                    : ",\"acknowledged\":\"journal\"";
}

static void done(struct intake_item *item, enum status outcome)
{
    static const char unavailable[] = "{\"error\":\"unavailable\"}\n";
    struct intake *i = (struct intake *)item;
    char body[96];
    int n;
    if (outcome != ST_OK) {
        count(i, "unavailable");
        answer(i, 503, unavailable, sizeof unavailable - 1);
        return;
    }
    count(i, outcome_word(i));
    if (i->source->wants_kafka)
        count_ack(i);
    note_trouble(i);
    n = snprintf(body, sizeof body, "{\"status\":\"%s\",\"seq\":\"%" PRId64 "\"%s}\n",
                 outcome_word(i), i->item.result.seq, acknowledged(i));
    answer(i, 200, body, (size_t)n);
}

/* ---- the request ---- */

static const struct source *find_source(const struct ingress *in, struct slice path)
{
    for (size_t i = 0; i < in->source_count; i++)
        if (slice_eq(slice_of(in->sources[i].path), path))
            return &in->sources[i];
    return NULL;
}

static void refuse_method(const struct ingress *in, struct http_req *req, const char *allow)
{
    metric_add(in->wrong_method, 1);
    reply_error(req, 405, "method_not_allowed", allow);
}

/* GET endpoints of the listener itself. True when it was one. */
static bool answer_health(const struct ingress *in, struct http_req *req)
{
    bool ready = slice_eq(http_req_path(req), slice_of("/readyz"));
    if (!ready && !slice_eq(http_req_path(req), slice_of("/healthz")))
        return false;
    if (strcmp(http_req_method(req), "GET") != 0 && strcmp(http_req_method(req), "HEAD") != 0)
        refuse_method(in, req, "GET, HEAD");
    else if (ready && (in->draining || !committer_is_ready(in->opts.committer)))
        reply_error(req, 503, in->draining ? "draining" : "journal_cannot_commit", NULL);
    else
        reply_text(req, 200, "ok\n");
    return true;
}

/* Who sent it: the peer, or what a trusted proxy says of the peer before it. Only for counting
 * failures. */
static void client_address(const struct ingress *in, const struct http_req *req,
                           char out[CONF_ADDRESS_MAX])
{
    struct slice forwarded = http_req_header(req, "X-Forwarded-For");
    const char *peer = http_req_peer(req);
    bool trusted = false;
    for (size_t i = 0; i < in->proxies.count; i++)
        trusted |= strcmp(in->proxies.items[i], peer) == 0;
    snprintf(out, CONF_ADDRESS_MAX, "%s", peer);
    if (!trusted || !forwarded.len)
        return;
    /* The proxy appends: only the last entry is its own word. */
    const char *comma = memrchr(forwarded.ptr, ',', forwarded.len);
    if (comma)
        forwarded = (struct slice){comma + 1, forwarded.len - (size_t)(comma + 1 - forwarded.ptr)};
    forwarded = slice_trim(forwarded);
    if (forwarded.len && forwarded.len < CONF_ADDRESS_MAX)
        snprintf(out, CONF_ADDRESS_MAX, "%.*s", (int)forwarded.len, forwarded.ptr);
}

static void refuse_credentials(struct ingress *in, const struct source *source,
                               struct http_req *req)
{
    char address[CONF_ADDRESS_MAX];
    client_address(in, req, address);
    bool too_many = throttle_failure(in->throttle, address, clock_mono(in->opts.clock));
    metric_add(metric_child(in->unauthorized, slice_of(source->name), slice_of(""), slice_of("")),
               1);
    if (too_many) {
        metric_add(in->throttled, 1);
        reply_error(req, 429, "too_many_failures", NULL);
        return;
    }
    reply_error(req, 401, "unauthorized", NULL);
}

static bool on_head(void *ctx, struct http_req *req)
{
    struct ingress *in = ctx;
    const struct source *source;
    if (answer_health(in, req))
        return false;
    source = find_source(in, http_req_path(req));
    if (!source) {
        metric_add(in->not_found, 1);
        reply_error(req, 404, "not_found", NULL);
        return false;
    }
    if (strcmp(http_req_method(req), "POST") != 0) {
        refuse_method(in, req, "POST");
        return false;
    }
    if (!auth_check(source->auth, req)) {
        refuse_credentials(in, source, req);
        return false;
    }
    ((struct intake *)http_req_user(req))->source = source;
    return true;
}

static void on_request(void *ctx, struct http_req *req)
{
    struct ingress *in = ctx;
    struct intake *i = http_req_user(req);
    const struct source *source = i->source; /* on_head has set it */
    const struct delivery_opts opts = {.routes = source->routes, .record_max = in->opts.record_max};
    i->in = in;
    i->req = req;
    i->item = (struct intake_item){.ev = &i->delivery.ev, .source = source->number, .done = done};
    if (source->wants_kafka) {
        i->item.acks = in->opts.acks;
        i->item.ack_by = mono_add_ms(clock_mono(in->opts.clock), in->opts.ack_timeout_ms);
    }
    delivery_init(&i->delivery);
    if (delivery_read(&i->delivery, req, &opts) != ST_OK) {
        delivery_fini(&i->delivery);
        reply_error(req, 503, "out_of_memory", NULL);
        return;
    }
    metric_add(in->body_bytes, (int64_t)i->delivery.ev.body.len);
    /* From here on the answer comes from done(), even when the committer does not take the job. */
    http_req_suspend(req);
    if (intake_submit(in->opts.committer, in->opts.journal, slice_of(source->org), &i->item) !=
        ST_OK)
        done(&i->item, ST_FULL);
}

static void on_refused(void *ctx, enum http_refusal why, const char *peer)
{
    struct ingress *in = ctx;
    metric_add(in->refusals[why], 1);
    /* A sender whose deliveries are over the limit loses them: that one is for a person (promise
     * P5). */
    if (why == HTTP_REFUSED_BODY_SIZE)
        log_error("intake.body_over_limit", LOG_S("peer", peer));
}

/* ---- life ---- */

static struct metric *refusal(struct metric_family *refused, const char *reason)
{
    return metric_child(refused, slice_of(reason), slice_of(""), slice_of(""));
}

static void create_metrics(struct ingress *in, struct metrics *m)
{
    struct metric_family *refused;
    in->unauthorized = metric_family(m, METRIC_COUNTER, "relay_intake_unauthorized_total", "source",
                                     "Deliveries refused for their credentials");
    refused = metric_family(m, METRIC_COUNTER, "relay_http_refused_total", "reason",
                            "Requests and connections that were refused, cut off or given up");
    for (int i = 0; i < HTTP_REFUSAL_COUNT; i++)
        in->refusals[i] = refusal(refused, http_refusal_name((enum http_refusal)i));
    in->not_found = refusal(refused, "not_found");
    in->wrong_method = refusal(refused, "method");
    in->throttled = refusal(refused, "throttled");
    in->answer_seconds = metric_single(
        metric_family(m, METRIC_HISTOGRAM, "relay_answer_seconds", "",
                      "Time from a delivery's head until its answer is handed to the server"));
    in->body_bytes = metric_single(metric_family(m, METRIC_COUNTER, "relay_intake_bytes_total", "",
                                                 "Bytes of bodies of authenticated deliveries"));
}

/* So that all series of a source are there from the start. */
static void create_source_metrics(struct ingress *in, struct metrics *m)
{
    struct metric_family *oversize = metric_family(
        m, METRIC_COUNTER, "relay_intake_oversize_total", "source",
        "Events stored and parked because they are larger than a Kafka record may be");
    struct metric_family *conflicts =
        metric_family(m, METRIC_COUNTER, "relay_intake_conflicting_ids_total", "source",
                      "Events stored whose id came before with other bytes");
    struct metric_family *seconds = metric_family(
        m, METRIC_HISTOGRAM, "relay_ack_wait_seconds", "source",
        "Time that an answer waited for Kafka after its commit (sources with ack = kafka)");
    struct metric_family *fallbacks = metric_family(
        m, METRIC_COUNTER, "relay_ack_fallback_total", "source,reason",
        "Answers of sources with ack = kafka that left on the journal's commit alone: timeout, "
        "away (Kafka confirms nothing), full (too many wait), stopping");
    for (size_t i = 0; i < in->source_count; i++) {
        struct source *s = &in->sources[i];
        s->oversize = metric_child(oversize, slice_of(s->name), slice_of(""), slice_of(""));
        s->conflicts = metric_child(conflicts, slice_of(s->name), slice_of(""), slice_of(""));
        if (!s->wants_kafka)
            continue;
        s->ack_seconds = metric_child(seconds, slice_of(s->name), slice_of(""), slice_of(""));
        for (int k = ACK_KAFKA + 1; k < ACK_OUTCOME_COUNT; k++)
            s->fallbacks[k] =
                metric_child(fallbacks, slice_of(s->name),
                             slice_of(ack_outcome_name((enum ack_outcome)k)), slice_of(""));
    }
}

/* Where copies of what is parked go. They are counted by the journal, which makes them. */
static void set_dead_letters(struct ingress *in, const struct source *s)
{
    const struct journal_dead_letters to = {
        .routes = s->dead_letters,
        .body_max = in->opts.record_max,
        .count = metric_child(in->dead_letters, slice_of(s->name), slice_of(""), slice_of(""))};
    if (s->dead_letters)
        intake_dead_letters(in->opts.journal, s->number, &to);
}

static enum status add_source(struct ingress *in, const struct conf_source *conf, struct err *e)
{
    struct source *s = &in->sources[in->source_count++];
    enum status st;
    s->name = strdup(conf->name);
    s->org = strdup(conf->org[0] ? conf->org : conf->name);
    s->path = strdup(conf->path);
    s->auth = auth_create(conf);
    s->wants_kafka = in->opts.acks && strcmp(conf->ack, "kafka") == 0;
    if (!s->name || !s->org || !s->path || !s->auth)
        return err_set(e, ST_NO_MEM, "source %s: out of memory", conf->name);
    st = source_routes_create(&s->routes, conf, e);
    if (st == ST_OK)
        st = source_routes_dead_letters(&s->dead_letters, conf, s->routes, e);
    if (st == ST_OK)
        st = intake_source(in->opts.journal, s->org, s->name, &s->number, e);
    if (st == ST_OK)
        set_dead_letters(in, s);
    else
        err_context(e, "source %s", conf->name);
    return st;
}

enum status ingress_create(struct ingress **out, const struct ingress_opts *opts, struct err *e)
{
    enum status st = ST_OK;
    struct ingress *in = calloc(1, sizeof *in);
    if (!in)
        return err_set(e, ST_NO_MEM, "ingress: out of memory");
    in->opts = *opts;
    in->proxies = opts->conf->http.trusted_proxies;
    in->throttle = throttle_create(opts->conf->http.auth_failures_max);
    in->counts = intake_counts_create(metric_family(
        opts->metrics, METRIC_COUNTER, "relay_intake_total", "source,type,status",
        "Deliveries answered, by source, event type and status: stored, duplicate, quarantined, "
        "ping, unavailable"));
    in->dead_letters =
        metric_family(opts->metrics, METRIC_COUNTER, "relay_dead_letters_total", "source",
                      "Copies of parked events for the source's dead_letter_topic, in the journal");
    if (!in->throttle || !in->counts)
        st = err_set(e, ST_NO_MEM, "ingress: out of memory");
    for (size_t i = 0; i < opts->conf->source_count && st == ST_OK; i++)
        st = add_source(in, &opts->conf->sources[i], e);
    if (st != ST_OK) {
        ingress_destroy(in);
        return st;
    }
    create_metrics(in, opts->metrics);
    create_source_metrics(in, opts->metrics);
    *out = in;
    return ST_OK;
}

void ingress_destroy(struct ingress *in)
{
    if (!in)
        return;
    for (size_t i = 0; i < in->source_count; i++) {
        struct source *s = &in->sources[i];
        auth_destroy(s->auth);
        routes_destroy(s->routes);
        routes_destroy(s->dead_letters);
        free((char *)s->name);
        free((char *)s->org);
        free((char *)s->path);
    }
    throttle_destroy(in->throttle);
    intake_counts_destroy(in->counts);
    free(in);
}

struct http_handler ingress_handler(struct ingress *in)
{
    return (struct http_handler){
        .ctx = in, .on_head = on_head, .on_request = on_request, .on_refused = on_refused};
}

size_t ingress_user_bytes(void)
{
    return sizeof(struct intake);
}

void ingress_reload(struct ingress *in, const struct conf *conf)
{
    throttle_set_max(in->throttle, conf->http.auth_failures_max);
    for (size_t i = 0; i < in->source_count; i++)
        for (size_t k = 0; k < conf->source_count; k++)
            if (strcmp(in->sources[i].name, conf->sources[k].name) == 0)
                auth_reload(in->sources[i].auth, &conf->sources[k]);
}

void ingress_set_draining(struct ingress *in)
{
    in->draining = true;
}
