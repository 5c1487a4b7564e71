/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_build.h"

#include "conf/conf_expand.h"
#include "conf/conf_lines.h"
#include "conf/conf_list.h"
#include "conf/conf_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_MAX 72 /* of a heading in a message */

struct conf_build {
    struct conf *conf;
    const struct conf_load_opts *opts;
    struct conf_errors *errs;
    struct conf_build_section sections[CONF_BUILD_SECTIONS_MAX];
    size_t section_count;
    struct conf_build_section *current; /* NULL: entries are skipped, their section is refused */
    struct buf value;                   /* with its variables filled in */
    struct buf secret;                  /* from its file */
    bool no_mem;
};

static bool is_string_kind(enum conf_kind kind)
{
    return kind >= CONF_KIND_CHOICE && kind <= CONF_KIND_TOPIC;
}

static void set_defaults(struct conf_build *b, const struct conf_build_section *s)
{
    const struct conf_section *def = conf_option_section(s->kind);
    struct err e = {.code = ST_OK};
    for (size_t i = 0; i < def->row_count; i++) {
        const struct conf_option *row = &def->rows[i];
        const char *text = conf_option_default(row);
        if (is_string_kind(row->kind))
            *(const char **)(void *)((char *)s->base + row->offset) = "";
        if (!*text || conf_option_is_list(row))
            continue;
        if (conf_value_set(row, s->base, slice_of(text), b->conf->store, &e) != ST_OK) {
            /* A default that its own row refuses is a mistake in the table. */
            CHECK(e.code == ST_NO_MEM);
            b->no_mem = true;
        }
    }
}

static struct conf_build_section *add_section(struct conf_build *b, enum conf_section_kind kind,
                                              const char *title, void *base)
{
    struct conf_build_section *s = &b->sections[b->section_count];
    CHECK(b->section_count < CONF_BUILD_SECTIONS_MAX);
    b->section_count++;
    s->kind = kind;
    s->base = base;
    snprintf(s->title, sizeof s->title, "%s", title);
    set_defaults(b, s);
    return s;
}

struct conf_build *conf_build_create(struct conf *c, const struct conf_load_opts *opts,
                                     struct conf_errors *errs)
{
    struct conf_build *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->conf = c;
    b->opts = opts;
    b->errs = errs;
    buf_init(&b->value, CONF_VALUE_MAX);
    buf_init(&b->secret, CONF_SECRET_FILE_MAX);
    /* At once in full: growing would leave copies of secrets behind. */
    if (buf_reserve(&b->value, CONF_VALUE_MAX) != ST_OK ||
        buf_reserve(&b->secret, CONF_SECRET_FILE_MAX) != ST_OK)
        b->no_mem = true;
    add_section(b, CONF_SECTION_HTTP, "http", &c->http);
    add_section(b, CONF_SECTION_JOURNAL, "journal", &c->journal);
    add_section(b, CONF_SECTION_KAFKA, "kafka", &c->kafka);
    add_section(b, CONF_SECTION_ADMIN, "admin", &c->admin);
    add_section(b, CONF_SECTION_LOG, "log", &c->log);
    return b;
}

void conf_build_destroy(struct conf_build *b)
{
    if (!b)
        return;
    conf_expand_wipe(&b->value);
    conf_expand_wipe(&b->secret);
    free(b);
}

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-')
            return false;
    }
    return name.len > 0 && name.len <= CONF_NAME_MAX;
}

static struct conf_build_section *find_section(struct conf_build *b, const char *title)
{
    for (size_t i = 0; i < b->section_count; i++)
        if (strcmp(b->sections[i].title, title) == 0)
            return &b->sections[i];
    return NULL;
}

/* A new [org NAME] or [source NAME]; NULL with a message or no_mem when there is no room. */
static struct conf_build_section *add_named(struct conf_build *b, enum conf_section_kind kind,
                                            struct slice name, const char *title, int line)
{
    struct conf *c = b->conf;
    size_t max = kind == CONF_SECTION_ORG ? CONF_ORGS_MAX : CONF_SOURCES_MAX;
    struct conf_build_section *s;
    const char *copy;
    if (conf_option_instances(c, kind) == max) {
        conf_errors_add(b->errs, line, title, NULL,
                        "is one too many; at most %zu sections [%s NAME]", max,
                        conf_option_section(kind)->word);
        return NULL;
    }
    copy = conf_store_copy(c->store, name);
    if (!copy) {
        b->no_mem = true;
        return NULL;
    }
    if (kind == CONF_SECTION_ORG) {
        struct conf_org *org = &c->orgs[c->org_count++];
        s = add_section(b, kind, title, org);
        org->name = copy;
        org->line = line;
    } else {
        struct conf_source *source = &c->sources[c->source_count++];
        s = add_section(b, kind, title, source);
        source->name = copy;
        source->line = line;
        source->org = copy;
    }
    return s;
}

/* What is wrong with the heading's words, NULL when nothing is. */
static const char *judge_heading(bool is_known, enum conf_section_kind kind, struct slice name)
{
    if (!is_known)
        return "unknown section";
    if (!conf_option_section(kind)->is_named)
        return name.len ? "this section takes no name" : NULL;
    if (name.len == 0)
        return "this section needs a name, as in [source gladly]";
    return is_name(name) ? NULL : "the name must be 1 to 32 of a-z, 0-9, '_' and '-'";
}

static void on_section(void *ctx, struct slice heading, int line)
{
    struct conf_build *b = ctx;
    struct conf_build_section *s;
    enum conf_section_kind kind = CONF_SECTION_COUNT;
    struct slice word = heading, name = {NULL, 0};
    char title[TITLE_MAX];
    const char *space, *wrong;
    bool is_known;
    b->current = NULL;
    if (heading.len == 0)
        return;
    space = memchr(heading.ptr, ' ', heading.len);
    if (space) {
        word.len = (size_t)(space - heading.ptr);
        name = slice_trim((struct slice){space, heading.len - word.len});
    }
    snprintf(title, sizeof title, "%.*s%s%.*s", (int)(word.len < 64 ? word.len : 64), word.ptr,
             name.len ? " " : "", (int)(name.len < 64 ? name.len : 64), name.ptr ? name.ptr : "");
    is_known = conf_option_section_find(word, &kind);
    wrong = judge_heading(is_known, kind, name);
    if (wrong) {
        conf_errors_add(b->errs, line, title, NULL, "%s", wrong);
        return;
    }
    s = find_section(b, title);
    if (s && s->line)
        conf_errors_add(b->errs, line, title, NULL, "the section is in line %d already", s->line);
    else if (s || (s = add_named(b, kind, name, title, line)))
        s->line = line;
    /* The entries of a repeated section are checked with those of the first. */
    b->current = s;
}

/* Adds a message; out of memory is none. */
static void report(struct conf_build *b, const char *key, int line, enum status st,
                   const struct err *e)
{
    if (st == ST_NO_MEM)
        b->no_mem = true;
    else if (st != ST_OK)
        conf_errors_add(b->errs, line, b->current->title, key, "%s", e->text);
}

/* Whether a client needs no more of this entry than that it is there. */
static bool is_passed_over(const struct conf_build *b, const struct conf_option *row)
{
    enum conf_section_kind kind = b->current->kind;
    if (!b->opts->client)
        return false;
    return (kind != CONF_SECTION_JOURNAL && kind != CONF_SECTION_ADMIN) ||
           (row && conf_option_is_secret(row));
}

/* Fills b->value, or b->secret for a _file key, and *text with it. */
static enum status evaluate(struct conf_build *b, const char *value, bool is_file,
                            struct slice *text, struct err *e)
{
    enum status st;
    buf_clear(&b->value);
    buf_clear(&b->secret);
    st = conf_expand_value(slice_of(value), &b->value, e);
    *text = buf_slice(&b->value);
    if (st != ST_OK)
        return st;
    if (text->len && memchr(text->ptr, '\0', text->len))
        return err_set(e, ST_BAD_INPUT, "must not hold a NUL byte");
    if (!is_file)
        return ST_OK;
    if (text->len == 0)
        return err_set(e, ST_BAD_INPUT, "must be the path of a file");
    st = buf_append(&b->value, "", 1);
    if (st != ST_OK)
        return err_set(e, st, "is too long");
    st = conf_expand_secret_file(b->value.ptr, &b->secret, e);
    *text = buf_slice(&b->secret);
    return st;
}

/* True when the row was not given before; otherwise says so. */
static bool is_first(struct conf_build *b, const struct conf_option_match *m, size_t i,
                     const char *key, int line)
{
    struct conf_build_section *s = b->current;
    if (s->lines[i] == 0) {
        s->lines[i] = line;
        s->by_file[i] = m->is_file;
        return true;
    }
    if (s->by_file[i] == m->is_file)
        conf_errors_add(b->errs, line, s->title, key, "is in line %d already", s->lines[i]);
    else
        conf_errors_add(b->errs, line, s->title, key,
                        "%s%s is in line %d already; give only one of the two", m->row->key,
                        m->is_file ? "" : "_file", s->lines[i]);
    return false;
}

/* Asks the caller about the property that was added last. */
static enum status check_property(const struct conf_build *b, struct err *e)
{
    const struct conf_properties *list = &b->conf->kafka.properties;
    const struct conf_property *p = &list->items[list->count - 1];
    enum status st;
    if (!b->opts->kafka_check)
        return ST_OK;
    st = b->opts->kafka_check(p->name, p->value, e);
    /* The reason may show the value. */
    if (st != ST_OK && p->is_secret)
        return err_set(e, ST_BAD_INPUT, "the Kafka client refuses this property or its value");
    return st == ST_OK ? ST_OK : ST_BAD_INPUT;
}

static void on_entry(void *ctx, const char *key, const char *value, int line)
{
    struct conf_build *b = ctx;
    struct conf_build_section *s = b->current;
    struct conf_option_match m;
    struct slice text;
    struct err e = {.code = ST_OK};
    enum status st;
    bool is_open;
    if (!s || b->no_mem)
        return;
    m = conf_option_find(s->kind, key);
    if (is_passed_over(b, m.row))
        return;
    if (!m.row) {
        conf_errors_add(b->errs, line, s->title, key, "unknown key");
        return;
    }
    is_open = conf_option_is_open(m.row);
    if (!is_open &&
        !is_first(b, &m, (size_t)(m.row - conf_option_section(s->kind)->rows), key, line))
        return;
    st = evaluate(b, value, m.is_file, &text, &e);
    if (st == ST_OK && conf_option_is_list(m.row))
        st = conf_list_add(s->base, &(struct conf_list_entry){m, text, line}, b->conf->store, &e);
    else if (st == ST_OK)
        st = conf_value_set(m.row, s->base, text, b->conf->store, &e);
    if (st == ST_OK && s->kind == CONF_SECTION_KAFKA && conf_option_is_list(m.row))
        st = check_property(b, &e);
    report(b, key, line, st, &e);
}

enum status conf_build_read(struct conf_build *b, struct slice text)
{
    const struct conf_lines_handler handler = {b, on_section, on_entry};
    if (!b->no_mem)
        conf_lines_read(text, &handler, b->errs);
    return b->no_mem ? ST_NO_MEM : ST_OK;
}

size_t conf_build_count(const struct conf_build *b)
{
    return b->section_count;
}

const struct conf_build_section *conf_build_section(const struct conf_build *b, size_t i)
{
    CHECK(i < b->section_count);
    return &b->sections[i];
}
