/* SPDX-License-Identifier: Apache-2.0 */
/* What is there before anything is written: the lock, what a killed run left, whose DIR is. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/output_internal.h"
#include "controller/output_owned.h"
#include "controller/output_tree.h"

/* --- what is in DIR --------------------------------------------------------------------------- */

struct survey {
    struct output *o;
    char *stranger; /* a visible folder that no bundle of ours explains */
    size_t owned;
    struct error_list *err;
};

static int survey_folder(struct survey *s, const char *name)
{
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
    } else if (strcmp(owned.mesh, s->o->mesh) != 0) {
        r = output_other_mesh(s->o, &owned, s->err);
        owned_free(&owned);
        return r;
    } else {
        output_slot(s->o, name, true)->folder = true;
        s->owned++;
    }
    owned_free(&owned);
    return 0;
}

/* Only until one is found that is ours, an archive is looked into here: of ten thousand nearly all
 * are compared with what they should be anyway, to the byte. */
static int survey_archive(struct survey *s, const char *gateway)
{
    int r = s->owned ? 0 : archive_owner(s->o, gateway, s->err);

    if (r < 0)
        return r;
    s->owned += r > 0;
    output_slot(s->o, gateway, true)->archive = true;
    return 0;
}

static bool is_file(const struct output *o, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_REG;
    return fstatat(o->old_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static int survey_entry(void *data, const struct dirent *e)
{
    struct survey *s = data;
    char gateway[NAME_MAX_LEN + 1];

    if (archive_gateway_of(e->d_name, gateway) && is_file(s->o, e))
        return survey_archive(s, gateway);
    return e->d_type == DT_REG ? 0 : survey_folder(s, e->d_name);
}

/* A folder full of other things is hardly meant: "-o /etc" or "-o ~" is a slip. */
static int survey(struct output *o, struct error_list *err)
{
    struct survey s = {.o = o, .err = err};
    int r = output_each_entry(o->old_fd, survey_entry, &s);

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

/* --- what a killed run left ------------------------------------------------------------------- */

/* True: the entry is ".NAME" with this suffix, for some X. */
static bool is_leftover(const struct output *o, const char *name, const char *suffix)
{
    size_t n = strlen(o->base), fixed = strcspn(suffix, "X");

    return name[0] == '.' && strncmp(name + 1, o->base, n) == 0 &&
           strncmp(name + 1 + n, suffix, fixed) == 0 && strlen(name + 1 + n) == strlen(suffix);
}

/* A stage that was never exchanged holds nothing but what compile put there, whole or in part.  An
 * old output may hold what somebody put there meanwhile. */
static int clear_leftover(void *data, const struct dirent *e)
{
    struct survey *s = data;
    struct output *o = s->o;
    bool stage = is_leftover(o, e->d_name, STAGE_SUFFIX);
    struct stat st;

    if (!stage && !is_leftover(o, e->d_name, OLD_SUFFIX))
        return 0;
    /* In a folder like /tmp anybody can make one of this name; only our own is taken. */
    if (fstatat(o->parent_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
        st.st_uid != geteuid())
        return 0;
    if (stage || o->old_fd < 0) {
        _cleanup_free_ char *path = xasprintf("%s/%s", o->parent, e->d_name);

        return fs_remove_tree(path, s->err);
    }
    return tree_absorb(o->parent_fd, e->d_name, o->old_fd, s->err);
}

/* --- begin ------------------------------------------------------------------------------------ */

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

static int open_old(struct output *o, struct error_list *err)
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
    r = output_each_entry(o->parent_fd, clear_leftover, &s);
    if (r < 0 && err->n == 0)
        error_sys(err, -r, o->parent, "cannot read the folder");
    if (r == 0 && o->old_fd >= 0)
        r = survey(o, err);
    return r;
}

int output_begin(const char *dir, const char *mesh, enum output_format format, struct output **ret,
                 struct error_list *err)
{
    struct output *o = xcalloc(1, sizeof(*o));
    int r;

    o->format = format;
    o->mesh = xstrdup(mesh);
    o->dir = xstrdup(dir);
    o->parent_fd = o->old_fd = o->stage_fd = -1;
    umask(o->mask = umask(0));
    pthread_mutex_init(&o->mutex, NULL);
    r = locate(o, err);
    if (r == 0)
        r = open_old(o, err);
    if (r < 0)
        output_free(o);
    else
        *ret = o;
    return r;
}
