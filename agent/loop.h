/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loop: `p2pvpn-agent run`: make it so, stay, watch, repair.
 *
 * Watched are the bundle (inotify on its folder and on the two folders above, because a compile
 * exchanges whole trees, and a look at bundle.json or the archive every few seconds), the table of
 * origins in the same way, the kernel's interfaces (netlink), the OpenVPN processes (pidfds), FRR
 * (its text every few seconds, at once when one of its daemons was restarted) and the certificates;
 * and everything, every few seconds, for not all changes are told.  Whatever changed, the answer is
 * the same: observe, plan, apply.  A table of origins alone goes to bgpd (origin_cache.h) and
 * changes nothing else.  An agent with nothing to do sleeps.
 *
 * SIGHUP: look at everything now.  SIGTERM, SIGINT: leave; links and FRR go on.
 */
#ifndef P2PVPN_AGENT_LOOP_H
#define P2PVPN_AGENT_LOOP_H

#include "agent/settings.h"
#include "common/error.h"

/* Returns 0 after SIGTERM, or what kept it from starting.  `dir`, a folder or an archive, may be
 * missing or wrong: then the bundle in force stays in force. */
int loop_run(const struct settings *s, const char *dir, struct error_list *err);

#endif
