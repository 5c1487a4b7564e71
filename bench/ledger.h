/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_LEDGER_H
#define RELAY_BENCH_LEDGER_H

/*
 * The ledger: one line of text for each finished request, so that a test can ask for every promise
 * that the server made.
 *
 * Owns the file descriptor and a buffer. Does not decide what is finished. A line is
 *
 *     <id> <status> <seq> <key> <n> <send_us> <answer_us>
 *
 * with one space between the fields: status is the HTTP status or `unanswered`; seq is the server's
 * number or `-`; key and n are those of the body; the times are unix microseconds, answer_us is 0
 * for `unanswered`.
 *
 * The lines are in the kernel after ledger_flush: they outlive the server and this process's kill,
 * but not the machine's power, and not a kill of this process before the flush.
 *
 * Threads: none of its own; one thread at a time.
 */

#include "fail.h"
#include "instant.h"

#include <stdint.h>

#define LEDGER_UNANSWERED 0

struct ledger_line {
    const char *id;
    int status;      /* 100..599 or LEDGER_UNANSWERED */
    const char *seq; /* empty for none */
    const char *key;
    uint64_t n;
    struct wall sent;     /* when the request was sent first */
    struct wall answered; /* not read for LEDGER_UNANSWERED */
};

struct ledger;

/* Opens path for appending, creating it when needed. Returns NULL and fills *f when that fails. */
struct ledger *ledger_open(const char *path, struct fail *f);

/* Closes without flushing; NULL is allowed. */
void ledger_close(struct ledger *l);

/* Takes one line; the texts are copied. An error of a write stays in *l until ledger_flush tells
 * it. */
void ledger_add(struct ledger *l, const struct ledger_line *line);

/* Hands all taken lines to the kernel. Returns false and fills *f when a write failed, now or
 * before. */
bool ledger_flush(struct ledger *l, struct fail *f);

#endif
