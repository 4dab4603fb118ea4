/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/fs.h"
#include "common/name.h"
#include "common/origins.h"
#include "controller/output_files.h"
#include "controller/output_tree.h"
#include "controller/render.h"

#define STAGE_SUFFIX ".new-XXXXXX" /* of ".NAME.new-XXXXXX", for mkdtemp(3) */
#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A folder of DIR that is ours, or a gateway of the mesh, or both. */
struct folder {
    UT_hash_handle hh;
    bool owned;   /* an earlier compile wrote it */
    bool given;   /* output_gateway() had it */
    bool changed; /* and staged it */
    char name[];
};

struct output {
    char *parent, *base; /* DIR is base in parent, which is canonical */
    char *dir;           /* as the caller wrote it, for messages */
    char *stage;         /* name in parent; NULL: nothing changed so far */
    int parent_fd, old_fd, stage_fd;
    mode_t mask;           /* umask(2) */
    pthread_mutex_t mutex; /* folders and stage, while output_gateway() is called */
    struct folder *folders;
    struct output_result result;
    bool committed;
};

/* --- what is there
 * ---------------------------------------------------------------------------------- */

static struct folder *find_folder(struct output *o, const char *name, bool add)
{
    size_t n = strlen(name);
    struct folder *f;

    HASH_FIND(hh, o->folders, name, n, f);
    if (!f && add) {
        f = xcalloc(1, sizeof(*f) + n + 1);
        memcpy(f->name, name, n + 1);
        HASH_ADD(hh, o->folders, name, n, f);
    }
    return f;
}

/* Calls back with every entry but "." and ".."; a negative result ends it. */
static int each_entry(int folder, int (*fn)(void *, const char *), void *data)
{
    int fd = openat(folder, ".", OPEN_FOLDER), r = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!dir) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    while (r == 0 && (errno = 0, e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = fn(data, e->d_name);
    if (r == 0 && errno)
        r = -errno;
    closedir(dir);
    return r;
}

struct survey {
    struct output *o;
    const char *mesh;
    char *stranger; /* a visible folder that no bundle of ours explains */
    size_t owned;
    struct error_list *err;
};

static int survey_entry(void *data, const char *name)
{
    struct survey *s = data;
    int fd = openat(s->o->old_fd, name, OPEN_FOLDER), r;
    struct owned owned;

    if (fd < 0)
        return errno == ENOTDIR || errno == ELOOP || errno == ENXIO || errno == ENOENT
                   ? 0
                   : error_sys(s->err, errno, s->o->dir, "cannot open its folder %s", name);
    r = owned_read(fd, name, false, &owned);
    close(fd);
    if (r < 0)
        return error_sys(s->err, -r, s->o->dir, "cannot read %s/%s", name, owned_voice(name));
    if (r == 0 || strcmp(owned.gateway, name) != 0) {
        if (name[0] != '.' && !s->stranger)
            s->stranger = xstrdup(name);
    } else if (strcmp(owned.mesh, s->mesh) != 0) {
        r = error_add(s->err, s->o->dir, 0, NULL,
                      "the folder holds the output of mesh '%s', and this is mesh '%s'; choose "
                      "another one with -o, or remove it",
                      owned.mesh, s->mesh);
        owned_free(&owned);
        return r;
    } else {
        find_folder(s->o, name, true)->owned = true;
        s->owned++;
    }
    owned_free(&owned);
    return 0;
}

/* A folder full of other things is hardly meant: "-o /etc" or "-o ~" is a slip. */
static int survey(struct output *o, const char *mesh, struct error_list *err)
{
    struct survey s = {.o = o, .mesh = mesh, .err = err};
    int r = each_entry(o->old_fd, survey_entry, &s);

    if (r < 0 && err->n == 0)
        error_sys(err, -r, o->dir, "cannot read the folder");
    if (r == 0 && s.owned == 0 && s.stranger)
        r = error_add(err, o->dir, 0, NULL,
                      "the folder holds no output of compile, but a folder '%s'; choose an empty "
                      "one with -o",
                      s.stranger);
    free(s.stranger);
    return r;
}

/* --- what a killed run left
 * ------------------------------------------------------------------------- */

static int clear_leftover(void *data, const char *name)
{
    struct survey *s = data;
    struct output *o = s->o;
    size_t n = strlen(o->base);
    struct stat st;

    if (name[0] != '.' || strncmp(name + 1, o->base, n) != 0 ||
        strncmp(name + 1 + n, STAGE_SUFFIX, 5) != 0 || strlen(name + 1 + n) != strlen(STAGE_SUFFIX))
        return 0;
    /* In a folder like /tmp anybody can make one of this name; only our own is taken. */
    if (fstatat(o->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
        st.st_uid != geteuid())
        return 0;
    if (o->old_fd < 0) {
        /* The very first run was killed: there is nothing of anybody else in it. */
        _cleanup_free_ char *path = xasprintf("%s/%s", o->parent, name);

        return fs_remove_tree(path, s->err);
    }
    return tree_absorb(o->parent_fd, name, o->old_fd, s->err);
}

/* --- begin
 * ------------------------------------------------------------------------------------------ */

/* Splits DIR into the canonical folder that it is in and its name there. */
static int locate(struct output *o, struct error_list *err)
{
    _cleanup_free_ char *real = realpath(o->dir, NULL);
    char *slash;

    if (!real && errno != ENOENT)
        return error_sys(err, errno, o->dir, "cannot find the folder for the output");
    if (!real) {
        _cleanup_free_ char *text = xstrdup(o->dir), *parent = NULL;
        size_t n = strlen(text);

        while (n > 1 && text[n - 1] == '/')
            text[--n] = '\0';
        slash = strrchr(text, '/');
        parent = !slash ? xstrdup(".") : xstrndup(text, slash == text ? 1 : (size_t)(slash - text));
        o->base = xstrdup(slash ? slash + 1 : text);
        if (!*o->base || strcmp(o->base, ".") == 0 || strcmp(o->base, "..") == 0 ||
            strlen(o->base) > NAME_MAX - 16)
            return error_add(err, o->dir, 0, NULL,
                             "this cannot be the folder for the output; choose a new one with -o");
        if (fs_mkdirs(parent, 0777, err) < 0)
            return -errno;
        o->parent = realpath(parent, NULL);
        return o->parent ? 0 : error_sys(err, errno, parent, "cannot find the folder");
    }
    slash = strrchr(real, '/');
    if (!slash[1] || strlen(slash + 1) > NAME_MAX - 16)
        return error_add(err, o->dir, 0, NULL,
                         "this cannot be the folder for the output; choose a new one with -o");
    o->base = xstrdup(slash + 1);
    o->parent = slash == real ? xstrdup("/") : xstrndup(real, (size_t)(slash - real));
    return 0;
}

/* Whoever stands in DIR would find himself in a folder that is gone. */
static bool stands_in(const struct output *o)
{
    _cleanup_free_ char *here = getcwd(NULL, 0);
    _cleanup_free_ char *dir = xasprintf("%s%s%s", o->parent, o->parent[1] ? "/" : "", o->base);
    size_t n = strlen(dir);

    return here && strncmp(here, dir, n) == 0 && (here[n] == '/' || here[n] == '\0');
}

static int open_old(struct output *o, const char *mesh, struct error_list *err)
{
    struct survey s = {.o = o, .err = err};
    struct stat up, st;
    int r;

    o->parent_fd = open(o->parent, OPEN_FOLDER);
    if (o->parent_fd < 0)
        return error_sys(err, errno, o->parent, "cannot open the folder of the output");
    while (flock(o->parent_fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return error_sys(err, errno, o->parent, "cannot lock the folder of the output");
    o->old_fd = openat(o->parent_fd, o->base, OPEN_FOLDER);
    if (o->old_fd < 0 && errno != ENOENT)
        return errno == ENOTDIR || errno == ELOOP
                   ? error_add(err, o->dir, 0, NULL,
                               "this is no folder; move it away or choose another with -o")
                   : error_sys(err, errno, o->dir, "cannot open the folder");
    if (o->old_fd >= 0) {
        if (fstat(o->parent_fd, &up) < 0 || fstat(o->old_fd, &st) < 0)
            return error_sys(err, errno, o->dir, "cannot look at the folder");
        if (up.st_dev != st.st_dev)
            return error_add(err, o->dir, 0, NULL,
                             "the folder is a mount point and cannot be replaced as a whole; "
                             "choose a folder inside it with -o");
        if (stands_in(o))
            return error_add(err, o->dir, 0, NULL,
                             "you are in this folder, which is replaced as a whole; change to "
                             "another one, or choose another with -o");
    }
    r = each_entry(o->parent_fd, clear_leftover, &s);
    if (r < 0 && err->n == 0)
        error_sys(err, -r, o->parent, "cannot read the folder");
    if (r == 0 && o->old_fd >= 0)
        r = survey(o, mesh, err);
    return r;
}

int output_begin(const char *dir, const char *mesh, struct output **ret, struct error_list *err)
{
    struct output *o = xcalloc(1, sizeof(*o));
    int r;

    o->dir = xstrdup(dir);
    o->parent_fd = o->old_fd = o->stage_fd = -1;
    umask(o->mask = umask(0));
    pthread_mutex_init(&o->mutex, NULL);
    r = locate(o, err);
    if (r == 0)
        r = open_old(o, mesh, err);
    if (r < 0)
        output_free(o);
    else
        *ret = o;
    return r;
}

/* --- staging
 * ---------------------------------------------------------------------------------------- */

static int stage_failed(struct output *o, int errnum, const char *gateway, struct error_list *err)
{
    return error_sys(err, errnum, NULL, "%s%s%s: cannot write it; the old output is as it was",
                     o->dir, gateway ? "/" : "", gateway ? gateway : "");
}

static int stage_make(struct output *o, struct error_list *err)
{
    _cleanup_free_ char *path = NULL;
    struct stat st;

    if (o->stage)
        return 0;
    path = xasprintf("%s/.%s" STAGE_SUFFIX, o->parent, o->base);
    if (!mkdtemp(path))
        return error_sys(err, errno, o->parent, "cannot make a folder beside the output");
    o->stage = xstrdup(strrchr(path, '/') + 1);
    o->stage_fd = openat(o->parent_fd, o->stage, OPEN_FOLDER);
    if (o->stage_fd < 0)
        return stage_failed(o, errno, NULL, err);
    st.st_mode = 0777 & ~o->mask;
    if (o->old_fd >= 0 && (fstat(o->old_fd, &st) < 0 ||
                           (fchown(o->stage_fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)))
        return stage_failed(o, errno, NULL, err);
    if (fchmod(o->stage_fd, st.st_mode & 07777) < 0)
        return stage_failed(o, errno, NULL, err);
    return 0;
}

static int stage_gateway(struct output *o, const char *name, int old, const struct owned *owned,
                         const struct rendered_file *files, size_t n, const uint8_t *states,
                         struct error_list *err)
{
    _cleanup_free_ char *shown = xasprintf("%s/%s", o->dir, name);
    struct stat st;
    int r, folder;

    pthread_mutex_lock(&o->mutex);
    r = stage_make(o, err);
    pthread_mutex_unlock(&o->mutex);
    if (r < 0)
        return r;
    if (mkdirat(o->stage_fd, name, 0777) < 0 ||
        (folder = openat(o->stage_fd, name, OPEN_FOLDER)) < 0)
        return stage_failed(o, errno, name, err);
    if (old >= 0 && (fstat(old, &st) < 0 || fchmod(folder, st.st_mode & 07777) < 0 ||
                     (fchown(folder, st.st_uid, st.st_gid) < 0 && errno != EPERM)))
        r = stage_failed(o, errno, name, err);
    if (r == 0)
        r = files_stage(folder, shown, old, files, n, states, err);
    close(folder);
    if (r == 0 && old >= 0)
        r = tree_carry(o->old_fd, o->dir, o->stage_fd, name, owned, err);
    return r;
}

static struct folder *find_given(struct output *o, const char *name)
{
    struct folder *f;

    pthread_mutex_lock(&o->mutex);
    f = find_folder(o, name, true);
    f->given = true;
    pthread_mutex_unlock(&o->mutex);
    return f;
}

int output_gateway(struct output *o, const char *name, const struct rendered *rendered,
                   struct error_list *err)
{
    const struct rendered_file *files = rendered->files;
    size_t n = rendered->n_files;
    struct folder *f = find_given(o, name);
    _cleanup_free_ uint8_t *states = xcalloc(n + 1, 1);
    _cleanup_free_ char *shown = xasprintf("%s/%s", o->dir, name);
    struct owned owned = OWNED_INIT;
    size_t same = 0;
    int old = -1, r = 0;

    if (o->old_fd >= 0) {
        old = openat(o->old_fd, name, OPEN_FOLDER);
        if (old < 0 && (errno == ENOTDIR || errno == ELOOP))
            return error_add(err, NULL, 0, NULL,
                             "%s/%s: compile did not write what is there and needs a folder there; "
                             "move it away",
                             o->dir, name);
        if (old < 0 && errno != ENOENT)
            return error_sys(err, errno, NULL, "%s/%s: cannot open the folder", o->dir, name);
    }
    if (f->owned && old >= 0 && owned_read(old, name, true, &owned) < 0)
        r = error_sys(err, EIO, NULL, "%s/%s/%s: cannot read it", o->dir, name, owned_voice(name));
    if (r == 0)
        r = files_compare(old, shown, &owned, files, n, states, err);
    for (size_t i = 0; i < n; i++)
        same += states[i] == FILE_SAME;
    if (r == 0 && (!f->owned || same < n || owned.n + 1 != n)) {
        f->changed = true;
        r = stage_gateway(o, name, old, &owned, files, n, states, err);
    }
    owned_free(&owned);
    if (old >= 0)
        close(old);
    return r;
}

int output_mesh(struct output *o, const struct buf *origins, struct error_list *err)
{
    struct rendered_file file = {ORIGINS_NAME, origins->data, origins->len, 0};

    return output_gateway(o, ORIGINS_DIR, &(struct rendered){.files = &file, .n_files = 1}, err);
}

/* --- the rest
 * --------------------------------------------------------------------------------------- */

static int carry_rest(void *data, const char *name)
{
    struct survey *s = data;
    struct output *o = s->o;
    struct folder *f = find_folder(o, name, false);
    struct owned owned = OWNED_INIT;
    int fd, r;

    if (f && f->changed)
        return 0;
    if (!f || f->given)
        return tree_carry(o->old_fd, o->dir, o->stage_fd, name, NULL, s->err);
    /* The gateway is gone; what else is in its folder stays. */
    fd = openat(o->old_fd, name, OPEN_FOLDER);
    r = fd < 0 ? -errno : owned_read(fd, name, true, &owned);
    if (fd >= 0)
        close(fd);
    if (r < 0)
        return error_sys(s->err, -r, NULL, "%s/%s: cannot read the folder", o->dir, name);
    r = tree_carry(o->old_fd, o->dir, o->stage_fd, name, &owned, s->err);
    owned_free(&owned);
    return r;
}

static void add_name(struct output_names *names, const char *name)
{
    if ((names->n & (names->n - 1)) == 0)
        names->names = xreallocarray(names->names, names->n ? names->n * 2 : 1, sizeof(char *));
    names->names[names->n++] = name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_names(struct output_names *names)
{
    if (names->n)
        qsort(names->names, names->n, sizeof(char *), compare_names);
}

int output_prepare(struct output *o, struct output_result *ret, struct error_list *err)
{
    struct survey s = {.o = o, .err = err};
    struct folder *f, *next;
    int r = 0;

    HASH_ITER(hh, o->folders, f, next)
    {
        if (strcmp(f->name, ORIGINS_DIR) == 0) {
            o->result.mesh_changed = f->changed || !f->given;
            continue;
        }
        if (f->changed)
            add_name(&o->result.changed, f->name);
        if (!f->given)
            add_name(&o->result.removed, f->name);
    }
    sort_names(&o->result.changed);
    sort_names(&o->result.removed);
    if (o->result.removed.n || o->result.mesh_changed)
        r = stage_make(o, err);
    if (r == 0 && o->stage && o->old_fd >= 0) {
        size_t errors = err->n;

        r = each_entry(o->old_fd, carry_rest, &s);
        if (r < 0 && err->n == errors)
            error_sys(err, -r, o->dir, "cannot read the folder");
    }
    /* Once for all files: an fsync(2) each would cost a disk flush for every link of the mesh. */
    if (r == 0 && o->stage && syncfs(o->stage_fd) < 0)
        r = stage_failed(o, errno, NULL, err);
    if (r == 0)
        *ret = o->result;
    return r;
}

static int exchange_failed(struct output *o, int errnum, struct error_list *err)
{
    if (errnum == EBUSY)
        return error_add(err, o->dir, 0, NULL,
                         "the folder is a mount point and cannot be replaced as a whole; choose a "
                         "folder inside it with -o");
    if (errnum == EINVAL || errnum == ENOSYS || errnum == EXDEV || errnum == EOPNOTSUPP) {
        error_add(err, o->dir, 0, NULL,
                  "its filesystem cannot exchange two folders in one step (renameat2(2), "
                  "RENAME_EXCHANGE); choose a folder on another one with -o");
        return -EOPNOTSUPP;
    }
    return error_sys(err, errnum, o->dir, "cannot put the new output in place");
}

int output_commit(struct output *o, struct error_list *warnings, struct error_list *err)
{
    struct error_list left = ERROR_LIST_INIT;

    if (!o->stage)
        return 0;
    if (renameat2(o->parent_fd, o->stage, o->parent_fd, o->base,
                  o->old_fd >= 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
        return exchange_failed(o, errno, err);
    o->committed = true;
    if (fsync(o->parent_fd) < 0 && errno != EINVAL)
        error_sys(warnings, errno, o->parent,
                  "the new output is in place, but could not be flushed to the disk");
    /* The new output stands; trouble with the old one is no failure, and the next run tries again.
     */
    if (o->old_fd >= 0 && tree_absorb(o->parent_fd, o->stage, o->stage_fd, &left) < 0)
        for (size_t i = 0; i < left.n; i++)
            error_add(warnings, o->parent, 0, NULL, "the old output is not quite gone: %s",
                      left.items[i].message);
    error_clear(&left);
    return 0;
}

struct output *output_free(struct output *o)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct folder *f, *next;

    if (!o)
        return NULL;
    if (o->stage && !o->committed) {
        _cleanup_free_ char *path = xasprintf("%s/%s", o->parent, o->stage);

        fs_remove_tree(path, &ignored); /* what remains, the next run removes */
        error_clear(&ignored);
    }
    HASH_ITER(hh, o->folders, f, next)
    {
        HASH_DEL(o->folders, f);
        free(f);
    }
    if (o->stage_fd >= 0)
        close(o->stage_fd);
    if (o->old_fd >= 0)
        close(o->old_fd);
    if (o->parent_fd >= 0)
        close(o->parent_fd);
    pthread_mutex_destroy(&o->mutex);
    free(o->result.changed.names);
    free(o->result.removed.names);
    free(o->stage);
    free(o->parent);
    free(o->base);
    free(o->dir);
    free(o);
    return NULL;
}
