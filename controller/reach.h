/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reach: who gets to whom over gateways that give transit, and how far it may be.  Pure.
 *
 * A packet may cross any number of gateways that give transit and none that does not (a leaf never
 * forwards), so the graph is that of the links, walked on from transit gateways only.
 */
#ifndef P2PVPN_CONTROLLER_REACH_H
#define P2PVPN_CONTROLLER_REACH_H

#include "common/error.h"

struct network;

/* Every gateway reaches every gateway of another LAN, or -EINVAL with one error that names both
 * sides and what would join them.  Expects links, transit and peers. */
int reach_check(const struct network *net, struct error_list *err);

/* The longest AS path that any gateway needs to any other while everything is up or one link or
 * one gateway is down (1: direct); a pair that such a failure cuts off needs none.  What BGP
 * accepts is bounded by it, which is what keeps path hunting short.  A full mesh: 2; a ring of n:
 * n - 1.
 *
 * Exact while that takes less than a fraction of a second (full meshes of thousands, rings of two
 * hundred); beyond, the number of transit gateways plus 1, which no path exceeds. */
unsigned reach_path_bound(const struct network *net);

#endif
