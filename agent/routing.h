/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing: the FRR configuration of the bundle in force, handed to frr_apply.h.
 *
 * All but routing_incarnation() run vtysh and may take seconds, or the whole time limit when a
 * daemon hangs; loop.c makes these calls in a worker.
 */
#ifndef P2PVPN_AGENT_ROUTING_H
#define P2PVPN_AGENT_ROUTING_H

#include <stdint.h>

#include "agent/drain_text.h"
#include "agent/frr_apply.h"
#include "agent/settings.h"
#include "common/bundle.h"
#include "common/error.h"

#define ROUTING_CONFIG "frr/frr.conf" /* in a bundle */

/* Makes FRR hold what STATE/current says, with what is to be drained (drain_text.h); *ret lists
 * what changed.  0, or a negative errno. */
int routing_apply(const struct settings *s, const struct drain_request *drain,
                  struct frr_result *ret, struct error_list *err);
/* 0: it holds that; 1: *ret lists what differs; or a negative errno. */
int routing_check(const struct settings *s, const struct drain_request *drain,
                  struct frr_result *ret, struct error_list *err);
/* The same for a text that may come into force; FRR and STATE are only read. */
int routing_compare(const struct settings *s, const char *config, struct frr_result *ret,
                    struct error_list *err);
/* Takes everything of ours out of FRR. */
int routing_remove(const struct settings *s, struct frr_result *ret, struct error_list *err);

/* The sessions of the bundle's links that are Established, each as an item of *ret whose message is
 * its name (change.h): so a worker can hand them over.  On failure *ret says why instead. */
int routing_sessions(const struct settings *s, const struct bundle *b, struct error_list *ret);

/* Waits, for some seconds at most, until bgpd goes by the table of origins that it was sent, then
 * makes it judge again all routes that the mesh's neighbors have announced.  No session is reset.
 * -ETIMEDOUT: it does not go by it yet. */
int routing_reconsider(const struct settings *s, struct error_list *err);

/* Changes when one of FRR's daemons was started again; 0 while one is not there.  Cheap. */
uint64_t routing_incarnation(const struct settings *s);

#endif
