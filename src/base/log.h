/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_LOG_H
#define RELAY_BASE_LOG_H

/*
 * Structured log lines on stderr, one event a line:
 *
 *   ts=2026-01-02T03:04:05.678Z level=info thread=committer event=journal.opened path="relay.db"
 * seq=12
 *
 * The caller gives an event code ("journal.opened") and fields; time, level and thread are added
 * here. Values are quoted and every byte below 0x20, 0x7f and above, quote and backslash are
 * escaped, so that no input can forge a line. Bodies and secrets never go in (promise P10); sizes
 * and ids do.
 *
 * Threads: all functions from every thread; a line is one write(2). Nothing is allocated, errno is
 * preserved.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_kind { LOG_KIND_TEXT, LOG_KIND_INT };

struct log_field {
    const char *name; /* NULL ends the list */
    enum log_kind kind;
    struct slice text;
    int64_t number;
};

#define LOG_S(field, value)     ((struct log_field){field, LOG_KIND_TEXT, slice_of(value), 0})
#define LOG_SLICE(field, value) ((struct log_field){field, LOG_KIND_TEXT, value, 0})
#define LOG_I(field, value)     ((struct log_field){field, LOG_KIND_INT, {0}, (int64_t)(value)})

/*
 * log_info("journal.opened", LOG_S("path", path), LOG_I("seq", seq)) and its siblings. The variadic
 * part may be empty: the list always ends with a zero field, put there by the macro.
 */
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__, LOG_END)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__, LOG_END)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__, LOG_END)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__, LOG_END)
#define LOG_FIELDS_MAX 12 /* more are not written */
#define LOG_END        ((struct log_field){NULL, LOG_KIND_TEXT, {NULL, 0}, 0})

/* Writes one line; the arguments after event are struct log_field values, the last one LOG_END. Use
 * the macros. */
void log_write(enum log_level level, const char *event, ...);

/* Lines below level are dropped. Default LOG_INFO. */
void log_set_level(enum log_level level);
bool log_is_enabled(enum log_level level);
/* "debug", "info", "warn", "error". */
const char *log_level_name(enum log_level level);
bool log_level_parse(struct slice text, enum log_level *out);

/* Where lines go; default 2. For tests. */
void log_set_fd(int fd);

#endif
