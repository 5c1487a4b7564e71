/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin.h"

#include <stdlib.h>

#include "api/reply.h"

/* Some hundred bytes a child, METRIC_CHILDREN_MAX children a family: far above what a scrape holds.
 */
#define EXPOSITION_MAX (64u << 20)

struct admin {
    struct admin_opts opts;
};

struct admin *admin_create(const struct admin_opts *opts)
{
    struct admin *a = calloc(1, sizeof *a);
    if (a)
        a->opts = *opts;
    return a;
}

void admin_destroy(struct admin *a)
{
    free(a);
}

static void answer_metrics(struct admin *a, struct http_req *req)
{
    struct buf text;
    buf_init(&text, EXPOSITION_MAX);
    if (a->opts.on_scrape)
        a->opts.on_scrape(a->opts.ctx);
    if (metrics_render(a->opts.metrics, &text) == ST_OK) {
        struct http_reply reply = {.status = 200,
                                   .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                   .body = buf_slice(&text)};
        http_req_reply(req, &reply);
    } else {
        reply_error(req, 503, "out_of_memory", NULL);
    }
    buf_fini(&text);
}

static bool on_head(void *ctx, struct http_req *req)
{
    if (!slice_eq(http_req_path(req), slice_of("/metrics")))
        reply_error(req, 404, "not_found", NULL);
    else if (strcmp(http_req_method(req), "GET") != 0)
        reply_error(req, 405, "method_not_allowed", "GET");
    else
        answer_metrics(ctx, req);
    return false;
}

struct http_handler admin_handler(struct admin *a)
{
    return (struct http_handler){.ctx = a, .on_head = on_head};
}
