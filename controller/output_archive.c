/* SPDX-License-Identifier: Apache-2.0 */
/* DIR/NAME.tar: one archive for each gateway. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/fs.h"
#include "common/name.h"
#include "controller/output_internal.h"
#include "controller/output_owned.h"
#include "controller/rendered.h"

#define ENTRY_MAX (NAME_MAX_LEN + sizeof(BUNDLE_ARCHIVE_ENDING))
#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static const char *entry_of(const char *gateway, char entry[static ENTRY_MAX])
{
    snprintf(entry, ENTRY_MAX, "%s" BUNDLE_ARCHIVE_ENDING, gateway);
    return entry;
}

/* --- whose it is ------------------------------------------------------------------------------ */

int archive_owner(const struct output *o, const char *gateway, struct error_list *err)
{
    char entry[ENTRY_MAX];
    struct owned owned;
    int r = owned_read_archive(o->old_fd, entry_of(gateway, entry), &owned);

    if (r < 0)
        return error_sys(err, -r, NULL, "%s/%s: cannot read it", o->dir, entry);
    if (r == 0)
        return 0;
    if (strcmp(owned.gateway, gateway) != 0)
        r = 0;
    else if (strcmp(owned.mesh, o->mesh) != 0)
        r = output_other_mesh(o, &owned, err);
    owned_free(&owned);
    return r;
}

/* --- comparing -------------------------------------------------------------------------------- */

/* How far the comparison has come. */
struct progress {
    const struct rendered_piece *pieces;
    unsigned piece;
    size_t at; /* in that piece */
};

/* True: this is what comes next. */
static bool continues(struct progress *p, const char *data, size_t len)
{
    while (len > 0 && p->piece < RENDERED_PIECES) {
        const struct rendered_piece *piece = &p->pieces[p->piece];
        size_t n = piece->len - p->at < len ? piece->len - p->at : len;

        if (memcmp(piece->data + p->at, data, n) != 0)
            return false;
        data += n;
        len -= n;
        p->at += n;
        if (p->at == piece->len) {
            p->piece++;
            p->at = 0;
        }
    }
    return len == 0;
}

/* 1: the file is this very archive.  Every byte is compared: that costs less than making them did,
 * and whatever happened to the file is put right. */
static int same(int folder, const char *entry, const struct rendered_piece *pieces)
{
    struct progress p = {.pieces = pieces};
    int fd = openat(folder, entry, OPEN_FILE);
    char block[65536];
    size_t left = rendered_size(pieces);
    struct stat st;
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 1;

    if (r == 1 && (!S_ISREG(st.st_mode) || (uintmax_t)st.st_size != left))
        r = 0;
    while (r == 1 && left > 0) {
        ssize_t n = read(fd, block, left < sizeof(block) ? left : sizeof(block));

        if (n < 0 && errno == EINTR)
            continue;
        r = n < 0 ? -errno : n > 0 && continues(&p, block, (size_t)n);
        left -= n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    return r;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int write_pieces(int fd, const struct rendered_piece *pieces)
{
    struct iovec parts[RENDERED_PIECES];
    size_t first = 0;

    for (unsigned i = 0; i < RENDERED_PIECES; i++)
        parts[i] = (struct iovec){(void *)pieces[i].data, pieces[i].len};
    while (first < RENDERED_PIECES) {
        ssize_t n = writev(fd, parts + first, (int)(RENDERED_PIECES - first));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        for (; first < RENDERED_PIECES && (size_t)n >= parts[first].iov_len; first++)
            n -= (ssize_t)parts[first].iov_len;
        if (n > 0) {
            parts[first].iov_base = (char *)parts[first].iov_base + n;
            parts[first].iov_len -= (size_t)n;
        }
    }
    return 0;
}

static int stage_archive(const struct output *o, const char *entry,
                         const struct rendered_piece *pieces, struct error_list *err)
{
    int fd = openat(o->stage_fd, entry, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    int r = fd < 0 ? -errno : write_pieces(fd, pieces);

    if (fd >= 0 && close(fd) < 0 && r == 0)
        r = -errno;
    return r < 0 ? output_stage_failed(o, -r, entry, err) : 0;
}

/* Where a hard link cannot be had: the file is somebody else's (fs.protected_hardlinks), or has all
 * it may have. */
static int copy(const struct output *o, const char *entry)
{
    int from = openat(o->old_fd, entry, OPEN_FILE), to = -1, r = from < 0 ? -errno : 0;
    ssize_t n = 1;

    if (r == 0)
        to = openat(o->stage_fd, entry, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (r == 0 && to < 0)
        r = -errno;
    while (r == 0 && n > 0) {
        char block[65536];

        n = read(from, block, sizeof(block));
        if (n < 0 && errno == EINTR)
            n = 1;
        else
            r = n < 0 ? -errno : fs_write_fd(to, block, (size_t)n);
    }
    if (from >= 0)
        close(from);
    if (to >= 0 && close(to) < 0 && r == 0)
        r = -errno;
    return r;
}

int archive_keep(const struct output *o, const char *gateway, struct error_list *err)
{
    char entry[ENTRY_MAX];
    int r;

    entry_of(gateway, entry);
    if (linkat(o->old_fd, entry, o->stage_fd, entry, 0) == 0)
        return 0;
    r = errno == EMLINK || errno == EPERM ? copy(o, entry) : -errno;
    return r < 0 ? output_stage_failed(o, -r, entry, err) : 0;
}

/* --- one gateway ------------------------------------------------------------------------------ */

static int in_the_way(const struct output *o, const char *entry, struct error_list *err)
{
    return error_add(err, NULL, 0, NULL,
                     "%s/%s: compile did not write what is there and must write a file there; move "
                     "it away",
                     o->dir, entry);
}

/* What is at DIR/ENTRY, though not in that form, makes room for the archive: nothing, or the folder
 * of a gateway whose name ends like that. */
static int room_for(struct output *o, const char *entry, struct error_list *err)
{
    struct slot *s;
    struct stat st;
    bool ours;

    if (o->old_fd < 0 || fstatat(o->old_fd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    pthread_mutex_lock(&o->mutex);
    s = output_slot(o, entry, false);
    ours = s && s->folder;
    pthread_mutex_unlock(&o->mutex);
    return ours ? 0 : in_the_way(o, entry, err);
}

int archive_gateway(struct output *o, struct slot *s, const struct rendered *rendered,
                    struct error_list *err)
{
    struct rendered_piece pieces[RENDERED_PIECES];
    char entry[ENTRY_MAX];
    int r;

    rendered_archive(rendered, pieces);
    entry_of(s->name, entry);
    if (s->archive) {
        r = same(o->old_fd, entry, pieces);
        if (r == 1)
            return 0;
        if (r < 0 && r != -ELOOP && r != -ENXIO)
            return error_sys(err, -r, NULL, "%s/%s: cannot read it", o->dir, entry);
        r = archive_owner(o, s->name, err);
        if (r <= 0)
            return r < 0 ? r : in_the_way(o, entry, err);
    } else {
        r = room_for(o, entry, err);
        if (r < 0)
            return r;
    }
    s->changed = true;
    r = output_stage(o, err);
    return r < 0 ? r : stage_archive(o, entry, pieces, err);
}
