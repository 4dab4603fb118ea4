/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/repo.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tuf/canonical.h"
#include "tuf/json.h"
#include "tuf/path.h"

#define SPEC_VERSION "1.0.34"

json_t *tuf_repo_body(enum tuf_type type, int64_t version, int64_t expires)
{
    char when[TUF_TIME_LEN + 1];
    json_t *body = must(json_object());

    tuf_time_text(expires, when);
    set(body, "_type", json_string(tuf_type_name(type)));
    set(body, "spec_version", json_string(SPEC_VERSION));
    set(body, "version", json_integer(version));
    set(body, "expires", json_string(when));
    if (type == TUF_ROOT) {
        set(body, "consistent_snapshot", json_true());
        set(body, "keys", json_object());
        set(body, "roles", json_object());
    } else {
        set(body, type == TUF_TARGETS ? "targets" : "meta", json_object());
    }
    return body;
}

/* Adds the seeds' keys to `keys`; the role that names them. */
static json_t *add_keys(json_t *keys, const struct tuf_seed *seeds, size_t n, int64_t threshold)
{
    json_t *role = must(json_pack("{s:[], s:I}", "keyids", "threshold", (json_int_t)threshold));

    for (size_t i = 0; i < n; i++) {
        char keyid[TUF_KEYID_LEN + 1];
        json_t *key = must(tuf_seed_public(seeds[i].bytes, keyid));

        set(keys, keyid, key);
        if (json_array_append_new(json_object_get(role, "keyids"), must(json_string(keyid))) != 0)
            abort();
    }
    return role;
}

void tuf_repo_set_role(json_t *root, enum tuf_type type, const struct tuf_seed *seeds, size_t n,
                       int64_t threshold)
{
    set(json_object_get(root, "roles"), tuf_type_name(type),
        add_keys(json_object_get(root, "keys"), seeds, n, threshold));
}

static void set_file(json_t *file, const void *data, size_t len)
{
    char hash[TUF_HASH_TEXT_MAX + 1];

    if (!tuf_hash("sha256", data, len, hash))
        abort();
    set(file, "length", json_integer((json_int_t)len));
    set(file, "hashes", json_pack("{s:s}", "sha256", hash));
}

void tuf_repo_add_target_hash(json_t *targets, const char *path, size_t len, const char *sha256)
{
    set(json_object_get(targets, "targets"), path,
        json_pack("{s:I, s:{s:s}}", "length", (json_int_t)len, "hashes", "sha256", sha256));
}

void tuf_repo_add_target(json_t *targets, const char *path, const void *data, size_t len)
{
    char hash[TUF_HASH_TEXT_MAX + 1];

    if (!tuf_hash("sha256", data, len, hash))
        abort();
    tuf_repo_add_target_hash(targets, path, len, hash);
}

void tuf_repo_delegate_bins(json_t *targets, const char *prefix, unsigned bits,
                            const struct tuf_seed *seeds, size_t n, int64_t threshold)
{
    json_t *keys = must(json_object());
    json_t *bins = add_keys(keys, seeds, n, threshold);

    set(bins, "bit_length", json_integer(bits));
    set(bins, "name_prefix", json_string(prefix));
    set(targets, "delegations", json_pack("{s:o, s:o}", "keys", keys, "succinct_roles", bins));
}

void tuf_repo_bin(const json_t *targets, const char *path, char ret[static TUF_ROLE_NAME_MAX + 1])
{
    const struct tuf_metadata view = {.type = TUF_TARGETS, .body = targets};
    struct tuf_role role = {.name = ""};
    size_t position = 0;

    tuf_delegation(&view, path, &position, &role);
    memcpy(ret, role.name, sizeof(role.name));
}

void tuf_repo_add_meta(json_t *body, const char *role, int64_t version, const void *data,
                       size_t len)
{
    _cleanup_free_ char *name = xasprintf("%s.json", role);
    json_t *file = must(json_object());

    set(file, "version", json_integer(version));
    set_file(file, data, len);
    set(json_object_get(body, "meta"), name, file);
}

void tuf_repo_sign(json_t *body, const struct tuf_seed *seeds, size_t n, struct buf *ret)
{
    json_t *file = must(json_pack("{s:[], s:o}", "signatures", "signed", body));
    _cleanup_buf_ struct buf canonical = BUF_INIT;
    char *text;

    if (!tuf_canonical(body, &canonical))
        abort();
    for (size_t i = 0; i < n; i++) {
        char keyid[TUF_KEYID_LEN + 1], sig[128 + 1];
        json_t *key = must(tuf_seed_public(seeds[i].bytes, keyid));

        json_decref(key);
        if (!tuf_seed_sign(seeds[i].bytes, buf_cstr(&canonical), canonical.len, sig) ||
            json_array_append_new(json_object_get(file, "signatures"),
                                  must(json_pack("{s:s, s:s}", "keyid", keyid, "sig", sig))) != 0)
            abort();
    }
    text = json_dumps(file, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(file);
    if (!text)
        abort();
    buf_str(ret, text);
    free(text);
}

/* True: the file holds these very bytes; half of a file that lost its power does not. */
static bool is_there(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    _cleanup_buf_ struct buf there = BUF_INIT;
    struct stat st;
    bool same = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                (size_t)st.st_size == len && fs_read_fd(fd, len, &there) == 0 && there.len == len &&
                (len == 0 || memcmp(there.data, data, len) == 0);

    if (fd >= 0)
        close(fd);
    return same;
}

/* Whole or not at all for who looks now; after a power cut only if it was flushed. */
static enum tuf_code put_file(const char *path, const void *data, size_t len, struct tuf_error *err)
{
    _cleanup_free_ char *temporary = NULL;
    int fd, r = 0;

    if (is_there(path, data, len))
        return TUF_OK;
    temporary = xasprintf("%s.XXXXXX", path);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return tuf_fail(err, TUF_STORAGE, "%.200s: %s", path, strerror(errno));
    r = fchmod(fd, 0644) < 0 ? -errno : fs_write_fd(fd, data, len);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r == 0)
        return TUF_OK;
    unlink(temporary);
    return tuf_fail(err, TUF_STORAGE, "%.200s: %s", path, strerror(-r));
}

static enum tuf_code write_file(const char *path, const void *data, size_t len,
                                struct tuf_error *err)
{
    struct error_list list = ERROR_LIST_INIT;
    enum tuf_code r = TUF_OK;

    if (fs_write(path, data, len, 0644, &list) != 0)
        r = tuf_fail(err, TUF_STORAGE, "%.150s: %s", path,
                     list.n ? list.items[0].message : "cannot write it");
    error_clear(&list);
    return r;
}

enum tuf_code tuf_repo_write(const char *dir, const char *role, int64_t version, const void *data,
                             size_t len, struct tuf_error *err)
{
    _cleanup_free_ char *name = tuf_path_file(role);
    bool timestamp = strcmp(role, "timestamp") == 0;
    _cleanup_free_ char *path = timestamp ? xasprintf("%s/%s.json", dir, name)
                                          : xasprintf("%s/%" PRId64 ".%s.json", dir, version, name);

    return timestamp || strcmp(role, "root") == 0 ? write_file(path, data, len, err)
                                                  : put_file(path, data, len, err);
}

enum tuf_code tuf_repo_write_target(const char *dir, const char *path, const void *data, size_t len,
                                    const char *sha256, struct tuf_error *err)
{
    struct error_list list = ERROR_LIST_INIT;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    _cleanup_free_ char *folder = NULL;
    _cleanup_free_ char *full = NULL;
    enum tuf_code r = TUF_OK;

    if (!tuf_path_safe(path))
        return tuf_fail(err, TUF_FORMAT, "%.100s is not the path of a target", path);
    folder = xasprintf("%s/%.*s", dir, (int)(name - path), path);
    full = xasprintf("%s%s.%s", folder, sha256, name);
    if (access(folder, F_OK) < 0 && fs_mkdirs(folder, 0755, &list) != 0)
        r = tuf_fail(err, TUF_STORAGE, "%.150s: %s", folder,
                     list.n ? list.items[0].message : "cannot make it");
    error_clear(&list);
    return r == TUF_OK ? put_file(full, data, len, err) : r;
}

enum tuf_code tuf_repo_flush(const char *dir, struct tuf_error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd >= 0 && syncfs(fd) == 0 ? 0 : errno;

    if (fd >= 0)
        close(fd);
    return r == 0 ? TUF_OK : tuf_fail(err, TUF_STORAGE, "%.200s: %s", dir, strerror(r));
}
