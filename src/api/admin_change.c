/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin_change.h"

#include <string.h>

#include "api/admin_routes.h"
#include "api/reply.h"

static bool is_listed(struct slice name, const char *known)
{
    while (*known) {
        size_t len = strcspn(known, ",");
        if (slice_eq(name, (struct slice){known, len}))
            return true;
        known += known[len] ? len + 1 : len;
    }
    return false;
}

enum status admin_change_body(struct admin_call *call, const char *known, struct json_value **body,
                              struct err *e)
{
    *body = NULL;
    enum status st = json_parse(http_req_body(call->req), call->route->body_max, body, e);
    if (st == ST_OK && json_kind(*body) != JSON_OBJECT)
        st = err_set(e, ST_BAD_INPUT, "the body must be a JSON object");
    if (st != ST_OK)
        return st;
    for (const struct json_value *m = json_first(*body); m; m = json_next(m))
        if (!is_listed(json_name(m), known))
            return err_set(e, ST_BAD_INPUT, "unknown member in the body; there are %s", known);
    return ST_OK;
}

struct buf admin_change_field(char *bytes, size_t size)
{
    return (struct buf){.ptr = bytes, .max = size};
}

enum status admin_change_text(const struct json_value *body, const char *name, bool is_needed,
                              struct buf out, struct err *e)
{
    struct slice text = {"", 0};
    enum status st = json_get_string(body, name, out.max - 1, &text, e);
    if (st == ST_NOT_FOUND && !is_needed)
        st = ST_OK;
    if (st == ST_NOT_FOUND || (st == ST_OK && is_needed && !text.len))
        return err_set(e, ST_BAD_INPUT, "%s is missing", name);
    if (st != ST_OK)
        return err_set(e, ST_BAD_INPUT, "%s must be a text of at most %zu bytes", name,
                       out.max - 1);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return err_set(e, ST_BAD_INPUT, "%s has a control character", name);
    memcpy(out.ptr, text.ptr, text.len);
    out.ptr[text.len] = '\0';
    return ST_OK;
}

void admin_change_answer(struct http_req *req, int status, struct json_value *root)
{
    static const struct slice no_memory = {"{\"error\":\"out_of_memory\"}\n", 26};
    struct http_reply reply = {
        .status = status, .content_type = "application/json", .body = no_memory};
    struct buf text;
    buf_init(&text, REPLY_JSON_MAX);
    if (json_print(root, &text) == ST_OK && buf_append(&text, "\n", 1) == ST_OK)
        reply.body = buf_slice(&text);
    if (status == 503)
        reply.headers[0] = (struct http_header){"Retry-After", REPLY_RETRY_AFTER};
    json_destroy(root);
    http_req_answer(req, &reply);
    buf_fini(&text);
}

struct json_value *admin_change_refusal(const char *word, const char *reason)
{
    struct json_value *root = json_object();
    json_add_string(root, "error", slice_of(word));
    if (reason)
        json_add_string(root, "reason", slice_of(reason));
    return root;
}
