/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_EVENT_ROUTE_H
#define RELAY_EVENT_ROUTE_H

/*
 * From an event's type to its family, topic and key order.
 *
 * A topic comes from a template with a closed set of placeholders, and a family from a closed list:
 * nothing that a sender writes can name a topic of its own (unknown families go to "other").
 *
 * Owns: the compiled routes of one source, immutable after creation. Threads: reads from every
 * thread.
 */

#include "event/envelope.h"

struct routes;

#define ROUTE_WHAT_MAX 127 /* bytes; Gladly's longest type has 37 */

/*
 * One exception: what names a family ("CONTACT") or, with a slash, a type ("CONTACT/STARTED"; wins
 * over its family). A family that Gladly does not document yet may be named too; "other" names all
 * families that are neither documented nor named, and all types without a slash.
 */
struct route_rule {
    const char *what;  /* 1 to ROUTE_WHAT_MAX bytes */
    const char *topic; /* a literal topic; "" journal without publishing; NULL: the template */
    const struct envelope_keys *keys; /* NULL: the source's order */
};

/* More exceptions than Gladly has types would be a mistake; the bound keeps the table small. */
#define ROUTE_RULES_MAX 256

struct routes_opts {
    const char *template_text; /* "gladly.{family}"; placeholders {family}, {source}, {org} */
    const char *source;
    const char *org;
    const struct envelope_keys *keys;
    const struct route_rule *rules;
    size_t rule_count; /* <= ROUTE_RULES_MAX */
};

/*
 * ST_BAD_INPUT: an unknown placeholder, a topic that Kafka would not take, a key that is not known
 * (envelope_key_is_known), too many rules, a rule that names nothing or the same as another one;
 * the text says which. ST_NO_MEM. Copies everything.
 */
MUST_CHECK enum status routes_create(struct routes **out, const struct routes_opts *opts,
                                     struct err *e);
/* NULL is a no-op. */
void routes_destroy(struct routes *r);

/* What the routes say of a type. topic is empty for "do not publish". The slices live as long as r.
 */
struct route {
    struct slice topic;
    const struct envelope_keys *keys;
};
struct route routes_find(const struct routes *r, struct slice type);

/* Whether there is a topic that both can give, whatever the types; *topic is then one such, and
 * lives as long as a. */
bool routes_share(const struct routes *a, const struct routes *b, struct slice *topic);

/*
 * The family of a type: the part before '/', lower case, '_' written '-' ("conversation-status");
 * "other" when it is none of the families that Gladly documents. A constant string.
 */
const char *route_family(struct slice type);

#define ROUTE_TOPIC_MAX 249

/* True for a name that Kafka takes: 1 to 249 of [a-zA-Z0-9._-], not "." or "..". Source:
 * org.apache.kafka.common.internals.Topic. */
bool route_topic_is_legal(struct slice topic);

#endif
