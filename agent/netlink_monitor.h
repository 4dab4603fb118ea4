/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink monitor: a second socket that hears changes of links, addresses and some of their
 * settings (not all: the kernel tells of forwarding and rp_filter).  It says only that there were
 * some: the reader then looks at everything once (never once per event), which also makes an
 * overflow of the socket's buffer harmless.
 */
#ifndef P2PVPN_AGENT_NETLINK_MONITOR_H
#define P2PVPN_AGENT_NETLINK_MONITOR_H

#include <stdbool.h>

#include "common/error.h"

struct netlink_monitor;

int netlink_monitor_open(struct netlink_monitor **ret, struct error_list *err);
struct netlink_monitor *netlink_monitor_close(struct netlink_monitor *m);
int netlink_monitor_fd(const struct netlink_monitor *m);
/* Reads all that is there; true: something about an interface whose name begins with `prefix`
 * changed, or messages were lost. */
bool netlink_monitor_read(struct netlink_monitor *m, const char *prefix);

#endif
