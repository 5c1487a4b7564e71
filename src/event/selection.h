/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_EVENT_SELECTION_H
#define RELAY_EVENT_SELECTION_H

/*
 * Which stored events a person means: what a replay selects by, and its form in JSON, in a request
 * and in the journal alike.
 *
 * An event is meant when all that is given holds; nothing given means every event.
 *
 * Only data; no module keeps state here. Threads: re-entrant.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

struct json_value;

#define SELECTION_TEXT_MAX 255 /* bytes of an id or key: those of Gladly are far below */
#define SELECTION_NAME_MAX 127 /* bytes of a source, family or type */
/* The largest JSON text: every byte of every part escaped as \u00XX, and the names. */
#define SELECTION_JSON_MAX (6 * (2 * SELECTION_TEXT_MAX + 3 * SELECTION_NAME_MAX) + 512)

struct selection {
    struct wall since; /* at or after; 0: from the first */
    struct wall until; /* before; 0: without end */
    bool is_by_event;  /* since and until mean the event's own time (the received time when it has
                          none), else the received time */
    int64_t from_seq;  /* 0: not given; both ends are meant */
    int64_t to_seq;
    char source[SELECTION_NAME_MAX + 1]; /* empty texts: not given */
    char family[SELECTION_NAME_MAX + 1]; /* "conversation-status": the part of the type before '/',
                                            lower case, '_' written '-' */
    char type[SELECTION_NAME_MAX + 1];
    char key[SELECTION_TEXT_MAX + 1];
    char id[SELECTION_TEXT_MAX + 1];
};

/*
 * From the members of an object: since, until (RFC 3339), by ("received", "event"), from_seq,
 * to_seq, source, family, type, key, id; all optional. The family may be written as in a type.
 * ST_BAD_INPUT names the member: unknown, malformed, too long, or a range without an inside.
 */
MUST_CHECK enum status selection_read(struct selection *out, const struct json_value *object,
                                      struct err *e);
/* The same from a JSON text. ST_BAD_INPUT, ST_NO_MEM. */
MUST_CHECK enum status selection_parse(struct selection *out, struct slice text, struct err *e);
/* Adds the members that are given to an object. Times keep their microseconds up to milliseconds:
 * selection_read() takes no finer ones. */
void selection_add(const struct selection *s, struct json_value *object);
/* Writes it as JSON with a NUL. ST_NO_MEM. */
MUST_CHECK enum status selection_print(const struct selection *s, char out[SELECTION_JSON_MAX],
                                       struct err *e);

#endif
