/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME_MAX 256
#define MESSAGE_MAX   1024

struct message {
    int line;
    char text[MESSAGE_MAX];
};

struct conf_errors {
    char file[FILE_NAME_MAX];
    size_t total;
    size_t kept;
    struct message items[CONF_ERRORS_MAX];
};

struct conf_errors *conf_errors_create(void)
{
    return calloc(1, sizeof(struct conf_errors));
}

void conf_errors_destroy(struct conf_errors *errs)
{
    free(errs);
}

void conf_errors_reset(struct conf_errors *errs, const char *file)
{
    snprintf(errs->file, sizeof errs->file, "%s", file);
    errs->total = 0;
    errs->kept = 0;
}

/* The place for a message of this line, behind those of the same line; NULL when it is not kept. */
static struct message *make_room(struct conf_errors *errs, int line)
{
    size_t at = errs->kept;
    while (at > 0 && errs->items[at - 1].line > line)
        at--;
    if (at == CONF_ERRORS_MAX)
        return NULL;
    if (errs->kept == CONF_ERRORS_MAX)
        errs->kept--;
    memmove(&errs->items[at + 1], &errs->items[at], (errs->kept - at) * sizeof errs->items[0]);
    errs->kept++;
    return &errs->items[at];
}

void conf_errors_add(struct conf_errors *errs, int line, const char *section, const char *key,
                     const char *fmt, ...)
{
    char reason[MESSAGE_MAX / 2];
    char where[FILE_NAME_MAX + 16];
    struct message *m;
    va_list ap;
    errs->total++;
    m = make_room(errs, line);
    if (!m)
        return;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    m->line = line;
    if (line > 0)
        snprintf(where, sizeof where, "%s:%d", errs->file, line);
    else
        snprintf(where, sizeof where, "%s", errs->file);
    /* Names are cut so that the reason always fits. */
    if (section && key)
        snprintf(m->text, sizeof m->text, "%s: [%.64s] %.64s: %s", where, section, key, reason);
    else if (section)
        snprintf(m->text, sizeof m->text, "%s: [%.64s]: %s", where, section, reason);
    else
        snprintf(m->text, sizeof m->text, "%s: %s", where, reason);
}

size_t conf_errors_count(const struct conf_errors *errs)
{
    return errs->total;
}

size_t conf_errors_kept(const struct conf_errors *errs)
{
    return errs->kept;
}

const char *conf_errors_text(const struct conf_errors *errs, size_t i)
{
    CHECK(i < errs->kept);
    return errs->items[i].text;
}

enum status conf_errors_write(const struct conf_errors *errs, struct buf *out)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < errs->kept && st == ST_OK; i++)
        st = buf_printf(out, "%s\n", errs->items[i].text);
    if (st == ST_OK && errs->total > errs->kept)
        st = buf_printf(out, "%s: and %zu more errors\n", errs->file, errs->total - errs->kept);
    return st;
}
