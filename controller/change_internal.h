/* SPDX-License-Identifier: Apache-2.0 */
/* Between change.c (gateways), change_lans.c (LANs and routes) and change_locks.c. */
#ifndef P2PVPN_CONTROLLER_CHANGE_INTERNAL_H
#define P2PVPN_CONTROLLER_CHANGE_INTERNAL_H

#include "controller/change.h"

/* That a gateway was, is in a LAN with these prefixes. */
struct change_member {
    const char *lan, *gateway;
    bool now;
    struct prefix *prefixes;
    size_t n_prefixes;
};

struct change_members {
    struct change_member *members;
    size_t n, cap;
};

/* Fills c->lan and c->lans from the members of all gateways that are not as before, and from the
 * mesh, of which same[i] gateways are. */
void change_lans(struct change *c, struct change_members *m, const struct mesh *mesh,
                 const bool *same);

/* Fills c->route and what of it happens at each of c->gateway. */
void change_routes(struct change *c, const struct origins *old, const struct origins *now);

int change_compare_names(const void *a, const void *b); /* const char * */

/* Sorts gateways, links and sessions, takes out what is there twice, and counts. */
void change_settle(struct change *c);

#endif
