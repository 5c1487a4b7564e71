/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_STORE_H
#define RELAY_CONF_CONF_STORE_H

/*
 * The memory of one configuration: taken piece by piece, overwritten and freed at once, so that no
 * secret is forgotten.
 *
 * Owns: every piece that it gave out. Threads: belongs to its caller.
 */

#include "base/buf.h"

/* Bytes. Every value is copied once: a file of 1 MiB, its variables and its rules stay below. */
#define CONF_STORE_MAX (16u * 1024u * 1024u)

struct conf_store;

/* NULL when out of memory. */
struct conf_store *conf_store_create(void);
/* NULL is a no-op. */
void conf_store_destroy(struct conf_store *s);
/* Zeroed bytes for any type; NULL when out of memory or over CONF_STORE_MAX. */
void *conf_store_alloc(struct conf_store *s, size_t size_bytes);
/* A NUL terminated copy; NULL as above. */
const char *conf_store_copy(struct conf_store *s, struct slice text);

#endif
