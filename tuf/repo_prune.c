/* SPDX-License-Identifier: Apache-2.0 */
#include "tuf/repo_prune.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "tuf/path.h"
#include "tuf/repo_read.h"

#define HASH_DIGITS 64
#define TEMPORARY 7 /* ".XXXXXX" of a file that was not finished */

struct prune {
    const struct tuf_repo *repo;
    int64_t since;
    json_t *keep; /* names, below the folder that they are in */
    size_t removed;
};

static void keep(struct prune *p, const char *name)
{
    json_object_set_new(p->keep, name, json_true());
}

/* --- what is needed
 * ------------------------------------------------------------------------------ */

static void keep_targets(struct prune *p, const json_t *file)
{
    json_t *targets = json_object_get(tuf_repo_body_of(file), "targets");

    for (void *it = json_object_iter(targets); it; it = json_object_iter_next(targets, it)) {
        const char *path = json_object_iter_key(it), *slash = strrchr(path, '/');
        int folder = slash ? (int)(slash - path + 1) : 0;
        const char *hash = json_string_value(
            json_object_get(json_object_get(json_object_iter_value(it), "hashes"), "sha256"));
        _cleanup_free_ char *name =
            xasprintf("%.*s%s.%s", folder, path, hash ? hash : "", path + folder);

        keep(p, name);
    }
}

/* Everything that one snapshot shows.  Roles that are kept already were read already. */
static enum tuf_code keep_state(struct prune *p, const json_t *snapshot, struct tuf_error *err)
{
    json_t *meta = json_object_get(tuf_repo_body_of(snapshot), "meta"), *file;
    enum tuf_code r = TUF_OK;

    for (void *it = json_object_iter(meta); it && r == TUF_OK;
         it = json_object_iter_next(meta, it)) {
        int64_t version = tuf_repo_version_of(json_object_iter_value(it));
        _cleanup_free_ char *role = xstrdup(json_object_iter_key(it));
        _cleanup_free_ char *quoted = NULL;
        _cleanup_free_ char *name = NULL;
        size_t n = strlen(role);

        if (n > 5)
            role[n - 5] = '\0'; /* ".json" */
        quoted = tuf_path_file(role);
        name = xasprintf("%" PRId64 ".%s.json", version, quoted);
        if (json_object_get(p->keep, name))
            continue;
        keep(p, name);
        r = tuf_repo_read(p->repo->metadata_dir, name, &file, err);
        if (file)
            keep_targets(p, file);
        json_decref(file);
    }
    return r;
}

/* When the file was written; 0: there is none. */
static int64_t written(const char *dir, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    struct stat st;

    return lstat(path, &st) == 0 ? (int64_t)st.st_mtime : 0;
}

/* The current state, and each before it as long as the one that replaced it is young. */
static enum tuf_code find_needed(struct prune *p, int64_t version, struct tuf_error *err)
{
    enum tuf_code r = TUF_OK;
    int64_t replaced = p->since; /* of the current one: not yet */

    for (; version > 0 && replaced >= p->since && r == TUF_OK; version--) {
        _cleanup_free_ char *name = xasprintf("%" PRId64 ".snapshot.json", version);
        json_t *snapshot;

        if ((r = tuf_repo_read(p->repo->metadata_dir, name, &snapshot, err)) != TUF_OK || !snapshot)
            break;
        keep(p, name);
        r = keep_state(p, snapshot, err);
        replaced = written(p->repo->metadata_dir, name);
        json_decref(snapshot);
    }
    return r;
}

/* --- what goes
 * ----------------------------------------------------------------------------------- */

static bool ends_with(const char *name, size_t n, const char *ending)
{
    size_t e = strlen(ending);

    return n >= e && strncmp(name + n - e, ending, e) == 0;
}

/* VERSION.ROLE.json of any role but the root, or what was to become one. */
static bool is_metadata(const char *name)
{
    size_t n = strlen(name), digits = strspn(name, "0123456789");

    if (!ends_with(name, n, ".json") && n > TEMPORARY && name[n - TEMPORARY] == '.')
        n -= TEMPORARY;
    if (!ends_with(name, n, ".json"))
        return false;
    if (strncmp(name, "timestamp.json", n) == 0)
        return name[n]; /* the unfinished only */
    return digits > 0 && name[digits] == '.' &&
           (strncmp(name + digits, ".root.json", strlen(".root.json")) != 0 || name[n]);
}

/* HASH.NAME, finished or not. */
static bool is_target(const char *name)
{
    return strspn(name, "0123456789abcdef") == HASH_DIGITS && name[HASH_DIGITS] == '.';
}

static bool old_file(int folder, const char *name, int64_t since)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           st.st_mtime < since;
}

/* The files of one folder, whose names below the top begin with `below`, and of those in it. */
static void sweep(struct prune *p, int parent, const char *path, const char *below,
                  bool (*ours)(const char *name))
{
    int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;

    while (d && (e = readdir(d))) {
        _cleanup_free_ char *name = xasprintf("%s%s", below, e->d_name);

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (e->d_type == DT_DIR && ours == is_target) {
            _cleanup_free_ char *deeper = xasprintf("%s/", name);

            sweep(p, dirfd(d), e->d_name, deeper, ours);
        } else if (ours(e->d_name) && !json_object_get(p->keep, name) &&
                   old_file(dirfd(d), e->d_name, p->since)) {
            p->removed += unlinkat(dirfd(d), e->d_name, 0) == 0;
        }
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
}

static enum tuf_code prune(struct prune *p, struct tuf_error *err)
{
    json_t *timestamp, *snapshot;
    enum tuf_code r = tuf_repo_read_state(p->repo->metadata_dir, &timestamp, &snapshot, err);

    if (r == TUF_OK && snapshot)
        r = find_needed(p, tuf_repo_version_of(tuf_repo_body_of(snapshot)), err);
    if (r == TUF_OK && snapshot) {
        sweep(p, AT_FDCWD, p->repo->metadata_dir, "", is_metadata);
        if (p->repo->target_dir)
            sweep(p, AT_FDCWD, p->repo->target_dir, "", is_target);
    }
    json_decref(timestamp);
    json_decref(snapshot);
    return r;
}

enum tuf_code tuf_repo_prune(const struct tuf_repo *repo, int64_t since, size_t *removed,
                             struct tuf_error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/.lock", repo->metadata_dir);
    struct prune p = {.repo = repo, .since = since, .keep = json_object()};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum tuf_code r = TUF_OK;

    if (fd < 0)
        r = tuf_fail(err, TUF_STORAGE, "%.200s: %s", path, strerror(errno));
    else if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        r = prune(&p, err);
    if (fd >= 0)
        close(fd);
    *removed += p.removed;
    json_decref(p.keep);
    return r;
}
