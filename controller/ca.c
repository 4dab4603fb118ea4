/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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
#include "common/name.h"

#define PEM_MAX_BYTES 65536
#define CLOCK_SKEW 3600 /* seconds that a gateway's clock may be behind */
#define DAY (24L * 60 * 60)

/* The reason that OpenSSL gives, and no trace of it left behind. */
static int crypto_failed(struct error_list *err, const char *file, const char *what)
{
    char text[256];
    unsigned long code = ERR_get_error();

    ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    error_add(err, file, 0, NULL, "%s: %s", what, code ? text : "OpenSSL gives no reason");
    return -EIO;
}

static void add_pem(struct buf *b, BIO *bio)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);

    if (n > 0)
        buf_add(b, data, (size_t)n);
}

static bool certificate_pem(X509 *cert, struct buf *ret)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_X509(bio, cert) == 1;

    if (ok)
        add_pem(ret, bio);
    BIO_free(bio);
    return ok;
}

/* Our files are not encrypted; never ask on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *data)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

/* --- a certificate
 * ---------------------------------------------------------------------------------- */

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
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

/* Random, so that it says nothing about how many there are; 127 bits, so that it is positive. */
static bool set_serial(X509 *cert)
{
    BIGNUM *n = BN_new();
    bool ok = n && BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));

    BN_free(n);
    return ok;
}

/* Unsigned, with everything but the extensions.  NULL: OpenSSL failed. */
static X509 *certificate_new(const char *common_name, const X509_NAME *issuer, EVP_PKEY *key,
                             long days)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_NAME_new();
    bool ok = cert && name && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
              X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                         (const unsigned char *)common_name, -1, -1, 0) == 1 &&
              X509_set_subject_name(cert, name) == 1 &&
              X509_set_issuer_name(cert, issuer ? issuer : name) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SKEW) &&
              X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY) &&
              X509_set_pubkey(cert, key) == 1;

    X509_NAME_free(name);
    if (!ok) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

/* --- init
 * ------------------------------------------------------------------------------------------- */

static int make_authority(const char *mesh, struct buf *key_pem, struct buf *cert_pem,
                          struct error_list *err)
{
    _cleanup_free_ char *name = mesh ? xasprintf("p2pvpn mesh %s", mesh) : xstrdup("p2pvpn mesh");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? certificate_new(name, NULL, key, CA_DAYS) : NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = cert && bio &&
              add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
              X509_sign(cert, key, EVP_sha256()) > 0 &&
              PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
              certificate_pem(cert, cert_pem);

    if (ok)
        add_pem(key_pem, bio);
    BIO_free(bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok ? 0 : crypto_failed(err, NULL, "cannot make the key of the authority");
}

static int fill_folder(const char *dir, const struct buf *key, const struct buf *cert,
                       struct error_list *err)
{
    _cleanup_free_ char *key_file = xasprintf("%s/ca.key", dir);
    _cleanup_free_ char *cert_file = xasprintf("%s/ca.crt", dir);
    _cleanup_free_ char *issued = xasprintf("%s/issued", dir);
    int r = fs_write(key_file, buf_cstr(key), key->len, 0600, err);

    if (r == 0)
        r = fs_write(cert_file, buf_cstr(cert), cert->len, 0644, err);
    return r == 0 ? fs_mkdirs(issued, 0700, err) : r;
}

int ca_init(const char *dir, const char *mesh, struct error_list *err)
{
    struct buf key = BUF_INIT, cert = BUF_INIT;
    _cleanup_free_ char *target = xstrdup(dir), *stage = NULL;
    size_t n = strlen(target);
    int r;

    while (n > 1 && target[n - 1] == '/')
        target[--n] = '\0';
    if (mesh && !name_valid(mesh))
        return error_add(err, NULL, 0, NULL,
                         "the name of the mesh is not valid (letters, digits, '.', '_', '-'; at "
                         "most %d)",
                         NAME_MAX_LEN);
    stage = xasprintf("%s.new-XXXXXX", target);
    if (!mkdtemp(stage)) /* 0700 */
        return error_sys(err, errno, dir, "cannot make the folder of the authority");
    r = make_authority(mesh, &key, &cert, err);
    if (r == 0)
        r = fill_folder(stage, &key, &cert, err);
    /* Replaces nothing but an empty folder. */
    if (r == 0 && rename(stage, target) < 0)
        r = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
                ? error_add(err, dir, 0, NULL,
                            "there is something already, and an authority is never replaced; "
                            "choose a new folder with --ca")
                : error_sys(err, errno, dir, "cannot put the folder of the authority in place");
    if (r < 0) {
        struct error_list ignored = ERROR_LIST_INIT;

        fs_remove_tree(stage, &ignored);
        error_clear(&ignored);
    }
    if (key.data)
        OPENSSL_cleanse(key.data, key.cap);
    buf_free(&key);
    buf_free(&cert);
    return r;
}

/* --- enroll
 * ----------------------------------------------------------------------------------------- */

struct authority {
    EVP_PKEY *key;
    X509 *cert;
};

static void authority_free(struct authority *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
}

static X509 *read_certificate(const char *file, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    X509 *cert = NULL;
    BIO *bio;

    if (fs_read(file, PEM_MAX_BYTES, &text, err) < 0)
        return NULL;
    bio = BIO_new_mem_buf(buf_cstr(&text), (int)text.len);
    if (bio)
        cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (!cert)
        crypto_failed(err, file, "this is no certificate in PEM form");
    return cert;
}

static int read_authority(const char *dir, struct authority *ret, struct error_list *err)
{
    _cleanup_free_ char *key_file = xasprintf("%s/ca.key", dir);
    _cleanup_free_ char *cert_file = xasprintf("%s/ca.crt", dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    BIO *bio;

    if (access(cert_file, F_OK) < 0 && errno == ENOENT)
        return error_add(
            err, dir, 0, NULL,
            "there is no authority in this folder; make one with 'p2pvpn-ctl ca init'");
    ret->cert = read_certificate(cert_file, err);
    if (!ret->cert)
        return -EIO;
    if (fs_read(key_file, PEM_MAX_BYTES, &text, err) < 0)
        return -EIO;
    bio = BIO_new_mem_buf(buf_cstr(&text), (int)text.len);
    if (bio)
        ret->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    OPENSSL_cleanse(text.data, text.cap);
    if (!ret->key)
        return crypto_failed(err, key_file,
                             "this is no private key in PEM form without passphrase");
    if (X509_check_private_key(ret->cert, ret->key) != 1)
        return error_add(err, dir, 0, NULL,
                         "ca.key and ca.crt do not belong together; restore the folder from its "
                         "copy");
    if (X509_cmp_current_time(X509_get0_notAfter(ret->cert)) < 0)
        return error_add(err, cert_file, 0, NULL,
                         "the certificate of the authority has expired; make a new authority");
    return 0;
}

/* The one common name of a subject that has nothing else; "": it is not of that form. */
static void common_name(const X509_NAME *subject, char ret[static NAME_MAX_LEN + 1])
{
    const ASN1_STRING *value;
    int n;

    ret[0] = '\0';
    if (X509_NAME_entry_count(subject) != 1 ||
        X509_NAME_get_index_by_NID((X509_NAME *)subject, NID_commonName, -1) != 0)
        return;
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, 0));
    n = ASN1_STRING_length(value);
    if (n > 0 && n <= NAME_MAX_LEN) {
        memcpy(ret, ASN1_STRING_get0_data(value), (size_t)n);
        ret[n] = '\0';
        if (strlen(ret) != (size_t)n) /* a NUL inside */
            ret[0] = '\0';
    }
}

static bool is_p256(EVP_PKEY *key)
{
    char group[32];
    size_t n;

    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1 &&
           OBJ_txt2nid(group) == NID_X9_62_prime256v1;
}

/* *ret and its name, if everything about it is right. */
static int read_request(const char *file, X509_REQ **ret, char name[static NAME_MAX_LEN + 1],
                        struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    X509_REQ *request = NULL;
    EVP_PKEY *key;
    BIO *bio;
    int r = fs_read(file, PEM_MAX_BYTES, &text, err);

    if (r < 0)
        return r;
    bio = BIO_new_mem_buf(buf_cstr(&text), (int)text.len);
    if (bio)
        request = PEM_read_bio_X509_REQ(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (!request)
        return error_add(err, file, 0, NULL,
                         "this is no request; make one with 'p2pvpn-agent enroll' on the gateway");
    key = X509_REQ_get0_pubkey(request);
    common_name(X509_REQ_get_subject_name(request), name);
    if (!key || !is_p256(key))
        error_add(err, file, 0, NULL,
                  "the key of the request is not of the kind P-256; make the request with "
                  "'p2pvpn-agent enroll'");
    else if (X509_REQ_verify(request, key) != 1)
        error_add(err, file, 0, NULL,
                  "the signature of the request is wrong; it was damaged on the way: send it "
                  "again");
    else if (!name_valid(name))
        error_add(err, file, 0, NULL,
                  "the subject of the request is not just the name of a gateway; make the request "
                  "with 'p2pvpn-agent enroll'");
    else
        *ret = request;
    ERR_clear_error();
    if (*ret)
        return 0;
    X509_REQ_free(request);
    return -EINVAL;
}

/* One name, one key.  1: the same key was there before; 0: nobody was. */
static int check_issued(const char *file, const char *common, EVP_PKEY *key, struct error_list *err)
{
    X509 *old;
    int same;

    if (access(file, F_OK) < 0)
        return errno == ENOENT ? 0 : error_sys(err, errno, file, "cannot look at it");
    old = read_certificate(file, err);
    if (!old)
        return -EIO;
    same = EVP_PKEY_eq(X509_get0_pubkey(old), key);
    X509_free(old);
    ERR_clear_error();
    if (same == 1)
        return 1;
    return error_add(err, file, 0, NULL,
                     "'%s' was issued for another key; raise the gateway's generation and use "
                     "--generation with it, so that the old key is refused",
                     common);
}

static int issue(const struct authority *ca, const char *common, EVP_PKEY *key, struct buf *ret,
                 struct error_list *err)
{
    X509 *cert = certificate_new(common, X509_get_subject_name(ca->cert), key, CA_GATEWAY_DAYS);
    bool ok = cert && add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
              add_extension(cert, ca->cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
              add_extension(cert, ca->cert, NID_subject_key_identifier, "hash") &&
              add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid:always") &&
              X509_sign(cert, ca->key, EVP_sha256()) > 0 && certificate_pem(cert, ret);

    X509_free(cert);
    return ok ? 0 : crypto_failed(err, NULL, "cannot issue the certificate");
}

static void fingerprint(EVP_PKEY *key, char ret[static DIGEST_SPOKEN_LEN + 1])
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);

    digest_sha256_spoken(der ? (const void *)der : "", n > 0 ? (size_t)n : 0, ret);
    OPENSSL_free(der);
}

int ca_enroll(const char *dir, const char *request_file, uint32_t generation, struct ca_answer *ret,
              struct error_list *err)
{
    _cleanup_free_ char *issued = NULL;
    struct authority ca = {NULL, NULL};
    char name[NAME_MAX_LEN + 1];
    X509_REQ *request = NULL;
    EVP_PKEY *key;
    int r, known = 0;

    *ret = (struct ca_answer){.pem = BUF_INIT};
    r = read_authority(dir, &ca, err);
    if (r == 0)
        r = read_request(request_file, &request, name, err);
    if (r == 0) {
        key = X509_REQ_get0_pubkey(request);
        ret->common_name = xasprintf("%s.g%u", name, generation);
        issued = xasprintf("%s/issued/%s.crt", dir, ret->common_name);
        fingerprint(key, ret->fingerprint);
        known = check_issued(issued, ret->common_name, key, err);
        r = known < 0 ? known : issue(&ca, ret->common_name, key, &ret->pem, err);
    }
    if (r == 0) /* before it is handed out */
        r = fs_write(issued, buf_cstr(&ret->pem), ret->pem.len, 0644, err);
    if (r == 0 && !certificate_pem(ca.cert, &ret->pem))
        r = crypto_failed(err, dir, "cannot write the certificate of the authority");
    ret->renewed = known > 0;
    X509_REQ_free(request);
    authority_free(&ca);
    if (r < 0)
        ca_answer_clear(ret);
    return r;
}

void ca_answer_clear(struct ca_answer *answer)
{
    buf_free(&answer->pem);
    free(answer->common_name);
    answer->common_name = NULL;
}
