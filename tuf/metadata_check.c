/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/metadata_check.h"

#include <inttypes.h>
#include <string.h>

#include "tuf/keys.h"

/* Text that may be a name: within bounds, and not empty. */
static bool is_text(const json_t *value, size_t max)
{
    size_t n = json_string_length(value);

    return json_is_string(value) && n > 0 && n <= max;
}

static bool is_integer(const json_t *value, int64_t min)
{
    return json_is_integer(value) && json_integer_value(value) >= min &&
           json_integer_value(value) < INT64_MAX;
}

/* "1.0.34", "1.0": whose first number is ours. */
static enum tuf_code check_spec_version(const char *text, struct tuf_error *err)
{
    unsigned parts = 0;

    if (!text)
        return tuf_fail(err, TUF_FORMAT, "spec_version is missing");
    for (const char *p = text; parts < 4; p++) {
        size_t digits = strspn(p, "0123456789");

        if (digits == 0 || digits > 6)
            break;
        parts++;
        p += digits;
        if (*p == '\0')
            break;
        if (*p != '.')
            parts = 4;
    }
    if (parts < 2 || parts > 3 || strspn(text, "0123456789.") != strlen(text) ||
        text[strlen(text) - 1] == '.')
        return tuf_fail(err, TUF_FORMAT, "'%.20s' is not a version of the specification", text);
    if (strncmp(text, "1.", 2) != 0)
        return tuf_fail(err, TUF_SPEC_VERSION, "written for version %.20s; this understands 1.x",
                        text);
    return TUF_OK;
}

static enum tuf_code check_signatures(const struct tuf_metadata *m, struct tuf_error *err)
{
    const json_t *signatures = json_object_get(m->doc, "signatures");
    size_t n = json_array_size(signatures);
    json_t *seen;
    enum tuf_code r = TUF_OK;

    if (!json_is_array(signatures))
        return tuf_fail(err, TUF_FORMAT, "the list of signatures is missing");
    if (n > TUF_SIGNATURES_MAX)
        return tuf_fail(err, TUF_TOO_LARGE, "%zu signatures; %d are enough", n, TUF_SIGNATURES_MAX);
    seen = json_object();
    for (size_t i = 0; i < n && r == TUF_OK; i++) {
        const json_t *s = json_array_get(signatures, i);
        const char *keyid = json_string_value(json_object_get(s, "keyid"));
        const json_t *sig = json_object_get(s, "sig");

        if (!keyid || !tuf_hex_valid(keyid, TUF_KEYID_LEN) || !json_is_string(sig) ||
            json_string_length(sig) > TUF_SIG_TEXT_MAX)
            r = tuf_fail(err, TUF_FORMAT, "signature %zu is malformed", i + 1);
        else if (json_object_get(seen, keyid))
            r = tuf_fail(err, TUF_DUPLICATE, "there are two signatures of key %s", keyid);
        else
            json_object_set_new(seen, keyid, json_true());
    }
    json_decref(seen);
    return r;
}

static enum tuf_code check_keys(const json_t *keys, struct tuf_error *err)
{
    json_t *self = (json_t *)keys;
    const char *keyid;
    json_t *key;

    if (!json_is_object(keys))
        return tuf_fail(err, TUF_FORMAT, "the object of keys is missing");
    if (json_object_size(keys) > TUF_KEYS_MAX)
        return tuf_fail(err, TUF_TOO_LARGE, "%zu keys; %d are enough", json_object_size(keys),
                        TUF_KEYS_MAX);
    json_object_foreach(self, keyid, key)
    {
        enum tuf_code r = tuf_key_check(keyid, key, err);

        if (r != TUF_OK)
            return r;
    }
    return TUF_OK;
}

/* The keys and the threshold of a role, wherever it stands. */
static enum tuf_code check_role(const json_t *role, const char *name, struct tuf_error *err)
{
    const json_t *keyids = json_object_get(role, "keyids");
    json_t *seen;
    enum tuf_code r = TUF_OK;

    if (!json_is_array(keyids) || !is_integer(json_object_get(role, "threshold"), 1))
        return tuf_fail(err, TUF_FORMAT, "role %.80s has no keyids or no threshold above 0", name);
    if (json_array_size(keyids) > TUF_KEYS_MAX)
        return tuf_fail(err, TUF_TOO_LARGE, "role %.80s has too many keys", name);
    seen = json_object();
    for (size_t i = 0; i < json_array_size(keyids) && r == TUF_OK; i++) {
        const char *keyid = json_string_value(json_array_get(keyids, i));

        if (!keyid || !tuf_hex_valid(keyid, TUF_KEYID_LEN))
            r = tuf_fail(err, TUF_FORMAT, "role %.80s has a malformed key name", name);
        else if (json_object_get(seen, keyid))
            r = tuf_fail(err, TUF_DUPLICATE, "role %.80s lists key %s twice", name, keyid);
        else
            json_object_set_new(seen, keyid, json_true());
    }
    json_decref(seen);
    return r;
}

static enum tuf_code check_root(const struct tuf_metadata *m, struct tuf_error *err)
{
    const json_t *consistent = json_object_get(m->body, "consistent_snapshot");
    json_t *roles = json_object_get(m->body, "roles");
    enum tuf_code r = check_keys(json_object_get(m->body, "keys"), err);
    const char *name;
    json_t *role;

    if (r != TUF_OK)
        return r;
    if (consistent && !json_is_boolean(consistent))
        return tuf_fail(err, TUF_FORMAT, "consistent_snapshot is neither true nor false");
    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        if (!json_is_object(json_object_get(roles, tuf_type_name(t))))
            return tuf_fail(err, TUF_FORMAT, "root names no role %s", tuf_type_name(t));
    json_object_foreach(roles, name,
                        role) if ((r = check_role(role, name, err)) != TUF_OK) return r;
    return TUF_OK;
}

/* Length and hashes of a file, where it is listed. */
static enum tuf_code check_file(const json_t *file, const char *name, bool required,
                                struct tuf_error *err)
{
    const json_t *length = json_object_get(file, "length");
    json_t *hashes = json_object_get(file, "hashes");
    const char *algorithm;
    json_t *value;

    if ((length || required) && !is_integer(length, 0))
        return tuf_fail(err, TUF_FORMAT, "%.80s is listed without a length", name);
    if ((hashes || required) &&
        (!json_is_object(hashes) || json_object_size(hashes) == 0 || json_object_size(hashes) > 8))
        return tuf_fail(err, TUF_FORMAT, "%.80s is listed without hashes", name);
    json_object_foreach(hashes, algorithm, value)
    {
        const char *text = json_string_value(value);

        if (!text || !*text || strlen(text) > TUF_HASH_TEXT_MAX ||
            !tuf_hex_valid(text, strlen(text)))
            return tuf_fail(err, TUF_FORMAT, "%.80s is listed with a malformed hash", name);
    }
    return TUF_OK;
}

static enum tuf_code check_meta(const struct tuf_metadata *m, struct tuf_error *err)
{
    json_t *meta = json_object_get(m->body, "meta");
    const char *first = m->type == TUF_TIMESTAMP ? "snapshot.json" : "targets.json";
    const char *name;
    json_t *file;

    if (!json_is_object(json_object_get(meta, first)))
        return tuf_fail(err, TUF_FORMAT, "%s does not list %s", tuf_type_name(m->type), first);
    if (m->type == TUF_TIMESTAMP && json_object_size(meta) != 1)
        return tuf_fail(err, TUF_FORMAT, "timestamp lists more than snapshot.json");
    if (json_object_size(meta) > TUF_ROLES_MAX)
        return tuf_fail(err, TUF_TOO_LARGE, "snapshot lists too many files");
    json_object_foreach(meta, name, file)
    {
        enum tuf_code r = check_file(file, name, false, err);

        if (r != TUF_OK)
            return r;
        if (!is_integer(json_object_get(file, "version"), 1))
            return tuf_fail(err, TUF_FORMAT, "%.80s is listed without a version", name);
    }
    return TUF_OK;
}

static bool is_top_level(const char *name)
{
    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        if (strcmp(name, tuf_type_name(t)) == 0)
            return true;
    return false;
}

static enum tuf_code check_delegated(const json_t *role, json_t *seen, struct tuf_error *err)
{
    const json_t *name = json_object_get(role, "name");
    const json_t *terminating = json_object_get(role, "terminating");
    const json_t *paths = json_object_get(role, "paths");
    const json_t *prefixes = json_object_get(role, "path_hash_prefixes");
    const char *text = json_string_value(name);
    enum tuf_code r;

    if (!is_text(name, TUF_ROLE_NAME_MAX) || is_top_level(text))
        return tuf_fail(err, TUF_FORMAT, "a delegated role has no name that it may have");
    if (json_object_get(seen, text))
        return tuf_fail(err, TUF_DUPLICATE, "role %.80s is delegated to twice", text);
    json_object_set_new(seen, text, json_true());
    if ((r = check_role(role, text, err)) != TUF_OK)
        return r;
    if (!json_is_boolean(terminating))
        return tuf_fail(err, TUF_FORMAT, "role %.80s does not say whether it is terminating", text);
    if ((paths && !json_is_array(paths)) || (prefixes && !json_is_array(prefixes)) ||
        (paths && prefixes))
        return tuf_fail(err, TUF_FORMAT, "role %.80s has no list of paths, or two", text);
    for (size_t i = 0; i < json_array_size(paths); i++)
        if (!is_text(json_array_get(paths, i), TUF_TARGET_PATH_MAX))
            return tuf_fail(err, TUF_FORMAT, "role %.80s has a malformed path", text);
    for (size_t i = 0; i < json_array_size(prefixes); i++) {
        const json_t *p = json_array_get(prefixes, i);

        if (!is_text(p, 64) || !tuf_hex_valid(json_string_value(p), json_string_length(p)))
            return tuf_fail(err, TUF_FORMAT, "role %.80s has a malformed prefix", text);
    }
    return TUF_OK;
}

static enum tuf_code check_succinct(const json_t *succinct, struct tuf_error *err)
{
    const json_t *bits = json_object_get(succinct, "bit_length");
    const json_t *prefix = json_object_get(succinct, "name_prefix");

    if (!is_integer(bits, 1) || json_integer_value(bits) > TUF_BIN_BITS_MAX)
        return tuf_fail(err, TUF_FORMAT, "bit_length of hashed bins is not 1 to %d",
                        TUF_BIN_BITS_MAX);
    if (!is_text(prefix, TUF_ROLE_NAME_MAX - 10))
        return tuf_fail(err, TUF_FORMAT, "hashed bins have no name_prefix");
    return check_role(succinct, json_string_value(prefix), err);
}

static enum tuf_code check_delegations(const json_t *delegations, struct tuf_error *err)
{
    const json_t *roles = json_object_get(delegations, "roles");
    const json_t *succinct = json_object_get(delegations, "succinct_roles");
    enum tuf_code r = check_keys(json_object_get(delegations, "keys"), err);
    json_t *seen;

    if (r != TUF_OK)
        return r;
    if (succinct && !roles)
        return check_succinct(succinct, err);
    if (succinct || !json_is_array(roles))
        return tuf_fail(err, TUF_FORMAT, "delegations have no list of roles, or two");
    if (json_array_size(roles) > TUF_ROLES_MAX)
        return tuf_fail(err, TUF_TOO_LARGE, "too many delegated roles");
    seen = json_object();
    for (size_t i = 0; i < json_array_size(roles) && r == TUF_OK; i++)
        r = check_delegated(json_array_get(roles, i), seen, err);
    json_decref(seen);
    return r;
}

static enum tuf_code check_targets(const struct tuf_metadata *m, struct tuf_error *err)
{
    json_t *targets = json_object_get(m->body, "targets");
    const json_t *delegations = json_object_get(m->body, "delegations");
    const char *path;
    json_t *file;

    if (!json_is_object(targets))
        return tuf_fail(err, TUF_FORMAT, "the object of targets is missing");
    json_object_foreach(targets, path, file)
    {
        const json_t *custom = json_object_get(file, "custom");
        enum tuf_code r = check_file(file, path, true, err);

        if (r != TUF_OK)
            return r;
        if (!*path || strlen(path) > TUF_TARGET_PATH_MAX)
            return tuf_fail(err, TUF_FORMAT, "the path of a target is empty or too long");
        if (custom && !json_is_object(custom))
            return tuf_fail(err, TUF_FORMAT, "custom data of %.80s is not an object", path);
    }
    return delegations ? check_delegations(delegations, err) : TUF_OK;
}

enum tuf_code tuf_metadata_check(struct tuf_metadata *m, struct tuf_error *err)
{
    const char *name = tuf_type_name(m->type);
    const char *type = json_string_value(json_object_get(m->body, "_type"));
    const char *expires = json_string_value(json_object_get(m->body, "expires"));
    const json_t *version = json_object_get(m->body, "version");
    enum tuf_code r;

    if (!type || strcmp(type, name) != 0)
        return tuf_fail(err, TUF_TYPE, "this is '%.20s', and %s is needed", type ? type : "", name);
    if ((r = check_spec_version(json_string_value(json_object_get(m->body, "spec_version")),
                                err)) != TUF_OK)
        return r;
    if (!is_integer(version, 1))
        return tuf_fail(err, TUF_FORMAT, "%s has no version above 0", name);
    if (!expires || !tuf_time_parse(expires, &m->expires))
        return tuf_fail(err, TUF_FORMAT,
                        "%s does not say when it expires (as 2026-01-02T03:04:05Z)", name);
    m->version = json_integer_value(version);
    if ((r = check_signatures(m, err)) != TUF_OK)
        return r;
    switch (m->type) {
    case TUF_ROOT:
        return check_root(m, err);
    case TUF_TARGETS:
        return check_targets(m, err);
    default:
        return check_meta(m, err);
    }
}
