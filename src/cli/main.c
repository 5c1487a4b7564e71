/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ident.h"
#include "base/thread.h"

struct command {
    const char *name;
    enum cli_exit (*run)(const struct cli_args *args);
    const char *help;
};

static const struct command commands[] = {
    {"serve", cli_serve, "run the relay (--demo: with an embedded in-memory broker)"},
    {"check", cli_check, "check the configuration file; lists every error, exit 1 if there is one"},
    {"config", cli_config, "print the configuration in force, secrets masked"},
    {"journal", cli_journal, "verify | stats | backup FILE | compact: the journal file itself"},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(FILE *out)
{
    fputs("gladly-relay: Gladly webhooks, durably, to Kafka topics\n\n"
          "usage: gladly-relay COMMAND -c FILE [OPTION...]\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\noptions:\n"
          "  -c, --config FILE   the configuration file\n"
          "      --demo          serve: on an embedded broker and a journal of its own kind\n"
          "  -h, --help          this text\n"
          "      --version       the version\n",
          out);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Reads the options into *args. False: usage error, already explained. */
static bool read_options(int argc, char **argv, struct cli_args *args, bool *help, bool *version)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"demo", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (c == 'c')
            args->config = optarg;
        else if (c == 'd')
            args->demo = true;
        else if (c == 'h')
            *help = true;
        else if (c == 'v')
            *version = true;
        else
            return false;
    }
    args->count = argc - optind;
    args->values = argv + optind;
    return true;
}

int main(int argc, char **argv)
{
    struct cli_args args = {0};
    const struct command *command;
    bool help = false, version = false;
    struct err e;
    thread_set_name("main");
    /* Nobody else reads a journal, a copy of one, or a lock. */
    umask(0077);
    if (!read_options(argc, argv, &args, &help, &version))
        return CLI_USAGE;
    if (version) {
        puts("gladly-relay " RELAY_VERSION);
        return CLI_OK;
    }
    if (help || args.count == 0) {
        print_help(help ? stdout : stderr);
        return help ? CLI_OK : CLI_USAGE;
    }
    command = find_command(args.values[0]);
    if (!command) {
        fprintf(stderr, "gladly-relay: there is no command %s; see gladly-relay --help\n",
                args.values[0]);
        return CLI_USAGE;
    }
    if (!args.config) {
        fprintf(stderr, "gladly-relay %s: -c FILE is missing\n", command->name);
        return CLI_USAGE;
    }
    if (ident_init(&e) != ST_OK) {
        fprintf(stderr, "gladly-relay: %s\n", e.text);
        return CLI_FAILED;
    }
    args.count--;
    args.values++;
    return command->run(&args);
}
