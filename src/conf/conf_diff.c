/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_diff.h"

#include "conf/conf_pairs.h"
#include "conf/conf_store.h"

#include <stdio.h>
#include <string.h>

/* Pairs of one section: its rows, and its lists in full. */
#define PAIRS_MAX (CONF_ROWS_MAX + CONF_HEADERS_MAX + 2 * CONF_RULES_MAX + CONF_PROPERTIES_MAX)

struct listed {
    struct conf_store *store; /* overwrites the secrets in the end */
    struct conf_pair *items;
    size_t count;
};

struct report {
    const char *title;
    conf_diff_fn *fn;
    void *ctx;
};

static enum status list_pair(void *ctx, const struct conf_pair *pair)
{
    struct listed *l = ctx;
    struct conf_pair *copy = &l->items[l->count];
    CHECK(l->count < PAIRS_MAX);
    *copy = *pair;
    copy->key = conf_store_copy(l->store, slice_of(pair->key));
    copy->value.ptr = conf_store_copy(l->store, pair->value);
    if (!copy->key || !copy->value.ptr)
        return ST_NO_MEM;
    l->count++;
    return ST_OK;
}

static enum status list_section(struct listed *l, const struct conf *c, enum conf_section_kind kind,
                                size_t i)
{
    *l = (struct listed){.store = conf_store_create()};
    if (l->store)
        l->items = conf_store_alloc(l->store, PAIRS_MAX * sizeof l->items[0]);
    return l->items ? conf_pairs_each(c, kind, i, list_pair, l) : ST_NO_MEM;
}

static const struct conf_pair *find_pair(const struct listed *l, const struct conf_pair *wanted)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].row == wanted->row && strcmp(l->items[i].key, wanted->key) == 0)
            return &l->items[i];
    return NULL;
}

static void tell(const struct report *r, enum conf_change_kind kind, const struct conf_pair *pair)
{
    const struct conf_change change = {kind, r->title, pair ? pair->key : "",
                                       pair && (pair->row->flags & CONF_RELOAD)};
    r->fn(r->ctx, &change);
}

static void compare_pairs(const struct listed *before, const struct listed *after,
                          const struct report *r)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct conf_pair *old = &before->items[i];
        const struct conf_pair *now = find_pair(after, old);
        if (!now)
            tell(r, CONF_REMOVED, old);
        else if (now->is_set != old->is_set || !slice_eq(now->value, old->value))
            tell(r, CONF_CHANGED, old);
    }
    for (size_t i = 0; i < after->count; i++)
        if (!find_pair(before, &after->items[i]))
            tell(r, CONF_ADDED, &after->items[i]);
}

/* Where c has the section of this name; its count when it has none. */
static size_t find_instance(const struct conf *c, enum conf_section_kind kind, const char *name)
{
    size_t i = 0;
    while (i < conf_option_instances(c, kind) && strcmp(conf_option_name(c, kind, i), name) != 0)
        i++;
    return i;
}

static enum status diff_kind(const struct conf *before, const struct conf *after,
                             enum conf_section_kind kind, struct report *r)
{
    char title[16 + CONF_NAME_MAX];
    enum status st = ST_OK;
    r->title = title;
    for (size_t i = 0; i < conf_option_instances(before, kind) && st == ST_OK; i++) {
        const char *name = conf_option_name(before, kind, i);
        size_t k = find_instance(after, kind, name);
        struct listed a = {NULL, NULL, 0}, b = {NULL, NULL, 0};
        snprintf(title, sizeof title, "%s%s%s", conf_option_section(kind)->word, *name ? " " : "",
                 name);
        if (k == conf_option_instances(after, kind)) {
            tell(r, CONF_REMOVED, NULL);
            continue;
        }
        st = list_section(&a, before, kind, i);
        if (st == ST_OK)
            st = list_section(&b, after, kind, k);
        if (st == ST_OK)
            compare_pairs(&a, &b, r);
        conf_store_destroy(a.store);
        conf_store_destroy(b.store);
    }
    for (size_t i = 0; i < conf_option_instances(after, kind) && st == ST_OK; i++) {
        const char *name = conf_option_name(after, kind, i);
        snprintf(title, sizeof title, "%s %s", conf_option_section(kind)->word, name);
        if (find_instance(before, kind, name) == conf_option_instances(before, kind))
            tell(r, CONF_ADDED, NULL);
    }
    r->title = NULL; /* it was this function's */
    return st;
}

enum status conf_diff(const struct conf *before, const struct conf *after, conf_diff_fn *fn,
                      void *ctx)
{
    struct report r = {.fn = fn, .ctx = ctx};
    enum status st = ST_OK;
    for (unsigned k = 0; k < CONF_SECTION_COUNT && st == ST_OK; k++)
        st = diff_kind(before, after, (enum conf_section_kind)k, &r);
    return st;
}
