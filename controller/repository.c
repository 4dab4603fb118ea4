/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/repository.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/repository_internal.h"
#include "controller/shrink.h"
#include "tuf/repo_prune.h"
#include "tuf/repo_read.h"
#include "tuf/repo_root.h"

#define DAY ((int64_t)86400)
#define DAYS_MAX 36500u
#define DAYS_FILE_MAX 1024
#define WARN_DAYS 30

static const unsigned default_days[TUF_TYPES] = {
    [TUF_ROOT] = 365, [TUF_TARGETS] = 90, [TUF_SNAPSHOT] = 7, [TUF_TIMESTAMP] = 1};

/* --- how long
 * ---------------------------------------------------------------------------------- */

static int read_days(const char *at, size_t n, unsigned *ret)
{
    char text[16], *end;
    unsigned long value;

    if (n == 0 || n >= sizeof(text) || at[0] < '1' || at[0] > '9')
        return -EINVAL;
    memcpy(text, at, n);
    text[n] = '\0';
    value = strtoul(text, &end, 10);
    if (*end || value > DAYS_MAX)
        return -EINVAL;
    *ret = (unsigned)value;
    return 0;
}

int repository_days(const char *text, const char *file, unsigned days[static TUF_TYPES],
                    struct error_list *err)
{
    while (*text) {
        size_t n = strcspn(text, ",\n"), name = strcspn(text, "=");
        bool known = false;

        for (enum tuf_type t = 0; t < TUF_TYPES && name < n; t++)
            if (strncmp(text, tuf_type_name(t), name) == 0 && !tuf_type_name(t)[name])
                known = read_days(text + name + 1, n - name - 1, &days[t]) == 0;
        if (!known)
            return error_add(err, file, 0, NULL,
                             "'%.*s' does not say how many days a role is valid; write for "
                             "instance root=365,targets=90,snapshot=7,timestamp=1",
                             (int)(n < 60 ? n : 60), text);
        text += n;
        text += *text == ',' || (*text == '\n' && !text[1]);
    }
    return 0;
}

static int load_days(struct repository *r, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/expires", r->o->dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int e = 0;

    memcpy(r->days, default_days, sizeof(r->days));
    if (access(path, F_OK) == 0) {
        e = fs_read(path, DAYS_FILE_MAX, &text, err);
        if (e == 0)
            e = repository_days(buf_cstr(&text), path, r->days, err);
    }
    return e == 0 && r->o->expires ? repository_days(r->o->expires, NULL, r->days, err) : e;
}

static int save_days(const struct repository *r, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/expires", r->o->dir);
    _cleanup_buf_ struct buf text = BUF_INIT;

    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        buf_printf(&text, "%s%s=%u", t ? "," : "", tuf_type_name(t), r->days[t]);
    buf_char(&text, '\n');
    return fs_write_if_changed(path, buf_cstr(&text), text.len, 0644, NULL, err);
}

/* --- open
 * -------------------------------------------------------------------------------------- */

int repository_fail(const struct repository *r, const struct tuf_error *e, struct error_list *err)
{
    error_add(err, r->o->dir, 0, NULL, "%s", e->text);
    return e->code == TUF_STORAGE ? -EIO : -EINVAL;
}

static int load_root(struct repository *r, bool make, struct error_list *err)
{
    struct tuf_error e;
    enum tuf_code code = tuf_repo_read_root(r->metadata, &r->root, &e);

    if (code == TUF_STATE)
        return make ? 0
                    : error_add(err, r->o->dir, 0, NULL,
                                "there is no repository; make one with 'p2pvpn-ctl repo init'");
    if (code != TUF_OK)
        return repository_fail(r, &e, err);
    return make ? error_add(err, r->o->dir, 0, NULL,
                            "there is a repository already, and it is never replaced")
                : 0;
}

int repository_open(const struct repository_options *o, bool make, struct repository *ret,
                    struct error_list *err)
{
    int e;

    *ret = (struct repository){.o = o, .now = time(NULL)};
    ret->metadata = xasprintf("%s/metadata", o->dir);
    ret->targets = xasprintf("%s/targets", o->dir);
    e = load_root(ret, make, err);
    if (e == 0)
        e = load_days(ret, err);
    ret->tuf.metadata_dir = ret->metadata;
    ret->tuf.target_dir = ret->targets;
    for (enum tuf_type t = 0; t < TUF_TYPES; t++) {
        ret->tuf.expires[t] = ret->now + ret->days[t] * DAY;
        ret->tuf.keep_until[t] = ret->now + ret->days[t] * DAY / 2;
    }
    return e;
}

void repository_close(struct repository *r)
{
    json_decref(r->root);
    free(r->metadata);
    free(r->targets);
    explicit_bzero(&r->tuf, sizeof(r->tuf));
}

int repository_key(struct repository *r, enum tuf_type type, struct error_list *err)
{
    struct repo_key key;
    int e = repo_key_named(r->o->keys, r->root, type, 1, r->o->passphrase, &key, err);

    if (e == 0)
        r->tuf.seeds[type] = key.seed;
    repo_key_wipe(&key);
    return e;
}

/* --- what there is
 * ------------------------------------------------------------------------------- */

static void note_expiry(const struct repository *r, enum tuf_type type, int64_t when,
                        struct repository_result *ret)
{
    int64_t before = r->days[type] * DAY / 3;
    const char *name = tuf_type_name(type);
    const char *verb = type == TUF_ROOT ? "rotate" : type == TUF_TARGETS ? "publish" : "refresh";

    ret->expires[type] = when;
    if (before > WARN_DAYS * DAY)
        before = WARN_DAYS * DAY;
    if (when <= r->now)
        error_add(&ret->warnings, r->o->dir, 0, NULL,
                  "%s has expired: gateways take nothing from here and go on with what they have; "
                  "run 'p2pvpn-ctl repo %s'",
                  name, verb);
    else if (when - r->now < before)
        error_add(&ret->warnings, r->o->dir, 0, NULL,
                  "%s expires in %d days; run 'p2pvpn-ctl repo %s'", name,
                  (int)((when - r->now) / DAY), verb);
}

static void note_file(const struct repository *r, enum tuf_type type, const json_t *file,
                      struct repository_result *ret)
{
    note_expiry(r, type, tuf_repo_expires_of(tuf_repo_body_of(file)), ret);
}

int repository_look(struct repository *r, struct repository_result *ret, struct error_list *err)
{
    json_t *root = NULL, *timestamp = NULL, *snapshot = NULL, *all = NULL;
    int64_t first = 0; /* targets.json or a bin */
    struct tuf_error e;
    enum tuf_code code = tuf_repo_read_root(r->metadata, &root, &e);

    if (code == TUF_OK)
        code = tuf_repo_read_state(r->metadata, &timestamp, &snapshot, &e);
    if (code == TUF_OK) {
        note_file(r, TUF_ROOT, root, ret);
        ret->root_version = tuf_repo_version_of(tuf_repo_body_of(root));
    }
    if (code == TUF_OK && snapshot) {
        ret->version = tuf_repo_version_of(tuf_repo_body_of(timestamp));
        note_file(r, TUF_TIMESTAMP, timestamp, ret);
        note_file(r, TUF_SNAPSHOT, snapshot, ret);
        code = tuf_repo_read_bins(r->metadata, snapshot, &ret->bins, &e);
        if (code == TUF_OK)
            code = tuf_repo_read_targets(r->metadata, snapshot, &all, &first, &e);
        if (code == TUF_OK) {
            note_expiry(r, TUF_TARGETS, first, ret);
            ret->targets = json_object_size(all);
        }
    }
    json_decref(all);
    json_decref(root);
    json_decref(timestamp);
    json_decref(snapshot);
    return code == TUF_OK ? 0 : repository_fail(r, &e, err);
}

int repository_show(const struct repository_options *o, struct repository_result *ret,
                    struct error_list *err)
{
    struct repository r;
    int e = repository_open(o, false, &r, err);

    *ret = (struct repository_result){.version = 0};
    if (e == 0)
        e = repository_look(&r, ret, err);
    repository_close(&r);
    return e;
}

void repository_result_clear(struct repository_result *result)
{
    error_clear(&result->warnings);
}

/* --- init
 * -------------------------------------------------------------------------------------- */

static int name_key(struct repository *r, json_t *root, enum tuf_type type, unsigned n,
                    unsigned threshold, struct error_list *err)
{
    json_t *keys[REPO_ROOT_KEYS_MAX];
    unsigned made = 0;
    int e = 0;

    for (unsigned i = 0; i < n && e == 0; i++) {
        char name[REPO_KEY_NAME_SIZE];
        struct repo_key key;

        repo_key_name(type, i + 1, name);
        e = repo_key_make(r->o->keys, name, false, repo_key_secret(type), r->o->passphrase, &key,
                          err);
        if (e == 0)
            keys[made++] = repo_key_public(&key);
        repo_key_wipe(&key);
    }
    if (e == 0)
        tuf_root_set_keys(root, type, (const json_t *const *)keys, n, threshold);
    while (made > 0)
        json_decref(keys[--made]);
    return e;
}

static int sign_first(struct repository *r, json_t *root, unsigned n, struct error_list *err)
{
    int e = 0;

    for (unsigned i = 0; i < n && e == 0; i++) {
        char name[REPO_KEY_NAME_SIZE];
        struct repo_key key;

        repo_key_name(TUF_ROOT, i + 1, name);
        e = repo_key_read(r->o->keys, name, false, r->o->passphrase, &key, err);
        if (e == 0)
            tuf_root_sign(root, &key.seed);
        repo_key_wipe(&key);
    }
    return e;
}

int repository_init(const struct repository_options *o, unsigned root_keys, unsigned threshold,
                    struct repository_result *ret, struct error_list *err)
{
    struct repository r;
    json_t *root = NULL;
    struct tuf_error te;
    int e = repository_open(o, true, &r, err);

    *ret = (struct repository_result){.version = 0};
    if (e == 0)
        e = fs_mkdirs(o->keys, 0700, err);
    if (e == 0)
        root = tuf_root_first(r.tuf.expires[TUF_ROOT]);
    for (enum tuf_type t = 0; t < TUF_TYPES && e == 0; t++)
        e = name_key(&r, root, t, t == TUF_ROOT ? root_keys : 1, t == TUF_ROOT ? threshold : 1,
                     err);
    if (e == 0)
        e = sign_first(&r, root, root_keys, err);
    if (e == 0)
        e = fs_mkdirs(r.metadata, 0755, err);
    if (e == 0)
        e = fs_mkdirs(r.targets, 0755, err);
    if (e == 0)
        e = save_days(&r, err);
    if (e == 0 && tuf_repo_put_root(&r.tuf, root, &te) != TUF_OK)
        e = repository_fail(&r, &te, err);
    if (e == 0)
        e = repository_look(&r, ret, err);
    json_decref(root);
    repository_close(&r);
    return e;
}

/* --- publish
 * ----------------------------------------------------------------------------------- */

unsigned repository_bins(unsigned now, size_t targets)
{
    return now > 0 ? now : targets > REPO_BINS_FROM ? REPO_BIN_BITS : 0;
}

static int publishing_keys(struct repository *r, struct error_list *err)
{
    int e = 0;

    for (enum tuf_type t = 0; t < TUF_TYPES && e == 0; t++)
        if (t != TUF_ROOT)
            e = repository_key(r, t, err);
    return e;
}

int repository_begin(const struct repository_options *o, int64_t *ret, struct error_list *err)
{
    struct repository r;
    struct tuf_error te;
    int e = repository_open(o, false, &r, err);

    if (e == 0)
        e = publishing_keys(&r, err);
    if (e == 0 && tuf_repo_seen(&r.tuf, ret, &te) != TUF_OK)
        e = repository_fail(&r, &te, err);
    repository_close(&r);
    return e;
}

/* What was published and what comes: counted, and too much must not go. */
static int compare(struct repository *r, const json_t *before, const struct tuf_repo_file *files,
                   size_t n, struct repository_result *ret, struct error_list *err)
{
    json_t *gone = json_copy((json_t *)before), *value;
    struct shrink shrink = {.gateways.before = 0};
    struct shrink_part *part = &shrink.gateways;
    const char *path;

    for (size_t i = 0; i < n; i++) {
        const json_t *was = json_object_get(before, files[i].path);
        const char *hash =
            json_string_value(json_object_get(json_object_get(was, "hashes"), "sha256"));

        ret->added += !was;
        ret->changed += was && (!hash || strcmp(hash, files[i].sha256) != 0);
        json_object_del(gone, files[i].path);
    }
    ret->removed = json_object_size(gone);
    json_object_foreach((json_t *)before, path, value)
    {
        part->before += strncmp(path, REPO_GATEWAYS, strlen(REPO_GATEWAYS)) == 0;
    }
    json_object_foreach(gone, path, value)
    {
        if (strncmp(path, REPO_GATEWAYS, strlen(REPO_GATEWAYS)) != 0)
            continue;
        if (part->removed < SHRINK_NAMES)
            part->names[part->removed] = path + strlen(REPO_GATEWAYS);
        part->removed++;
    }
    n = r->o->allow_shrink ? 0 : (size_t)-shrink_check(&shrink, r->o->dir, err);
    json_decref(gone);
    return -(int)n;
}

/* Before anything is written: what there was, and how many bins that means. */
static int prepare(struct repository *r, const struct tuf_repo_file *files, size_t n,
                   struct repository_result *ret, struct error_list *err)
{
    json_t *timestamp = NULL, *snapshot = NULL, *before = NULL;
    struct tuf_error te;
    enum tuf_code code = tuf_repo_read_state(r->metadata, &timestamp, &snapshot, &te);
    unsigned bins = 0;
    int e = 0;

    if (code == TUF_OK)
        code = tuf_repo_read_bins(r->metadata, snapshot, &bins, &te);
    if (code == TUF_OK)
        code = tuf_repo_read_targets(r->metadata, snapshot, &before, NULL, &te);
    if (code == TUF_OK) {
        r->tuf.bins = repository_bins(bins, n);
        e = compare(r, before, files, n, ret, err);
    } else {
        e = repository_fail(r, &te, err);
    }
    json_decref(before);
    json_decref(timestamp);
    json_decref(snapshot);
    return e;
}

/* Done is done: what cannot be removed is a warning. */
static void prune(struct repository *r, struct repository_result *ret)
{
    struct tuf_error te;

    if (tuf_repo_prune(&r->tuf, r->now - REPO_GRACE_DAYS * DAY, &ret->pruned, &te) != TUF_OK)
        error_add(&ret->warnings, r->o->dir, 0, NULL, "%s", te.text);
}

int repository_publish(const struct repository_options *o, const struct tuf_repo_file *files,
                       size_t n, int64_t seen, struct repository_result *ret,
                       struct error_list *err)
{
    struct repository r;
    struct tuf_error te;
    int e = repository_open(o, false, &r, err);

    *ret = (struct repository_result){.version = 0};
    if (e == 0)
        e = prepare(&r, files, n, ret, err);
    if (e == 0)
        e = publishing_keys(&r, err);
    if (e == 0 && tuf_repo_publish(&r.tuf, files, n, seen, &te) != TUF_OK)
        e = repository_fail(&r, &te, err);
    if (e == 0)
        prune(&r, ret);
    if (e == 0)
        e = repository_look(&r, ret, err);
    repository_close(&r);
    return e;
}

int repository_refresh(const struct repository_options *o, struct repository_result *ret,
                       struct error_list *err)
{
    struct repository r;
    struct tuf_error te;
    int e = repository_open(o, false, &r, err);

    *ret = (struct repository_result){.version = 0};
    if (e == 0)
        e = repository_key(&r, TUF_SNAPSHOT, err);
    if (e == 0)
        e = repository_key(&r, TUF_TIMESTAMP, err);
    if (e == 0 && tuf_repo_refresh(&r.tuf, &te) != TUF_OK)
        e = repository_fail(&r, &te, err);
    if (e == 0)
        prune(&r, ret);
    if (e == 0)
        e = repository_look(&r, ret, err);
    repository_close(&r);
    return e;
}
