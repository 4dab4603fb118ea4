/* SPDX-License-Identifier: Apache-2.0 */
/* What check.c, check_gateway.c, check_prefix.c and check_topology.c share. */
#ifndef P2PVPN_CONTROLLER_CHECK_INTERNAL_H
#define P2PVPN_CONTROLLER_CHECK_INTERNAL_H

#include "common/error.h"
#include "controller/document.h"
#include "controller/mesh.h"
#include "controller/mesh_build.h"

struct check {
    const struct mesh *mesh;
    const struct mesh_places *places;
    struct error_list *warnings, *err;
};

/* Adds to `list` at the child `leaf` of a node, or at the node itself where it has no such child or
 * leaf is NULL. */
void check_report(const struct check *c, struct error_list *list, const struct document_node *node,
                  const char *leaf, const char *format, ...) __attribute__((format(printf, 5, 6)));

void check_prefixes(const struct check *c);
void check_gateways(const struct check *c);
void check_topology(const struct check *c);

#endif
