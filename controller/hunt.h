/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hunt: how many UPDATE messages the mesh exchanges until a withdrawn prefix is gone.  Pure.
 *
 * A gateway that loses its best path takes the next one and tells its neighbors, who do the same:
 * path hunting.  How long that goes on depends on who gives transit and on how long a path may be,
 * so it is what a topology has to be judged by.
 *
 * The model is a path-vector protocol in rounds: in each round every gateway has heard all that was
 * said in the round before.  It prefers the path it has, then the shortest, then that of the
 * neighbor with the lowest number, and it tells all neighbors, the one it has the path from
 * included, as FRR does.  Real gateways are not in step; docs/performance.md compares the model
 * with what was measured.
 */
#ifndef P2PVPN_CONTROLLER_HUNT_H
#define P2PVPN_CONTROLLER_HUNT_H

#include <stdbool.h>
#include <stdint.h>

struct network;

#define HUNT_MAX_UPDATES 10000000u

struct hunt_policy {
    bool everybody;   /* gives transit; false: those that the network says */
    unsigned inbound; /* the longest AS path that is taken, 0: any */
    unsigned relay;   /* the longest AS path that is passed on, 0: any */
};

struct hunt_result {
    uint64_t updates;
    bool more; /* at least so many: it was stopped at HUNT_MAX_UPDATES or when it took too long */
};

/* The policy that frr-templates/ makes of this network; relay: UINT_MAX where nobody relays. */
struct hunt_policy hunt_policy_of(const struct network *net);

/* A prefix of `origin` is withdrawn, at all gateways of its LAN.  Counts the messages of one
 * address family.  Takes a few milliseconds at most, also for 10,000 gateways. */
struct hunt_result hunt_withdrawal(const struct network *net, uint32_t origin,
                                   const struct hunt_policy *policy);

#endif
