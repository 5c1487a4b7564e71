/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_EVENT_ENVELOPE_H
#define RELAY_EVENT_ENVELOPE_H

/*
 * Reading the envelope of a Gladly body: id, type, timestamp and the ids in content.
 *
 * Source: Gladly's webhook payload documents; every field but type may be missing (PING is
 * documented by its type alone), lists of types and fields are open, ids are opaque strings. So
 * nothing is refused here but what is no JSON object with a string type (promise P5: that is
 * quarantined, never dropped).
 *
 * Threads: re-entrant.
 */

#include "event/event.h"

#define ENVELOPE_KEYS_MAX 8

/* The order in which the record key is looked for; names of members of content, then "id" for the
 * event's own id. */
struct envelope_keys {
    const char *names[ENVELOPE_KEYS_MAX]; /* unused ones are NULL */
};
/* conversationId, customerId, destinationCustomerId, taskId, agentId, jobId, id. */
extern const struct envelope_keys envelope_keys_default;
/* True when name may stand in an order: the closed list of the default, in any order. */
bool envelope_key_is_known(struct slice name);

/*
 * The caller's memory for one body after the other: decoded strings, and the ids that the last body
 * could take its key from. What it gave out is valid until the next envelope_read() with it, as
 * long as that body's bytes are.
 */
struct envelope {
    struct buf scratch;
    struct slice found[ENVELOPE_KEYS_MAX]; /* in the order of envelope_keys_default */
};
void envelope_init(struct envelope *env);
void envelope_fini(struct envelope *env);

/*
 * Fills ev->id, type, key, event_time and the flags EVENT_PING and EVENT_HAS_TIME from body (also
 * kept as ev->body); other flags and fields stay as they are. The key is the first of keys that is
 * a non-empty string. Strings over ENVELOPE_STRING_MAX bytes do not count. Allocates only when one
 * of the strings holds an escape. ST_BAD_INPUT: not an object with a non-empty string "type" in
 * strict JSON; the reason is in *e, and id, type and key are empty. ST_NO_MEM: the same.
 */
#define ENVELOPE_STRING_MAX 1024
MUST_CHECK enum status envelope_read(struct envelope *env, struct slice body,
                                     const struct envelope_keys *keys, struct event *ev,
                                     struct err *e);

/*
 * The key of the body that was read last, by another order: a route's order is known only after its
 * type was read. Empty when there is none, or when that body was refused.
 */
struct slice envelope_key(const struct envelope *env, const struct envelope_keys *keys);

#endif
