/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "json/json_utf8.h"

/* The bytes of the character at *at, which moves behind it; control characters, those of C1 too,
 * and what is not UTF-8 become a '?'. */
static struct slice next_character(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *c = *at;
    size_t len = json_utf8_length(c, end);
    bool is_control = *c < 0x20 || *c == 0x7f || (*c == 0xc2 && len == 2 && c[1] < 0xa0);
    *at += len ? len : 1;
    if (!len || is_control)
        return (struct slice){"?", 1};
    return (struct slice){(const char *)c, len};
}

static int count_characters(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    int n = 0;
    while (at < end) {
        next_character(&at, end);
        n++;
    }
    return n;
}

void table_cell(struct slice text, int width)
{
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    int room = abs(width), count = count_characters(text);
    bool is_cut = width && count > room;
    int shown = is_cut ? room - 1 : count;
    if (width < 0 && count < room)
        printf("%*s", room - count, "");
    for (int i = 0; i < shown; i++) {
        struct slice c = next_character(&at, end);
        fwrite(c.ptr, 1, c.len, stdout);
    }
    if (is_cut)
        putchar('+');
    if (width > 0 && count < room)
        printf("%*s", room - count, "");
    putchar(width ? ' ' : '\n');
}

/* The bytes up to the last blank that leaves at most width characters before it; without one, up
 * to the first blank. */
static size_t line_bytes(const unsigned char *at, const unsigned char *end, int width)
{
    const unsigned char *c = at, *cut = NULL;
    for (int n = 0; c < end && (n <= width || !cut); n++) {
        if (*c == ' ' && c > at)
            cut = c;
        next_character(&c, end);
    }
    if (c == end &&
        (!cut || count_characters((struct slice){(const char *)at, (size_t)(end - at)}) <= width))
        cut = end;
    return (size_t)(cut - at);
}

int table_wrap(struct slice text, int indent, int width, bool is_shown)
{
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    int lines = 0;
    do {
        struct slice line = {(const char *)at, at < end ? line_bytes(at, end, width) : 0};
        int count = count_characters(line);
        if (is_shown && lines)
            printf("%*s", indent, "");
        if (is_shown)
            table_cell(line, 0);
        lines += count > width ? (count + width - 1) / width : 1;
        at += line.len;
        while (at < end && *at == ' ')
            at++;
    } while (at < end);
    return lines;
}

void table_member(const struct json_value *object, const char *name, int width)
{
    table_cell(json_text(json_get(object, name)), width);
}

int64_t table_number(const struct json_value *object, const char *name)
{
    uint64_t value = 0;
    struct err ignored; /* what is no number is shown as 0 */
    if (json_get_u64(object, name, 0, INT64_MAX, &value, &ignored) != ST_OK)
        return 0;
    return (int64_t)value;
}

struct wall table_time(const struct json_value *object, const char *name)
{
    struct slice text = json_text(json_get(object, name));
    struct wall t = {0};
    if (!text.len || !wall_parse(text.ptr, text.len, &t))
        return (struct wall){0};
    return t;
}

void table_age(int64_t seconds, char out[TABLE_TEXT_MAX])
{
    int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    if (seconds < 0)
        snprintf(out, TABLE_TEXT_MAX, "-");
    else if (seconds < 60)
        snprintf(out, TABLE_TEXT_MAX, "%" PRId64 "s", seconds);
    else if (minutes < 60)
        snprintf(out, TABLE_TEXT_MAX, "%" PRId64 "m%02" PRId64 "s", minutes, seconds % 60);
    else if (hours < 24)
        snprintf(out, TABLE_TEXT_MAX, "%" PRId64 "h%02" PRId64 "m", hours, minutes % 60);
    else
        snprintf(out, TABLE_TEXT_MAX, "%" PRId64 "d%02" PRId64 "h", days, hours % 24);
}

void table_size(uint64_t bytes, char out[TABLE_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(out, TABLE_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}
