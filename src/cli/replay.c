/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "cli/client.h"
#include "cli/dry_run.h"
#include "cli/event_print.h"
#include "cli/table.h"

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

/* What is to be replayed, with times that do not move while it is asked for. */
struct order {
    const struct cli_args *args;
    const struct cli_replay_args *more;
    char since[WALL_TEXT_MAX + 1], until[WALL_TEXT_MAX + 1]; /* "": none */
};

/* A time as it is, or the moment so long ago. False: it is none, already explained. */
static bool fix_time(char out[WALL_TEXT_MAX + 1], const char *name, const char *text)
{
    uint64_t age_ms;
    struct wall t;
    struct err ignored; /* what is no age must be a time */
    out[0] = 0;
    if (!text)
        return true;
    if (!wall_parse(text, strlen(text), &t)) {
        if (num_parse_duration_ms(slice_of(text), 1, AGE_MAX_MS, &age_ms, &ignored) != ST_OK) {
            fprintf(stderr, "gladly-relay replay: --%s %s is no time\n", name, text);
            return false;
        }
        t.us = clock_wall(clock_system()).us - (int64_t)age_ms * 1000;
    }
    out[wall_format(t, out)] = 0;
    return true;
}

static void add_text(struct json_value *o, const char *name, const char *text)
{
    if (text)
        json_add_string(o, name, slice_of(text));
}

static void add_selection(struct json_value *body, const struct order *order)
{
    const struct cli_replay_args *more = order->more;
    struct json_value *o = json_add_object(body, "selection");
    add_text(o, "by", more->by);
    add_text(o, "from_seq", more->from_seq);
    add_text(o, "to_seq", more->to_seq);
    add_text(o, "source", order->args->source);
    add_text(o, "family", more->family);
    add_text(o, "type", order->args->type);
    add_text(o, "key", order->args->key);
    add_text(o, "id", more->id);
    add_text(o, "since", order->since[0] ? order->since : NULL);
    add_text(o, "until", order->until[0] ? order->until : NULL);
}

static bool has_selection(const struct cli_args *args, const struct cli_replay_args *more)
{
    return args->since || args->until || more->from_seq || more->to_seq || args->source ||
           more->family || args->type || args->key || more->id;
}

static enum cli_exit start(struct client *c, const struct order *order)
{
    const struct cli_args *args = order->args;
    struct json_value *body = client_change(args->why);
    enum cli_exit code;
    add_selection(body, order);
    add_text(body, "topic", args->topic);
    add_text(body, "rate", order->more->rate);
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

static struct json_value *make_dry_body(const void *arg)
{
    const struct order *order = arg;
    struct json_value *body = client_change(NULL);
    json_add_bool(body, "dry_run", true);
    add_text(body, "topic", order->args->topic);
    add_selection(body, order);
    return body;
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
    struct order order = {.args = args, .more = more};
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
    if (starts && (!fix_time(order.since, "since", args->since) ||
                   !fix_time(order.until, "until", args->until)))
        return CLI_USAGE;
    code = client_open(&c, args);
    if (code == CLI_OK && run)
        code = run(c, args);
    else if (code == CLI_OK)
        code = more->dry_run ? dry_run_print(c, args, make_dry_body, &order) : start(c, &order);
    client_close(c);
    return code;
}
