/* SPDX-License-Identifier: Apache-2.0 */
#include "service/static.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "tuf/repo_publish.h"

#define PART_MAX 200

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

bool static_name_valid(const char *name)
{
    size_t in_part = 0;

    for (const char *p = name;; p++) {
        if (*p == '/' || *p == '\0') {
            if (in_part == 0 || in_part > PART_MAX)
                return false;
            if (*p == '\0')
                return true;
            in_part = 0;
        } else if (plain(*p) || (*p == '.' && in_part > 0 && p[1] != '.')) {
            in_part++;
        } else {
            return false;
        }
    }
}

/* Opens what a valid name says below an open folder, which it closes; no part may be a link.  Part
 * by part, as openat2() would do it: that is not there in every container. */
static int open_below(int dir, const char *name)
{
    const int part_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const int file_flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int r = 0, fd;

    for (const char *slash; r >= 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        _cleanup_free_ char *part = xasprintf("%.*s", (int)(slash - name), name);

        fd = openat(dir, part, part_flags);
        r = fd < 0 ? -errno : 0;
        close(dir);
        dir = fd;
    }
    if (r < 0)
        return r;
    fd = openat(dir, name, file_flags);
    r = fd < 0 ? -errno : fd;
    close(dir);
    return r;
}

int static_open(const char *repository, const char *folder, const char *name, int64_t *ret_size)
{
    _cleanup_free_ char *path = NULL;
    struct stat st;
    int dir, fd, r = 0;

    if (!static_name_valid(name))
        return -ENOENT;
    path = xasprintf("%s/%s", folder, name);
    dir = open(repository, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    fd = open_below(dir, path);
    if (fd < 0)
        return fd == -ELOOP || fd == -ENOTDIR || fd == -ENAMETOOLONG ? -ENOENT : fd;
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (!S_ISREG(st.st_mode))
        r = -ENOENT;
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_size = st.st_size;
    return fd;
}

int64_t static_version(const char *repository)
{
    _cleanup_free_ char *metadata = xasprintf("%s/metadata", repository);
    struct tuf_repo repo = {.metadata_dir = metadata};
    struct tuf_error err;
    int64_t version = 0;

    return tuf_repo_version(&repo, &version, &err) == TUF_OK ? version : 0;
}
