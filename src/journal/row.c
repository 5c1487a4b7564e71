/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/row.h"

#include <string.h>

#include "base/checksum.h"

/*
 * The checksum runs over the numbers as 64-bit little-endian words in column order, then over each
 * text with its length before it, so that no two rows share an encoding.
 */
static uint32_t sum_text(uint32_t crc, struct slice text)
{
    uint64_t len = text.len;
    crc = checksum_crc32c(crc, &len, sizeof len);
    return checksum_crc32c(crc, text.ptr, text.len);
}

static int64_t event_time_column(const struct event *ev)
{
    return ev->flags & EVENT_HAS_TIME ? ev->event_time.us : INT64_MIN;
}

static uint32_t row_checksum(const struct row *row)
{
    const struct event *ev = &row->ev;
    const int64_t numbers[] = {
        row->seq,  row->lane,  row->prev,   row->source, ev->received.us, event_time_column(ev),
        ev->flags, ev->origin, row->parent,
    };
    uint32_t crc = checksum_crc32c(0, numbers, sizeof numbers);
    crc = sum_text(crc, ev->type);
    crc = sum_text(crc, ev->id);
    crc = sum_text(crc, ev->key);
    crc = sum_text(crc, ev->trace);
    crc = sum_text(crc, ev->content_headers);
    return sum_text(crc, ev->body);
}

void row_bind(sqlite3_stmt *s, const struct row *row)
{
    const struct event *ev = &row->ev;
    sqlite3_bind_int64(s, 1, row->seq);
    sqlite3_bind_int64(s, 2, row->lane);
    sqlite3_bind_int64(s, 3, row->prev);
    sqlite3_bind_int64(s, 4, row->source);
    sqlite3_bind_int64(s, 5, ev->received.us);
    if (ev->flags & EVENT_HAS_TIME)
        sqlite3_bind_int64(s, 6, ev->event_time.us);
    else
        sqlite3_bind_null(s, 6);
    sqlite3_bind_int64(s, 7, ev->flags);
    sqlite3_bind_int64(s, 8, ev->origin);
    if (row->parent)
        sqlite3_bind_int64(s, 9, row->parent);
    else
        sqlite3_bind_null(s, 9);
    sqlite3_bind_int64(s, 10, row_checksum(row));
    db_bind_text(s, 11, ev->type);
    db_bind_text(s, 12, ev->id);
    db_bind_text(s, 13, ev->key);
    db_bind_text(s, 14, ev->trace);
    db_bind_text(s, 15, ev->content_headers);
    /* An empty body is a value of its own, not NULL. */
    sqlite3_bind_blob(s, 16, ev->body.len ? ev->body.ptr : "", (int)ev->body.len, SQLITE_STATIC);
}

bool row_read(sqlite3_stmt *s, struct row *row)
{
    struct event *ev = &row->ev;
    *row = (struct row){0};
    row->seq = sqlite3_column_int64(s, 0);
    row->lane = sqlite3_column_int64(s, 1);
    row->prev = sqlite3_column_int64(s, 2);
    row->source = sqlite3_column_int64(s, 3);
    ev->received.us = sqlite3_column_int64(s, 4);
    ev->event_time.us = sqlite3_column_int64(s, 5);
    ev->flags = (unsigned)sqlite3_column_int64(s, 6);
    ev->origin = (enum event_origin)sqlite3_column_int64(s, 7);
    row->parent = sqlite3_column_int64(s, 8);
    ev->type = db_column(s, 10);
    ev->id = db_column(s, 11);
    ev->key = db_column(s, 12);
    ev->trace = db_column(s, 13);
    ev->content_headers = db_column(s, 14);
    ev->body = db_column(s, 15);
    return (uint32_t)sqlite3_column_int64(s, 9) == row_checksum(row);
}

size_t row_text_bytes(const struct event *ev)
{
    return ev->type.len + ev->id.len + ev->key.len + ev->trace.len + ev->content_headers.len +
           ev->body.len;
}

/* Moves the bytes of *text behind *at and points it there. */
static void move(struct slice *text, char **at)
{
    if (text->len)
        memcpy(*at, text->ptr, text->len);
    text->ptr = *at;
    *at += text->len;
}

void row_move_texts(struct event *ev, char *at)
{
    move(&ev->type, &at);
    move(&ev->id, &at);
    move(&ev->key, &at);
    move(&ev->trace, &at);
    move(&ev->content_headers, &at);
    move(&ev->body, &at);
}
