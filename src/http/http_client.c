/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_client.h"

#include "base/ident.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One header line; a token of [admin] has at most 1024 bytes. */
#define HEADER_LINE_MAX 4096

/* A request under way. */
struct exchange {
    CURL *curl;
    struct curl_slist *headers;
    struct buf *out;
    enum status trouble; /* of taking the body */
};

enum status http_client_init(struct err *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ST_FATAL, "libcurl %s cannot start", LIBCURL_VERSION);
    return ST_OK;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    x->trouble = buf_append(x->out, bytes, size * count);
    return x->trouble == ST_OK ? size * count : 0;
}

static bool has_line_end(const char *text)
{
    return strpbrk(text, "\r\n") != NULL;
}

static enum status add_header(struct exchange *x, const char *name, const char *value,
                              struct err *e)
{
    char line[HEADER_LINE_MAX];
    struct curl_slist *longer;
    int n = snprintf(line, sizeof line, "%s: %s", name, value);
    enum status st = ST_OK;
    if (n < 0 || (size_t)n >= sizeof line || has_line_end(line)) {
        st = err_set(e, ST_BAD_INPUT, "the value of header %.64s is malformed or too long", name);
    } else {
        longer = curl_slist_append(x->headers, line);
        if (longer)
            x->headers = longer;
        else
            st = err_set(e, ST_NO_MEM, "http client: out of memory");
    }
    secret_wipe(line, sizeof line);
    return st;
}

static enum status add_headers(struct exchange *x, const struct http_client_request *r,
                               struct err *e)
{
    enum status st = ST_OK;
    char value[HEADER_LINE_MAX];
    if (r->bearer) {
        snprintf(value, sizeof value, "Bearer %s", r->bearer);
        st = add_header(x, "Authorization", value, e);
        secret_wipe(value, sizeof value);
    }
    if (st == ST_OK && r->content_type)
        st = add_header(x, "Content-Type", r->content_type, e);
    for (size_t i = 0; st == ST_OK && i < HTTP_CLIENT_HEADERS_MAX && r->headers[i].name; i++)
        st = add_header(x, r->headers[i].name, r->headers[i].value, e);
    /* Waiting for "100 Continue" costs a round trip and gains nothing with small bodies. */
    return st == ST_OK ? add_header(x, "Expect", "", e) : st;
}

/* Of several options the first that fails: only memory or a malformed URL can be the reason. */
static CURLcode set_options(struct exchange *x, const struct http_client_request *r)
{
    CURL *c = x->curl;
    const char *method = r->method ? r->method : "GET";
    CURLcode rc = curl_easy_setopt(c, CURLOPT_URL, r->url);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    if (rc == CURLE_OK && r->unix_socket)
        rc = curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, r->unix_socket);
    if (rc == CURLE_OK && r->unix_socket)
        rc = curl_easy_setopt(c, CURLOPT_PROXY, "");
    if (rc == CURLE_OK && r->content_type)
        rc = curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    if (rc == CURLE_OK && r->content_type)
        rc = curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body.len ? r->body.ptr : "");
    /* After POSTFIELDS, which makes it a POST. */
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    return rc;
}

static enum status judge_connect(const struct exchange *x, struct err *e)
{
    long number = 0;
    curl_easy_getinfo(x->curl, CURLINFO_OS_ERRNO, &number);
    if (number == EACCES || number == EPERM)
        return err_set_errno(e, ST_DENIED, (int)number, "cannot connect");
    if (number)
        return err_set_errno(e, ST_NOT_FOUND, (int)number, "cannot connect");
    return err_set(e, ST_NOT_FOUND, "nobody answers there");
}

static enum status judge(const struct exchange *x, CURLcode rc, struct err *e)
{
    switch (rc) {
    case CURLE_OK:
        return ST_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(e, ST_AGAIN, "no answer in time");
    case CURLE_COULDNT_CONNECT:
        return judge_connect(x, e);
    case CURLE_COULDNT_RESOLVE_HOST:
        return err_set(e, ST_NOT_FOUND, "%s", curl_easy_strerror(rc));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(e, ST_BAD_INPUT, "%s", curl_easy_strerror(rc));
    case CURLE_PEER_FAILED_VERIFICATION:
        return err_set(e, ST_DENIED, "%s", curl_easy_strerror(rc));
    case CURLE_OUT_OF_MEMORY:
        return err_set(e, ST_NO_MEM, "http client: out of memory");
    case CURLE_WRITE_ERROR:
        if (x->trouble == ST_FULL)
            return err_set(e, ST_TOO_BIG, "the answer is larger than %zu bytes", x->out->max);
        return err_set(e, ST_NO_MEM, "http client: out of memory");
    default:
        return err_set_detail(e, ST_IO, (int)rc, "%s", curl_easy_strerror(rc));
    }
}

enum status http_client_run(const struct http_client_request *request, int *status, struct buf *out,
                            struct err *e)
{
    struct exchange x = {.curl = curl_easy_init(), .out = out};
    enum status st;
    CURLcode rc;
    long number = 0;
    CHECK(request->timeout_ms > 0 && (request->content_type || !request->body.len));
    st = x.curl ? add_headers(&x, request, e) : err_set(e, ST_NO_MEM, "http client: out of memory");
    if (st != ST_OK)
        goto out_free;
    rc = set_options(&x, request);
    if (rc == CURLE_OK)
        rc = curl_easy_perform(x.curl);
    st = judge(&x, rc, e);
    if (st == ST_OK) {
        curl_easy_getinfo(x.curl, CURLINFO_RESPONSE_CODE, &number);
        *status = (int)number;
    }

out_free:
    curl_slist_free_all(x.headers);
    curl_easy_cleanup(x.curl);
    return st;
}
