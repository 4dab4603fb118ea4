/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firewall sources: which links count, of the bundle in force and of the one before it, and which
 * addresses may come through them.  Pure; for firewall.c, which makes text of it.
 */
#ifndef P2PVPN_AGENT_FIREWALL_SOURCES_H
#define P2PVPN_AGENT_FIREWALL_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/firewall.h"
#include "common/bundle.h"
#include "common/prefix.h"

/* One link of either bundle. */
struct firewall_link {
    const struct bundle_link *now, *before; /* either may be NULL; else they have one peer */
};

struct firewall_links {
    const struct firewall *f;
    struct firewall_link *items; /* in the order of the peers' numbers and tunnels; on the heap */
    size_t n;
};

/* Fills in the links of both bundles of w->f. */
void firewall_links_merge(struct firewall_links *w);
const struct bundle_link *firewall_link_any(const struct firewall_link *l);

/* Prefixes that are collected, then sorted and rid of those inside another: nft refuses intervals
 * that overlap.  The caller frees items. */
struct prefix_list {
    struct prefix *items;
    size_t n, cap;
};

void prefix_list_add(struct prefix_list *l, const struct prefix *prefixes, size_t n);
void prefix_list_tidy(struct prefix_list *l);
bool prefix_is_one_of(const struct prefix *p, const struct prefix *list, size_t n);
struct prefix prefix_host(struct prefix p); /* the address alone */

/* What may come from a gateway that gives transit. */
void firewall_sources_mesh(const struct firewall_links *w, struct prefix_list *l);
/* What may come through the i-th link by itself: the peer's LAN, and the peer's address at each of
 * the tunnels to it, for an answer may take another one than the question. */
void firewall_sources_link(const struct firewall_links *w, size_t i, struct prefix_list *l);

#endif
