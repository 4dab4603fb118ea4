/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry: DIR/@mesh/origins, which AS may announce which prefix (common/origins.h), made from the
 * compiled network.  Pure.
 *
 * Every LAN that has a gateway is in it with each of its prefixes, and with the ASNs of all its
 * gateways.  It is the same for the whole mesh, and the only thing that says so: a new LAN changes
 * it, and nothing of the gateways that have no link to the new one (origin-check cache).
 */
#ifndef P2PVPN_CONTROLLER_REGISTRY_H
#define P2PVPN_CONTROLLER_REGISTRY_H

#include "common/buf.h"
#include "common/error.h"

struct network;

/* Appends the text.  -EINVAL: the mesh has more prefixes than the format takes. */
int registry_format(const struct network *net, struct buf *ret, struct error_list *err);

#endif
