/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Export: the compiled network as text for other programs.  Pure; same network, same bytes.
 *
 * dot is a drawing for Graphviz: gateways as nodes, one edge for the tunnels of a pair, a frame
 * around the gateways of a group.  It says itself which layout suits it, so that plain `dot -Tsvg`
 * draws it well, and puts less into the nodes of a large mesh.
 *
 * json is our own, one gateway and one link a line, described in p2pvpn-ctl(1).
 *
 * ietf is instance data (RFC 7951) of ietf-network, ietf-network-topology (RFC 8345) and
 * ietf-l3-unicast-topology (RFC 8346): one network named as the mesh, a node for a gateway, a
 * termination point for an end of a tunnel, and for each tunnel a link in each direction.
 *
 * Names are escaped for the language they go into, whatever the model let through.
 */
#ifndef P2PVPN_CONTROLLER_EXPORT_H
#define P2PVPN_CONTROLLER_EXPORT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct network;

/* All append to *ret. */
void export_dot(const struct network *net, struct buf *ret);
void export_json(const struct network *net, struct buf *ret);
void export_ietf(const struct network *net, struct buf *ret);

/* What Graphviz has to draw: a line for a pair, however many tunnels it has. */
size_t export_dot_edges(const struct network *net);

/* Whether a name may stand where a YANG model wants an inet:domain-name (RFC 6991), which every
 * label of a gateway's name would have to be. */
bool export_is_domain_name(const char *name);

#endif
