/* SPDX-License-Identifier: Apache-2.0 */
#include "service/tls.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/x509.h"

#define YEARS_10 (3650L * 24 * 60 * 60)
#define CERT_LIST_MAX 16384 /* bytes of certificates that a client may send */

struct tls {
    SSL_CTX *ctx;
};

/* --- identity ----------------------------------------------------------------------------------
 */

static bool self_signed(EVP_PKEY *key, struct buf *ret)
{
    X509 *cert = X509_new();
    X509_NAME *name = x509_name("p2pvpn-controller");
    bool ok =
        cert && name && X509_set_version(cert, X509_VERSION_3) == 1 && x509_set_serial(cert) &&
        X509_set_subject_name(cert, name) == 1 && X509_set_issuer_name(cert, name) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
        X509_gmtime_adj(X509_getm_notAfter(cert), YEARS_10) && X509_set_pubkey(cert, key) == 1 &&
        x509_add_extension(cert, cert, NID_basic_constraints, "critical,CA:FALSE") &&
        x509_add_extension(cert, cert, NID_ext_key_usage, "serverAuth") &&
        x509_add_extension(cert, cert, NID_subject_alt_name,
                           "DNS:p2pvpn-controller,DNS:localhost,IP:127.0.0.1,IP:::1") &&
        X509_sign(cert, key, EVP_sha256()) > 0 && x509_add_certificate(ret, cert);

    X509_NAME_free(name);
    X509_free(cert);
    return ok;
}

int tls_make_identity(const char *cert_file, const char *key_file, struct error_list *err)
{
    struct buf cert = BUF_INIT, pem = BUF_INIT;
    EVP_PKEY *key = NULL;
    BIO *secret = NULL;
    int r;

    if (access(cert_file, F_OK) == 0 && access(key_file, F_OK) == 0)
        return 0;
    if (access(cert_file, F_OK) == 0)
        return error_add(err, key_file, 0, NULL,
                         "the key of %s is gone; restore it, or remove the certificate to get "
                         "another (and new tokens with it)",
                         cert_file);
    /* A key without certificate is what a first start left that was cut off: nobody knows it. */
    r = x509_new_key(&key, &secret) && self_signed(key, &cert)
            ? 0
            : x509_failed(err, cert_file, "cannot make the controller's certificate");
    if (r == 0) {
        x509_add_bio(&pem, secret);
        r = fs_write(key_file, buf_cstr(&pem), pem.len, 0600, err);
    }
    if (r == 0)
        r = fs_write(cert_file, buf_cstr(&cert), cert.len, 0644, err);
    if (pem.data)
        OPENSSL_cleanse(pem.data, pem.cap);
    buf_free(&pem);
    buf_free(&cert);
    BIO_free(secret);
    EVP_PKEY_free(key);
    return r;
}

static bool key_digest(X509 *cert, unsigned char ret[static TLS_PIN_LEN])
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

    if (n > 0)
        digest_sha256(der, (size_t)n, ret);
    OPENSSL_free(der);
    return n > 0;
}

int tls_pin(const char *cert_file, unsigned char ret[static TLS_PIN_LEN], struct error_list *err)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509 *cert;
    int r = x509_open(cert_file, &pem, err);

    if (r < 0)
        return r;
    cert = x509_next_certificate(&pem);
    if (!cert || !key_digest(cert, ret))
        r = x509_failed(err, cert_file, "this is no certificate in PEM form");
    X509_free(cert);
    return r;
}

/* --- the server --------------------------------------------------------------------------------
 */

static int set_up(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct error_list *err)
{
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1)
        return x509_failed(err, NULL, "cannot set TLS up");
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return x509_failed(err, cert_file, "this is no certificate in PEM form");
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return x509_failed(err, key_file, "this is not the private key of the certificate");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
    return 0;
}

int tls_trust(struct tls *tls, const char *const *files, size_t n, struct error_list *err)
{
    X509_STORE *store = X509_STORE_new();
    int r = store ? 0 : x509_failed(err, NULL, "cannot set TLS up");

    for (size_t i = 0; r == 0 && i < n; i++)
        if (X509_STORE_load_file(store, files[i]) != 1)
            r = x509_failed(err, files[i], "these are no certificates of an authority");
    if (r < 0) {
        X509_STORE_free(store);
        return r;
    }
    SSL_CTX_set_cert_store(tls->ctx, store); /* which is its own now */
    SSL_CTX_set_verify(tls->ctx, n ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return 0;
}

int tls_open(const char *cert_file, const char *key_file, struct tls **ret, struct error_list *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int r;

    if (!ctx)
        return x509_failed(err, NULL, "cannot set TLS up");
    r = set_up(ctx, cert_file, key_file, err);
    if (r < 0) {
        SSL_CTX_free(ctx);
        return r;
    }
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->ctx = ctx;
    return 0;
}

struct tls *tls_close(struct tls *tls)
{
    if (tls)
        SSL_CTX_free(tls->ctx);
    free(tls);
    return NULL;
}

/* --- a connection ------------------------------------------------------------------------------
 */

static SSL *ssl(struct tls_conn *conn)
{
    return (SSL *)conn;
}

struct tls_conn *tls_accept(struct tls *tls, int fd)
{
    SSL *new = SSL_new(tls->ctx);

    if (new &&SSL_set_fd(new, fd) != 1) {
        SSL_free(new);
        new = NULL;
    }
    ERR_clear_error();
    return (struct tls_conn *)new;
}

static enum tls_result result(struct tls_conn *conn, int r)
{
    int why = SSL_get_error(ssl(conn), r);

    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ    ? TLS_WANT_READ
           : why == SSL_ERROR_WANT_WRITE ? TLS_WANT_WRITE
                                         : TLS_OVER;
}

enum tls_result tls_handshake(struct tls_conn *conn)
{
    int r;

    ERR_clear_error();
    r = SSL_accept(ssl(conn));
    return r == 1 ? TLS_DONE : result(conn, r);
}

enum tls_result tls_read(struct tls_conn *conn, void *to, size_t max, size_t *ret)
{
    ERR_clear_error();
    return SSL_read_ex(ssl(conn), to, max, ret) == 1 ? TLS_DONE : result(conn, 0);
}

enum tls_result tls_write(struct tls_conn *conn, const void *data, size_t len, size_t *ret)
{
    ERR_clear_error();
    return SSL_write_ex(ssl(conn), data, len, ret) == 1 ? TLS_DONE : result(conn, 0);
}

void tls_bye(struct tls_conn *conn)
{
    ERR_clear_error();
    SSL_shutdown(ssl(conn));
    ERR_clear_error();
}

void tls_free(struct tls_conn *conn)
{
    SSL_free(ssl(conn));
    ERR_clear_error();
}

void tls_peer(struct tls_conn *conn, struct peer *ret)
{
    X509 *cert = SSL_get0_peer_certificate(ssl(conn));
    char common_name[X509_COMMON_NAME_MAX + 1];
    unsigned char digest[TLS_PIN_LEN];

    ret->kind = PEER_ANYBODY;
    if (!cert || SSL_get_verify_result(ssl(conn)) != X509_V_OK)
        return;
    x509_common_name(X509_get_subject_name(cert), common_name);
    peer_from_common_name(common_name, ret);
    if (key_digest(cert, digest))
        for (size_t i = 0; i < sizeof(digest); i++)
            snprintf(ret->fingerprint + 2 * i, 3, "%02x", digest[i]);
}
