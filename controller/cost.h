/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cost: what the compiled mesh asks of its gateways, of each and in sum.  Pure.
 *
 * What one process takes was measured; cost.c names each figure with its source, and
 * docs/performance.md explains them.  Not counted: zebra, bfdd, the agent and the traffic.
 */
#ifndef P2PVPN_CONTROLLER_COST_H
#define P2PVPN_CONTROLLER_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct network;

/* A version of FRR, because bgpd's buffers differ.  A part that was not given is UINT_MAX: the
 * newest there is. */
struct frr_version {
    unsigned part[3];
};
#define FRR_DEFAULT ((struct frr_version){{8, 4, 4}}) /* Debian 12's */

/* "8.4", "10", "10.5.2".  False: that is no version, or one before 8.4. */
bool frr_version_read(const char *text, struct frr_version *ret);

/* Bytes that one BGP session takes in bgpd, and whether that was measured or follows from the size
 * of its buffers in the source. */
double frr_session_bytes(struct frr_version frr, bool *measured);

struct cost_figures {
    uint64_t tunnels;     /* OpenVPN processes, tun interfaces, UDP ports: one each */
    uint64_t sessions;    /* of BGP, each with one of BFD */
    uint64_t paths;       /* of BGP, at most: a transit neighbor may give every prefix there is */
    double bfd;           /* packets a second that are sent; as many are received */
    double openvpn, bgpd; /* bytes of memory */
};

/* What gateways are compared by. */
enum cost_kind { COST_TUNNELS, COST_SESSIONS, COST_PATHS, COST_BFD, COST_MEMORY, COST_KINDS };

double cost_value(const struct cost_figures *f, enum cost_kind kind);

/* All gateways, or those that give transit, or those that do not. */
struct cost_class {
    uint32_t gateways; /* 0: nothing below means anything */
    struct cost_figures sum;
    uint32_t most[COST_KINDS]; /* the gateway with most of it; of equal ones the first */
};

struct cost_pool {
    uint64_t used, size; /* in links; both 0: the mesh has no such family */
};

struct cost {
    const struct network *net;
    struct frr_version frr;
    struct cost_figures *gateways; /* by index, as those of the mesh */
    struct cost_class all, transit, leaf;
    struct cost_pool pool[2]; /* IPv4, IPv6 */
    unsigned families;
    uint64_t prefixes; /* of all LANs that have a gateway */
    /* UPDATE messages when a prefix of gateway `origin` is withdrawn (hunt.h), the worse of two
     * gateways: the leaf and the transit gateway with the most links.  Then the same if every
     * gateway gave transit and no path were bounded.  `more`: at least so many. */
    uint32_t origin;
    uint64_t updates, updates_unbounded;
    bool updates_more, updates_unbounded_more;
};

/* The network must live as long as the cost.  Linear in the number of links. */
void cost_compute(const struct network *net, struct frr_version frr, struct cost *ret);
void cost_clear(struct cost *cost);

/* The most that one gateway of a class has of each figure, which need not be the same gateway; the
 * two parts of memory are those of one. */
struct cost_figures cost_most(const struct cost *cost, const struct cost_class *class);

/* The UDP ports of a gateway lie between these; both 0 if it has no tunnel. */
void cost_ports(const struct network *net, uint32_t self, uint16_t *low, uint16_t *high);

/* Memory of a gateway of which the other figures are known and which knows so many prefixes. */
void cost_set_memory(struct cost_figures *f, uint64_t prefixes, struct frr_version frr);

/* cost_advice.c: a warning for each kind of thing of which gateways get more than they bear; one
 * for the whole mesh, with what would be better. */
void cost_warn(const struct cost *cost, struct error_list *warnings);

#endif
