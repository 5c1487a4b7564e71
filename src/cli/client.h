/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_CLIENT_H
#define RELAY_CLI_CLIENT_H

/*
 * What the operator's commands share: finding the running relay through its configuration, asking
 * it over its Unix socket, and saying what went wrong.
 *
 * Owns: the configuration as far as a client needs it, the answer that was read last. Threads:
 * main.
 */

#include "cli/cli.h"
#include "conf/conf.h"
#include "json/json_value.h"

struct client;

/* CLI_OK, or CLI_FAILED with the reason on stderr. */
enum cli_exit client_open(struct client **out, const struct cli_args *args);
/* NULL is a no-op. */
void client_close(struct client *c);

/*
 * Asks and waits. body may be NULL and is destroyed. CLI_OK: the relay answered 200, and
 * client_root() is its answer. Otherwise the reason is on stderr: CLI_NOT_RUNNING when nobody
 * answers on the socket, else CLI_FAILED.
 */
enum cli_exit client_ask(struct client *c, const char *method, const char *path,
                         struct json_value *body);
/* Lets client_ask() say nothing about a relay that does not run: the caller does. */
void client_set_quiet(struct client *c);
/* The last answer; valid until the next one. */
const struct json_value *client_root(const struct client *c);
/* Writes the last answer to stdout as it came. */
void client_print_json(const struct client *c);

/* The journal's path; where the relay is looked for. */
const char *client_journal_path(const struct client *c);
const char *client_socket_path(const struct client *c);

/* {"who":...,"why":...} for a change: who is $SUDO_USER or the login name. why may be NULL. */
struct json_value *client_change(const char *why);

#endif
