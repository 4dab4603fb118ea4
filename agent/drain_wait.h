/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drain wait: what `p2pvpn-agent drain` prints while the running agent drains the gateway.
 */
#ifndef P2PVPN_AGENT_DRAIN_WAIT_H
#define P2PVPN_AGENT_DRAIN_WAIT_H

#include "agent/settings.h"
#include "common/error.h"

#define DRAIN_WAIT_S 30 /* how long to wait if nothing else is said */
#define DRAIN_WAIT_MAX_S 86400

/* Watches the links of the bundle in force for so many seconds, or until no traffic passes over
 * them any more.  0: none does; -EINVAL: some does, *err says over which links and how much. */
int drain_wait(const struct settings *s, unsigned seconds, struct error_list *err);

#endif
