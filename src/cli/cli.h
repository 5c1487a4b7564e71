/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_CLI_H
#define RELAY_CLI_CLI_H

/*
 * The subcommands. main.c finds one by name in a table, each has a file of its own.
 *
 * Exit codes, documented in README.md: 0 done; 1 it failed or found something, the reason is on
 * stderr; 2 wrong usage; 74 (EX_IOERR of sysexits.h) the journal's disk failed and the process
 * stopped to be safe.
 */

#include <stdbool.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_DISK_FAILED = 74,
};

/* What every subcommand takes. */
struct cli_args {
    const char *config; /* -c FILE */
    bool demo;          /* --demo */
    int count;          /* what follows, without options */
    char **values;
};

enum cli_exit cli_serve(const struct cli_args *args);
enum cli_exit cli_check(const struct cli_args *args);
enum cli_exit cli_config(const struct cli_args *args);
enum cli_exit cli_journal(const struct cli_args *args);

struct conf;

/* Loads args->config; on failure the messages are on stderr, one a line, and NULL is returned. */
struct conf *cli_load_conf(const struct cli_args *args);

#endif
