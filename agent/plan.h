/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plan: the ordered steps that turn what is there into what the bundle says.
 *
 * plan_compute() is pure: no file, socket or process; same inputs, same steps, same order; nothing
 * about what is right already.  The order makes before it breaks: settings, the firewall, new and
 * changed links, then FRR, then what restarts or has to go, once its traffic is elsewhere
 * (drain.h).  Only apply.h acts on a plan.  A plan owns its steps and keeps no pointer into its
 * inputs.
 *
 * An interface is ours if its alias begins with "p2pvpn MESH ".  Everything on such an interface is
 * ours too; nothing else is ever changed or removed, but for the settings of the whole machine that
 * a router needs.
 */
#ifndef P2PVPN_AGENT_PLAN_H
#define P2PVPN_AGENT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netlink.h"
#include "agent/started.h"
#include "common/buf.h"
#include "common/bundle.h"

struct key_memory; /* key_memory.h */
struct observed;   /* observe.h */

enum plan_action {
    PLAN_REFUSE,         /* nothing is done about the target; why is in `reason` */
    PLAN_SETTING,        /* target: name of a setting; value */
    PLAN_FIREWALL,       /* set the table of firewall.h */
    PLAN_LINK_CREATE,    /* with its alias (text) */
    PLAN_LINK_RECREATE,  /* removed and created: it has the wrong owner */
    PLAN_ALIAS,          /* text */
    PLAN_ALTNAME_REMOVE, /* text */
    PLAN_ALTNAME_ADD,    /* text */
    PLAN_MTU,            /* value */
    PLAN_QUEUE_LENGTH,   /* value */
    PLAN_ADDRESS_ADD,    /* address */
    PLAN_LINK_UP,
    PLAN_PROCESS_START,   /* text: digest of the new process */
    PLAN_PROCESS_RESTART, /* text: likewise; at once: on a new interface, where nothing passes yet,
                             or because the old process accepts a key that was given up */
    PLAN_DRAIN,           /* move the traffic away before what the plan takes from this link */
    PLAN_FRR,             /* give FRR the bundle's configuration */
    PLAN_PROCESS_REPLACE, /* restart a process that has carried traffic; text: digest */
    PLAN_ADDRESS_REMOVE,  /* address */
    PLAN_PROCESS_STOP,
    PLAN_LINK_REMOVE,
    PLAN_FIREWALL_REMOVE,
};

/* The first word of the alias of every interface of ours. */
#define PLAN_MARKER "p2pvpn"
#define PLAN_NO_LINK SIZE_MAX

struct plan_step {
    enum plan_action action;
    char *target; /* interface or setting; "" for FRR and the firewall */
    char *reason; /* for people: what is different */
    size_t link;  /* index into the bundle's links, PLAN_NO_LINK: none */
    char *text;   /* NULL where unused; of PLAN_FRR: its lines that change, where they are known */
    long value;
    struct link_address address;
    bool failed; /* apply.h tried it in vain, or it has to wait */
};

struct plan {
    struct plan_step *steps;
    size_t n, cap;
};

struct plan_context {
    const char *mesh;                      /* whose links are ours */
    int64_t link_uid;                      /* that owns the tuns */
    char keys_digest[DIGEST_TEXT_LEN + 1]; /* state_keys_digest() */
    /* plan_link_digest() of each link of the bundle, of one who plans often; NULL: computed. */
    const char (*digests)[STARTED_LEN + 1];
    const struct key_memory *known; /* of the peers' keys; NULL: nothing */
    bool no_frr;
    char firewall_digest[DIGEST_TEXT_LEN + 1]; /* of the wanted table; "": none is to be set */
    bool no_firewall;
    bool new_bundle; /* not all of it is in place yet; else what differs was changed by hand */
};

/* The settings of the machine that a plan may look at; NULL-terminated. */
extern const char *const plan_global_settings[];

/* want NULL: nothing of ours shall stay. */
struct plan *plan_compute(const struct bundle *want, const struct plan_context *context,
                          const struct observed *have);
struct plan *plan_free(struct plan *p); /* NULL ok; returns NULL */

/* One line a step, "create interface pv3: ...", and FRR's lines below theirs.  Stable. */
void plan_print(const struct plan *p, struct buf *ret);

/* The i-th address of a link as the kernel holds it. */
struct link_address plan_link_address(const struct bundle_link *link, size_t i);

/* What a link's process must have been started with (started.h). */
void plan_link_digest(const struct bundle *b, const struct bundle_link *link,
                      const struct plan_context *context, char ret[static STARTED_LEN + 1]);

/* Steps before FRR only add and correct; FRR and those after it wait for them. */
static inline bool plan_action_breaks(enum plan_action a)
{
    return a > PLAN_FRR;
}

#endif
