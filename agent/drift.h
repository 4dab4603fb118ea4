/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drift: of the steps of a plan, those that are taken now.  Pure.
 *
 * What is wrong though the bundle is the same was changed by something else.  It is put right at
 * once, unless that has become a fight (repairs.h): then its steps leave the plan until their time
 * has come.  An interface that is not made now takes the other steps of its link with it; those of
 * an interface that is being made are part of making it.  Processes are not counted here, because
 * supervise.h has a patience of its own, and neither is FRR, which is compared in a worker.
 */
#ifndef P2PVPN_AGENT_DRIFT_H
#define P2PVPN_AGENT_DRIFT_H

#include <stdint.h>

#include "agent/agent_report.h"
#include "agent/repairs.h"
#include "common/buf.h"

struct plan; /* plan.h */

/* Takes the steps out of the plan that have to wait.  *again: when the first of them may be taken,
 * if that is sooner.  What has just become a fight is told in *fights, a sentence a line. */
void drift_hold_back(struct repairs *r, struct plan *p, int64_t now, int64_t *again,
                     struct buf *fights);

/* After the plan was carried out: what could not be put right does not count. */
void drift_failed(struct repairs *r, const struct plan *p);

/* How many repairs of each kind a plan that was carried out has made: an interface that was made
 * anew is one, whatever was done to it. */
void drift_count(const struct plan *p, unsigned ret[static REPAIR_KINDS]);

/* The sentence about a fight over this thing. */
void drift_tell(struct buf *b, const char *what);

#endif
