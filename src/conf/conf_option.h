/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_OPTION_H
#define RELAY_CONF_CONF_OPTION_H

/*
 * The table of conf_def.h as data: sections, their rows, and where a row's field lies in the
 * section's struct.
 *
 * Threads: constant data, from every thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "conf/conf.h"

enum conf_section_kind {
    CONF_SECTION_HTTP,
    CONF_SECTION_JOURNAL,
    CONF_SECTION_KAFKA,
    CONF_SECTION_ADMIN,
    CONF_SECTION_LOG,
    CONF_SECTION_ORG,
    CONF_SECTION_SOURCE,
    CONF_SECTION_COUNT
};

enum conf_kind {
    CONF_KIND_BOOL,
    CONF_KIND_COUNT,
    CONF_KIND_SIZE,
    CONF_KIND_DURATION,
    CONF_KIND_LEVEL,
    CONF_KIND_LISTEN,
    CONF_KIND_ADDRESSES,
    CONF_KIND_CHOICE,
    CONF_KIND_TEXT,
    CONF_KIND_SECRET,
    CONF_KIND_USER,
    CONF_KIND_PATH,
    CONF_KIND_ORG,
    CONF_KIND_HEADER,
    CONF_KIND_TOPIC,
    CONF_KIND_KEYS,
    CONF_KIND_HEADERS,
    CONF_KIND_TOPIC_RULES,
    CONF_KIND_KEY_RULES,
    CONF_KIND_PROPERTY,
    CONF_KIND_SECRET_PROPERTY,
    CONF_KIND_PROPERTIES,
};

#define CONF_ROWS_MAX 24 /* rows of one section; checked when the program is compiled */

struct conf_option {
    enum conf_section_kind section;
    enum conf_kind kind;
    const char *key;
    size_t offset; /* of the field in the section's struct */
    const char *text;
    const char *min;
    const char *max;
    unsigned flags;
    const char *doc;
};

struct conf_section {
    const char *word; /* "http" */
    bool is_named;    /* [source NAME], several; otherwise once */
    const char *doc;
    const struct conf_option *rows;
    size_t row_count;
};

const struct conf_section *conf_option_section(enum conf_section_kind kind);

/* The section of this word; false when there is none. */
bool conf_option_section_find(struct slice word, enum conf_section_kind *out);

/* What a key stands for. */
struct conf_option_match {
    const struct conf_option *row; /* NULL: unknown key */
    bool is_file;                  /* the key is the _file variant of a secret */
    struct slice name; /* a list's entry ("x-extra" of header.x-extra) or a property's name */
};
struct conf_option_match conf_option_find(enum conf_section_kind kind, const char *key);

/* True for rows that stand for a list of entries, or for one entry of such a list. */
bool conf_option_is_list(const struct conf_option *row);
/* True for rows of which the operator chooses a part of the key. */
bool conf_option_is_open(const struct conf_option *row);
/* True for rows whose values are masked. */
bool conf_option_is_secret(const struct conf_option *row);
/* True for rows whose bounds are the length of the text. */
bool conf_option_has_length(const struct conf_option *row);
/* What a field holds when its key is not given; "" for examples. */
const char *conf_option_default(const struct conf_option *row);
/* What an operator shall read of the kind: "size", "duration". */
const char *conf_option_type(const struct conf_option *row);

/* How many sections of this kind c has; 1 for those that are not named. */
size_t conf_option_instances(const struct conf *c, enum conf_section_kind kind);
/* The section's struct, and the name in its heading ("" for those without). */
const void *conf_option_base(const struct conf *c, enum conf_section_kind kind, size_t i);
const char *conf_option_name(const struct conf *c, enum conf_section_kind kind, size_t i);

#endif
