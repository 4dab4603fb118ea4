/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sysctl: kernel settings of this network namespace, as files below /proc/sys.
 *
 * Names are relative paths ("net/ipv4/ip_forward"): an interface name may hold a dot.
 */
#ifndef P2PVPN_AGENT_SYSCTL_H
#define P2PVPN_AGENT_SYSCTL_H

#include "common/error.h"

#define SYSCTL_ABSENT (-1L)

/* The number it holds; SYSCTL_ABSENT: the kernel has no such setting (no IPv6, say). */
long sysctl_get(const char *name);

/* -EROFS and the like: *err says which and what to do. */
int sysctl_set(const char *name, long value, struct error_list *err);

#endif
