/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reach: who gets to whom over gateways that give transit.  Pure.
 *
 * A packet may cross any number of gateways that give transit and none that does not (a leaf never
 * forwards), so the graph is that of the links, walked on from transit gateways only.
 */
#ifndef P2PVPN_CONTROLLER_REACH_H
#define P2PVPN_CONTROLLER_REACH_H

#include "common/error.h"

struct network;

/* Every gateway reaches every gateway of another LAN, or -EINVAL with one error that names both
 * sides and what would join them.  Expects links, transit and peers.  Linear in the links. */
int reach_check(const struct network *net, struct error_list *err);

#endif
