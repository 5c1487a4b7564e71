/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_H
#define RELAY_CONF_CONF_H

/*
 * The configuration: one INI file, checked as a whole, then never changed.
 *
 * Owns: every string that a struct conf points to, secrets among them; conf_destroy() overwrites
 * them. Does not own: what the options mean (tls files are not opened, topics not looked up, Kafka
 * properties are judged by the caller's check).
 *
 * Threads: load from one thread at a time (inih's settings are global variables); a loaded conf may
 * be read from every thread.
 *
 * Invariants: a conf that was handed out has passed every check; no string in it is NULL, one that
 * was not given is "". No message and no dump shows a secret.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf_def.h"
#include "conf/conf_errors.h"

#define CONF_FILE_MAX       (1024u * 1024u) /* bytes; 64 full sources take about half of it */
#define CONF_LINE_MAX       4096            /* bytes without the line end; a PEM key does not fit */
#define CONF_NAME_MAX       32              /* characters of an org's or source's name */
#define CONF_ORGS_MAX       32
#define CONF_SOURCES_MAX    64
#define CONF_PROXIES_MAX    64
#define CONF_HEADERS_MAX    8
#define CONF_RULES_MAX      256 /* as the routes of one source */
#define CONF_PROPERTIES_MAX 256
#define CONF_KEYS_MAX       8  /* as the names of an envelope's key order */
#define CONF_ADDRESS_MAX    46 /* with its NUL; INET6_ADDRSTRLEN of <netinet/in.h> */

/* Where a server listens. */
struct conf_listen {
    char address[CONF_ADDRESS_MAX]; /* "127.0.0.1", "::1" (no brackets); "" is off */
    uint16_t port;                  /* 0: the kernel chooses */
};

struct conf_addresses {
    char items[CONF_PROXIES_MAX][CONF_ADDRESS_MAX]; /* in inet_ntop(3)'s spelling */
    size_t count;
};

/* Where a record's key is looked for; constant strings, unused ones are NULL. */
struct conf_keys {
    const char *names[CONF_KEYS_MAX];
};

struct conf_header {
    const char *name;
    const char *value; /* a secret */
    int line;
};

struct conf_headers {
    struct conf_header items[CONF_HEADERS_MAX];
    size_t count;
};

/* What topic.WHAT and key.WHAT say together. */
struct conf_rule {
    const char *what;      /* "CONTACT" or "CONTACT/STARTED" */
    const char *topic;     /* "": journal only; NULL: the source's topic */
    struct conf_keys keys; /* used when keys_line is not 0, otherwise the source's key */
    int topic_line;        /* 0: there is no topic.WHAT */
    int keys_line;
};

struct conf_rules {
    struct conf_rule *items; /* in the order of the file; NULL when count is 0 */
    size_t count;
};

struct conf_property {
    const char *name;
    const char *value;
    bool is_secret;
    int line;
};

struct conf_properties {
    struct conf_property *items;
    size_t count;
};

/* The C type of each kind in the table. Sizes are bytes, durations milliseconds. */
#define CONF_MEMBER_BOOL(field)        bool field;
#define CONF_MEMBER_COUNT(field)       uint32_t field;
#define CONF_MEMBER_SIZE(field)        uint64_t field;
#define CONF_MEMBER_DURATION(field)    int64_t field;
#define CONF_MEMBER_LEVEL(field)       enum log_level field;
#define CONF_MEMBER_LISTEN(field)      struct conf_listen field;
#define CONF_MEMBER_ADDRESSES(field)   struct conf_addresses field;
#define CONF_MEMBER_CHOICE(field)      const char *field;
#define CONF_MEMBER_TEXT(field)        const char *field;
#define CONF_MEMBER_SECRET(field)      const char *field;
#define CONF_MEMBER_USER(field)        const char *field;
#define CONF_MEMBER_PATH(field)        const char *field;
#define CONF_MEMBER_ORG(field)         const char *field;
#define CONF_MEMBER_HEADER(field)      const char *field;
#define CONF_MEMBER_TOPIC(field)       const char *field;
#define CONF_MEMBER_KEYS(field)        struct conf_keys field;
#define CONF_MEMBER_HEADERS(field)     struct conf_headers field;
#define CONF_MEMBER_TOPIC_RULES(field) struct conf_rules field;
#define CONF_MEMBER_PROPERTIES(field)  struct conf_properties field;
/* These share the field of another row. */
#define CONF_MEMBER_KEY_RULES(field)
#define CONF_MEMBER_PROPERTY(field)
#define CONF_MEMBER_SECRET_PROPERTY(field)

#define CONF_MEMBER(kind, key, field, text, min, max, flags, doc) CONF_MEMBER_##kind(field)

/* clang-format off */
struct conf_http { CONF_HTTP(CONF_MEMBER) };
struct conf_journal { CONF_JOURNAL(CONF_MEMBER) };
struct conf_kafka { CONF_KAFKA(CONF_MEMBER) };
struct conf_admin { CONF_ADMIN(CONF_MEMBER) };
struct conf_log { CONF_LOG(CONF_MEMBER) };

struct conf_org {
    const char *name;
    int line; /* of its heading */
    CONF_ORG(CONF_MEMBER)
};

struct conf_source {
    const char *name;
    int line; /* of its heading */
    CONF_SOURCE(CONF_MEMBER)
};
/* clang-format on */

struct conf {
    struct conf_http http;
    struct conf_journal journal;
    struct conf_kafka kafka;
    struct conf_admin admin;
    struct conf_log log;
    struct conf_org orgs[CONF_ORGS_MAX]; /* the declared ones, in the order of the file */
    size_t org_count;
    struct conf_source sources[CONF_SOURCES_MAX]; /* at least one, in the order of the file */
    size_t source_count;
    struct conf_store *store; /* private: the memory of the strings */
};

/* Whether the Kafka client takes a property; another status than ST_OK refuses it, with the reason
 * in *e. kafka_property_check() is one. */
typedef enum status conf_kafka_check_fn(const char *name, const char *value, struct err *e);

/* Whether the topics of a source's dead letters are legal and no topic of its events; another
 * status than ST_OK refuses dead_letter_topic. source_routes_check() is one. */
typedef enum status conf_dead_letter_check_fn(const struct conf_source *source, struct err *e);

struct conf_load_opts {
    bool demo; /* bootstrap.servers is then no longer required, but refused */
    /*
     * For a command that only has to find a running relay: of [journal] and [admin] everything but
     * secrets is read, everything else is passed over and stays at its default, and nothing else is
     * required. So neither a missing environment variable nor another user's secret file is in the
     * way.
     */
    bool client;
    conf_kafka_check_fn *kafka_check; /* called for each property; NULL: none is judged */
    conf_dead_letter_check_fn *dead_letter_check; /* called for each source with such a topic; NULL:
                                                     none is judged */
};

/*
 * Reads and checks the file. opts may be NULL: no demo, no check of properties. ST_OK: *out is the
 * caller's, errs is empty. Otherwise *out is NULL and errs holds at least one message: ST_BAD_INPUT
 * (the file's content), ST_NOT_FOUND, ST_IO (it cannot be read), ST_NO_MEM.
 */
MUST_CHECK enum status conf_load(const char *path, const struct conf_load_opts *opts,
                                 struct conf **out, struct conf_errors *errs);

/* The same for text in memory; name stands for the file in messages. */
MUST_CHECK enum status conf_load_text(const char *name, struct slice text,
                                      const struct conf_load_opts *opts, struct conf **out,
                                      struct conf_errors *errs);

/* Overwrites and frees everything; NULL is a no-op. */
void conf_destroy(struct conf *c);

#endif
