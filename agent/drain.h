/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drain: which links have their traffic moved away, and how far that is.
 *
 * A step of the plan that takes something from a link in use waits: FRR is given the text in which
 * the link's neighbors are drained (drain_text.h); when nothing uses the link any more, or the
 * patience is over because there is no other way, the step is free; afterwards the link's BGP
 * connections are waited for, and its neighbors are as before.  New links, which may be what an old
 * one is replaced by, are waited for as well before anything goes.
 *
 * Not all links are drained at once, or there would be no other way: those that restart take turns,
 * a quarter of the links at most, and both ends of a link give it the same turn.  One end follows
 * the other: a link that nobody uses, because the peer drains it or restarts it, is free at once.
 *
 * A gateway with one link to restart does not know whether its peer restarts all of its links, and
 * the other peers drain theirs at this moment as well: packets would go in a circle between them,
 * each taking the other for the other way.  So it only asks the peer at first, which moves nothing
 * but what the peer sends: if the peer asks as well, the link is free.  If not, it follows for a
 * while, a different one for each turn, and then drains the link.  A gateway with several links
 * begins when this question is over.
 *
 * A link whose peer answers by no BGP connection carries nothing and is free at once: it must not
 * wait, for the restart may be what mends it.  And every wait has an end that no peer can put off.
 *
 * A link whose traffic cannot move, perhaps because peers drain all the others, gets it back for a
 * while, and is drained once more.  If there is no other way then either, it restarts all the same.
 * Links that leave go together, for what stays must do without all of them.
 *
 * The gateway as a whole is drained while STATE/drained is there: it survives a restart and a
 * reboot.  Everything else here is found again from the plan and FRR by the next agent.
 *
 * Nothing but drain_run() looks at the system, and nothing but drain_gateway() writes.
 */
#ifndef P2PVPN_AGENT_DRAIN_H
#define P2PVPN_AGENT_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/drain_text.h"
#include "agent/plan.h"
#include "agent/settings.h"
#include "agent/traffic.h"

#define DRAIN_FILE "drained" /* in STATE */

#define DRAIN_LOOK_MS 250      /* between two looks at a link that is drained */
#define DRAIN_QUIET_MS 750     /* without traffic: nobody uses it */
#define DRAIN_SETTLE_MS 1500   /* for the peer to have moved its traffic, at least */
#define DRAIN_TRY_MS 4000      /* traffic that can move has moved by then */
#define DRAIN_FIRST_MS 6000    /* of several: until their peers have asked in vain */
#define DRAIN_FOLLOW_MS 3000   /* the peer has begun by then, if it was to have the first turn */
#define DRAIN_TURN_MS 1500     /* and so much later for each turn */
#define DRAIN_PATIENCE_MS 8000 /* of a link that leaves: then there is no other way */
#define DRAIN_NEW_MS 20000     /* for new links to have their connections */
#define DRAIN_RETURN_MS 20000  /* for a link to be back after its restart */
#define DRAIN_LOSS_MS 6000     /* a link that has not lost its connections by then keeps them */
#define DRAIN_TURNS 16
#define DRAIN_IDLE_RATE 60 /* packets per second that BFD and keepalives alone may be */

struct drain;

/* Reads whether the gateway is drained. */
struct drain *drain_new(const struct settings *s);
struct drain *drain_free(struct drain *d); /* NULL ok; returns NULL */

/* Drains the gateway as a whole, or ends that; for good.  0, or the state cannot be written. */
int drain_gateway(struct drain *d, bool on, struct error_list *err);
bool drain_gateway_on(const struct drain *d);

/* A new bundle is to be put in place; until everything of it is (plan_context.new_bundle).
 * `hurry`: it is the old one that comes back, and nothing waits for it. */
void drain_new_bundle(struct drain *d, bool hurry);
bool drain_is_new_bundle(const struct drain *d);

/* Takes in what a plan wants to take from links.  True: FRR must be given another text.
 * `no_restarts`: processes are not restarted now. */
bool drain_consider(struct drain *d, const struct bundle *want, const struct plan *plan,
                    bool no_restarts, int64_t now);
/* What FRR shall have.  Names belong to `d`. */
void drain_request(const struct drain *d, struct drain_request *ret);
/* FRR has that text since now. */
void drain_in_force(struct drain *d, int64_t now);
/* FRR cannot be given it: nothing waits any longer. */
void drain_give_up(struct drain *d);
/* Steps behind PLAN_FRR on this interface have to wait. */
bool drain_holds(const struct drain *d, const char *interface);
bool drain_waits(const struct drain *d); /* some step has to wait */
bool drain_busy(const struct drain *d);  /* links are drained, or not back yet */

enum drain_news { DRAIN_NOTHING, DRAIN_FREED, DRAIN_TEXT };

/* Looks at the links, when it is time.  DRAIN_FREED: make a plan, something that waited may be
 * done; DRAIN_TEXT: FRR must be given another text first. */
enum drain_news drain_run(struct drain *d, int64_t now);
int64_t drain_deadline(const struct drain *d); /* when drain_run() wants to be called */

/* --- drain_run() in pieces, for tests --- */

/* The links whose traffic, and the addresses whose connections, are to be looked at. */
size_t drain_watched(const struct drain *d, struct traffic **ret);
size_t drain_expected(const struct drain *d, struct prefix **ret);
/* The same in this order, with what was seen. */
enum drain_news drain_sample(struct drain *d, const struct traffic *seen, const bool *connected,
                             int64_t now);

/* Which turn a link between two gateways has. */
unsigned drain_turn(uint32_t a, uint32_t b, unsigned tunnel);

#endif
