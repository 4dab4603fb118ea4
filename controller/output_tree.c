/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/output_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/name.h"
#include "common/origins.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* --- what is ours
 * --------------------------------------------------------------------------------- */

/* The text between `before` and the next quote, which is cut off there; NULL: not found.  The text
 * is one that bundle_format() wrote, so this is as good as reading JSON, and a hundred times faster
 * for the bundles of a thousand gateways. */
static const char *take(char **at, const char *before)
{
    char *start = strstr(*at, before), *end;

    if (!start)
        return NULL;
    start += strlen(before);
    end = strchr(start, '"');
    if (!end)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return start;
}

static int read_voice(int folder, const char *name, size_t max, struct buf *ret)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r = 0;
    struct stat st;
    ssize_t n = 0;

    if (fd < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size <= max) {
        buf_reserve(ret, (size_t)st.st_size);
        while ((n = read(fd, ret->data + ret->len, (size_t)st.st_size - ret->len)) > 0 ||
               (n < 0 && errno == EINTR))
            ret->len += n > 0 ? (size_t)n : 0;
        ret->data[ret->len] = '\0';
        r = n < 0 ? -errno : 1;
    }
    close(fd);
    return r;
}

const char *owned_voice(const char *name)
{
    return strcmp(name, ORIGINS_DIR) == 0 ? ORIGINS_NAME : BUNDLE_FILE;
}

/* Its second line says which mesh it is of. */
static int read_origins(int folder, struct owned *ret)
{
    static const char mesh[] = "\nmesh ";
    char *at;
    int r = read_voice(folder, ret->voice, ORIGINS_MAX_BYTES, &ret->text);

    if (r != 1)
        return r;
    if (!origins_text_intact(ret->text.data, ret->text.len, NULL))
        return 0;
    at = strstr(ret->text.data, mesh) + strlen(mesh);
    ret->mesh = at;
    *strchr(at, '\n') = '\0';
    ret->gateway = ORIGINS_DIR;
    return 1;
}

static int read_bundle(int folder, bool paths, struct owned *ret)
{
    const char *path;
    char *at;
    int r = read_voice(folder, ret->voice, BUNDLE_MAX_BYTES, &ret->text);

    if (r == 1 && !bundle_text_intact(ret->text.data, ret->text.len))
        r = 0;
    if (r == 1) {
        at = ret->text.data;
        ret->mesh = take(&at, "\"mesh\": \"");
        ret->gateway = ret->mesh ? take(&at, "\"gateway\": \"") : NULL;
        if (!ret->gateway || !name_valid(ret->mesh) || !name_valid(ret->gateway))
            r = 0;
    }
    while (r == 1 && paths && (path = take(&at, "\n      {\"path\": \""))) {
        if (!relative_path_valid(path))
            r = 0;
        if ((ret->n & (ret->n - 1)) == 0)
            ret->paths = xreallocarray(ret->paths, ret->n ? ret->n * 2 : 1, sizeof(*ret->paths));
        ret->paths[ret->n++] = path;
    }
    return r;
}

int owned_read(int folder, const char *name, bool paths, struct owned *ret)
{
    int r;

    *ret = (struct owned)OWNED_INIT;
    ret->voice = owned_voice(name);
    r = strcmp(ret->voice, ORIGINS_NAME) == 0 ? read_origins(folder, ret)
                                              : read_bundle(folder, paths, ret);
    if (r != 1)
        owned_free(ret);
    return r;
}

void owned_free(struct owned *owned)
{
    buf_free(&owned->text);
    free(owned->paths);
    *owned = (struct owned)OWNED_INIT;
}

/* The first path that is not before `path`. */
static size_t lower_bound(const struct owned *owned, const char *path)
{
    size_t low = 0, high = owned->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(owned->paths[middle], path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool owned_has(const struct owned *owned, const char *path)
{
    size_t i = lower_bound(owned, path);

    return (i < owned->n && strcmp(owned->paths[i], path) == 0) ||
           (owned->gateway && strcmp(path, owned->voice) == 0);
}

/* A folder that we made, because one of our files is in it. */
static bool owned_has_folder(const struct owned *owned, const char *path)
{
    _cleanup_free_ char *inside = xasprintf("%s/", path);
    size_t i = lower_bound(owned, inside);

    return i < owned->n && strncmp(owned->paths[i], inside, strlen(inside)) == 0;
}

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

static int absorb_file(struct walk *w, struct place *p, const char *name, const struct stat *st)
{
    struct stat there;
    int r;

    if (walk_owned(w))
        goto drop;
    if (p->to >= 0 && fstatat(p->to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        ((there.st_dev == st->st_dev && there.st_ino == st->st_ino) || !newer(st, &there)))
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
        owned_read(p->from, buf_cstr(&w->path), true, &owned);
        w->owned = &owned;
        w->skip = outer + 1;
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
