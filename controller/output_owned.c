/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/output_owned.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/name.h"
#include "common/origins.h"
#include "common/sorted.h"
#include "common/tar.h"

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

/* ret->text is, or is not, a bundle.json of ours. */
static int understand_bundle(bool paths, struct owned *ret)
{
    const char *path;
    char *at = ret->text.data;

    if (!bundle_text_intact(ret->text.data, ret->text.len))
        return 0;
    ret->mesh = take(&at, "\"mesh\": \"");
    ret->gateway = ret->mesh ? take(&at, "\"gateway\": \"") : NULL;
    if (!ret->gateway || !name_valid(ret->mesh) || !name_valid(ret->gateway))
        return 0;
    while (paths && (path = take(&at, "\n      {\"path\": \""))) {
        if (!relative_path_valid(path))
            return 0;
        if ((ret->n & (ret->n - 1)) == 0)
            ret->paths = xreallocarray(ret->paths, ret->n ? ret->n * 2 : 1, sizeof(*ret->paths));
        ret->paths[ret->n++] = path;
    }
    return 1;
}

static int read_bundle(int folder, bool paths, struct owned *ret)
{
    int r = read_voice(folder, ret->voice, BUNDLE_MAX_BYTES, &ret->text);

    return r == 1 ? understand_bundle(paths, ret) : r;
}

/* So many bytes of an open file from its beginning on.  1, 0 (there are fewer) or an errno. */
static int read_head(int fd, size_t n, struct buf *ret)
{
    buf_reserve(ret, n);
    while (ret->len < n) {
        ssize_t k = pread(fd, ret->data + ret->len, n - ret->len, (off_t)ret->len);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return k < 0 ? -errno : 0;
        ret->len += (size_t)k;
    }
    ret->data[n] = '\0';
    return 1;
}

/* The archive's first file, cut off in the middle of the next header at worst. */
static int read_first(int fd, struct buf *ret)
{
    struct stat st;
    uint8_t header[TAR_BLOCK];
    uint64_t size;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return 0;
    r = read_head(fd, TAR_BLOCK, ret);
    if (r != 1)
        return r;
    if (!tar_size(ret->data, &size) || size > BUNDLE_MAX_BYTES)
        return 0;
    tar_header(header, BUNDLE_FILE, size);
    if (memcmp(header, ret->data, TAR_BLOCK) != 0)
        return 0;
    r = read_head(fd, TAR_BLOCK + (size_t)size, ret);
    if (r == 1) {
        memmove(ret->data, ret->data + TAR_BLOCK, (size_t)size);
        ret->len = (size_t)size;
        ret->data[size] = '\0';
    }
    return r;
}

bool archive_gateway_of(const char *entry, char ret[static NAME_MAX_LEN + 1])
{
    size_t n = strlen(entry), ending = strlen(BUNDLE_ARCHIVE_ENDING);

    if (n <= ending || n - ending > NAME_MAX_LEN ||
        memcmp(entry + n - ending, BUNDLE_ARCHIVE_ENDING, ending) != 0)
        return false;
    memcpy(ret, entry, n - ending);
    ret[n - ending] = '\0';
    return name_valid(ret);
}

int owned_read_archive(int folder, const char *name, struct owned *ret)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r;

    *ret = (struct owned)OWNED_INIT;
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0 : -errno;
    r = read_first(fd, &ret->text);
    close(fd);
    if (r == 1)
        r = understand_bundle(false, ret);
    if (r != 1)
        owned_free(ret);
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

static size_t place_of(const struct owned *owned, const char *path)
{
    return sorted_place(owned->paths, owned->n, sizeof(*owned->paths), path);
}

bool owned_has(const struct owned *owned, const char *path)
{
    size_t i = place_of(owned, path);

    return (i < owned->n && strcmp(owned->paths[i], path) == 0) ||
           (owned->gateway && strcmp(path, owned->voice) == 0);
}

bool owned_has_folder(const struct owned *owned, const char *path)
{
    _cleanup_free_ char *inside = xasprintf("%s/", path);
    size_t i = place_of(owned, inside);

    return i < owned->n && strncmp(owned->paths[i], inside, strlen(inside)) == 0;
}
