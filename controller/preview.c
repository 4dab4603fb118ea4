/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/preview.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/origins.h"
#include "common/sorted.h"
#include "controller/lock.h"
#include "controller/mesh.h"
#include "controller/network.h"
#include "controller/previous.h"
#include "controller/rendered.h"

#define FRR_FILE "frr/frr.conf"

/* What one run has in its hands. */
struct look {
    const struct preview_options *options;
    struct preview *ret;
    const struct visitor_view *view;
    struct previous *previous; /* the folder */
    struct lock *lock;         /* or the lock, if it is not the mesh's own */
    const struct lock *against;
    struct change_builder *builder;
    struct origins *origins; /* that would be published */
    pthread_mutex_t mutex;   /* of the builder: gateways may come from several threads */
};

/* --- bundles ---------------------------------------------------------------------------------- */

/* A bundle that was read, and FRR's part of it. */
struct opened {
    struct bundle_source *source;
    struct bundle *bundle; /* without a source */
    struct buf frr;
};

static void opened_clear(struct opened *o)
{
    bundle_close(o->source);
    bundle_free(o->bundle);
    buf_free(&o->frr);
}

static int open_previous(struct look *l, const char *gateway, struct opened *ret,
                         struct error_list *err)
{
    const struct bundle *b;
    int r = previous_bundle(l->previous, gateway, &ret->source, err);

    if (r < 0)
        return r;
    b = bundle_opened(ret->source);
    if (strcmp(b->gateway, gateway) != 0 || strcmp(b->mesh, l->view->net->mesh->name) != 0)
        return error_add(err, NULL, 0, NULL, "it is of gateway '%s' of mesh '%s'", b->gateway,
                         b->mesh);
    for (size_t i = 0; i < b->n_files && r == 0; i++)
        if (strcmp(b->files[i].path, FRR_FILE) == 0)
            r = bundle_read_file(ret->source, &b->files[i], &ret->frr, err);
    return r;
}

static int open_rendered(const struct rendered *r, struct opened *ret, struct error_list *err)
{
    const struct rendered_file *json = &r->files[r->n_files - 1];

    for (size_t i = 0; i < r->n_files; i++)
        if (strcmp(r->files[i].path, FRR_FILE) == 0)
            buf_add(&ret->frr, r->files[i].data, r->files[i].len);
    return bundle_parse(json->data, json->len, BUNDLE_FILE, &ret->bundle, err);
}

/* A bundle that is damaged, or another mesh's, is as good as none: its agent would refuse it. */
static void add_unknown(struct look *l, const char *gateway, bool in_mesh,
                        const struct error_list *why)
{
    _cleanup_free_ char *text = xasprintf("what %s has of it is no intact bundle: %s",
                                          l->ret->against, why->n ? why->items[0].message : "");

    change_unknown(l->builder, gateway, in_mesh, text);
}

static int look_at_gateway(void *arg, uint32_t gateway, const struct rendered *r,
                           struct error_list *err)
{
    struct look *l = arg;
    const char *name = l->view->net->mesh->gateways[gateway].name;
    struct opened old = {NULL, NULL, BUF_INIT}, now = {NULL, NULL, BUF_INIT};
    struct error_list why = ERROR_LIST_INIT;
    bool same, had;
    int result = 0, k = 0;

    if (!l->previous)
        return 0;
    same = previous_same(l->previous, name, r);
    had = previous_has(l->previous, name);
    if (!same)
        result = open_rendered(r, &now, err);
    if (!same && had)
        k = open_previous(l, name, &old, &why);
    pthread_mutex_lock(&l->mutex);
    if (same)
        change_same(l->builder, gateway);
    else if (result == 0 && k < 0)
        add_unknown(l, name, true, &why);
    else if (result == 0)
        change_bundle(l->builder,
                      had ? &(struct change_bundle){bundle_opened(old.source), buf_cstr(&old.frr)}
                          : NULL,
                      &(struct change_bundle){now.bundle, buf_cstr(&now.frr)});
    pthread_mutex_unlock(&l->mutex);
    opened_clear(&old);
    opened_clear(&now);
    error_clear(&why);
    return result;
}

static bool in_mesh(const struct mesh *mesh, const char *gateway)
{
    size_t size = sizeof(*mesh->gateways);

    return sorted_is_at(mesh->gateways, mesh->n_gateways, size,
                        sorted_place(mesh->gateways, mesh->n_gateways, size, gateway), gateway);
}

static void look_at_removed(struct look *l)
{
    for (size_t i = 0; i < previous_count(l->previous); i++) {
        const char *name = previous_name(l->previous, i);
        struct opened old = {NULL, NULL, BUF_INIT};
        _cleanup_free_ char *mesh = NULL;
        struct error_list why = ERROR_LIST_INIT;

        /* What compile did not write it does not remove. */
        if (in_mesh(l->view->net->mesh, name) || !(mesh = previous_mesh(l->previous, name)))
            continue;
        if (open_previous(l, name, &old, &why) < 0)
            add_unknown(l, name, false, &why);
        else
            change_bundle(l->builder,
                          &(struct change_bundle){bundle_opened(old.source), buf_cstr(&old.frr)},
                          NULL);
        opened_clear(&old);
        error_clear(&why);
    }
}

/* --- the run ---------------------------------------------------------------------------------- */

static bool is_folder(const char *path, bool *ret_missing)
{
    struct stat st;
    size_t n = strlen(path);

    *ret_missing = stat(path, &st) < 0 && errno == ENOENT;
    if (*ret_missing) /* mesh.lock.json is a lock, wherever it is */
        return n < 5 || strcmp(path + n - 5, ".json") != 0;
    return S_ISDIR(st.st_mode);
}

static int other_mesh(const struct look *l, const char *mesh, struct error_list *err)
{
    return error_add(err, l->ret->against, 0, NULL,
                     "this is of mesh '%s', and the model of mesh '%s'; name what was made of the "
                     "same mesh with --against",
                     mesh, l->view->net->mesh->name);
}

/* Whose output it is, one of its bundles says. */
static int check_folder(struct look *l, struct error_list *err)
{
    for (size_t i = 0; i < previous_count(l->previous); i++) {
        _cleanup_free_ char *mesh = previous_mesh(l->previous, previous_name(l->previous, i));

        if (mesh)
            return strcmp(mesh, l->view->net->mesh->name) == 0 ? 0 : other_mesh(l, mesh, err);
    }
    return 0;
}

/* A gateway that is in the mesh, or was. */
static int check_gateway(const struct look *l, struct error_list *err)
{
    const char *name = l->options->gateway;
    bool there = !name || in_mesh(l->view->net->mesh, name) ||
                 (l->previous && previous_has(l->previous, name));

    for (size_t i = 0; !there && l->against && i < l->against->n_gateways; i++)
        there = strcmp(l->against->gateways[i].name, name) == 0;
    return there ? 0
                 : error_add(err, l->options->mesh_file, 0, NULL,
                             "there is no gateway '%s'; correct --gateway, or leave it out", name);
}

static int open_folder(struct look *l, struct error_list *err)
{
    int r = previous_open(l->ret->against, &l->previous, err);

    if (r == 0)
        r = check_folder(l, err);
    if (r == 0)
        l->builder = change_begin(l->view->net);
    return r;
}

static int open_lock(struct look *l, struct error_list *err)
{
    struct preview *p = l->ret;
    int r;

    if (!p->against)
        p->against = xstrdup(l->view->lock_file);
    p->missing = access(p->against, F_OK) < 0;
    if (strcmp(p->against, l->view->lock_file) == 0) {
        l->against = l->view->old_lock;
        return 0;
    }
    if (p->missing)
        return error_sys(err, errno, p->against, "cannot find the lock to compare with");
    r = lock_load(p->against, &l->lock, err);
    l->against = l->lock;
    if (r == 0 && l->lock->mesh && strcmp(l->lock->mesh, l->view->net->mesh->name) != 0)
        r = other_mesh(l, l->lock->mesh, err);
    return r;
}

static int begin(void *arg, const struct visitor_view *view, struct error_list *err)
{
    struct look *l = arg;
    int r;

    l->view = view;
    r = l->ret->bundles ? open_folder(l, err) : open_lock(l, err);
    return r == 0 ? check_gateway(l, err) : r;
}

static int look_at_mesh(void *arg, const struct buf *origins, struct error_list *err)
{
    struct look *l = arg;

    if (!l->previous)
        return 0;
    l->ret->origins_change = !previous_origins_same(l->previous, origins);
    return origins_parse(origins->data, origins->len, ORIGINS_NAME, &l->origins, err);
}

static int end(void *arg, struct error_list *err)
{
    struct look *l = arg;
    const struct origins nothing = {.n = 0};
    struct origins *old = NULL;

    (void)err;
    if (!l->builder) {
        l->ret->change = change_of_locks(l->against, l->view->new_lock);
        return 0;
    }
    look_at_removed(l);
    if (previous_count(l->previous) > 0)
        previous_origins(l->previous, &old);
    l->ret->change =
        change_end(l->builder, previous_count(l->previous) == 0 ? &nothing : old, l->origins);
    l->builder = NULL;
    origins_free(old);
    return 0;
}

int preview(const struct preview_options *options, struct preview *ret, struct error_list *err)
{
    struct look look = {.options = options, .ret = ret, .mutex = PTHREAD_MUTEX_INITIALIZER};
    const struct visitor visitor = {&look, begin, look_at_gateway, look_at_mesh, end};
    struct compile_options o = {
        .mesh_file = options->mesh_file,
        .lock_file = options->lock_file,
        .keys_file = options->keys_file,
        .template_dir = options->template_dir,
        .allow_shrink = options->allow_shrink,
        .progress = options->progress,
        .visitor = &visitor,
    };
    int r;

    *ret = (struct preview){.against = options->against ? xstrdup(options->against) : NULL};
    ret->bundles = ret->against && is_folder(ret->against, &ret->missing);
    o.shrink_dir = ret->bundles ? ret->against : NULL;
    r = compile(&o, &ret->summary, err);
    change_abandon(look.builder);
    previous_close(look.previous);
    origins_free(look.origins);
    lock_free(look.lock);
    return r;
}

void preview_clear(struct preview *p)
{
    change_free(p->change);
    free(p->against);
    compile_summary_clear(&p->summary);
    *p = (struct preview){.change = NULL};
}

bool preview_any(const struct preview *p)
{
    return change_any(p->change) || p->origins_change;
}
