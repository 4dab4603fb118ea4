/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topology: which gateways are linked, who carries transit, how long an AS path may be.  Pure.
 *
 * The links are the union of the segments and the single links (absent: one full mesh), each pair
 * once.  Transit: as the model says; unset: hubs, ring members, members of a full mesh up to 16, in
 * a larger one the `transit-members` (4) of lowest number among those with an endpoint.
 */
#ifndef P2PVPN_CONTROLLER_TOPOLOGY_H
#define P2PVPN_CONTROLLER_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct mesh_gateway;
struct network;

/* Expects net->mesh and net->gateways[].number; fills links (index unset), transit, peers and
 * path_bound.  -EINVAL: a link of which neither end has an endpoint, a disconnected mesh (the error
 * names both sides), a segment with nobody in it. */
int topology_build(struct network *net, struct error_list *warnings, struct error_list *err);

/* Whether a gateway is in one of these groups, which are sorted as its own are. */
bool topology_in_groups(const struct mesh_gateway *g, const char *const *groups, size_t n);

#endif
