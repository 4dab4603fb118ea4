/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/repo_root.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tuf/canonical.h"
#include "tuf/json.h"
#include "tuf/repo_read.h"

static json_t *file_of(json_t *body)
{
    return must(json_pack("{s:[], s:o}", "signatures", "signed", must(body)));
}

json_t *tuf_root_first(int64_t expires)
{
    return file_of(tuf_repo_body(TUF_ROOT, 1, expires));
}

json_t *tuf_root_next(const json_t *root, int64_t expires)
{
    json_t *body = must(json_deep_copy(tuf_repo_body_of(root)));
    char when[TUF_TIME_LEN + 1];

    tuf_time_text(expires, when);
    set(body, "version", json_integer(tuf_repo_version_of(body) + 1));
    set(body, "expires", json_string(when));
    return file_of(body);
}

static json_t *role_of(const json_t *root, enum tuf_type type)
{
    return json_object_get(json_object_get(tuf_repo_body_of(root), "roles"), tuf_type_name(type));
}

static bool names(const json_t *role, const char *keyid)
{
    const json_t *ids = json_object_get(role, "keyids");

    for (size_t i = 0; i < json_array_size(ids); i++)
        if (strcmp(json_string_value(json_array_get(ids, i)), keyid) == 0)
            return true;
    return false;
}

/* Keys that no role has. */
static void drop_keys(json_t *root)
{
    json_t *keys = json_object_get(tuf_repo_body_of(root), "keys"), *key;
    const char *keyid;
    void *next;

    json_object_foreach_safe(keys, next, keyid, key)
    {
        bool used = false;

        for (enum tuf_type t = 0; t < TUF_TYPES; t++)
            used = used || names(role_of(root, t), keyid);
        if (!used)
            json_object_del(keys, keyid);
    }
}

void tuf_root_set_keys(json_t *root, enum tuf_type type, const json_t *const keys[], size_t n,
                       int64_t threshold)
{
    json_t *body = tuf_repo_body_of(root), *ids = must(json_array());

    for (size_t i = 0; i < n; i++) {
        char keyid[TUF_KEYID_LEN + 1];

        if (!tuf_key_name(keys[i], keyid))
            abort();
        set(json_object_get(body, "keys"), keyid, json_deep_copy(keys[i]));
        if (json_array_append_new(ids, must(json_string(keyid))) != 0)
            abort();
    }
    set(json_object_get(body, "roles"), tuf_type_name(type),
        json_pack("{s:o, s:I}", "keyids", ids, "threshold", (json_int_t)threshold));
    drop_keys(root);
}

size_t tuf_root_n_keys(const json_t *root, enum tuf_type type)
{
    return json_array_size(json_object_get(role_of(root, type), "keyids"));
}

int64_t tuf_root_threshold(const json_t *root, enum tuf_type type)
{
    return json_integer_value(json_object_get(role_of(root, type), "threshold"));
}

const json_t *tuf_root_key(const json_t *root, enum tuf_type type, size_t at, const char **keyid)
{
    const char *id =
        json_string_value(json_array_get(json_object_get(role_of(root, type), "keyids"), at));

    if (keyid)
        *keyid = id;
    return id ? json_object_get(json_object_get(tuf_repo_body_of(root), "keys"), id) : NULL;
}

void tuf_root_sign(json_t *root, const struct tuf_seed *seed)
{
    json_t *list = json_object_get(root, "signatures");
    char keyid[TUF_KEYID_LEN + 1], sig[128 + 1];
    _cleanup_buf_ struct buf canonical = BUF_INIT;

    json_decref(must(tuf_seed_public(seed->bytes, keyid)));
    if (!tuf_canonical(tuf_repo_body_of(root), &canonical) ||
        !tuf_seed_sign(seed->bytes, buf_cstr(&canonical), canonical.len, sig))
        abort();
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *id = json_string_value(json_object_get(json_array_get(list, i), "keyid"));

        if (id && strcmp(id, keyid) == 0)
            json_array_remove(list, i);
    }
    if (json_array_append_new(list, must(json_pack("{s:s, s:s}", "keyid", keyid, "sig", sig))) != 0)
        abort();
}

void tuf_root_text(const json_t *root, struct buf *ret)
{
    char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);

    if (!text)
        abort();
    buf_str(ret, text);
    free(text);
}

static enum tuf_code parse(const json_t *root, struct tuf_metadata **ret, struct tuf_error *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    tuf_root_text(root, &text);
    return tuf_metadata_parse(text.data, text.len, TUF_ROOT, ret, err);
}

static enum tuf_code verify(const struct tuf_metadata *signer, const struct tuf_metadata *root,
                            struct tuf_error *err)
{
    struct tuf_role role;

    tuf_root_role(signer, TUF_ROOT, &role);
    return tuf_metadata_verify(root, &role, err);
}

enum tuf_code tuf_root_check(const json_t *before, const json_t *root, struct tuf_error *err)
{
    struct tuf_metadata *old = NULL, *new = NULL;
    enum tuf_code r = parse(root, &new, err);

    if (r == TUF_OK && before)
        r = parse(before, &old, err);
    if (r == TUF_OK && new->version != (old ? old->version + 1 : 1))
        r = tuf_fail(err, TUF_VERSION, "root version %" PRId64 " does not follow the one in place",
                     new->version);
    if (r == TUF_OK && old)
        r = verify(old, new, err);
    if (r == TUF_OK)
        r = verify(new, new, err);
    tuf_metadata_free(old);
    tuf_metadata_free(new);
    return r;
}
