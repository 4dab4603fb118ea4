/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/model.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "controller/check.h"
#include "controller/document.h"
#include "controller/instance.h"
#include "controller/mesh.h"
#include "controller/mesh_build.h"
#include "controller/schema.h"

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

/* Text that is JSON or XML: the steps that collect errors, then libyang's word. */
static int parse_document(const struct schema *schema, struct document *doc, const char *text,
                          bool xml, const char *file, struct mesh *mesh,
                          struct error_list *warnings, struct error_list *err)
{
    struct mesh_places places = {0};
    size_t before = err->n;
    _cleanup_buf_ struct buf reason = BUF_INIT;
    uint32_t line;

    instance_check(schema, doc, xml, file, err);
    mesh_build(doc, file, mesh, &places, err);
    if (places.mesh)
        check_mesh(mesh, &places, warnings, err);
    mesh_places_clear(&places);
    if (err->n == before && !schema_verdict(schema, text, xml, &reason, &line))
        error_add(err, file, line, NULL, "the YANG module does not allow this: %s; correct it",
                  buf_cstr(&reason));
    return err->n > before ? -EINVAL : 0;
}

int model_parse_with(const struct schema *schema, const char *text, size_t len, const char *file,
                     struct mesh **ret, struct error_list *warnings, struct error_list *err)
{
    struct mesh *mesh = xcalloc(1, sizeof(*mesh));
    struct document doc;
    /* A copy that is certain to end in a NUL, as libyang wants it. */
    _cleanup_free_ char *copy = xmalloc(len + 1);
    int r;

    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    r = model_read_document(copy, len, file, &doc, err);
    if (r == 0)
        r = parse_document(schema, &doc, copy, is_xml(file), file, mesh, warnings, err);
    document_clear(&doc);
    if (r < 0) {
        mesh_free(mesh);
        error_sort(err);
        return r;
    }
    error_sort(warnings);
    *ret = mesh;
    return 0;
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

int model_load(const char *file, struct mesh **ret, struct error_list *warnings,
               struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = fs_read(file, MODEL_MAX_BYTES, &text, err);

    return r < 0 ? r : model_parse(buf_cstr(&text), text.len, file, ret, warnings, err);
}
