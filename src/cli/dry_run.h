/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_DRY_RUN_H
#define RELAY_CLI_DRY_RUN_H

/*
 * The dry run of a replay: what it would publish, and what of it Kafka would not keep.
 *
 * The running relay counts. How long the topics keep their records this process asks Kafka itself,
 * with the configuration file; where it cannot (a secret that this user has not, no right to
 * describe the topic) the counts stand without it, and that is said. Then the relay counts once
 * more for each retention.ms that some record is older than. Keeps a line a topic.
 *
 * Threads: main.
 */

#include "cli/client.h"

/* Counts and prints. body(arg) makes a new question with the selection: each answer counts a part
 * of it. */
enum cli_exit dry_run_print(struct client *c, const struct cli_args *args,
                            struct json_value *(*body)(const void *arg), const void *arg);

#endif
