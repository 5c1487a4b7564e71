/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_lines.h"

#include "conf/conf.h"

#include <ini.h>

#include <string.h>

#if INI_HANDLER_LINENO
#error "this inih passes line numbers to its handler; Debian's does not"
#endif

struct lines {
    struct slice rest; /* not yet read */
    int line;          /* number of the line that inih has now */
    bool has_section;
    const struct conf_lines_handler *handler;
    struct conf_errors *errs;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The line up to a comment; a ';' counts as one only behind a space, as inih reads it. */
static struct slice without_comment(struct slice line)
{
    for (size_t i = 1; i < line.len; i++)
        if (line.ptr[i] == ';' && is_space(line.ptr[i - 1]))
            return slice_trim((struct slice){line.ptr, i});
    return slice_trim(line);
}

static bool has_hash_comment(struct slice value)
{
    for (size_t i = 1; i < value.len; i++)
        if (value.ptr[i] == '#' && is_space(value.ptr[i - 1]))
            return true;
    return false;
}

static bool has_control(struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

static void read_heading(struct lines *l, struct slice line)
{
    struct slice inner = {line.ptr + 1, 0};
    const char *end;
    line = without_comment(line);
    end = memchr(line.ptr, ']', line.len);
    l->has_section = true;
    if (end && end + 1 == line.ptr + line.len)
        inner.len = (size_t)(end - inner.ptr);
    if (inner.len == 0 || memchr(inner.ptr, '[', inner.len) || slice_trim(inner).len != inner.len) {
        conf_errors_add(l->errs, l->line, NULL, NULL,
                        "the heading must be [SECTION] or [SECTION NAME], and nothing after it");
        inner.len = 0;
    }
    l->handler->on_section(l->handler->ctx, inner, l->line);
}

/* What is wrong with a KEY = VALUE line, NULL when nothing is. */
static const char *judge_entry(const struct lines *l, struct slice line)
{
    struct slice key = without_comment(line);
    const char *equals = memchr(key.ptr, '=', key.len);
    const char *colon = memchr(key.ptr, ':', equals ? (size_t)(equals - key.ptr) : key.len);
    struct slice value;
    if (colon)
        return "':' stands where '=' is expected; write KEY = VALUE";
    if (!equals)
        return "the line has no '='; write KEY = VALUE";
    /* The space before the value belongs to it here: "= #x" is refused like "= x #y". */
    value = (struct slice){equals, (size_t)(key.ptr + key.len - equals)};
    key = slice_trim((struct slice){key.ptr, (size_t)(equals - key.ptr)});
    if (key.len == 0)
        return "there is no key before '='";
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] <= ' ' || key.ptr[i] > '~')
            return "the key before '=' holds a space or a character outside of ASCII";
    if (value.len > 1 && (value.ptr[1] == '#' || value.ptr[1] == ';'))
        return "a value cannot begin with '#' or ';'; take it from a variable or file";
    if (has_hash_comment(value))
        return "' #' begins no comment here; write ' ;', or take a value with ' #' from a variable "
               "or file";
    return l->has_section ? NULL : "the line stands before the first [SECTION]";
}

/* True when inih shall see the line; everything else is dealt with here. */
static bool accept_line(struct lines *l, struct slice line)
{
    const char *wrong = NULL;
    struct slice trimmed = slice_trim(line);
    if (line.len > CONF_LINE_MAX) {
        conf_errors_add(l->errs, l->line, NULL, NULL, "the line is longer than %d bytes",
                        CONF_LINE_MAX);
        return false;
    }
    if (has_control(line))
        wrong = "the line holds a control character";
    else if (trimmed.len == 0 || trimmed.ptr[0] == ';' || trimmed.ptr[0] == '#')
        return false;
    else if (is_space(line.ptr[0]))
        wrong = "the line begins with a space; a value cannot be continued on a second line";
    else if (line.ptr[0] == '[')
        read_heading(l, line);
    else
        wrong = judge_entry(l, line);
    if (wrong)
        conf_errors_add(l->errs, l->line, NULL, NULL, "%s", wrong);
    return !wrong && line.ptr[0] != '[';
}

/* The ini_reader: one call, one line. Lines that inih need not see are empty ones for it. */
static char *next_line(char *out, int room, void *stream)
{
    struct lines *l = stream;
    const char *end;
    struct slice line = l->rest;
    size_t len = 0;
    if (line.len == 0)
        return NULL;
    end = memchr(line.ptr, '\n', line.len);
    if (end)
        line.len = (size_t)(end - line.ptr);
    l->rest.ptr += line.len + (end ? 1 : 0);
    l->rest.len -= line.len + (end ? 1 : 0);
    l->line++;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (accept_line(l, line)) {
        CHECK(line.len + 2 <= (size_t)room);
        memcpy(out, line.ptr, line.len);
        len = line.len;
    }
    out[len] = '\n';
    out[len + 1] = '\0';
    return out;
}

static int take_entry(void *user, const char *section, const char *key, const char *value)
{
    struct lines *l = user;
    /* inih is given no headings: it would cut their names at 49 bytes. */
    (void)section;
    l->handler->on_entry(l->handler->ctx, key, value, l->line);
    return 1;
}

static void configure_inih(void)
{
    static char comment[] = ";";
    ini_allow_multiline = false;
    ini_allow_bom = false;
    ini_allow_inline_comments = true;
    ini_inline_comment_prefixes = comment;
    ini_allow_no_value = false;
    ini_stop_on_first_error = false;
    ini_use_stack = true;
    /* Line end and NUL, and one to spare. */
    ini_max_line = CONF_LINE_MAX + 3;
}

void conf_lines_read(struct slice text, const struct conf_lines_handler *handler,
                     struct conf_errors *errs)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct lines l = {.rest = text, .handler = handler, .errs = errs};
    int first_bad;
    if (text.len >= 3 && memcmp(text.ptr, bom, 3) == 0) {
        conf_errors_add(errs, 1, NULL, NULL,
                        "the file begins with a byte order mark; save it without one");
        l.rest = (struct slice){text.ptr + 3, text.len - 3};
    }
    configure_inih();
    first_bad = ini_parse_stream(next_line, &l, take_entry, &l);
    /* A line that is good here and bad to inih must not vanish. */
    if (first_bad)
        conf_errors_add(errs, first_bad > 0 ? first_bad : 0, NULL, NULL, "inih cannot read %s",
                        first_bad > 0 ? "this line" : "the file");
}
