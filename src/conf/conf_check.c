/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_check.h"

#include <stdio.h>
#include <string.h>

/* The line of the row with this key; 0 when it is not given. */
static int line_of(const struct conf_build_section *s, const char *key)
{
    const struct conf_section *def = conf_option_section(s->kind);
    size_t i = 0;
    while (i < def->row_count && strcmp(def->rows[i].key, key) != 0)
        i++;
    CHECK(i < def->row_count);
    return s->lines[i];
}

/* Of two keys that come together, says which is missing. */
static void check_pair(const struct conf_build_section *s, const char *a, const char *b,
                       struct conf_errors *errs)
{
    int line_a = line_of(s, a);
    int line_b = line_of(s, b);
    if (line_a && !line_b)
        conf_errors_add(errs, line_a, s->title, a, "needs %s as well", b);
    if (line_b && !line_a)
        conf_errors_add(errs, line_b, s->title, b, "needs %s as well", a);
}

static void check_needs(const struct conf_build_section *s, const char *key, const char *needed,
                        struct conf_errors *errs)
{
    if (line_of(s, key) && !line_of(s, needed))
        conf_errors_add(errs, line_of(s, key), s->title, key, "needs %s as well", needed);
}

static void check_required(const struct conf_build_section *s, const struct conf_load_opts *opts,
                           struct conf_errors *errs)
{
    const struct conf_section *def = conf_option_section(s->kind);
    for (size_t i = 0; i < def->row_count; i++) {
        if (!(def->rows[i].flags & CONF_REQUIRED) || s->lines[i])
            continue;
        if (opts->demo && s->kind == CONF_SECTION_KAFKA)
            continue;
        if (s->line)
            conf_errors_add(errs, s->line, s->title, def->rows[i].key, "is required");
        else
            conf_errors_add(errs, 0, s->title, def->rows[i].key,
                            "is required, and there is no section [%s]", s->title);
    }
}

static void check_org(const struct conf_build_section *s, const struct conf *c,
                      struct conf_errors *errs)
{
    const struct conf_source *source = s->base;
    int line = line_of(s, "org");
    /* A refused value left the default, the source's own name, behind. */
    if (!line || source->org == source->name)
        return;
    for (size_t i = 0; i < c->org_count; i++)
        if (strcmp(c->orgs[i].name, source->org) == 0)
            return;
    conf_errors_add(errs, line, s->title, "org", "there is no section [org %.*s]", CONF_NAME_MAX,
                    source->org);
}

static void check_headers(const struct conf_build_section *s, struct conf_errors *errs)
{
    const struct conf_source *source = s->base;
    for (size_t i = 0; i < source->headers.count; i++) {
        const struct conf_header *h = &source->headers.items[i];
        const char *taken = NULL;
        char key[80];
        if (line_of(s, "token") && slice_eq_nocase(slice_of(h->name), slice_of(source->header)))
            taken = "token";
        if (line_of(s, "basic_user") &&
            slice_eq_nocase(slice_of(h->name), slice_of("authorization")))
            taken = "basic_user";
        if (!taken)
            continue;
        snprintf(key, sizeof key, "header.%.64s", h->name);
        conf_errors_add(errs, h->line, s->title, key, "this header carries the %s already", taken);
    }
}

/* The fallback of ack = kafka must be there before the answer that gives up. */
static void check_ack(const struct conf_build_section *s, const struct conf *c,
                      struct conf_errors *errs)
{
    const struct conf_source *source = s->base;
    if (strcmp(source->ack, "kafka") == 0 && c->http.ack_timeout_ms >= c->http.answer_timeout_ms)
        conf_errors_add(errs, line_of(s, "ack"), s->title, "ack",
                        "needs [http] ack_timeout below answer_timeout");
}

static void check_dead_letters(const struct conf_build_section *s,
                               const struct conf_load_opts *opts, struct conf_errors *errs)
{
    const struct conf_source *source = s->base;
    struct err e = {.code = ST_OK};
    /* A refused value left nothing behind. */
    if (source->dead_letter_topic[0] && opts->dead_letter_check &&
        opts->dead_letter_check(source, &e) != ST_OK)
        conf_errors_add(errs, line_of(s, "dead_letter_topic"), s->title, "dead_letter_topic", "%s",
                        e.text);
}

static void check_source(const struct conf_build_section *s, const struct conf *c,
                         struct conf_errors *errs)
{
    check_org(s, c, errs);
    if (!line_of(s, "token") && !line_of(s, "basic_user") && !line_of(s, "basic_password"))
        conf_errors_add(errs, s->line, s->title, NULL,
                        "needs a token, or basic_user and basic_password");
    check_needs(s, "token_previous", "token", errs);
    check_pair(s, "basic_user", "basic_password", errs);
    check_needs(s, "basic_password_previous", "basic_password", errs);
    check_headers(s, errs);
    check_ack(s, c, errs);
}

/* Two sources of one path: reported at the second. */
static void check_paths(const struct conf_build *b, struct conf_errors *errs)
{
    for (size_t i = 0; i < conf_build_count(b); i++) {
        const struct conf_build_section *s = conf_build_section(b, i);
        const struct conf_source *source = s->base;
        if (s->kind != CONF_SECTION_SOURCE || !source->path[0])
            continue;
        for (size_t k = 0; k < i; k++) {
            const struct conf_build_section *other = conf_build_section(b, k);
            if (other->kind != CONF_SECTION_SOURCE ||
                strcmp(((const struct conf_source *)other->base)->path, source->path) != 0)
                continue;
            conf_errors_add(errs, line_of(s, "path"), s->title, "path",
                            "is the path of [%s] in line %d already", other->title,
                            line_of(other, "path"));
            break;
        }
    }
}

/* At the line of [admin] listen, or of [http] listen when the other is the default. */
static void check_listeners(const struct conf_build *b, const struct conf *c,
                            struct conf_errors *errs)
{
    const struct conf_listen *http = &c->http.listen;
    const struct conf_listen *admin = &c->admin.listen;
    const struct conf_build_section *at = NULL;
    if (!http->port || http->port != admin->port || strcmp(http->address, admin->address) != 0)
        return;
    for (size_t i = 0; i < conf_build_count(b); i++) {
        const struct conf_build_section *s = conf_build_section(b, i);
        bool listens = s->kind == CONF_SECTION_HTTP || s->kind == CONF_SECTION_ADMIN;
        if (listens && line_of(s, "listen"))
            at = s;
    }
    CHECK(at);
    conf_errors_add(errs, line_of(at, "listen"), at->title, "listen",
                    "is the address of [%s] listen already",
                    at->kind == CONF_SECTION_ADMIN ? "http" : "admin");
}

static void check_for_client(const struct conf_build *b, const struct conf_load_opts *opts,
                             struct conf_errors *errs)
{
    for (size_t i = 0; i < conf_build_count(b); i++)
        if (conf_build_section(b, i)->kind == CONF_SECTION_JOURNAL)
            check_required(conf_build_section(b, i), opts, errs);
}

/* The embedded broker is librdkafka's mock cluster. */
static void check_demo(const struct conf_build_section *s, const struct conf *c,
                       struct conf_errors *errs)
{
    int line = line_of(s, "bootstrap.servers");
    if (line)
        conf_errors_add(errs, line, s->title, "bootstrap.servers",
                        "has no effect with --demo; remove it or start without --demo");
    line = line_of(s, "delivery");
    /* A value that is no word of the list is an error already, and NULL. */
    if (line && c->kafka.delivery && strcmp(c->kafka.delivery, "exactly_once") == 0)
        conf_errors_add(errs, line, s->title, "delivery",
                        "exactly_once needs a real Kafka: the demo's broker has no transactions; "
                        "remove it or start without --demo");
}

void conf_check(const struct conf_build *b, const struct conf *c, const struct conf_load_opts *opts,
                struct conf_errors *errs)
{
    if (opts->client) {
        check_for_client(b, opts, errs);
        return;
    }
    for (size_t i = 0; i < conf_build_count(b); i++) {
        const struct conf_build_section *s = conf_build_section(b, i);
        check_required(s, opts, errs);
        if (s->kind == CONF_SECTION_HTTP)
            check_pair(s, "tls_cert_file", "tls_key_file", errs);
        if (s->kind == CONF_SECTION_SOURCE) {
            check_source(s, c, errs);
            check_dead_letters(s, opts, errs);
        }
        if (s->kind == CONF_SECTION_KAFKA && opts->demo)
            check_demo(s, c, errs);
    }
    check_paths(b, errs);
    check_listeners(b, c, errs);
    if (c->source_count == 0)
        conf_errors_add(errs, 0, "source NAME", NULL, "at least one such section is required");
}
