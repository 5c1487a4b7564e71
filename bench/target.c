/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include "pen.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct target {
    struct sockaddr_in address;
    bool has_body;
    size_t head_len;
    char head[TARGET_HEAD_MAX]; /* everything before the digits of Content-Length, or all for GET */
};

static bool read_port(const char *text, struct target *t, struct fail *f)
{
    char *end = NULL;
    unsigned long port = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (port < 1 || port > 65535 || *end != '\0')
        return fail_set(f, "the port '%s' is not a number from 1 to 65535", text);
    t->address.sin_port = htons((in_port_t)port);
    return true;
}

/* authority is host[:port]. */
static bool read_authority(char *authority, struct target *t, struct fail *f)
{
    char *colon = strchr(authority, ':');
    t->address.sin_family = AF_INET;
    t->address.sin_port = htons(80);
    if (colon != NULL) {
        *colon = '\0';
        if (!read_port(colon + 1, t, f))
            return false;
    }
    const char *host = strcasecmp(authority, "localhost") == 0 ? "127.0.0.1" : authority;
    if (inet_pton(AF_INET, host, &t->address.sin_addr) != 1)
        return fail_set(f, "the host '%s' is neither localhost nor an IPv4 address", authority);
    if (ntohl(t->address.sin_addr.s_addr) >> 24 != 127)
        return fail_set(f, "the address %s is not a loopback address", host);
    return true;
}

static bool read_url(const char *url, struct target *t, const char **path, struct fail *f)
{
    static const char scheme[] = "http://";
    char authority[64];
    for (const char *c = url; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return fail_set(f, "the URL has a character that must be percent-encoded");
    if (strlen(url) > TARGET_URL_MAX || strncmp(url, scheme, sizeof scheme - 1) != 0)
        return fail_set(f, "the URL must start with http:// and have at most %d bytes",
                        TARGET_URL_MAX);
    const char *start = url + sizeof scheme - 1;
    size_t len = strcspn(start, "/");
    if (start[len] == '/')
        *path = start + len;
    if (len == 0 || len >= sizeof authority)
        return fail_set(f, "the URL %s has no usable host", url);
    memcpy(authority, start, len);
    authority[len] = '\0';
    return read_authority(authority, t, f);
}

static bool header_is(const char *header, const char *name)
{
    size_t len = strlen(name);
    return strncasecmp(header, name, len) == 0 && header[len] == ':';
}

static bool check_header(const char *header, struct fail *f)
{
    static const char *const reserved[] = {"Host", "Content-Length", "Transfer-Encoding", "Expect"};
    const char *colon = strchr(header, ':');
    if (colon == NULL || colon == header || strcspn(header, " \t") < (size_t)(colon - header))
        return fail_set(f, "the header '%s' is not 'Name: value'", header);
    for (const char *c = header; *c != '\0'; c++)
        if ((*c < ' ' && *c != '\t') || *c > '~')
            return fail_set(f, "a header has a control or non-ASCII character");
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (header_is(header, reserved[i]))
            return fail_set(f, "the header %s is set by the load generator", reserved[i]);
    return true;
}

static bool build_head(struct target *t, const struct target_options *o, const char *path,
                       struct fail *f)
{
    char host[INET_ADDRSTRLEN];
    bool has_type = false;
    size_t need = TARGET_URL_MAX + 512;
    for (size_t i = 0; i < o->header_count; i++) {
        if (!check_header(o->headers[i], f))
            return false;
        need += strlen(o->headers[i]) + 2;
        has_type = has_type || header_is(o->headers[i], "Content-Type");
    }
    if (need > sizeof t->head)
        return fail_set(f, "the headers are longer than %d bytes together", TARGET_HEAD_MAX);
    struct pen p = {t->head, t->head + sizeof t->head};
    pen_text(&p, o->method);
    PEN_LITERAL(&p, " ");
    pen_text(&p, path);
    PEN_LITERAL(&p, " HTTP/1.1\r\nHost: ");
    pen_text(&p, inet_ntop(AF_INET, &t->address.sin_addr, host, sizeof host));
    PEN_LITERAL(&p, ":");
    pen_u64(&p, ntohs(t->address.sin_port));
    PEN_LITERAL(&p, "\r\nUser-Agent: loadgen\r\n");
    if (t->has_body && !has_type)
        PEN_LITERAL(&p, "Content-Type: application/json\r\n");
    for (size_t i = 0; i < o->header_count; i++) {
        pen_text(&p, o->headers[i]);
        PEN_LITERAL(&p, "\r\n");
    }
    if (t->has_body)
        PEN_LITERAL(&p, "Content-Length: ");
    t->head_len = (size_t)(p.at - t->head);
    return true;
}

struct target *target_create(const struct target_options *o, struct fail *f)
{
    const char *path = "/";
    struct target *t = calloc(1, sizeof *t);
    if (t == NULL) {
        fail_set(f, "no memory for the request head");
        return NULL;
    }
    t->has_body = strcmp(o->method, "GET") != 0;
    if (t->has_body && strcmp(o->method, "POST") != 0 && strcmp(o->method, "PUT") != 0) {
        fail_set(f, "the method '%s' is none of POST, PUT, GET", o->method);
        goto out_free;
    }
    if (!read_url(o->url, t, &path, f) || !build_head(t, o, path, f))
        goto out_free;
    return t;
out_free:
    free(t);
    return NULL;
}

void target_destroy(struct target *t)
{
    free(t);
}

const struct sockaddr_in *target_address(const struct target *t)
{
    return &t->address;
}

bool target_has_body(const struct target *t)
{
    return t->has_body;
}

size_t target_put_head(const struct target *t, char *body, size_t body_len)
{
    size_t len = t->head_len + 2;
    if (t->has_body)
        len += pen_u64_digits(body_len) + 2;
    struct pen p = {body - len, body};
    pen_put(&p, t->head, t->head_len);
    if (t->has_body) {
        pen_u64(&p, body_len);
        PEN_LITERAL(&p, "\r\n");
    }
    PEN_LITERAL(&p, "\r\n");
    return len;
}
