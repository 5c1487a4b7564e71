/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/client.h"

/* Sends {scope, who, why} to path and says what became of it. */
static enum cli_exit change(const struct cli_args *args, const char *path, const char *said)
{
    struct client *c = NULL;
    struct json_value *body;
    enum cli_exit code = client_open(&c, args);
    if (code != CLI_OK)
        return code;
    body = client_change(args->why);
    json_add_string(body, "scope", slice_of(args->values[0]));
    code = client_ask(c, "POST", path, body);
    if (code == CLI_OK && args->json)
        client_print_json(c);
    else if (code == CLI_OK)
        printf("%s: %s\n", args->values[0], said);
    client_close(c);
    return code;
}

enum cli_exit cli_pause(const struct cli_args *args)
{
    if (args->count != 1 || !args->why) {
        fputs("usage: gladly-relay pause all|source:NAME|lane:ID --why TEXT [--json] -c FILE\n",
              stderr);
        return CLI_USAGE;
    }
    return change(args, "/v1/pause",
                  "paused; nothing of it is published until it is resumed, intake goes on");
}

enum cli_exit cli_resume(const struct cli_args *args)
{
    if (args->count != 1) {
        fputs("usage: gladly-relay resume all|source:NAME|lane:ID [--why TEXT] [--json] -c FILE\n",
              stderr);
        return CLI_USAGE;
    }
    return change(args, "/v1/resume", "resumed");
}
