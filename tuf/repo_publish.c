/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/repo_publish.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"

#define FILE_MAX ((size_t)64 << 20)

/* One publish: what is there, and what comes. */
struct publish {
    const struct tuf_repo *repo;
    json_t *timestamp, *snapshot; /* files that are there; NULL: none */
};

/* --- what is there
 * -------------------------------------------------------------------------------- */

/* TUF_OK with *ret NULL: there is no such file. */
static enum tuf_code read_file(const struct tuf_repo *repo, const char *name, json_t **ret,
                               struct tuf_error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", repo->metadata_dir, name);
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

static json_t *body_of(const json_t *file)
{
    return json_object_get(file, "signed");
}

static int64_t version_of(const json_t *object)
{
    return json_integer_value(json_object_get(object, "version"));
}

/* What a file's "meta" says of a role; NULL: nothing. */
static json_t *meta_of(const json_t *file, const char *role)
{
    _cleanup_free_ char *name = xasprintf("%s.json", role);

    return json_object_get(json_object_get(body_of(file), "meta"), name);
}

static enum tuf_code read_state(struct publish *p, struct tuf_error *err)
{
    char name[64];
    enum tuf_code r = read_file(p->repo, "timestamp.json", &p->timestamp, err);

    if (r != TUF_OK || !p->timestamp)
        return r;
    snprintf(name, sizeof(name), "%" PRId64 ".snapshot.json",
             version_of(meta_of(p->timestamp, "snapshot")));
    if ((r = read_file(p->repo, name, &p->snapshot, err)) == TUF_OK && !p->snapshot)
        r = tuf_fail(err, TUF_STORAGE, "%s is missing; take it from a copy", name);
    return r;
}

enum tuf_code tuf_repo_version(const struct tuf_repo *repo, int64_t *ret, struct tuf_error *err)
{
    json_t *timestamp;
    enum tuf_code r = read_file(repo, "timestamp.json", &timestamp, err);

    if (r == TUF_OK)
        *ret = version_of(body_of(timestamp));
    json_decref(timestamp);
    return r;
}

/* Only one publisher at a time; -1 and *err: there is another one. */
static int lock(const struct tuf_repo *repo, struct tuf_error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/.lock", repo->metadata_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        tuf_fail(err, TUF_STORAGE, "%.200s: %s", path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        tuf_fail(err, TUF_VERSION, "another publish is under way");
        close(fd);
        fd = -1;
    }
    return fd;
}

/* --- what comes
 * ----------------------------------------------------------------------------------- */

/* Signs and writes a body, which it takes, and lists it for the next snapshot if that is given. */
static enum tuf_code write_role(struct publish *p, enum tuf_type signer, const char *role,
                                json_t *body, json_t *list_in, struct tuf_error *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int64_t version = version_of(body);

    tuf_repo_sign(body, &p->repo->seeds[signer], 1, &text);
    if (list_in)
        tuf_repo_add_meta(list_in, role, version, text.data, text.len);
    return tuf_repo_write(p->repo->metadata_dir, role, version, text.data, text.len, err);
}

/* Whether the file that is there says the same, for long enough. */
static bool says_the_same(const struct publish *p, const json_t *file, const json_t *body)
{
    const char *when = json_string_value(json_object_get(body_of(file), "expires"));
    int64_t expires;

    return when && tuf_time_parse(when, &expires) && expires >= p->repo->keep_until &&
           json_equal(json_object_get(body_of(file), "targets"),
                      json_object_get(body, "targets")) &&
           json_equal(json_object_get(body_of(file), "delegations"),
                      json_object_get(body, "delegations"));
}

/* A role that speaks of targets: stays as it is, or comes as the next version.  Takes the body. */
static enum tuf_code put_targets(struct publish *p, const char *role, json_t *body,
                                 json_t *snapshot, struct tuf_error *err)
{
    json_t *was = meta_of(p->snapshot, role), *file = NULL;
    _cleanup_free_ char *name = xasprintf("%" PRId64 ".%s.json", version_of(was), role);
    enum tuf_code r = was ? read_file(p->repo, name, &file, err) : TUF_OK;
    bool stays = file && says_the_same(p, file, body);

    if (r == TUF_OK && stays) {
        _cleanup_free_ char *listed = xasprintf("%s.json", role);

        json_object_set(json_object_get(snapshot, "meta"), listed, was);
        json_decref(body);
    } else if (r == TUF_OK) {
        json_object_set_new(body, "version", json_integer(version_of(was) + 1));
        r = write_role(p, TUF_TARGETS, role, body, snapshot, err);
    } else {
        json_decref(body);
    }
    json_decref(file);
    return r;
}

static json_t *targets_body(const struct tuf_repo *repo)
{
    return tuf_repo_body(TUF_TARGETS, 1, repo->expires[TUF_TARGETS]);
}

/* Every file in its bin, and every bin written, as who has none must be able to see that. */
static enum tuf_code put_bins(struct publish *p, const struct tuf_repo_file *files, size_t n,
                              const json_t *targets, json_t *snapshot, struct tuf_error *err)
{
    json_t *bins = json_object();
    unsigned bits = p->repo->bins;
    enum tuf_code r = TUF_OK;

    if (bits > TUF_BIN_BITS_MAX) {
        json_decref(bins);
        return tuf_fail(err, TUF_FORMAT, "at most 2^%d bins", TUF_BIN_BITS_MAX);
    }
    for (unsigned i = 0; i < 1u << bits; i++) {
        char name[64];

        snprintf(name, sizeof(name), "bin-%0*x",
                 bits > 12  ? 4
                 : bits > 8 ? 3
                 : bits > 4 ? 2
                            : 1,
                 i);
        json_object_set_new(bins, name, targets_body(p->repo));
    }
    for (size_t i = 0; i < n; i++) {
        char name[TUF_ROLE_NAME_MAX + 1];

        tuf_repo_bin(targets, files[i].path, name);
        tuf_repo_add_target(json_object_get(bins, name), files[i].path, files[i].data,
                            files[i].len);
    }
    for (void *it = json_object_iter(bins); it && r == TUF_OK; it = json_object_iter_next(bins, it))
        r = put_targets(p, json_object_iter_key(it), json_incref(json_object_iter_value(it)),
                        snapshot, err);
    json_decref(bins);
    return r;
}

static enum tuf_code put_all_targets(struct publish *p, const struct tuf_repo_file *files, size_t n,
                                     json_t *snapshot, struct tuf_error *err)
{
    json_t *targets = targets_body(p->repo);
    enum tuf_code r = TUF_OK;

    for (size_t i = 0; i < n && r == TUF_OK && p->repo->target_dir; i++)
        r = tuf_repo_write_target(p->repo->target_dir, files[i].path, files[i].data, files[i].len,
                                  err);
    if (r == TUF_OK && p->repo->bins > 0) {
        tuf_repo_delegate_bins(targets, "bin", p->repo->bins, &p->repo->seeds[TUF_TARGETS], 1, 1);
        r = put_bins(p, files, n, targets, snapshot, err);
    } else {
        for (size_t i = 0; i < n; i++)
            tuf_repo_add_target(targets, files[i].path, files[i].data, files[i].len);
    }
    if (r == TUF_OK)
        return put_targets(p, "targets", targets, snapshot, err);
    json_decref(targets);
    return r;
}

static json_t *timestamp_body(const struct publish *p)
{
    return tuf_repo_body(TUF_TIMESTAMP, version_of(body_of(p->timestamp)) + 1,
                         p->repo->expires[TUF_TIMESTAMP]);
}

/* Clients refuse a snapshot that lists less than the one before. */
static enum tuf_code check_nothing_vanishes(const struct publish *p, const json_t *snapshot,
                                            struct tuf_error *err)
{
    json_t *before = json_object_get(body_of(p->snapshot), "meta");
    const char *name;
    json_t *value;

    json_object_foreach(
        before, name,
        value) if (!json_object_get(json_object_get(snapshot, "meta"),
                                    name)) return tuf_fail(err, TUF_VANISHED,
                                                           "%.100s would vanish; the number of "
                                                           "bins of a repository stays",
                                                           name);
    return TUF_OK;
}

static enum tuf_code publish(struct publish *p, const struct tuf_repo_file *files, size_t n,
                             int64_t seen, struct tuf_error *err)
{
    json_t *snapshot, *timestamp;
    int64_t now;
    enum tuf_code r = read_state(p, err);

    if (r != TUF_OK)
        return r;
    now = version_of(body_of(p->timestamp));
    if (now != seen)
        return tuf_fail(err, TUF_VERSION,
                        "version %" PRId64 " is published, and this was made from %" PRId64, now,
                        seen);
    snapshot = tuf_repo_body(TUF_SNAPSHOT, version_of(body_of(p->snapshot)) + 1,
                             p->repo->expires[TUF_SNAPSHOT]);
    if ((r = put_all_targets(p, files, n, snapshot, err)) != TUF_OK ||
        (r = check_nothing_vanishes(p, snapshot, err)) != TUF_OK) {
        json_decref(snapshot);
        return r;
    }
    timestamp = timestamp_body(p);
    if ((r = write_role(p, TUF_SNAPSHOT, "snapshot", snapshot, timestamp, err)) != TUF_OK) {
        json_decref(timestamp);
        return r;
    }
    return write_role(p, TUF_TIMESTAMP, "timestamp", timestamp, NULL, err);
}

static enum tuf_code refresh(struct publish *p, struct tuf_error *err)
{
    json_t *timestamp;
    enum tuf_code r = read_state(p, err);

    if (r != TUF_OK)
        return r;
    if (!p->timestamp)
        return tuf_fail(err, TUF_STATE, "nothing was published yet");
    timestamp = timestamp_body(p);
    json_object_set(timestamp, "meta", json_object_get(body_of(p->timestamp), "meta"));
    return write_role(p, TUF_TIMESTAMP, "timestamp", timestamp, NULL, err);
}

static void publish_free(struct publish *p)
{
    json_decref(p->timestamp);
    json_decref(p->snapshot);
}

enum tuf_code tuf_repo_publish(const struct tuf_repo *repo, const struct tuf_repo_file *files,
                               size_t n, int64_t seen, struct tuf_error *err)
{
    struct publish p = {.repo = repo};
    int fd = lock(repo, err);
    enum tuf_code r;

    if (fd < 0)
        return err->code;
    r = publish(&p, files, n, seen, err);
    publish_free(&p);
    close(fd);
    return r;
}

enum tuf_code tuf_repo_refresh(const struct tuf_repo *repo, struct tuf_error *err)
{
    struct publish p = {.repo = repo};
    int fd = lock(repo, err);
    enum tuf_code r;

    if (fd < 0)
        return err->code;
    r = refresh(&p, err);
    publish_free(&p);
    close(fd);
    return r;
}

enum tuf_code tuf_repo_init(const struct tuf_repo *repo, struct tuf_error *err)
{
    json_t *body = tuf_repo_body(TUF_ROOT, 1, repo->expires[TUF_ROOT]), *there = NULL;
    struct publish p = {.repo = repo};
    enum tuf_code r = read_file(repo, "1.root.json", &there, err);

    if (r == TUF_OK && there)
        r = tuf_fail(err, TUF_STATE, "there is a repository already");
    json_decref(there);
    if (r != TUF_OK) {
        json_decref(body);
        return r;
    }
    for (enum tuf_type t = 0; t < TUF_TYPES; t++)
        tuf_repo_set_role(body, t, &repo->seeds[t], 1, 1);
    return write_role(&p, TUF_ROOT, "root", body, NULL, err);
}

/* The newest root that is there. */
static enum tuf_code newest_root(const struct tuf_repo *repo, json_t **ret, struct tuf_error *err)
{
    json_t *newest = NULL, *next = NULL;
    enum tuf_code r = TUF_OK;

    for (int64_t version = 1; r == TUF_OK; version++) {
        char name[64];

        snprintf(name, sizeof(name), "%" PRId64 ".root.json", version);
        if ((r = read_file(repo, name, &next, err)) != TUF_OK || !next)
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

static enum tuf_code write_root(const struct tuf_repo *repo, json_t *body,
                                const struct tuf_seed *seeds, size_t n, struct tuf_error *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int64_t version = version_of(body);

    tuf_repo_sign(body, seeds, n, &text);
    return tuf_repo_write(repo->metadata_dir, "root", version, text.data, text.len, err);
}

enum tuf_code tuf_repo_rotate(const struct tuf_repo *repo, enum tuf_type type,
                              const struct tuf_seed *to, struct tuf_error *err)
{
    struct tuf_seed seeds[2] = {repo->seeds[TUF_ROOT], *to};
    int fd = lock(repo, err);
    json_t *root, *body;
    enum tuf_code r;

    if (fd < 0)
        return err->code;
    if ((r = newest_root(repo, &root, err)) == TUF_OK) {
        body = tuf_repo_body(TUF_ROOT, version_of(body_of(root)) + 1, repo->expires[TUF_ROOT]);
        for (enum tuf_type t = 0; t < TUF_TYPES; t++)
            tuf_repo_set_role(body, t, t == type ? to : &repo->seeds[t], 1, 1);
        r = write_root(repo, body, seeds, type == TUF_ROOT ? 2 : 1, err);
        json_decref(root);
    }
    close(fd);
    return r;
}
