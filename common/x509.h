/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509: what both ends of enrolment (controller/ca.h, agent/key.h) need of OpenSSL.
 *
 * Files are PEM without passphrase; OpenSSL never asks for one on the terminal.  Types that begin
 * with capitals are OpenSSL's and freed by its functions.
 */
#ifndef P2PVPN_COMMON_X509_H
#define P2PVPN_COMMON_X509_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/link_key.h"

/* An error with the reason that OpenSSL gives, no trace of which stays behind.  -EIO. */
int x509_failed(struct error_list *err, const char *file, const char *what);

/* A PEM file that is read block by block; each function gives the next one if it is of that kind,
 * else NULL. */
struct x509_file {
    struct buf text;
    BIO *bio;
};

#define X509_FILE_INIT \
    {                  \
        BUF_INIT, NULL \
    }

int x509_open(const char *file, struct x509_file *ret, struct error_list *err);
EVP_PKEY *x509_next_key(struct x509_file *file);
X509_REQ *x509_next_request(struct x509_file *file);
X509 *x509_next_certificate(struct x509_file *file);

/* Leaves neither the text in memory nor OpenSSL's errors in its queue. */
void x509_close(struct x509_file *file);
#define _cleanup_x509_ __attribute__((cleanup(x509_close)))

/* A new P-256 key, and its PEM (PKCS #8) in a BIO of OpenSSL's secure memory.  False: OpenSSL
 * failed, and nothing is to be freed. */
bool x509_new_key(EVP_PKEY **ret_key, BIO **ret_pem);

/* The same of an X25519 key, for links. */
bool x509_new_link_key(EVP_PKEY **ret_key, BIO **ret_pem);

/* The text of a link key (common/link_key.h).  False: it is no X25519 key. */
bool x509_link_key_text(EVP_PKEY *key, char ret[static LINK_KEY_TEXT_LEN + 1]);

/* The link key that a request asks for, that a certificate is of.  1; 0: it has none; -EINVAL: it
 * has other extensions or names that are nobody's. */
int x509_request_link_key(X509_REQ *request, char ret[static LINK_KEY_TEXT_LEN + 1]);
int x509_certificate_link_key(const X509 *certificate, char ret[static LINK_KEY_TEXT_LEN + 1]);

/* The same as an extension to be added; the caller frees it.  NULL: OpenSSL failed. */
X509_EXTENSION *x509_link_key_extension(const char *text);

/* Append PEM.  False: OpenSSL failed. */
bool x509_add_certificate(struct buf *to, X509 *certificate);
bool x509_add_request(struct buf *to, X509_REQ *request);
void x509_add_bio(struct buf *to, BIO *pem);

/* A subject with one common name; NULL: OpenSSL failed. */
X509_NAME *x509_name(const char *common_name);

/* An extension as OpenSSL's configuration files write it; issuer: the certificate itself where it
 * is self-signed.  A serial number of 127 random bits: positive, and it says nothing about how many
 * there are.  False: OpenSSL failed. */
bool x509_add_extension(X509 *cert, X509 *issuer, int nid, const char *value);
bool x509_set_serial(X509 *cert);

/* The common name of a subject that has nothing else; "": it is not of that form. */
#define X509_COMMON_NAME_MAX 64 /* RFC 5280, ub-common-name */
void x509_common_name(const X509_NAME *subject, char ret[static X509_COMMON_NAME_MAX + 1]);

/* SHA-256 of a certificate (DER), as text.  False: OpenSSL failed. */
bool x509_digest(const X509 *certificate, char ret[static DIGEST_TEXT_LEN + 1]);

/* SHA-256 of the public key (SubjectPublicKeyInfo).  False: OpenSSL failed. */
bool x509_fingerprint(EVP_PKEY *key, char ret[static DIGEST_SPOKEN_LEN + 1]);

#endif
