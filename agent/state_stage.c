/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/state_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/key.h"
#include "agent/reader.h"
#include "agent/routing.h"
#include "agent/state.h"
#include "agent/worker.h"
#include "common/directives.h"
#include "common/frr_config.h"
#include "common/fs.h"
#include "common/link_key.h"

/* --- the copy ------------------------------------------------------------------------------- */

/* Not fs_write(): the copy becomes visible as a whole later, so one rename and a sync for each file
 * would be waste; but every file must be on the disk before the exchange. */
static int write_file(const char *path, const struct buf *data, gid_t gid, struct error_list *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640), r;
    struct stat st;

    if (fd < 0)
        return error_sys(err, errno, path, "cannot create the file");
    r = fs_write_fd(fd, data->data, data->len);
    if (r == 0 && (fstat(fd, &st) < 0 || (st.st_gid != gid && fchown(fd, 0, gid) < 0) ||
                   fchmod(fd, 0640) < 0 || fsync(fd) < 0))
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r < 0 ? error_sys(err, -r, path, "cannot write the file") : 0;
}

/* path is relative_path_valid(): it cannot leave the folder. */
static int put_file(const struct settings *s, const char *to, const char *path,
                    const struct buf *data, struct error_list *err)
{
    _cleanup_free_ char *target = xasprintf("%s/%s", to, path);
    _cleanup_free_ char *parent_copy = xstrdup(target);
    const char *parent = dirname(parent_copy);
    int r = state_own_dir(parent, 0, s->link_gid, 0750, err);

    if (r == 0)
        r = write_file(target, data, s->link_gid, err);
    return r < 0 ? r : state_sync_dir(parent, err);
}

static int copy_bundle(const struct settings *s, const struct bundle_source *from, const char *to,
                       struct error_list *err)
{
    const struct bundle *b = bundle_opened(from);
    _cleanup_buf_ struct buf data = BUF_INIT;
    int r = state_own_dir(to, 0, s->link_gid, 0750, err);

    if (r == 0)
        r = put_file(s, to, BUNDLE_FILE, bundle_opened_text(from), err);
    for (size_t i = 0; r == 0 && i < b->n_files; i++) {
        buf_reset(&data);
        r = bundle_read_file(from, &b->files[i], &data, err);
        if (r == 0)
            r = put_file(s, to, b->files[i].path, &data, err);
    }
    return r < 0 ? r : state_sync_dir(to, err);
}

/* --- what is checked ------------------------------------------------------------------------ */

static int check_belongs(const struct bundle *old, const struct bundle *new, const char *dir,
                         struct error_list *err)
{
    if (strcmp(old->gateway, new->gateway) == 0 && strcmp(old->mesh, new->mesh) == 0)
        return 0;
    return error_add(err, dir, 0, NULL,
                     "this bundle is for gateway '%s' of mesh '%s', but here runs gateway '%s' of "
                     "mesh '%s': choose the right one, or run 'p2pvpn-agent remove' first to "
                     "give this gateway a new life",
                     new->gateway, new->mesh, old->gateway, old->mesh);
}

/* Before anything runs, the certificate says who this is: with the bundle of another gateway no
 * peer would accept it. */
struct enrolled {
    const char *keys, *gateway, *dir;
};

static int compare_names(void *arg, struct error_list *err)
{
    const struct enrolled *e = arg;
    _cleanup_free_ char *name = NULL;

    if (!key_is_anothers(e->keys, e->gateway, &name))
        return 0;
    return error_add(err, e->dir, 0, NULL,
                     "this bundle is for gateway '%s', but the certificate in %s is for '%s': "
                     "choose the right one, or move the keys away and enroll this gateway as "
                     "'%s'",
                     e->gateway, e->keys, name, e->gateway);
}

static int check_enrolled(const struct settings *s, const struct bundle *new, const char *dir,
                          struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    struct enrolled e = {keys, new->gateway, dir};

    return worker_do(compare_names, &e, err); /* what reads certificates is 2 MiB large */
}

/* What OpenVPN and FRR would be given: whoever parsed it before, this is where it counts. */
static int check_configurations(const struct bundle_source *source, struct error_list *err)
{
    const struct bundle *b = bundle_opened(source);
    struct frr_config frr = FRR_CONFIG_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT, info = BUF_INIT;
    char file[LINK_KEY_FILE_SIZE];
    int r = 0, q;

    for (size_t i = 0; i < b->n_links; i++) {
        buf_reset(&text);
        q = bundle_read_file(source, bundle_find_file(b, b->links[i].config), &text, err);
        buf_reset(&info);
        if (q == 0)
            q = directives_check(buf_cstr(&text), text.len, b->links[i].interface,
                                 link_key_of(b, &b->links[i], &info, file) ? file : NULL,
                                 b->links[i].config, err);
        r = r == 0 ? q : r;
    }
    buf_reset(&text);
    if (!bundle_find_file(b, ROUTING_CONFIG))
        return r;
    q = bundle_read_file(source, bundle_find_file(b, ROUTING_CONFIG), &text, err);
    if (q == 0) {
        frr_config_parse(&frr, buf_cstr(&text), text.len);
        q = frr_config_validate(&frr, ROUTING_CONFIG, err);
        frr_config_free(&frr);
    }
    return r == 0 ? q : r;
}

/* Every byte of the copy, as it is on the disk now. */
static int verify_copy(const char *stage, struct bundle *b, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/" BUNDLE_FILE, stage);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct bundle_source *copy = NULL;
    int fd = open(stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    if (fd < 0)
        return error_sys(err, errno, stage, "cannot read the copy of the bundle");
    r = bundle_adopt(stage, fd, b, NULL, &copy, err);
    if (r < 0)
        return r;
    r = fs_read(file, BUNDLE_MAX_BYTES, &text, err);
    if (r == 0 && !bundle_text_is(buf_cstr(&text), text.len, b->revision))
        r = error_add(err, file, 0, NULL,
                      "the copy is not what was written: look after the disk and apply it again");
    if (r == 0)
        r = check_configurations(copy, err);
    bundle_take(copy);
    return r;
}

int state_belongs(const struct settings *s, const struct bundle *b, const char *dir,
                  struct error_list *err)
{
    struct error_list ignored = ERROR_LIST_INIT;
    struct bundle *old = NULL;
    int r = state_current(s, &old, &ignored) == 0 ? check_belongs(old, b, dir, err) : 0;

    error_clear(&ignored);
    bundle_free(old);
    return r == 0 ? check_enrolled(s, b, dir, err) : r;
}

int state_stage(const struct settings *s, const char *dir, struct bundle **ret,
                struct error_list *err)
{
    _cleanup_free_ char *stage = settings_stage_dir(s);
    struct error_list ignored = ERROR_LIST_INIT;
    struct bundle_source *source = NULL;
    struct bundle *old = NULL, *new;
    int r;

    /* A damaged copy is no reason to refuse a good bundle: it is replaced. */
    state_current(s, &old, &ignored);
    error_clear(&ignored);
    r = reader_bundle(s, dir, &source, err);
    if (r == 0 && old)
        r = check_belongs(old, bundle_opened(source), dir, err);
    if (r == 0 && old && strcmp(old->revision, bundle_opened(source)->revision) == 0) {
        bundle_close(source);
        r = fs_remove_tree(stage, err); /* of another one, that could not be removed in its time */
        if (r == 0)
            *ret = old;
        else
            bundle_free(old);
        return r;
    }
    bundle_free(old);
    if (r == 0)
        r = check_enrolled(s, bundle_opened(source), dir, err);
    if (r == 0)
        r = fs_remove_tree(stage, err);
    if (r == 0)
        r = copy_bundle(s, source, stage, err);
    if (!source)
        return r;
    new = bundle_take(source);
    if (r == 0)
        r = verify_copy(stage, new, err);
    if (r == 0) {
        *ret = new;
        return 0;
    }
    fs_remove_tree(stage, &ignored);
    error_clear(&ignored);
    bundle_free(new);
    return r;
}
