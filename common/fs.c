/* SPDX-License-Identifier: Apache-2.0 */
#include "common/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"

int fs_read_fd(int fd, size_t max, struct buf *ret)
{
    size_t start = ret->len;
    ssize_t n;
    int r = 0;

    do {
        buf_reserve(ret, 65536);
        n = read(fd, ret->data + ret->len, 65536);
        if (n > 0)
            ret->len += (size_t)n;
        else if (n < 0 && errno != EINTR)
            r = -errno;
        if (ret->len - start > max)
            r = -EFBIG;
    } while (n != 0 && r == 0);
    ret->data[ret->len] = '\0';
    return r;
}

int fs_read(const char *path, size_t max, struct buf *ret, struct error_list *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r = 0;
    struct stat st;

    if (fd < 0)
        return error_sys(err, errno, path, "cannot open the file");
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        r = -EISDIR;
    else
        r = fs_read_fd(fd, max, ret);
    close(fd);
    if (r == -EFBIG)
        return error_sys(err, EFBIG, path, "the file is larger than the %zu bytes allowed", max);
    return r < 0 ? error_sys(err, -r, path, "cannot read the file") : 0;
}

int fs_write_fd(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    _cleanup_free_ char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

    if (fd < 0)
        return -errno;
    if (fsync(fd) < 0 && errno != EINVAL)
        r = -errno;
    close(fd);
    return r;
}

int fs_write(const char *path, const void *data, size_t len, mode_t mode, struct error_list *err)
{
    _cleanup_free_ char *temporary = xasprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC), r;

    if (fd < 0)
        return error_sys(err, errno, path, "cannot create a file beside it");
    r = fchmod(fd, mode) < 0 ? -errno : fs_write_fd(fd, data, len);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temporary);
        return error_sys(err, -r, path, "cannot write the file; the old one is unchanged");
    }
    r = sync_folder_of(path);
    return r < 0 ? error_sys(err, -r, path, "cannot flush the folder of the file") : 0;
}

int fs_write_if_changed(const char *path, const void *data, size_t len, mode_t mode, int *changed,
                        struct error_list *err)
{
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf old = BUF_INIT;
    struct stat st;
    int same;

    same = lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == len &&
           (st.st_mode & 07777) == mode && fs_read(path, len, &old, &ignored) == 0 &&
           old.len == len && (len == 0 || memcmp(old.data, data, len) == 0);
    error_clear(&ignored);
    if (changed)
        *changed = !same;
    return same ? 0 : fs_write(path, data, len, mode, err);
}

int fs_mkdirs(const char *path, mode_t mode, struct error_list *err)
{
    _cleanup_free_ char *copy = xstrdup(path);

    for (char *p = copy + 1;; p++) {
        char end = *p;

        if (end != '/' && end != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return error_sys(err, errno, copy, "cannot create the folder");
        *p = end;
        if (end == '\0')
            return 0;
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int fs_remove_tree(const char *path, struct error_list *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
        return error_sys(err, errno, path, "cannot remove it");
    return 0;
}

bool fs_same(const char *path, struct stat *was)
{
    struct stat st;
    bool same;

    if (!path || stat(path, &st) < 0)
        memset(&st, 0, sizeof(st));
    same = st.st_dev == was->st_dev && st.st_ino == was->st_ino && st.st_size == was->st_size &&
           st.st_mode == was->st_mode && st.st_ctim.tv_sec == was->st_ctim.tv_sec &&
           st.st_ctim.tv_nsec == was->st_ctim.tv_nsec;
    *was = st;
    return same;
}
