/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Once: `p2pvpn-agent apply`, `plan` and `remove`, which do their work and end.
 *
 * apply and remove take the lock, so neither works against a running agent.  What they start stays.
 */
#ifndef P2PVPN_AGENT_ONCE_H
#define P2PVPN_AGENT_ONCE_H

#include "agent/settings.h"
#include "common/error.h"

/* Makes the bundle in `dir` the one in force and the gateway what it says.  When FRR cannot be
 * configured, links that left the bundle stay for the next run.  -EINVAL, and nothing was changed:
 * also for a bundle whose mesh needs an agent that stays (origin_cache.h). */
int once_apply(const struct settings *s, const char *dir, struct error_list *err);

/* Prints on standard output what once_apply() would do, in order and with reasons, and FRR's lines
 * that would change; nothing: all is as the bundle says.  Only reads, also while an agent runs.
 * When FRR does not answer, the rest is printed and *err says so. */
int once_plan(const struct settings *s, const char *dir, struct error_list *err);

/* Prints the nftables table of the bundle in `dir`, or of the one in force where that is NULL. */
int once_firewall(const struct settings *s, const char *dir, struct error_list *err);

/* Takes away what is ours: the firewall, FRR's objects, processes, interfaces, the copy of the
 * bundle, run-time files.  Keys stay, and so do the machine's forwarding settings.  Done when
 * nothing is there. */
int once_remove(const struct settings *s, struct error_list *err);

#endif
