/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status of origins: who may announce what, where the bundle wants a cache for that: the copy of
 * the mesh's table, the agent that serves it, bgpd that asks for it.
 */
#ifndef P2PVPN_AGENT_STATUS_ORIGINS_H
#define P2PVPN_AGENT_STATUS_ORIGINS_H

#include "agent/status.h"

struct vtysh;

/* Fills s->origins and adds what is wrong to s->problems.  v NULL: bgpd cannot be asked, and that
 * was said. */
void status_origins_collect(const struct status_query *q, const struct vtysh *v, struct status *s);

/* The last part of it: what is wrong with what was found.  Pure. */
void status_origins_judge(struct status *s);

/* Fills s->expected: of a table all prefixes but this LAN's, else what the bundle says.  Pure. */
void status_origins_expect(struct status *s);

#endif
