/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/check.h"

#include <errno.h>
#include <stdarg.h>

#include "controller/check_internal.h"

void check_report(const struct check *c, struct error_list *list, const struct document_node *node,
                  const char *leaf, const char *format, ...)
{
    const struct document_node *at = leaf ? document_child(node, leaf) : NULL;
    _cleanup_buf_ struct buf path = BUF_INIT;
    va_list ap;

    if (!at)
        at = node;
    va_start(ap, format);
    error_vadd(list, c->mesh->file, at->line, document_path(at, &path), format, ap);
    va_end(ap);
}

int check_mesh(const struct mesh *mesh, const struct mesh_places *places,
               struct error_list *warnings, struct error_list *err)
{
    struct check c = {.mesh = mesh, .places = places, .warnings = warnings, .err = err};
    size_t before = err->n;

    check_prefixes(&c);
    check_gateways(&c);
    check_topology(&c);
    return err->n > before ? -EINVAL : 0;
}
