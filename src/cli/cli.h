/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_CLI_H
#define RELAY_CLI_CLI_H

/*
 * The subcommands. main.c finds one by name in a table, each has a file of its own.
 *
 * Exit codes, documented in README.md: 0 done; 1 it failed or found something (verify a damaged
 * row, status something wrong), the reason is on stderr or in what was asked for; 2 wrong usage; 3
 * the relay is not running, so there was nobody to ask; 74 (EX_IOERR of sysexits.h) the journal's
 * disk failed and the process stopped to be safe.
 */

#include <stdbool.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_RUNNING = 3,
    CLI_DISK_FAILED = 74,
};

struct conf;

/* What every subcommand takes. */
struct cli_args {
    const char *config; /* -c FILE */
    bool demo;          /* --demo */
    bool json;          /* --json */
    const char *why;    /* --why and its siblings: NULL when not given */
    const char *topic;
    const char *after;
    const char *limit;
    const char *source;
    const char *type;
    const char *key;
    const char *since;
    const char *until;
    const char *lane;
    const char *memory;
    int count; /* what follows, without options */
    char **values;
};

enum cli_exit cli_serve(const struct cli_args *args);
enum cli_exit cli_check(const struct cli_args *args);
enum cli_exit cli_config(const struct cli_args *args);
enum cli_exit cli_journal(const struct cli_args *args);
enum cli_exit cli_status(const struct cli_args *args);
enum cli_exit cli_pause(const struct cli_args *args);
enum cli_exit cli_resume(const struct cli_args *args);
enum cli_exit cli_events(const struct cli_args *args);
enum cli_exit cli_parked(const struct cli_args *args);
enum cli_exit cli_actions(const struct cli_args *args);
enum cli_exit cli_audit(const struct cli_args *args);

/* Prints what a journal holds, read-only; also beside a running relay. */
enum cli_exit cli_journal_stats(const char *path);
/*
 * Ties a stopped relay's journal to the Kafka cluster that it meets next. is_renewed: it begins a
 * new life under a new journal id, as a restored backup must.
 */
enum cli_exit cli_journal_bind(const struct cli_args *args, const struct conf *conf,
                               bool is_renewed);
/* A number from 1 on, as an event's seq. */
bool cli_is_seq(const char *text);

/* Loads args->config; on failure the messages are on stderr, one a line, and NULL is returned. */
struct conf *cli_load_conf(const struct cli_args *args);

#endif
