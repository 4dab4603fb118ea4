/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/output_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "controller/output_owned.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* --- folders that are made when something comes into them
 * ----------------------------------------- */

/* A folder of the tree that is walked, and its counterpart, perhaps not made yet. */
struct place {
    struct place *up;
    const char *name;
    int from, to;
};

static int place_make(struct place *p)
{
    struct stat st;
    int r;

    if (p->to >= 0)
        return 0;
    r = place_make(p->up);
    if (r < 0)
        return r;
    if (mkdirat(p->up->to, p->name, 0700) == 0) {
        p->to = openat(p->up->to, p->name, OPEN_FOLDER);
        if (p->to < 0 || fstat(p->from, &st) < 0 || fchmod(p->to, st.st_mode & 07777) < 0)
            return -errno;
        /* Only root can give a folder away; whoever cannot keeps it himself. */
        if (fchown(p->to, st.st_uid, st.st_gid) < 0 && errno != EPERM)
            return -errno;
        return 0;
    }
    if (errno != EEXIST)
        return -errno;
    p->to = openat(p->up->to, p->name, OPEN_FOLDER);
    return p->to < 0 ? -errno : 0;
}

static void place_close(struct place *p)
{
    if (p->from >= 0)
        close(p->from);
    if (p->to >= 0)
        close(p->to);
}

struct walk {
    struct buf path; /* of the entry, below from_name */
    size_t skip;     /* this much of it leads to the gateway's folder */
    const char *from_name;
    const struct owned *owned;
    struct error_list *err;
};

static bool walk_owned(const struct walk *w)
{
    return w->owned && owned_has(w->owned, buf_cstr(&w->path) + w->skip);
}

static void path_push(struct buf *path, const char *name)
{
    if (path->len)
        buf_char(path, '/');
    buf_str(path, name);
}

static void path_cut(struct buf *path, size_t len)
{
    path->len = len;
    if (path->data)
        path->data[len] = '\0';
}

static int walk_failed(const struct walk *w, int errnum, const char *what)
{
    return error_sys(w->err, errnum, NULL, "%s%s%s: %s", w->from_name, w->path.len ? "/" : "",
                     buf_cstr(&w->path), what);
}

/* The next entry but "." and ".."; NULL with errno 0 at the end. */
static struct dirent *next_entry(DIR *dir)
{
    struct dirent *e;

    do {
        errno = 0;
        e = readdir(dir);
    } while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
    return e;
}

static DIR *open_entries(int folder)
{
    int fd = openat(folder, ".", OPEN_FOLDER);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

/* --- carrying over
 * -------------------------------------------------------------------------------- */

static int carry_folder(struct walk *w, struct place *p);

static int carry_entry(struct walk *w, struct place *p, const char *name)
{
    struct stat st;
    int r;

    if (fstatat(p->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : walk_failed(w, errno, "cannot look at it");
    if (S_ISDIR(st.st_mode)) {
        struct place inner = {p, name, openat(p->from, name, OPEN_FOLDER), -1};

        if (inner.from < 0)
            return walk_failed(w, errno, "cannot open the folder to carry it over");
        r = 0;
        if (!w->owned || !owned_has_folder(w->owned, buf_cstr(&w->path) + w->skip))
            r = place_make(&inner);
        if (r < 0)
            walk_failed(w, -r, "cannot make the folder anew");
        else
            r = carry_folder(w, &inner);
        place_close(&inner);
        return r;
    }
    if (walk_owned(w))
        return 0;
    r = place_make(p);
    if (r < 0)
        return walk_failed(w, -r, "cannot make the folder it is in anew");
    if (linkat(p->from, name, p->to, name, 0) == 0)
        return 0;
    if (errno == EEXIST)
        return error_add(w->err, NULL, 0, NULL,
                         "%s/%s: compile did not write this file and must write one there; move it "
                         "away",
                         w->from_name, buf_cstr(&w->path));
    return walk_failed(w, errno, "cannot carry the file over with a hard link; move it away");
}

static int carry_folder(struct walk *w, struct place *p)
{
    size_t outer = w->path.len;
    DIR *dir = open_entries(p->from);
    struct dirent *e;
    int r = 0, one;

    if (!dir)
        return walk_failed(w, errno, "cannot read the folder");
    while ((e = next_entry(dir))) {
        path_push(&w->path, e->d_name);
        one = carry_entry(w, p, e->d_name);
        if (one < 0)
            r = one;
        path_cut(&w->path, outer);
        if (r < 0 && r != -EINVAL)
            break;
    }
    if (!e && errno)
        r = walk_failed(w, errno, "cannot read the folder");
    closedir(dir);
    return r;
}

int tree_carry(int from, const char *from_name, int to, const char *name, const struct owned *owned,
               struct error_list *err)
{
    struct place top = {NULL, NULL, from, to};
    struct walk w = {.from_name = from_name, .owned = owned, .err = err};
    int r;

    path_push(&w.path, name);
    if (owned) {
        struct place inner = {&top, name, openat(from, name, OPEN_FOLDER), -1};

        w.skip = w.path.len + 1;
        r = inner.from < 0 ? walk_failed(&w, errno, "cannot open the folder")
                           : carry_folder(&w, &inner);
        place_close(&inner);
    } else {
        r = carry_entry(&w, &top, name);
    }
    buf_free(&w.path);
    return r;
}

/* --- clearing away
 * -------------------------------------------------------------------------------- */

static bool newer(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
                                                  : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

/* 1: an archive of ours, in the top folder; 0: it is none; or a negative errno. */
static int is_our_archive(const struct place *p, const char *name)
{
    char gateway[NAME_MAX_LEN + 1];
    struct owned owned;
    int r =
        !p->up && archive_gateway_of(name, gateway) ? owned_read_archive(p->from, name, &owned) : 0;

    if (r == 1) {
        r = strcmp(owned.gateway, gateway) == 0;
        owned_free(&owned);
    }
    return r;
}

static int absorb_file(struct walk *w, struct place *p, const char *name, const struct stat *st)
{
    struct stat there;
    bool has = p->to >= 0 && fstatat(p->to, name, &there, AT_SYMLINK_NOFOLLOW) == 0;
    int r;

    if ((has && there.st_dev == st->st_dev && there.st_ino == st->st_ino) || walk_owned(w))
        goto drop;
    /* Not known is not foreign: it would come back to life in the new output. */
    r = is_our_archive(p, name);
    if (r < 0)
        return walk_failed(w, -r, "cannot read it");
    if (r == 1 || (has && !newer(st, &there)))
        goto drop;
    /* Somebody put it there while compile ran. */
    r = place_make(p);
    if (r < 0)
        return walk_failed(w, -r, "cannot make the folder it is in anew");
    if (renameat(p->from, name, p->to, name) < 0)
        return walk_failed(w, errno, "cannot move the file to the new output; move it yourself");
    return 0;
drop:
    if (unlinkat(p->from, name, 0) < 0 && errno != ENOENT)
        return walk_failed(w, errno, "cannot remove it");
    return 0;
}

static int absorb_folder(struct walk *w, struct place *p, unsigned depth);

static int absorb_entry(struct walk *w, struct place *p, const char *name, unsigned depth)
{
    struct stat st;
    int r;

    if (fstatat(p->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : walk_failed(w, errno, "cannot look at it");
    if (S_ISDIR(st.st_mode)) {
        struct place inner = {p, name, openat(p->from, name, OPEN_FOLDER), -1};

        if (inner.from < 0)
            return walk_failed(w, errno, "cannot open the folder");
        if (p->to >= 0)
            inner.to = openat(p->to, name, OPEN_FOLDER);
        r = absorb_folder(w, &inner, depth + 1);
        place_close(&inner);
        if (r == 0 && unlinkat(p->from, name, AT_REMOVEDIR) < 0)
            r = walk_failed(w, errno, "cannot remove the folder");
        return r;
    }
    return absorb_file(w, p, name, &st);
}

/* depth 0: the tree itself; 1: perhaps a gateway's folder.  There the file that speaks for it goes
 * last, so that being killed again does not turn our own files into somebody's. */
static int absorb_folder(struct walk *w, struct place *p, unsigned depth)
{
    struct owned owned = OWNED_INIT;
    size_t outer = w->path.len;
    DIR *dir = open_entries(p->from);
    const char *voice = depth == 1 ? owned_voice(buf_cstr(&w->path)) : NULL;
    struct dirent *e;
    int r = 0, one;

    if (!dir)
        return walk_failed(w, errno, "cannot read the folder");
    if (depth == 1) {
        r = owned_read(p->from, buf_cstr(&w->path), true, &owned);
        if (r < 0) {
            closedir(dir);
            return walk_failed(w, -r, "cannot read what compile wrote there");
        }
        w->owned = &owned;
        w->skip = outer + 1;
        r = 0;
    }
    while ((e = next_entry(dir))) {
        if (depth == 1 && strcmp(e->d_name, voice) == 0)
            continue;
        path_push(&w->path, e->d_name);
        one = absorb_entry(w, p, e->d_name, depth);
        if (one < 0)
            r = one;
        path_cut(&w->path, outer);
    }
    closedir(dir);
    if (depth == 1) {
        w->owned = NULL;
        owned_free(&owned);
        if (r == 0 && unlinkat(p->from, voice, 0) < 0 && errno != ENOENT)
            r = walk_failed(w, errno, "cannot remove what compile wrote there");
    }
    return r;
}

int tree_absorb(int parent, const char *name, int to, struct error_list *err)
{
    struct place top = {NULL, NULL, openat(parent, name, OPEN_FOLDER), to};
    struct walk w = {.from_name = name, .err = err};
    int r;

    if (top.from < 0)
        return error_sys(err, errno, name, "cannot open the folder that an earlier run left");
    r = absorb_folder(&w, &top, 0);
    close(top.from);
    if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
        r = error_sys(err, errno, name, "cannot remove the folder that an earlier run left");
    buf_free(&w.path);
    return r;
}
