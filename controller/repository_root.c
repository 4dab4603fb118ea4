/* SPDX-License-Identifier: Apache-2.0 */
/* The next root: other keys, signed here or elsewhere, and brought into place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/repository_internal.h"
#include "tuf/repo_read.h"
#include "tuf/repo_root.h"

#define ROOT_FILE_MAX ((size_t)512 << 10)

static char *draft_path(const struct repository *r)
{
    return xasprintf("%s/" REPO_NEXT_ROOT, r->o->dir);
}

/* The root that waits for signatures; *ret NULL: there is none, or it is in place already. */
static int read_draft(const struct repository *r, json_t **ret, struct error_list *err)
{
    struct tuf_error te;

    if (tuf_repo_read(r->o->dir, REPO_NEXT_ROOT, ret, &te) != TUF_OK)
        return repository_fail(r, &te, err);
    if (*ret && tuf_repo_version_of(tuf_repo_body_of(*ret)) !=
                    tuf_repo_version_of(tuf_repo_body_of(r->root)) + 1) {
        json_decref(*ret);
        *ret = NULL;
    }
    return 0;
}

static int write_root(const char *path, const json_t *root, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    tuf_root_text(root, &text);
    return fs_write(path, buf_cstr(&text), text.len, 0644, err);
}

/* --- the next keys
 * ----------------------------------------------------------------------------- */

/* How many keys of a role may lie in the folder. */
static unsigned places(enum tuf_type type)
{
    return type == TUF_ROOT ? REPO_ROOT_KEYS_MAX : 1;
}

/* NAME.next.pem becomes NAME.pem for what is here and the root names; what is elsewhere is renamed
 * there.  Opens every next key, so that with the passphrase of another this fails, not a later
 * step. */
static int promote_all(const struct repository *r, const json_t *root, struct error_list *err)
{
    int e = 0;

    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        for (unsigned i = 1; i <= places(t) && e == 0; i++)
            e = repo_key_promote(r->o->keys, root, t, i, r->o->passphrase, err);
    return e;
}

/* The keys of a role that are here can be opened: what is made beside them gets no passphrase that
 * was mistyped. */
static int open_all(const struct repository *r, enum tuf_type type, struct error_list *err)
{
    int e = 0;

    for (unsigned i = 1; i <= places(type) && e == 0; i++) {
        char name[REPO_KEY_NAME_SIZE];
        struct repo_key key;

        repo_key_name(type, i, name);
        e = repo_key_read(r->o->keys, name, false, r->o->passphrase, &key, err);
        repo_key_wipe(&key);
    }
    return e;
}

/* Which next keys there are: of a rotation that was given up, before this one makes its own. */
struct next_keys {
    bool there[TUF_TYPES][REPO_ROOT_KEYS_MAX];
};

static void look_for_next(const struct repository *r, struct next_keys *ret)
{
    *ret = (struct next_keys){.there = {{false}}};
    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        for (unsigned i = 1; i <= places(t); i++) {
            char name[REPO_KEY_NAME_SIZE];

            repo_key_name(t, i, name);
            ret->there[t][i - 1] = repo_key_waits(r->o->keys, name);
        }
}

/* Removes those that were made since: no file names them. */
static void remove_made(const struct repository *r, const struct next_keys *before,
                        struct error_list *err)
{
    struct next_keys now;

    look_for_next(r, &now);
    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        for (unsigned i = 1; i <= places(t); i++) {
            char name[REPO_KEY_NAME_SIZE];

            repo_key_name(t, i, name);
            if (now.there[t][i - 1] && !before->there[t][i - 1])
                repo_key_give_up(r->o->keys, name, err);
        }
}

/* --- signing
 * ----------------------------------------------------------------------------------- */

/* Signs with every key of a root that is in the folder.  Adds the names to `who`, if not NULL. */
static int sign_with_all(const char *keys, struct passphrase *passphrase, json_t *root,
                         struct buf *who, struct error_list *err)
{
    int e = 0;

    for (unsigned i = 0; i < 2 * REPO_ROOT_KEYS_MAX && e == 0; i++) {
        char name[REPO_KEY_NAME_SIZE];
        struct repo_key key;
        bool next = i % 2;

        repo_key_name(TUF_ROOT, i / 2 + 1, name);
        e = repo_key_read(keys, name, next, passphrase, &key, err);
        if (e == 0 && key.there) {
            tuf_root_sign(root, &key.seed);
            if (who)
                buf_printf(who, "%s%s%s", who->len ? ", " : "", name, next ? ".next" : "");
        }
        repo_key_wipe(&key);
    }
    return e;
}

int repository_sign(const char *file, const char *keys, struct passphrase *passphrase,
                    struct buf *who, struct buf *what, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct tuf_metadata *checked = NULL;
    struct tuf_error te;
    json_t *root = NULL;
    int e = fs_read(file, ROOT_FILE_MAX, &text, err);

    if (e < 0)
        return e;
    if (tuf_metadata_parse(buf_cstr(&text), text.len, TUF_ROOT, &checked, &te) != TUF_OK)
        return error_add(err, file, 0, NULL, "this is no root to be signed: %s", te.text);
    root = json_deep_copy(checked->doc);
    e = sign_with_all(keys, passphrase, root, who, err);
    if (e == 0 && who->len == 0)
        e = error_add(err, keys, 0, NULL, "there is no root-1.pem, root-2.pem, ... in this folder");
    if (e == 0)
        e = write_root(file, root, err);
    if (e == 0)
        repository_describe_root(root, what);
    json_decref(root);
    tuf_metadata_free(checked);
    return e;
}

void repository_describe_root(const json_t *root, struct buf *ret)
{
    const json_t *body = tuf_repo_body_of(root);

    buf_printf(
        ret, "root version %lld, until %s; %lld of its %zu keys must sign, %zu signature%s\n",
        (long long)tuf_repo_version_of(body), json_string_value(json_object_get(body, "expires")),
        (long long)tuf_root_threshold(root, TUF_ROOT), tuf_root_n_keys(root, TUF_ROOT),
        json_array_size(json_object_get(root, "signatures")),
        json_array_size(json_object_get(root, "signatures")) == 1 ? "" : "s");
    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        for (size_t i = 0; i < tuf_root_n_keys(root, t); i++) {
            const char *keyid;

            tuf_root_key(root, t, i, &keyid);
            buf_printf(ret, "  %s%s %.16s\n", tuf_type_name(t), t == TUF_ROOT ? " key" : "", keyid);
        }
}

/* --- the draft
 * --------------------------------------------------------------------------------- */

/* "targets", "root-2": false, it is no key of this root. */
static bool find_role(const json_t *root, const char *name, enum tuf_type *type, unsigned *number)
{
    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        for (unsigned i = 1; i <= tuf_root_n_keys(root, t); i++) {
            char known[REPO_KEY_NAME_SIZE];

            repo_key_name(t, i, known);
            if (strcmp(known, name) == 0) {
                *type = t;
                *number = i;
                return true;
            }
        }
    return false;
}

/* The passphrase of new keys, NULL: they get none, as those that are there have none and nobody
 * says otherwise with a file. */
static struct passphrase *of_new_keys(const struct repository *r)
{
    struct passphrase *p = r->o->passphrase;

    return p && (p->file || !repo_keys_plain(r->o->keys)) ? p : NULL;
}

/* The keys of the role in the draft become: those that it has, but `fresh` (from 1; 0: none) a new
 * one, and as many as `n`, the further ones new. */
static int set_keys(struct repository *r, json_t *draft, enum tuf_type type, unsigned fresh,
                    unsigned n, unsigned threshold, struct error_list *err)
{
    json_t *keys[REPO_ROOT_KEYS_MAX] = {NULL};
    struct passphrase *p = of_new_keys(r);
    unsigned made = 0;
    int e = 0;

    for (; made < n && e == 0; made++) {
        const json_t *known = tuf_root_key(draft, type, made, NULL);
        char name[REPO_KEY_NAME_SIZE];
        struct repo_key key = {.there = false};

        repo_key_name(type, made + 1, name);
        if (known && made + 1 != fresh) {
            keys[made] = json_deep_copy(known);
            continue;
        }
        e = repo_key_make(r->o->keys, name, true, repo_key_secret(type), p, &key, err);
        if (e < 0)
            break;
        keys[made] = repo_key_public(&key);
        repo_key_wipe(&key);
    }
    if (e == 0)
        tuf_root_set_keys(draft, type, (const json_t *const *)keys, n, threshold);
    while (made > 0)
        json_decref(keys[--made]);
    return e;
}

static int change(struct repository *r, json_t *draft, const char *role, unsigned root_keys,
                  unsigned threshold, struct error_list *err)
{
    unsigned n = root_keys ? root_keys : (unsigned)tuf_root_n_keys(draft, TUF_ROOT), number = 0;
    enum tuf_type type = TUF_ROOT;
    int e = 0;

    if (!threshold)
        threshold = (unsigned)tuf_root_threshold(draft, TUF_ROOT);
    if (threshold > n || n > REPO_ROOT_KEYS_MAX)
        return error_add(err, r->o->dir, 0, NULL,
                         "%u of %u root keys cannot sign; choose other numbers with --root-keys "
                         "and --root-threshold",
                         threshold, n);
    if (role && !find_role(draft, role, &type, &number))
        return error_add(err, r->o->dir, 0, NULL,
                         "there is no key '%.40s'; there are root-1 to root-%zu, targets, "
                         "snapshot and timestamp",
                         role, tuf_root_n_keys(draft, TUF_ROOT));
    e = open_all(r, TUF_ROOT, err);
    if (e == 0 && type != TUF_ROOT && repo_key_secret(type))
        e = open_all(r, type, err);
    if (e == 0 && type != TUF_ROOT)
        e = set_keys(r, draft, type, 1, 1, 1, err);
    return e == 0 ? set_keys(r, draft, TUF_ROOT, type == TUF_ROOT ? number : 0, n, threshold, err)
                  : e;
}

/* --- into place
 * -------------------------------------------------------------------------------- */

/* Whether root and draft name different keys for a role. */
static bool differs(const json_t *root, const json_t *draft, enum tuf_type type)
{
    const char *was = NULL, *now = NULL;

    tuf_root_key(root, type, 0, &was);
    tuf_root_key(draft, type, 0, &now);
    return !was || !now || strcmp(was, now) != 0;
}

/* The keys with which what is published is signed once more, so that it holds under both roots.
 * A key that is lost cannot sign; the new one then signs alone. */
static int load_both(struct repository *r, const json_t *draft, enum tuf_type type,
                     struct tuf_seed *next, struct error_list *err)
{
    struct error_list lost = ERROR_LIST_INIT;
    char name[REPO_KEY_NAME_SIZE];
    const char *keyid = NULL;
    struct repo_key key;
    int e;

    if (!differs(r->root, draft, type))
        return repository_key(r, type, err);
    repo_key_name(type, 1, name);
    tuf_root_key(draft, type, 0, &keyid);
    e = repo_key_read(r->o->keys, name, true, r->o->passphrase, &key, err);
    if (e == 0 && (!key.there || strcmp(key.keyid, keyid) != 0))
        e = error_add(err, r->o->keys, 0, NULL,
                      "there is no %s.next.pem that the next root names; are these its keys "
                      "(--keys)?",
                      name);
    if (e == 0)
        *next = key.seed;
    repo_key_wipe(&key);
    if (e < 0)
        return e;
    if (repository_key(r, type, &lost) == 0)
        r->tuf.next[type] = next;
    else
        r->tuf.seeds[type] = *next;
    error_clear(&lost);
    return 0;
}

/* What is published, signed anew, with the same targets. */
static enum tuf_code publish_again(struct repository *r, struct tuf_error *te)
{
    json_t *timestamp = NULL, *snapshot = NULL, *all = NULL, *value;
    struct tuf_repo_file *files = NULL;
    enum tuf_code code = tuf_repo_read_state(r->metadata, &timestamp, &snapshot, te);
    const char *path;
    size_t n = 0;

    if (code == TUF_OK)
        code = tuf_repo_read_bins(r->metadata, snapshot, &r->tuf.bins, te);
    if (code == TUF_OK)
        code = tuf_repo_read_targets(r->metadata, snapshot, &all, NULL, te);
    files = xcalloc(json_object_size(all) + 1, sizeof(*files));
    json_object_foreach(all, path, value)
    {
        json_t *hash = json_object_get(json_object_get(value, "hashes"), "sha256");

        files[n++] = (struct tuf_repo_file){
            .path = path,
            .len = (size_t)json_integer_value(json_object_get(value, "length")),
            .sha256 = json_string_value(hash),
        };
    }
    if (code == TUF_OK && snapshot)
        code = tuf_repo_publish(&r->tuf, files, n, tuf_repo_version_of(tuf_repo_body_of(snapshot)),
                                te);
    free(files);
    json_decref(all);
    json_decref(timestamp);
    json_decref(snapshot);
    return code;
}

/* Signed by both keys before the root names the new one: clients see no moment at which it does not
 * hold. */
static int sign_published(struct repository *r, const json_t *draft, struct error_list *err)
{
    struct tuf_seed next[TUF_TYPES];
    struct tuf_error te;
    bool any = false;
    int e = 0;

    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        any = any || (t != TUF_ROOT && differs(r->root, draft, t));
    if (!any)
        return 0;
    for (enum tuf_type t = 0; t < TUF_TYPES && e == 0; t++)
        if (t != TUF_ROOT)
            e = load_both(r, draft, t, &next[t], err);
    if (e == 0 && publish_again(r, &te) != TUF_OK)
        e = repository_fail(r, &te, err);
    memset(r->tuf.next, 0, sizeof(r->tuf.next));
    explicit_bzero(next, sizeof(next));
    return e;
}

static int finish(struct repository *r, const json_t *draft, struct error_list *err)
{
    _cleanup_free_ char *path = draft_path(r);
    struct tuf_error te;
    int e = sign_published(r, draft, err);

    if (e == 0 && tuf_repo_put_root(&r->tuf, draft, &te) != TUF_OK)
        e = repository_fail(r, &te, err);
    if (e == 0)
        e = promote_all(r, draft, err);
    if (e == 0 && unlink(path) < 0 && errno != ENOENT)
        e = error_sys(err, errno, path, "cannot remove it");
    return e;
}

/* Brings the draft into place if enough have signed it; else says what is missing. */
static int try_finish(struct repository *r, const json_t *draft, bool must,
                      struct repository_result *ret, struct error_list *err)
{
    struct tuf_error te;
    enum tuf_code code = tuf_root_check(r->root, draft, &te);

    if (code == TUF_OK)
        return finish(r, draft, err);
    if (code != TUF_THRESHOLD || must)
        return repository_fail(r, &te, err);
    ret->root_waits = true;
    error_add(&ret->warnings, r->o->dir, 0, NULL,
              "the next root waits in " REPO_NEXT_ROOT ": %s; sign it where the keys are with "
              "'p2pvpn-ctl repo sign', then run 'p2pvpn-ctl repo rotate --finish'",
              te.text);
    return 0;
}

/* The next root, changed as was asked and signed with the keys that are here.  When this fails no
 * key stays that was made for it. */
static int make_draft(struct repository *r, json_t *draft, const char *role, unsigned root_keys,
                      unsigned threshold, struct error_list *err)
{
    struct next_keys before;
    int e;

    look_for_next(r, &before);
    e = change(r, draft, role, root_keys, threshold, err);
    if (e == 0)
        e = sign_with_all(r->o->keys, r->o->passphrase, draft, NULL, err);
    if (e < 0)
        remove_made(r, &before, err);
    return e;
}

int repository_rotate(const struct repository_options *o, const char *role, unsigned root_keys,
                      unsigned threshold, struct repository_result *ret, struct error_list *err)
{
    _cleanup_free_ char *path = NULL;
    struct repository r;
    json_t *draft = NULL;
    int e = repository_open(o, false, &r, err);

    *ret = (struct repository_result){.version = 0};
    path = draft_path(&r);
    if (e == 0)
        e = read_draft(&r, &draft, err);
    if (e == 0 && draft)
        e = error_add(err, path, 0, NULL,
                      "the next root waits here for signatures; bring it in with 'p2pvpn-ctl repo "
                      "rotate --finish', or remove the file");
    if (e == 0)
        e = promote_all(&r, r.root, err);
    if (e == 0) {
        draft = tuf_root_next(r.root, r.tuf.expires[TUF_ROOT]);
        e = make_draft(&r, draft, role, root_keys, threshold, err);
    }
    if (e == 0)
        e = write_root(path, draft, err);
    if (e == 0)
        e = try_finish(&r, draft, false, ret, err);
    if (e == 0)
        e = repository_look(&r, ret, err);
    json_decref(draft);
    repository_close(&r);
    return e;
}

int repository_finish(const struct repository_options *o, struct repository_result *ret,
                      struct error_list *err)
{
    struct repository r;
    json_t *draft = NULL;
    int e = repository_open(o, false, &r, err);

    *ret = (struct repository_result){.version = 0};
    if (e == 0)
        e = read_draft(&r, &draft, err);
    if (e == 0 && !draft)
        e = error_add(err, o->dir, 0, NULL,
                      "no root waits for signatures; begin with 'p2pvpn-ctl repo rotate'");
    if (e == 0)
        e = promote_all(&r, r.root, err);
    if (e == 0)
        e = try_finish(&r, draft, true, ret, err);
    if (e == 0)
        e = repository_look(&r, ret, err);
    json_decref(draft);
    repository_close(&r);
    return e;
}
