/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_FAIL_H
#define RELAY_BENCH_FAIL_H

/*
 * Errors of the bench programs.
 *
 * The bench programs link nothing of the relay, so that what they measure is not measured with its
 * own parts. A bench function that can fail returns false and says why in the caller's struct fail;
 * only main() prints it.
 *
 * Threads: a struct fail belongs to its caller; all functions are re-entrant.
 */

#include <stdbool.h>

/* One line of text with a path (PATH_MAX is rare in practice) and an errno text. */
#define FAIL_TEXT_MAX 512

struct fail {
    char text[FAIL_TEXT_MAX];
};

/* Sets *f and returns false, so that a caller can write `return fail_set(...)`. */
bool fail_set(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As fail_set, with ": <strerror(errno_value)>" after the text. */
bool fail_set_errno(struct fail *f, int errno_value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* For broken invariants, never for run-time conditions: writes one line to stderr and aborts. */
#define CHECK(cond) ((cond) ? (void)0 : fail_check(#cond, __FILE__, __LINE__))
_Noreturn void fail_check(const char *cond, const char *file, int line);

#endif
