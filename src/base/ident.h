/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_IDENT_H
#define RELAY_BASE_IDENT_H

/*
 * Identities: random ids, keyed digests, and comparing secrets. The one door to libsodium.
 *
 * A digest is SipHash-2-4 with a 128-bit result under a random key (doc.libsodium.org, "Short-input
 * hashing"): as short as a dedupe window can bear, and nobody who does not know the key can make
 * two texts collide.
 *
 * Threads: all functions from every thread after ident_init().
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define IDENT_BYTES 16

struct ident {
    uint8_t bytes[IDENT_BYTES];
};

#define IDENT_TEXT_MAX 37 /* 8-4-4-4-12 hex digits and NUL */

/* Once, before anything else here. ST_FATAL when the kernel has no random numbers. */
MUST_CHECK enum status ident_init(struct err *e);

/* A random (version 4) UUID, RFC 9562 section 5.4. */
struct ident ident_random(void);
void ident_format(const struct ident *id, char out[IDENT_TEXT_MAX]);
/* Reads what ident_format wrote, and nothing else; false leaves *out unchanged. */
bool ident_parse(struct slice text, struct ident *out);
bool ident_eq(const struct ident *a, const struct ident *b);

/* The keyed 128-bit digest of the text. */
struct ident ident_digest(const struct ident *key, struct slice text);

/* A secret as it is kept in memory: a digest under a key that dies with the process, never the
 * text. */
struct secret {
    struct ident digest;
};
struct secret secret_of(struct slice text);
/* What an Authorization header says for this user and password (RFC 7617); together at most 2048
 * bytes, else nothing matches. */
struct secret secret_of_basic(const char *user, const char *password);
/* In a time that depends on neither the content nor, beyond hashing it, the length. */
bool secret_matches(const struct secret *s, struct slice candidate);

/* Overwrites memory that held a secret. */
void secret_wipe(void *bytes, size_t len);

#endif
