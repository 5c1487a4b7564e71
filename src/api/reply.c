/* SPDX-License-Identifier: Apache-2.0 */
#include "api/reply.h"

#include <stdio.h>

void reply_error(struct http_req *req, int status, const char *word, const char *allow)
{
    char body[96];
    int n = snprintf(body, sizeof body, "{\"error\":\"%s\"}\n", word);
    struct http_reply reply = {.status = status,
                               .content_type = "application/json",
                               .body = {body, (size_t)n},
                               .close = status == 429};
    if (status == 401)
        reply.headers[0] = (struct http_header){"WWW-Authenticate", "Basic realm=\"gladly-relay\""};
    if (status == 405 && allow)
        reply.headers[0] = (struct http_header){"Allow", allow};
    if (status == 429)
        reply.headers[0] = (struct http_header){"Retry-After", "60"};
    if (status == 503)
        reply.headers[0] = (struct http_header){"Retry-After", REPLY_RETRY_AFTER};
    http_req_reply(req, &reply);
}

void reply_unauthorized(struct http_req *req)
{
    static const char body[] = "{\"error\":\"unauthorized\"}\n";
    const struct http_reply reply = {
        .status = 401,
        .content_type = "application/json",
        .body = {body, sizeof body - 1},
        .headers = {{"WWW-Authenticate", "Bearer realm=\"gladly-relay\""}}};
    http_req_reply(req, &reply);
}

void reply_json(struct http_req *req, int status, struct json_value *root)
{
    struct buf text;
    buf_init(&text, REPLY_JSON_MAX);
    if (json_print(root, &text) == ST_OK && buf_append(&text, "\n", 1) == ST_OK) {
        const struct http_reply reply = {
            .status = status, .content_type = "application/json", .body = buf_slice(&text)};
        http_req_reply(req, &reply);
    } else {
        reply_error(req, 503, "out_of_memory", NULL);
    }
    buf_fini(&text);
    json_destroy(root);
}

void reply_refusal(struct http_req *req, int status, const char *word, const char *reason)
{
    struct json_value *root = json_object();
    json_add_string(root, "error", slice_of(word));
    json_add_string(root, "reason", slice_of(reason));
    reply_json(req, status, root);
}

void reply_text(struct http_req *req, int status, const char *text)
{
    struct http_reply reply = {
        .status = status, .content_type = "text/plain; charset=utf-8", .body = slice_of(text)};
    http_req_reply(req, &reply);
}
