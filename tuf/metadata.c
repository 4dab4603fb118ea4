/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/metadata.h"

#include <inttypes.h>
#include <string.h>

#include "common/alloc.h"
#include "tuf/canonical.h"
#include "tuf/keys.h"
#include "tuf/metadata_check.h"

const char *tuf_type_name(enum tuf_type type)
{
    static const char *const names[TUF_TYPES] = {"root", "timestamp", "snapshot", "targets"};

    return names[type];
}

struct tuf_metadata *tuf_metadata_free(struct tuf_metadata *m)
{
    if (m) {
        json_decref(m->doc);
        buf_free(&m->canonical);
        free(m);
    }
    return NULL;
}

enum tuf_code tuf_metadata_parse(const void *data, size_t len, enum tuf_type type,
                                 struct tuf_metadata **ret, struct tuf_error *err)
{
    struct tuf_metadata *m = xcalloc(1, sizeof(*m));
    json_error_t json_err;
    enum tuf_code r;

    m->type = type;
    m->doc = json_loadb(data, len, JSON_REJECT_DUPLICATES, &json_err);
    if (!m->doc) {
        r = tuf_fail(err, TUF_FORMAT, "%s is not JSON: line %d: %s", tuf_type_name(type),
                     json_err.line, json_err.text);
    } else {
        m->body = json_object_get(m->doc, "signed");
        if (!json_is_object(m->body))
            r = tuf_fail(err, TUF_FORMAT, "%s has no signed part", tuf_type_name(type));
        else if (!tuf_canonical(m->body, &m->canonical))
            r = tuf_fail(err, TUF_FORMAT, "%s cannot be put in canonical form",
                         tuf_type_name(type));
        else
            r = tuf_metadata_check(m, err);
    }
    if (r != TUF_OK) {
        tuf_metadata_free(m);
        return r;
    }
    *ret = m;
    return TUF_OK;
}

/* --- signatures
 * ----------------------------------------------------------------------------------- */

static const char *signature_of(const struct tuf_metadata *m, const char *keyid)
{
    const json_t *signatures = json_object_get(m->doc, "signatures");

    for (size_t i = 0; i < json_array_size(signatures); i++) {
        const json_t *s = json_array_get(signatures, i);

        if (strcmp(json_string_value(json_object_get(s, "keyid")), keyid) == 0)
            return json_string_value(json_object_get(s, "sig"));
    }
    return NULL;
}

/* Whether a key that counted already is this one under another name. */
static bool counted_before(const json_t *const *counted, size_t n, const json_t *key)
{
    for (size_t i = 0; i < n; i++)
        if (tuf_key_same(counted[i], key))
            return true;
    return false;
}

enum tuf_code tuf_metadata_verify(const struct tuf_metadata *m, const struct tuf_role *role,
                                  struct tuf_error *err)
{
    const json_t *counted[TUF_SIGNATURES_MAX];
    size_t n = 0, wrong = 0, tried = 0;

    for (size_t i = 0; i < json_array_size(role->keyids) && n < (uint64_t)role->threshold; i++) {
        const char *keyid = json_string_value(json_array_get(role->keyids, i));
        const json_t *key = json_object_get(role->keys, keyid);
        const char *sig = signature_of(m, keyid);

        if (!key || !sig || ++tried > TUF_SIGNATURES_MAX)
            continue;
        if (!tuf_key_verify(key, sig, buf_cstr(&m->canonical), m->canonical.len))
            wrong++;
        else if (!counted_before(counted, n, key))
            counted[n++] = key;
    }
    if (n >= (uint64_t)role->threshold)
        return TUF_OK;
    if (wrong > 0)
        return tuf_fail(err, TUF_SIGNATURE,
                        "%zu signatures of %s do not hold; %zu do, and %" PRId64 " are needed",
                        wrong, role->name, n, role->threshold);
    return tuf_fail(err, TUF_THRESHOLD,
                    "%s is signed by %zu of its keys, and %" PRId64 " are needed", role->name, n,
                    role->threshold);
}

/* --- what a file says
 * ----------------------------------------------------------------------------- */

static void role_view(const json_t *role, const json_t *keys, const char *name,
                      struct tuf_role *ret)
{
    *ret = (struct tuf_role){
        .keyids = json_object_get(role, "keyids"),
        .keys = keys,
        .threshold = json_integer_value(json_object_get(role, "threshold")),
        .terminating = json_is_true(json_object_get(role, "terminating")),
    };
    snprintf(ret->name, sizeof(ret->name), "%s", name);
}

void tuf_root_role(const struct tuf_metadata *root, enum tuf_type type, struct tuf_role *ret)
{
    const char *name = tuf_type_name(type);

    role_view(json_object_get(json_object_get(root->body, "roles"), name),
              json_object_get(root->body, "keys"), name, ret);
}

bool tuf_root_consistent(const struct tuf_metadata *root)
{
    return json_is_true(json_object_get(root->body, "consistent_snapshot"));
}

static bool names_all(const json_t *keyids, const json_t *in)
{
    for (size_t i = 0; i < json_array_size(keyids); i++) {
        bool found = false;

        for (size_t k = 0; k < json_array_size(in) && !found; k++)
            found = json_equal(json_array_get(keyids, i), json_array_get(in, k));
        if (!found)
            return false;
    }
    return true;
}

bool tuf_root_same_keys(const struct tuf_metadata *a, const struct tuf_metadata *b,
                        enum tuf_type type)
{
    struct tuf_role one, other;

    tuf_root_role(a, type, &one);
    tuf_root_role(b, type, &other);
    return names_all(one.keyids, other.keyids) && names_all(other.keyids, one.keyids);
}

static void file_view(const json_t *file, struct tuf_file *ret)
{
    const json_t *length = json_object_get(file, "length");

    ret->version = json_integer_value(json_object_get(file, "version"));
    ret->length = length ? json_integer_value(length) : -1;
    ret->hashes = json_object_get(file, "hashes");
}

bool tuf_meta_file(const struct tuf_metadata *m, const char *role, struct tuf_file *ret)
{
    _cleanup_free_ char *name = xasprintf("%s.json", role);
    const json_t *file = json_object_get(json_object_get(m->body, "meta"), name);

    if (!file)
        return false;
    file_view(file, ret);
    return true;
}

bool tuf_target(const struct tuf_metadata *m, const char *path, struct tuf_file *ret)
{
    const json_t *file = json_object_get(json_object_get(m->body, "targets"), path);

    if (!file)
        return false;
    file_view(file, ret);
    return true;
}

/* --- delegations
 * ---------------------------------------------------------------------------------- */

static bool role_speaks_of(const json_t *role, const char *path, const char *path_hash)
{
    const json_t *paths = json_object_get(role, "paths");
    const json_t *prefixes = json_object_get(role, "path_hash_prefixes");

    for (size_t i = 0; i < json_array_size(paths); i++)
        if (tuf_path_matches(json_string_value(json_array_get(paths, i)), path))
            return true;
    for (size_t i = 0; i < json_array_size(prefixes); i++) {
        const json_t *prefix = json_array_get(prefixes, i);

        if (strncmp(json_string_value(prefix), path_hash, json_string_length(prefix)) == 0)
            return true;
    }
    return false;
}

/* The bin of a path: the first bits of its hash, as so many hexadecimal digits as the last needs.
 */
static void bin_name(const json_t *succinct, const char *path_hash, char *ret, size_t size)
{
    unsigned bits = (unsigned)json_integer_value(json_object_get(succinct, "bit_length"));
    unsigned first = 0;

    sscanf(path_hash, "%8x", &first);
    snprintf(ret, size, "%s-%0*x", json_string_value(json_object_get(succinct, "name_prefix")),
             (int)(bits + 3) / 4, first >> (32 - bits));
}

bool tuf_delegation(const struct tuf_metadata *m, const char *path, size_t *position,
                    struct tuf_role *ret)
{
    const json_t *delegations = json_object_get(m->body, "delegations");
    const json_t *keys = json_object_get(delegations, "keys");
    const json_t *roles = json_object_get(delegations, "roles");
    const json_t *succinct = json_object_get(delegations, "succinct_roles");
    char path_hash[TUF_HASH_TEXT_MAX + 1] = "";

    if (!delegations || !tuf_hash("sha256", path, strlen(path), path_hash))
        return false;
    if (succinct) {
        char name[TUF_ROLE_NAME_MAX + 1];

        if ((*position)++ > 0)
            return false;
        bin_name(succinct, path_hash, name, sizeof(name));
        role_view(succinct, keys, name, ret);
        ret->terminating = true;
        return true;
    }
    while (*position < json_array_size(roles)) {
        const json_t *role = json_array_get(roles, (*position)++);

        if (role_speaks_of(role, path, path_hash)) {
            role_view(role, keys, json_string_value(json_object_get(role, "name")), ret);
            return true;
        }
    }
    return false;
}

/* --- a file against what is said of it
 * ------------------------------------------------------------ */

enum tuf_code tuf_file_check(const struct tuf_file *file, const char *what, const void *data,
                             size_t len, struct tuf_error *err)
{
    json_t *hashes = (json_t *)file->hashes; /* jansson's iterators know no const */
    const char *algorithm;
    json_t *value;
    bool known = false;

    if (file->length >= 0 && (uint64_t)file->length != len)
        return tuf_fail(err, TUF_LENGTH, "%.100s has %zu bytes, not %" PRId64, what, len,
                        file->length);
    json_object_foreach(hashes, algorithm, value)
    {
        char text[TUF_HASH_TEXT_MAX + 1];

        if (!tuf_hash(algorithm, data, len, text))
            continue;
        known = true;
        if (strcmp(text, json_string_value(value)) != 0)
            return tuf_fail(err, TUF_HASH, "%.100s has another %.20s than was signed for", what,
                            algorithm);
    }
    if (hashes && !known)
        return tuf_fail(err, TUF_HASH, "%.100s has no hash of a known kind", what);
    return TUF_OK;
}
