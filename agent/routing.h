/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing: the bundle's FRR configuration, given to frr_apply.h and watched.  These calls run vtysh
 * and may take seconds; loop.c makes them in a worker.
 */
#ifndef P2PVPN_AGENT_ROUTING_H
#define P2PVPN_AGENT_ROUTING_H

#include <stdint.h>

#include "agent/settings.h"
#include "common/error.h"

/* Makes FRR hold what STATE/current says; changes nothing when it does already. */
int routing_apply(const struct settings *s, struct error_list *err);
/* 0: it does; 1: something differs; or a negative errno. */
int routing_check(const struct settings *s, struct error_list *err);
/* Takes everything of ours out of FRR. */
int routing_remove(const struct settings *s, struct error_list *err);

/* A number that changes when one of FRR's daemons is started or ends.  Cheap: no process is run. */
uint64_t routing_daemons_stamp(const struct settings *s);

#endif
