/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apply: acts on a plan, one step after the other.
 *
 * A step that fails is reported and the rest of that link is left for the next run; other links go
 * on.  FRR is the caller's business (it takes long, and loop.c wants to stay awake), and so is the
 * firewall: the steps up to PLAN_FRR and those behind it are carried out by separate calls.
 */
#ifndef P2PVPN_AGENT_APPLY_H
#define P2PVPN_AGENT_APPLY_H

#include <stdbool.h>

#include "agent/plan.h"
#include "agent/settings.h"
#include "common/error.h"

struct drain;
struct netlink;
struct supervisor;

struct apply_context {
    const struct settings *settings;
    struct netlink *netlink;
    struct supervisor *supervisor;
    const struct drain *drain; /* steps that it holds are left; NULL: none */
    bool hold_processes;       /* start none: there is no key or no tun device, and it was said.
                                  One that has to be restarted at once is stopped all the same */
};

/* Both mark the steps that failed. */

/* The steps before PLAN_FRR.  0, or the last failure with *err holding all: -EINVAL when steps were
 * refused only. */
int apply_make(const struct apply_context *c, const struct bundle *want, struct plan *plan,
               struct error_list *err);

/* The steps after PLAN_FRR.  Processes are asked to stop and their interfaces removed at once: the
 * peer hears of the end by the process's exit notification. */
int apply_break(const struct apply_context *c, const struct bundle *want, struct plan *plan,
                struct error_list *err);

/* They have to wait for FRR: what is still wrong then is no repair that failed to hold. */
void apply_put_off(struct plan *plan);

/*
 * Says the addresses of all links again that the plan has no step for.  zebra (8.4.4) reads
 * interfaces and addresses in different threads: an address that it hears of before it has taken in
 * the interface, it forgets; bgpd then holds the peer's routes for inaccessible, though session and
 * tunnel are up.  Hearing it once more costs zebra nothing when it knows the address.
 */
int apply_repeat_addresses(const struct apply_context *c, const struct bundle *want,
                           const struct plan *plan, struct error_list *err);

/* Whether a plan has steps after PLAN_FRR, or one of this kind. */
bool plan_has_breaks(const struct plan *plan);
bool plan_has(const struct plan *plan, enum plan_action action);
/* Nothing is left that could be done. */
bool plan_is_done(const struct plan *plan);

#endif
