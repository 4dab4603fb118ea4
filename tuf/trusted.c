/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/trusted.h"

#include <inttypes.h>
#include <string.h>

#include "common/alloc.h"

void tuf_trusted_free(struct tuf_trusted *t)
{
    tuf_metadata_free(t->root);
    tuf_metadata_free(t->timestamp);
    tuf_metadata_free(t->snapshot);
    tuf_metadata_free(t->targets);
    memset(t, 0, sizeof(*t));
}

static void replace(struct tuf_metadata **place, struct tuf_metadata *m)
{
    tuf_metadata_free(*place);
    *place = m;
}

static enum tuf_code check_expiry(const struct tuf_trusted *t, const struct tuf_metadata *m,
                                  const char *name, struct tuf_error *err)
{
    char when[TUF_TIME_LEN + 1];

    if (m->expires > t->now)
        return TUF_OK;
    tuf_time_text(m->expires, when);
    return tuf_fail(err, TUF_EXPIRED, "%.100s version %" PRId64 " expired at %s", name, m->version,
                    when);
}

/* Signed as `by`, a root, says of this type of role. */
static enum tuf_code check_signed(const struct tuf_metadata *m, const struct tuf_metadata *by,
                                  struct tuf_error *err)
{
    struct tuf_role role;

    tuf_root_role(by, m->type, &role);
    return tuf_metadata_verify(m, &role, err);
}

static enum tuf_code read_signed(const struct tuf_trusted *t, const void *data, size_t len,
                                 enum tuf_type type, struct tuf_metadata **ret,
                                 struct tuf_error *err)
{
    struct tuf_metadata *m = NULL;
    enum tuf_code r = tuf_metadata_parse(data, len, type, &m, err);

    if (r == TUF_OK)
        r = check_signed(m, t->root, err);
    if (r != TUF_OK)
        m = tuf_metadata_free(m);
    *ret = m;
    return r;
}

/* --- root
 * ----------------------------------------------------------------------------------------- */

enum tuf_code tuf_trusted_first_root(struct tuf_trusted *t, const void *data, size_t len,
                                     struct tuf_error *err)
{
    struct tuf_metadata *m = NULL;
    enum tuf_code r;

    if (t->root)
        return tuf_fail(err, TUF_STATE, "there is a root already");
    r = tuf_metadata_parse(data, len, TUF_ROOT, &m, err);
    if (r == TUF_OK)
        r = check_signed(m, m, err);
    if (r != TUF_OK) {
        tuf_metadata_free(m);
        return r;
    }
    t->root = m;
    return TUF_OK;
}

static enum tuf_code check_next_root(const struct tuf_trusted *t, const struct tuf_metadata *m,
                                     struct tuf_error *err)
{
    enum tuf_code r = check_signed(m, t->root, err);

    if (r == TUF_OK)
        r = check_signed(m, m, err);
    if (r != TUF_OK)
        return r;
    if (m->version <= t->root->version)
        return tuf_fail(err, TUF_ROLLBACK,
                        "root version %" PRId64 " is offered and %" PRId64 " is trusted",
                        m->version, t->root->version);
    if (m->version != t->root->version + 1)
        return tuf_fail(err, TUF_VERSION, "root is version %" PRId64 ", not %" PRId64, m->version,
                        t->root->version + 1);
    return TUF_OK;
}

enum tuf_code tuf_trusted_next_root(struct tuf_trusted *t, const void *data, size_t len,
                                    bool *rotated, struct tuf_error *err)
{
    struct tuf_metadata *m = NULL;
    enum tuf_code r;

    *rotated = false;
    if (!t->root || t->root_done)
        return tuf_fail(err, TUF_STATE, "a newer root comes after the first and before the rest");
    r = tuf_metadata_parse(data, len, TUF_ROOT, &m, err);
    if (r == TUF_OK)
        r = check_next_root(t, m, err);
    if (r != TUF_OK) {
        tuf_metadata_free(m);
        return r;
    }
    *rotated = !tuf_root_same_keys(t->root, m, TUF_TIMESTAMP) ||
               !tuf_root_same_keys(t->root, m, TUF_SNAPSHOT);
    replace(&t->root, m);
    return TUF_OK;
}

enum tuf_code tuf_trusted_root_done(struct tuf_trusted *t, struct tuf_error *err)
{
    enum tuf_code r;

    if (!t->root || t->root_done)
        return tuf_fail(err, TUF_STATE, "there is no root, or it is done");
    if ((r = check_expiry(t, t->root, "root", err)) == TUF_OK)
        t->root_done = true;
    return r;
}

/* --- timestamp
 * ------------------------------------------------------------------------------------ */

enum tuf_code tuf_trusted_local_timestamp(struct tuf_trusted *t, const void *data, size_t len,
                                          struct tuf_error *err)
{
    struct tuf_metadata *m;
    enum tuf_code r;

    if (!t->root_done || t->timestamp)
        return tuf_fail(err, TUF_STATE, "the local timestamp comes right after the root");
    if ((r = read_signed(t, data, len, TUF_TIMESTAMP, &m, err)) == TUF_OK)
        t->timestamp = m;
    return r;
}

static enum tuf_code check_timestamp(const struct tuf_trusted *t, const struct tuf_metadata *m,
                                     struct tuf_error *err)
{
    struct tuf_file was, is;

    if (t->timestamp && m->version < t->timestamp->version)
        return tuf_fail(err, TUF_ROLLBACK,
                        "timestamp version %" PRId64 " is offered and %" PRId64 " is trusted",
                        m->version, t->timestamp->version);
    if (t->timestamp && m->version == t->timestamp->version)
        return TUF_OK; /* the trusted one stays */
    if (t->timestamp && tuf_meta_file(t->timestamp, "snapshot", &was) &&
        tuf_meta_file(m, "snapshot", &is) && is.version < was.version)
        return tuf_fail(err, TUF_ROLLBACK,
                        "timestamp lists snapshot version %" PRId64 ", and before %" PRId64,
                        is.version, was.version);
    return check_expiry(t, m, "timestamp", err);
}

enum tuf_code tuf_trusted_timestamp(struct tuf_trusted *t, const void *data, size_t len,
                                    bool *newer, struct tuf_error *err)
{
    struct tuf_metadata *m;
    enum tuf_code r;

    *newer = false;
    if (!t->root_done || t->snapshot)
        return tuf_fail(err, TUF_STATE, "the timestamp comes between root and snapshot");
    if ((r = read_signed(t, data, len, TUF_TIMESTAMP, &m, err)) != TUF_OK)
        return r;
    if ((r = check_timestamp(t, m, err)) != TUF_OK) {
        tuf_metadata_free(m);
        return r;
    }
    if (t->timestamp && m->version == t->timestamp->version) {
        tuf_metadata_free(m);
        return check_expiry(t, t->timestamp, "timestamp", err);
    }
    *newer = true;
    replace(&t->timestamp, m);
    return TUF_OK;
}

/* --- snapshot
 * ------------------------------------------------------------------------------------- */

/* The bytes are those that whoever lists the file means; others are of another state. */
static enum tuf_code check_listed(const struct tuf_file *file, const char *what, const void *data,
                                  size_t len, struct tuf_error *err)
{
    enum tuf_code r = tuf_file_check(file, what, data, len, err);

    if (r == TUF_HASH || r == TUF_LENGTH)
        r = err->code = TUF_MIXED;
    return r;
}

/* The version that the timestamp names, not expired, and nothing in it older than before. */
static enum tuf_code check_snapshot(const struct tuf_trusted *t, const struct tuf_metadata *m,
                                    const struct tuf_file *file, struct tuf_error *err)
{
    json_t *before = t->snapshot ? json_object_get(t->snapshot->body, "meta") : NULL;
    const json_t *now = json_object_get(m->body, "meta");
    const char *name;
    json_t *was;

    if (m->version != file->version)
        return tuf_fail(err, TUF_VERSION,
                        "snapshot is version %" PRId64 ", and timestamp lists %" PRId64, m->version,
                        file->version);
    if (t->snapshot && m->version < t->snapshot->version)
        return tuf_fail(err, TUF_ROLLBACK,
                        "snapshot version %" PRId64 " is offered and %" PRId64 " is trusted",
                        m->version, t->snapshot->version);
    json_object_foreach(before, name, was)
    {
        const json_t *is = json_object_get(now, name);
        int64_t version = json_integer_value(json_object_get(is, "version"));
        int64_t old = json_integer_value(json_object_get(was, "version"));

        if (!is)
            return tuf_fail(err, TUF_VANISHED, "snapshot does not list %.100s any more", name);
        if (version < old)
            return tuf_fail(err, TUF_ROLLBACK,
                            "snapshot lists %.100s version %" PRId64 ", and before %" PRId64, name,
                            version, old);
    }
    return check_expiry(t, m, "snapshot", err);
}

enum tuf_code tuf_trusted_local_snapshot(struct tuf_trusted *t, const void *data, size_t len,
                                         struct tuf_error *err)
{
    struct tuf_error not_final;
    struct tuf_metadata *m;
    struct tuf_file file;
    enum tuf_code r;

    if (!t->timestamp || t->snapshot)
        return tuf_fail(err, TUF_STATE, "the local snapshot comes right after the timestamp");
    if ((r = read_signed(t, data, len, TUF_SNAPSHOT, &m, err)) != TUF_OK)
        return r;
    t->snapshot_done = tuf_meta_file(t->timestamp, "snapshot", &file) &&
                       tuf_file_check(&file, "snapshot", data, len, &not_final) == TUF_OK &&
                       check_snapshot(t, m, &file, &not_final) == TUF_OK;
    t->snapshot = m;
    return TUF_OK;
}

enum tuf_code tuf_trusted_snapshot(struct tuf_trusted *t, const void *data, size_t len,
                                   struct tuf_error *err)
{
    struct tuf_metadata *m;
    struct tuf_file file;
    enum tuf_code r;

    if (!t->timestamp || t->targets || !tuf_meta_file(t->timestamp, "snapshot", &file))
        return tuf_fail(err, TUF_STATE, "the snapshot comes between timestamp and targets");
    if ((r = check_expiry(t, t->timestamp, "timestamp", err)) != TUF_OK ||
        (r = check_listed(&file, "snapshot", data, len, err)) != TUF_OK ||
        (r = read_signed(t, data, len, TUF_SNAPSHOT, &m, err)) != TUF_OK)
        return r;
    if ((r = check_snapshot(t, m, &file, err)) != TUF_OK) {
        tuf_metadata_free(m);
        return r;
    }
    replace(&t->snapshot, m);
    t->snapshot_done = true;
    return TUF_OK;
}

/* --- targets
 * -------------------------------------------------------------------------------------- */

enum tuf_code tuf_trusted_listed(const struct tuf_trusted *t, const char *role,
                                 struct tuf_file *ret, struct tuf_error *err)
{
    if (!t->snapshot_done)
        return tuf_fail(err, TUF_STATE, "targets come after the snapshot");
    if (!tuf_meta_file(t->snapshot, role, ret))
        return tuf_fail(err, TUF_NOT_LISTED, "snapshot does not list role %.100s", role);
    return TUF_OK;
}

enum tuf_code tuf_trusted_role(const struct tuf_trusted *t, const struct tuf_role *role,
                               const void *data, size_t len, struct tuf_metadata **ret,
                               struct tuf_error *err)
{
    struct tuf_metadata *m = NULL;
    struct tuf_file file;
    enum tuf_code r;

    if ((r = tuf_trusted_listed(t, role->name, &file, err)) != TUF_OK ||
        (r = check_listed(&file, role->name, data, len, err)) != TUF_OK ||
        (r = tuf_metadata_parse(data, len, TUF_TARGETS, &m, err)) != TUF_OK)
        return r;
    r = tuf_metadata_verify(m, role, err);
    if (r == TUF_OK && m->version != file.version)
        r = tuf_fail(err, TUF_VERSION, "%.100s is version %" PRId64 ", and snapshot lists %" PRId64,
                     role->name, m->version, file.version);
    if (r == TUF_OK)
        r = check_expiry(t, m, role->name, err);
    if (r != TUF_OK) {
        tuf_metadata_free(m);
        return r;
    }
    *ret = m;
    return TUF_OK;
}

enum tuf_code tuf_trusted_targets(struct tuf_trusted *t, const void *data, size_t len,
                                  struct tuf_error *err)
{
    struct tuf_metadata *m = NULL;
    struct tuf_role role;
    enum tuf_code r;

    if (!t->snapshot_done)
        return tuf_fail(err, TUF_STATE, "targets come after the snapshot");
    tuf_root_role(t->root, TUF_TARGETS, &role);
    if ((r = tuf_trusted_role(t, &role, data, len, &m, err)) == TUF_OK)
        replace(&t->targets, m);
    return r;
}

/* --- the search
 * ----------------------------------------------------------------------------------- */

/* Each role adds at most so many: those behind them could not be reached before the search ends. */
#define CHILDREN_MAX (2 * TUF_SEARCH_ROLES_MAX)

struct search {
    struct tuf_metadata *read[TUF_SEARCH_ROLES_MAX]; /* roles on the stack point into them */
    char names[TUF_SEARCH_ROLES_MAX][TUF_ROLE_NAME_MAX + 1];
    size_t n_read;
    struct tuf_role stack[CHILDREN_MAX * (TUF_SEARCH_ROLES_MAX + 1)]; /* the next is the last */
    size_t n;
};

static bool was_read(const struct search *s, const char *name)
{
    for (size_t i = 0; i < s->n_read; i++)
        if (strcmp(s->names[i], name) == 0)
            return true;
    return false;
}

/* Puts on the stack whom m delegates the path to; behind a terminating one nobody is asked. */
static void push_delegations(struct search *s, const struct tuf_metadata *m, const char *path)
{
    struct tuf_role children[CHILDREN_MAX];
    size_t n = 0, position = 0;

    while (n < CHILDREN_MAX && tuf_delegation(m, path, &position, &children[n]))
        if (children[n++].terminating) {
            s->n = 0;
            break;
        }
    while (n > 0)
        s->stack[s->n++] = children[--n];
}

static enum tuf_code search(const struct tuf_trusted *t, struct search *s, const char *path,
                            tuf_load load, void *ctx, struct tuf_file *ret, struct tuf_error *err)
{
    push_delegations(s, t->targets, path);
    while (s->n > 0) {
        struct tuf_role role = s->stack[--s->n];
        struct tuf_metadata *m;
        enum tuf_code r;

        if (was_read(s, role.name))
            continue;
        if (s->n_read == TUF_SEARCH_ROLES_MAX)
            return tuf_fail(err, TUF_NO_TARGET, "%d roles say nothing about %.100s",
                            TUF_SEARCH_ROLES_MAX, path);
        if ((r = load(ctx, &role, &m, err)) != TUF_OK)
            return r;
        memcpy(s->names[s->n_read], role.name, sizeof(role.name));
        s->read[s->n_read++] = m;
        if (tuf_target(m, path, ret))
            return TUF_OK;
        push_delegations(s, m, path);
    }
    return tuf_fail(err, TUF_NO_TARGET, "no role says anything about %.100s", path);
}

enum tuf_code tuf_trusted_find(const struct tuf_trusted *t, const char *path, tuf_load load,
                               void *ctx, struct tuf_metadata **ret_role, struct tuf_file *ret,
                               struct tuf_error *err)
{
    struct search *s;
    enum tuf_code r;

    if (!t->targets)
        return tuf_fail(err, TUF_STATE, "targets are searched for after the update");
    if (tuf_target(t->targets, path, ret)) {
        *ret_role = NULL;
        return TUF_OK;
    }
    s = xcalloc(1, sizeof(*s));
    r = search(t, s, path, load, ctx, ret, err);
    if (r == TUF_OK) /* the last that was read is the one that knows it */
        *ret_role = s->read[--s->n_read];
    while (s->n_read > 0)
        tuf_metadata_free(s->read[--s->n_read]);
    free(s);
    return r;
}
