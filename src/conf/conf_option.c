/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_option.h"

#include <string.h>

#define ROW_OF(number, type, kind, key, field, text, min, max, flags, doc) \
    {CONF_SECTION_##number,                                                \
     CONF_KIND_##kind,                                                     \
     key,                                                                  \
     offsetof(struct type, field),                                         \
     text,                                                                 \
     min,                                                                  \
     max,                                                                  \
     flags,                                                                \
     doc},
#define HTTP_ROW(...)    ROW_OF(HTTP, conf_http, __VA_ARGS__)
#define JOURNAL_ROW(...) ROW_OF(JOURNAL, conf_journal, __VA_ARGS__)
#define KAFKA_ROW(...)   ROW_OF(KAFKA, conf_kafka, __VA_ARGS__)
#define ADMIN_ROW(...)   ROW_OF(ADMIN, conf_admin, __VA_ARGS__)
#define LOG_ROW(...)     ROW_OF(LOG, conf_log, __VA_ARGS__)
#define ORG_ROW(...)     ROW_OF(ORG, conf_org, __VA_ARGS__)
#define SOURCE_ROW(...)  ROW_OF(SOURCE, conf_source, __VA_ARGS__)

/* clang-format off */
static const struct conf_option rows[] = {
    CONF_HTTP(HTTP_ROW)
    CONF_JOURNAL(JOURNAL_ROW)
    CONF_KAFKA(KAFKA_ROW)
    CONF_ADMIN(ADMIN_ROW)
    CONF_LOG(LOG_ROW)
    CONF_ORG(ORG_ROW)
    CONF_SOURCE(SOURCE_ROW)
};
/* clang-format on */

#define ONE(...) +1
enum {
    HTTP_AT = 0,
    HTTP_ROWS = 0 CONF_HTTP(ONE),
    JOURNAL_AT = HTTP_AT + HTTP_ROWS,
    JOURNAL_ROWS = 0 CONF_JOURNAL(ONE),
    KAFKA_AT = JOURNAL_AT + JOURNAL_ROWS,
    KAFKA_ROWS = 0 CONF_KAFKA(ONE),
    ADMIN_AT = KAFKA_AT + KAFKA_ROWS,
    ADMIN_ROWS = 0 CONF_ADMIN(ONE),
    LOG_AT = ADMIN_AT + ADMIN_ROWS,
    LOG_ROWS = 0 CONF_LOG(ONE),
    ORG_AT = LOG_AT + LOG_ROWS,
    ORG_ROWS = 0 CONF_ORG(ONE),
    SOURCE_AT = ORG_AT + ORG_ROWS,
    SOURCE_ROWS = 0 CONF_SOURCE(ONE),
};
_Static_assert(SOURCE_AT + SOURCE_ROWS == sizeof rows / sizeof rows[0], "each row is counted once");
_Static_assert(HTTP_ROWS <= CONF_ROWS_MAX && JOURNAL_ROWS <= CONF_ROWS_MAX &&
                   KAFKA_ROWS <= CONF_ROWS_MAX && ORG_ROWS <= CONF_ROWS_MAX &&
                   SOURCE_ROWS <= CONF_ROWS_MAX,
               "CONF_ROWS_MAX is too small");

static const struct conf_section sections[CONF_SECTION_COUNT] = {
    [CONF_SECTION_HTTP] = {"http", false, "The server for webhooks.", rows + HTTP_AT, HTTP_ROWS},
    [CONF_SECTION_JOURNAL] = {"journal", false,
                              "Where webhooks are kept before they are acknowledged.",
                              rows + JOURNAL_AT, JOURNAL_ROWS},
    [CONF_SECTION_KAFKA] = {"kafka", false, "Where webhooks are published.", rows + KAFKA_AT,
                            KAFKA_ROWS},
    [CONF_SECTION_ADMIN] = {"admin", false, "The server for operators.", rows + ADMIN_AT,
                            ADMIN_ROWS},
    [CONF_SECTION_LOG] = {"log", false, "What is written to stderr.", rows + LOG_AT, LOG_ROWS},
    [CONF_SECTION_ORG] = {"org", true,
                          "A Gladly organization that several sources belong to; it has no options "
                          "yet.",
                          rows + ORG_AT, ORG_ROWS},
    [CONF_SECTION_SOURCE] = {"source", true,
                             "One webhook of Gladly. It needs a token, or basic_user and "
                             "basic_password.",
                             rows + SOURCE_AT, SOURCE_ROWS},
};

const struct conf_section *conf_option_section(enum conf_section_kind kind)
{
    CHECK((unsigned)kind < CONF_SECTION_COUNT);
    return &sections[kind];
}

bool conf_option_section_find(struct slice word, enum conf_section_kind *out)
{
    for (unsigned i = 0; i < CONF_SECTION_COUNT; i++)
        if (slice_eq(word, slice_of(sections[i].word))) {
            *out = (enum conf_section_kind)i;
            return true;
        }
    return false;
}

/* The key without "_file" at its end; unchanged when it does not end so. */
static struct slice without_file(struct slice key)
{
    static const char suffix[] = "_file";
    size_t len = sizeof suffix - 1;
    if (key.len > len && memcmp(key.ptr + key.len - len, suffix, len) == 0)
        key.len -= len;
    return key;
}

/* Matches keys that are written out in the table. */
static bool match_exactly(const struct conf_option *row, struct slice key,
                          struct conf_option_match *m)
{
    struct slice stem = without_file(key);
    if (conf_option_is_open(row))
        return false;
    *m = (struct conf_option_match){row, false, slice_of(row->key)};
    if (slice_eq(key, slice_of(row->key)))
        return true;
    m->is_file = conf_option_is_secret(row) && stem.len != key.len;
    return m->is_file && slice_eq(stem, slice_of(row->key));
}

/* Matches keys of which the operator chooses a part. */
static bool match_list(const struct conf_option *row, struct slice key, struct conf_option_match *m)
{
    const char *dot = key.len ? memchr(key.ptr, '.', key.len) : NULL;
    const char *row_dot = strchr(row->key, '.');
    struct slice first;
    if (!dot || !row_dot)
        return false;
    *m = (struct conf_option_match){row, false, key};
    if (row->kind == CONF_KIND_PROPERTIES)
        return true;
    first = (struct slice){key.ptr, (size_t)(dot - key.ptr)};
    m->name = (struct slice){dot + 1, key.len - first.len - 1};
    if (row->kind == CONF_KIND_HEADERS && without_file(first).len != first.len) {
        m->is_file = true;
        first = without_file(first);
    }
    return slice_eq(first, (struct slice){row->key, (size_t)(row_dot - row->key)});
}

struct conf_option_match conf_option_find(enum conf_section_kind kind, const char *key)
{
    const struct conf_section *section = conf_option_section(kind);
    struct conf_option_match m;
    for (size_t i = 0; i < section->row_count; i++)
        if (match_exactly(&section->rows[i], slice_of(key), &m))
            return m;
    for (size_t i = 0; i < section->row_count; i++) {
        const struct conf_option *row = &section->rows[i];
        if (conf_option_is_open(row) && match_list(row, slice_of(key), &m))
            return m;
    }
    return (struct conf_option_match){0};
}

bool conf_option_is_list(const struct conf_option *row)
{
    return row->kind >= CONF_KIND_HEADERS;
}

bool conf_option_is_open(const struct conf_option *row)
{
    return row->kind == CONF_KIND_HEADERS || row->kind == CONF_KIND_TOPIC_RULES ||
           row->kind == CONF_KIND_KEY_RULES || row->kind == CONF_KIND_PROPERTIES;
}

bool conf_option_is_secret(const struct conf_option *row)
{
    return row->kind == CONF_KIND_SECRET || row->kind == CONF_KIND_SECRET_PROPERTY ||
           row->kind == CONF_KIND_HEADERS;
}

bool conf_option_has_length(const struct conf_option *row)
{
    return (row->kind >= CONF_KIND_TEXT && row->kind <= CONF_KIND_TOPIC) ||
           row->kind == CONF_KIND_HEADERS || row->kind == CONF_KIND_TOPIC_RULES;
}

const char *conf_option_default(const struct conf_option *row)
{
    return row->flags & (CONF_EXAMPLE | CONF_REQUIRED) ? "" : row->text;
}

const char *conf_option_type(const struct conf_option *row)
{
    static const char *const names[] = {
        [CONF_KIND_BOOL] = "true or false",
        [CONF_KIND_COUNT] = "number",
        [CONF_KIND_SIZE] = "size",
        [CONF_KIND_DURATION] = "duration",
        [CONF_KIND_LEVEL] = "level",
        [CONF_KIND_LISTEN] = "address:port",
        [CONF_KIND_ADDRESSES] = "addresses",
        [CONF_KIND_CHOICE] = "word",
        [CONF_KIND_TEXT] = "file",
        [CONF_KIND_SECRET] = "secret",
        [CONF_KIND_USER] = "text",
        [CONF_KIND_PATH] = "URL path",
        [CONF_KIND_ORG] = "name",
        [CONF_KIND_HEADER] = "header name",
        [CONF_KIND_TOPIC] = "topic template",
        [CONF_KIND_KEYS] = "ids",
        [CONF_KIND_HEADERS] = "secret",
        [CONF_KIND_TOPIC_RULES] = "topic",
        [CONF_KIND_KEY_RULES] = "ids",
        [CONF_KIND_PROPERTY] = "property",
        [CONF_KIND_SECRET_PROPERTY] = "secret",
        [CONF_KIND_PROPERTIES] = "property",
    };
    return names[row->kind];
}

size_t conf_option_instances(const struct conf *c, enum conf_section_kind kind)
{
    if (kind == CONF_SECTION_ORG)
        return c->org_count;
    return kind == CONF_SECTION_SOURCE ? c->source_count : 1;
}

const void *conf_option_base(const struct conf *c, enum conf_section_kind kind, size_t i)
{
    switch (kind) {
    case CONF_SECTION_HTTP:
        return &c->http;
    case CONF_SECTION_JOURNAL:
        return &c->journal;
    case CONF_SECTION_KAFKA:
        return &c->kafka;
    case CONF_SECTION_ADMIN:
        return &c->admin;
    case CONF_SECTION_LOG:
        return &c->log;
    case CONF_SECTION_ORG:
        return &c->orgs[i];
    default:
        CHECK(kind == CONF_SECTION_SOURCE);
        return &c->sources[i];
    }
}

const char *conf_option_name(const struct conf *c, enum conf_section_kind kind, size_t i)
{
    if (kind == CONF_SECTION_ORG)
        return c->orgs[i].name;
    return kind == CONF_SECTION_SOURCE ? c->sources[i].name : "";
}
