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
    int fd;             /* of the folder, or of the archive; -1: it is in memory: */
    struct buf archive; /* all of it */
    uint64_t *places;   /* of each file in the archive; NULL: it is a folder */
    struct buf text;    /* bundle.json */
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

/* Opens a regular file below the folder; `name` for messages. */
static int open_regular(int folder, const char *path, const char *name, int *ret,
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
    if (r < 0)
        close(fd);
    else
        *ret = fd;
    return r;
}

/* Appends the file to *ret, at most max bytes. */
static int read_below(int folder, const char *path, const char *name, size_t max, struct buf *ret,
                      struct error_list *err)
{
    int fd, r = open_regular(folder, path, name, &fd, err);

    if (r < 0)
        return r;
    r = fs_read_fd(fd, max, ret);
    if (r == -EFBIG)
        r = error_add(err, name, 0, NULL,
                      "the file is larger than the %zu bytes it should have; fetch or compile "
                      "the bundle again",
                      max);
    else if (r < 0)
        error_sys(err, -r, name, "cannot read the file");
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

/* Appends what is there in an archive; less, where it ends before. */
static int read_at(int fd, uint64_t place, size_t size, const char *name, struct buf *ret,
                   struct error_list *err)
{
    size_t end = ret->len + size;
    ssize_t n = 1;

    if (place > BUNDLE_ARCHIVE_MAX_BYTES || size > BUNDLE_FILE_MAX_BYTES)
        return error_add(err, name, 0, NULL, "no archive has a file there; fetch it again");
    buf_reserve(ret, size);
    while (n != 0 && ret->len < end) {
        n = pread(fd, ret->data + ret->len, end - ret->len, (off_t)place);
        if (n < 0 && errno != EINTR)
            return error_sys(err, errno, name, "cannot read the archive");
        if (n > 0) {
            ret->len += (size_t)n;
            place += (size_t)n;
        }
    }
    ret->data[ret->len] = '\0';
    return 0;
}

int bundle_read_file(const struct bundle_source *s, const struct bundle_file *file, struct buf *ret,
                     struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", s->path, file->path);
    size_t start = ret->len;
    int r;

    if (s->places && s->fd < 0) { /* verified as it was opened, and in our memory since */
        buf_add(ret, s->archive.data + s->places[file - s->bundle->files], file->size);
        return 0;
    }
    if (s->places)
        r = read_at(s->fd, s->places[file - s->bundle->files], file->size, name, ret, err);
    else
        r = read_below(s->fd, file->path, name, file->size, ret, err);
    if (r == 0)
        r = check_content(name, file, ret->data + start, ret->len - start, err);
    if (r < 0) {
        ret->len = start;
        if (ret->data)
            ret->data[start] = '\0';
    }
    return r;
}

/* Every file, against its size and digest. */
static int check_files(const struct bundle_source *s, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int first = 0, r;

    for (size_t i = 0; i < s->bundle->n_files && err->n < 20; i++) {
        buf_reset(&text);
        r = bundle_read_file(s, &s->bundle->files[i], &text, err);
        if (r < 0 && first == 0)
            first = r;
    }
    return first;
}

static int open_folder(struct bundle_source *s, struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", s->path, BUNDLE_FILE);
    int r = read_below(s->fd, BUNDLE_FILE, name, BUNDLE_MAX_BYTES, &s->text, err);

    if (r == 0)
        r = bundle_parse(buf_cstr(&s->text), s->text.len, name, &s->bundle, err);
    return r < 0 ? r : check_files(s, err);
}

/* --- an archive
 * ------------------------------------------------------------------------------- */

static int no_file(const char *path, const char *file, struct error_list *err)
{
    return error_add(err, path, 0, NULL,
                     "%s is not where it should be in this archive; fetch or compile it again",
                     file);
}

/* The files behind bundle.json. */
static int parse_contents(struct tar_reader *r, const struct bundle *b, uint64_t *places,
                          struct error_list *err)
{
    struct tar_entry e;
    int k, first = 0;

    for (size_t i = 0; i < b->n_files && err->n < 20; i++) {
        const struct bundle_file *file = &b->files[i];
        _cleanup_free_ char *shown = xasprintf("%s/%s", r->file, file->path);

        k = tar_next(r, &e, err);
        if (k >= 0 && (k == 0 || strcmp(e.path, file->path) != 0))
            k = no_file(r->file, file->path, err);
        if (k < 0)
            return k; /* what follows would be about the wrong file */
        k = check_content(shown, file, e.data, e.size, err);
        if (k < 0)
            first = k;
        places[i] = (uint64_t)(e.data - r->data);
    }
    if (first < 0)
        return first;
    k = tar_next(r, &e, err);
    if (k > 0)
        k = error_add(err, r->file, 0, NULL,
                      "%s is in this archive and not in its " BUNDLE_FILE
                      "; fetch or compile it again",
                      e.path);
    return k;
}

int bundle_archive_text(const char *data, size_t len, const char *path, struct tar_reader *reader,
                        struct tar_entry *ret, struct error_list *err)
{
    int k;

    *reader = (struct tar_reader){.data = data, .len = len, .file = path};
    k = tar_next(reader, ret, err);
    if (k >= 0 && (k == 0 || strcmp(ret->path, BUNDLE_FILE) != 0))
        k = no_file(path, BUNDLE_FILE, err);
    return k < 0 ? k : 0;
}

int bundle_parse_archive(const char *data, size_t len, const char *path, struct bundle **ret,
                         uint64_t **places, struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", path, BUNDLE_FILE);
    struct bundle *b = NULL;
    struct tar_reader reader;
    uint64_t *found = NULL;
    struct tar_entry e;
    int r = bundle_archive_text(data, len, path, &reader, &e, err);

    if (r == 0)
        r = bundle_parse(e.data, e.size, name, &b, err);
    if (r == 0) {
        found = xcalloc(b->n_files + 1, sizeof(*found));
        r = parse_contents(&reader, b, found, err);
    }
    if (r < 0) {
        free(found);
        bundle_free(b);
        return r;
    }
    *ret = b;
    *places = found;
    return 0;
}

/* --- either
 * ----------------------------------------------------------------------------------- */

int bundle_open_path(const char *path, bool *folder, int *ret, struct error_list *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r = 0;
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return error_add(err, path, 0, NULL,
                         "there is no bundle here; name its folder or its archive");
    if (fd < 0)
        return error_sys(err, errno, path, "cannot open the bundle");
    if (fstat(fd, &st) < 0)
        r = error_sys(err, errno, path, "cannot look at the bundle");
    else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        r = error_add(err, path, 0, NULL,
                      "a bundle is a folder or an archive, and this is neither");
    if (r < 0) {
        close(fd);
        return r;
    }
    *folder = S_ISDIR(st.st_mode);
    *ret = fd;
    return 0;
}

int bundle_open_text(int folder, const char *path, int *ret, struct error_list *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", path, BUNDLE_FILE);

    return open_regular(folder, BUNDLE_FILE, name, ret, err);
}

static struct bundle_source *new_source(const char *path, int fd)
{
    struct bundle_source *s = xcalloc(1, sizeof(*s));

    s->path = xstrdup(path);
    s->fd = fd;
    return s;
}

static int open_archive(struct bundle_source *s, struct error_list *err)
{
    int r = fs_read_fd(s->fd, BUNDLE_ARCHIVE_MAX_BYTES, &s->archive);
    struct tar_reader reader;
    struct tar_entry e;

    close(s->fd);
    s->fd = -1;
    if (r == -EFBIG)
        return error_add(err, s->path, 0, NULL, "an archive of more than %u bytes is none of ours",
                         BUNDLE_ARCHIVE_MAX_BYTES);
    if (r < 0)
        return error_sys(err, -r, s->path, "cannot read the archive");
    r = bundle_parse_archive(buf_cstr(&s->archive), s->archive.len, s->path, &s->bundle, &s->places,
                             err);
    if (r == 0)
        r = bundle_archive_text(s->archive.data, s->archive.len, s->path, &reader, &e, err);
    if (r == 0)
        buf_add(&s->text, e.data, e.size);
    return r;
}

int bundle_open(const char *path, struct bundle_source **ret, struct error_list *err)
{
    struct bundle_source *s;
    bool folder;
    int fd, r = bundle_open_path(path, &folder, &fd, err);

    if (r < 0)
        return r;
    s = new_source(path, fd);
    r = folder ? open_folder(s, err) : open_archive(s, err);
    if (r < 0)
        bundle_close(s);
    else
        *ret = s;
    return r;
}

int bundle_adopt(const char *path, int fd, struct bundle *b, uint64_t *places,
                 struct bundle_source **ret, struct error_list *err)
{
    struct bundle_source *s = new_source(path, fd);
    int r;

    s->bundle = b;
    s->places = places;
    bundle_format(b, &s->text);
    r = check_files(s, err);
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
    if (s->fd >= 0)
        close(s->fd);
    bundle_free(s->bundle);
    buf_free(&s->archive);
    buf_free(&s->text);
    free(s->places);
    free(s->path);
    free(s);
    return NULL;
}

struct bundle *bundle_take(struct bundle_source *s)
{
    struct bundle *b = s->bundle;

    s->bundle = NULL;
    bundle_close(s);
    return b;
}

int bundle_load(const char *path, struct bundle **ret, struct error_list *err)
{
    struct bundle_source *s = NULL;
    int r = bundle_open(path, &s, err);

    if (r == 0)
        *ret = bundle_take(s);
    return r;
}
