/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_list.h"

#include "conf/conf_value.h"

#include <string.h>

static enum status no_memory(struct err *e)
{
    return err_set(e, ST_NO_MEM, "out of memory");
}

static enum status repeated(int line, struct err *e)
{
    return err_set(e, ST_BAD_INPUT, "is in line %d already", line);
}

static enum status add_header(struct conf_headers *list, const struct conf_list_entry *entry,
                              struct conf_store *store, struct err *e)
{
    struct slice name = entry->match.name;
    struct conf_header *h;
    enum status st;
    if (!conf_value_is_header_name(name))
        return err_set(e, ST_BAD_INPUT, "must have the name of an HTTP header behind 'header.'");
    for (size_t i = 0; i < list->count; i++)
        if (slice_eq_nocase(slice_of(list->items[i].name), name))
            return repeated(list->items[i].line, e);
    if (list->count == CONF_HEADERS_MAX)
        return err_set(e, ST_BAD_INPUT, "is one too many; at most %d headers", CONF_HEADERS_MAX);
    st = conf_value_check_text(entry->match.row, entry->value, e);
    if (st != ST_OK)
        return st;
    h = &list->items[list->count];
    *h = (struct conf_header){conf_store_copy(store, name), conf_store_copy(store, entry->value),
                              entry->line};
    if (!h->name || !h->value)
        return no_memory(e);
    list->count++;
    return ST_OK;
}

/* FAMILY or FAMILY/NAME, as Gladly writes types. */
static bool is_family_or_type(struct slice what)
{
    size_t slashes = 0;
    for (size_t i = 0; i < what.len; i++) {
        char c = what.ptr[i];
        if (c == '/' && i > 0 && i + 1 < what.len)
            slashes++;
        else if ((c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-')
            return false;
    }
    return what.len > 0 && slashes <= 1;
}

/* The rule of this name, made if need be; NULL with *st set when there is no room. */
static struct conf_rule *find_rule(struct conf_rules *list, struct slice what,
                                   struct conf_store *store, enum status *st, struct err *e)
{
    struct conf_rule *rule;
    for (size_t i = 0; i < list->count; i++)
        if (slice_eq(slice_of(list->items[i].what), what))
            return &list->items[i];
    if (list->count == CONF_RULES_MAX) {
        *st = err_set(e, ST_BAD_INPUT, "is one too many; at most %d families and types",
                      CONF_RULES_MAX);
        return NULL;
    }
    if (!list->items)
        list->items = conf_store_alloc(store, CONF_RULES_MAX * sizeof list->items[0]);
    rule = list->items ? &list->items[list->count] : NULL;
    if (rule)
        rule->what = conf_store_copy(store, what);
    if (!rule || !rule->what) {
        *st = no_memory(e);
        return NULL;
    }
    list->count++;
    return rule;
}

static enum status add_topic(struct conf_rules *list, const struct conf_list_entry *entry,
                             struct conf_store *store, struct err *e)
{
    enum status st = ST_OK;
    bool none = slice_eq(entry->value, slice_of("-"));
    struct conf_rule *rule;
    const char *topic;
    if (!none && !conf_value_is_topic(entry->value))
        return err_set(e, ST_BAD_INPUT,
                       "must be a topic of 1 to 249 letters, digits, '.', '_' and '-', or - for "
                       "none");
    topic = conf_store_copy(store, none ? slice_of("") : entry->value);
    if (!topic)
        return no_memory(e);
    rule = find_rule(list, entry->match.name, store, &st, e);
    if (!rule)
        return st;
    if (rule->topic_line)
        return repeated(rule->topic_line, e);
    rule->topic = topic;
    rule->topic_line = entry->line;
    return ST_OK;
}

static enum status add_keys(struct conf_rules *list, const struct conf_list_entry *entry,
                            struct conf_store *store, struct err *e)
{
    struct conf_keys keys;
    struct conf_rule *rule;
    enum status st = conf_value_parse_keys(entry->value, &keys, e);
    if (st != ST_OK)
        return st;
    rule = find_rule(list, entry->match.name, store, &st, e);
    if (!rule)
        return st;
    if (rule->keys_line)
        return repeated(rule->keys_line, e);
    rule->keys = keys;
    rule->keys_line = entry->line;
    return ST_OK;
}

static bool is_property_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return name.len > 0;
}

static enum status add_property(struct conf_properties *list, const struct conf_list_entry *entry,
                                struct conf_store *store, struct err *e)
{
    struct slice name = entry->match.name;
    struct conf_property *p;
    if (!is_property_name(name))
        return err_set(e, ST_BAD_INPUT,
                       "must be the name of a client property: small letters, digits, '.', '_' "
                       "and '-'");
    if (entry->match.row->flags & CONF_REQUIRED && entry->value.len == 0)
        return err_set(e, ST_BAD_INPUT, "must not be empty");
    for (size_t i = 0; i < list->count; i++)
        if (slice_eq(slice_of(list->items[i].name), name))
            return repeated(list->items[i].line, e);
    if (list->count == CONF_PROPERTIES_MAX)
        return err_set(e, ST_BAD_INPUT, "is one too many; at most %d client properties",
                       CONF_PROPERTIES_MAX);
    if (!list->items)
        list->items = conf_store_alloc(store, CONF_PROPERTIES_MAX * sizeof list->items[0]);
    if (!list->items)
        return no_memory(e);
    p = &list->items[list->count];
    *p = (struct conf_property){conf_store_copy(store, name), conf_store_copy(store, entry->value),
                                conf_option_is_secret(entry->match.row), entry->line};
    if (!p->name || !p->value)
        return no_memory(e);
    list->count++;
    return ST_OK;
}

enum status conf_list_add(void *base, const struct conf_list_entry *entry, struct conf_store *store,
                          struct err *e)
{
    const struct conf_option *row = entry->match.row;
    void *field = (char *)base + row->offset;
    bool is_rule = row->kind == CONF_KIND_TOPIC_RULES || row->kind == CONF_KIND_KEY_RULES;
    CHECK(conf_option_is_list(row));
    if (is_rule && !is_family_or_type(entry->match.name))
        return err_set(e, ST_BAD_INPUT,
                       "must have FAMILY or FAMILY/NAME in capitals behind the first '.'");
    switch (row->kind) {
    case CONF_KIND_HEADERS:
        return add_header(field, entry, store, e);
    case CONF_KIND_TOPIC_RULES:
        return add_topic(field, entry, store, e);
    case CONF_KIND_KEY_RULES:
        return add_keys(field, entry, store, e);
    default:
        return add_property(field, entry, store, e);
    }
}
