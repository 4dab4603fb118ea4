/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/origins.h"
#include "controller/allocate.h"
#include "controller/keys_file.h"
#include "controller/locate.h"
#include "controller/lock.h"
#include "controller/lock_early.h"
#include "controller/mesh.h"
#include "controller/model.h"
#include "controller/network.h"
#include "controller/output.h"
#include "controller/produce.h"
#include "controller/registry.h"
#include "controller/render.h"
#include "controller/shrink.h"

/* What one run has in its hands. */
struct run {
    const struct compile_options *options;
    struct compile_summary *summary;
    struct error_list *err;
    struct mesh *mesh;
    struct model_verdict *verdict; /* on the model, still to come */
    struct lock_early *early_lock;
    struct lock *old_lock, *new_lock;
    struct keys_file *keys; /* the network points into it */
    struct network *net;
    struct renderer *renderer;
    struct output *output;
    double at; /* when the last stage ended */
    struct visitor_view view;
};

/* True: the file is in the folder, which is replaced as a whole. */
static bool inside(const char *file, const char *folder)
{
    _cleanup_free_ char *f = realpath(file, NULL), *d = realpath(folder, NULL);
    size_t n = d ? strlen(d) : 0;

    return f && d && strncmp(f, d, n) == 0 && f[n] == '/';
}

static int check_places(const struct run *run)
{
    const struct compile_options *o = run->options;

    if (inside(o->mesh_file, o->output_dir))
        return error_add(run->err, o->output_dir, 0, NULL,
                         "the model %s is in this folder, which is replaced as a whole; choose "
                         "another one with -o",
                         o->mesh_file);
    if (inside(run->summary->keys_file, o->output_dir))
        return error_add(run->err, o->output_dir, 0, NULL,
                         "the keys %s are in this folder, which is replaced as a whole; choose "
                         "another one with -o",
                         run->summary->keys_file);
    if (inside(run->summary->lock_file, o->output_dir))
        return error_add(run->err, o->output_dir, 0, NULL,
                         "the lock %s is in this folder, which is replaced as a whole; choose "
                         "another one with -o",
                         run->summary->lock_file);
    return 0;
}

static void weigh(struct run *run)
{
    struct cost cost;

    cost_compute(run->net, FRR_DEFAULT, &cost);
    cost_warn(&cost, &run->summary->warnings);
    run->summary->cost = cost.all.sum;
    run->summary->cost_most = cost_most(&cost, &cost.all);
    cost_clear(&cost);
}

/* Which LANs there were, the last output says.  If it says nothing that can be read, the next one
 * does.  *shrink points into what is returned, the caller's. */
static struct origins *count_lans(const struct run *run, const char *dir, struct shrink *shrink)
{
    _cleanup_free_ char *path = xasprintf("%s/" ORIGINS_DIR "/" ORIGINS_NAME, dir);
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct origins *old = NULL;

    if (fs_read(path, ORIGINS_MAX_BYTES, &text, &ignored) == 0 &&
        origins_parse(buf_cstr(&text), text.len, path, &old, &ignored) == 0)
        shrink_of_lans(old, run->mesh, shrink);
    error_clear(&ignored);
    return old;
}

/* Before anything is written. */
static int guard(const struct run *run)
{
    const struct compile_options *o = run->options;
    const char *dir = o->shrink_dir ? o->shrink_dir : o->output_dir;
    struct shrink shrink = {0};
    struct origins *old = NULL;
    int r;

    if (o->allow_shrink)
        return 0;
    shrink_of_locks(run->old_lock, run->new_lock, &shrink);
    if (dir)
        old = count_lans(run, dir, &shrink);
    r = shrink_check(&shrink, o->mesh_file, run->err);
    origins_free(old);
    return r;
}

static void lap(struct run *run, enum stage stage)
{
    stages_lap(&run->summary->stages, stage, &run->at);
}

static int allocate(struct run *run)
{
    struct stages *stages = &run->summary->stages;
    int r = lock_early_end(run->early_lock, &run->old_lock, run->err);

    run->early_lock = NULL;
    if (r == 0)
        r = allocate_network(run->mesh, run->old_lock, &run->net, &run->new_lock,
                             &run->summary->warnings, run->err);
    if (r == 0)
        r = keys_file_load(run->summary->keys_file, &run->keys, run->err);
    if (r == 0) {
        keys_file_apply(run->keys, run->net, run->new_lock);
        r = guard(run);
    }
    lap(run, STAGE_ALLOCATE);
    if (r == 0) {
        stages->seconds[STAGE_TOPOLOGY] = run->net->topology_seconds;
        stages->seconds[STAGE_ALLOCATE] -= run->net->topology_seconds;
    }
    return r;
}

static int plan(struct run *run)
{
    const struct compile_options *o = run->options;
    struct compile_summary *s = run->summary;
    int r;

    s->lock_file = o->lock_file ? xstrdup(o->lock_file) : lock_file_name(o->mesh_file);
    s->keys_file = o->keys_file ? xstrdup(o->keys_file) : keys_file_name(o->mesh_file);
    run->early_lock = lock_early_begin(s->lock_file);
    r = model_load_begin(o->mesh_file, &run->mesh, &run->verdict, &s->model, &s->warnings,
                         run->err);
    run->at = stages_now();
    if (r < 0)
        return r;
    s->mesh = xstrdup(run->mesh->name);
    if (o->output_dir) {
        /* Before the lock counts: two compiles of one mesh wait for each other here. */
        r = check_places(run);
        if (r == 0)
            r = output_begin(o->output_dir, run->mesh->name, o->format, &run->output, run->err);
        lap(run, STAGE_WRITE);
        if (r < 0)
            return r;
    }
    r = allocate(run);
    if (r < 0)
        return r;
    s->gateways = run->mesh->n_gateways;
    s->lans = run->mesh->n_lans;
    s->links = run->net->n_links;
    weigh(run);
    lap(run, STAGE_COST);
    r = renderer_new(o->template_dir, &run->renderer, run->err);
    lap(run, STAGE_RENDER);
    if (r == 0 && o->visitor) {
        run->view = (struct visitor_view){run->net, run->old_lock, run->new_lock, s->lock_file};
        r = o->visitor->begin(o->visitor->arg, &run->view, run->err);
    }
    return r;
}

static int produce_all(struct run *run)
{
    const struct production p = {
        .renderer = run->renderer,
        .net = run->net,
        .output = run->output,
        .format = run->options->format,
        .visitor = run->options->visitor,
        .threads = run->options->threads,
        .progress = run->options->progress,
    };
    struct produced made = {0};
    int r = produce(&p, &made, &run->summary->stages, run->err);

    run->summary->files += made.files;
    run->summary->bytes += made.bytes;
    run->at = stages_now();
    return r;
}

/* What is the whole mesh's and no gateway's. */
static int write_mesh(struct run *run)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = registry_format(run->net, &text, run->err);

    lap(run, STAGE_RENDER);
    if (r == 0 && run->output)
        r = output_mesh(run->output, &text, run->err);
    if (r == 0 && run->options->visitor)
        r = run->options->visitor->mesh(run->options->visitor->arg, &text, run->err);
    lap(run, STAGE_WRITE);
    run->summary->files++;
    run->summary->bytes += text.len;
    return r;
}

static void take_names(const struct output_names *from, char ***to, size_t *n)
{
    *to = xcalloc(from->n + 1, sizeof(**to));
    for (size_t i = 0; i < from->n; i++)
        (*to)[i] = xstrdup(from->names[i]);
    *n = from->n;
}

/* What is written must be readable next time. */
static int check_lock_size(const struct run *run, size_t len)
{
    return len <= LOCK_MAX_BYTES
               ? 0
               : error_add(run->err, run->summary->lock_file, 0, NULL,
                           "it would have %zu bytes, more than the %u that are possible; use fewer "
                           "links",
                           len, LOCK_MAX_BYTES);
}

/* The lock comes first.  Killed between the two, the next compile makes the same output from it;
 * the other way round, gateways could carry numbers that nothing remembers, and the next compile
 * would give them to others.  If the exchange fails, the old lock returns. */
static int put_in_place(struct run *run)
{
    struct compile_summary *s = run->summary;
    struct buf old = BUF_INIT, new = BUF_INIT;
    struct output_result result = {0};
    bool existed = access(s->lock_file, F_OK) == 0;
    int changed = 0, r;

    r = output_prepare(run->output, &result, run->err);
    if (r == 0 && existed)
        r = fs_read(s->lock_file, LOCK_MAX_BYTES, &old, run->err);
    if (r == 0) {
        lock_format(run->new_lock, &new);
        r = check_lock_size(run, new.len);
    }
    if (r == 0)
        r = fs_write_if_changed(s->lock_file, buf_cstr(&new), new.len, 0644, &changed, run->err);
    if (r == 0)
        r = output_commit(run->output, &s->warnings, run->err);
    if (r < 0 && changed && existed)
        fs_write(s->lock_file, buf_cstr(&old), old.len, 0644, run->err);
    else if (r < 0 && changed)
        unlink(s->lock_file);
    if (r == 0) {
        s->lock_changed = changed;
        s->mesh_changed = result.mesh_changed;
        take_names(&result.changed, &s->changed, &s->n_changed);
        take_names(&result.removed, &s->removed, &s->n_removed);
    }
    buf_free(&old);
    buf_free(&new);
    return r;
}

int compile(const struct compile_options *options, struct compile_summary *ret,
            struct error_list *err)
{
    struct run run = {.options = options, .summary = ret, .err = err};
    double start = stages_now();
    int r, verdict;

    *ret = (struct compile_summary){0};
    r = plan(&run);
    if (r == 0)
        r = produce_all(&run);
    if (r == 0)
        r = write_mesh(&run);
    /* Before anything is put in place, and also when something else went wrong. */
    verdict = model_load_end(run.verdict, &ret->model, err);
    if (r == 0)
        r = verdict;
    run.at = stages_now();
    if (r == 0 && run.output)
        r = put_in_place(&run);
    if (r == 0 && options->visitor)
        r = options->visitor->end(options->visitor->arg, err);
    lap(&run, STAGE_WRITE);
    ret->stages.seconds[STAGE_LOAD] = ret->model.load;
    ret->stages.seconds[STAGE_VALIDATE] = ret->model.validate;
    renderer_free(run.renderer);
    network_free(run.net);
    keys_file_free(run.keys);
    lock_early_free(run.early_lock);
    lock_free(run.new_lock);
    lock_free(run.old_lock);
    mesh_free(run.mesh);
    output_free(run.output);
    locate(options->mesh_file, &ret->warnings);
    locate(options->mesh_file, err);
    error_sort(&ret->warnings);
    error_sort(err);
    ret->seconds = stages_now() - start;
    return r;
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

void compile_summary_clear(struct compile_summary *s)
{
    free(s->mesh);
    free(s->lock_file);
    free(s->keys_file);
    free_names(s->changed, s->n_changed);
    free_names(s->removed, s->n_removed);
    error_clear(&s->warnings);
    *s = (struct compile_summary){0};
}
