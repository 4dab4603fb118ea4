/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/model.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/fs.h"
#include "controller/check.h"
#include "controller/document.h"
#include "controller/instance.h"
#include "controller/mesh.h"
#include "controller/mesh_build.h"
#include "controller/schema.h"
#include "controller/thread.h"

const char *model_yang_dir(void)
{
    const char *dir = getenv("P2PVPN_YANG_DIR");

    return dir && *dir ? dir : P2PVPN_DEFAULT_YANG_DIR;
}

static bool is_xml(const char *file)
{
    size_t n = strlen(file);

    return n >= 4 && strcasecmp(file + n - 4, ".xml") == 0;
}

int model_read_document(const char *text, size_t len, const char *file, struct document *ret,
                        struct error_list *err)
{
    return is_xml(file) ? document_read_xml(text, len, file, ret, err)
                        : document_read_json(text, len, file, ret, err);
}

struct mesh *mesh_free(struct mesh *mesh)
{
    if (mesh) {
        arena_free(&mesh->arena);
        free(mesh);
    }
    return NULL;
}

/* --- the steps that collect errors --------------------------------------------------------------
 */

/* Seconds since *from, which moves on. */
static double lap(struct timespec *from)
{
    struct timespec t;
    double seconds;

    clock_gettime(CLOCK_MONOTONIC, &t);
    seconds = (double)(t.tv_sec - from->tv_sec) + (double)(t.tv_nsec - from->tv_nsec) / 1e9;
    *from = t;
    return seconds;
}

/* What is in a document. */
static int read_mesh(const struct schema *schema, struct document *doc, const char *file,
                     struct mesh **ret, struct model_times *times, struct error_list *warnings,
                     struct error_list *err)
{
    struct mesh *mesh = xcalloc(1, sizeof(*mesh));
    struct mesh_places places = {0};
    struct timespec t;
    size_t before = err->n;

    clock_gettime(CLOCK_MONOTONIC, &t);
    instance_check(schema, doc, is_xml(file), file, err);
    times->validate += lap(&t);
    mesh_build(doc, file, mesh, &places, err);
    times->load += lap(&t);
    if (places.mesh)
        check_mesh(mesh, &places, warnings, err);
    times->validate += lap(&t);
    mesh_places_clear(&places);
    error_sort(warnings);
    times->load += lap(&t);
    if (err->n > before) {
        mesh_free(mesh);
        return -EINVAL;
    }
    *ret = mesh;
    return 0;
}

/* --- libyang's last word ------------------------------------------------------------------------
 */

struct model_verdict {
    struct schema *schema;
    struct buf text;
    char *file;
    bool asked, threaded;
    pthread_t thread;
    /* What the thread leaves. */
    bool ok;
    uint32_t line;
    struct buf reason;
    double seconds;
};

static void *judge(void *data)
{
    struct model_verdict *v = data;
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    v->ok = schema_verdict(v->schema, buf_cstr(&v->text), is_xml(v->file), &v->reason, &v->line);
    v->seconds = lap(&t);
    return NULL;
}

/* In a thread of its own if there can be one, otherwise when it is asked for. */
static void judge_begin(struct model_verdict *v)
{
    v->threaded = thread_start(&v->thread, judge, v);
}

static void verdict_text(const char *file, uint32_t line, const struct buf *reason,
                         struct error_list *err)
{
    error_add(err, file, line, NULL, MODEL_VERDICT "%s; correct it", buf_cstr(reason));
}

int model_load_end(struct model_verdict *v, struct model_times *times, struct error_list *err)
{
    struct timespec t;
    int r;

    if (!v)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (v->threaded)
        pthread_join(v->thread, NULL);
    else if (v->asked)
        judge(v);
    r = !v->asked || v->ok ? 0 : -EINVAL;
    if (r < 0)
        verdict_text(v->file, v->line, &v->reason, err);
    if (times) {
        times->validate += lap(&t);
        times->verdict = v->seconds;
    }
    schema_free(v->schema);
    buf_free(&v->text);
    buf_free(&v->reason);
    free(v->file);
    free(v);
    return r;
}

/* --- the ways in --------------------------------------------------------------------------------
 */

int model_parse_with(const struct schema *schema, const char *text, size_t len, const char *file,
                     struct mesh **ret, struct error_list *warnings, struct error_list *err)
{
    /* A copy that is certain to end in a NUL, as libyang wants it. */
    _cleanup_free_ char *copy = xmalloc(len + 1);
    _cleanup_buf_ struct buf reason = BUF_INIT;
    struct model_times times = {0};
    struct document doc;
    struct mesh *mesh;
    uint32_t line;
    int r;

    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    r = model_read_document(copy, len, file, &doc, err);
    if (r == 0)
        r = read_mesh(schema, &doc, file, &mesh, &times, warnings, err);
    document_clear(&doc);
    if (r == 0 && !schema_verdict(schema, copy, is_xml(file), &reason, &line)) {
        verdict_text(file, line, &reason, err);
        mesh_free(mesh);
        r = -EINVAL;
    }
    if (r < 0)
        error_sort(err);
    else
        *ret = mesh;
    return r;
}

int model_parse(const char *text, size_t len, const char *file, struct mesh **ret,
                struct error_list *warnings, struct error_list *err)
{
    struct schema *schema;
    int r = schema_new(&schema, err);

    if (r < 0)
        return r;
    r = model_parse_with(schema, text, len, file, ret, warnings, err);
    schema_free(schema);
    return r;
}

/* The YANG modules, loaded beside the reading of the text, which does not need them. */
struct loading {
    pthread_t thread;
    bool threaded;
    int result;
    struct schema *schema;
    struct error_list err;
};

static void *load_schema(void *data)
{
    struct loading *l = data;

    l->result = schema_new(&l->schema, &l->err);
    return NULL;
}

static void loading_begin(struct loading *l)
{
    *l = (struct loading){.err = ERROR_LIST_INIT};
    l->threaded = thread_start(&l->thread, load_schema, l);
}

static int loading_end(struct loading *l, struct schema **ret, struct error_list *err)
{
    if (l->threaded)
        pthread_join(l->thread, NULL);
    else
        load_schema(l);
    if (l->result == 0)
        *ret = l->schema;
    error_take(err, &l->err);
    return l->result;
}

/* File, modules and text.  The document is to be cleared also after failure. */
static int load_document(struct model_verdict *v, struct document *ret, struct error_list *err)
{
    struct loading loading;
    int r, loaded;

    *ret = (struct document){0};
    r = fs_read(v->file, MODEL_MAX_BYTES, &v->text, err);
    if (r < 0)
        return r;
    loading_begin(&loading);
    r = model_read_document(buf_cstr(&v->text), v->text.len, v->file, ret, err);
    loaded = loading_end(&loading, &v->schema, err);
    return loaded < 0 ? loaded : r;
}

int model_load_begin(const char *file, struct mesh **ret, struct model_verdict **ret_verdict,
                     struct model_times *times, struct error_list *warnings, struct error_list *err)
{
    struct model_verdict *v = xcalloc(1, sizeof(*v));
    struct model_times spent = {0};
    struct document doc;
    struct timespec t;
    int r;

    clock_gettime(CLOCK_MONOTONIC, &t);
    v->file = xstrdup(file);
    r = load_document(v, &doc, err);
    spent.load += lap(&t);
    if (r == 0)
        r = read_mesh(v->schema, &doc, file, ret, &spent, warnings, err);
    lap(&t);
    document_clear(&doc);
    spent.load += lap(&t);
    if (times)
        *times = spent;
    if (r < 0) {
        error_sort(err);
        schema_free(v->schema);
        buf_free(&v->text);
        free(v->file);
        free(v);
        return r;
    }
    v->asked = v->text.len <= MODEL_JUDGED_BYTES;
    if (v->asked)
        judge_begin(v);
    *ret_verdict = v;
    return 0;
}

int model_load(const char *file, struct mesh **ret, struct error_list *warnings,
               struct error_list *err)
{
    struct model_verdict *verdict;
    struct mesh *mesh;
    int r = model_load_begin(file, &mesh, &verdict, NULL, warnings, err);

    if (r == 0 && (r = model_load_end(verdict, NULL, err)) < 0) {
        mesh_free(mesh);
        error_sort(err);
    }
    if (r == 0)
        *ret = mesh;
    return r;
}
