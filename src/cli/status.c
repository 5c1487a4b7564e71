/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/client.h"
#include "cli/table.h"

/*
 * One screen of 80 times 24 characters: HEAD_LINES above the lanes; lanes and problems each with a
 * blank line and a heading, and with a line for what had no room. Problems are told whole, in as
 * many lines as they need: lanes make room for them, and the first is always there.
 */
#define SCREEN_LINES    24
#define HEAD_LINES      6
#define LANES_SHOWN     5
#define LANES_SHOWN_MIN 2
#define LABEL           8
#define WHAT_INDENT     2
#define WHAT_WIDTH      78
#define HELP_INDENT     7
#define HELP_WIDTH      73

static void label(const char *name)
{
    table_cell(slice_of(name), LABEL);
}

/* How long before now, as text; "-" without a time. */
static void age_of(const struct json_value *object, const char *name, struct wall now,
                   char out[TABLE_TEXT_MAX])
{
    struct wall t = table_time(object, name);
    int64_t seconds = (now.us - t.us) / 1000000;
    table_age(t.us ? (seconds > 0 ? seconds : 0) : -1, out);
}

static bool is_true(const struct json_value *object, const char *name)
{
    return json_kind(json_get(object, name)) == JSON_TRUE;
}

static void print_intake(const struct json_value *root, struct wall now)
{
    const struct json_value *o = json_get(root, "intake");
    int64_t minute = table_number(o, "last_minute");
    char age[TABLE_TEXT_MAX], line[160];
    label("intake");
    age_of(o, "last_received", now, age);
    snprintf(line, sizeof line,
             "%" PRId64 " events; last minute %" PRId64 " (%.1f/s), newest %s ago",
             table_number(o, "last_seq"), minute, (double)minute / 60, age);
    table_cell(slice_of(line), 0);
}

static void print_kafka(const struct json_value *root)
{
    const struct json_value *o = json_get(root, "kafka");
    static const char *const stopped[][2] = {
        {"wrong_cluster", "PUBLISHING IS STOPPED, wrong cluster: "},
        {"fenced", "PUBLISHING IS STOPPED, fenced: "},
        {"journal_behind", "PUBLISHING IS STOPPED, the journal is behind: "},
        {"checkpoint_missing", "PUBLISHING WAITS, the checkpoint topic is missing: "}};
    const char *how = is_true(o, "connected") ? "connected: " : "NOT CONNECTED: ";
    for (size_t i = 0; i < sizeof stopped / sizeof stopped[0]; i++)
        if (is_true(o, stopped[i][0]))
            how = stopped[i][1];
    label("kafka");
    fputs(how, stdout);
    table_member(o, json_text(json_get(o, "brokers")).len ? "brokers" : "state", 0);
}

/* When free space is down to the floor: "floor in 3h20m at this rate". */
static void print_floor(const struct json_value *disk)
{
    struct slice floor = json_text(json_get(disk, "floor"));
    char age[TABLE_TEXT_MAX];
    table_age(table_number(disk, "floor_in_s"), age);
    if (slice_eq(floor, slice_of("ahead")))
        printf("floor in %s at this rate\n", age);
    else if (slice_eq(floor, slice_of("not_at_this_rate")))
        puts("floor not at this rate");
    else if (slice_eq(floor, slice_of("reached")))
        puts("BELOW THE FLOOR");
    else
        puts(slice_eq(floor, slice_of("none")) ? "no floor" : "rate not known yet");
}

static void print_disk(const struct json_value *root)
{
    const struct json_value *o = json_get(root, "disk");
    static const char *const names[] = {"free_bytes", "journal_bytes", "wal_bytes"};
    char texts[3][TABLE_TEXT_MAX];
    for (int i = 0; i < 3; i++)
        table_size((uint64_t)table_number(o, names[i]), texts[i]);
    label("disk");
    printf("%s free; journal %s, log %s; ", texts[0], texts[1], texts[2]);
    print_floor(o);
}

/* How fast the backlog grows: "+12.5/s". */
static void print_growth(const struct json_value *lanes)
{
    const struct json_value *growth = json_get(lanes, "growth");
    struct slice rate = json_text(json_get(growth, "events_per_s"));
    if (!rate.len)
        fputs(" (growth not known yet)", stdout);
    else
        printf(" (%s%.*s/s)", rate.ptr[0] == '-' ? "" : "+", (int)rate.len, rate.ptr);
}

static void print_counts(const struct json_value *root, struct wall now)
{
    const struct json_value *parked = json_get(root, "parked");
    const struct json_value *lanes = json_get(root, "lanes");
    static const char *const states[] = {"open", "waits", "cooling", "paused", "unknown"};
    char age[TABLE_TEXT_MAX];
    label("parked");
    printf("%" PRId64 " (%" PRId64 " quarantined)\n", table_number(parked, "count"),
           table_number(parked, "quarantined"));
    label("lanes");
    printf("%" PRId64, table_number(lanes, "count"));
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (table_number(lanes, states[i]))
            printf(", %" PRId64 " %s", table_number(lanes, states[i]), states[i]);
    age_of(lanes, "oldest", now, age);
    printf("; backlog %" PRId64, table_number(lanes, "backlog"));
    print_growth(lanes);
    printf(", oldest %s\n", age);
}

static void print_lanes(const struct json_value *root, struct wall now, int rows)
{
    const struct json_value *lanes = json_get(root, "lanes");
    int64_t left = table_number(lanes, "count");
    int shown = 0;
    if (left)
        printf("\n%6s %-14s %-30s %-8s %9s %7s\n", "LANE", "SOURCE", "TOPIC", "STATE", "BACKLOG",
               "OLDEST");
    for (const struct json_value *lane = json_first(json_get(lanes, "worst")); lane && shown < rows;
         lane = json_next(lane), shown++) {
        char age[TABLE_TEXT_MAX];
        age_of(lane, "oldest", now, age);
        table_member(lane, "id", -6);
        table_member(lane, "source", 14);
        table_member(lane, "topic", 30);
        table_member(lane, "state", 8);
        table_member(lane, "backlog", -9);
        printf("%7s\n", age);
    }
    if (left > shown)
        printf("       and %" PRId64 " more: --json, or GET /v1/lanes\n", left - shown);
}

static bool is_ours(struct slice help)
{
    static const char ours[] = "gladly-relay ";
    return help.len > sizeof ours && memcmp(help.ptr, ours, sizeof ours - 1) == 0;
}

/* What a problem takes, or prints it. A command of ours stays in one line and can be copied. */
static int problem_lines(const struct json_value *problem, const char *config, bool is_shown)
{
    struct slice help = json_text(json_get(problem, "help"));
    int lines;
    if (is_shown)
        printf("%*s", WHAT_INDENT, "");
    lines = table_wrap(json_text(json_get(problem, "what")), WHAT_INDENT, WHAT_WIDTH, is_shown);
    if (is_shown)
        fputs("    -> ", stdout);
    if (!is_ours(help))
        return lines + table_wrap(help, HELP_INDENT, HELP_WIDTH, is_shown);
    if (is_shown)
        printf("%.*s -c %s\n", (int)help.len, help.ptr, config);
    return lines + 1;
}

/* How many lanes are shown, and how many lines are left for the problems below their heading. */
static int share_lines(const struct json_value *root, const char *config, int *problem_room)
{
    int64_t lanes = table_number(json_get(root, "lanes"), "count");
    int rows = lanes < LANES_SHOWN ? (int)lanes : LANES_SHOWN, wanted = 0;
    for (const struct json_value *p = json_first(json_get(root, "problems")); p; p = json_next(p))
        wanted += problem_lines(p, config, false);
    for (;; rows--) {
        int above = rows ? 2 + rows + (lanes > rows) : 0;
        *problem_room = SCREEN_LINES - HEAD_LINES - above - 2;
        if (wanted <= *problem_room || rows <= LANES_SHOWN_MIN)
            return rows;
    }
}

/* True when there are any. */
static bool print_problems(const struct json_value *root, const struct cli_args *args, int room)
{
    const struct json_value *problems = json_get(root, "problems"), *p = json_first(problems);
    size_t left = json_count(problems);
    bool is_first = true;
    if (!left)
        return false;
    puts("\nwhat is wrong, and what helps:");
    for (; p; p = json_next(p), left--) {
        /* Unless it is the last one, a line is kept for the number of those without room. */
        room -= problem_lines(p, args->config, false);
        if (!is_first && room < (left > 1))
            break;
        problem_lines(p, args->config, true);
        is_first = false;
    }
    if (left)
        printf("  and %zu more: gladly-relay status --json -c %s\n", left, args->config);
    return true;
}

static bool print_status(const struct json_value *root, const struct cli_args *args)
{
    struct wall now = table_time(root, "now");
    char up[TABLE_TEXT_MAX];
    int room, rows = share_lines(root, args->config, &room);
    age_of(root, "started", now, up);
    label("relay");
    printf("%s, up %s; journal ", is_true(root, "ready") ? "ready" : "NOT READY", up);
    table_member(root, "journal", 36);
    putchar('\n');
    print_intake(root, now);
    print_kafka(root);
    print_disk(root);
    print_counts(root, now);
    print_lanes(root, now, rows);
    return print_problems(root, args, room);
}

static void print_not_running(const struct client *c, const struct cli_args *args)
{
    if (args->json) {
        puts("{\"running\":false}");
        return;
    }
    printf("the relay is not running: nobody answers on %s\n"
           "    -> gladly-relay serve -c %s\n\nits journal, as it was left:\n",
           client_socket_path(c), args->config);
    fflush(stdout);
    /* The exit code says that the relay does not run, whatever the journal is like. */
    (void)cli_journal_stats(client_journal_path(c));
}

enum cli_exit cli_status(const struct cli_args *args)
{
    struct client *c = NULL;
    enum cli_exit code;
    if (args->count) {
        fputs("usage: gladly-relay status [--json] -c FILE\n", stderr);
        return CLI_USAGE;
    }
    code = client_open(&c, args);
    if (code != CLI_OK)
        return code;
    client_set_quiet(c);
    code = client_ask(c, "GET", "/v1/status", NULL);
    if (code == CLI_NOT_RUNNING)
        print_not_running(c, args);
    if (code == CLI_OK && args->json)
        client_print_json(c);
    else if (code == CLI_OK)
        print_status(client_root(c), args);
    if (code == CLI_OK && json_count(json_get(client_root(c), "problems")))
        code = CLI_FAILED;
    client_close(c);
    return code;
}
