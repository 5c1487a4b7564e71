/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ident.h"

#include <sodium.h>
#include <stdio.h>

_Static_assert(crypto_shorthash_siphashx24_BYTES == IDENT_BYTES, "digest size");
_Static_assert(crypto_shorthash_siphashx24_KEYBYTES == IDENT_BYTES, "key size");

static struct ident process_key;

enum status ident_init(struct err *e)
{
    if (sodium_init() < 0)
        return err_set(e, ST_FATAL, "libsodium: no source of random numbers");
    randombytes_buf(process_key.bytes, sizeof process_key.bytes);
    return ST_OK;
}

struct ident ident_random(void)
{
    struct ident id;
    randombytes_buf(id.bytes, sizeof id.bytes);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

void ident_format(const struct ident *id, char out[IDENT_TEXT_MAX])
{
    char hex[2 * IDENT_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, id->bytes, sizeof id->bytes);
    snprintf(out, IDENT_TEXT_MAX, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

bool ident_parse(struct slice text, struct ident *out)
{
    struct ident read;
    char again[IDENT_TEXT_MAX];
    size_t n;
    if (text.len != IDENT_TEXT_MAX - 1)
        return false;
    if (sodium_hex2bin(read.bytes, sizeof read.bytes, text.ptr, text.len, "-", &n, NULL) != 0 ||
        n != sizeof read.bytes)
        return false;
    /* libsodium takes the dashes anywhere and both cases. */
    ident_format(&read, again);
    if (memcmp(again, text.ptr, text.len) != 0)
        return false;
    *out = read;
    return true;
}

bool ident_eq(const struct ident *a, const struct ident *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

struct ident ident_digest(const struct ident *key, struct slice text)
{
    struct ident d;
    crypto_shorthash_siphashx24(d.bytes, (const unsigned char *)text.ptr, text.len, key->bytes);
    return d;
}

struct secret secret_of(struct slice text)
{
    return (struct secret){ident_digest(&process_key, text)};
}

struct secret secret_of_basic(const char *user, const char *password)
{
    char plain[2048 + 2];
    char coded[6 + sodium_base64_ENCODED_LEN(sizeof plain, sodium_base64_VARIANT_ORIGINAL)] =
        "Basic ";
    int n = snprintf(plain, sizeof plain, "%s:%s", user, password);
    CHECK(n > 0);
    if ((size_t)n >= sizeof plain)
        return (struct secret){ident_random()};
    sodium_bin2base64(coded + 6, sizeof coded - 6, (const unsigned char *)plain, (size_t)n,
                      sodium_base64_VARIANT_ORIGINAL);
    struct secret s = secret_of(slice_of(coded));
    sodium_memzero(plain, sizeof plain);
    sodium_memzero(coded, sizeof coded);
    return s;
}

bool secret_matches(const struct secret *s, struct slice candidate)
{
    struct ident d = ident_digest(&process_key, candidate);
    return sodium_memcmp(d.bytes, s->digest.bytes, sizeof d.bytes) == 0;
}

void secret_wipe(void *bytes, size_t len)
{
    sodium_memzero(bytes, len);
}
