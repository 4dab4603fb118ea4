/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/key.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "agent/key_parts.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "common/name.h"
#include "common/x509.h"

#define NEW_ENDING ".new"

/* 1: open; 0: there is no such file. */
static int open_file(const char *file, struct x509_file *ret, struct error_list *err)
{
    int r;

    if (access(file, F_OK) < 0 && errno == ENOENT)
        return 0;
    r = x509_open(file, ret, err);
    return r < 0 ? r : 1;
}

/* --- the key
 * ---------------------------------------------------------------------------------------- */

int key_read(const char *file, EVP_PKEY **ret, struct error_list *err)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    int r = open_file(file, &pem, err);

    if (r < 1)
        return r;
    *ret = x509_next_key(&pem);
    return *ret ? 1
                : x509_failed(err, file,
                              "this is no private key; move the file away and enroll again");
}

/* Born with its final mode and owner, and under its name only when whole; never over another. */
static int write_key(const char *file, const char *data, size_t len, uid_t uid, gid_t gid,
                     struct error_list *err)
{
    _cleanup_free_ char *temporary = xasprintf("%s.new-XXXXXX", file);
    int fd = mkostemp(temporary, O_CLOEXEC), r = 0; /* 0600 */

    if (fd < 0)
        return error_sys(err, errno, file, "cannot make the file of the private key");
    if (write(fd, data, len) != (ssize_t)len)
        r = errno ? -errno : -EIO;
    if (r == 0 && fchown(fd, uid, gid) < 0)
        r = -errno;
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && renameat2(AT_FDCWD, temporary, AT_FDCWD, file, RENAME_NOREPLACE) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temporary);
        return error_sys(err, -r, file, "cannot write the private key");
    }
    return 0;
}

typedef bool (*key_maker)(EVP_PKEY **ret_key, BIO **ret_pem);

static int make_key(const char *file, key_maker maker, uid_t uid, gid_t gid, EVP_PKEY **ret,
                    struct error_list *err)
{
    EVP_PKEY *key = NULL;
    BIO *pem = NULL;
    char *data;
    long n;
    int r;

    if (!maker(&key, &pem))
        return x509_failed(err, file, "cannot make the private key");
    n = BIO_get_mem_data(pem, &data);
    r = write_key(file, data, n > 0 ? (size_t)n : 0, uid, gid, err);
    BIO_free(pem);
    if (r < 0)
        EVP_PKEY_free(key);
    else
        *ret = key;
    return r;
}

/* 1: read; 0: made; or a negative errno. */
static int read_or_make(const char *file, key_maker maker, bool may_make, uid_t uid, gid_t gid,
                        EVP_PKEY **ret, struct error_list *err)
{
    int r = key_read(file, ret, err);

    if (r != 0)
        return r;
    if (!may_make)
        return error_add(err, file, 0, NULL,
                         "there is no key that could be renewed; make one with 'p2pvpn-agent "
                         "enroll --gateway NAME'");
    return make_key(file, maker, uid, gid, ret, err);
}

/* --- the request
 * ------------------------------------------------------------------------------------ */

int key_requested_name(const char *file, char ret[static X509_COMMON_NAME_MAX + 1],
                       struct error_list *err)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509_REQ *request;
    int r = open_file(file, &pem, err);

    if (r < 1)
        return r;
    request = x509_next_request(&pem);
    ret[0] = '\0';
    if (request)
        x509_common_name(X509_REQ_get_subject_name(request), ret);
    X509_REQ_free(request);
    return ret[0] != '\0';
}

static bool add_link_key(X509_REQ *request, EVP_PKEY *link)
{
    char text[LINK_KEY_TEXT_LEN + 1];
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *extension =
        x509_link_key_text(link, text) ? x509_link_key_extension(text) : NULL;
    bool ok = list && extension && sk_X509_EXTENSION_push(list, extension) > 0 &&
              X509_REQ_add_extensions(request, list) == 1;

    X509_EXTENSION_free(extension);
    sk_X509_EXTENSION_free(list);
    return ok;
}

/* Whether a request is for this gateway and these keys. */
static bool request_fits(X509_REQ *request, const char *gateway, EVP_PKEY *key, EVP_PKEY *link)
{
    char name[X509_COMMON_NAME_MAX + 1], is[LINK_KEY_TEXT_LEN + 1], wanted[LINK_KEY_TEXT_LEN + 1];
    bool fits;

    x509_common_name(X509_REQ_get_subject_name(request), name);
    fits = strcmp(name, gateway) == 0 && EVP_PKEY_eq(X509_REQ_get0_pubkey(request), key) == 1 &&
           X509_REQ_verify(request, key) == 1 && x509_request_link_key(request, is) == 1 &&
           x509_link_key_text(link, wanted) && strcmp(is, wanted) == 0;
    ERR_clear_error();
    return fits;
}

/* The request in the file, if it is the one that would be made: whoever has it in hand already
 * knows it again. */
static bool reuse_request(const char *file, const char *gateway, EVP_PKEY *key, EVP_PKEY *link,
                          struct key_request *ret)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    struct error_list ignored = ERROR_LIST_INIT;
    X509_REQ *request = open_file(file, &pem, &ignored) == 1 ? x509_next_request(&pem) : NULL;
    bool good = request && request_fits(request, gateway, key, link) &&
                x509_fingerprint(key, ret->fingerprint) && x509_add_request(&ret->pem, request);

    X509_REQ_free(request);
    error_clear(&ignored);
    return good;
}

static int make_request(const char *gateway, EVP_PKEY *key, EVP_PKEY *link, struct key_request *ret,
                        struct error_list *err)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME *name = x509_name(gateway);
    bool ok = request && name && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
              X509_REQ_set_subject_name(request, name) == 1 &&
              X509_REQ_set_pubkey(request, key) == 1 && add_link_key(request, link) &&
              X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
              x509_fingerprint(key, ret->fingerprint) && x509_add_request(&ret->pem, request);

    X509_NAME_free(name);
    X509_REQ_free(request);
    return ok ? 0 : x509_failed(err, NULL, "cannot make the request");
}

static int check_name(const char *gateway, struct error_list *err)
{
    if (gateway && name_valid(gateway))
        return 0;
    return error_add(err, NULL, 0, NULL,
                     "this is no valid name of a gateway (letters, digits, '.', '_', '-'; at most "
                     "%d); use the name in the model",
                     NAME_MAX_LEN);
}

/* Whose the keys are that are there; *gateway is taken from there if it is NULL. */
static int check_owner(const char *keys, const char **gateway,
                       char name[static X509_COMMON_NAME_MAX + 1], struct error_list *err)
{
    _cleanup_free_ char *key_file = xasprintf("%s/gateway.key", keys);
    _cleanup_free_ char *request_file = xasprintf("%s/gateway.csr", keys);
    bool there = access(key_file, F_OK) == 0;
    int r = there ? key_requested_name(request_file, name, err) : 0;

    if (r == 1 && *gateway && strcmp(name, *gateway) != 0)
        return error_add(err, key_file, 0, NULL,
                         "this key is that of gateway '%s'; to make this machine gateway '%s', "
                         "move the folder %s away and enroll again",
                         name, *gateway, keys);
    if (r == 1)
        *gateway = name;
    if (r == 0 && !*gateway)
        return error_add(err, keys, 0, NULL,
                         "there are no keys of a gateway here; make them with 'p2pvpn-agent enroll "
                         "--gateway NAME'");
    return r < 0 ? r : 0;
}

int key_generate(const char *keys, const char *gateway, enum key_wish wish, uid_t uid, gid_t gid,
                 struct key_request *ret, struct error_list *err)
{
    const char *ending = wish == KEY_REPLACE ? NEW_ENDING : "";
    _cleanup_free_ char *key_file = xasprintf("%s/" KEY_FILE "%s", keys, ending);
    _cleanup_free_ char *link_file = xasprintf("%s/" LINK_FILE "%s", keys, ending);
    _cleanup_free_ char *request_file = xasprintf("%s/gateway.csr", keys);
    char name[X509_COMMON_NAME_MAX + 1];
    EVP_PKEY *key = NULL, *link = NULL;
    int r;

    *ret = (struct key_request){.pem = BUF_INIT};
    r = gateway ? check_name(gateway, err) : 0;
    if (r == 0)
        r = check_owner(keys, &gateway, name, err);
    if (r == 0)
        r = check_name(gateway, err);
    if (r == 0)
        r = read_or_make(key_file, x509_new_key, wish != KEY_RENEW, uid, gid, &key, err);
    ret->reused = r == 1;
    /* A gateway that was enrolled before there were link keys gets one now. */
    if (r >= 0)
        r = read_or_make(link_file, x509_new_link_key, true, geteuid(), getegid(), &link, err);
    if (r >= 0 && reuse_request(request_file, gateway, key, link, ret))
        r = 1;
    else if (r >= 0)
        r = make_request(gateway, key, link, ret, err);
    if (r == 0)
        r = fs_write(request_file, buf_cstr(&ret->pem), ret->pem.len, 0644, err);
    EVP_PKEY_free(key);
    EVP_PKEY_free(link);
    if (r < 0)
        key_request_clear(ret);
    return r < 0 ? r : 0;
}

void key_request_clear(struct key_request *request)
{
    buf_free(&request->pem);
}

/* --- the answer
 * ------------------------------------------------------------------------------------- */

#define MAX_AUTHORITIES 2 /* while one follows the other */

struct answer {
    const char *file;
    X509 *cert, *ca[MAX_AUTHORITIES];
    size_t n_ca;
    bool fresh; /* it is for the keys that are to take the place of others */
};

static void answer_clear(struct answer *a)
{
    X509_free(a->cert);
    for (size_t i = 0; i < a->n_ca; i++)
        X509_free(a->ca[i]);
}

/* The certificates that the file has, MAX_AUTHORITIES at most; more count as none. */
static size_t next_authorities(struct x509_file *pem, X509 *ret[static MAX_AUTHORITIES])
{
    size_t n = 0;
    X509 *more;

    while (n < MAX_AUTHORITIES && (ret[n] = x509_next_certificate(pem)))
        n++;
    more = n == MAX_AUTHORITIES ? x509_next_certificate(pem) : NULL;
    X509_free(more);
    while (more && n > 0)
        X509_free(ret[--n]);
    return n;
}

static int read_answer(struct answer *a, struct error_list *err)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    int r = open_file(a->file, &pem, err);

    if (r == 0)
        return error_add(err, a->file, 0, NULL, "there is no such file");
    if (r < 0)
        return r;
    a->cert = x509_next_certificate(&pem);
    a->n_ca = a->cert ? next_authorities(&pem, a->ca) : 0;
    if (a->n_ca)
        return 0;
    return error_add(err, a->file, 0, NULL,
                     "this is no answer of 'p2pvpn-ctl enroll': it does not hold the certificate "
                     "of the gateway and that of the authority");
}

bool key_name_fits(const char *common, const char *gateway)
{
    size_t n = strlen(gateway);
    const char *digits = common + n + 2;

    return strncmp(common, gateway, n) == 0 && strncmp(common + n, ".g", 2) == 0 &&
           digits[0] >= '1' && digits[0] <= '9' && strspn(digits, "0123456789") == strlen(digits);
}

/* Chain, dates, and both usages: a gateway is the server of one link and the client of another. */
static int check_chain(const struct answer *a, struct error_list *err)
{
    static const int purposes[] = {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT};
    X509_STORE *store = X509_STORE_new();
    int r = store ? 0 : x509_failed(err, a->file, "cannot check the certificate");

    for (size_t i = 0; i < a->n_ca && r == 0; i++)
        if (X509_STORE_add_cert(store, a->ca[i]) != 1)
            r = x509_failed(err, a->file, "cannot check the certificate");
    for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]) && r == 0; i++) {
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();

        if (!ctx || X509_STORE_CTX_init(ctx, store, a->cert, NULL) != 1 ||
            X509_STORE_CTX_set_purpose(ctx, purposes[i]) != 1)
            r = x509_failed(err, a->file, "cannot check the certificate");
        else if (X509_verify_cert(ctx) != 1)
            r = error_add(err, a->file, 0, NULL,
                          "the certificate is not valid here and now: %s; check this machine's "
                          "clock, or ask for a new answer",
                          X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
        X509_STORE_CTX_free(ctx);
    }
    X509_STORE_free(store);
    ERR_clear_error();
    return r;
}

/* 1: the file holds this very certificate; 0: there is no file; -EINVAL: it holds another. */
static int compare_file(const char *file, X509 *cert, struct error_list *err)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509 *old;
    int r = open_file(file, &pem, err);

    if (r < 1)
        return r;
    old = x509_next_certificate(&pem);
    r = old && X509_cmp(old, cert) == 0 ? 1 : -EINVAL;
    X509_free(old);
    return r;
}

/* One of the authorities is installed already; or none is. */
static int check_authorities(const struct answer *a, const char *ca_file, struct error_list *err)
{
    _cleanup_x509_ struct x509_file pem = X509_FILE_INIT;
    X509 *known[MAX_AUTHORITIES];
    bool found = false;
    int r = open_file(ca_file, &pem, err);
    size_t n;

    if (r < 1)
        return r;
    n = next_authorities(&pem, known);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < a->n_ca; k++)
            found |= X509_cmp(known[i], a->ca[k]) == 0;
        X509_free(known[i]);
    }
    if (found)
        return 0;
    return error_add(err, a->file, 0, NULL,
                     "the answer comes from another authority than the one installed; if the mesh "
                     "really has a new one, remove %s first",
                     ca_file);
}

/* 1: the certificate is for the key in the file; 0: it is not, or there is none. */
static int is_for_key(const struct answer *a, const char *file, struct error_list *err)
{
    EVP_PKEY *key = NULL;
    int r = key_read(file, &key, err);

    if (r == 1)
        r = EVP_PKEY_eq(X509_get0_pubkey(a->cert), key) == 1;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return r;
}

/* The link key that the certificate is of, if it is of one, is the one in the file. */
static int check_link_key(const struct answer *a, const char *file, struct error_list *err)
{
    char wanted[LINK_KEY_TEXT_LEN + 1], is[LINK_KEY_TEXT_LEN + 1];
    int r = x509_certificate_link_key(a->cert, wanted);
    EVP_PKEY *key = NULL;

    if (r == 0)
        return 0; /* of an authority that knows nothing of such keys */
    if (r == 1)
        r = key_read(file, &key, err);
    if (r == 1 && x509_link_key_text(key, is) && strcmp(wanted, is) == 0)
        r = 0;
    else if (r >= 0 || r == -EINVAL)
        r = error_add(err, a->file, 0, NULL,
                      "the certificate is for another link key than the one in %s; have the "
                      "request of this gateway answered",
                      file);
    EVP_PKEY_free(key);
    return r;
}

/* For which keys it is, and that it is for this gateway. */
static int check_answer(struct answer *a, const char *keys, const char *common,
                        struct error_list *err)
{
    _cleanup_free_ char *key_file = xasprintf("%s/" KEY_FILE, keys);
    _cleanup_free_ char *new_file = xasprintf("%s/" KEY_FILE NEW_ENDING, keys);
    _cleanup_free_ char *request_file = xasprintf("%s/gateway.csr", keys);
    _cleanup_free_ char *ca_file = xasprintf("%s/ca.crt", keys), *link_file = NULL;
    char gateway[X509_COMMON_NAME_MAX + 1];
    int fresh = is_for_key(a, new_file, err), fits, r;

    fits = fresh == 0 ? is_for_key(a, key_file, err) : fresh;
    r = fits < 0 ? fits : key_requested_name(request_file, gateway, err);
    if (r == 0 || (r == 1 && access(key_file, F_OK) < 0 && access(new_file, F_OK) < 0))
        r = error_add(err, keys, 0, NULL,
                      "there is no key that this could be the answer for; make one with "
                      "'p2pvpn-agent enroll --gateway NAME'");
    else if (r == 1 && fits == 0)
        r = error_add(err, a->file, 0, NULL,
                      "the certificate is for another key than this gateway's; have the request "
                      "of this gateway answered, %s",
                      request_file);
    else if (r == 1 && !key_name_fits(common, gateway))
        r = error_add(err, a->file, 0, NULL,
                      "the certificate is for '%s', and this is gateway '%s'; have the request of "
                      "this gateway answered, %s",
                      common, gateway, request_file);
    if (r < 0)
        return r;
    a->fresh = fresh;
    link_file = xasprintf("%s/" LINK_FILE "%s", keys, fresh ? NEW_ENDING : "");
    /* Killed after the link key had taken its place: it is no new one any more. */
    if (fresh && access(link_file, F_OK) < 0)
        link_file[strlen(link_file) - strlen(NEW_ENDING)] = '\0';
    r = check_link_key(a, link_file, err);
    if (r == 0)
        r = check_chain(a, err);
    return r == 0 ? check_authorities(a, ca_file, err) : r;
}

static int install_certificates(const char *file, X509 *const *certs, size_t n,
                                struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    for (size_t i = 0; i < n; i++)
        if (!x509_add_certificate(&text, certs[i]))
            return x509_failed(err, file, "cannot write the certificate");
    return fs_write_if_changed(file, buf_cstr(&text), text.len, 0644, NULL, err);
}

/* The new key in the place of the old one. */
static int replace_key(const char *keys, const char *name, struct error_list *err)
{
    _cleanup_free_ char *to = xasprintf("%s/%s", keys, name);
    _cleanup_free_ char *from = xasprintf("%s" NEW_ENDING, to);

    return rename(from, to) == 0 || errno == ENOENT
               ? 0
               : error_sys(err, errno, to, "cannot put the new key in the place of the old one");
}

/* The TLS key comes last of the keys: killed before that, the same answer is installed again. */
static int install(const struct answer *a, const char *keys, struct error_list *err)
{
    _cleanup_free_ char *ca_file = xasprintf("%s/ca.crt", keys);
    _cleanup_free_ char *cert_file = xasprintf("%s/gateway.crt", keys);
    int r = a->fresh ? replace_key(keys, LINK_FILE, err) : 0;

    if (r == 0 && a->fresh)
        r = replace_key(keys, KEY_FILE, err);
    if (r == 0)
        r = install_certificates(ca_file, a->ca, a->n_ca, err);
    return r == 0 ? install_certificates(cert_file, &a->cert, 1, err) : r;
}

static void format_time(const ASN1_TIME *time, char *ret, size_t size)
{
    struct tm tm = {0};

    ASN1_TIME_to_tm(time, &tm);
    if (strftime(ret, size, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        ret[0] = '\0';
}

int key_install(const char *keys, const char *answer_file, struct key_installed *ret,
                struct error_list *err)
{
    _cleanup_free_ char *cert_file = xasprintf("%s/gateway.crt", keys);
    struct error_list ignored = ERROR_LIST_INIT;
    struct answer a = {.file = answer_file};
    char common[X509_COMMON_NAME_MAX + 1];
    int r = read_answer(&a, err);

    *ret = (struct key_installed){0};
    if (r == 0) {
        x509_common_name(X509_get_subject_name(a.cert), common);
        r = check_answer(&a, keys, common, err);
    }
    if (r == 0) {
        ret->changed = compare_file(cert_file, a.cert, &ignored) != 1;
        r = install(&a, keys, err);
    }
    if (r == 0) {
        ret->common_name = xstrdup(common);
        format_time(X509_get0_notAfter(a.cert), ret->not_after, sizeof(ret->not_after));
    }
    error_clear(&ignored);
    answer_clear(&a);
    return r;
}

void key_installed_clear(struct key_installed *installed)
{
    free(installed->common_name);
    installed->common_name = NULL;
}
