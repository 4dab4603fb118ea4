/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/repo_publish.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/alloc.h"
#include "tuf/repo_read.h"
#include "tuf/repo_root.h"

/* One publish: what is there, and what comes. */
struct publish {
    const struct tuf_repo *repo;
    json_t *timestamp, *snapshot; /* files that are there; NULL: none */
    bool bins_anew;               /* every bin is written, though it says the same */
};

static int64_t version_in(const json_t *file)
{
    return tuf_repo_version_of(tuf_repo_body_of(file));
}

enum tuf_code tuf_repo_version(const struct tuf_repo *repo, int64_t *ret, struct tuf_error *err)
{
    json_t *timestamp;
    enum tuf_code r = tuf_repo_read(repo->metadata_dir, "timestamp.json", &timestamp, err);

    if (r == TUF_OK)
        *ret = version_in(timestamp);
    json_decref(timestamp);
    return r;
}

enum tuf_code tuf_repo_seen(const struct tuf_repo *repo, int64_t *ret, struct tuf_error *err)
{
    json_t *timestamp, *snapshot;
    enum tuf_code r = tuf_repo_read_state(repo->metadata_dir, &timestamp, &snapshot, err);

    if (r == TUF_OK)
        *ret = version_in(snapshot);
    json_decref(timestamp);
    json_decref(snapshot);
    return r;
}

/* --- one at a time
 * ---------------------------------------------------------------------------------- */

/* Takes the lock and reads what is there; -1 and *err: another one has it, or it cannot be read. */
static int begin(struct publish *p, struct tuf_error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/.lock", p->repo->metadata_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        tuf_fail(err, TUF_STORAGE, "%.200s: %s", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        tuf_fail(err, TUF_VERSION,
                 "somebody else is publishing right now; look at what comes of "
                 "it and publish again");
    else if (tuf_repo_read_state(p->repo->metadata_dir, &p->timestamp, &p->snapshot, err) == TUF_OK)
        return fd;
    close(fd);
    return -1;
}

static void end(struct publish *p, int fd)
{
    json_decref(p->timestamp);
    json_decref(p->snapshot);
    close(fd);
}

/* --- what comes
 * ----------------------------------------------------------------------------------- */

/* The seeds that sign for a role; how many. */
static size_t signers(const struct tuf_repo *repo, enum tuf_type type, struct tuf_seed ret[2])
{
    ret[0] = repo->seeds[type];
    if (!repo->next[type])
        return 1;
    ret[1] = *repo->next[type];
    return 2;
}

/* The key that a delegation of the targets names. */
static const struct tuf_seed *named(const struct tuf_repo *repo)
{
    return repo->next[TUF_TARGETS] ? repo->next[TUF_TARGETS] : &repo->seeds[TUF_TARGETS];
}

/* Signs and writes a body, which it takes, and lists it for the next snapshot if that is given. */
static enum tuf_code write_role(struct publish *p, enum tuf_type signer, const char *role,
                                json_t *body, json_t *list_in, struct tuf_error *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int64_t version = tuf_repo_version_of(body);
    struct tuf_seed seeds[2];
    size_t n = signers(p->repo, signer, seeds);

    tuf_repo_sign(body, seeds, n, &text);
    explicit_bzero(seeds, sizeof(seeds));
    if (list_in)
        tuf_repo_add_meta(list_in, role, version, text.data, text.len);
    return tuf_repo_write(p->repo->metadata_dir, role, version, text.data, text.len, err);
}

/* Whether every key that signs now has signed the file. */
static bool signed_by_all(const struct tuf_repo *repo, enum tuf_type type, const json_t *file)
{
    const json_t *list = json_object_get(file, "signatures");
    struct tuf_seed seeds[2];
    size_t n = signers(repo, type, seeds), found = 0;

    for (size_t i = 0; i < n; i++) {
        char keyid[TUF_KEYID_LEN + 1];
        bool has = false;

        json_decref(tuf_seed_public(seeds[i].bytes, keyid));
        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *id = json_object_get(json_array_get(list, k), "keyid");

            has = has || (json_is_string(id) && strcmp(json_string_value(id), keyid) == 0);
        }
        found += has;
    }
    explicit_bzero(seeds, sizeof(seeds));
    return found == n;
}

/* Whether the file may stay as it is, as far as its age and its signatures go. */
static bool lasts(const struct tuf_repo *repo, enum tuf_type type, const json_t *file)
{
    return tuf_repo_expires_of(tuf_repo_body_of(file)) >= repo->keep_until[type] &&
           signed_by_all(repo, type, file);
}

/* Whether two bodies say the same of this. */
static bool agree(const json_t *file, const json_t *body, const char *part)
{
    return json_equal(json_object_get(tuf_repo_body_of(file), part), json_object_get(body, part)) ||
           (!json_object_get(tuf_repo_body_of(file), part) && !json_object_get(body, part));
}

/* A role that speaks of targets: stays as it is, or comes as the next version.  Takes the body. */
static enum tuf_code put_targets(struct publish *p, const char *role, json_t *body,
                                 json_t *snapshot, struct tuf_error *err)
{
    json_t *was = tuf_repo_meta_of(p->snapshot, role), *file = NULL;
    int64_t version = tuf_repo_version_of(was);
    enum tuf_code r =
        was ? tuf_repo_read_role(p->repo->metadata_dir, role, version, &file, err) : TUF_OK;

    if (r == TUF_OK && file && !p->bins_anew && lasts(p->repo, TUF_TARGETS, file) &&
        agree(file, body, "targets") && agree(file, body, "delegations")) {
        _cleanup_free_ char *listed = xasprintf("%s.json", role);

        json_object_set(json_object_get(snapshot, "meta"), listed, was);
        json_decref(body);
    } else if (r == TUF_OK) {
        json_object_set_new(body, "version", json_integer(version + 1));
        r = write_role(p, TUF_TARGETS, role, body, snapshot, err);
    } else {
        json_decref(body);
    }
    json_decref(file);
    return r;
}

/* targets.json, whose body it takes.  When it comes as the next version every bin does, too, so
 * that none expires sooner, at a time when nothing else is due. */
static enum tuf_code put_top(struct publish *p, json_t *body, json_t *snapshot,
                             struct tuf_error *err)
{
    enum tuf_code r = put_targets(p, "targets", body, snapshot, err);
    const json_t *is = json_object_get(json_object_get(snapshot, "meta"), "targets.json");

    p->bins_anew = r == TUF_OK && tuf_repo_version_of(is) !=
                                      tuf_repo_version_of(tuf_repo_meta_of(p->snapshot, "targets"));
    return r;
}

static json_t *targets_body(const struct tuf_repo *repo)
{
    return tuf_repo_body(TUF_TARGETS, 1, repo->expires[TUF_TARGETS]);
}

static void bin_name(unsigned bits, unsigned i, char *ret, size_t size)
{
    snprintf(ret, size, "bin-%0*x", (int)(bits + 3) / 4, i);
}

/* Every file in its bin, and every bin written, as who has none must be able to see that. */
static enum tuf_code put_bins(struct publish *p, const struct tuf_repo_file *files, size_t n,
                              const json_t *targets, json_t *snapshot, struct tuf_error *err)
{
    unsigned bits = p->repo->bins;
    enum tuf_code r = TUF_OK;
    json_t *bins;

    if (bits > TUF_BIN_BITS_MAX)
        return tuf_fail(err, TUF_FORMAT, "at most 2^%d bins", TUF_BIN_BITS_MAX);
    bins = json_object();
    for (unsigned i = 0; i < 1u << bits; i++) {
        char name[64];

        bin_name(bits, i, name, sizeof(name));
        json_object_set_new(bins, name, targets_body(p->repo));
    }
    for (size_t i = 0; i < n; i++) {
        char name[TUF_ROLE_NAME_MAX + 1];

        tuf_repo_bin(targets, files[i].path, name);
        tuf_repo_add_target_hash(json_object_get(bins, name), files[i].path, files[i].len,
                                 files[i].sha256);
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
    json_t *targets;
    enum tuf_code r = TUF_OK;

    for (size_t i = 0; i < n && r == TUF_OK; i++)
        if (files[i].data && p->repo->target_dir)
            r = tuf_repo_write_target(p->repo->target_dir, files[i].path, files[i].data,
                                      files[i].len, files[i].sha256, err);
    if (r == TUF_OK && p->repo->target_dir)
        r = tuf_repo_flush(p->repo->target_dir, err);
    if (r != TUF_OK)
        return r;
    targets = targets_body(p->repo);
    if (p->repo->bins > 0) {
        tuf_repo_delegate_bins(targets, "bin", p->repo->bins, named(p->repo), 1, 1);
        r = put_top(p, json_incref(targets), snapshot, err);
        if (r == TUF_OK)
            r = put_bins(p, files, n, targets, snapshot, err);
    } else {
        for (size_t i = 0; i < n; i++)
            tuf_repo_add_target_hash(targets, files[i].path, files[i].len, files[i].sha256);
        r = put_top(p, json_incref(targets), snapshot, err);
    }
    json_decref(targets);
    return r;
}

/* Clients refuse a snapshot that lists less than the one before. */
static enum tuf_code check_nothing_vanishes(const struct publish *p, const json_t *snapshot,
                                            struct tuf_error *err)
{
    json_t *before = json_object_get(tuf_repo_body_of(p->snapshot), "meta");
    json_t *now = json_object_get(snapshot, "meta");

    for (void *it = json_object_iter(before); it; it = json_object_iter_next(before, it)) {
        const char *name = json_object_iter_key(it);

        if (!json_object_get(now, name))
            return tuf_fail(err, TUF_VANISHED,
                            "%.100s would vanish; the number of bins of a repository stays", name);
    }
    return TUF_OK;
}

/* The snapshot, which it takes, if anything is new in it or it must be signed anew; then the
 * timestamp, by which all of it is seen. */
static enum tuf_code put_snapshot(struct publish *p, json_t *snapshot, struct tuf_error *err)
{
    json_t *timestamp =
        tuf_repo_body(TUF_TIMESTAMP, version_in(p->timestamp) + 1, p->repo->expires[TUF_TIMESTAMP]);
    enum tuf_code r = TUF_OK;

    if (p->snapshot && lasts(p->repo, TUF_SNAPSHOT, p->snapshot) &&
        agree(p->snapshot, snapshot, "meta")) {
        json_object_set(timestamp, "meta", json_object_get(tuf_repo_body_of(p->timestamp), "meta"));
        json_decref(snapshot);
    } else {
        r = write_role(p, TUF_SNAPSHOT, "snapshot", snapshot, timestamp, err);
        if (r == TUF_OK)
            r = tuf_repo_flush(p->repo->metadata_dir, err);
    }
    if (r == TUF_OK)
        return write_role(p, TUF_TIMESTAMP, "timestamp", timestamp, NULL, err);
    json_decref(timestamp);
    return r;
}

static json_t *snapshot_body(const struct publish *p)
{
    return tuf_repo_body(TUF_SNAPSHOT, version_in(p->snapshot) + 1, p->repo->expires[TUF_SNAPSHOT]);
}

static enum tuf_code publish(struct publish *p, const struct tuf_repo_file *files, size_t n,
                             int64_t seen, struct tuf_error *err)
{
    int64_t now = version_in(p->snapshot);
    json_t *snapshot;
    enum tuf_code r;

    if (now != seen)
        return tuf_fail(err, TUF_VERSION,
                        "somebody else has published meanwhile (version %" PRId64
                        ", this was made from %" PRId64 "); look at it and publish again",
                        now, seen);
    snapshot = snapshot_body(p);
    if ((r = put_all_targets(p, files, n, snapshot, err)) == TUF_OK &&
        (r = check_nothing_vanishes(p, snapshot, err)) == TUF_OK)
        return put_snapshot(p, snapshot, err);
    json_decref(snapshot);
    return r;
}

enum tuf_code tuf_repo_publish(const struct tuf_repo *repo, const struct tuf_repo_file *files,
                               size_t n, int64_t seen, struct tuf_error *err)
{
    struct publish p = {.repo = repo};
    char(*hashes)[TUF_HASH_TEXT_MAX + 1] = xcalloc(n + 1, sizeof(*hashes));
    struct tuf_repo_file *known = xcalloc(n + 1, sizeof(*known));
    enum tuf_code r = TUF_OK;
    int fd = -1;

    for (size_t i = 0; i < n; i++) {
        known[i] = files[i];
        if (!known[i].sha256 && !tuf_hash("sha256", files[i].data, files[i].len, hashes[i]))
            abort();
        if (!known[i].sha256)
            known[i].sha256 = hashes[i];
    }
    fd = begin(&p, err);
    if (fd >= 0) {
        r = publish(&p, known, n, seen, err);
        end(&p, fd);
    } else {
        r = err->code;
    }
    free(hashes);
    free(known);
    return r;
}

enum tuf_code tuf_repo_refresh(const struct tuf_repo *repo, struct tuf_error *err)
{
    struct publish p = {.repo = repo};
    int fd = begin(&p, err);
    enum tuf_code r;

    if (fd < 0)
        return err->code;
    if (p.timestamp) {
        json_t *snapshot = snapshot_body(&p);

        json_object_set(snapshot, "meta", json_object_get(tuf_repo_body_of(p.snapshot), "meta"));
        r = put_snapshot(&p, snapshot, err);
    } else {
        r = tuf_fail(err, TUF_STATE, "nothing was published yet");
    }
    end(&p, fd);
    return r;
}

/* --- the root
 * ------------------------------------------------------------------------------------- */

enum tuf_code tuf_repo_put_root(const struct tuf_repo *repo, const json_t *root,
                                struct tuf_error *err)
{
    struct publish p = {.repo = repo};
    json_t *before = NULL;
    _cleanup_buf_ struct buf text = BUF_INIT;
    int fd = begin(&p, err);
    enum tuf_code r;

    if (fd < 0)
        return err->code;
    r = tuf_repo_read_root(repo->metadata_dir, &before, err);
    if (r == TUF_STATE) /* the first */
        r = TUF_OK;
    if (r == TUF_OK)
        r = tuf_root_check(before, root, err);
    tuf_root_text(root, &text);
    if (r == TUF_OK)
        r = tuf_repo_write(repo->metadata_dir, "root", version_in(root), text.data, text.len, err);
    json_decref(before);
    end(&p, fd);
    return r;
}

enum tuf_code tuf_repo_init(const struct tuf_repo *repo, struct tuf_error *err)
{
    json_t *root = tuf_root_first(repo->expires[TUF_ROOT]), *there = NULL;
    enum tuf_code r = tuf_repo_read(repo->metadata_dir, "1.root.json", &there, err);

    if (r == TUF_OK && there)
        r = tuf_fail(err, TUF_STATE, "there is a repository already");
    for (enum tuf_type t = 0; t < TUF_TYPES && r == TUF_OK; t++) {
        char keyid[TUF_KEYID_LEN + 1];
        json_t *key = tuf_seed_public(repo->seeds[t].bytes, keyid);

        tuf_root_set_keys(root, t, (const json_t *const[]){key}, 1, 1);
        json_decref(key);
    }
    tuf_root_sign(root, &repo->seeds[TUF_ROOT]);
    if (r == TUF_OK)
        r = tuf_repo_put_root(repo, root, err);
    json_decref(there);
    json_decref(root);
    return r;
}
