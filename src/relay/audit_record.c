/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/audit_record.h"

#include <stdio.h>

#include "base/num.h"

/* 0 for what is no number. */
static int64_t number_of(struct slice text)
{
    uint64_t number = 0;
    if (num_parse_u64(text, 0, INT64_MAX, &number, NULL) != ST_OK)
        return 0;
    return (int64_t)number;
}

/* "/gladly/ORG/SOURCE" */
static struct slice source_of(struct slice text)
{
    const char *slash = text.len ? memrchr(text.ptr, '/', text.len) : NULL;
    size_t before = slash ? (size_t)(slash - text.ptr) + 1 : text.len;
    return (struct slice){text.ptr + before, text.len - before};
}

static void read_relay_header(struct audit_record *out, struct slice name, struct slice value,
                              const char *journal_id)
{
    if (slice_eq(name, slice_of("relay-journal"))) {
        out->is_ours = slice_eq(value, slice_of(journal_id));
    } else if (slice_eq(name, slice_of("relay-seq"))) {
        out->seq = number_of(value);
    } else if (slice_eq(name, slice_of("relay-prev-seq"))) {
        out->prev = number_of(value);
        out->prev_text = value;
    } else if (slice_eq(name, slice_of("relay-possible-duplicate"))) {
        out->is_labelled = slice_eq(value, slice_of("true"));
    } else if (slice_eq(name, slice_of("relay-replay"))) {
        out->is_replay = true;
    } else if (slice_eq(name, slice_of("relay-received-at"))) {
        if (!wall_parse(value.ptr, value.len, &out->received))
            out->received = (struct wall){0};
    }
}

void audit_record_read(struct audit_record *out, const struct kafka_reader_record *in,
                       const char *journal_id)
{
    *out = (struct audit_record){.in = in};
    for (size_t i = 0; i < in->header_count; i++) {
        struct slice name = slice_of(in->headers[i].name), value = in->headers[i].value;
        if (!value.ptr)
            value = slice_of("");
        if (slice_eq(name, slice_of("ce_id")))
            out->id = value;
        else if (slice_eq(name, slice_of("ce_type")))
            out->type = value;
        else if (slice_eq(name, slice_of("ce_source")))
            out->source = source_of(value);
        else
            read_relay_header(out, name, value, journal_id);
    }
}

void audit_record_expect(struct audit_expected *out, const struct journal_row *row,
                         const struct record_origin *origin)
{
    const struct publisher_record *made = &out->made.out;
    record_build(&out->made, row, origin, 0);
    out->in = (struct kafka_reader_record){.key = made->key,
                                           .value = made->value,
                                           .headers = made->headers,
                                           .header_count = made->header_count};
    audit_record_read(&out->record, &out->in, origin->journal_id);
}

struct ident audit_record_digest(const struct audit_record *record, const struct ident *key)
{
    const struct slice texts[] = {record->in->key, record->in->value, record->id, record->type,
                                  record->prev_text};
    struct ident parts[sizeof texts / sizeof texts[0]];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        parts[i] = ident_digest(key, texts[i]);
    return ident_digest(key, (struct slice){(const char *)parts, sizeof parts});
}

bool audit_record_differs(const struct audit_record *a, const struct audit_record *b,
                          char out[AUDIT_DIFFERENCE_MAX])
{
    const struct {
        const char *name;
        bool differs;
    } parts[] = {{"key", !slice_eq(a->in->key, b->in->key)},
                 {"value", !slice_eq(a->in->value, b->in->value)},
                 {"ce_id", !slice_eq(a->id, b->id)},
                 {"ce_type", !slice_eq(a->type, b->type)},
                 {"relay-prev-seq",
                  !a->is_replay && !b->is_replay && !slice_eq(a->prev_text, b->prev_text)}};
    size_t len = 0;
    out[0] = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int n = 0;
        if (parts[i].differs)
            n = snprintf(out + len, AUDIT_DIFFERENCE_MAX - len, "%s%s", len ? ", " : "",
                         parts[i].name);
        len += (size_t)n;
    }
    return len > 0;
}
