/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a bundle from a folder or an archive.  Below the folder no symbolic link is followed, so
 * that a bundle cannot reach a file outside it, and only regular files are read, so that a FIFO
 * cannot hold us.
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
#include "common/tar.h"

struct bundle_source {
    char *path;
    int folder;            /* -1: it is an archive, and: */
    struct buf archive;    /* all of it */
    const char **contents; /* of each file, in the archive */
    struct buf text;       /* bundle.json */
    struct bundle *bundle;
};

/* --- a folder
 * --------------------------------------------------------------------------------- */

/* Opens `path`, a relative_path_valid(), below the folder; the descriptor or a negative errno. */
static int open_below(int folder, const char *path)
{
    _cleanup_free_ char *parts = xstrdup(path);
    char *part = parts, *slash;
    int at = openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r;

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
static int read_below(int folder, const char *path, const char *name, size_t max, struct buf *ret,
                      struct error_list *err)
{
    int fd = open_below(folder, path), r = 0;
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

static int check_content(const char *name, const struct bundle_file *file, const char *data,
                         size_t len, struct error_list *err)
{
    char digest[DIGEST_TEXT_LEN + 1];

    if (len != file->size)
        return error_add(err, name, 0, NULL,
                         "the file has %zu bytes and should have %" PRIu32
                         "; fetch or compile the bundle again",
                         len, file->size);
    if (strcmp(digest_sha256_text(len ? data : "", len, digest), file->sha256) != 0)
        return error_add(
            err, name, 0, NULL,
            "the file was changed after it was compiled: its SHA-256 does not fit; fetch "
            "or compile the bundle again");
    return 0;
}

int bundle_read_file(const struct bundle_source *s, const struct bundle_file *file, struct buf *ret,
                     struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", s->path, file->path);
    size_t start = ret->len;
    int r;

    if (s->folder < 0) { /* verified as it was opened, and in our memory since */
        buf_add(ret, s->contents[file - s->bundle->files], file->size);
        return 0;
    }
    r = read_below(s->folder, file->path, name, file->size, ret, err);
    if (r == 0)
        r = check_content(name, file, ret->data + start, ret->len - start, err);
    if (r < 0) {
        ret->len = start;
        if (ret->data)
            ret->data[start] = '\0';
    }
    return r;
}

static int open_folder(struct bundle_source *s, struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", s->path, BUNDLE_FILE);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r, first = 0;

    r = read_below(s->folder, BUNDLE_FILE, name, BUNDLE_MAX_BYTES, &s->text, err);
    if (r == 0)
        r = bundle_parse(buf_cstr(&s->text), s->text.len, name, &s->bundle, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < s->bundle->n_files && err->n < 20; i++) {
        buf_reset(&text);
        r = bundle_read_file(s, &s->bundle->files[i], &text, err);
        if (r < 0 && first == 0)
            first = r;
    }
    return first;
}

/* --- an archive
 * ------------------------------------------------------------------------------- */

static int no_file(const char *path, const char *file, struct error_list *err)
{
    return error_add(err, path, 0, NULL,
                     "%s is not where it should be in this archive; fetch or compile it again",
                     file);
}

static int open_archive(struct bundle_source *s, struct error_list *err)
{
    struct tar_reader r = {.data = buf_cstr(&s->archive), .len = s->archive.len, .file = s->path};
    _cleanup_free_ char *name = xasprintf("%s/%s", s->path, BUNDLE_FILE);
    struct tar_entry e;
    int k = tar_next(&r, &e, err), first = 0;

    if (k >= 0 && (k == 0 || strcmp(e.path, BUNDLE_FILE) != 0))
        k = no_file(s->path, BUNDLE_FILE, err);
    if (k > 0) {
        buf_add(&s->text, e.data, e.size);
        k = bundle_parse(buf_cstr(&s->text), s->text.len, name, &s->bundle, err);
    }
    if (k < 0)
        return k;
    s->contents = xcalloc(s->bundle->n_files + 1, sizeof(*s->contents));
    for (size_t i = 0; i < s->bundle->n_files && err->n < 20; i++) {
        const struct bundle_file *file = &s->bundle->files[i];
        _cleanup_free_ char *shown = xasprintf("%s/%s", s->path, file->path);

        k = tar_next(&r, &e, err);
        if (k >= 0 && (k == 0 || strcmp(e.path, file->path) != 0))
            k = no_file(s->path, file->path, err);
        if (k < 0)
            return k; /* what follows would be about the wrong file */
        k = check_content(shown, file, e.data, e.size, err);
        if (k < 0)
            first = k;
        s->contents[i] = e.data;
    }
    if (first < 0)
        return first;
    k = tar_next(&r, &e, err);
    if (k > 0)
        k = error_add(err, s->path, 0, NULL,
                      "%s is in this archive and not in its " BUNDLE_FILE
                      "; fetch or compile it again",
                      e.path);
    return k;
}

/* --- either
 * ----------------------------------------------------------------------------------- */

int bundle_open(const char *path, struct bundle_source **ret, struct error_list *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r = 0;
    struct bundle_source *s;
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return error_add(err, path, 0, NULL,
                         "there is no bundle here; name its folder or its archive");
    if (fd < 0)
        return error_sys(err, errno, path, "cannot open the bundle");
    s = xcalloc(1, sizeof(*s));
    s->path = xstrdup(path);
    s->folder = -1;
    if (fstat(fd, &st) < 0)
        r = error_sys(err, errno, path, "cannot look at the bundle");
    else if (S_ISDIR(st.st_mode))
        s->folder = fd;
    else if (!S_ISREG(st.st_mode))
        r = error_add(err, path, 0, NULL,
                      "a bundle is a folder or an archive, and this is neither");
    else if ((r = fs_read_fd(fd, BUNDLE_ARCHIVE_MAX_BYTES, &s->archive)) == -EFBIG)
        r = error_add(err, path, 0, NULL, "an archive of more than %u bytes is none of ours",
                      BUNDLE_ARCHIVE_MAX_BYTES);
    else if (r < 0)
        error_sys(err, -r, path, "cannot read the archive");
    if (s->folder < 0)
        close(fd);
    if (r == 0)
        r = s->folder < 0 ? open_archive(s, err) : open_folder(s, err);
    if (r < 0)
        bundle_close(s);
    else
        *ret = s;
    return r;
}

const struct bundle *bundle_opened(const struct bundle_source *s)
{
    return s->bundle;
}

const struct buf *bundle_opened_text(const struct bundle_source *s)
{
    return &s->text;
}

struct bundle_source *bundle_close(struct bundle_source *s)
{
    if (!s)
        return NULL;
    if (s->folder >= 0)
        close(s->folder);
    bundle_free(s->bundle);
    buf_free(&s->archive);
    buf_free(&s->text);
    free(s->contents);
    free(s->path);
    free(s);
    return NULL;
}

int bundle_load(const char *path, struct bundle **ret, struct error_list *err)
{
    struct bundle_source *s = NULL;
    int r = bundle_open(path, &s, err);

    if (r == 0) {
        *ret = s->bundle;
        s->bundle = NULL;
    }
    bundle_close(s);
    return r;
}
