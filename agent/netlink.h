/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink: the links and addresses of this network namespace, read and changed (rtnetlink(7)).
 *
 * Only this module and netlink_monitor.h see libnl.  Attributes are read from the messages
 * themselves: libnl 3.7's link objects know neither alternative names nor a tun's owner.  Functions
 * return 0 or a negative errno with *err saying what was tried on which interface.
 */
#ifndef P2PVPN_AGENT_NETLINK_H
#define P2PVPN_AGENT_NETLINK_H

#include <stdint.h>

#include "agent/link_table.h"
#include "common/error.h"

/* Of a socket: a machine with thousands of links sends dumps and bursts far beyond libnl's 32 KiB.
 */
#define NETLINK_RECEIVE_BUFFER (2 << 20)
#define NETLINK_SEND_BUFFER (64 << 10)

struct netlink;

int netlink_open(struct netlink **ret, struct error_list *err);
struct netlink *netlink_close(struct netlink *nl); /* NULL ok; returns NULL */

/* What of the links is asked for.  The counters of bytes the kernel sums up over all processors;
 * where they are not asked for, they are 0.  The addresses need not be read again by who has heard
 * of no change since the last time (netlink_monitor.h): they are a quarter of the work. */
enum {
    LINKS_COUNTERS = 1,
    LINKS_SAME_ADDRESSES = 2,
};

/* Every link with its settings; addresses of the tuns only. */
int netlink_links(struct netlink *nl, unsigned what, struct link_table *ret,
                  struct error_list *err);
/* "net/ipv4/conf/pv7/rp_filter", as sysctl.h wants it; on the heap. */
char *netlink_setting_name(enum link_setting setting, const char *interface);

int netlink_set_alias(struct netlink *nl, const char *name, const char *alias,
                      struct error_list *err);
int netlink_set_mtu(struct netlink *nl, const char *name, uint32_t mtu, struct error_list *err);
int netlink_set_queue_length(struct netlink *nl, const char *name, uint32_t packets,
                             struct error_list *err);
int netlink_set_up(struct netlink *nl, const char *name, struct error_list *err);
int netlink_add_altname(struct netlink *nl, const char *name, const char *altname,
                        struct error_list *err);
int netlink_remove_altname(struct netlink *nl, const char *name, const char *altname,
                           struct error_list *err);
/* Without duplicate address detection: a link has two ends and no third. Being there already, or
 * gone already, is success. */
int netlink_add_address(struct netlink *nl, const char *name, const struct link_address *a,
                        struct error_list *err);
/* Tells everybody who listens that the address is there; sets it if it is not.  Nothing else
 * changes. For zebra, see apply_repeat_addresses(). */
int netlink_repeat_address(struct netlink *nl, const char *name, const struct link_address *a,
                           struct error_list *err);
int netlink_remove_address(struct netlink *nl, const char *name, const struct link_address *a,
                           struct error_list *err);
int netlink_delete_link(struct netlink *nl, const char *name, struct error_list *err);

#endif
