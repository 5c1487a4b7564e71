/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {
    [ST_OK] = "ok",           [ST_AGAIN] = "again",         [ST_BUSY] = "busy",
    [ST_FULL] = "full",       [ST_TOO_BIG] = "too_big",     [ST_BAD_INPUT] = "bad_input",
    [ST_DENIED] = "denied",   [ST_NOT_FOUND] = "not_found", [ST_IO] = "io",
    [ST_CORRUPT] = "corrupt", [ST_NO_MEM] = "no_mem",       [ST_FATAL] = "fatal",
};
_Static_assert(sizeof status_names / sizeof status_names[0] == ST_FATAL + 1, "one name a status");

__attribute__((format(printf, 4, 0))) static void set(struct err *e, enum status code, int detail,
                                                      const char *fmt, va_list ap)
{
    if (!e)
        return;
    e->code = code;
    e->detail = detail;
    vsnprintf(e->text, sizeof e->text, fmt, ap);
}

void err_fill(struct err *e, enum status code, int detail, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(e, code, detail, fmt, ap);
    va_end(ap);
}

void err_fill_errno(struct err *e, enum status code, int errno_value, const char *fmt, ...)
{
    char reason[96];
    size_t used;
    va_list ap;
    va_start(ap, fmt);
    set(e, code, errno_value, fmt, ap);
    va_end(ap);
    if (!e)
        return;
    /* The GNU strerror_r may return a constant string instead of filling the buffer. */
    const char *text = strerror_r(errno_value, reason, sizeof reason);
    used = strlen(e->text);
    snprintf(e->text + used, sizeof e->text - used, ": %s", text);
}

enum status err_context(struct err *e, const char *fmt, ...)
{
    char old[ERR_TEXT_MAX];
    size_t used;
    va_list ap;
    if (!e)
        return ST_FATAL;
    memcpy(old, e->text, sizeof old);
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    used = strlen(e->text);
    snprintf(e->text + used, sizeof e->text - used, ": %s", old);
    return e->code;
}

const char *status_name(enum status code)
{
    if ((unsigned)code > ST_FATAL)
        return "unknown";
    return status_names[code];
}

_Noreturn void err_check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "level=fatal event=check.failed cond=\"%s\" at=%s:%d\n", cond, file, line);
    abort();
}
