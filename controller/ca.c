/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/ca.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/name.h"
#include "common/x509.h"
#include "controller/passphrase.h"

#define CLOCK_SKEW 3600 /* seconds that a gateway's clock may be behind */
#define DAY (24L * 60 * 60)

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
    X509_NAME *name = x509_name(common_name);
    bool ok = cert && name && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
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

/* PKCS #8, encrypted; so many rounds that a passphrase cannot be tried fast. */
#define ROUNDS 600000

static bool write_encrypted(struct buf *to, EVP_PKEY *key, const char *passphrase)
{
    PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
    X509_SIG *sealed = plain ? PKCS8_encrypt(-1, EVP_aes_256_cbc(), passphrase,
                                             (int)strlen(passphrase), NULL, 0, ROUNDS, plain)
                             : NULL;
    BIO *pem = BIO_new(BIO_s_mem());
    bool ok = sealed && pem && PEM_write_bio_PKCS8(pem, sealed) == 1;

    if (ok)
        x509_add_bio(to, pem);
    BIO_free(pem);
    X509_SIG_free(sealed);
    PKCS8_PRIV_KEY_INFO_free(plain);
    return ok;
}

/* `name`: the subject. */
static int make_authority(const char *name, const struct passphrase *p, struct buf *key_pem,
                          struct buf *cert_pem, struct error_list *err)
{
    EVP_PKEY *key = NULL;
    BIO *pem = NULL;
    X509 *cert = x509_new_key(&key, &pem) ? certificate_new(name, NULL, key, CA_DAYS) : NULL;
    bool ok = cert &&
              add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
              X509_sign(cert, key, EVP_sha256()) > 0 && x509_add_certificate(cert_pem, cert);

    if (ok && p)
        ok = write_encrypted(key_pem, key, p->text);
    else if (ok)
        x509_add_bio(key_pem, pem);
    BIO_free(pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok ? 0 : x509_failed(err, NULL, "cannot make the key of the authority");
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
    return ca_init_with(dir, mesh, NULL, err);
}

int ca_init_with(const char *dir, const char *mesh, struct passphrase *p, struct error_list *err)
{
    _cleanup_free_ char *name = mesh ? xasprintf("p2pvpn mesh %s", mesh) : xstrdup("p2pvpn mesh");
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
    r = p ? passphrase_get(p, true, err) : 0;
    if (r < 0)
        return r;
    stage = xasprintf("%s.new-XXXXXX", target);
    if (!mkdtemp(stage)) /* 0700 */
        return error_sys(err, errno, dir, "cannot make the folder of the authority");
    r = make_authority(name, p, &key, &cert, err);
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

/* --- reading it
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
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509 *cert;

    if (x509_open(file, &pem, err) < 0)
        return NULL;
    cert = x509_next_certificate(&pem);
    if (!cert)
        x509_failed(err, file, "this is no certificate in PEM form");
    return cert;
}

/* For OpenSSL, which asks once for each encrypted key. */
static int give_passphrase(char *text, int size, int writing, void *data)
{
    const char *passphrase = data;
    size_t n = strlen(passphrase);

    (void)writing;
    if (n > (size_t)size)
        return -1;
    memcpy(text, passphrase, n);
    return (int)n;
}

static int read_authority_key(const char *file, struct passphrase *p, EVP_PKEY **ret,
                              struct error_list *err)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    bool encrypted;
    int r = x509_open(file, &pem, err);

    if (r < 0)
        return r;
    encrypted = strstr(buf_cstr(&pem.text), "-----BEGIN ENCRYPTED PRIVATE KEY-----");
    if (encrypted && !p)
        return error_add(err, file, 0, NULL, "the key is encrypted, and there is no passphrase");
    r = encrypted ? passphrase_get(p, false, err) : 0;
    if (r < 0)
        return r;
    *ret = encrypted ? PEM_read_bio_PrivateKey(pem.bio, NULL, give_passphrase, p->text)
                     : x509_next_key(&pem);
    if (*ret)
        return 0;
    ERR_clear_error();
    return error_add(err, file, 0, NULL,
                     encrypted ? "the passphrase is wrong" : "this is no private key in PEM form");
}

/* 1: there is such a file in DIR. */
static bool has(const char *dir, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

    return access(path, F_OK) == 0;
}

static int move(const char *dir, const char *name, const char *to, struct error_list *err)
{
    _cleanup_free_ char *from = xasprintf("%s/%s", dir, name);
    _cleanup_free_ char *target = xasprintf("%s/%s", dir, to);

    return rename(from, target) == 0 ? 0 : error_sys(err, errno, from, "cannot make it %s", to);
}

/* A switch that was killed between its two last steps. */
static int settle(const char *dir, struct error_list *err)
{
    return has(dir, "next.crt") && !has(dir, "next.key") ? move(dir, "next.crt", "ca.crt", err) : 0;
}

int ca_check(const char *dir, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/ca.crt", dir);

    if (access(file, F_OK) == 0 || errno != ENOENT)
        return 0;
    return error_add(err, dir, 0, NULL,
                     "there is no authority in this folder; make one with 'p2pvpn-ctl ca init'");
}

static int check_time(const char *dir, const X509 *cert, struct error_list *err)
{
    _cleanup_free_ char *cert_file = xasprintf("%s/ca.crt", dir);

    if (X509_cmp_current_time(X509_get0_notAfter(cert)) >= 0)
        return 0;
    return error_add(err, cert_file, 0, NULL,
                     "the certificate of the authority has expired; make a new authority");
}

static int read_authority(const char *dir, struct passphrase *p, struct authority *ret,
                          struct error_list *err)
{
    _cleanup_free_ char *key_file = xasprintf("%s/ca.key", dir);
    _cleanup_free_ char *cert_file = xasprintf("%s/ca.crt", dir);
    int r;

    r = ca_check(dir, err);
    if (r == 0)
        r = settle(dir, err);
    if (r < 0)
        return r;
    ret->cert = read_certificate(cert_file, err);
    if (!ret->cert)
        return -EIO;
    r = read_authority_key(key_file, p, &ret->key, err);
    if (r < 0)
        return r;
    if (X509_check_private_key(ret->cert, ret->key) != 1)
        return error_add(err, dir, 0, NULL,
                         "ca.key and ca.crt do not belong together; restore the folder from its "
                         "copy");
    return check_time(dir, ret->cert, err);
}

/* --- from one authority to the next
 * ------------------------------------------------------------------------- */

static int write_next(const char *dir, const struct buf *key, const struct buf *cert,
                      struct error_list *err)
{
    _cleanup_free_ char *key_file = xasprintf("%s/next.key", dir);
    _cleanup_free_ char *cert_file = xasprintf("%s/next.crt", dir);
    int r = fs_write(key_file, buf_cstr(key), key->len, 0600, err);

    return r == 0 ? fs_write(cert_file, buf_cstr(cert), cert->len, 0644, err) : r;
}

int ca_rollover(const char *dir, struct passphrase *p, struct error_list *err)
{
    struct authority ca = {NULL, NULL};
    struct buf key = BUF_INIT, cert = BUF_INIT;
    char name[X509_COMMON_NAME_MAX + 1] = "";
    int r = read_authority(dir, p, &ca, err);

    if (r == 0 && (has(dir, "next.crt") || has(dir, "previous.crt")))
        r = error_add(err, dir, 0, NULL,
                      "one authority is following another already: go on with 'p2pvpn-ctl ca "
                      "switch' or 'p2pvpn-ctl ca retire'");
    if (r == 0) {
        x509_common_name(X509_get_subject_name(ca.cert), name);
        /* A key without passphrase is followed by another one without. */
        r = make_authority(name, p && p->known ? p : NULL, &key, &cert, err);
    }
    if (r == 0)
        r = write_next(dir, &key, &cert, err);
    if (key.data)
        OPENSSL_cleanse(key.data, key.cap);
    buf_free(&key);
    buf_free(&cert);
    authority_free(&ca);
    return r;
}

int ca_switch(const char *dir, struct error_list *err)
{
    _cleanup_free_ char *current = xasprintf("%s/ca.crt", dir);
    _cleanup_free_ char *previous = xasprintf("%s/previous.crt", dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = settle(dir, err);

    if (r == 0 && !has(dir, "next.crt"))
        r = error_add(
            err, dir, 0, NULL,
            "there is no authority that could follow; begin with 'p2pvpn-ctl ca rollover'");
    if (r == 0)
        r = fs_read(current, 65536, &text, err);
    if (r == 0)
        r = fs_write(previous, buf_cstr(&text), text.len, 0644, err);
    if (r == 0)
        r = move(dir, "next.key", "ca.key", err);
    return r == 0 ? move(dir, "next.crt", "ca.crt", err) : r;
}

int ca_retire(const char *dir, struct error_list *err)
{
    _cleanup_free_ char *previous = xasprintf("%s/previous.crt", dir);

    if (unlink(previous) == 0)
        return 0;
    return errno == ENOENT ? error_add(err, dir, 0, NULL,
                                       "no authority came before this one: there is nothing to end")
                           : error_sys(err, errno, previous, "cannot remove it");
}

/* The certificates that a gateway is to trust, behind its own. */
static int add_authorities(const char *dir, X509 *own, struct buf *to, struct error_list *err)
{
    const char *other = has(dir, "next.crt") ? "next.crt" : "previous.crt";
    _cleanup_free_ char *file = xasprintf("%s/%s", dir, other);
    X509 *cert = NULL;
    bool ok = x509_add_certificate(to, own);

    if (ok && has(dir, other)) {
        cert = read_certificate(file, err);
        if (!cert)
            return -EIO;
        ok = x509_add_certificate(to, cert);
        X509_free(cert);
    }
    return ok ? 0 : x509_failed(err, dir, "cannot write the certificate of the authority");
}

/* --- enroll
 * ----------------------------------------------------------------------------------------- */

static bool is_p256(EVP_PKEY *key)
{
    char group[32];
    size_t n;

    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1 &&
           OBJ_txt2nid(group) == NID_X9_62_prime256v1;
}

/* *ret, its name and its link key, if everything about it is right. */
static int read_request(const char *file, X509_REQ **ret,
                        char name[static X509_COMMON_NAME_MAX + 1],
                        char link_key[static LINK_KEY_TEXT_LEN + 1], struct error_list *err)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509_REQ *request;
    EVP_PKEY *key;
    int r = x509_open(file, &pem, err);

    if (r < 0)
        return r;
    request = x509_next_request(&pem);
    if (!request)
        return error_add(err, file, 0, NULL,
                         "this is no request; make one with 'p2pvpn-agent enroll' on the gateway");
    key = X509_REQ_get0_pubkey(request);
    x509_common_name(X509_REQ_get_subject_name(request), name);
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
    else if (x509_request_link_key(request, link_key) < 0)
        error_add(err, file, 0, NULL,
                  "the request asks for more than a certificate with a link key; make the request "
                  "with 'p2pvpn-agent enroll'");
    else
        *ret = request;
    ERR_clear_error();
    if (*ret)
        return 0;
    X509_REQ_free(request);
    return -EINVAL;
}

int ca_read_request(const char *request_file, struct ca_request *ret, struct error_list *err)
{
    X509_REQ *request = NULL;
    int r;

    *ret = (struct ca_request){.gateway = ""};
    r = read_request(request_file, &request, ret->gateway, ret->link_key, err);
    if (r == 0 && !x509_fingerprint(X509_REQ_get0_pubkey(request), ret->fingerprint))
        r = x509_failed(err, request_file, "cannot make the fingerprint of the key");
    X509_REQ_free(request);
    return r;
}

/* What is asked for. */
struct wish {
    char name[X509_COMMON_NAME_MAX + 1], link_key[LINK_KEY_TEXT_LEN + 1]; /* "": none */
    EVP_PKEY *key;
};

static bool same_link_key(const X509 *old, const char *link_key)
{
    char was[LINK_KEY_TEXT_LEN + 1];

    return x509_certificate_link_key(old, was) == 1 && strcmp(was, link_key) == 0;
}

/* One name, the same keys; a link key may come to an older certificate that has none.  1: they were
 * there before; 0: nobody was. */
static int check_issued(const char *file, const char *common, const struct wish *w,
                        struct error_list *err)
{
    char was[LINK_KEY_TEXT_LEN + 1];
    X509 *old;
    bool same;

    if (access(file, F_OK) < 0)
        return errno == ENOENT ? 0 : error_sys(err, errno, file, "cannot look at it");
    old = read_certificate(file, err);
    if (!old)
        return -EIO;
    same = EVP_PKEY_eq(X509_get0_pubkey(old), w->key) == 1 &&
           (x509_certificate_link_key(old, was) == 0 || same_link_key(old, w->link_key));
    X509_free(old);
    ERR_clear_error();
    if (same)
        return 1;
    return error_add(err, file, 0, NULL,
                     "'%s' was issued for another key; if the gateway's keys were replaced, run "
                     "'p2pvpn-ctl rekey' first, so that the old ones are refused",
                     common);
}

/* "GATEWAY.gN.crt" of another generation than `common`. */
static bool is_other_generation(const char *file, const char *gateway, const char *common)
{
    size_t n = strlen(gateway), len = strlen(common);
    const char *digits = file + n + 2;
    size_t k;

    if (strncmp(file, gateway, n) != 0 || strncmp(file + n, ".g", 2) != 0)
        return false;
    k = strspn(digits, "0123456789");
    return k > 0 && strcmp(digits + k, ".crt") == 0 &&
           !(strncmp(file, common, len) == 0 && strcmp(file + len, ".crt") == 0);
}

/* Whoever has a key that was given up must not get a certificate for it again. */
static int check_given_up(const char *dir, const char *common, const struct wish *w,
                          struct error_list *err)
{
    _cleanup_free_ char *folder = xasprintf("%s/issued", dir);
    DIR *d = opendir(folder);
    struct dirent *entry;
    int r = 0;

    if (!d)
        return error_sys(err, errno, folder, "cannot look at what was issued");
    while (r == 0 && (entry = readdir(d))) {
        _cleanup_free_ char *file = xasprintf("%s/%s", folder, entry->d_name);
        X509 *old;

        if (!is_other_generation(entry->d_name, w->name, common))
            continue;
        old = read_certificate(file, err);
        if (!old)
            r = -EIO;
        else if (EVP_PKEY_eq(X509_get0_pubkey(old), w->key) == 1 || same_link_key(old, w->link_key))
            r = error_add(err, file, 0, NULL,
                          "this certificate of another generation has a key of this request, and "
                          "that key was given up; make new ones on the gateway with 'p2pvpn-agent "
                          "enroll --rekey'");
        X509_free(old);
    }
    closedir(d);
    ERR_clear_error();
    return r;
}

static bool add_link_key(X509 *cert, const char *link_key)
{
    X509_EXTENSION *extension = *link_key ? x509_link_key_extension(link_key) : NULL;
    bool ok = !*link_key || (extension && X509_add_ext(cert, extension, -1) == 1);

    X509_EXTENSION_free(extension);
    return ok;
}

static int issue(const struct authority *ca, const char *common, const struct wish *w,
                 struct buf *ret, struct error_list *err)
{
    X509 *cert = certificate_new(common, X509_get_subject_name(ca->cert), w->key, CA_GATEWAY_DAYS);
    bool ok = cert && add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
              add_extension(cert, ca->cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
              add_extension(cert, ca->cert, NID_subject_key_identifier, "hash") &&
              add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid:always") &&
              add_link_key(cert, w->link_key) && X509_sign(cert, ca->key, EVP_sha256()) > 0 &&
              x509_add_certificate(ret, cert);

    X509_free(cert);
    return ok ? 0 : x509_failed(err, NULL, "cannot issue the certificate");
}

static int enroll(const char *dir, const struct authority *ca, const char *request_file,
                  uint32_t generation, struct ca_answer *ret, struct error_list *err)
{
    _cleanup_free_ char *issued = NULL;
    X509_REQ *request = NULL;
    struct wish w = {.key = NULL};
    int r = read_request(request_file, &request, w.name, w.link_key, err), known = 0;

    if (r == 0) {
        w.key = X509_REQ_get0_pubkey(request);
        ret->gateway = xstrdup(w.name);
        ret->common_name = xasprintf("%s.g%u", w.name, generation);
        memcpy(ret->link_key, w.link_key, sizeof(ret->link_key));
        issued = xasprintf("%s/issued/%s.crt", dir, ret->common_name);
        if (!x509_fingerprint(w.key, ret->fingerprint))
            r = x509_failed(err, request_file, "cannot make the fingerprint of the key");
    }
    if (r == 0) {
        known = check_issued(issued, ret->common_name, &w, err);
        r = known < 0 ? known : check_given_up(dir, ret->common_name, &w, err);
    }
    if (r == 0)
        r = issue(ca, ret->common_name, &w, &ret->pem, err);
    if (r == 0) /* before it is handed out */
        r = fs_write(issued, buf_cstr(&ret->pem), ret->pem.len, 0644, err);
    if (r == 0)
        r = add_authorities(dir, ca->cert, &ret->pem, err);
    ret->renewed = known > 0;
    X509_REQ_free(request);
    if (r < 0)
        ca_answer_clear(ret);
    return r;
}

int ca_enroll(const char *dir, const char *request_file, uint32_t generation, struct ca_answer *ret,
              struct error_list *err)
{
    return ca_enroll_with(dir, NULL, request_file, generation, ret, err);
}

int ca_enroll_with(const char *dir, struct passphrase *p, const char *request_file,
                   uint32_t generation, struct ca_answer *ret, struct error_list *err)
{
    struct authority ca = {NULL, NULL};
    int r = read_authority(dir, p, &ca, err);

    *ret = (struct ca_answer){.pem = BUF_INIT};
    if (r == 0)
        r = enroll(dir, &ca, request_file, generation, ret, err);
    authority_free(&ca);
    return r;
}

/* --- operators
 * ------------------------------------------------------------------------------------------------
 */

int ca_operator(const char *dir, struct passphrase *p, const char *name, struct buf *ret,
                struct error_list *err)
{
    _cleanup_free_ char *common = xasprintf("%s.operator", name);
    struct authority ca = {NULL, NULL};
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    BIO *pem = NULL;
    bool ok;
    int r;

    if (!name_valid(name))
        return error_add(err, NULL, 0, NULL,
                         "this is no name of an operator (letters, digits, '.', '_', '-'; at most "
                         "%d)",
                         NAME_MAX_LEN);
    r = read_authority(dir, p, &ca, err);
    if (r == 0 && x509_new_key(&key, &pem))
        cert = certificate_new(common, X509_get_subject_name(ca.cert), key, CA_OPERATOR_DAYS);
    ok = cert && add_extension(cert, ca.cert, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(cert, ca.cert, NID_key_usage, "critical,digitalSignature") &&
         add_extension(cert, ca.cert, NID_ext_key_usage, "clientAuth") &&
         add_extension(cert, ca.cert, NID_subject_key_identifier, "hash") &&
         add_extension(cert, ca.cert, NID_authority_key_identifier, "keyid:always") &&
         X509_sign(cert, ca.key, EVP_sha256()) > 0;
    if (ok)
        x509_add_bio(ret, pem);
    if (r == 0 && (!ok || !x509_add_certificate(ret, cert)))
        r = x509_failed(err, NULL, "cannot make the operator's certificate");
    BIO_free(pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    authority_free(&ca);
    return r;
}

/* --- for those who answer many
 * -------------------------------------------------------------------------------- */

struct ca {
    char *dir;
    struct authority authority;
};

int ca_open(const char *dir, struct passphrase *p, struct ca **ret, struct error_list *err)
{
    struct authority authority = {NULL, NULL};
    int r = read_authority(dir, p, &authority, err);

    if (r < 0) {
        authority_free(&authority);
        return r;
    }
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->dir = xstrdup(dir);
    (*ret)->authority = authority;
    return 0;
}

int ca_answer(const struct ca *ca, const char *request_file, uint32_t generation,
              struct ca_answer *ret, struct error_list *err)
{
    int r = check_time(ca->dir, ca->authority.cert, err);

    *ret = (struct ca_answer){.pem = BUF_INIT};
    return r < 0 ? -EIO : enroll(ca->dir, &ca->authority, request_file, generation, ret, err);
}

struct ca *ca_close(struct ca *ca)
{
    if (ca) {
        authority_free(&ca->authority);
        free(ca->dir);
        free(ca);
    }
    return NULL;
}

void ca_answer_clear(struct ca_answer *answer)
{
    buf_free(&answer->pem);
    free(answer->common_name);
    free(answer->gateway);
    answer->common_name = answer->gateway = NULL;
}
