/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/repo_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tuf/repo_root.h"

#define PEM_MAX 16384

void repo_key_name(enum tuf_type type, unsigned number, char ret[static REPO_KEY_NAME_SIZE])
{
    if (type == TUF_ROOT)
        snprintf(ret, REPO_KEY_NAME_SIZE, "root-%u", number);
    else
        snprintf(ret, REPO_KEY_NAME_SIZE, "%s", tuf_type_name(type));
}

bool repo_key_secret(enum tuf_type type)
{
    return type == TUF_ROOT || type == TUF_TARGETS;
}

static char *path_of(const char *dir, const char *name, bool next)
{
    return xasprintf("%s/%s%s.pem", dir, name, next ? ".next" : "");
}

static void wipe(struct buf *text)
{
    if (text->data)
        explicit_bzero(text->data, text->cap);
    buf_free(text);
}

static int parse(const char *path, const struct buf *text, struct passphrase *passphrase,
                 struct repo_key *ret, struct error_list *err)
{
    bool encrypted = tuf_pem_encrypted(buf_cstr(text));
    json_t *key;
    int r;

    if (encrypted && !passphrase)
        return error_add(err, path, 0, NULL, "the key is encrypted, and there is no passphrase");
    r = encrypted ? passphrase_get(passphrase, false, err) : 0;
    if (r < 0)
        return r;
    if (!tuf_seed_from_pem(buf_cstr(text), text->len, encrypted ? passphrase->text : NULL,
                           ret->seed.bytes))
        return error_add(err, path, 0, NULL,
                         encrypted ? "the passphrase is wrong, or this is no Ed25519 key in PEM "
                                     "form"
                                   : "this is no Ed25519 key in PEM form");
    key = tuf_seed_public(ret->seed.bytes, ret->keyid);
    if (!key)
        return error_add(err, path, 0, NULL, "OpenSSL cannot use this key");
    json_decref(key);
    ret->there = true;
    return 0;
}

int repo_key_read(const char *dir, const char *name, bool next, struct passphrase *passphrase,
                  struct repo_key *ret, struct error_list *err)
{
    _cleanup_free_ char *path = path_of(dir, name, next);
    struct buf text = BUF_INIT;
    int r;

    *ret = (struct repo_key){.there = false};
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    r = fs_read(path, PEM_MAX, &text, err);
    if (r == 0)
        r = parse(path, &text, passphrase, ret, err);
    wipe(&text);
    return r;
}

/* 1: the key in the file is encrypted, or nobody can say; 0: it is not; -ENOENT: there is none. */
static int file_encrypted(const char *path)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct buf text = BUF_INIT;
    int r;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return -ENOENT;
    r = fs_read(path, PEM_MAX, &text, &ignored) < 0 || tuf_pem_encrypted(buf_cstr(&text));
    wipe(&text);
    error_clear(&ignored);
    return r;
}

bool repo_keys_plain(const char *dir)
{
    bool found = false;

    for (unsigned i = 0; i <= REPO_ROOT_KEYS_MAX; i++) {
        char name[REPO_KEY_NAME_SIZE];

        repo_key_name(i ? TUF_ROOT : TUF_TARGETS, i, name);
        for (int next = 0; next < 2; next++) {
            _cleanup_free_ char *path = path_of(dir, name, next);
            int r = file_encrypted(path);

            if (r > 0)
                return false;
            found |= r == 0;
        }
    }
    return found;
}

int repo_key_make(const char *dir, const char *name, bool next, bool secret,
                  struct passphrase *passphrase, struct repo_key *ret, struct error_list *err)
{
    _cleanup_free_ char *path = path_of(dir, name, next);
    struct buf text = BUF_INIT;
    int r = repo_key_read(dir, name, next, passphrase, ret, err);

    secret = secret && passphrase;
    if (r < 0 || ret->there)
        return r;
    r = secret ? passphrase_get(passphrase, true, err) : 0;
    if (r == 0 && (!tuf_seed_generate(ret->seed.bytes) ||
                   !tuf_seed_to_pem(ret->seed.bytes, secret ? passphrase->text : NULL, &text)))
        r = error_add(err, path, 0, NULL, "OpenSSL cannot make an Ed25519 key");
    if (r == 0)
        r = fs_write(path, buf_cstr(&text), text.len, 0600, err);
    if (r == 0) {
        json_decref(tuf_seed_public(ret->seed.bytes, ret->keyid));
        ret->there = true;
    }
    wipe(&text);
    return r;
}

bool repo_key_waits(const char *dir, const char *name)
{
    _cleanup_free_ char *path = path_of(dir, name, true);

    return access(path, F_OK) == 0;
}

int repo_key_give_up(const char *dir, const char *name, struct error_list *err)
{
    _cleanup_free_ char *path = path_of(dir, name, true);

    return unlink(path) < 0 && errno != ENOENT ? error_sys(err, errno, path, "cannot remove it")
                                               : 0;
}

static int promote(const char *dir, const char *name, struct error_list *err)
{
    _cleanup_free_ char *from = path_of(dir, name, true);
    _cleanup_free_ char *to = path_of(dir, name, false);

    return rename(from, to) < 0 ? error_sys(err, errno, from, "cannot rename it") : 0;
}

static bool is_named(const json_t *root, enum tuf_type type, unsigned number,
                     const struct repo_key *key)
{
    const char *keyid = NULL;

    tuf_root_key(root, type, number - 1, &keyid);
    return key->there && keyid && strcmp(keyid, key->keyid) == 0;
}

int repo_key_promote(const char *dir, const json_t *root, enum tuf_type type, unsigned number,
                     struct passphrase *passphrase, struct error_list *err)
{
    char name[REPO_KEY_NAME_SIZE];
    struct repo_key key;
    int r;

    repo_key_name(type, number, name);
    r = repo_key_read(dir, name, true, passphrase, &key, err);
    if (r == 0 && is_named(root, type, number, &key))
        r = promote(dir, name, err);
    repo_key_wipe(&key);
    return r;
}

int repo_key_named(const char *dir, const json_t *root, enum tuf_type type, unsigned number,
                   struct passphrase *passphrase, struct repo_key *ret, struct error_list *err)
{
    char name[REPO_KEY_NAME_SIZE];
    int r;

    repo_key_name(type, number, name);
    r = repo_key_read(dir, name, false, passphrase, ret, err);
    if (r < 0 || is_named(root, type, number, ret))
        return r;
    r = repo_key_read(dir, name, true, passphrase, ret, err);
    if (r == 0 && is_named(root, type, number, ret))
        return promote(dir, name, err);
    repo_key_wipe(ret);
    return r < 0 ? r
                 : error_add(err, dir, 0, NULL,
                             "there is no %s.pem that the root of the repository names; are these "
                             "its keys (--keys)?",
                             name);
}

json_t *repo_key_public(const struct repo_key *key)
{
    char keyid[TUF_KEYID_LEN + 1];
    json_t *ret = tuf_seed_public(key->seed.bytes, keyid);

    if (!ret)
        abort();
    return ret;
}

void repo_key_wipe(struct repo_key *key)
{
    explicit_bzero(key, sizeof(*key));
}
