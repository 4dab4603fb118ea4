/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/link_secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "agent/key.h"
#include "agent/worker.h"
#include "common/alloc.h"
#include "common/fs.h"
#include "common/link_key.h"
#include "common/x509.h"

#define BEGIN "-----BEGIN OpenVPN Static key V1-----\n"
#define END "-----END OpenVPN Static key V1-----\n"
#define LINE 16 /* bytes */

/* --- the secret ------------------------------------------------------------------------------- */

void link_secret_text(const uint8_t secret[static LINK_SECRET_LEN], struct buf *ret)
{
    buf_reserve(ret, sizeof(BEGIN) + sizeof(END) + LINK_SECRET_LEN * 2 + LINK_SECRET_LEN / LINE);
    buf_str(ret, BEGIN);
    for (size_t i = 0; i < LINK_SECRET_LEN; i++)
        buf_printf(ret, "%02x%s", secret[i], i % LINE == LINE - 1 ? "\n" : "");
    buf_str(ret, END);
}

/* Fails for a public key that gives zero whatever the private one is (RFC 7748, 6.1). */
static bool agree(const uint8_t own[static LINK_KEY_LEN], const uint8_t peer[static LINK_KEY_LEN],
                  uint8_t ret[static LINK_KEY_LEN])
{
    EVP_PKEY *mine = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, own, LINK_KEY_LEN);
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, peer, LINK_KEY_LEN);
    EVP_PKEY_CTX *ctx = mine ? EVP_PKEY_CTX_new(mine, NULL) : NULL;
    size_t n = LINK_KEY_LEN;
    bool ok = ctx && theirs && EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer(ctx, theirs) == 1 && EVP_PKEY_derive(ctx, ret, &n) == 1 &&
              n == LINK_KEY_LEN;

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    return ok;
}

static bool expand(uint8_t shared[static LINK_KEY_LEN], const struct buf *info,
                   uint8_t ret[static LINK_SECRET_LEN])
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, shared, LINK_KEY_LEN),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info->data, info->len),
        OSSL_PARAM_construct_end(),
    };
    bool ok = ctx && EVP_KDF_derive(ctx, ret, LINK_SECRET_LEN, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

bool link_secret_derive(const uint8_t own[static LINK_KEY_LEN],
                        const uint8_t peer[static LINK_KEY_LEN], const struct buf *info,
                        uint8_t ret[static LINK_SECRET_LEN])
{
    uint8_t shared[LINK_KEY_LEN];
    bool ok = agree(own, peer, shared) && expand(shared, info, ret);

    OPENSSL_cleanse(shared, sizeof(shared));
    return ok;
}

/* --- its file --------------------------------------------------------------------------------- */

/* Root's, and the links' group's: its folder gives it that group, where we may not (key.h). */
static int write_file(const struct settings *s, const char *path, const struct buf *text,
                      struct error_list *err)
{
    _cleanup_free_ char *temporary = xasprintf("%s.new-XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC), r = 0; /* 0600 */
    struct stat st;

    if (fd < 0)
        return error_sys(err, errno, path, "cannot make the file of the link's key");
    r = fs_write_fd(fd, text->data, text->len);
    if (r == 0 && fstat(fd, &st) == 0 && st.st_gid != s->link_gid &&
        fchown(fd, (uid_t)-1, s->link_gid) < 0)
        r = -errno;
    if (r == 0 && fchmod(fd, 0640) < 0)
        r = -errno;
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    close(fd);
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temporary);
        return error_sys(err, -r, path, "cannot write the link's key");
    }
    return 0;
}

static bool is_there(const char *keys, const char *file)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", keys, file);

    return access(path, F_OK) == 0;
}

/* --- in the worker ---------------------------------------------------------------------------- */

struct job {
    const struct settings *settings;
    const struct bundle *bundle;
    const char *keys;
};

static int make_one(const struct job *job, const uint8_t own[static LINK_KEY_LEN],
                    const struct bundle_link *link, struct error_list *err)
{
    _cleanup_buf_ struct buf info = BUF_INIT;
    uint8_t peer[LINK_KEY_LEN], secret[LINK_SECRET_LEN];
    _cleanup_free_ char *path = NULL;
    char file[LINK_KEY_FILE_SIZE];
    struct buf text = BUF_INIT;
    int r;

    if (!link_key_of(job->bundle, link, &info, file) || is_there(job->keys, file))
        return 0;
    path = xasprintf("%s/%s", job->keys, file);
    if (!link_key_parse(link->peer_link_key, peer) || !link_secret_derive(own, peer, &info, secret))
        return error_add(
            err, NULL, 0, NULL,
            "no key for link %s can be made from the link key of its peer %s, which is "
            "none: have that gateway enrolled again",
            link->interface, link->peer);
    link_secret_text(secret, &text);
    r = write_file(job->settings, path, &text, err);
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(text.data, text.cap);
    buf_free(&text);
    return r;
}

static int make_all(void *arg, struct error_list *err)
{
    const struct job *job = arg;
    uint8_t own[LINK_KEY_LEN];
    int r = key_check_link(job->keys, job->bundle->link_key, err), q;

    if (r == 0)
        r = key_link_private(job->keys, own, err);
    for (size_t i = 0; r == 0 && i < job->bundle->n_links; i++) {
        q = make_one(job, own, &job->bundle->links[i], err);
        r = q < 0 ? q : r;
    }
    OPENSSL_cleanse(own, sizeof(own));
    return r;
}

/* --- in the agent ----------------------------------------------------------------------------- */

static bool any_missing(const struct bundle *b, const char *keys)
{
    _cleanup_buf_ struct buf info = BUF_INIT;
    char file[LINK_KEY_FILE_SIZE];

    for (size_t i = 0; i < b->n_links; i++) {
        buf_reset(&info);
        if (link_key_of(b, &b->links[i], &info, file) && !is_there(keys, file))
            return true;
    }
    return false;
}

int link_secrets_make(const struct settings *s, const struct bundle *b, struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    struct job job = {s, b, keys};

    return b->link_key && any_missing(b, keys) ? worker_do(make_all, &job, err) : 0;
}

static bool is_needed(const struct bundle *b, const char *name)
{
    _cleanup_buf_ struct buf info = BUF_INIT;
    char file[LINK_KEY_FILE_SIZE];
    size_t len;

    for (size_t i = 0; b && i < b->n_links; i++) {
        len = strlen(b->links[i].interface);
        if (strncmp(name, b->links[i].interface, len) != 0 || name[len] != '-')
            continue;
        buf_reset(&info);
        if (link_key_of(b, &b->links[i], &info, file) &&
            strcmp(file + strlen(LINK_KEY_DIR "/"), name) == 0)
            return true;
    }
    return false;
}

void link_secrets_sweep(const struct settings *s, const struct bundle *b,
                        const struct bundle *before)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    _cleanup_free_ char *folder = xasprintf("%s/" LINK_KEY_DIR, keys);
    struct dirent *entry;
    DIR *d = opendir(folder);

    while (d && (entry = readdir(d)))
        if (entry->d_name[0] != '.' && !is_needed(b, entry->d_name) &&
            !is_needed(before, entry->d_name))
            unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
}
