/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

/* A longer line is cut: a log that a person reads needs no more, and a write this small is not
 * torn. */
#define LINE_MAX_BYTES 2048

static _Atomic int min_level = LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    bool cut; /* something did not fit: nothing more is put, so that no part stands alone */
};

static void put(struct line *l, const char *bytes, size_t n)
{
    /* Two bytes stay free for a closing quote and the newline. */
    if (l->cut || l->len + n > sizeof l->text - 2) {
        l->cut = true;
        return;
    }
    memcpy(l->text + l->len, bytes, n);
    l->len += n;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void put_quoted(struct line *l, struct slice s)
{
    put(l, "\"", 1);
    if (l->cut)
        return;
    for (size_t i = 0; i < s.len && !l->cut; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        char hex[8];
        if (c == '"' || c == '\\') {
            snprintf(hex, sizeof hex, "\\%c", c);
            put_text(l, hex);
        } else if (c < 0x20 || c >= 0x7f) {
            snprintf(hex, sizeof hex, "\\x%02x", c);
            put_text(l, hex);
        } else {
            put(l, (const char *)&c, 1);
        }
    }
    l->text[l->len++] = '"';
}

static void put_field(struct line *l, const struct log_field *f)
{
    char number[32];
    put(l, " ", 1);
    put_text(l, f->name);
    put(l, "=", 1);
    if (f->kind == LOG_KIND_INT) {
        snprintf(number, sizeof number, "%" PRId64, f->number);
        put_text(l, number);
    } else {
        put_quoted(l, f->text);
    }
}

void log_write(enum log_level level, const char *event, ...)
{
    int saved_errno = errno;
    char when[WALL_TEXT_MAX];
    struct line l = {.len = 0, .cut = false};
    va_list ap;
    if (!log_is_enabled(level))
        return;
    wall_format(clock_wall(clock_system()), when);
    put_text(&l, "ts=");
    put_text(&l, when);
    put_text(&l, " level=");
    put_text(&l, level_names[level]);
    put_text(&l, " thread=");
    put_text(&l, thread_name());
    put_text(&l, " event=");
    put_text(&l, event);
    va_start(ap, event);
    for (int i = 0; i < LOG_FIELDS_MAX; i++) {
        struct log_field f = va_arg(ap, struct log_field);
        if (!f.name)
            break;
        put_field(&l, &f);
    }
    va_end(ap);
    l.text[l.len++] = '\n';
    /* A log that cannot be written must not stop the relay: there is nobody left to tell. */
    ssize_t n = write(log_fd, l.text, l.len);
    (void)n;
    errno = saved_errno;
}

void log_set_level(enum log_level level)
{
    min_level = (int)level;
}

bool log_is_enabled(enum log_level level)
{
    return (int)level >= min_level;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(struct slice text, enum log_level *out)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        if (slice_eq(text, slice_of(level_names[i]))) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

void log_set_fd(int fd)
{
    log_fd = fd;
}
