/* SPDX-License-Identifier: Apache-2.0 */
/* DIR/NAME/...: one folder for each gateway, and DIR/@mesh. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "controller/output_files.h"
#include "controller/output_internal.h"
#include "controller/output_owned.h"
#include "controller/output_tree.h"
#include "controller/rendered.h"

static int stage_folder(struct output *o, const char *name, int old, const struct owned *owned,
                        const struct rendered_file *files, size_t n, const uint8_t *states,
                        struct error_list *err)
{
    _cleanup_free_ char *shown = xasprintf("%s/%s", o->dir, name);
    struct stat st;
    int r, folder;

    r = output_stage(o, err);
    if (r < 0)
        return r;
    if (mkdirat(o->stage_fd, name, 0777) < 0 ||
        (folder = openat(o->stage_fd, name, OPEN_FOLDER)) < 0)
        return output_stage_failed(o, errno, name, err);
    if (old >= 0 && (fstat(old, &st) < 0 || fchmod(folder, st.st_mode & 07777) < 0 ||
                     (fchown(folder, st.st_uid, st.st_gid) < 0 && errno != EPERM)))
        r = output_stage_failed(o, errno, name, err);
    if (r == 0)
        r = files_stage(folder, shown, old, files, n, states, err);
    close(folder);
    if (r == 0 && old >= 0)
        r = tree_carry(o->old_fd, o->dir, o->stage_fd, name, owned, err);
    return r;
}

/* The folder that is there; -1: there is none.  A negative errno is in *err. */
static int open_old_folder(struct output *o, const char *name, int *ret, struct error_list *err)
{
    char gateway[NAME_MAX_LEN + 1];
    struct slot *s;
    int r = 0;

    *ret = o->old_fd < 0 ? -1 : openat(o->old_fd, name, OPEN_FOLDER);
    if (o->old_fd < 0 || *ret >= 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTDIR && errno != ELOOP)
        return error_sys(err, errno, NULL, "%s/%s: cannot open the folder", o->dir, name);
    /* It may be the archive of a gateway, if this one's name ends like that. */
    if (archive_gateway_of(name, gateway)) {
        pthread_mutex_lock(&o->mutex);
        s = output_slot(o, gateway, false);
        r = s && s->archive ? archive_owner(o, gateway, err) : 0;
        pthread_mutex_unlock(&o->mutex);
    }
    if (r != 0)
        return r < 0 ? r : 0;
    return error_add(err, NULL, 0, NULL,
                     "%s/%s: compile did not write what is there and needs a folder there; move it "
                     "away",
                     o->dir, name);
}

int folder_gateway(struct output *o, struct slot *s, const struct rendered *rendered,
                   struct error_list *err)
{
    const struct rendered_file *files = rendered->files;
    size_t n = rendered->n_files, same = 0;
    _cleanup_free_ uint8_t *states = xcalloc(n + 1, 1);
    _cleanup_free_ char *shown = xasprintf("%s/%s", o->dir, s->name);
    struct owned owned = OWNED_INIT;
    int old, r = open_old_folder(o, s->name, &old, err);

    if (r < 0)
        return r;
    if (s->folder && old >= 0 && owned_read(old, s->name, true, &owned) < 0)
        r = error_sys(err, EIO, NULL, "%s/%s: cannot read it", shown, owned_voice(s->name));
    if (r == 0)
        r = files_compare(old, shown, &owned, files, n, states, err);
    for (size_t i = 0; i < n; i++)
        same += states[i] == FILE_SAME;
    if (r == 0 && (!s->folder || same < n || owned.n + 1 != n)) {
        s->changed = true;
        r = stage_folder(o, s->name, old, &owned, files, n, states, err);
    }
    owned_free(&owned);
    if (old >= 0)
        close(old);
    return r;
}
