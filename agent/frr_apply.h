/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FRR apply: brings the gateway's part of FRR's configuration in place, or leaves the old one.
 *
 * One run: read what bgpd and bfdd have, compute the difference (common/frr_diff.h), let vtysh
 * check it, record what will be ours, load it in one batch, read back and compare.  If FRR then has
 * something else than was wanted, the old configuration is put back the same way, and the error
 * names the lines that FRR did not take.
 *
 * The running configuration is bgpd's own, and of bfdd's only "bfd": prefix lists are in every
 * daemon and route-maps in several, and vtysh merges what they show, so a bgpd that was restarted
 * empty would look complete while it refuses every route.
 * Of zebra's only what nobody wants counts: it goes, too.
 *
 * Where sessions of the mesh run and bgpd is to have an RPKI cache that it has not, that comes
 * first and is waited for: route maps that match by it would refuse everything until then.
 *
 * A batch ends bgpd's wait after changed route maps, so what is read back is in force.  A neighbor
 * whose own list of prefixes changed is asked for its routes again: bgpd would judge by the new
 * list only what it sends by itself.
 *
 * STATE/frr-applied.conf records which lines are ours.  Before a batch it is written as the union
 * of old and new, after it as the new: killed anywhere in between, no line of ours is ever taken
 * for an operator's, and the next run ends what this one began.
 *
 * Nothing is written to /etc/frr/frr.conf.  `write memory` would also save what an operator is
 * only trying out, and what is saved comes up at boot without the agent, for tunnels that may have
 * left the mesh meanwhile.  After a restart of FRR (vtysh_incarnation()) apply again.  An operator
 * who does `write memory` does no harm: the same lines come back and are known as ours.
 */
#ifndef P2PVPN_AGENT_FRR_APPLY_H
#define P2PVPN_AGENT_FRR_APPLY_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

#define FRR_APPLIED_FILE "frr-applied.conf"

struct vtysh; /* agent/vtysh.h */

struct frr_result {
    size_t added, removed; /* lines */
    struct buf changes;    /* "+ router bgp 65001 > neighbor ..." or "- ...", a line each */
    uint64_t running;      /* vty_digest() of what the vtysh_daemons said at the last comparison */
};

#define FRR_RESULT_INIT       \
    {                         \
        0, 0, {NULL, 0, 0}, 0 \
    }

/* `desired` is the text of the bundle's frr/frr.conf.  0: it is in place, *ret says what changed.
 * -EINVAL: the text, or the router's own configuration, does not allow it, or FRR did not take it;
 * nothing has changed.  Otherwise FRR failed (not installed, dead, not answering). */
int frr_apply(const struct vtysh *v, const char *desired, const char *state_dir,
              struct frr_result *ret, struct error_list *err);

/* What frr_apply() would do, without doing it: 0 nothing, 1 something (*ret says what). */
int frr_check(const struct vtysh *v, const char *desired, const char *state_dir,
              struct frr_result *ret, struct error_list *err);

/* Takes everything of ours out of FRR, and the record away. */
int frr_remove(const struct vtysh *v, const char *state_dir, struct frr_result *ret,
               struct error_list *err);

void frr_result_clear(struct frr_result *r);

#endif
