/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Override: whether the addresses and ports that imported links brought along still have room
 * beside what the model says now.  Pure.
 */
#ifndef P2PVPN_CONTROLLER_OVERRIDE_H
#define P2PVPN_CONTROLLER_OVERRIDE_H

#include "common/error.h"

struct network;

/* -EINVAL: an overriding address lies in a LAN or a link prefix, or a gateway would use one UDP
 * port for two links.  Expects a complete network.  Costs nothing where there is no override. */
int override_check(const struct network *net, const char *lock_file, struct error_list *err);

#endif
