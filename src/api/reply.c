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

void reply_text(struct http_req *req, int status, const char *text)
{
    struct http_reply reply = {
        .status = status, .content_type = "text/plain; charset=utf-8", .body = slice_of(text)};
    http_req_reply(req, &reply);
}
