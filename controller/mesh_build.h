/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mesh build: from a checked document to a struct mesh, and where everything stands in the file.
 *
 * Follows the references (gateway to LAN, link to gateways); a reference to nothing is an error
 * here.  What instance.h marked as bad is left out, so a mesh with errors is only good for finding
 * more of them.
 */
#ifndef P2PVPN_CONTROLLER_MESH_BUILD_H
#define P2PVPN_CONTROLLER_MESH_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/error.h"
#include "common/prefix.h"

struct document;
struct document_node;
struct mesh;

struct mesh_prefix_place {
    struct prefix prefix;
    uint32_t lan; /* index; MESH_NONE: a link prefix */
    const struct document_node *node;
};

/* Nodes of the document, by the index of the mesh's lists. */
struct mesh_places {
    const struct document_node *mesh;
    const struct document_node **lans, **gateways, **segments, **links;
    struct mesh_prefix_place *prefixes; /* of LANs and links, in the order of the file */
    size_t n_prefixes;
    struct arena arena;
};

/* 0 or -EINVAL; *mesh and *places are filled in either case.  `mesh` is zeroed by the caller. */
int mesh_build(const struct document *doc, const char *file, struct mesh *mesh,
               struct mesh_places *places, struct error_list *err);
void mesh_places_clear(struct mesh_places *places);

#endif
