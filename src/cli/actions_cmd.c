/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/client.h"
#include "cli/table.h"

enum cli_exit cli_actions(const struct cli_args *args)
{
    struct client *c = NULL;
    enum cli_exit code;
    char path[64];
    if (args->count || (args->limit && !cli_is_seq(args->limit))) {
        fputs("usage: gladly-relay actions [--limit N] [--json] -c FILE\n", stderr);
        return CLI_USAGE;
    }
    code = client_open(&c, args);
    if (code != CLI_OK)
        return code;
    snprintf(path, sizeof path, "/v1/actions?limit=%.20s", args->limit ? args->limit : "50");
    code = client_ask(c, "GET", path, NULL);
    if (code == CLI_OK && args->json) {
        client_print_json(c);
    } else if (code == CLI_OK) {
        printf("%-24s %-16s %-8s %-24s %s\n", "AT", "WHO", "ACTION", "TARGET", "WHY");
        for (const struct json_value *a = json_first(json_get(client_root(c), "actions")); a;
             a = json_next(a)) {
            table_member(a, "at", 24);
            table_member(a, "who", 16);
            table_member(a, "action", 8);
            table_member(a, "target", 24);
            table_member(a, "why", 0);
        }
    }
    client_close(c);
    return code;
}
