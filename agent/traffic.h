/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic: whether a link is still used: routes of BGP over it in the kernel, packets that come
 * through it, and whether BGP is connected to the peer.
 *
 * Asked only while something is being drained.  The kernel's routes are read rather than FRR's:
 * they are what forwards, and reading them starts no program.
 */
#ifndef P2PVPN_AGENT_TRAFFIC_H
#define P2PVPN_AGENT_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/prefix.h"

struct traffic {
    const char *interface;   /* set by the caller */
    size_t routes;           /* of BGP, IPv4 and IPv6, with a next hop over it */
    uint64_t received, sent; /* packets since it was made */
};

/* Fills in all n; an interface that is not there has zeros. */
int traffic_look(struct traffic *links, size_t n, struct error_list *err);

/* With which of these addresses, of host length, BGP has a connection by which the peer answers:
 * one over a link that is dead lasts until its hold time is over. */
void traffic_connections(const struct prefix *peers, size_t n, bool *ret);

/* A line of the kernel's list of TCP connections (proc_net_tcp, proc_net_tcp6).  True: it is such a
 * connection, with this peer.  Pure. */
bool traffic_answers(const char *line, struct prefix *peer);

#endif
