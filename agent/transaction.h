/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transaction: a new bundle comes into force, and stays only if the mesh proves healthy.
 *
 * A bundle that is offered is put into force once it is known which BGP sessions are up (a worker
 * asks FRR).  From then on the change is pending: it is confirmed when everything was applied and
 * all sessions that were up and are still wanted are up, the bundle's source and the address named
 * by `reach` answer if they did before, for some seconds on end.  If that does not come about
 * within the confirm time (which begins anew when the old links are free to go), or the change
 * cannot be applied, the bundle of before comes back by itself, and the refused one is not taken
 * again.  One change at a time.
 *
 * What is meant is on the disk before anything moves (change.h), so whatever ends the agent, the
 * next one finds the old bundle in force or the new one.  After a reboot an unconfirmed change is
 * taken back; after a restart of the agent alone its time goes on.
 *
 * Nothing here blocks: a descriptor becomes readable when transaction_run() should be called, and a
 * deadline says when at the latest.  It speaks through log.h.
 */
#ifndef P2PVPN_AGENT_TRANSACTION_H
#define P2PVPN_AGENT_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/change.h"
#include "agent/settings.h"
#include "common/bundle.h"
#include "common/error.h"

struct transaction;

/* Ends what an earlier life began.  What is in force comes out of transaction_taken(). */
int transaction_new(const struct settings *s, struct transaction **ret, struct error_list *err);
struct transaction *transaction_free(struct transaction *t); /* NULL ok; returns NULL */

/* A bundle that came into force since the last call, now the caller's; NULL: none. */
struct bundle *transaction_taken(struct transaction *t);

/* A change is being prepared or waits for its confirmation: no other can begin. */
bool transaction_busy(const struct transaction *t);
/* This revision was rolled back. */
bool transaction_refuses(const struct transaction *t, const char *revision);
/* The operator wants it tried again. */
void transaction_forgive(struct transaction *t);

/* The bundle that state_stage() has staged, which it owns from now on; `now` is in force (NULL:
 * none) and stays the caller's, who keeps it until transaction_taken() gives another.  0, or an
 * errno with *err filled: nothing has changed. */
int transaction_offer(struct transaction *t, struct bundle *staged, const struct bundle *now,
                      struct error_list *err);
/* True, once: the change that was offered could not be begun; the log says why.  Offer it again
 * later. */
bool transaction_failed_to_begin(struct transaction *t);

/* What the caller knows, while a change is pending: nothing is left to do; the bundle's source is
 * there. */
void transaction_see(struct transaction *t, bool applied, bool source);
/* Traffic is (not) being moved away before anything goes: for some minutes, that is not taken from
 * the confirm time. */
void transaction_drains(struct transaction *t, bool drains);
/* The change cannot be applied. */
void transaction_refuse(struct transaction *t, const char *why);

/* By hand.  *said: what was done, a sentence.  -EINVAL: there is nothing to confirm, or to go back
 * to. */
int transaction_confirm(struct transaction *t, struct buf *said, struct error_list *err);
int transaction_roll_back(struct transaction *t, struct buf *said, struct error_list *err);

int transaction_fd(const struct transaction *t);
int64_t transaction_deadline(const struct transaction *t); /* monotonic_ms(), SUPERVISE_NEVER */
void transaction_run(struct transaction *t);

#endif
