/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/client.h"
#include "cli/event_print.h"
#include "cli/table.h"

#define PATH_BYTES_MAX 4096
#define TAIL_MS        1000 /* between two looks */
#define TAIL_FIRST     "10" /* events that a tail begins with */
#define TAIL_LIMIT     "1000"

static enum cli_exit usage(void)
{
    fputs("usage: gladly-relay events list [--after SEQ] [--limit N] [--source NAME] [--type TYPE] "
          "[--key KEY] [--json] -c FILE\n"
          "       gladly-relay events show SEQ [--json] -c FILE\n"
          "       gladly-relay events tail [--source NAME] [--type TYPE] [--key KEY] [--json] "
          "-c FILE\n",
          stderr);
    return CLI_USAGE;
}

/* Appends "name=value" with everything but letters, digits and '-' encoded; nothing for NULL. */
static enum status add_parameter(struct buf *path, const char *name, const char *value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    bool is_first = !memchr(path->ptr, '?', path->len);
    enum status st = ST_OK;
    if (!value)
        return ST_OK;
    st = buf_printf(path, "%c%s=", is_first ? '?' : '&', name);
    for (; *value && st == ST_OK; value++) {
        if (strchr(plain, *value))
            st = buf_append(path, value, 1);
        else
            st = buf_printf(path, "%%%02X", (unsigned char)*value);
    }
    return st;
}

static enum cli_exit ask_list(struct client *c, const struct cli_args *args, const char *after,
                              const char *limit)
{
    struct buf path;
    enum cli_exit code = CLI_FAILED;
    enum status st;
    buf_init(&path, PATH_BYTES_MAX);
    st = buf_printf(&path, "/v1/events");
    if (st == ST_OK)
        st = add_parameter(&path, "after", after);
    if (st == ST_OK)
        st = add_parameter(&path, "limit", limit);
    if (st == ST_OK)
        st = add_parameter(&path, "source", args->source);
    if (st == ST_OK)
        st = add_parameter(&path, "type", args->type);
    if (st == ST_OK)
        st = add_parameter(&path, "key", args->key);
    if (st == ST_OK)
        st = buf_append(&path, "", 1);
    if (st == ST_OK)
        code = client_ask(c, "GET", path.ptr, NULL);
    else
        fputs("gladly-relay: a filter is too long\n", stderr);
    buf_fini(&path);
    return code;
}

static void print_heading(void)
{
    printf("%10s %-24s %-9s %-12s %-28s %-24s %8s\n", "SEQ", "RECEIVED", "STATE", "SOURCE", "TYPE",
           "KEY", "BYTES");
}

static void print_events(const struct json_value *root)
{
    for (const struct json_value *event = json_first(json_get(root, "events")); event;
         event = json_next(event)) {
        table_member(event, "seq", -10);
        table_member(event, "received", 24);
        table_member(event, "state", 9);
        table_member(event, "source", 12);
        table_member(event, "type", 28);
        table_member(event, "key", 24);
        table_member(event, "bytes", -8);
        putchar('\n');
    }
}

static enum cli_exit list(struct client *c, const struct cli_args *args)
{
    enum cli_exit code = ask_list(c, args, args->after, args->limit);
    const struct json_value *root = client_root(c);
    if (code != CLI_OK)
        return code;
    if (args->json) {
        client_print_json(c);
        return CLI_OK;
    }
    print_heading();
    print_events(root);
    if (json_kind(json_get(root, "complete")) == JSON_TRUE)
        return CLI_OK;
    if (args->after)
        printf("there may be more: --after %" PRId64 "\n", table_number(root, "next_after"));
    else if (args->source || args->type || args->key)
        puts("there may be older ones: only the newest were looked at, see --after");
    return CLI_OK;
}

static enum cli_exit show(struct client *c, const struct cli_args *args)
{
    return event_print_one(c, args, "/v1/events");
}

/* True when nobody reads what is printed any more. */
static bool is_reader_gone(void)
{
    struct pollfd fd = {.fd = STDOUT_FILENO};
    return poll(&fd, 1, TAIL_MS) > 0 && fd.revents & (POLLERR | POLLHUP | POLLNVAL);
}

/* Until somebody ends it, or the relay goes. With --json each answer with events is a line. */
static enum cli_exit tail(struct client *c, const struct cli_args *args)
{
    char after[32];
    enum cli_exit code = ask_list(c, args, NULL, TAIL_FIRST);
    if (code == CLI_OK && !args->json)
        print_heading();
    while (code == CLI_OK) {
        const struct json_value *root = client_root(c);
        if (!args->json)
            print_events(root);
        else if (json_count(json_get(root, "events")))
            client_print_json(c);
        if (fflush(stdout) != 0)
            return CLI_OK;
        snprintf(after, sizeof after, "%" PRId64, table_number(root, "next_after"));
        if (json_count(json_get(root, "events")) == 0 && is_reader_gone())
            return CLI_OK;
        code = ask_list(c, args, after, TAIL_LIMIT);
    }
    return code;
}

enum cli_exit cli_events(const struct cli_args *args)
{
    const char *what = args->count ? args->values[0] : "";
    struct client *c = NULL;
    enum cli_exit (*run)(struct client *, const struct cli_args *) = NULL;
    enum cli_exit code;
    if (strcmp(what, "list") == 0 && args->count == 1)
        run = list;
    else if (strcmp(what, "tail") == 0 && args->count == 1 && !args->after && !args->limit)
        run = tail;
    else if (strcmp(what, "show") == 0 && args->count == 2 && cli_is_seq(args->values[1]) &&
             !args->after && !args->limit && !args->source && !args->type && !args->key)
        run = show;
    if (!run)
        return usage();
    code = client_open(&c, args);
    if (code == CLI_OK)
        code = run(c, args);
    client_close(c);
    return code;
}
