/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_pairs.h"

#include "base/ident.h"
#include "conf/conf_value.h"

#include <stdio.h>
#include <string.h>

/* A line of the file is the longest key there is. */
#define KEY_MAX (CONF_LINE_MAX + 16)

struct walk {
    conf_pairs_fn *fn;
    void *ctx;
    struct buf value;
};

static enum status pass(struct walk *w, const struct conf_option *row, const char *key,
                        struct slice value)
{
    const struct conf_pair pair = {row, key, value, true};
    return w->fn(w->ctx, &pair);
}

/* "topic.FAMILY" and "CONTACT" make "topic.CONTACT". */
static void make_key(const struct conf_option *row, const char *name, char out[KEY_MAX])
{
    snprintf(out, KEY_MAX, "%.*s%s", (int)(strcspn(row->key, ".") + 1), row->key, name);
}

static enum status pass_headers(struct walk *w, const struct conf_option *row,
                                const struct conf_headers *list)
{
    char key[KEY_MAX];
    enum status st = ST_OK;
    for (size_t i = 0; i < list->count && st == ST_OK; i++) {
        make_key(row, list->items[i].name, key);
        st = pass(w, row, key, slice_of(list->items[i].value));
    }
    return st;
}

static enum status pass_topics(struct walk *w, const struct conf_option *row,
                               const struct conf_rules *list)
{
    char key[KEY_MAX];
    enum status st = ST_OK;
    for (size_t i = 0; i < list->count && st == ST_OK; i++) {
        const struct conf_rule *rule = &list->items[i];
        if (!rule->topic_line)
            continue;
        make_key(row, rule->what, key);
        st = pass(w, row, key, slice_of(rule->topic[0] ? rule->topic : "-"));
    }
    return st;
}

static enum status pass_keys(struct walk *w, const struct conf_option *row,
                             const struct conf_rules *list)
{
    char key[KEY_MAX];
    enum status st = ST_OK;
    for (size_t i = 0; i < list->count && st == ST_OK; i++) {
        const struct conf_rule *rule = &list->items[i];
        if (!rule->keys_line)
            continue;
        make_key(row, rule->what, key);
        buf_clear(&w->value);
        st = conf_value_format_keys(&rule->keys, &w->value);
        if (st == ST_OK)
            st = pass(w, row, key, buf_slice(&w->value));
    }
    return st;
}

/* The properties that this row names, or for the open row all that no other row names. */
static enum status pass_properties(struct walk *w, const struct conf_option *row,
                                   const struct conf_properties *list)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < list->count && st == ST_OK; i++) {
        const struct conf_property *p = &list->items[i];
        if (conf_option_find(row->section, p->name).row == row)
            st = pass(w, row, p->name, slice_of(p->value));
    }
    return st;
}

static enum status pass_scalar(struct walk *w, const struct conf_option *row, const void *base,
                               bool is_set)
{
    struct conf_pair pair = {row, row->key, {NULL, 0}, is_set};
    enum status st;
    buf_clear(&w->value);
    st = conf_value_format(row, base, &w->value);
    pair.value = buf_slice(&w->value);
    return st == ST_OK ? w->fn(w->ctx, &pair) : st;
}

/* A source without an org of its own choosing is its own; then there is nothing to write. */
static bool has_org(const struct conf *c, const struct conf_source *source)
{
    for (size_t i = 0; i < c->org_count; i++)
        if (strcmp(c->orgs[i].name, source->org) == 0)
            return true;
    return false;
}

static enum status pass_row(struct walk *w, const struct conf *c, const struct conf_option *row,
                            const void *base)
{
    const void *field = (const char *)base + row->offset;
    switch (row->kind) {
    case CONF_KIND_HEADERS:
        return pass_headers(w, row, field);
    case CONF_KIND_TOPIC_RULES:
        return pass_topics(w, row, field);
    case CONF_KIND_KEY_RULES:
        return pass_keys(w, row, field);
    case CONF_KIND_PROPERTY:
    case CONF_KIND_SECRET_PROPERTY:
    case CONF_KIND_PROPERTIES:
        return pass_properties(w, row, field);
    case CONF_KIND_ORG:
        return pass_scalar(w, row, base, has_org(c, base));
    case CONF_KIND_TEXT:
    case CONF_KIND_SECRET:
    case CONF_KIND_USER:
    case CONF_KIND_TOPIC:
        return pass_scalar(w, row, base, **(const char *const *)field != '\0');
    default:
        return pass_scalar(w, row, base, true);
    }
}

enum status conf_pairs_each(const struct conf *c, enum conf_section_kind kind, size_t i,
                            conf_pairs_fn *fn, void *ctx)
{
    const struct conf_section *section = conf_option_section(kind);
    const void *base = conf_option_base(c, kind, i);
    struct walk w = {.fn = fn, .ctx = ctx};
    enum status st;
    buf_init(&w.value, CONF_PAIRS_VALUE_MAX);
    /* At once in full: growing would leave copies of secrets behind. */
    st = buf_reserve(&w.value, CONF_PAIRS_VALUE_MAX);
    for (size_t r = 0; r < section->row_count && st == ST_OK; r++)
        st = pass_row(&w, c, &section->rows[r], base);
    if (w.value.ptr)
        secret_wipe(w.value.ptr, w.value.cap);
    buf_fini(&w.value);
    return st;
}
