/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_TLS_H
#define RELAY_HTTP_HTTP_TLS_H

/*
 * A certificate with its key, shared by the TLS sessions that began while it was in force. Internal
 * to the http room; the only user of GnuTLS.
 *
 * Owns: GnuTLS credentials. Reference counted: GnuTLS reads them until the end of a session's life,
 * so every connection holds the one it began with (gnutls_credentials_set, GnuTLS manual).
 *
 * Threads: all functions from every thread.
 */

#include "base/err.h"

struct http_tls; /* a certificate and its key */

/* TLS 1.3 and 1.2, nothing older. */
#define HTTP_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* One reference in *out. Nothing of the texts is kept but what GnuTLS needs. ST_BAD_INPUT: a text
 * is no PEM, or key and certificate do not belong together. */
MUST_CHECK enum status http_tls_create(struct http_tls **out, const char *cert_pem,
                                       const char *key_pem, struct err *e);
void http_tls_take(struct http_tls *tls);
/* NULL is a no-op. */
void http_tls_drop(struct http_tls *tls);

/* Makes a session (a gnutls_session_t before its handshake) use tls; the caller keeps a reference
 * until the session is gone. */
MUST_CHECK enum status http_tls_apply(const struct http_tls *tls, void *session);

#endif
