/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_checkpoint.h"

#include "base/num.h"
#include "kafka/kafka_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC   "gladly-relay-checkpoint 2\n"
#define MAGIC_1 "gladly-relay-checkpoint 1\n"

/* Of the tail that is looked at first: each transaction leaves a record and a marker. */
#define TAIL_FIRST 16

enum status kafka_checkpoint_init(struct kafka_checkpoint *c, struct err *e)
{
    *c = (struct kafka_checkpoint){.count = 0};
    c->positions = calloc(PUBLISHER_POSITIONS_MAX, sizeof *c->positions);
    return c->positions ? ST_OK : err_set(e, ST_NO_MEM, "checkpoint: out of memory");
}

void kafka_checkpoint_fini(struct kafka_checkpoint *c)
{
    free(c->positions);
    c->positions = NULL;
}

void kafka_checkpoint_copy(struct kafka_checkpoint *to, const struct kafka_checkpoint *from)
{
    struct publisher_position *room = to->positions;
    memcpy(room, from->positions, from->count * sizeof *room);
    *to = *from;
    to->positions = room;
}

struct slice kafka_checkpoint_format(const struct kafka_checkpoint *c, char *out)
{
    CHECK(c->count <= PUBLISHER_POSITIONS_MAX);
    int n = snprintf(out, KAFKA_CHECKPOINT_TEXT_MAX,
                     MAGIC "journal %.63s\ngeneration %" PRIu64 "\nnumber %" PRIu64 "\n",
                     c->journal, c->generation, c->number);
    size_t len = (size_t)n;
    for (size_t i = 0; i < c->count; i++) {
        len += num_format_i64(c->positions[i].feed, out + len);
        out[len++] = ' ';
        len += num_format_i64(c->positions[i].seq, out + len);
        if (c->positions[i].check) {
            out[len++] = ' ';
            len += num_format_i64(c->positions[i].check, out + len);
        }
        out[len++] = '\n';
    }
    return (struct slice){out, len};
}

/* ---- parsing ---- */

/* Takes the text up to end (a line or a word), which must be there. */
static bool take(struct slice *text, char end, struct slice *out)
{
    const char *at = text->len ? memchr(text->ptr, end, text->len) : NULL;
    if (!at)
        return false;
    *out = (struct slice){text->ptr, (size_t)(at - text->ptr)};
    text->ptr = at + 1;
    text->len -= out->len + 1;
    return true;
}

static bool take_literal(struct slice *text, const char *literal)
{
    size_t n = strlen(literal);
    if (text->len < n || memcmp(text->ptr, literal, n) != 0)
        return false;
    text->ptr += n;
    text->len -= n;
    return true;
}

static bool take_number(struct slice *text, char end, int64_t *out)
{
    struct slice word;
    struct err unused;
    uint64_t v;
    bool is_negative = take_literal(text, "-");
    if (!take(text, end, &word) || num_parse_u64(word, 0, INT64_MAX, &v, &unused) != ST_OK)
        return false;
    *out = is_negative ? -(int64_t)v : (int64_t)v;
    return true;
}

static bool take_head(struct slice *text, struct kafka_checkpoint *out)
{
    struct slice journal;
    int64_t generation, number;
    if (!(take_literal(text, MAGIC) || take_literal(text, MAGIC_1)) ||
        !take_literal(text, "journal ") || !take(text, '\n', &journal) ||
        journal.len >= sizeof out->journal || !take_literal(text, "generation ") ||
        !take_number(text, '\n', &generation) || !take_literal(text, "number ") ||
        !take_number(text, '\n', &number) || generation < 1 || number < 0)
        return false;
    memcpy(out->journal, journal.ptr, journal.len);
    out->journal[journal.len] = '\0';
    out->generation = (uint64_t)generation;
    out->number = (uint64_t)number;
    return true;
}

/* A line without its end: feed, seq and perhaps a check. */
static bool take_position(struct slice line, struct publisher_position *out)
{
    struct slice seq;
    struct err unused;
    uint64_t v = 0;
    *out = (struct publisher_position){0};
    if (!take_number(&line, ' ', &out->feed))
        return false;
    bool has_check = take(&line, ' ', &seq);
    if (has_check) {
        if (num_parse_u64(line, 1, UINT32_MAX, &v, &unused) != ST_OK)
            return false;
        out->check = (uint32_t)v;
    }
    if (num_parse_u64(has_check ? seq : line, 0, INT64_MAX, &v, &unused) != ST_OK)
        return false;
    out->seq = (int64_t)v;
    return true;
}

enum status kafka_checkpoint_parse(struct slice text, struct kafka_checkpoint *out, struct err *e)
{
    out->count = 0;
    if (!take_head(&text, out))
        return err_set(e, ST_BAD_INPUT, "this is no checkpoint of version 1 or 2");
    while (text.len) {
        struct publisher_position p;
        struct slice line;
        if (out->count == PUBLISHER_POSITIONS_MAX || !take(&text, '\n', &line) ||
            !take_position(line, &p) ||
            (out->count && p.feed <= out->positions[out->count - 1].feed))
            return err_set(e, ST_BAD_INPUT, "position %zu of the checkpoint is damaged",
                           out->count + 1);
        out->positions[out->count++] = p;
    }
    return ST_OK;
}

/* ---- reading back ---- */

struct search {
    const struct kafka_checkpoint_source *from;
    struct kafka_checkpoint *out;
    bool is_found;
    enum status st;
    struct err *e;
};

static bool on_record(void *arg, const struct kafka_reader_record *record)
{
    struct search *s = arg;
    if (!record->value.ptr)
        return true;
    s->st = kafka_checkpoint_parse(record->value, s->out, s->e);
    if (s->st == ST_OK && strcmp(s->out->journal, s->from->journal_id) != 0)
        s->st = err_set(s->e, ST_DENIED, "topic %s holds the checkpoint of journal %s, not of %s",
                        s->from->topic, s->out->journal, s->from->journal_id);
    s->is_found = s->st == ST_OK;
    return s->is_found;
}

static enum status search_tail(struct kafka_reader *r, struct search *s)
{
    int64_t low, end;
    enum status st = kafka_reader_span(r, 0, &low, &end, s->e);
    for (int64_t step = TAIL_FIRST; st == ST_OK && !s->is_found; step *= 8) {
        int64_t begin = end - step > low ? end - step : low;
        if (begin < end)
            st = kafka_reader_read(r, 0, begin, on_record, s, s->e);
        if (st == ST_OK)
            st = s->st;
        if (begin <= low)
            break;
    }
    return st;
}

enum status kafka_checkpoint_read(const struct kafka_checkpoint_source *from,
                                  struct kafka_checkpoint *out, struct err *e)
{
    struct search s = {.from = from, .out = out, .e = e};
    const struct kafka_reader_opts opts = {from->properties, from->property_count,
                                           from->timeout_ms};
    struct kafka_reader *r = NULL;
    int partitions = 0;
    enum status st = kafka_reader_create(&r, &opts, e);
    if (st == ST_OK)
        st = kafka_reader_open(r, from->topic, &partitions, e);
    if (st == ST_OK && partitions != 1)
        st = err_set(e, ST_DENIED, "checkpoint topic %s has %d partitions, it must have one",
                     from->topic, partitions);
    if (st == ST_OK)
        st = search_tail(r, &s);
    if (st == ST_OK && !s.is_found) {
        out->generation = out->number = 0;
        out->count = 0;
    }
    kafka_reader_destroy(r);
    return st;
}
