/* SPDX-License-Identifier: Apache-2.0 */
#include "event/selection.h"

#include "json/json_value.h"

#include <stdio.h>

#define MILLISECOND_US 1000

static enum status read_time(const struct json_value *o, const char *name, struct wall *out,
                             struct err *e)
{
    struct slice text;
    enum status st = json_get_string(o, name, WALL_TEXT_MAX, &text, e);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK && !wall_parse(text.ptr, text.len, out))
        st = err_set(e, ST_BAD_INPUT, "not a time");
    /* What is kept has milliseconds, so what is in force has no more. */
    if (st == ST_OK)
        out->us -= out->us % MILLISECOND_US;
    if (st != ST_OK || out->us <= 0)
        return err_set(e, ST_BAD_INPUT, "%s must be a time as 2026-11-21T09:30:00Z", name);
    return ST_OK;
}

static enum status read_seq(const struct json_value *o, const char *name, int64_t *out,
                            struct err *e)
{
    uint64_t value = 0;
    enum status st = json_get_u64(o, name, 1, INT64_MAX - 1, &value, e);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st != ST_OK)
        return err_set(e, ST_BAD_INPUT, "%s must be the number of an event", name);
    *out = (int64_t)value;
    return ST_OK;
}

static enum status read_text(const struct json_value *o, const char *name, struct buf out,
                             struct err *e)
{
    struct slice text = {0};
    enum status st = json_get_string(o, name, out.max - 1, &text, e);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    /* An empty text would stand for "not given", and so match everything. */
    if (st == ST_OK && !text.len)
        st = ST_BAD_INPUT;
    if (st != ST_OK)
        return err_set(e, ST_BAD_INPUT, "%s must be a text of 1 to %zu bytes", name, out.max - 1);
    memcpy(out.ptr, text.ptr, text.len);
    out.ptr[text.len] = 0;
    return ST_OK;
}

static struct buf field(char *bytes, size_t size)
{
    return (struct buf){.ptr = bytes, .max = size};
}

static void normalise_family(char *family)
{
    for (; *family; family++) {
        if (*family >= 'A' && *family <= 'Z')
            *family = (char)(*family - 'A' + 'a');
        else if (*family == '_')
            *family = '-';
    }
}

static enum status read_by(struct selection *s, const struct json_value *o, struct err *e)
{
    struct slice by = {0};
    enum status st = json_get_string(o, "by", SELECTION_NAME_MAX, &by, e);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    s->is_by_event = slice_eq(by, slice_of("event"));
    if (st != ST_OK || (!s->is_by_event && !slice_eq(by, slice_of("received"))))
        return err_set(e, ST_BAD_INPUT, "by must be received or event");
    return ST_OK;
}

static enum status check_members(const struct json_value *o, struct err *e)
{
    static const char *const known[] = {"since",  "until",  "by",   "from_seq", "to_seq",
                                        "source", "family", "type", "key",      "id"};
    if (json_kind(o) != JSON_OBJECT)
        return err_set(e, ST_BAD_INPUT, "a selection must be an object");
    for (const struct json_value *m = json_first(o); m; m = json_next(m)) {
        size_t i = 0;
        while (i < sizeof known / sizeof known[0] && !slice_eq(json_name(m), slice_of(known[i])))
            i++;
        if (i == sizeof known / sizeof known[0])
            return err_set(e, ST_BAD_INPUT, "a selection has no such member");
    }
    return ST_OK;
}

static enum status check_ranges(const struct selection *s, struct err *e)
{
    if (s->until.us && s->until.us <= s->since.us)
        return err_set(e, ST_BAD_INPUT, "until must be later than since");
    if (s->to_seq && s->to_seq < s->from_seq)
        return err_set(e, ST_BAD_INPUT, "to_seq must not be less than from_seq");
    return ST_OK;
}

enum status selection_read(struct selection *out, const struct json_value *object, struct err *e)
{
    struct selection s = {0};
    const struct {
        const char *name;
        struct buf field;
    } texts[] = {{"source", field(s.source, sizeof s.source)},
                 {"family", field(s.family, sizeof s.family)},
                 {"type", field(s.type, sizeof s.type)},
                 {"key", field(s.key, sizeof s.key)},
                 {"id", field(s.id, sizeof s.id)}};
    enum status st = check_members(object, e);
    if (st == ST_OK)
        st = read_time(object, "since", &s.since, e);
    if (st == ST_OK)
        st = read_time(object, "until", &s.until, e);
    if (st == ST_OK)
        st = read_by(&s, object, e);
    if (st == ST_OK)
        st = read_seq(object, "from_seq", &s.from_seq, e);
    if (st == ST_OK)
        st = read_seq(object, "to_seq", &s.to_seq, e);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && st == ST_OK; i++)
        st = read_text(object, texts[i].name, texts[i].field, e);
    normalise_family(s.family);
    if (st == ST_OK)
        st = check_ranges(&s, e);
    if (st == ST_OK)
        *out = s;
    return st;
}

enum status selection_parse(struct selection *out, struct slice text, struct err *e)
{
    struct json_value *root = NULL;
    enum status st = json_parse(text, SELECTION_JSON_MAX, &root, e);
    if (st == ST_OK)
        st = selection_read(out, root, e);
    json_destroy(root);
    return st;
}

static void add_time(struct json_value *o, const char *name, struct wall t)
{
    char text[WALL_TEXT_MAX];
    if (!t.us)
        return;
    json_add_string(o, name, (struct slice){text, wall_format(t, text)});
}

static void add_text(struct json_value *o, const char *name, const char *text)
{
    if (text[0])
        json_add_string(o, name, slice_of(text));
}

void selection_add(const struct selection *s, struct json_value *object)
{
    add_time(object, "since", s->since);
    add_time(object, "until", s->until);
    if (s->is_by_event)
        json_add_string(object, "by", slice_of("event"));
    if (s->from_seq)
        json_add_u64(object, "from_seq", (uint64_t)s->from_seq);
    if (s->to_seq)
        json_add_u64(object, "to_seq", (uint64_t)s->to_seq);
    add_text(object, "source", s->source);
    add_text(object, "family", s->family);
    add_text(object, "type", s->type);
    add_text(object, "key", s->key);
    add_text(object, "id", s->id);
}

enum status selection_print(const struct selection *s, char out[SELECTION_JSON_MAX], struct err *e)
{
    struct json_value *root = json_object();
    struct buf text;
    enum status st;
    buf_init(&text, SELECTION_JSON_MAX - 1);
    selection_add(s, root);
    st = json_print(root, &text);
    if (st == ST_OK)
        snprintf(out, SELECTION_JSON_MAX, "%.*s", (int)text.len, text.ptr);
    else
        err_set(e, st, "selection: out of memory");
    json_destroy(root);
    buf_fini(&text);
    return st;
}
