/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static void add(struct record *r, const char *name, struct slice value)
{
    CHECK(r->out.header_count < PUBLISHER_HEADERS_MAX);
    r->headers[r->out.header_count++] = (struct publisher_header){name, value};
}

/* Text made here lives in the record's scratch; its parts are bounded, so it always fits. */
static struct slice text(struct record *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static struct slice text(struct record *r, const char *fmt, ...)
{
    va_list ap;
    char *at = r->text + r->text_len;
    va_start(ap, fmt);
    int n = vsnprintf(at, sizeof r->text - r->text_len, fmt, ap);
    va_end(ap);
    CHECK(n >= 0 && (size_t)n < sizeof r->text - r->text_len);
    r->text_len += (size_t)n + 1;
    return (struct slice){at, (size_t)n};
}

static struct slice time_text(struct record *r, struct wall t)
{
    char when[WALL_TEXT_MAX];
    wall_format(t, when);
    return text(r, "%s", when);
}

/* What the delivery said of its body: only a requeued event that could not be read has other than
 * JSON. */
static struct slice content_type(const struct event *ev)
{
    static const char name[] = "Content-Type: ";
    const size_t n = sizeof name - 1;
    struct slice kept = ev->content_headers;
    const char *end;
    if (kept.len <= n || memcmp(kept.ptr, name, n) != 0)
        return slice_of("application/json");
    end = memchr(kept.ptr, '\n', kept.len);
    return (struct slice){kept.ptr + n, end ? (size_t)(end - kept.ptr) - n : kept.len - n};
}

static void add_cloudevents(struct record *r, const struct journal_row *row,
                            const struct record_origin *origin)
{
    const struct event *ev = &row->ev;
    add(r, "ce_specversion", slice_of("1.0"));
    /* An event without an id of its own is still one of a kind: its place in the journal. */
    add(r, "ce_id", ev->id.len ? ev->id : text(r, "%s:%" PRId64, origin->journal_id, row->seq));
    /* The attribute must not be empty (CloudEvents 1.0.2, "type"). */
    add(r, "ce_type", ev->type.len ? ev->type : slice_of("unreadable"));
    add(r, "ce_source", text(r, "/gladly/%.64s/%.64s", origin->org, origin->source));
    add(r, "ce_time", time_text(r, event_record_time(ev)));
    if (ev->key.len)
        add(r, "ce_subject", ev->key);
    add(r, "content-type", content_type(ev));
}

static void add_trace(struct record *r, struct slice trace)
{
    const char *newline = trace.len ? memchr(trace.ptr, '\n', trace.len) : NULL;
    size_t parent_len = newline ? (size_t)(newline - trace.ptr) : trace.len;
    if (!trace.len)
        return;
    add(r, "traceparent", (struct slice){trace.ptr, parent_len});
    if (newline)
        add(r, "tracestate", (struct slice){newline + 1, trace.len - parent_len - 1});
}

static void add_relay(struct record *r, const struct journal_row *row,
                      const struct record_origin *origin)
{
    add(r, "relay-journal", slice_of(origin->journal_id));
    add(r, "relay-seq", text(r, "%" PRId64, row->seq));
    add(r, "relay-prev-seq", text(r, "%" PRId64, row->prev));
    add(r, "relay-received-at", time_text(r, row->ev.received));
    add(r, "relay-origin", slice_of(event_origin_name(row->ev.origin)));
    if (row->parent)
        add(r, "relay-requeue-of", text(r, "%" PRId64, row->parent));
    if (row->ev.flags & EVENT_CONFLICT)
        add(r, "relay-conflicting-id", slice_of("true"));
}

void record_label_repeat(struct record *r)
{
    add(r, "relay-possible-duplicate", slice_of("true"));
}

void record_build(struct record *r, const struct journal_row *row,
                  const struct record_origin *origin, uint64_t tag)
{
    r->text_len = 0;
    r->out = (struct publisher_record){.topic = origin->topic,
                                       .key = row->ev.key.len ? row->ev.key : (struct slice){0},
                                       .value = row->ev.body,
                                       .headers = r->headers,
                                       .timestamp = event_record_time(&row->ev),
                                       .tag = tag};
    add_cloudevents(r, row, origin);
    add_relay(r, row, origin);
    add_trace(r, row->ev.trace);
}
