/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FRR difference: the smallest batch that turns the running configuration into the desired one, for
 * the objects that are ours.  Pure: three texts in, one text out.
 *
 * Ours are
 *   - lists, route-maps, BFD profiles and peer-groups named P2PVPN...;
 *   - neighbors that are members of such a peer-group, with every line of theirs;
 *   - of the other lines of `router bgp` ("network ...", "bgp router-id ...") and of `rpki` those
 *     that we applied before and that were not there already.
 * Everything else in the same daemons belongs to the operator and is neither changed nor removed.
 * When the record of what we applied is lost, lines of a `router bgp` with our peer-groups and no
 * neighbor of an operator's are taken for ours where the desired configuration sets the same.
 *
 * Order: definitions before what uses them, and removals the other way round.  A changed value is
 * sent as it is, without a "no" before, and a line that is in place is not sent again.  (FRR 8.4.4
 * happens to bear a repeated update-source, ttl-security or router-id without resetting a session;
 * a neighbor that is made anew loses its session, so that is done only where FRR demands it: for
 * another peer-group.)
 */
#ifndef P2PVPN_COMMON_FRR_DIFF_H
#define P2PVPN_COMMON_FRR_DIFF_H

#include "common/frr_config.h"

struct frr_change {
    bool added;          /* false: it goes */
    const char *context; /* "router bgp 65001 > address-family ipv4 unicast"; "" at the top */
    const char *text;
};

struct frr_diff {
    struct buf batch; /* for vtysh -f; empty: everything is in place */
    struct frr_change *changes;
    size_t n, cap, n_added, n_removed;
    struct buf owned;  /* what to record once the batch is applied: the lines that are ours then */
    struct buf before; /* the lines that are ours now: desired, to come back */
    struct arena arena;
};

#define FRR_DIFF_INIT                                              \
    {                                                              \
        BUF_INIT, NULL, 0, 0, 0, 0, BUF_INIT, BUF_INIT, ARENA_INIT \
    }

/* `desired` has passed frr_config_validate().  Uses the marks of all three.  0 and *ret set, or
 * -EINVAL: the router's own configuration stands in the way; every conflict is reported. */
int frr_diff(struct frr_config *desired, struct frr_config *applied, struct frr_config *running,
             struct frr_diff *ret, struct error_list *err);
void frr_diff_free(struct frr_diff *d);

#endif
