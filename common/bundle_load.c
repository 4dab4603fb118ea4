/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the folder of a bundle.  Below the folder no symbolic link is followed, so that a bundle
 * cannot reach a file outside it, and only regular files are read, so that a FIFO cannot hold us.
 */
#include "common/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/name.h"

/* Opens `path`, a relative_path_valid(), below the folder; the descriptor or a negative errno. */
static int open_below(const char *dir, const char *path)
{
    _cleanup_free_ char *parts = xstrdup(path);
    char *part = parts, *slash;
    int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r;

    while (at >= 0 && (slash = strchr(part, '/'))) {
        *slash = '\0';
        fd = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : 0;
        close(at);
        if (r < 0)
            return r;
        at = fd;
        part = slash + 1;
    }
    if (at < 0)
        return -errno;
    fd = openat(at, part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    r = fd < 0 ? -errno : fd;
    close(at);
    return r;
}

/* Appends the file to *ret, at most max bytes. */
static int read_below(const char *dir, const char *path, const char *name, size_t max,
                      struct buf *ret, struct error_list *err)
{
    int fd = open_below(dir, path), r = 0;
    struct stat st;

    if (fd == -ENOENT || fd == -ENOTDIR)
        return error_add(err, name, 0, NULL,
                         "the file is missing; fetch or compile the bundle again");
    if (fd == -ELOOP || fd == -ENXIO)
        return error_add(err, name, 0, NULL, "a bundle holds regular files only; remove this one");
    if (fd < 0)
        return error_sys(err, -fd, name, "cannot open the file");
    if (fstat(fd, &st) < 0)
        r = error_sys(err, errno, name, "cannot read the file");
    else if (!S_ISREG(st.st_mode))
        r = error_add(err, name, 0, NULL, "a bundle holds regular files only; remove this one");
    if (r == 0) {
        r = fs_read_fd(fd, max, ret);
        if (r == -EFBIG)
            r = error_add(err, name, 0, NULL,
                          "the file is larger than the %zu bytes it should have; fetch or compile "
                          "the bundle again",
                          max);
        else if (r < 0)
            error_sys(err, -r, name, "cannot read the file");
    }
    close(fd);
    return r;
}

int bundle_read_file(const char *dir, const struct bundle_file *file, struct buf *ret,
                     struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", dir, file->path);
    char digest[DIGEST_TEXT_LEN + 1];
    size_t start = ret->len, len;
    int r;

    /* The path was checked by bundle_parse(); a bundle made by hand might skip that. */
    if (!relative_path_valid(file->path))
        return error_add(err, name, 0, NULL, "this is no valid path of a file in a bundle");
    r = read_below(dir, file->path, name, file->size, ret, err);
    len = ret->len - start;
    if (r == 0 && len != file->size)
        r = error_add(err, name, 0, NULL,
                      "the file has %zu bytes and should have %" PRIu32
                      "; fetch or compile the bundle again",
                      len, file->size);
    if (r == 0 &&
        strcmp(digest_sha256_text(len ? ret->data + start : "", len, digest), file->sha256) != 0)
        r = error_add(err, name, 0, NULL,
                      "the file was changed after it was compiled: its SHA-256 does not fit; fetch "
                      "or compile the bundle again");
    if (r < 0) {
        ret->len = start;
        if (ret->data)
            ret->data[start] = '\0';
    }
    return r;
}

int bundle_load(const char *dir, struct bundle **ret, struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", dir, BUNDLE_FILE);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct bundle *b = NULL;
    int r, first = 0;

    r = read_below(dir, BUNDLE_FILE, name, BUNDLE_MAX_BYTES, &text, err);
    if (r == 0)
        r = bundle_parse(buf_cstr(&text), text.len, name, &b, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < b->n_files; i++) {
        buf_reset(&text);
        r = bundle_read_file(dir, &b->files[i], &text, err);
        if (r < 0 && first == 0)
            first = r;
        if (err->n >= 20)
            break;
    }
    if (first < 0) {
        bundle_free(b);
        return first;
    }
    *ret = b;
    return 0;
}
