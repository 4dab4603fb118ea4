/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tun: persistent point-to-point interfaces that an unprivileged user may attach to
 * (Documentation/networking/tuntap.rst of the kernel).
 *
 * Made in two steps so that a process killed between them leaves nothing: tun_open() makes an
 * interface that lives as long as its descriptor, the caller marks it as ours (alias), tun_keep()
 * makes it persistent and closes the descriptor.
 */
#ifndef P2PVPN_AGENT_TUN_H
#define P2PVPN_AGENT_TUN_H

#include <sys/types.h>

#include "common/error.h"

#define TUN_DEVICE "/dev/net/tun"

/* Whether this machine has tun devices and this user may attach to them; -EINVAL says what to do.
 */
int tun_check(uid_t uid, gid_t gid, struct error_list *err);

/* A new interface owned by uid; its descriptor in *ret.  -EBUSY: the name is taken. */
int tun_open(const char *name, uid_t uid, int *ret, struct error_list *err);
/* Closes fd in any case. */
int tun_keep(const char *name, int fd, struct error_list *err);

#endif
