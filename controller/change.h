/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change: what publishing a mesh would do, from what was published before and what would be now.
 *
 * Pure: bundles (or locks) in, lists out.  What an agent does with a bundle is asked of the same
 * functions that the agent asks: which process restarts (bundle_link_sha256()), which BGP session
 * resets (frr_sessions.h).  On top of that comes what happens to a gateway through its peers: the
 * sessions over a tunnel that restarts at the other end reset at this end too, even where the
 * bundle stays as it is.
 *
 * Only gateways whose bundles differ are given; about the others it is enough that there are so
 * many.  A lock alone says which gateways and links come and go, and nothing of what restarts, of
 * routes and LANs.
 *
 * A change owns what it holds and keeps no pointer into its inputs.
 */
#ifndef P2PVPN_CONTROLLER_CHANGE_H
#define P2PVPN_CONTROLLER_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/error.h"
#include "common/prefix.h"

struct bundle;
struct lock;
struct mesh;
struct network;
struct origins;

enum change_what { CHANGE_NONE, CHANGE_ADDED, CHANGE_CHANGED, CHANGE_REMOVED, N_CHANGES };

/* One OpenVPN process of a gateway: starts, restarts, stops. */
struct change_process {
    const char *interface, *peer;
    const char *was_peer; /* NULL: it had the same */
    enum change_what what;
};

/* One BGP session of a gateway: comes up, resets, goes. */
struct change_session {
    const char *neighbor;  /* the peer's address */
    const char *interface; /* NULL: not known */
    const char *peer;
    const char *why; /* CHANGE_CHANGED */
    enum change_what what;
};

struct change_routes {
    size_t n[N_CHANGES]; /* appear, come from another gateway, vanish */
};

struct change_gateway {
    const char *name;
    enum change_what what; /* of the gateway in the mesh */
    bool bundle;           /* it gets another bundle; false: it only feels what its peers do */
    const char *unknown;   /* why what happens there cannot be said; NULL: it is all here */
    const char *lan_before, *lan_now; /* NULL: not there, or not known */
    struct change_process *processes; /* by interface */
    size_t n_processes;
    struct change_session *sessions; /* by neighbor */
    size_t n_sessions;
    const char **notes; /* for people: "asn 4200000001 instead of 4200000007" */
    size_t n_notes;
    size_t frr_added, frr_removed; /* lines of FRR's configuration */
    struct change_routes routes;
};

struct change_link {
    const char *a, *b; /* a before b */
    unsigned tunnel;   /* from 1 */
    enum change_what what;
};

struct change_lan {
    const char *name;
    enum change_what what;
    const char **gateways[2]; /* before, now; NULL-terminated, in order */
    struct prefix *prefixes[2];
    size_t n_prefixes[2];
};

/* A prefix that a gateway outside its LAN has another route to. */
struct change_route {
    struct prefix prefix;
    enum change_what what;            /* CHANGED: from other gateways than before */
    const char *lan_before, *lan_now; /* NULL: it was, is not registered */
};

struct change_total {
    size_t before, now, n[N_CHANGES];
};

struct change {
    const char *mesh;
    struct change_total gateways, links, lans;
    bool lans_known, routes_known, effects_known;
    size_t bundles[N_CHANGES];                        /* [CHANGE_NONE]: the same to the byte */
    size_t processes[N_CHANGES], sessions[N_CHANGES]; /* at gateways that are in the mesh now */
    size_t felt; /* gateways whose bundle stays and whose sessions reset all the same */
    struct change_quiet {
        const char *name, *lan;
        struct change_routes routes;
    } * quiet; /* by name: gateways whose bundle stays the same to the byte */
    size_t n_quiet;
    size_t rerouted;                /* of them, those to which routes come or go all the same */
    struct change_gateway *gateway; /* by name: all that are not as before */
    size_t n_gateways;
    struct change_link *link; /* by a, b, tunnel: added and removed */
    size_t n_links;
    struct change_lan *lan; /* by name: all that are not as before */
    size_t n_lans;
    struct change_route *route; /* by prefix */
    size_t n_routes;
    struct arena arena;
};

/* The bundle of one gateway with the text of its frr/frr.conf. */
struct change_bundle {
    const struct bundle *bundle;
    const char *frr;
};

struct change_builder;

/* From published bundles: one gateway after the other, in any order, then the end.  The network is
 * the one that would be published; it is read until the end. */
struct change_builder *change_begin(const struct network *now);

/* The bundle is the same to the byte. */
void change_same(struct change_builder *b, uint32_t gateway);

/* old NULL: there was none; now NULL: the gateway leaves the mesh. */
void change_bundle(struct change_builder *b, const struct change_bundle *old,
                   const struct change_bundle *now);

/* It has another bundle, and what it has now cannot be known: `why` is said. */
void change_unknown(struct change_builder *b, const char *gateway, bool in_mesh, const char *why);

/* old NULL: there was no table of origins; what is known of routes then is nothing. */
struct change *change_end(struct change_builder *b, const struct origins *old,
                          const struct origins *now);

/* Gives up instead.  NULL ok. */
void change_abandon(struct change_builder *b);

/* From locks: what changes in numbers. */
struct change *change_of_locks(const struct lock *old, const struct lock *now);

struct change *change_free(struct change *c); /* NULL ok; returns NULL */

/* False: publishing would do nothing, as far as it is known. */
bool change_any(const struct change *c);

/* NULL: nothing happens there, but for what change_route_at() says. */
const struct change_gateway *change_find(const struct change *c, const char *gateway);
const struct change_quiet *change_find_quiet(const struct change *c, const char *gateway);

/* What happens to one of c->route at a gateway with these LANs: before and now, NULL where it was,
 * is not there. */
enum change_what change_route_at(const struct change_route *route, const char *lan_before,
                                 const char *lan_now);

#endif
