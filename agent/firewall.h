/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firewall: the text of the one nftables table that belongs to the mesh, `inet p2pvpn`.
 *
 * Pure: from the bundle in force, the one that is being left and the table of origins.  Nothing of
 * a bundle reaches nft as text: addresses and ports are printed from numbers, interfaces are named
 * after numbers, and the names in comments are checked once more.
 *
 * - from each link only what may come through its peer: the LAN of a leaf, the LANs of the mesh
 * from a gateway that gives transit, never our own LAN unless others serve it too
 * - BGP and BFD over a link from the peer's tunnel address only
 * - the MSS of TCP is clamped to the route's MTU, in both directions
 * - with manage-wan-firewall: the links' UDP ports are closed to all but the peers' endpoints
 *
 * While a change is under way both bundles count, so that traffic that still takes an old way is
 * not dropped; links that leave are covered until they are gone.
 */
#ifndef P2PVPN_AGENT_FIREWALL_H
#define P2PVPN_AGENT_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/bundle.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/origins.h"

#define FIREWALL_TABLE "p2pvpn"            /* of the family inet */
#define FIREWALL_MARKER FIREWALL_TABLE " " /* its comment is "p2pvpn MESH DIGEST" */
#define FIREWALL_COMMENT_SIZE 129          /* nft takes 128 bytes */

struct firewall {
    const struct bundle *now;
    const struct bundle *before;   /* that is being left; NULL: no change is under way */
    const struct origins *origins; /* in force, where origins are checked by a cache; NULL: none */
};

/* What the table's comment says. */
struct firewall_comment {
    char mesh[65];
    char digest[DIGEST_TEXT_LEN + 1];
};

/* The digest of the table that is wanted: of all but what names resolve to.  -EINVAL: a name may
 * not stand in it. */
int firewall_digest(const struct firewall *f, char ret[static DIGEST_TEXT_LEN + 1],
                    struct error_list *err);

/* Appends what makes nft replace the table as a whole, whether or not there is one. */
int firewall_render(const struct firewall *f, struct buf *ret, struct error_list *err);

/* A peer's DNS name with what it resolved to; no address: unknown as yet. */
struct firewall_host {
    const char *name;
    const struct prefix *addresses;
    size_t n;
};

/* Appends what makes nft let in these addresses, and no others, for links whose peer has a name;
 * the ports of hosts without an address, or that are not listed, are open to everybody.  Nothing
 * where no such link is.  `hosts` are sorted by name. */
void firewall_render_hosts(const struct firewall *f, const struct firewall_host *hosts, size_t n,
                           struct buf *ret);

/* The names that matter, sorted, each once; the array is the caller's, the names are the bundles'.
 */
const char **firewall_hosts(const struct firewall *f, size_t *ret_n);

/* False: the table with this comment is not one of ours. */
bool firewall_comment_parse(const char *comment, struct firewall_comment *ret);

#endif
