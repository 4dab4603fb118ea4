/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/output_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/fs.h"
#include "controller/output_owned.h"
#include "controller/render.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* The folder that `path` is in, below `root`; its name there in *name.  The last one is kept open,
 * because most files of a gateway are in one folder. */
struct cursor {
    int root;
    bool make;
    int fd; /* of the folder `at`; -1: none */
    char at[PATH_MAX];
};

static void cursor_close(struct cursor *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static int cursor_go(struct cursor *c, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/'), *part = path, *end;
    size_t n = slash ? (size_t)(slash - path) : 0;
    int fd, next;

    *name = slash ? slash + 1 : path;
    if (!slash)
        return c->root;
    if (c->fd >= 0 && strlen(c->at) == n && memcmp(c->at, path, n) == 0)
        return c->fd;
    cursor_close(c);
    for (fd = c->root; part < slash; part = end + 1) {
        _cleanup_free_ char *folder = NULL;

        end = strchrnul(part, '/');
        folder = xstrndup(part, (size_t)(end - part));
        if (c->make && mkdirat(fd, folder, 0777) < 0 && errno != EEXIST)
            next = -errno;
        else
            next = (next = openat(fd, folder, OPEN_FOLDER)) < 0 ? -errno : next;
        if (fd != c->root)
            close(fd);
        if (next < 0)
            return next;
        fd = next;
    }
    snprintf(c->at, sizeof(c->at), "%.*s", (int)n, path);
    return c->fd = fd;
}

/* Compares what is on disk with what should be there. */
static int compare(int folder, const char *name, const struct rendered_file *file, bool ours)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    enum file_state state = FILE_DIFFERS;
    char block[65536];
    struct stat st;
    size_t at = 0;
    ssize_t n = 1;

    if (fd < 0 && errno == ENOENT)
        return FILE_NEW;
    if (!ours || (fd < 0 && (errno == ELOOP || errno == ENXIO))) {
        if (fd >= 0)
            close(fd);
        return FILE_FOREIGN;
    }
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0) {
        n = -1;
    } else if (!S_ISREG(st.st_mode)) {
        state = FILE_FOREIGN;
    } else if ((uintmax_t)st.st_size == file->len) {
        while ((n = read(fd, block, sizeof(block))) > 0 || (n < 0 && errno == EINTR)) {
            if (n < 0)
                continue;
            if ((size_t)n > file->len - at || memcmp(block, file->data + at, (size_t)n) != 0)
                break;
            at += (size_t)n;
        }
        if (n == 0 && at == file->len)
            state = FILE_SAME;
    }
    at = (size_t)errno;
    close(fd);
    return n < 0 ? -(int)at : (int)state;
}

int files_compare(int folder, const char *name, const struct owned *owned,
                  const struct rendered_file *files, size_t n, uint8_t *states,
                  struct error_list *err)
{
    struct cursor c = {.root = folder, .fd = -1};
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        const char *base;
        int fd = folder < 0 ? -ENOENT : cursor_go(&c, files[i].path, &base);
        int state = fd >= 0         ? compare(fd, base, &files[i], owned_has(owned, files[i].path))
                    : fd == -ENOENT ? (int)FILE_NEW
                    : fd == -ENOTDIR || fd == -ELOOP ? (int)FILE_FOREIGN
                                                     : fd;

        if (state < 0)
            r = error_sys(err, -state, NULL, "%s/%s: cannot read it", name, files[i].path);
        else if (state == FILE_FOREIGN)
            r = error_add(err, NULL, 0, NULL,
                          "%s/%s: compile did not write what is there and must write a file "
                          "there; move it away",
                          name, files[i].path);
        else
            states[i] = (uint8_t)state;
    }
    cursor_close(&c);
    return r;
}

static int write_new(int folder, const char *name, const struct rendered_file *file)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    int r;

    if (fd < 0)
        return -errno;
    r = fs_write_fd(fd, file->data, file->len);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

int files_stage(int folder, const char *name, int old, const struct rendered_file *files, size_t n,
                const uint8_t *states, struct error_list *err)
{
    struct cursor to = {.root = folder, .fd = -1, .make = true}, from = {.root = old, .fd = -1};
    int r = 0;

    for (int first = 1; first >= 0 && r == 0; first--) {
        for (size_t i = 0; i < n && r == 0; i++) {
            const char *base;
            int fd, old_fd;

            if ((strcmp(files[i].path, BUNDLE_FILE) == 0) != first)
                continue;
            fd = cursor_go(&to, files[i].path, &base);
            if (fd < 0) {
                r = fd;
            } else if (states[i] == FILE_SAME) {
                old_fd = cursor_go(&from, files[i].path, &base);
                r = old_fd < 0 ? old_fd : linkat(old_fd, base, fd, base, 0) < 0 ? -errno : 0;
                if (r == -EMLINK || r == -EPERM) /* as good, and somebody else's or full up */
                    r = write_new(fd, base, &files[i]);
            } else {
                r = write_new(fd, base, &files[i]);
            }
            if (r < 0)
                error_sys(err, -r, NULL, "%s/%s: cannot write it; the old output is as it was",
                          name, files[i].path);
        }
    }
    cursor_close(&to);
    cursor_close(&from);
    return r;
}
