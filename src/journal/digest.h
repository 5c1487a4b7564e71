/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_JOURNAL_DIGEST_H
#define RELAY_JOURNAL_DIGEST_H

/*
 * What the dedupe window knows an event by: keyed digests of its org and id, and of its bytes.
 * Internal to the room; journal_digest() is the door.
 *
 * Keeps no state. Threads: re-entrant.
 */

#include "base/ident.h"
#include "journal/journal.h"

/* key is the journal's own, so that nobody outside can make two events collide. An event without an
 * id has no digest. */
struct journal_digest digest_event(const struct ident *key, struct slice org,
                                   const struct event *ev);

#endif
