/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_TABLE_H
#define RELAY_CLI_TABLE_H

/*
 * Text for people on stdout: cells of a fixed width, ages, sizes. What senders wrote is shown with
 * its control characters replaced, so that no event can move the cursor of whoever looks at it.
 *
 * Keeps no state. Threads: main.
 */

#include <stdint.h>

#include "base/clock.h"
#include "json/json_value.h"

/* A cell and a space: cut with a '+' or filled up to width characters; aligned right when width is
 * negative. 0: as long as it is, and a line end. */
void table_cell(struct slice text, int width);
/* The same for a text member of an object ("" when it is not there). */
void table_member(const struct json_value *object, const char *name, int width);
/*
 * Text in lines of at most width characters, broken at blanks only: a longer word stays whole, so
 * that it can be copied, and counts as the lines that a terminal makes of it. The lines behind the
 * first begin with indent blanks, and the last ends with a line end. Returns how many lines that
 * are; when is_shown is false nothing is printed.
 */
int table_wrap(struct slice text, int indent, int width, bool is_shown);
/* The number in a member that is a string of digits; 0 when it is none. */
int64_t table_number(const struct json_value *object, const char *name);
/* The time in a member; 0 when it is null. */
struct wall table_time(const struct json_value *object, const char *name);

#define TABLE_TEXT_MAX 32
/* "12s", "3m12s", "2h05m", "4d03h"; "-" for a negative time. */
void table_age(int64_t seconds, char out[TABLE_TEXT_MAX]);
/* "512 B", "1.5 GiB". */
void table_size(uint64_t bytes, char out[TABLE_TEXT_MAX]);

#endif
