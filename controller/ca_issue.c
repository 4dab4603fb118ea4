/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/ca_parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/name.h"
#include "controller/passphrase.h"

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
    old = ca_read_certificate(file, err);
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
        old = ca_read_certificate(file, err);
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

static int days_of(const struct authority *ca, int at_most)
{
    int left = ca_days_left(ca->cert);

    return left < at_most ? left : at_most;
}

static int issue(const struct authority *ca, const char *common, const struct wish *w,
                 struct buf *ret, struct error_list *err)
{
    X509 *cert = ca_certificate_new(common, ca->cert, w->key, CA_GATEWAY_DAYS);
    bool ok = cert &&
              x509_add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
              x509_add_extension(cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
              x509_add_extension(cert, ca->cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
              x509_add_extension(cert, ca->cert, NID_subject_key_identifier, "hash") &&
              x509_add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid:always") &&
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
        r = ca_add_authorities(dir, ca->cert, &ret->pem, err);
    ret->renewed = known > 0;
    ret->days = days_of(ca, CA_GATEWAY_DAYS);
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
    int r = ca_read_authority(dir, p, &ca, err);

    *ret = (struct ca_answer){.pem = BUF_INIT};
    if (r == 0)
        r = enroll(dir, &ca, request_file, generation, ret, err);
    ca_authority_free(&ca);
    return r;
}

/* --- operators
 * ------------------------------------------------------------------------------------------------
 */

int ca_operator(const char *dir, struct passphrase *p, const char *name, struct buf *ret, int *days,
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
    r = ca_read_authority(dir, p, &ca, err);
    *days = r == 0 ? days_of(&ca, CA_OPERATOR_DAYS) : 0;
    if (r == 0 && x509_new_key(&key, &pem))
        cert = ca_certificate_new(common, ca.cert, key, CA_OPERATOR_DAYS);
    ok = cert && x509_add_extension(cert, ca.cert, NID_basic_constraints, "critical,CA:FALSE") &&
         x509_add_extension(cert, ca.cert, NID_key_usage, "critical,digitalSignature") &&
         x509_add_extension(cert, ca.cert, NID_ext_key_usage, "clientAuth") &&
         x509_add_extension(cert, ca.cert, NID_subject_key_identifier, "hash") &&
         x509_add_extension(cert, ca.cert, NID_authority_key_identifier, "keyid:always") &&
         X509_sign(cert, ca.key, EVP_sha256()) > 0;
    if (ok)
        x509_add_bio(ret, pem);
    if (r == 0 && (!ok || !x509_add_certificate(ret, cert)))
        r = x509_failed(err, NULL, "cannot make the operator's certificate");
    BIO_free(pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    ca_authority_free(&ca);
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
    int r = ca_read_authority(dir, p, &authority, err);

    if (r < 0) {
        ca_authority_free(&authority);
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
    int r = ca_check_time(ca->dir, ca->authority.cert, err);

    *ret = (struct ca_answer){.pem = BUF_INIT};
    return r < 0 ? -EIO : enroll(ca->dir, &ca->authority, request_file, generation, ret, err);
}

struct ca *ca_close(struct ca *ca)
{
    if (ca) {
        ca_authority_free(&ca->authority);
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
