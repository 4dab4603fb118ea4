/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pool: the prefixes that link addresses come from.  Pure.
 *
 * Link index i is the i-th /31 (IPv4) and the i-th /127 (IPv6), counted through the prefixes of the
 * family in their order.  So a prefix may be appended at any time, and none that is in use may
 * change.
 */
#ifndef P2PVPN_CONTROLLER_POOL_H
#define P2PVPN_CONTROLLER_POOL_H

#include <stdint.h>

#include "common/error.h"
#include "common/prefix.h"

struct lock;
struct mesh;
struct network;

/* Fills net->pool for the families that the mesh has: the model's link-prefix; where it has none of
 * that family, the lock's; else the default (allocate.h).  `kept` is one more than the highest link
 * index that stays in use, 0 for none.  -EINVAL: the model's prefixes would move the address of
 * such a link, or one that nobody wrote down overlaps a LAN or has an endpoint in it. */
int pool_choose(struct network *net, const struct lock *lock, uint64_t kept,
                struct error_list *err);

/* -EINVAL: the pool has no room for `needed` indexes; the error says how many fit and what to
 * append. */
int pool_check_room(const struct network *net, uint64_t needed, struct error_list *err);

/* The /64 that IPv6 links of a mesh have by default: fd, then 56 bits of SHA-256 over the mesh's
 * name (RFC 4193, section 3.2, with a name instead of a clock, so that it is the same again). */
struct prefix pool_default_ipv6(const char *mesh_name);

#endif
