/* SPDX-License-Identifier: Apache-2.0 */
#include "test_http_kit.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

struct pem {
    char cert[4096];
    char key[4096];
};

#define OK(call) assert_true((call) >= 0)

/* A self-signed certificate for this common name, made without a file. */
static void make_pem(struct pem *out, const char *name)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    size_t len = sizeof out->key;
    time_t now = time(NULL);
    OK(gnutls_x509_privkey_init(&key));
    OK(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                    (unsigned)GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    OK(gnutls_x509_privkey_export(key, GNUTLS_X509_FMT_PEM, out->key, &len));
    OK(gnutls_x509_crt_init(&crt));
    OK(gnutls_x509_crt_set_version(crt, 3));
    OK(gnutls_x509_crt_set_serial(crt, "\x01", 1));
    OK(gnutls_x509_crt_set_activation_time(crt, now - 60));
    OK(gnutls_x509_crt_set_expiration_time(crt, now + 3600));
    OK(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                     (unsigned)strlen(name)));
    OK(gnutls_x509_crt_set_key(crt, key));
    OK(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0));
    len = sizeof out->cert;
    OK(gnutls_x509_crt_export(crt, GNUTLS_X509_FMT_PEM, out->cert, &len));
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

struct tls_client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

/* False when the handshake fails. */
static bool tls_open(struct tls_client *c, struct rig *r, const char *priorities)
{
    c->fd = kit_connect(http_server_port(r->server));
    OK(gnutls_init(&c->session, GNUTLS_CLIENT));
    OK(gnutls_certificate_allocate_credentials(&c->credentials));
    OK(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials));
    OK(gnutls_priority_set_direct(c->session, priorities, NULL));
    gnutls_transport_set_int(c->session, c->fd);
    gnutls_handshake_set_timeout(c->session, KIT_DEADLINE_MS);
    gnutls_record_set_timeout(c->session, KIT_DEADLINE_MS);
    return gnutls_handshake(c->session) == 0;
}

static void tls_close(struct tls_client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
    close(c->fd);
}

/* The common name of the server's certificate. */
static void peer_name(struct tls_client *c, char *out, size_t size)
{
    unsigned count = 0;
    const gnutls_datum_t *raw = gnutls_certificate_get_peers(c->session, &count);
    gnutls_x509_crt_t crt;
    assert_true(raw && count >= 1);
    OK(gnutls_x509_crt_init(&crt));
    OK(gnutls_x509_crt_import(crt, raw, GNUTLS_X509_FMT_DER));
    OK(gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, out, &size));
    gnutls_x509_crt_deinit(crt);
}

static int tls_ask(struct tls_client *c, const char *request)
{
    char buf[2048] = "";
    size_t len = 0;
    assert_int_equal(gnutls_record_send(c->session, request, strlen(request)), strlen(request));
    while (!strstr(buf, "{\"ok\":true}")) {
        ssize_t n = gnutls_record_recv(c->session, buf + len, sizeof buf - 1 - len);
        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
            continue;
        if (n <= 0)
            return -1;
        len += (size_t)n;
        buf[len] = '\0';
    }
    return (int)strtol(buf + 9, NULL, 10);
}

static struct rig *tls_rig(const struct pem *pem)
{
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    o.tls_cert_pem = pem->cert;
    o.tls_key_pem = pem->key;
    rig_start(r, &o);
    return r;
}

static void serves_over_tls_with_suspended_answers(void **state)
{
    static struct pem pem;
    struct tls_client c;
    char name[64];
    (void)state;
    make_pem(&pem, "one");
    struct rig *r = tls_rig(&pem);
    assert_true(tls_open(&c, r, "NORMAL"));
    peer_name(&c, name, sizeof name);
    assert_string_equal(name, "one");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(tls_ask(&c, KIT_POST("/auto", "5", "hello")), 200);
        assert_int_equal(tls_ask(&c, KIT_GET("/now")), 200);
    }
    tls_close(&c);
    rig_wait_gauge(r, http_server_connections, 0);
    rig_free(r);
}

static void speaks_tls_1_2_and_1_3_only(void **state)
{
    static struct pem pem;
    struct tls_client c;
    (void)state;
    make_pem(&pem, "one");
    struct rig *r = tls_rig(&pem);
    assert_true(tls_open(&c, r, "NORMAL:-VERS-ALL:+VERS-TLS1.2"));
    assert_int_equal(tls_ask(&c, KIT_GET("/auto")), 200);
    tls_close(&c);
    assert_true(tls_open(&c, r, "NORMAL:-VERS-ALL:+VERS-TLS1.3"));
    assert_int_equal(tls_ask(&c, KIT_GET("/auto")), 200);
    tls_close(&c);
    assert_false(tls_open(&c, r, "NORMAL:-VERS-ALL:+VERS-TLS1.1"));
    tls_close(&c);
    rig_free(r);
}

static void reloads_the_certificate_for_new_connections(void **state)
{
    static struct pem one, two;
    struct tls_client old, fresh;
    struct err e;
    char name[64];
    (void)state;
    make_pem(&one, "one");
    make_pem(&two, "two");
    struct rig *r = tls_rig(&one);
    assert_true(tls_open(&old, r, "NORMAL"));
    assert_int_equal(http_server_set_tls(r->server, two.cert, one.key, &e), ST_BAD_INPUT);
    assert_int_equal(http_server_set_tls(r->server, "no", "pem", &e), ST_BAD_INPUT);
    assert_true(tls_open(&fresh, r, "NORMAL"));
    peer_name(&fresh, name, sizeof name);
    assert_string_equal(name, "one");
    tls_close(&fresh);
    assert_int_equal(http_server_set_tls(r->server, two.cert, two.key, &e), ST_OK);
    assert_true(tls_open(&fresh, r, "NORMAL"));
    peer_name(&fresh, name, sizeof name);
    assert_string_equal(name, "two");
    assert_int_equal(tls_ask(&fresh, KIT_GET("/auto")), 200);
    assert_int_equal(tls_ask(&old, KIT_GET("/auto")), 200);
    tls_close(&old);
    tls_close(&fresh);
    rig_free(r);
}

static void cuts_a_handshake_that_stands_still(void **state)
{
    static struct pem pem;
    struct rig *r = calloc(1, sizeof *r);
    struct http_server_opts o = kit_opts(r);
    struct client c;
    (void)state;
    make_pem(&pem, "one");
    o.tls_cert_pem = pem.cert;
    o.tls_key_pem = pem.key;
    o.limits.request_timeout_ms = 200;
    rig_start(r, &o);
    client_open(&c, r);
    client_send(&c, "\x16\x03\x01");
    assert_true(client_is_closed(&c, 1500));
    client_close(&c);
    rig_wait_refused(r, HTTP_REFUSED_SLOW, 1);
    rig_free(r);
}

static void refuses_a_certificate_without_tls(void **state)
{
    static struct pem pem;
    struct rig *r = rig_of(NULL);
    struct err e;
    (void)state;
    make_pem(&pem, "one");
    assert_int_equal(http_server_set_tls(r->server, pem.cert, pem.key, &e), ST_DENIED);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_over_tls_with_suspended_answers),
        cmocka_unit_test(speaks_tls_1_2_and_1_3_only),
        cmocka_unit_test(reloads_the_certificate_for_new_connections),
        cmocka_unit_test(cuts_a_handshake_that_stands_still),
        cmocka_unit_test(refuses_a_certificate_without_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
