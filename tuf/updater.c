/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/updater.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tuf/keys.h"
#include "tuf/path.h"

#define TARGET_MAX ((size_t)64 << 20)

/* --- files
 * ---------------------------------------------------------------------------------------- */

static enum tuf_code storage_error(struct tuf_error *err, struct error_list *list)
{
    enum tuf_code r = tuf_fail(err, TUF_STORAGE, "%.120s: %.160s",
                               list->n && list->items[0].file ? list->items[0].file : "a file",
                               list->n ? list->items[0].message : "cannot be used");

    error_clear(list);
    return r;
}

static char *role_path(const char *dir, const char *role)
{
    _cleanup_free_ char *name = tuf_path_file(role);

    return xasprintf("%s/%s.json", dir, name);
}

static enum tuf_code store(const char *path, const struct buf *data, struct tuf_error *err)
{
    struct error_list list = ERROR_LIST_INIT;

    if (fs_write(path, buf_cstr(data), data->len, 0644, &list) == 0)
        return TUF_OK;
    return storage_error(err, &list);
}

static enum tuf_code store_role(const struct tuf_updater *u, const char *role,
                                const struct buf *data, struct tuf_error *err)
{
    _cleanup_free_ char *path = role_path(u->metadata_dir, role);

    return store(path, data, err);
}

/* What was stored earlier; false: nothing that can be used. */
static bool stored(const struct tuf_updater *u, const char *role, size_t max, struct buf *ret)
{
    _cleanup_free_ char *path = role_path(u->metadata_dir, role);
    struct error_list list = ERROR_LIST_INIT;
    bool good = fs_read(path, max, ret, &list) == 0;

    error_clear(&list);
    return good;
}

static enum tuf_code forget_role(const struct tuf_updater *u, const char *role,
                                 struct tuf_error *err)
{
    _cleanup_free_ char *path = role_path(u->metadata_dir, role);

    if (unlink(path) == 0 || errno == ENOENT)
        return TUF_OK;
    return tuf_fail(err, TUF_STORAGE, "%.200s cannot be removed: %s", path, strerror(errno));
}

/* --- the mirror
 * ----------------------------------------------------------------------------------- */

/* BASE/NAME, whether or not the base ends in a slash. */
static char *join(const char *base, const char *name)
{
    size_t n = strlen(base);

    while (n > 0 && base[n - 1] == '/')
        n--;
    return xasprintf("%.*s/%s", (int)n, base, name);
}

/* Some callbacks may not keep to the cap; this one does. */
static enum tuf_code fetch(const struct tuf_updater *u, const char *url, size_t max,
                           struct buf *ret, struct tuf_error *err)
{
    enum tuf_code r;

    buf_reset(ret);
    if ((r = u->fetch(u->fetch_ctx, url, max, ret, err)) != TUF_OK)
        return r;
    if (ret->len > max)
        return tuf_fail(err, TUF_TOO_LARGE, "%.160s is larger than %zu bytes", url, max);
    return TUF_OK;
}

/* The file of a role; version 0: without one in its name. */
static enum tuf_code fetch_role(const struct tuf_updater *u, const char *role, int64_t version,
                                size_t max, struct buf *ret, struct tuf_error *err)
{
    _cleanup_buf_ struct buf name = BUF_INIT;
    _cleanup_free_ char *url = NULL;

    if (version > 0)
        buf_printf(&name, "%" PRId64 ".", version);
    tuf_path_quote(role, false, &name);
    buf_str(&name, ".json");
    url = join(u->metadata_url, buf_cstr(&name));
    return fetch(u, url, max, ret, err);
}

/* A file that another one lists: its length is the cap, if it is given and not beyond ours. */
static enum tuf_code fetch_listed(const struct tuf_updater *u, const char *role,
                                  const struct tuf_file *file, size_t max, struct buf *ret,
                                  struct tuf_error *err)
{
    if (file->length >= 0) {
        if ((uint64_t)file->length > max)
            return tuf_fail(err, TUF_TOO_LARGE, "%.100s is to have %" PRId64 " bytes; %zu are read",
                            role, file->length, max);
        max = (size_t)file->length;
    }
    return fetch_role(u, role, tuf_root_consistent(u->trusted.root) ? file->version : 0, max, ret,
                      err);
}

/* --- refresh
 * -------------------------------------------------------------------------------------- */

static enum tuf_code load_root(struct tuf_updater *u, struct tuf_error *err)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct error_list list = ERROR_LIST_INIT;
    _cleanup_free_ char *path = role_path(u->metadata_dir, "root");

    if (fs_read(path, TUF_ROOT_MAX, &data, &list) != 0)
        return storage_error(err, &list);
    return tuf_trusted_first_root(&u->trusted, buf_cstr(&data), data.len, err);
}

/* Version N+1.  When keys changed, what they signed goes first: killed in between, nothing of an
 * attacker who had the old keys stays to be compared with. */
static enum tuf_code next_root(struct tuf_updater *u, struct buf *data, struct tuf_error *err)
{
    bool rotated;
    enum tuf_code r = fetch_role(u, "root", u->trusted.root->version + 1, TUF_ROOT_MAX, data, err);

    if (r != TUF_OK || (r = tuf_trusted_next_root(&u->trusted, buf_cstr(data), data->len, &rotated,
                                                  err)) != TUF_OK)
        return r;
    if (rotated && ((r = forget_role(u, "timestamp", err)) != TUF_OK ||
                    (r = forget_role(u, "snapshot", err)) != TUF_OK))
        return r;
    return store_role(u, "root", data, err);
}

static enum tuf_code update_root(struct tuf_updater *u, struct tuf_error *err)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    enum tuf_code r = load_root(u, err);

    for (unsigned n = 0; n < TUF_ROOTS_MAX && r == TUF_OK; n++)
        r = next_root(u, &data, err);
    if (r != TUF_OK && (r != TUF_NOT_FOUND || !u->trusted.root))
        return r;
    return tuf_trusted_root_done(&u->trusted, err);
}

static enum tuf_code update_timestamp(struct tuf_updater *u, struct tuf_error *err)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct tuf_error unusable;
    bool newer;
    enum tuf_code r;

    if (stored(u, "timestamp", TUF_TIMESTAMP_MAX, &data))
        tuf_trusted_local_timestamp(&u->trusted, buf_cstr(&data), data.len, &unusable);
    if ((r = fetch_role(u, "timestamp", 0, TUF_TIMESTAMP_MAX, &data, err)) != TUF_OK ||
        (r = tuf_trusted_timestamp(&u->trusted, buf_cstr(&data), data.len, &newer, err)) != TUF_OK)
        return r;
    return newer ? store_role(u, "timestamp", &data, err) : TUF_OK;
}

static enum tuf_code update_snapshot(struct tuf_updater *u, struct tuf_error *err)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct tuf_error unusable;
    struct tuf_file file;
    enum tuf_code r;

    if (stored(u, "snapshot", TUF_SNAPSHOT_MAX, &data))
        tuf_trusted_local_snapshot(&u->trusted, buf_cstr(&data), data.len, &unusable);
    if (u->trusted.snapshot_done)
        return TUF_OK;
    tuf_meta_file(u->trusted.timestamp, "snapshot", &file);
    if ((r = fetch_listed(u, "snapshot", &file, TUF_SNAPSHOT_MAX, &data, err)) != TUF_OK ||
        (r = tuf_trusted_snapshot(&u->trusted, buf_cstr(&data), data.len, err)) != TUF_OK)
        return r;
    return store_role(u, "snapshot", &data, err);
}

/* A role from the folder or else from the mirror: checked against who delegates to it now. */
static enum tuf_code load_role(struct tuf_updater *u, const struct tuf_role *role,
                               struct tuf_metadata **ret, struct tuf_error *err)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct tuf_file file;
    enum tuf_code r = tuf_trusted_listed(&u->trusted, role->name, &file, err);

    if (r != TUF_OK)
        return r;
    if (stored(u, role->name, TUF_TARGETS_MAX, &data)) {
        struct tuf_error unusable;

        if (tuf_trusted_role(&u->trusted, role, buf_cstr(&data), data.len, ret, &unusable) ==
            TUF_OK)
            return TUF_OK;
    }
    if ((r = fetch_listed(u, role->name, &file, TUF_TARGETS_MAX, &data, err)) != TUF_OK ||
        (r = tuf_trusted_role(&u->trusted, role, buf_cstr(&data), data.len, ret, err)) != TUF_OK)
        return r;
    if ((r = store_role(u, role->name, &data, err)) != TUF_OK)
        *ret = tuf_metadata_free(*ret);
    return r;
}

/* One to which the targets delegate; one that has expired has done so by now. */
static enum tuf_code load_delegated(void *ctx, const struct tuf_role *role,
                                    struct tuf_metadata **ret, struct tuf_error *err)
{
    struct tuf_updater *u = ctx;
    enum tuf_code r = load_role(u, role, ret, err);
    int64_t expires = r == TUF_OK ? (*ret)->expires : u->now;

    if ((r == TUF_OK || r == TUF_EXPIRED) && (u->roles_expire == 0 || expires < u->roles_expire))
        u->roles_expire = expires;
    return r;
}

static enum tuf_code update_targets(struct tuf_updater *u, struct tuf_error *err)
{
    struct tuf_role role;

    tuf_root_role(u->trusted.root, TUF_TARGETS, &role);
    return load_role(u, &role, &u->trusted.targets, err);
}

enum tuf_code tuf_updater_init(const char *metadata_dir, const void *root, size_t len,
                               struct tuf_error *err)
{
    _cleanup_free_ char *path = role_path(metadata_dir, "root");
    struct tuf_trusted t = {.now = 0};
    struct buf data = BUF_INIT;
    enum tuf_code r = tuf_trusted_first_root(&t, root, len, err);

    tuf_trusted_free(&t);
    if (r != TUF_OK)
        return r;
    buf_add(&data, root, len);
    r = store(path, &data, err);
    buf_free(&data);
    return r;
}

enum tuf_code tuf_updater_refresh(struct tuf_updater *u, struct tuf_error *err)
{
    enum tuf_code r;

    u->trusted.now = u->now;
    if ((r = update_root(u, err)) != TUF_OK || (r = update_timestamp(u, err)) != TUF_OK ||
        (r = update_snapshot(u, err)) != TUF_OK)
        return r;
    return update_targets(u, err);
}

/* --- targets
 * -------------------------------------------------------------------------------------- */

/* Where the target is: with consistent snapshots HASH.NAME in the folder of its path. */
static enum tuf_code target_url(const struct tuf_updater *u, const char *path,
                                const struct tuf_file *file, char **ret, struct tuf_error *err)
{
    const char *hash = json_string_value(json_object_get(file->hashes, "sha256"));
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    _cleanup_buf_ struct buf quoted = BUF_INIT;
    _cleanup_free_ char *full = NULL;

    if (!hash)
        hash = json_string_value(json_object_get(file->hashes, "sha512"));
    if (!hash)
        return tuf_fail(err, TUF_HASH, "%.100s has no hash of a known kind", path);
    if (tuf_root_consistent(u->trusted.root))
        full = xasprintf("%.*s%s.%s", (int)(name - path), path, hash, name);
    tuf_path_quote(full ? full : path, true, &quoted);
    *ret = join(u->target_url, buf_cstr(&quoted));
    return TUF_OK;
}

static enum tuf_code fetch_target(struct tuf_updater *u, const char *path,
                                  const struct tuf_file *file, struct buf *ret,
                                  struct tuf_error *err)
{
    size_t max = u->target_max ? u->target_max : TARGET_MAX;
    _cleanup_free_ char *url = NULL;
    enum tuf_code r;

    if (!u->target_url)
        return tuf_fail(err, TUF_STATE, "no place of targets is set");
    if ((uint64_t)file->length > max)
        return tuf_fail(err, TUF_TOO_LARGE, "%.100s is to have %" PRId64 " bytes; %zu are read",
                        path, file->length, max);
    if ((r = target_url(u, path, file, &url, err)) != TUF_OK ||
        (r = fetch(u, url, (size_t)file->length, ret, err)) != TUF_OK)
        return r;
    return tuf_file_check(file, path, buf_cstr(ret), ret->len, err);
}

enum tuf_code tuf_updater_target(struct tuf_updater *u, const char *path, const struct buf *have,
                                 struct buf *ret, struct tuf_error *err)
{
    struct tuf_metadata *role = NULL;
    struct tuf_error other;
    struct tuf_file file;
    enum tuf_code r;

    buf_reset(ret);
    if (!tuf_path_safe(path) || strlen(path) > TUF_TARGET_PATH_MAX)
        return tuf_fail(err, TUF_NO_TARGET, "'%.100s' cannot be the path of a target", path);
    if ((r = tuf_trusted_find(&u->trusted, path, load_delegated, u, &role, &file, err)) != TUF_OK)
        return r;
    if (have && tuf_file_check(&file, path, buf_cstr(have), have->len, &other) == TUF_OK)
        buf_add(ret, buf_cstr(have), have->len);
    else
        r = fetch_target(u, path, &file, ret, err);
    if (r != TUF_OK)
        buf_reset(ret);
    tuf_metadata_free(role);
    return r;
}

enum tuf_code tuf_updater_download(struct tuf_updater *u, const char *path, const char *dir,
                                   struct tuf_error *err)
{
    size_t max = u->target_max ? u->target_max : TARGET_MAX;
    _cleanup_buf_ struct buf have = BUF_INIT, data = BUF_INIT;
    struct error_list list = ERROR_LIST_INIT;
    _cleanup_free_ char *name = tuf_path_file(path);
    _cleanup_free_ char *full = xasprintf("%s/%s", dir, name);
    bool old = fs_read(full, max, &have, &list) == 0;
    enum tuf_code r;

    error_clear(&list);
    if ((r = tuf_updater_target(u, path, old ? &have : NULL, &data, err)) != TUF_OK)
        return r;
    if (old && have.len == data.len && memcmp(buf_cstr(&have), buf_cstr(&data), data.len) == 0)
        return TUF_OK;
    return store(full, &data, err);
}

void tuf_updater_close(struct tuf_updater *u)
{
    tuf_trusted_free(&u->trusted);
}
