/* SPDX-License-Identifier: Apache-2.0 */
#include "common/x509.h"

#include <errno.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/alloc.h"
#include "common/fs.h"

#define PEM_MAX_BYTES 65536

int x509_failed(struct error_list *err, const char *file, const char *what)
{
    char text[256];
    unsigned long code = ERR_get_error();

    ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    error_add(err, file, 0, NULL, "%s: %s", what, code ? text : "OpenSSL gives no reason");
    return -EIO;
}

/* --- reading
 * ---------------------------------------------------------------------------------------- */

/* Our files are not encrypted; never ask on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *data)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

int x509_open(const char *file, struct x509_file *ret, struct error_list *err)
{
    int r = fs_read(file, PEM_MAX_BYTES, &ret->text, err);

    if (r < 0)
        return r;
    ret->bio = BIO_new_mem_buf(buf_cstr(&ret->text), (int)ret->text.len);
    return ret->bio ? 0 : x509_failed(err, file, "cannot read it");
}

EVP_PKEY *x509_next_key(struct x509_file *file)
{
    return PEM_read_bio_PrivateKey(file->bio, NULL, no_passphrase, NULL);
}

X509_REQ *x509_next_request(struct x509_file *file)
{
    return PEM_read_bio_X509_REQ(file->bio, NULL, no_passphrase, NULL);
}

X509 *x509_next_certificate(struct x509_file *file)
{
    return PEM_read_bio_X509(file->bio, NULL, no_passphrase, NULL);
}

void x509_close(struct x509_file *file)
{
    BIO_free(file->bio);
    file->bio = NULL;
    if (file->text.data)
        OPENSSL_cleanse(file->text.data, file->text.cap);
    buf_free(&file->text);
    ERR_clear_error();
}

/* --- writing
 * ---------------------------------------------------------------------------------------- */

/* Takes the key. */
static bool write_new_key(EVP_PKEY *key, EVP_PKEY **ret_key, BIO **ret_pem)
{
    BIO *pem = BIO_new(BIO_s_secmem());

    if (!key || !pem || PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) != 1) {
        BIO_free(pem);
        EVP_PKEY_free(key);
        return false;
    }
    *ret_key = key;
    *ret_pem = pem;
    return true;
}

bool x509_new_key(EVP_PKEY **ret_key, BIO **ret_pem)
{
    return write_new_key(EVP_EC_gen("P-256"), ret_key, ret_pem);
}

bool x509_new_link_key(EVP_PKEY **ret_key, BIO **ret_pem)
{
    return write_new_key(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), ret_key, ret_pem);
}

void x509_add_bio(struct buf *to, BIO *pem)
{
    char *data;
    long n = BIO_get_mem_data(pem, &data);

    if (n > 0)
        buf_add(to, data, (size_t)n);
}

bool x509_add_certificate(struct buf *to, X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_X509(bio, certificate) == 1;

    if (ok)
        x509_add_bio(to, bio);
    BIO_free(bio);
    return ok;
}

bool x509_add_request(struct buf *to, X509_REQ *request)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_X509_REQ(bio, request) == 1;

    if (ok)
        x509_add_bio(to, bio);
    BIO_free(bio);
    return ok;
}

/* --- names and fingerprints
 * ------------------------------------------------------------------------- */

bool x509_add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

bool x509_set_serial(X509 *cert)
{
    BIGNUM *n = BN_new();
    bool ok = n && BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));

    BN_free(n);
    return ok;
}

X509_NAME *x509_name(const char *common_name)
{
    X509_NAME *name = X509_NAME_new();

    if (name && X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                           (const unsigned char *)common_name, -1, -1, 0) != 1) {
        X509_NAME_free(name);
        return NULL;
    }
    return name;
}

void x509_common_name(const X509_NAME *subject, char ret[static X509_COMMON_NAME_MAX + 1])
{
    const ASN1_STRING *value;
    int n;

    ret[0] = '\0';
    if (X509_NAME_entry_count(subject) != 1 ||
        X509_NAME_get_index_by_NID((X509_NAME *)subject, NID_commonName, -1) != 0)
        return;
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, 0));
    n = ASN1_STRING_length(value);
    if (n > 0 && n <= X509_COMMON_NAME_MAX) {
        memcpy(ret, ASN1_STRING_get0_data(value), (size_t)n);
        ret[n] = '\0';
        if (strlen(ret) != (size_t)n) /* a NUL inside */
            ret[0] = '\0';
    }
}

bool x509_digest(const X509 *certificate, char ret[static DIGEST_TEXT_LEN + 1])
{
    unsigned char *der = NULL;
    int n = i2d_X509(certificate, &der);

    if (n > 0)
        digest_sha256_text(der, (size_t)n, ret);
    OPENSSL_free(der);
    return n > 0;
}

bool x509_fingerprint(EVP_PKEY *key, char ret[static DIGEST_SPOKEN_LEN + 1])
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);

    if (n > 0)
        digest_sha256_spoken(der, (size_t)n, ret);
    OPENSSL_free(der);
    return n > 0;
}

/* --- link keys
 * -------------------------------------------------------------------------------------- */

bool x509_link_key_text(EVP_PKEY *key, char ret[static LINK_KEY_TEXT_LEN + 1])
{
    uint8_t raw[LINK_KEY_LEN];
    size_t n = sizeof(raw);

    if (!EVP_PKEY_is_a(key, "X25519") || EVP_PKEY_get_raw_public_key(key, raw, &n) != 1 ||
        n != sizeof(raw))
        return false;
    link_key_text(raw, ret);
    return true;
}

X509_EXTENSION *x509_link_key_extension(const char *text)
{
    _cleanup_free_ char *value = xasprintf("URI:" LINK_KEY_URI "%s", text);

    return X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
}

/* One alternative name, a URI, that is ours to the byte. */
static int read_names(const GENERAL_NAMES *names, char ret[static LINK_KEY_TEXT_LEN + 1])
{
    const GENERAL_NAME *name =
        sk_GENERAL_NAME_num(names) == 1 ? sk_GENERAL_NAME_value(names, 0) : NULL;
    const ASN1_IA5STRING *uri =
        name && name->type == GEN_URI ? name->d.uniformResourceIdentifier : NULL;
    const size_t begin = strlen(LINK_KEY_URI), len = begin + LINK_KEY_TEXT_LEN;
    const char *text = uri ? (const char *)ASN1_STRING_get0_data(uri) : NULL;
    char key[LINK_KEY_TEXT_LEN + 1];

    if (!text || (size_t)ASN1_STRING_length(uri) != len || memcmp(text, LINK_KEY_URI, begin) != 0)
        return -EINVAL;
    memcpy(key, text + begin, LINK_KEY_TEXT_LEN);
    key[LINK_KEY_TEXT_LEN] = '\0';
    if (!link_key_valid(key))
        return -EINVAL;
    memcpy(ret, key, sizeof(key));
    return 1;
}

int x509_certificate_link_key(const X509 *certificate, char ret[static LINK_KEY_TEXT_LEN + 1])
{
    int critical, r;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);

    if (!names)
        return critical == -1 ? 0 : -EINVAL; /* -1: there is no such extension */
    r = read_names(names, ret);
    GENERAL_NAMES_free(names);
    return r;
}

int x509_request_link_key(X509_REQ *request, char ret[static LINK_KEY_TEXT_LEN + 1])
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    int n = sk_X509_EXTENSION_num(extensions), critical, r = 0;
    GENERAL_NAMES *names = NULL;

    if (n == 1)
        names = X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);
    if (n > 0)
        r = names ? read_names(names, ret) : -EINVAL;
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return r;
}
