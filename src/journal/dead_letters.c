/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/dead_letters.h"

#include <stdlib.h>

#include "base/metric.h"
#include "event/route.h"

/* The relay's own lines behind the content headers (event.h). */
#define REASON  "Relay-Park-Reason: "
#define OMITTED "Relay-Body-Omitted: "
#define OWN     "Relay-"

/* Content headers are bounded by the listener's limits; longer ones are left out of a copy. */
#define LINES_MAX (128u << 10)
#define TEXT_MAX  (LINES_MAX + 4096)
/* Reasons are an error's text, cut elsewhere already. */
#define REASON_MAX 1024

struct wish {
    struct journal_dead_letters to;
    int64_t made; /* in the open transaction */
};

struct dead_letters {
    sqlite3_stmt *read;
    sqlite3 *db;
    struct wish wishes[JOURNAL_SOURCES_MAX + 1]; /* index is the source's number */
    bool is_any_made;
    struct buf body; /* texts and body of the row that was read last */
    struct buf text; /* headers of the copy that was made last */
};

enum status dead_letters_create(struct dead_letters **out, sqlite3 *db, struct err *e)
{
    enum status st;
    struct dead_letters *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, ST_NO_MEM, "dead letters: out of memory");
    d->db = db;
    buf_init(&d->body, SIZE_MAX);
    buf_init(&d->text, TEXT_MAX);
    st = db_prepare(db, &d->read, "SELECT " ROW_COLUMNS " FROM events WHERE seq = ?1", e);
    if (st != ST_OK) {
        dead_letters_destroy(d);
        return st;
    }
    *out = d;
    return ST_OK;
}

void dead_letters_destroy(struct dead_letters *d)
{
    if (!d)
        return;
    sqlite3_finalize(d->read);
    buf_fini(&d->body);
    buf_fini(&d->text);
    free(d);
}

void dead_letters_set(struct dead_letters *d, int64_t source, const struct journal_dead_letters *to)
{
    CHECK(source >= 1 && source <= JOURNAL_SOURCES_MAX);
    d->wishes[source].to = *to;
}

static const struct journal_dead_letters *wish_of(const struct dead_letters *d, int64_t source)
{
    bool is_one = source >= 1 && source <= JOURNAL_SOURCES_MAX;
    return is_one && d->wishes[source].to.routes ? &d->wishes[source].to : NULL;
}

bool dead_letters_is_wanted(const struct dead_letters *d, int64_t source)
{
    return wish_of(d, source) != NULL;
}

/* ---- the parked row ---- */

/* Parking is rare: a large body's memory is given back at the transaction's end. */
static enum status keep(struct dead_letters *d, struct event *ev, struct err *e)
{
    size_t size = row_text_bytes(ev);
    buf_fini(&d->body);
    if (buf_reserve(&d->body, size ? size : 1) != ST_OK)
        return err_set(e, ST_NO_MEM, "dead letters: out of memory");
    row_move_texts(ev, d->body.ptr);
    return ST_OK;
}

enum status dead_letters_read(struct dead_letters *d, int64_t seq, struct dead_letters_parked *out,
                              struct err *e)
{
    enum status st = ST_OK;
    int rc;
    sqlite3_bind_int64(d->read, 1, seq);
    rc = sqlite3_step(d->read);
    if (rc == SQLITE_ROW) {
        out->is_intact = row_read(d->read, &out->row);
        st = keep(d, &out->row.ev, e);
    } else if (rc == SQLITE_DONE) {
        st = err_set(e, ST_NOT_FOUND, "there is no event %lld", (long long)seq);
    } else {
        st = db_error(d->db, e, "reading a parked event");
    }
    sqlite3_reset(d->read);
    return st;
}

/* ---- the copy ---- */

/* The lines before the relay's own. */
static struct slice content_lines(struct slice headers)
{
    const size_t n = sizeof OWN - 1;
    size_t at = 0;
    while (at < headers.len && !(headers.len - at >= n && memcmp(headers.ptr + at, OWN, n) == 0)) {
        const char *end = memchr(headers.ptr + at, '\n', headers.len - at);
        at = end ? (size_t)(end - headers.ptr) + 1 : headers.len;
    }
    return (struct slice){headers.ptr, at <= LINES_MAX ? at : 0};
}

/* One line, whatever the reason holds. */
static enum status add_reason(struct buf *text, struct slice reason)
{
    size_t from = text->len + sizeof REASON - 1;
    enum status st =
        buf_printf(text, REASON "%.*s\n", (int)(reason.len < REASON_MAX ? reason.len : REASON_MAX),
                   reason.len ? reason.ptr : "");
    for (size_t i = from; st == ST_OK && i + 1 < text->len; i++)
        if ((unsigned char)text->ptr[i] < ' ' || text->ptr[i] == 0x7f)
            text->ptr[i] = ' ';
    return st;
}

static enum status write_headers(struct dead_letters *d, const struct dead_letters_parked *parked,
                                 size_t omitted)
{
    const struct event *ev = &parked->row.ev;
    struct slice kept = {"", 0};
    enum status st = ST_OK;
    buf_clear(&d->text);
    if (parked->is_intact && ev->origin == EVENT_ORIGIN_DEAD_LETTER) {
        /* The reason is that of the event, not that of the copy. */
        kept = ev->content_headers;
        st = buf_append(&d->text, kept.ptr, kept.len);
    } else {
        if (parked->is_intact)
            kept = content_lines(ev->content_headers);
        if (kept.len)
            st = buf_append(&d->text, kept.ptr, kept.len);
        if (st == ST_OK)
            st = add_reason(&d->text, parked->reason);
    }
    if (st == ST_OK && omitted)
        st = buf_printf(&d->text, OMITTED "%zu\n", omitted);
    return st;
}

/* What stays of the event. */
static struct event copy_of(const struct dead_letters_parked *parked, bool has_body)
{
    const struct event *ev = &parked->row.ev;
    struct event copy = *ev;
    if (!parked->is_intact)
        copy = (struct event){.body = {"", 0}};
    copy.flags &= EVENT_CONFLICT;
    if (parked->is_intact) {
        copy.event_time = event_record_time(ev);
        copy.flags |= EVENT_HAS_TIME;
    }
    if (!has_body)
        copy.body = (struct slice){"", 0};
    copy.reason = (struct slice){"", 0};
    copy.origin = EVENT_ORIGIN_DEAD_LETTER;
    return copy;
}

enum status dead_letters_make(struct dead_letters *d, const struct dead_letters_parked *parked,
                              struct wall now, struct row *copy, struct err *e)
{
    const struct journal_dead_letters *to = wish_of(d, parked->row.source);
    const struct event *ev = &parked->row.ev;
    bool is_copy = ev->origin == EVENT_ORIGIN_DEAD_LETTER;
    bool has_body = parked->is_intact && !is_copy && to && ev->body.len <= to->body_max;
    enum status st;
    copy->ev = (struct event){.topic = {"", 0}};
    if (!to || (is_copy && (!parked->is_intact || !ev->body.len)))
        return ST_OK;
    st = write_headers(d, parked, has_body ? 0 : ev->body.len);
    if (st != ST_OK)
        return err_set(e, ST_NO_MEM, "dead letters: out of memory");
    copy->source = parked->row.source;
    copy->parent = is_copy ? parked->row.parent : parked->row.seq;
    copy->ev = copy_of(parked, has_body);
    copy->ev.received = now;
    copy->ev.content_headers = buf_slice(&d->text);
    copy->ev.topic = routes_find(to->routes, copy->ev.type).topic;
    return ST_OK;
}

/* ---- counting ---- */

void dead_letters_note(struct dead_letters *d, int64_t source)
{
    d->wishes[source].made++;
    d->is_any_made = true;
}

void dead_letters_committed(struct dead_letters *d)
{
    for (int64_t i = 1; i <= JOURNAL_SOURCES_MAX && d->is_any_made; i++)
        if (d->wishes[i].made && d->wishes[i].to.count)
            metric_add(d->wishes[i].to.count, d->wishes[i].made);
    dead_letters_rolled_back(d);
}

void dead_letters_rolled_back(struct dead_letters *d)
{
    for (int64_t i = 1; i <= JOURNAL_SOURCES_MAX && d->is_any_made; i++)
        d->wishes[i].made = 0;
    d->is_any_made = false;
    buf_fini(&d->body);
}
