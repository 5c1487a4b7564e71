/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_tls.h"

#include <gnutls/gnutls.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct http_tls {
    atomic_int refs;
    gnutls_certificate_credentials_t credentials;
};

static gnutls_datum_t datum_of(const char *text)
{
    /* GnuTLS declares the bytes mutable and only reads them. */
    union {
        const char *in;
        unsigned char *out;
    } bytes = {.in = text};
    return (gnutls_datum_t){bytes.out, (unsigned)strlen(text)};
}

enum status http_tls_create(struct http_tls **out, const char *cert_pem, const char *key_pem,
                            struct err *e)
{
    struct http_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return err_set(e, ST_NO_MEM, "certificate: out of memory");
    atomic_init(&tls->refs, 1);
    if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0) {
        free(tls);
        return err_set(e, ST_NO_MEM, "certificate: out of memory");
    }
    gnutls_datum_t cert = datum_of(cert_pem);
    gnutls_datum_t key = datum_of(key_pem);
    int rc =
        gnutls_certificate_set_x509_key_mem(tls->credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
    if (rc < 0) {
        http_tls_drop(tls);
        return err_set_detail(e, ST_BAD_INPUT, rc, "certificate or key not usable: %s",
                              gnutls_strerror(rc));
    }
    *out = tls;
    return ST_OK;
}

void http_tls_take(struct http_tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
}

void http_tls_drop(struct http_tls *tls)
{
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
        return;
    gnutls_certificate_free_credentials(tls->credentials);
    free(tls);
}

enum status http_tls_apply(const struct http_tls *tls, void *session)
{
    int rc = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    return rc < 0 ? ST_FATAL : ST_OK;
}
