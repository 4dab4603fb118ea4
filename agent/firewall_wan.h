/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firewall, the side of the world: who may send to the UDP ports of the links.
 *
 * The inner half of firewall.h.  What a peer's name resolves to does not belong to the table: its
 * sets are filled by firewall_render_hosts(), which is here, too.
 */
#ifndef P2PVPN_AGENT_FIREWALL_WAN_H
#define P2PVPN_AGENT_FIREWALL_WAN_H

#include "agent/firewall_text.h"

/* Both bundles' links, and whether this side matters; w->all.items is the caller's. */
void firewall_writer_init(struct firewall_writer *w, const struct firewall *f, struct buf *out);

/* The sets of ports and who may send there. */
void firewall_add_wan(struct firewall_writer *w);

#endif
