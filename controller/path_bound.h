/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path bound: how long an AS path may be.  Pure.
 *
 * The longest AS path that any gateway needs to any other while everything is up or one link or one
 * gateway is down (1: direct); a pair that such a failure cuts off needs none.  What BGP accepts is
 * bounded by it, which is what keeps path hunting short.  A full mesh: 2; hubs in a full mesh and
 * spokes on two of them: 3, on one: 4; a ring of n: n - 1.  Parallel tunnels are one link: what
 * cuts the way between two gateways cuts all of them.
 *
 * Never too short.  Exact for meshes of a few hundred gateways, and wherever the gateways that give
 * no transit fall into few classes of equal neighbors.  Beyond, the gateways that give transit are
 * still measured exactly, and the others by whom they are linked to: that is exact as well where
 * the hubs are a full mesh, and may be a little too long in odd shapes.
 */
#ifndef P2PVPN_CONTROLLER_PATH_BOUND_H
#define P2PVPN_CONTROLLER_PATH_BOUND_H

struct network;

/* Ways to find it; they are told apart only for tests, which compare them. */
enum path_bound_way {
    PATH_BOUND_WHOLE,   /* every gateway is a vertex */
    PATH_BOUND_CLASSES, /* two gateways of each class of equal neighbors */
    PATH_BOUND_CORE,    /* those that give transit; the others by formula */
    PATH_BOUND_BEST,    /* the first of these that is fast enough */
};

/* Expects links, transit and peers. */
unsigned path_bound(const struct network *net, enum path_bound_way way);

#endif
