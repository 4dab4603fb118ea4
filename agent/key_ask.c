/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "agent/key.h"
#include "agent/key_parts.h"
#include "common/alloc.h"

int key_check_link(const char *keys, const char *link_key, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/" LINK_FILE, keys);
    char is[LINK_KEY_TEXT_LEN + 1];
    EVP_PKEY *key = NULL;
    bool same;
    int r;

    if (!link_key)
        return 0;
    r = key_read(file, &key, err);
    if (r < 0)
        return r;
    same = key && x509_link_key_text(key, is) && strcmp(is, link_key) == 0;
    EVP_PKEY_free(key);
    if (same)
        return 0;
    return error_add(err, file, 0, NULL,
                     "%s, so its links cannot be started: if the gateway's keys were replaced, "
                     "wait for the bundle that says so, or install the answer that belongs to it; "
                     "if they were lost, replace them ('p2pvpn-agent enroll --rekey')",
                     r == 1 ? "this is not the link key that the bundle names"
                            : "the bundle names a link key, and this gateway has none");
}

int key_link_private(const char *keys, uint8_t ret[static LINK_KEY_LEN], struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/" LINK_FILE, keys);
    EVP_PKEY *key = NULL;
    size_t n = LINK_KEY_LEN;
    int r = key_read(file, &key, err);

    if (r == 0)
        return error_add(err, file, 0, NULL, "there is no link key");
    if (r == 1)
        r = EVP_PKEY_is_a(key, "X25519") && EVP_PKEY_get_raw_private_key(key, ret, &n) == 1 &&
                    n == LINK_KEY_LEN
                ? 0
                : error_add(err, file, 0, NULL, "this is no link key (X25519)");
    EVP_PKEY_free(key);
    ERR_clear_error();
    return r;
}

int key_gateway(const char *keys, char **name, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/gateway.csr", keys);
    char text[X509_COMMON_NAME_MAX + 1];
    int r = key_requested_name(file, text, err);

    if (r == 1)
        *name = xstrdup(text);
    return r;
}

/* The first certificate of the gateway's file, if it can be read; the caller frees it. */
static X509 *own_certificate(const char *keys)
{
    _cleanup_free_ char *file = xasprintf("%s/gateway.crt", keys);
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509 *certificate = NULL;

    if (access(file, R_OK) == 0 && x509_open(file, &pem, &ignored) == 0)
        certificate = x509_next_certificate(&pem);
    error_clear(&ignored);
    return certificate;
}

char *key_authorities(const char *keys)
{
    _cleanup_free_ char *file = xasprintf("%s/ca.crt", keys);
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509 *own = own_certificate(keys), *authority;
    char issuer[DIGEST_TEXT_LEN + 1] = "";
    struct buf others = BUF_INIT;
    char *ret = NULL;

    if (own && x509_open(file, &pem, &ignored) == 0)
        while ((authority = x509_next_certificate(&pem))) {
            char digest[DIGEST_TEXT_LEN + 1];

            if (!x509_digest(authority, digest))
                issuer[0] = '\0';
            else if (X509_verify(own, X509_get0_pubkey(authority)) == 1)
                memcpy(issuer, digest, sizeof(issuer));
            else
                buf_printf(&others, " %s", digest);
            X509_free(authority);
        }
    if (issuer[0])
        ret = xasprintf("%s%s", issuer, buf_cstr(&others));
    ERR_clear_error();
    buf_free(&others);
    X509_free(own);
    error_clear(&ignored);
    return ret;
}

static int64_t end_of(const X509 *certificate)
{
    struct tm tm = {0};

    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? timegm(&tm) : 0;
}

int64_t key_expires(const char *keys)
{
    X509 *certificate = own_certificate(keys);
    int64_t expires = certificate ? end_of(certificate) : 0;

    X509_free(certificate);
    return expires;
}

int64_t key_authority_expires(const char *keys)
{
    _cleanup_free_ char *file = xasprintf("%s/ca.crt", keys);
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509 *own = own_certificate(keys), *authority;
    int64_t expires = 0;

    if (own && x509_open(file, &pem, &ignored) == 0)
        while (expires == 0 && (authority = x509_next_certificate(&pem))) {
            if (X509_verify(own, X509_get0_pubkey(authority)) == 1)
                expires = end_of(authority);
            X509_free(authority);
        }
    ERR_clear_error();
    X509_free(own);
    error_clear(&ignored);
    return expires;
}

bool key_is_anothers(const char *keys, const char *gateway, char **name)
{
    char common[X509_COMMON_NAME_MAX + 1] = "";
    X509 *cert = own_certificate(keys);

    *name = NULL;
    if (cert)
        x509_common_name(X509_get_subject_name(cert), common);
    X509_free(cert);
    if (!common[0] || key_name_fits(common, gateway))
        return false;
    *name = xstrdup(common);
    return true;
}
