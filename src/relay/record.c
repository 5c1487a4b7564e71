/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/record.h"

#include <string.h>

#include "base/num.h"

static void add(struct record *r, const char *name, struct slice value)
{
    CHECK(r->out.header_count < PUBLISHER_HEADERS_MAX);
    r->headers[r->out.header_count++] = (struct publisher_header){name, value};
}

/*
 * Text made here lives in the record's scratch; its parts are bounded, so it always fits. No
 * printf: this runs for every record.
 */
static char *scratch(struct record *r, size_t room)
{
    CHECK(room <= sizeof r->text - r->text_len);
    return r->text + r->text_len;
}

static struct slice taken(struct record *r, const char *at, size_t len)
{
    r->text_len += len;
    return (struct slice){at, len};
}

static struct slice number_text(struct record *r, int64_t v)
{
    char *at = scratch(r, NUM_I64_MAX);
    return taken(r, at, num_format_i64(v, at));
}

static struct slice time_text(struct record *r, struct wall t)
{
    char *at = scratch(r, WALL_TEXT_MAX);
    return taken(r, at, wall_format(t, at));
}

/* The parts one behind the other. */
static struct slice joined(struct record *r, const struct slice *parts, size_t count)
{
    char *at = r->text + r->text_len;
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(scratch(r, len + parts[i].len) + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return taken(r, at, len);
}

/* An event without an id of its own is still one of a kind: its place in the journal. */
static struct slice id_text(struct record *r, const struct journal_row *row,
                            const struct record_origin *origin)
{
    char seq[NUM_I64_MAX];
    const struct slice parts[] = {
        slice_of(origin->journal_id), slice_of(":"), {seq, num_format_i64(row->seq, seq)}};
    return row->ev.id.len ? row->ev.id : joined(r, parts, 3);
}

static struct slice source_text(struct record *r, const struct record_origin *origin)
{
    const struct slice parts[] = {slice_of("/gladly/"), slice_of(origin->org), slice_of("/"),
                                  slice_of(origin->source)};
    return joined(r, parts, 4);
}

/* The value of a line of content_headers; empty when there is none. */
static struct slice line_of(const struct event *ev, const char *name)
{
    struct slice left = ev->content_headers;
    size_t n = strlen(name);
    while (left.len) {
        const char *end = memchr(left.ptr, '\n', left.len);
        size_t len = end ? (size_t)(end - left.ptr) : left.len, used = end ? len + 1 : len;
        if (len > n + 2 && memcmp(left.ptr, name, n) == 0 && memcmp(left.ptr + n, ": ", 2) == 0)
            return (struct slice){left.ptr + n + 2, len - n - 2};
        left = (struct slice){left.ptr + used, left.len - used};
    }
    return (struct slice){NULL, 0};
}

/* What the delivery said of its body: only an event that could not be read has other than JSON. */
static struct slice content_type(const struct event *ev)
{
    struct slice said = line_of(ev, "Content-Type");
    if (said.len)
        return said;
    /* A dead letter without a type was no Gladly event in plain JSON. */
    if (ev->origin == EVENT_ORIGIN_DEAD_LETTER && !ev->type.len)
        return slice_of("application/octet-stream");
    return slice_of("application/json");
}

/* What else is kept of a delivery that could not be read, and the relay's own lines. */
static void add_kept(struct record *r, const struct event *ev)
{
    static const char *const names[][2] = {{"Content-Encoding", "content-encoding"},
                                           {"Content-Language", "content-language"},
                                           {"Relay-Park-Reason", "relay-park-reason"},
                                           {"Relay-Body-Omitted", "relay-body-omitted"}};
    for (size_t i = 0; ev->content_headers.len && i < sizeof names / sizeof names[0]; i++) {
        struct slice value = line_of(ev, names[i][0]);
        if (value.len)
            add(r, names[i][1], value);
    }
}

static void add_cloudevents(struct record *r, const struct journal_row *row,
                            const struct record_origin *origin)
{
    const struct event *ev = &row->ev;
    add(r, "ce_specversion", slice_of("1.0"));
    add(r, "ce_id", id_text(r, row, origin));
    /* The attribute must not be empty (CloudEvents 1.0.2, "type"). */
    add(r, "ce_type", ev->type.len ? ev->type : slice_of("unreadable"));
    add(r, "ce_source", source_text(r, origin));
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
    add(r, "relay-seq", number_text(r, row->seq));
    add(r, "relay-prev-seq", number_text(r, row->prev));
    add(r, "relay-received-at", time_text(r, row->ev.received));
    add(r, "relay-origin", slice_of(event_origin_name(row->ev.origin)));
    if (row->parent)
        add(r,
            row->ev.origin == EVENT_ORIGIN_DEAD_LETTER ? "relay-dead-letter-of"
                                                       : "relay-requeue-of",
            number_text(r, row->parent));
    if (row->ev.flags & EVENT_CONFLICT)
        add(r, "relay-conflicting-id", slice_of("true"));
}

void record_label_repeat(struct record *r)
{
    add(r, "relay-possible-duplicate", slice_of("true"));
}

void record_label_replay(struct record *r, int64_t replay)
{
    add(r, "relay-replay", number_text(r, replay));
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
    add_kept(r, &row->ev);
}
