/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "cli/client.h"
#include "cli/event_print.h"
#include "cli/table.h"

/* Topics that a dry run shows: as many as a journal has lanes. */
#define TOPICS_MAX 8192
#define AGE_MAX_MS (UINT64_C(3650) * 86400000)

static enum cli_exit usage(void)
{
    fputs("usage: gladly-relay replay start SELECTION --why TEXT [--topic TOPIC] [--rate N] "
          "[--json] -c FILE\n"
          "       gladly-relay replay start SELECTION --dry-run [--topic TOPIC] [--json] -c FILE\n"
          "       gladly-relay replay list [--limit N] [--json] -c FILE\n"
          "       gladly-relay replay show ID [--json] -c FILE\n"
          "       gladly-relay replay pause|resume ID [--why TEXT] [--json] -c FILE\n"
          "       gladly-relay replay cancel ID --why TEXT [--json] -c FILE\n"
          "SELECTION: all, or one or more of --since TIME --until TIME [--by received|event] "
          "--from-seq SEQ --to-seq SEQ\n"
          "           --source NAME --family FAMILY --type TYPE --key KEY --id ID; all of them "
          "must hold\n"
          "TIME: 2026-11-21T09:30:00Z, or an age: 90m, 2h, 3d\n"
          "--rate N: events a second, 1000 unless given, 0 for no limit\n",
          stderr);
    return CLI_USAGE;
}

/* ---- starting ---- */

/* A time as it is, or the moment so long ago. */
static bool add_time(struct json_value *o, const char *name, const char *text)
{
    char when[WALL_TEXT_MAX];
    uint64_t age_ms;
    struct wall t;
    struct err ignored; /* what is no age must be a time */
    if (!text)
        return true;
    if (!wall_parse(text, strlen(text), &t)) {
        if (num_parse_duration_ms(slice_of(text), 1, AGE_MAX_MS, &age_ms, &ignored) != ST_OK) {
            fprintf(stderr, "gladly-relay replay: --%s %s is no time\n", name, text);
            return false;
        }
        t.us = clock_wall(clock_system()).us - (int64_t)age_ms * 1000;
    }
    json_add_string(o, name, (struct slice){when, wall_format(t, when)});
    return true;
}

static void add_text(struct json_value *o, const char *name, const char *text)
{
    if (text)
        json_add_string(o, name, slice_of(text));
}

/* False: a time is none, already explained. */
static bool add_selection(struct json_value *body, const struct cli_args *args,
                          const struct cli_replay_args *more)
{
    struct json_value *o = json_add_object(body, "selection");
    add_text(o, "by", more->by);
    add_text(o, "from_seq", more->from_seq);
    add_text(o, "to_seq", more->to_seq);
    add_text(o, "source", args->source);
    add_text(o, "family", more->family);
    add_text(o, "type", args->type);
    add_text(o, "key", args->key);
    add_text(o, "id", more->id);
    return add_time(o, "since", args->since) && add_time(o, "until", args->until);
}

static bool has_selection(const struct cli_args *args, const struct cli_replay_args *more)
{
    return args->since || args->until || more->from_seq || more->to_seq || args->source ||
           more->family || args->type || args->key || more->id;
}

static enum cli_exit start(struct client *c, const struct cli_args *args,
                           const struct cli_replay_args *more)
{
    struct json_value *body = client_change(args->why);
    enum cli_exit code;
    if (!add_selection(body, args, more)) {
        json_destroy(body);
        return CLI_USAGE;
    }
    add_text(body, "topic", args->topic);
    add_text(body, "rate", more->rate);
    code = client_ask(c, "POST", "/v1/replays", body);
    if (code == CLI_OK && args->json)
        client_print_json(c);
    else if (code == CLI_OK)
        printf("replay %" PRId64 " is started; see how far it is: gladly-relay replay show %" PRId64
               " -c %s\n",
               table_number(client_root(c), "id"), table_number(client_root(c), "id"),
               args->config);
    return code;
}

/* ---- a dry run ---- */

struct topic_count {
    char *topic;
    int64_t events;
    int64_t bytes;
    struct wall oldest;
};

struct counts {
    struct topic_count *topics;
    size_t count;
};

static struct topic_count *find_topic(struct counts *counts, struct slice topic)
{
    struct topic_count *more;
    for (size_t i = 0; i < counts->count; i++)
        if (slice_eq(slice_of(counts->topics[i].topic), topic))
            return &counts->topics[i];
    if (counts->count == TOPICS_MAX)
        return NULL;
    more = realloc(counts->topics, (counts->count + 1) * sizeof *more);
    if (!more)
        return NULL;
    counts->topics = more;
    more[counts->count] = (struct topic_count){.topic = strndup(topic.ptr, topic.len)};
    return more[counts->count].topic ? &more[counts->count++] : NULL;
}

/* Adds what one answer counted. False: out of memory. */
static bool add_answer(struct counts *counts, const struct json_value *root)
{
    for (const struct json_value *t = json_first(json_get(root, "topics")); t; t = json_next(t)) {
        struct topic_count *topic = find_topic(counts, json_text(json_get(t, "topic")));
        struct wall oldest = table_time(t, "oldest");
        if (!topic)
            return false;
        topic->events += table_number(t, "events");
        topic->bytes += table_number(t, "bytes");
        if (!topic->oldest.us || oldest.us < topic->oldest.us)
            topic->oldest = oldest;
    }
    return true;
}

static struct json_value *counts_json(const struct counts *counts)
{
    struct json_value *root = json_object(), *array = json_add_array(root, "topics");
    int64_t events = 0, bytes = 0;
    for (size_t i = 0; i < counts->count; i++) {
        const struct topic_count *topic = &counts->topics[i];
        struct json_value *o = json_add_object(array, NULL);
        char oldest[WALL_TEXT_MAX];
        json_add_string(o, "topic", slice_of(topic->topic));
        json_add_u64(o, "events", (uint64_t)topic->events);
        json_add_u64(o, "bytes", (uint64_t)topic->bytes);
        json_add_string(o, "oldest", (struct slice){oldest, wall_format(topic->oldest, oldest)});
        events += topic->events;
        bytes += topic->bytes;
    }
    json_add_u64(root, "events", (uint64_t)events);
    json_add_u64(root, "bytes", (uint64_t)bytes);
    return root;
}

static enum cli_exit print_counts_json(const struct counts *counts)
{
    struct json_value *root = counts_json(counts);
    struct buf text;
    enum cli_exit code = CLI_FAILED;
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

static void print_counts(const struct counts *counts)
{
    int64_t events = 0;
    char size[TABLE_TEXT_MAX], oldest[WALL_TEXT_MAX];
    printf("%-40s %10s %10s %s\n", "TOPIC", "EVENTS", "BYTES", "OLDEST RECORD");
    for (size_t i = 0; i < counts->count; i++) {
        const struct topic_count *topic = &counts->topics[i];
        table_size((uint64_t)topic->bytes, size);
        table_cell(slice_of(topic->topic), 40);
        wall_format(topic->oldest, oldest);
        printf("%10" PRId64 " %10s %s\n", topic->events, size, oldest);
        events += topic->events;
    }
    printf("%" PRId64 " events would be published; nothing was changed\n", events);
    if (events)
        puts("Kafka deletes records older than a topic's retention.ms by their timestamp: compare "
             "it with the oldest record");
}

/* The first question fixes the end; each further one goes on where the last answer stopped. */
static enum cli_exit dry_run(struct client *c, const struct cli_args *args,
                             const struct cli_replay_args *more)
{
    struct counts counts = {0};
    int64_t after = -1, last = -1;
    bool is_complete = false;
    enum cli_exit code = CLI_OK;
    while (!is_complete && code == CLI_OK) {
        struct json_value *body = client_change(NULL);
        json_add_bool(body, "dry_run", true);
        add_text(body, "topic", args->topic);
        if (!add_selection(body, args, more)) {
            json_destroy(body);
            code = CLI_USAGE;
            break;
        }
        if (after >= 0) {
            json_add_u64(body, "after", (uint64_t)after);
            json_add_u64(body, "last", (uint64_t)last);
        }
        code = client_ask(c, "POST", "/v1/replays", body);
        if (code != CLI_OK)
            break;
        after = table_number(client_root(c), "next_after");
        last = table_number(client_root(c), "last");
        is_complete = json_kind(json_get(client_root(c), "complete")) == JSON_TRUE;
        if (!add_answer(&counts, client_root(c))) {
            fputs("gladly-relay: out of memory\n", stderr);
            code = CLI_FAILED;
        }
    }
    if (code == CLI_OK && args->json)
        code = print_counts_json(&counts);
    else if (code == CLI_OK)
        print_counts(&counts);
    for (size_t i = 0; i < counts.count; i++)
        free(counts.topics[i].topic);
    free(counts.topics);
    return code;
}

/* ---- looking and changing ---- */

static enum cli_exit list(struct client *c, const struct cli_args *args)
{
    char path[64];
    enum cli_exit code;
    snprintf(path, sizeof path, "/v1/replays?limit=%.20s", args->limit ? args->limit : "50");
    code = client_ask(c, "GET", path, NULL);
    if (code != CLI_OK)
        return code;
    if (args->json) {
        client_print_json(c);
        return CLI_OK;
    }
    printf("%6s %-9s %10s %8s %8s %10s %10s %-12s %s\n", "ID", "STATE", "PUBLISHED", "FAILED",
           "GONE", "POSITION", "LAST", "WHO", "REASON");
    for (const struct json_value *r = json_first(json_get(client_root(c), "replays")); r;
         r = json_next(r)) {
        table_member(r, "id", -6);
        table_member(r, "state", 9);
        table_member(r, "published", -10);
        table_member(r, "failed", -8);
        table_member(r, "gone", -8);
        table_member(r, "position", -10);
        table_member(r, "last", -10);
        table_member(r, "who", 12);
        table_member(r, "reason", 0);
    }
    return CLI_OK;
}

static enum cli_exit show(struct client *c, const struct cli_args *args)
{
    return event_print_one(c, args, "/v1/replays");
}

static enum cli_exit change(struct client *c, const struct cli_args *args)
{
    static const char *const said[][2] = {
        {"pause", "is paused; it goes on from there with replay resume"},
        {"resume", "goes on"},
        {"cancel", "is cancelled; what it had published stays published"}};
    char path[64];
    enum cli_exit code;
    snprintf(path, sizeof path, "/v1/replays/%.20s/%s", args->values[1], args->values[0]);
    code = client_ask(c, "POST", path, client_change(args->why));
    if (code != CLI_OK)
        return code;
    if (args->json)
        client_print_json(c);
    for (size_t i = 0; i < sizeof said / sizeof said[0] && !args->json; i++)
        if (strcmp(args->values[0], said[i][0]) == 0)
            printf("replay %s %s\n", args->values[1], said[i][1]);
    return CLI_OK;
}

static bool is_change(const char *what, const struct cli_args *args)
{
    return strcmp(what, "pause") == 0 || strcmp(what, "resume") == 0 ||
           (strcmp(what, "cancel") == 0 && args->why);
}

static bool is_start(const char *what, const struct cli_args *args,
                     const struct cli_replay_args *more)
{
    bool is_all = args->count == 2 && strcmp(args->values[1], "all") == 0;
    if (strcmp(what, "start") != 0 || args->limit || (args->count != 1 && !is_all))
        return false;
    /* No selection must not mean everything: an option that was forgotten would do much. */
    if (is_all == has_selection(args, more))
        return false;
    if (more->by && !args->since && !args->until)
        return false;
    return more->dry_run ? !more->rate && !args->why : args->why != NULL;
}

enum cli_exit cli_replay(const struct cli_args *args, const struct cli_replay_args *more)
{
    const char *what = args->count ? args->values[0] : "";
    bool has_id = args->count == 2 && cli_is_seq(args->values[1]);
    bool starts = is_start(what, args, more);
    bool is_plain =
        !has_selection(args, more) && !args->topic && !more->rate && !more->by && !more->dry_run;
    enum cli_exit (*run)(struct client *, const struct cli_args *) = NULL;
    struct client *c = NULL;
    enum cli_exit code;
    if (!starts && is_plain && strcmp(what, "list") == 0 && args->count == 1 && !args->why &&
        (!args->limit || cli_is_seq(args->limit)))
        run = list;
    else if (!starts && is_plain && has_id && !args->limit && !args->why &&
             strcmp(what, "show") == 0)
        run = show;
    else if (!starts && is_plain && has_id && !args->limit && is_change(what, args))
        run = change;
    if (!starts && !run)
        return usage();
    code = client_open(&c, args);
    if (code == CLI_OK && run)
        code = run(c, args);
    else if (code == CLI_OK)
        code = more->dry_run ? dry_run(c, args, more) : start(c, args, more);
    client_close(c);
    return code;
}
