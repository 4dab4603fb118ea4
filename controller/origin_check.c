/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/origin_check.h"

#include "controller/lock.h"
#include "controller/network.h"

/* How many LANs a gateway with a transit neighbor lists: all others. */
static size_t listed_lans(const struct network *net)
{
    for (size_t i = 0; i < net->mesh->n_gateways; i++)
        if (net->gateways[i].transit && net->gateways[i].n_peers)
            return net->mesh->n_lans - 1;
    return 0;
}

enum bundle_origin_check origin_check_choose(const struct network *net, const struct lock *lock,
                                             struct error_list *warnings)
{
    const struct mesh *mesh = net->mesh;
    size_t lans = listed_lans(net);
    bool cache = mesh->origin_check == ORIGIN_CHECK_CACHE;

    if (mesh->origin_check == ORIGIN_CHECK_AUTO)
        cache = lock && lock->n_gateways ? lock->origin_check == BUNDLE_ORIGINS_BY_CACHE
                                         : lans > ORIGIN_CHECK_CHEAP_LANS;
    if (!cache && lans > ORIGIN_CHECK_COSTLY_LANS)
        error_add(
            warnings, mesh->file, 0, "/p2pvpn-mesh:mesh/routing/origin-check",
            "gateways check the origins of %zu LANs by lists, which FRR 8.4 takes seconds to load, "
            "for 500 LANs about a minute and for 1,000 more than the agent waits; "
            "prepare the gateways for the RPKI cache (operator's guide, \"Origin checks\") and "
            "set it to cache",
            lans);
    return cache ? BUNDLE_ORIGINS_BY_CACHE : BUNDLE_ORIGINS_BY_LISTS;
}
