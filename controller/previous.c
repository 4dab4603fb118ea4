/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/previous.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/bundle.h"
#include "common/fs.h"
#include "common/name.h"
#include "common/origins.h"
#include "common/tar.h"
#include "controller/output_owned.h"
#include "controller/rendered.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

struct entry {
    char *name;
    bool archive;
};

struct previous {
    char *dir;
    int fd; /* -1: there is no such folder */
    struct entry *entries;
    size_t n, cap;
};

/* --- what is there ---------------------------------------------------------------------------- */

static void add(struct previous *p, const char *name, bool archive)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->entries = xreallocarray(p->entries, p->cap, sizeof(*p->entries));
    }
    p->entries[p->n++] = (struct entry){xstrdup(name), archive};
}

static bool has_bundle(const struct previous *p, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/" BUNDLE_FILE, name);
    struct stat st;

    return fstatat(p->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static int look(struct previous *p, struct error_list *err)
{
    int fd = openat(p->fd, ".", OPEN_FOLDER);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    char *stranger = NULL, gateway[NAME_MAX_LEN + 1];
    struct dirent *e;
    int r = 0;

    if (!dir) {
        r = error_sys(err, errno, p->dir, "cannot read the folder");
        if (fd >= 0)
            close(fd);
        return r;
    }
    while ((e = readdir(dir))) {
        if (e->d_name[0] == '.')
            continue;
        if (archive_gateway_of(e->d_name, gateway))
            add(p, gateway, true);
        else if (name_valid(e->d_name) && has_bundle(p, e->d_name))
            add(p, e->d_name, false);
        else if (!stranger && strcmp(e->d_name, ORIGINS_DIR) != 0)
            stranger = xstrdup(e->d_name);
    }
    closedir(dir);
    if (p->n == 0 && stranger)
        r = error_add(err, p->dir, 0, NULL,
                      "the folder holds no output of compile, but '%s'; name the folder that "
                      "'compile -o' wrote, or a lock",
                      stranger);
    free(stranger);
    return r;
}

static int compare_entries(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    int order = strcmp(a->name, b->name);

    return order ? order : a->archive - b->archive;
}

int previous_open(const char *dir, struct previous **ret, struct error_list *err)
{
    struct previous *p = xcalloc(1, sizeof(*p));
    size_t n = 0;
    int r = 0;

    p->dir = xstrdup(dir);
    p->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->fd < 0 && errno != ENOENT)
        r = error_sys(err, errno, dir, "cannot open the folder");
    else if (p->fd >= 0)
        r = look(p, err);
    if (r < 0) {
        previous_close(p);
        return r;
    }
    if (p->n)
        qsort(p->entries, p->n, sizeof(*p->entries), compare_entries);
    for (size_t i = 0; i < p->n; i++) /* of both forms of one gateway the folder counts */
        if (n && strcmp(p->entries[n - 1].name, p->entries[i].name) == 0)
            free(p->entries[i].name);
        else
            p->entries[n++] = p->entries[i];
    p->n = n;
    *ret = p;
    return 0;
}

struct previous *previous_close(struct previous *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; i < p->n; i++)
        free(p->entries[i].name);
    free(p->entries);
    if (p->fd >= 0)
        close(p->fd);
    free(p->dir);
    free(p);
    return NULL;
}

size_t previous_count(const struct previous *p)
{
    return p->n;
}

const char *previous_name(const struct previous *p, size_t i)
{
    return p->entries[i].name;
}

static int compare_name(const void *name, const void *entry)
{
    return strcmp(name, ((const struct entry *)entry)->name);
}

static const struct entry *find(const struct previous *p, const char *gateway)
{
    return p->n ? bsearch(gateway, p->entries, p->n, sizeof(*p->entries), compare_name) : NULL;
}

bool previous_has(const struct previous *p, const char *gateway)
{
    return find(p, gateway) != NULL;
}

char *previous_mesh(const struct previous *p, const char *gateway)
{
    const struct entry *e = find(p, gateway);
    struct owned owned = OWNED_INIT;
    char *mesh = NULL;
    int r = 0, fd;

    if (e && e->archive) {
        _cleanup_free_ char *name = xasprintf("%s" BUNDLE_ARCHIVE_ENDING, gateway);

        r = owned_read_archive(p->fd, name, &owned);
    } else if (e && (fd = openat(p->fd, gateway, OPEN_FOLDER)) >= 0) {
        r = owned_read(fd, gateway, false, &owned);
        close(fd);
    }
    if (r == 1 && strcmp(owned.gateway, gateway) == 0)
        mesh = xstrdup(owned.mesh);
    owned_free(&owned);
    return mesh;
}

/* --- the same to the byte? -------------------------------------------------------------------- */

static bool file_is(int folder, const char *path, const char *data, size_t len, struct buf *scratch)
{
    int fd = openat(folder, path, OPEN_FILE);
    struct stat st;
    bool same;

    if (fd < 0)
        return false;
    buf_reset(scratch);
    same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == (off_t)len &&
           fs_read_fd(fd, len, scratch) == 0 && scratch->len == len &&
           memcmp(buf_cstr(scratch), data, len) == 0;
    close(fd);
    return same;
}

static bool folder_is(const struct previous *p, const char *gateway, const struct rendered *now)
{
    int folder = openat(p->fd, gateway, OPEN_FOLDER);
    _cleanup_buf_ struct buf scratch = BUF_INIT;
    bool same = folder >= 0;

    /* bundle.json is the last one, and the one that tells most differences. */
    for (size_t i = now->n_files; same && i-- > 0;)
        same = file_is(folder, now->files[i].path, now->files[i].data, now->files[i].len, &scratch);
    if (folder >= 0)
        close(folder);
    return same;
}

/* The archive is bundle.json's piece, then what is before it, then zeros (rendered.h). */
static bool archive_is(const struct previous *p, const char *gateway, const struct rendered *now)
{
    _cleanup_free_ char *name = xasprintf("%s" BUNDLE_ARCHIVE_ENDING, gateway);
    size_t at = now->files[now->n_files - 1].at - TAR_BLOCK, rest = now->text.len - at;
    _cleanup_buf_ struct buf is = BUF_INIT;
    int fd = openat(p->fd, name, OPEN_FILE);
    bool same = fd >= 0 && fs_read_fd(fd, BUNDLE_ARCHIVE_MAX_BYTES, &is) == 0 &&
                is.len == now->text.len + TAR_END;

    same = same && memcmp(is.data, now->text.data + at, rest) == 0 &&
           memcmp(is.data + rest, now->text.data, at) == 0;
    for (size_t i = 0; same && i < TAR_END; i++)
        same = is.data[now->text.len + i] == '\0';
    if (fd >= 0)
        close(fd);
    return same;
}

bool previous_same(const struct previous *p, const char *gateway, const struct rendered *now)
{
    const struct entry *e = find(p, gateway);

    if (!e || now->n_files == 0)
        return false;
    return e->archive ? archive_is(p, gateway, now) : folder_is(p, gateway, now);
}

/* --- read ------------------------------------------------------------------------------------- */

int previous_bundle(const struct previous *p, const char *gateway, struct bundle_source **ret,
                    struct error_list *err)
{
    const struct entry *e = find(p, gateway);
    _cleanup_free_ char *path =
        xasprintf("%s/%s%s", p->dir, gateway, e && e->archive ? BUNDLE_ARCHIVE_ENDING : "");

    return bundle_open(path, ret, err);
}

bool previous_origins_same(const struct previous *p, const struct buf *now)
{
    _cleanup_buf_ struct buf scratch = BUF_INIT;

    return p->fd >= 0 &&
           file_is(p->fd, ORIGINS_DIR "/" ORIGINS_NAME, now->data, now->len, &scratch);
}

int previous_origins(const struct previous *p, struct origins **ret)
{
    _cleanup_free_ char *path = xasprintf("%s/" ORIGINS_DIR "/" ORIGINS_NAME, p->dir);
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = fs_read(path, ORIGINS_MAX_BYTES, &text, &ignored);

    if (r == 0)
        r = origins_parse(buf_cstr(&text), text.len, path, ret, &ignored);
    error_clear(&ignored);
    return r < 0 ? 1 : 0;
}
