/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/event_print.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/table.h"

#define NAME_WIDTH 16

static void print_scalar(const struct json_value *member)
{
    switch (json_kind(member)) {
    case JSON_TRUE:
        puts("yes");
        break;
    case JSON_FALSE:
        puts("no");
        break;
    case JSON_STRING:
        table_cell(json_text(member), 0);
        break;
    default:
        puts("-");
    }
}

static void print_line(const char *before, const struct json_value *member)
{
    char name[64];
    snprintf(name, sizeof name, "%s%.*s", before, (int)json_name(member).len,
             json_name(member).ptr);
    table_cell(slice_of(name), NAME_WIDTH);
    print_scalar(member);
}

/* An answer is at most two objects deep. */
static void print_members(const struct json_value *event)
{
    for (const struct json_value *m = json_first(event); m; m = json_next(m)) {
        char before[32];
        snprintf(before, sizeof before, "%.*s.", (int)json_name(m).len, json_name(m).ptr);
        if (json_kind(m) == JSON_OBJECT)
            for (const struct json_value *inner = json_first(m); inner; inner = json_next(inner))
                print_line(before, inner);
        else if (!slice_eq(json_name(m), slice_of("body")))
            print_line("", m);
    }
}

void event_print(const struct json_value *event)
{
    struct slice body = json_text(json_get(event, "body"));
    print_members(event);
    if (!json_get(event, "body"))
        return;
    putchar('\n');
    fflush(stdout);
    /* To a file or a program go the event's own bytes. */
    if (isatty(STDOUT_FILENO)) {
        table_cell(body, 0);
    } else {
        fwrite(body.ptr, 1, body.len, stdout);
        putchar('\n');
    }
}

enum cli_exit event_print_one(struct client *c, const struct cli_args *args, const char *list)
{
    char path[64];
    enum cli_exit code;
    snprintf(path, sizeof path, "%s/%.20s", list, args->values[1]);
    code = client_ask(c, "GET", path, NULL);
    if (code == CLI_OK && args->json)
        client_print_json(c);
    else if (code == CLI_OK)
        event_print(client_root(c));
    return code;
}
