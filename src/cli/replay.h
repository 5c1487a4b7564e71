/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_REPLAY_H
#define RELAY_CLI_REPLAY_H

/* The command `replay`: starts, counts, lists, pauses, resumes and cancels replays. Threads: main.
 */

#include "cli/cli.h"

/* The options that no other command takes; NULL when not given. */
struct cli_replay_args {
    const char *by;
    const char *from_seq;
    const char *to_seq;
    const char *family;
    const char *id;
    const char *rate;
    bool dry_run;
};

enum cli_exit cli_replay(const struct cli_args *args, const struct cli_replay_args *more);

#endif
