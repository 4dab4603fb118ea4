/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origin check: how the gateways of a mesh know which AS may announce which prefix.  Pure.
 *
 * By lists in FRR's configuration, or by the table of origins, which the agent serves bgpd as its
 * RPKI cache.  Lists need nothing else, and cost FRR 8.4 a time that grows with the square of their
 * length (docs/performance.md, "FRR policy"); the cache costs the same however many LANs there are,
 * and needs FRR's RPKI module.
 *
 * The model's word counts.  Where it leaves the choice open, a mesh that was compiled before keeps
 * what it has, because the other way needs a preparation on every gateway; a new one takes lists
 * while they are cheap.
 */
#ifndef P2PVPN_CONTROLLER_ORIGIN_CHECK_H
#define P2PVPN_CONTROLLER_ORIGIN_CHECK_H

#include "common/bundle.h"
#include "common/error.h"

struct lock;
struct network;

/* LANs that a gateway with a transit neighbor lists: so many a new mesh checks by lists, and with
 * more than so many there is a warning. */
#define ORIGIN_CHECK_CHEAP_LANS 40
#define ORIGIN_CHECK_COSTLY_LANS 150

/* The topology must be built; `lock` may be NULL.  Warns of lists that are no longer cheap. */
enum bundle_origin_check origin_check_choose(const struct network *net, const struct lock *lock,
                                             struct error_list *warnings);

#endif
