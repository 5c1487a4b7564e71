/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_OPTIONS_H
#define RELAY_BENCH_OPTIONS_H

/*
 * The command line of the load generator.
 *
 * Owns nothing: the texts are those of argv. Every number is checked against the bound that --help
 * names.
 *
 * Threads: options_read is called once, before any other thread exists (getopt_long keeps static
 * state).
 */

#include "fail.h"
#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    const char *url;
    const char *method;
    const char *headers[TARGET_HEADERS_MAX];
    size_t header_count;
    uint32_t connections;
    int64_t duration_ms; /* the load is on for at most so long */
    uint64_t requests;   /* 0 for no limit */
    uint32_t rate;       /* open loop: arrivals per second; 0 for the closed loop */
    const char *mix;
    uint32_t keys;
    bool key_per_connection;
    uint64_t seed;
    const char *ledger_path; /* NULL for none */
    const char *status_path; /* NULL for none */
    bool reconnect;
    bool retry_unanswered;
    int64_t retry_ms;
    int64_t timeout_ms;
    int64_t drain_ms;
    bool json;
    bool help;
};

/* Fills *o from the command line. Returns false and fills *f when something is missing or out of
 * bounds. */
bool options_read(struct options *o, int argc, char *const *argv, struct fail *f);

/* The text of --help. */
const char *options_help(void);

#endif
