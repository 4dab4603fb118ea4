/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocate: numbers, ASNs, router ids and link indexes that never move.  Pure.
 *
 * Number: the lock's, else the model's, else the lowest free from 1, gateways in name order.
 * ASN = base-asn + number.  Router id = 100.64.0.0 + number: a valid unicast address (RFC
 * 4271, 4.2) that nobody routes.  A number whose ASN or router id somebody else holds is not free.
 * Link index: the lock's, else the lowest free, links in the order (higher number, lower number):
 * that is the order in which a mesh grows, so one that grew has the same indexes as one compiled at
 * once.  Link pool: the model's link-prefix; where a family of the LANs has none there, what the
 * lock has; else 172.19.0.0/16 for IPv4 and for IPv6 a /64 of the unique local prefix (RFC 4193)
 * derived from the mesh's name.
 *
 * What leaves the model is forgotten, and what it had is free again.
 */
#ifndef P2PVPN_CONTROLLER_ALLOCATE_H
#define P2PVPN_CONTROLLER_ALLOCATE_H

#include "common/error.h"

struct mesh;
struct lock;
struct network;

/* Builds the whole network: gateways, then topology_build(), then link indexes.
 * 0 and *ret_net, *ret_lock set (the lock to be written: only what the mesh has); or -EINVAL with
 * errors that name the model's and the lock's place.  `lock` may be NULL.  The network points into
 * mesh and into the old lock; free it first.  The new lock points nowhere. */
int allocate_network(const struct mesh *mesh, const struct lock *lock, struct network **ret_net,
                     struct lock **ret_lock, struct error_list *warnings, struct error_list *err);

struct network *network_free(struct network *net); /* NULL ok; returns NULL */

#endif
