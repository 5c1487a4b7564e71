/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ident.h"
#include "base/thread.h"
#include "cli/replay.h"

struct command {
    const char *name;
    enum cli_exit (*run)(const struct cli_args *args);
    const char *takes; /* letters of the options besides -c and -h */
    const char *help;
};

/* Options that `replay` alone takes. */
static struct cli_replay_args replay_args;

static enum cli_exit run_replay(const struct cli_args *args)
{
    return cli_replay(args, &replay_args);
}

static const struct command commands[] = {
    {"serve", cli_serve, "d", "run the relay (--demo: with an embedded in-memory broker)"},
    {"check", cli_check, "d",
     "check the configuration file; lists every error, exit 1 if there is one"},
    {"config", cli_config, "d", "print the configuration in force, secrets masked"},
    {"journal", cli_journal, "dw",
     "verify | stats | backup FILE | compact | rebind | renew: the journal file itself"},
    {"status", cli_status, "j", "how the running relay is, what is wrong and what helps"},
    {"pause", cli_pause, "jw", "all | source:NAME | lane:ID --why TEXT: stop publishing"},
    {"resume", cli_resume, "jw", "all | source:NAME | lane:ID: end a pause"},
    {"events", cli_events, "jalstk", "list | show SEQ | tail: look at events"},
    {"parked", cli_parked, "jalwT",
     "list | show SEQ | requeue SEQ [--topic T] | discard SEQ --why TEXT"},
    {"replay", run_replay, "jlwTstkSUBFEfirn",
     "start | list | show ID | pause ID | resume ID | cancel ID: publish stored events again"},
    {"actions", cli_actions, "jl", "what operators did: when, who, what, why"},
    {"audit", cli_audit, "jSULM", "read the topics back and hold them against the journal"},
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
          "      --demo          serve, check: an embedded broker, a journal of its own kind\n"
          "      --json          the answer as it came, for the commands that ask a running relay\n"
          "      --why TEXT      pause, resume, parked: the reason, kept with your name\n"
          "      --topic TOPIC   parked requeue: where to\n"
          "      --lane ID, --memory SIZE   audit, which takes --since and --until, too\n"
          "      --after SEQ, --limit N, --source NAME, --type TYPE, --key KEY: which events\n"
          "      --since T, --until T, --by received|event, --from-seq SEQ, --to-seq SEQ,\n"
          "      --family FAMILY, --id ID: replay start: which events, too\n"
          "      --rate N        replay start: events a second (default 1000, 0: no limit)\n"
          "      --dry-run       replay start: only count\n"
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

/* What main itself needs of the options. */
struct parsed {
    struct cli_args args;
    char given[32]; /* letters of the options that not every command takes */
    bool help;
    bool version;
};

/* Where the text of an option goes; NULL for one without. */
static const char **text_of(struct cli_args *args, int c)
{
    switch (c) {
    case 'c':
        return &args->config;
    case 'w':
        return &args->why;
    case 'T':
        return &args->topic;
    case 'a':
        return &args->after;
    case 'l':
        return &args->limit;
    case 's':
        return &args->source;
    case 't':
        return &args->type;
    case 'k':
        return &args->key;
    case 'B':
        return &replay_args.by;
    case 'F':
        return &replay_args.from_seq;
    case 'E':
        return &replay_args.to_seq;
    case 'f':
        return &replay_args.family;
    case 'i':
        return &replay_args.id;
    case 'r':
        return &replay_args.rate;
    case 'S':
        return &args->since;
    case 'U':
        return &args->until;
    case 'L':
        return &args->lane;
    case 'M':
        return &args->memory;
    default:
        return NULL;
    }
}

/* Reads the options. False: usage error, already explained. */
static bool read_options(int argc, char **argv, struct parsed *p)
{
    /* clang-format off */
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"demo", no_argument, NULL, 'd'},
        {"json", no_argument, NULL, 'j'},
        {"why", required_argument, NULL, 'w'},
        {"topic", required_argument, NULL, 'T'},
        {"after", required_argument, NULL, 'a'},
        {"limit", required_argument, NULL, 'l'},
        {"source", required_argument, NULL, 's'},
        {"type", required_argument, NULL, 't'},
        {"key", required_argument, NULL, 'k'},
        {"by", required_argument, NULL, 'B'},
        {"from-seq", required_argument, NULL, 'F'},
        {"to-seq", required_argument, NULL, 'E'},
        {"family", required_argument, NULL, 'f'},
        {"id", required_argument, NULL, 'i'},
        {"rate", required_argument, NULL, 'r'},
        {"dry-run", no_argument, NULL, 'n'},
        {"since", required_argument, NULL, 'S'},
        {"until", required_argument, NULL, 'U'},
        {"lane", required_argument, NULL, 'L'},
        {"memory", required_argument, NULL, 'M'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    /* clang-format on */
    size_t given = 0;
    int c;
    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        const char **text = text_of(&p->args, c);
        if (c == '?')
            return false;
        if (text)
            *text = optarg;
        p->args.demo |= c == 'd';
        p->args.json |= c == 'j';
        replay_args.dry_run |= c == 'n';
        p->help |= c == 'h';
        p->version |= c == 'v';
        if (!strchr("chv", c) && !strchr(p->given, c) && given + 1 < sizeof p->given)
            p->given[given++] = (char)c;
    }
    p->args.count = argc - optind;
    p->args.values = argv + optind;
    return true;
}

/* False: usage error, already explained. */
static bool check_usage(const struct command *command, const struct parsed *p)
{
    if (!p->args.config) {
        fprintf(stderr, "gladly-relay %s: -c FILE is missing\n", command->name);
        return false;
    }
    if (p->given[strspn(p->given, command->takes)]) {
        fprintf(stderr, "gladly-relay %s: an option that it does not take; see --help\n",
                command->name);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct parsed p = {0};
    const struct command *command;
    struct err e;
    thread_set_name("main");
    /* Nobody else reads a journal, a copy of one, or a lock. */
    umask(0077);
    if (!read_options(argc, argv, &p))
        return CLI_USAGE;
    if (p.version) {
        puts("gladly-relay " RELAY_VERSION);
        return CLI_OK;
    }
    if (p.help || p.args.count == 0) {
        print_help(p.help ? stdout : stderr);
        return p.help ? CLI_OK : CLI_USAGE;
    }
    command = find_command(p.args.values[0]);
    if (!command) {
        fprintf(stderr, "gladly-relay: there is no command %s; see gladly-relay --help\n",
                p.args.values[0]);
        return CLI_USAGE;
    }
    if (!check_usage(command, &p))
        return CLI_USAGE;
    if (ident_init(&e) != ST_OK) {
        fprintf(stderr, "gladly-relay: %s\n", e.text);
        return CLI_FAILED;
    }
    p.args.count--;
    p.args.values++;
    return (int)command->run(&p.args);
}
