/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/output.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/origins.h"
#include "controller/output_internal.h"
#include "controller/output_owned.h"
#include "controller/output_tree.h"
#include "controller/rendered.h"

/* --- for all parts ---------------------------------------------------------------------------- */

struct slot *output_slot(struct output *o, const char *name, bool add)
{
    size_t n = strlen(name);
    struct slot *s;

    HASH_FIND(hh, o->slots, name, n, s);
    if (!s && add) {
        s = xcalloc(1, sizeof(*s) + n + 1);
        memcpy(s->name, name, n + 1);
        HASH_ADD(hh, o->slots, name, n, s);
    }
    return s;
}

int output_each_entry(int folder, int (*fn)(void *, const struct dirent *), void *data)
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
            r = fn(data, e);
    if (r == 0 && errno)
        r = -errno;
    closedir(dir);
    return r;
}

int output_other_mesh(const struct output *o, const struct owned *owned, struct error_list *err)
{
    return error_add(err, o->dir, 0, NULL,
                     "the folder holds the output of mesh '%s', and this is mesh '%s'; choose "
                     "another one with -o, or remove it",
                     owned->mesh, o->mesh);
}

/* --- staging ---------------------------------------------------------------------------------- */

int output_stage_failed(const struct output *o, int errnum, const char *entry,
                        struct error_list *err)
{
    return error_sys(err, errnum, NULL, "%s%s%s: cannot write it; the old output is as it was",
                     o->dir, entry ? "/" : "", entry ? entry : "");
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
        return output_stage_failed(o, errno, NULL, err);
    st.st_mode = 0777 & ~o->mask;
    if (o->old_fd >= 0 && (fstat(o->old_fd, &st) < 0 ||
                           (fchown(o->stage_fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)))
        return output_stage_failed(o, errno, NULL, err);
    if (fchmod(o->stage_fd, st.st_mode & 07777) < 0)
        return output_stage_failed(o, errno, NULL, err);
    return 0;
}

int output_stage(struct output *o, struct error_list *err)
{
    int r;

    pthread_mutex_lock(&o->mutex);
    r = stage_make(o, err);
    pthread_mutex_unlock(&o->mutex);
    return r;
}

static struct slot *give(struct output *o, const char *name)
{
    struct slot *s;

    pthread_mutex_lock(&o->mutex);
    s = output_slot(o, name, true);
    s->given = true;
    pthread_mutex_unlock(&o->mutex);
    return s;
}

int output_gateway(struct output *o, const char *name, const struct rendered *rendered,
                   struct error_list *err)
{
    struct slot *s = give(o, name);

    return o->format == OUTPUT_BUNDLE ? archive_gateway(o, s, rendered, err)
                                      : folder_gateway(o, s, rendered, err);
}

int output_mesh(struct output *o, const struct buf *origins, struct error_list *err)
{
    struct rendered_file file = {ORIGINS_NAME, origins->data, origins->len, 0};

    return folder_gateway(o, give(o, ORIGINS_DIR), &(struct rendered){.files = &file, .n_files = 1},
                          err);
}

/* --- the rest --------------------------------------------------------------------------------- */

struct carrying {
    struct output *o;
    struct error_list *err;
};

/* Whether the new output has the slot's folder, or archive. */
static bool has_folder(const struct output *o, const struct slot *s)
{
    return s->given && (o->format == OUTPUT_TREE || strcmp(s->name, ORIGINS_DIR) == 0);
}

static bool has_archive(const struct output *o, const struct slot *s)
{
    return s->given && !has_folder(o, s);
}

/* A folder that the new output does not have: what else is in it stays. */
static int carry_foreign(struct carrying *c, const char *name)
{
    struct output *o = c->o;
    struct owned owned = OWNED_INIT;
    int fd = openat(o->old_fd, name, OPEN_FOLDER);
    int r = fd < 0 ? -errno : owned_read(fd, name, true, &owned);

    if (fd >= 0)
        close(fd);
    if (r < 0)
        return error_sys(c->err, -r, NULL, "%s/%s: cannot read the folder", o->dir, name);
    r = tree_carry(o->old_fd, o->dir, o->stage_fd, name, &owned, c->err);
    owned_free(&owned);
    return r;
}

static int carry_rest(void *data, const struct dirent *e)
{
    struct carrying *c = data;
    struct output *o = c->o;
    char gateway[NAME_MAX_LEN + 1];
    struct slot *s = archive_gateway_of(e->d_name, gateway) ? output_slot(o, gateway, false) : NULL;

    if (s && s->archive) {
        if (!has_archive(o, s) || s->changed)
            return 0;
        return archive_keep(o, gateway, c->err);
    }
    s = output_slot(o, e->d_name, false);
    if (s && s->changed && has_folder(o, s))
        return 0;
    if (s && s->folder && !has_folder(o, s))
        return carry_foreign(c, e->d_name);
    return tree_carry(o->old_fd, o->dir, o->stage_fd, e->d_name, NULL, c->err);
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

/* What is in DIR of a gateway and will not be in the new output. */
static int look_at(struct output *o, struct slot *s, bool *stale, struct error_list *err)
{
    if (s->archive && !has_archive(o, s)) {
        int r = archive_owner(o, s->name, err);

        if (r < 0)
            return r;
        s->archive = r > 0; /* else it is somebody's, and stays */
    }
    *stale = *stale || (s->archive && !has_archive(o, s)) || (s->folder && !has_folder(o, s));
    if (strcmp(s->name, ORIGINS_DIR) == 0)
        o->result.mesh_changed = s->changed || !s->given;
    else if (s->changed)
        add_name(&o->result.changed, s->name);
    else if (!s->given && (s->folder || s->archive))
        add_name(&o->result.removed, s->name);
    return 0;
}

int output_prepare(struct output *o, struct output_result *ret, struct error_list *err)
{
    struct carrying c = {.o = o, .err = err};
    struct slot *s, *next;
    bool stale = false;
    int r = 0;

    HASH_ITER(hh, o->slots, s, next)
    {
        int k = look_at(o, s, &stale, err);

        r = r ? r : k;
    }
    sort_names(&o->result.changed);
    sort_names(&o->result.removed);
    if (r == 0 && stale)
        r = output_stage(o, err);
    if (r == 0 && o->stage && o->old_fd >= 0) {
        size_t errors = err->n;

        r = output_each_entry(o->old_fd, carry_rest, &c);
        if (r < 0 && err->n == errors)
            error_sys(err, -r, o->dir, "cannot read the folder");
    }
    /* Once for all files: an fsync(2) each would cost a disk flush for every link of the mesh. */
    if (r == 0 && o->stage && syncfs(o->stage_fd) < 0)
        r = output_stage_failed(o, errno, NULL, err);
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

/* From here on the stage is whole, and after the exchange it is the old output: the next run must
 * not take it for one that can be thrown away. */
static int rename_stage(struct output *o)
{
    char *name = xasprintf(".%s" OLD_SUFFIX, o->base);
    size_t drawn = strlen(strchr(OLD_SUFFIX, 'X'));

    strcpy(name + strlen(name) - drawn, o->stage + strlen(o->stage) - drawn);
    if (renameat2(o->parent_fd, o->stage, o->parent_fd, name, RENAME_NOREPLACE) < 0) {
        free(name);
        return -1;
    }
    free(o->stage);
    o->stage = name;
    return 0;
}

int output_commit(struct output *o, struct error_list *warnings, struct error_list *err)
{
    struct error_list left = ERROR_LIST_INIT;

    if (!o->stage)
        return 0;
    if (o->old_fd >= 0 && rename_stage(o) < 0)
        return exchange_failed(o, errno, err);
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
    struct slot *s, *next;

    if (!o)
        return NULL;
    if (o->stage && !o->committed) {
        _cleanup_free_ char *path = xasprintf("%s/%s", o->parent, o->stage);

        fs_remove_tree(path, &ignored); /* what remains, the next run removes */
        error_clear(&ignored);
    }
    HASH_ITER(hh, o->slots, s, next)
    {
        HASH_DEL(o->slots, s);
        free(s);
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
    free(o->mesh);
    free(o);
    return NULL;
}
