/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/ca_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
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

/* Whoever asks a certificate for its end hears of the authority's, if that is earlier. */
static bool end_with(X509 *cert, const X509 *issuer)
{
    const ASN1_TIME *end = X509_get0_notAfter(issuer);

    return ASN1_TIME_compare(X509_get0_notAfter(cert), end) <= 0 ||
           X509_set1_notAfter(cert, end) == 1;
}

/* Unsigned, with everything but the extensions.  NULL: OpenSSL failed. */
X509 *ca_certificate_new(const char *common_name, const X509 *issuer, EVP_PKEY *key, long days)
{
    X509 *cert = X509_new();
    X509_NAME *name = x509_name(common_name);
    bool ok = cert && name && X509_set_version(cert, X509_VERSION_3) == 1 &&
              x509_set_serial(cert) && X509_set_subject_name(cert, name) == 1 &&
              X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : name) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SKEW) &&
              X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY) &&
              (!issuer || end_with(cert, issuer)) && X509_set_pubkey(cert, key) == 1;

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
    X509 *cert = x509_new_key(&key, &pem) ? ca_certificate_new(name, NULL, key, CA_DAYS) : NULL;
    bool ok = cert &&
              x509_add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              x509_add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              x509_add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
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

void ca_authority_free(struct authority *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
}

X509 *ca_read_certificate(const char *file, struct error_list *err)
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

int ca_check_time(const char *dir, const X509 *cert, struct error_list *err)
{
    _cleanup_free_ char *cert_file = xasprintf("%s/ca.crt", dir);

    if (X509_cmp_current_time(X509_get0_notAfter(cert)) >= 0)
        return 0;
    return error_add(err, cert_file, 0, NULL,
                     "the certificate of the authority has expired; make a new authority");
}

int ca_days_left(const X509 *cert)
{
    int days = 0, seconds = 0;

    return ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) == 1 ? days : 0;
}

int ca_warn_end(const char *dir, struct error_list *warnings)
{
    _cleanup_free_ char *file = xasprintf("%s/ca.crt", dir);
    X509 *cert = ca_read_certificate(file, warnings);
    int days = cert ? ca_days_left(cert) : 0;

    X509_free(cert);
    if (!cert)
        return -EIO;
    if (days < CA_WARN_DAYS)
        error_add(warnings, file, 0, NULL,
                  "the authority ends in %d day%s, and every certificate of it no later: %s", days,
                  days == 1 ? "" : "s",
                  has(dir, "next.crt")
                      ? "go on with 'p2pvpn-ctl ca switch' when all gateways have renewed theirs"
                      : "have another one follow it with 'p2pvpn-ctl ca rollover'");
    return 0;
}

int ca_read_authority(const char *dir, struct passphrase *p, struct authority *ret,
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
    ret->cert = ca_read_certificate(cert_file, err);
    if (!ret->cert)
        return -EIO;
    r = read_authority_key(key_file, p, &ret->key, err);
    if (r < 0)
        return r;
    if (X509_check_private_key(ret->cert, ret->key) != 1)
        return error_add(err, dir, 0, NULL,
                         "ca.key and ca.crt do not belong together; restore the folder from its "
                         "copy");
    return ca_check_time(dir, ret->cert, err);
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

/* "p2pvpn mesh NAME" is followed by "p2pvpn mesh NAME 2", that by 3.  OpenVPN as a TLS server takes
 * no two authorities of one name. */
static void name_of_next(const X509 *cert, char ret[static X509_COMMON_NAME_MAX + 1])
{
    char name[X509_COMMON_NAME_MAX + 1], number[16];
    unsigned n = 1;
    char *last;

    x509_common_name(X509_get_subject_name(cert), name);
    last = strrchr(name, ' ');
    if (last && strspn(last + 1, "0123456789") == strlen(last + 1) && strlen(last + 1) < 4 &&
        sscanf(last, " %3u", &n) == 1)
        *last = '\0';
    snprintf(number, sizeof(number), " %u", n + 1);
    snprintf(ret, X509_COMMON_NAME_MAX + 1, "%.*s%s", (int)(X509_COMMON_NAME_MAX - strlen(number)),
             name, number);
}

int ca_rollover(const char *dir, struct passphrase *p, struct error_list *err)
{
    struct authority ca = {NULL, NULL};
    struct buf key = BUF_INIT, cert = BUF_INIT;
    char name[X509_COMMON_NAME_MAX + 1] = "";
    int r = ca_read_authority(dir, p, &ca, err);

    if (r == 0 && (has(dir, "next.crt") || has(dir, "previous.crt")))
        r = error_add(err, dir, 0, NULL,
                      "one authority is following another already: go on with 'p2pvpn-ctl ca "
                      "switch' or 'p2pvpn-ctl ca retire'");
    if (r == 0) {
        name_of_next(ca.cert, name);
        /* A key without passphrase is followed by another one without. */
        r = make_authority(name, p && p->known ? p : NULL, &key, &cert, err);
    }
    if (r == 0)
        r = write_next(dir, &key, &cert, err);
    if (key.data)
        OPENSSL_cleanse(key.data, key.cap);
    buf_free(&key);
    buf_free(&cert);
    ca_authority_free(&ca);
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

/* The certificate of the authority beside `ca.crt` that gateways are to trust; NULL: there is none.
 */
static int read_other(const char *dir, X509 **ret, struct error_list *err)
{
    const char *other = has(dir, "next.crt") ? "next.crt" : "previous.crt";
    _cleanup_free_ char *file = xasprintf("%s/%s", dir, other);

    *ret = has(dir, other) ? ca_read_certificate(file, err) : NULL;
    return *ret || !has(dir, other) ? 0 : -EIO;
}

int ca_authorities(const char *dir, struct buf *ret, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/ca.crt", dir);
    X509 *own = ca_read_certificate(file, err), *other = NULL;
    char one[DIGEST_TEXT_LEN + 1], two[DIGEST_TEXT_LEN + 1] = "";
    int r = own ? read_other(dir, &other, err) : -EIO;

    if (r == 0 && (!x509_digest(own, one) || (other && !x509_digest(other, two))))
        r = x509_failed(err, file, "cannot make its digest");
    if (r == 0)
        buf_printf(ret, "%s%s%s", one, other ? " " : "", two);
    X509_free(own);
    X509_free(other);
    return r;
}

/* The certificates that a gateway is to trust, behind its own. */
int ca_add_authorities(const char *dir, X509 *own, struct buf *to, struct error_list *err)
{
    X509 *other = NULL;
    int r = read_other(dir, &other, err);
    bool ok =
        r == 0 && x509_add_certificate(to, own) && (!other || x509_add_certificate(to, other));

    X509_free(other);
    return r < 0 ? r
           : ok  ? 0
                 : x509_failed(err, dir, "cannot write the certificate of the authority");
}
