/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_VALUE_H
#define RELAY_CONF_CONF_VALUE_H

/*
 * One value: from text into a field with its bounds, and back.
 *
 * Reasons never show the value: it may be a secret in the wrong place. Threads: re-entrant.
 */

#include "conf/conf_option.h"
#include "conf/conf_store.h"

/*
 * Sets the row's field in base (the section's struct) from text; for rows that are no list. Strings
 * are copied into store. ST_BAD_INPUT with the reason, then the field is unchanged; ST_NO_MEM.
 */
MUST_CHECK enum status conf_value_set(const struct conf_option *row, void *base, struct slice text,
                                      struct conf_store *store, struct err *e);

/* Appends the field's value as conf_value_set reads it, secrets too. ST_FULL, ST_NO_MEM. */
MUST_CHECK enum status conf_value_format(const struct conf_option *row, const void *base,
                                         struct buf *out);

/* ST_BAD_INPUT when text is shorter or longer than the row allows or holds a control character. */
MUST_CHECK enum status conf_value_check_text(const struct conf_option *row, struct slice text,
                                             struct err *e);

/* True for the name of an HTTP header: a token of RFC 9110 section 5.6.2. */
bool conf_value_is_header_name(struct slice name);

/* True for a name that Kafka takes: 1 to 249 of [a-zA-Z0-9._-], not "." or "..". Source:
 * org.apache.kafka.common.internals.Topic. */
bool conf_value_is_topic(struct slice topic);

/* Reads a comma-separated order of record keys. ST_BAD_INPUT with the reason. */
MUST_CHECK enum status conf_value_parse_keys(struct slice text, struct conf_keys *out,
                                             struct err *e);
MUST_CHECK enum status conf_value_format_keys(const struct conf_keys *keys, struct buf *out);

#endif
