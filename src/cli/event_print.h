/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_EVENT_PRINT_H
#define RELAY_CLI_EVENT_PRINT_H

/* One event for people. Threads: main. */

#include "cli/cli.h"
#include "cli/client.h"
#include "json/json_value.h"

/* Each member of an answer of /v1/events/SEQ in a line of its own, then the body. */
void event_print(const struct json_value *event);

/* Asks for <list>/<values[1]> ("/v1/events", "/v1/parked") and prints it: `events show SEQ`,
 * `parked show SEQ`. */
enum cli_exit event_print_one(struct client *c, const struct cli_args *args, const char *list);

#endif
