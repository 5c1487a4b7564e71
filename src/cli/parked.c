/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/event_print.h"
#include "cli/table.h"

static enum cli_exit usage(void)
{
    fputs("usage: gladly-relay parked list [--after SEQ] [--limit N] [--json] -c FILE\n"
          "       gladly-relay parked show SEQ [--json] -c FILE\n"
          "       gladly-relay parked requeue SEQ [--topic TOPIC] [--why TEXT] [--json] -c FILE\n"
          "       gladly-relay parked discard SEQ --why TEXT [--json] -c FILE\n",
          stderr);
    return CLI_USAGE;
}

static bool is_number(const char *text)
{
    return !text || cli_is_seq(text) || strcmp(text, "0") == 0;
}

static enum cli_exit list(struct client *c, const struct cli_args *args)
{
    char path[96];
    enum cli_exit code;
    snprintf(path, sizeof path, "/v1/parked?after=%.20s&limit=%.20s",
             args->after ? args->after : "0", args->limit ? args->limit : "50");
    code = client_ask(c, "GET", path, NULL);
    if (code != CLI_OK)
        return code;
    if (args->json) {
        client_print_json(c);
        return CLI_OK;
    }
    printf("%10s %-24s %8s %-28s %s\n", "SEQ", "SINCE", "BYTES", "TYPE", "REASON");
    for (const struct json_value *p = json_first(json_get(client_root(c), "parked")); p;
         p = json_next(p)) {
        table_member(p, "seq", -10);
        table_member(p, "since", 24);
        table_member(p, "bytes", -8);
        table_member(p, "type", 28);
        table_member(p, "reason", 0);
    }
    return CLI_OK;
}

static enum cli_exit show(struct client *c, const struct cli_args *args)
{
    return event_print_one(c, args, "/v1/parked");
}

static enum cli_exit settle(struct client *c, const struct cli_args *args)
{
    struct json_value *body = client_change(args->why);
    char path[64];
    enum cli_exit code;
    snprintf(path, sizeof path, "/v1/parked/%.20s/%s", args->values[1], args->values[0]);
    if (args->topic)
        json_add_string(body, "topic", slice_of(args->topic));
    code = client_ask(c, "POST", path, body);
    if (code != CLI_OK)
        return code;
    if (args->json)
        client_print_json(c);
    else if (strcmp(args->values[0], "requeue") == 0)
        printf("event %s goes out again as event %" PRId64 "\n", args->values[1],
               table_number(client_root(c), "successor"));
    else
        printf("event %s is given up\n", args->values[1]);
    return CLI_OK;
}

enum cli_exit cli_parked(const struct cli_args *args)
{
    const char *what = args->count ? args->values[0] : "";
    bool has_seq = args->count == 2 && cli_is_seq(args->values[1]);
    bool has_text = args->topic || args->why;
    bool has_range = args->after || args->limit;
    enum cli_exit (*run)(struct client *, const struct cli_args *) = NULL;
    struct client *c = NULL;
    enum cli_exit code;
    if (strcmp(what, "list") == 0)
        run = args->count == 1 && !has_text && is_number(args->after) && is_number(args->limit)
                  ? list
                  : NULL;
    else if (!has_seq || has_range)
        run = NULL;
    else if (strcmp(what, "show") == 0)
        run = has_text ? NULL : show;
    else if (strcmp(what, "requeue") == 0 ||
             (strcmp(what, "discard") == 0 && args->why && !args->topic))
        run = settle;
    if (!run)
        return usage();
    code = client_open(&c, args);
    if (code == CLI_OK)
        code = run(c, args);
    client_close(c);
    return code;
}
