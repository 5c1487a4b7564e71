/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_LINES_H
#define RELAY_CONF_CONF_LINES_H

/*
 * From a file's text to its sections and entries, strictly. The one door to inih.
 *
 * inih is lenient: by default (Debian 12, inih 55) it continues values over lines that begin with a
 * space, takes ':' for '=', skips a byte order mark, ignores what follows a heading's ']' and cuts
 * a line at 200 bytes without a word. Here each line is judged before inih sees it; a line that it
 * could read otherwise than an operator means is an error.
 *
 * A line is empty, a comment (first character ';' or '#'), a heading, or KEY = VALUE. Space around
 * KEY and VALUE is dropped. " ;" begins a comment behind a value; a ';' without a space before it
 * belongs to the value; " #" is refused, because it looks like a comment and would not be one. A
 * line may end in CR LF.
 *
 * Threads: one thread at a time, inih's settings are global variables.
 */

#include "base/buf.h"
#include "conf/conf_errors.h"

struct conf_lines_handler {
    void *ctx;
    /* A heading: what stands between the brackets; empty when it is malformed (that is reported
     * already), then what follows is to be skipped. */
    void (*on_section)(void *ctx, struct slice heading, int line);
    /* key and value are NUL terminated, key is one or more printable characters without a space. */
    void (*on_entry)(void *ctx, const char *key, const char *value, int line);
};

/* Calls the handler line by line and adds what is wrong with the lines to errs. */
void conf_lines_read(struct slice text, const struct conf_lines_handler *handler,
                     struct conf_errors *errs);

#endif
