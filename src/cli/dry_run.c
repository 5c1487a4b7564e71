/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dry_run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/feed_part.h"
#include "cli/table.h"

/* Topics that are shown: as many as a journal has lanes. */
#define TOPICS_MAX 8192

/* For one question about one topic; when it is not answered nothing more is asked. */
#define KAFKA_ANSWER_MS 10000

struct topic {
    char *name;
    int64_t events;
    int64_t bytes;
    struct wall oldest;
    struct kafka_keeping keeping;
    bool is_known; /* keeping is */
    bool is_counted;
    int64_t older;    /* than its retention.ms; when is_known */
    char unknown[96]; /* why keeping is not known */
};

struct run {
    struct client *client;
    struct json_value *(*body)(const void *arg);
    const void *arg;
    struct wall now;
    int64_t last; /* the end that the first answer fixed; -1: not yet */
    struct topic *topics;
    size_t count;
    char not_asked[256]; /* why Kafka was not asked; "": it was */
};

static struct topic *find_topic(struct run *run, struct slice name)
{
    struct topic *more;
    for (size_t i = 0; i < run->count; i++)
        if (slice_eq(slice_of(run->topics[i].name), name))
            return &run->topics[i];
    if (run->count == TOPICS_MAX)
        return NULL;
    more = realloc(run->topics, (run->count + 1) * sizeof *more);
    if (!more)
        return NULL;
    run->topics = more;
    more[run->count] = (struct topic){.name = strndup(name.ptr, name.len)};
    return more[run->count].name ? &more[run->count++] : NULL;
}

/* ---- counting ---- */

/* Adds what one answer counted. False: out of memory. */
static bool add_counts(struct run *run, const struct json_value *root, int64_t retention_ms)
{
    for (const struct json_value *t = json_first(json_get(root, "topics")); t; t = json_next(t)) {
        struct topic *topic = find_topic(run, json_text(json_get(t, "topic")));
        struct wall oldest = table_time(t, "oldest");
        if (!topic)
            return false;
        if (retention_ms >= 0) {
            if (topic->is_known && topic->keeping.retention_ms == retention_ms)
                topic->older += table_number(t, "older");
            continue;
        }
        topic->events += table_number(t, "events");
        topic->bytes += table_number(t, "bytes");
        if (!topic->oldest.us || oldest.us < topic->oldest.us)
            topic->oldest = oldest;
    }
    return true;
}

static struct wall horizon(const struct run *run, int64_t retention_ms)
{
    int64_t now_ms = run->now.us / 1000;
    return (struct wall){retention_ms < now_ms ? (now_ms - retention_ms) * 1000 : 0};
}

/*
 * One pass over the selection. The first question of all fixes the end; each further one goes on
 * where the last answer stopped. With a retention of 0 or more it counts what is older than that.
 */
static enum cli_exit count(struct run *run, int64_t retention_ms)
{
    int64_t after = -1;
    bool is_complete = false;
    while (!is_complete) {
        struct json_value *body = run->body(run->arg);
        char when[WALL_TEXT_MAX];
        enum cli_exit code;
        if (after >= 0)
            json_add_u64(body, "after", (uint64_t)after);
        if (run->last >= 0)
            json_add_u64(body, "last", (uint64_t)run->last);
        if (retention_ms >= 0)
            json_add_string(body, "older_than",
                            (struct slice){when, wall_format(horizon(run, retention_ms), when)});
        code = client_ask(run->client, "POST", "/v1/replays", body);
        if (code != CLI_OK)
            return code;
        after = table_number(client_root(run->client), "next_after");
        run->last = table_number(client_root(run->client), "last");
        is_complete = json_kind(json_get(client_root(run->client), "complete")) == JSON_TRUE;
        if (!add_counts(run, client_root(run->client), retention_ms)) {
            fputs("gladly-relay: out of memory\n", stderr);
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

static bool has_older(const struct run *run, const struct topic *t)
{
    return t->is_known && t->keeping.deletes && !t->keeping.is_append_time &&
           t->keeping.retention_ms >= 0 && t->oldest.us < horizon(run, t->keeping.retention_ms).us;
}

/* A pass for each retention that some record is older than. */
static enum cli_exit count_older(struct run *run)
{
    enum cli_exit code = CLI_OK;
    for (size_t i = 0; i < run->count && code == CLI_OK; i++) {
        int64_t retention_ms = run->topics[i].keeping.retention_ms;
        if (run->topics[i].is_counted || !has_older(run, &run->topics[i]))
            continue;
        for (size_t k = i; k < run->count; k++)
            if (has_older(run, &run->topics[k]) &&
                run->topics[k].keeping.retention_ms == retention_ms)
                run->topics[k].is_counted = true;
        code = count(run, retention_ms);
    }
    return code;
}

/* ---- what Kafka keeps ---- */

/* Quietly: the command does without. */
static struct conf *load_conf(const char *path)
{
    const struct conf_load_opts opts = {.kafka_check = kafka_property_check};
    struct conf_errors *errors = conf_errors_create();
    struct conf *conf = NULL;
    if (errors && conf_load(path, &opts, &conf, errors) != ST_OK)
        conf = NULL;
    conf_errors_destroy(errors);
    return conf;
}

static void ask_topics(struct run *run, struct kafka_reader *feed)
{
    for (size_t i = 0; i < run->count; i++) {
        struct topic *t = &run->topics[i];
        struct err e = {0};
        enum status st = kafka_reader_keeping(feed, t->name, &t->keeping, &e);
        t->is_known = st == ST_OK;
        if (st == ST_AGAIN) {
            snprintf(run->not_asked, sizeof run->not_asked, "Kafka does not answer: %.200s",
                     e.text);
            return;
        }
        if (st == ST_NOT_FOUND)
            snprintf(t->unknown, sizeof t->unknown, "the topic is not there yet");
        else if (st != ST_OK)
            snprintf(t->unknown, sizeof t->unknown, "%.90s", e.text);
    }
}

static void ask_kafka(struct run *run, const struct cli_args *args)
{
    struct conf *conf = load_conf(args->config);
    struct kafka_reader *feed = NULL;
    struct err e = {0};
    if (!conf)
        snprintf(run->not_asked, sizeof run->not_asked,
                 "the file cannot be read whole from here: gladly-relay check says why");
    else if (feed_part_open(&feed, &conf->kafka, KAFKA_ANSWER_MS, &e) != ST_OK)
        snprintf(run->not_asked, sizeof run->not_asked, "%.250s", e.text);
    else
        ask_topics(run, feed);
    kafka_reader_destroy(feed);
    conf_destroy(conf);
}

/* ---- warnings ---- */

#define WARNING_MAX 400
typedef void warning_fn(void *arg, const struct topic *t, const char *text);

PRINTF_LIKE(4, 5)
static void warn(warning_fn *fn, void *arg, const struct topic *t, const char *fmt, ...)
{
    char text[WARNING_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fn(arg, t, text);
}

static void warn_of(const struct run *run, const struct topic *t, warning_fn *fn, void *arg)
{
    char text[TABLE_TEXT_MAX];
    if (!t->is_known) {
        warn(fn, arg, t, "how long it keeps records is not known: %s",
             t->unknown[0] ? t->unknown : run->not_asked);
        return;
    }
    table_age(t->keeping.retention_ms / 1000, text);
    if (t->older)
        warn(fn, arg, t,
             "%" PRId64 " of %" PRId64 " events are older than its retention.ms (%s): Kafka may "
             "delete them at once",
             t->older, t->events, text);
    if (t->keeping.compacts)
        warn(fn, arg, t,
             "it is compacted (cleanup.policy): of each key only the newest record stays, and one "
             "without a key is refused");
    if (t->keeping.deletes && t->keeping.retention_bytes >= 0) {
        table_size((uint64_t)t->keeping.retention_bytes, text);
        warn(fn, arg, t,
             "its retention.bytes is %s a partition: Kafka deletes the oldest beyond that", text);
    }
}

/* ---- printing ---- */

static void add_warning(void *arg, const struct topic *t, const char *text)
{
    (void)t;
    json_add_string(json_add_object(arg, NULL), "warning", slice_of(text));
}

static void add_topic(const struct run *run, const struct topic *t, struct json_value *o)
{
    char oldest[WALL_TEXT_MAX];
    json_add_string(o, "topic", slice_of(t->name));
    json_add_u64(o, "events", (uint64_t)t->events);
    json_add_u64(o, "bytes", (uint64_t)t->bytes);
    json_add_string(o, "oldest", (struct slice){oldest, wall_format(t->oldest, oldest)});
    if (t->is_known)
        json_add_u64(o, "older_than_retention", (uint64_t)t->older);
    else
        json_add_null(o, "older_than_retention");
    if (t->is_known && t->keeping.deletes && t->keeping.retention_ms >= 0)
        json_add_u64(o, "retention_ms", (uint64_t)t->keeping.retention_ms);
    else
        json_add_null(o, "retention_ms");
    warn_of(run, t, add_warning, json_add_array(o, "warnings"));
}

static enum cli_exit print_json(const struct run *run)
{
    struct json_value *root = json_object(), *array = json_add_array(root, "topics");
    int64_t events = 0, bytes = 0;
    struct buf text;
    enum cli_exit code = CLI_FAILED;
    for (size_t i = 0; i < run->count; i++) {
        add_topic(run, &run->topics[i], json_add_object(array, NULL));
        events += run->topics[i].events;
        bytes += run->topics[i].bytes;
    }
    json_add_u64(root, "events", (uint64_t)events);
    json_add_u64(root, "bytes", (uint64_t)bytes);
    buf_init(&text, 16u << 20);
    if (json_print(root, &text) == ST_OK) {
        printf("%.*s\n", (int)text.len, text.ptr);
        code = CLI_OK;
    } else {
        fputs("gladly-relay: out of memory\n", stderr);
    }
    buf_fini(&text);
    json_destroy(root);
    return code;
}

static void print_warning(void *arg, const struct topic *t, const char *text)
{
    (void)arg;
    printf("warning: %s: %s\n", t->name, text);
}

static void print_table(const struct run *run)
{
    int64_t events = 0;
    char size[TABLE_TEXT_MAX], oldest[WALL_TEXT_MAX];
    printf("%-40s %10s %10s %s\n", "TOPIC", "EVENTS", "BYTES", "OLDEST RECORD");
    for (size_t i = 0; i < run->count; i++) {
        const struct topic *t = &run->topics[i];
        table_size((uint64_t)t->bytes, size);
        table_cell(slice_of(t->name), 40);
        printf("%10" PRId64 " %10s %.*s\n", t->events, size, (int)wall_format(t->oldest, oldest),
               oldest);
        events += t->events;
    }
    printf("%" PRId64 " events would be published; nothing was changed\n", events);
    for (size_t i = 0; i < run->count && !run->not_asked[0]; i++)
        warn_of(run, &run->topics[i], print_warning, NULL);
    if (events && run->not_asked[0])
        printf("Kafka deletes records older than a topic's retention.ms by their timestamp: "
               "compare it with the oldest record (%s)\n",
               run->not_asked);
}

enum cli_exit dry_run_print(struct client *c, const struct cli_args *args,
                            struct json_value *(*body)(const void *arg), const void *arg)
{
    struct run run = {
        .client = c, .body = body, .arg = arg, .now = clock_wall(clock_system()), .last = -1};
    enum cli_exit code = count(&run, -1);
    if (code == CLI_OK && run.count)
        ask_kafka(&run, args);
    if (code == CLI_OK)
        code = count_older(&run);
    if (code == CLI_OK && args->json)
        code = print_json(&run);
    else if (code == CLI_OK)
        print_table(&run);
    for (size_t i = 0; i < run.count; i++)
        free(run.topics[i].name);
    free(run.topics);
    return code;
}
