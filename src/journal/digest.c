/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/digest.h"

#include <string.h>

struct journal_digest digest_event(const struct ident *key, struct slice org,
                                   const struct event *ev)
{
    struct journal_digest d = {.present = ev->id.len > 0};
    char text[64];
    struct ident org_part, body;
    if (!d.present)
        return d;
    /* The org's digest stands before the id, so that no two (org, id) share a text; an id longer
     * than the rest is digested. */
    org_part = ident_digest(key, org);
    memcpy(text, org_part.bytes, IDENT_BYTES);
    if (ev->id.len <= sizeof text - IDENT_BYTES - 1) {
        text[IDENT_BYTES] = 'i';
        memcpy(text + IDENT_BYTES + 1, ev->id.ptr, ev->id.len);
        d.id = ident_digest(key, (struct slice){text, IDENT_BYTES + 1 + ev->id.len});
    } else {
        struct ident id_part = ident_digest(key, ev->id);
        text[IDENT_BYTES] = 'd';
        memcpy(text + IDENT_BYTES + 1, id_part.bytes, IDENT_BYTES);
        d.id = ident_digest(key, (struct slice){text, 2 * IDENT_BYTES + 1});
    }
    body = ident_digest(key, ev->body);
    memcpy(&d.body, body.bytes, sizeof d.body);
    return d;
}
