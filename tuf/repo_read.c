/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/repo_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tuf/metadata.h"
#include "tuf/path.h"

#define FILE_MAX ((size_t)64 << 20)
#define ENDING ".json"

enum tuf_code tuf_repo_read(const char *dir, const char *name, json_t **ret, struct tuf_error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct error_list list = ERROR_LIST_INIT;
    int r = fs_read(path, FILE_MAX, &data, &list);

    error_clear(&list);
    *ret = NULL;
    if (r == -ENOENT)
        return TUF_OK;
    if (r < 0)
        return tuf_fail(err, TUF_STORAGE, "%.200s: %s", path, strerror(-r));
    *ret = json_loadb(buf_cstr(&data), data.len, JSON_REJECT_DUPLICATES, NULL);
    if (!*ret)
        return tuf_fail(err, TUF_FORMAT, "%.200s is damaged; take it from a copy", path);
    return TUF_OK;
}

enum tuf_code tuf_repo_read_role(const char *dir, const char *role, int64_t version, json_t **ret,
                                 struct tuf_error *err)
{
    _cleanup_free_ char *file = tuf_path_file(role);
    _cleanup_free_ char *name = xasprintf("%" PRId64 ".%s" ENDING, version, file);
    enum tuf_code r = tuf_repo_read(dir, name, ret, err);

    return r == TUF_OK && !*ret
               ? tuf_fail(err, TUF_STORAGE, "%.100s/%.200s is missing; take it from a copy", dir,
                          name)
               : r;
}

json_t *tuf_repo_body_of(const json_t *file)
{
    return json_object_get(file, "signed");
}

int64_t tuf_repo_version_of(const json_t *body)
{
    return json_integer_value(json_object_get(body, "version"));
}

int64_t tuf_repo_expires_of(const json_t *body)
{
    const char *text = json_string_value(json_object_get(body, "expires"));
    int64_t ret;

    return text && tuf_time_parse(text, &ret) ? ret : 0;
}

json_t *tuf_repo_meta_of(const json_t *file, const char *role)
{
    _cleanup_free_ char *name = xasprintf("%s" ENDING, role);

    return json_object_get(json_object_get(tuf_repo_body_of(file), "meta"), name);
}

enum tuf_code tuf_repo_read_root(const char *dir, json_t **ret, struct tuf_error *err)
{
    json_t *newest = NULL, *next = NULL;
    enum tuf_code r = TUF_OK;

    for (int64_t version = 1; r == TUF_OK; version++) {
        char name[64];

        snprintf(name, sizeof(name), "%" PRId64 ".root" ENDING, version);
        if ((r = tuf_repo_read(dir, name, &next, err)) != TUF_OK || !next)
            break;
        json_decref(newest);
        newest = next;
    }
    if (r == TUF_OK && !newest)
        r = tuf_fail(err, TUF_STATE, "there is no repository yet");
    if (r != TUF_OK) {
        json_decref(newest);
        newest = NULL;
    }
    *ret = newest;
    return r;
}

enum tuf_code tuf_repo_read_state(const char *dir, json_t **ret_timestamp, json_t **ret_snapshot,
                                  struct tuf_error *err)
{
    json_t *timestamp, *snapshot = NULL;
    enum tuf_code r = tuf_repo_read(dir, "timestamp" ENDING, &timestamp, err);

    if (r == TUF_OK && timestamp)
        r = tuf_repo_read_role(dir, "snapshot",
                               tuf_repo_version_of(tuf_repo_meta_of(timestamp, "snapshot")),
                               &snapshot, err);
    if (r != TUF_OK) {
        json_decref(timestamp);
        timestamp = NULL;
    }
    *ret_timestamp = timestamp;
    *ret_snapshot = snapshot;
    return r;
}

static enum tuf_code read_listed(const char *dir, const json_t *snapshot, const char *role,
                                 json_t **ret, struct tuf_error *err)
{
    return tuf_repo_read_role(dir, role, tuf_repo_version_of(tuf_repo_meta_of(snapshot, role)), ret,
                              err);
}

enum tuf_code tuf_repo_read_targets(const char *dir, const json_t *snapshot, json_t **ret,
                                    int64_t *ret_expires, struct tuf_error *err)
{
    json_t *meta = json_object_get(tuf_repo_body_of(snapshot), "meta"), *all = json_object(), *file;
    int64_t first = INT64_MAX;
    enum tuf_code r = TUF_OK;

    for (void *it = json_object_iter(meta); it && r == TUF_OK;
         it = json_object_iter_next(meta, it)) {
        const char *key = json_object_iter_key(it);
        size_t n = strlen(key);
        _cleanup_free_ char *role = xstrndup(key, n > strlen(ENDING) ? n - strlen(ENDING) : n);

        if ((r = read_listed(dir, snapshot, role, &file, err)) == TUF_OK) {
            int64_t expires = tuf_repo_expires_of(tuf_repo_body_of(file));

            json_object_update(all, json_object_get(tuf_repo_body_of(file), "targets"));
            first = expires < first ? expires : first;
        }
        json_decref(file);
    }
    if (r != TUF_OK) {
        json_decref(all);
        all = NULL;
    }
    *ret = all;
    if (ret_expires)
        *ret_expires = first < INT64_MAX ? first : 0;
    return r;
}

enum tuf_code tuf_repo_read_bins(const char *dir, const json_t *snapshot, unsigned *ret,
                                 struct tuf_error *err)
{
    json_t *file = NULL, *bins;
    enum tuf_code r = snapshot ? read_listed(dir, snapshot, "targets", &file, err) : TUF_OK;

    bins =
        json_object_get(json_object_get(tuf_repo_body_of(file), "delegations"), "succinct_roles");
    if (r == TUF_OK)
        *ret = (unsigned)json_integer_value(json_object_get(bins, "bit_length"));
    json_decref(file);
    return r;
}
