/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/hunt.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "controller/network.h"

#define WORK (UINT64_C(1) << 22) /* steps, before the count becomes "at least" */
#define NOBODY UINT32_MAX

/* An AS path: its first AS and the rest.  Paths share their ends and are never changed. */
struct path {
    uint32_t owner, rest, length;
};

struct hunt {
    const struct network *net;
    struct hunt_policy policy;
    uint32_t n;
    bool *takes_part; /* gives transit, and is no origin: only they decide anything */
    uint32_t *said;   /* what each gateway last told its neighbors: into paths; 0: nothing */
    uint32_t *chosen; /* whose path each gateway uses */
    uint32_t *hint;   /* somebody who said something new */
    struct path *paths;
    size_t n_paths, cap;
    uint32_t *lengths;                   /* how many of `said` have each length */
    uint32_t shortest;                   /* of them */
    uint32_t *now, *next, n_now, n_next; /* who has to decide anew */
    uint32_t *marked;                    /* the round in which a gateway was put into `next` */
    uint32_t round;
    uint64_t work;
};

struct hunt_policy hunt_policy_of(const struct network *net)
{
    unsigned bound = net->path_bound > 0 ? net->path_bound : 1;

    return (struct hunt_policy){.inbound = bound, .relay = bound > 1 ? bound - 1 : UINT_MAX};
}

static uint32_t new_path(struct hunt *h, uint32_t owner, uint32_t rest)
{
    if (h->n_paths == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 1024;
        h->paths = xreallocarray(h->paths, h->cap, sizeof(*h->paths));
    }
    h->paths[h->n_paths] = (struct path){owner, rest, rest ? h->paths[rest].length + 1 : 1};
    return (uint32_t)h->n_paths++;
}

static bool contains(struct hunt *h, uint32_t path, uint32_t gateway)
{
    for (; path; path = h->paths[path].rest) {
        h->work++;
        if (h->paths[path].owner == gateway)
            return true;
    }
    return false;
}

/* What `self` may use of what `peer` said; 0: nothing. */
static uint32_t usable(struct hunt *h, uint32_t self, uint32_t peer)
{
    uint32_t path = peer == NOBODY ? 0 : h->said[peer];

    h->work++;
    if (!path || (h->policy.inbound && h->paths[path].length > h->policy.inbound) ||
        contains(h, path, self))
        return 0;
    return path;
}

/* The best path of a gateway now. */
static uint32_t decide(struct hunt *h, uint32_t self)
{
    const struct network_gateway *g = &h->net->gateways[self];
    uint32_t best = usable(h, self, h->chosen[self]);

    if (!best) {
        best = usable(h, self, h->hint[self]);
        if (best && h->paths[best].length > h->shortest)
            best = 0;
        h->chosen[self] = best ? h->hint[self] : NOBODY;
    }
    for (uint32_t k = 0; k < g->n_peers; k++) {
        uint32_t peer = h->net->peers[g->first_peer + k].gateway, path = h->said[peer];

        if (best && h->paths[best].length == h->shortest)
            break;
        h->work++;
        if (!path || (best && h->paths[path].length >= h->paths[best].length) ||
            !usable(h, self, peer))
            continue;
        best = path;
        h->chosen[self] = peer;
    }
    return best;
}

/* What a gateway tells its neighbors when `best` is its best path. */
static uint32_t to_say(struct hunt *h, uint32_t self, uint32_t best)
{
    uint32_t before = h->said[self];

    if (!best || h->policy.relay == UINT_MAX ||
        (h->policy.relay && h->paths[best].length > h->policy.relay))
        return 0;
    if (before && h->paths[before].rest == best)
        return before;
    return new_path(h, self, best);
}

static void mark(struct hunt *h, uint32_t gateway, uint32_t by)
{
    if (!h->takes_part[gateway] || h->marked[gateway] == h->round)
        return;
    h->marked[gateway] = h->round;
    h->hint[gateway] = by;
    h->next[h->n_next++] = gateway;
}

/* Tells everybody, and returns how many messages that is. */
static uint32_t say(struct hunt *h, uint32_t self, uint32_t path)
{
    uint32_t before = h->said[self];

    if (before)
        h->lengths[h->paths[before].length]--;
    if (path) {
        uint32_t length = h->paths[path].length;

        h->lengths[length]++;
        if (length < h->shortest)
            h->shortest = length;
    }
    h->said[self] = path;
    return h->net->gateways[self].n_peers;
}

/* Who hears of it.  When nearly everybody does, everybody is looked at: that is cheaper than going
 * through the links of a full mesh. */
static void mark_neighbors(struct hunt *h, const uint32_t *changed, uint32_t n, uint64_t messages)
{
    h->round++;
    h->n_next = 0;
    while (h->shortest <= h->n && h->lengths[h->shortest] == 0)
        h->shortest++;
    if (messages > UINT64_C(4) * h->n) {
        for (uint32_t i = 0; i < h->n; i++)
            mark(h, i, NOBODY);
        h->work += h->n;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct network_gateway *g = &h->net->gateways[changed[i]];

        for (uint32_t k = 0; k < g->n_peers; k++)
            mark(h, h->net->peers[g->first_peer + k].gateway, changed[i]);
        h->work += g->n_peers;
    }
}

/* Rounds until nobody has anything to say. */
static struct hunt_result settle(struct hunt *h, const uint32_t *origins, uint32_t n_origins,
                                 bool announce)
{
    uint32_t *changed = xcalloc(h->n, sizeof(*changed)), *path = xcalloc(h->n, sizeof(*path));
    struct hunt_result ret = {0};
    uint64_t messages = 0;

    for (uint32_t i = 0; i < n_origins; i++) {
        changed[i] = origins[i];
        messages += say(h, origins[i], announce ? new_path(h, origins[i], 0) : 0);
    }
    ret.updates = messages;
    for (uint32_t n = n_origins; n > 0 && !ret.more;) {
        uint32_t *swap = h->now;

        mark_neighbors(h, changed, n, messages);
        h->now = h->next;
        h->n_now = h->n_next;
        h->next = swap;
        n = 0;
        messages = 0;
        for (uint32_t i = 0; i < h->n_now; i++) {
            uint32_t self = h->now[i], say_now = to_say(h, self, decide(h, self));

            if (say_now != h->said[self]) {
                path[n] = say_now;
                changed[n++] = self;
            }
        }
        for (uint32_t i = 0; i < n; i++)
            messages += say(h, changed[i], path[i]);
        ret.updates += messages;
        ret.more = n > 0 && (ret.updates > HUNT_MAX_UPDATES || h->work > WORK);
    }
    free(changed);
    free(path);
    return ret;
}

static void hunt_init(struct hunt *h, const struct network *net, uint32_t lan)
{
    h->n = (uint32_t)net->mesh->n_gateways;
    h->takes_part = xcalloc(h->n, sizeof(*h->takes_part));
    h->said = xcalloc(h->n, sizeof(*h->said));
    h->chosen = xcalloc(h->n, sizeof(*h->chosen));
    h->hint = xcalloc(h->n, sizeof(*h->hint));
    h->marked = xcalloc(h->n, sizeof(*h->marked));
    h->now = xcalloc(h->n, sizeof(*h->now));
    h->next = xcalloc(h->n, sizeof(*h->next));
    h->lengths = xcalloc((size_t)h->n + 2, sizeof(*h->lengths));
    h->shortest = h->n + 1;
    memset(h->chosen, 0xff, h->n * sizeof(*h->chosen));
    new_path(h, NOBODY, 0); /* 0 means: none */
    for (uint32_t i = 0; i < h->n; i++)
        h->takes_part[i] =
            (h->policy.everybody || net->gateways[i].transit) && net->mesh->gateways[i].lan != lan;
}

struct hunt_result hunt_withdrawal(const struct network *net, uint32_t origin,
                                   const struct hunt_policy *policy)
{
    struct hunt h = {.net = net, .policy = *policy};
    uint32_t lan = net->mesh->gateways[origin].lan, n = 0;
    struct hunt_result ret;
    uint32_t *origins;

    hunt_init(&h, net, lan);
    origins = xcalloc(h.n, sizeof(*origins));
    for (uint32_t i = 0; i < h.n; i++)
        if (net->mesh->gateways[i].lan == lan)
            origins[n++] = i;
    ret = settle(&h, origins, n, true);
    if (ret.more) {
        /* Not even the announcement came to an end: what it took says how large the mesh is. */
        free(origins);
    } else {
        h.work = 0;
        ret = settle(&h, origins, n, false);
        free(origins);
    }
    free(h.takes_part);
    free(h.said);
    free(h.chosen);
    free(h.hint);
    free(h.marked);
    free(h.now);
    free(h.next);
    free(h.lengths);
    free(h.paths);
    return ret;
}
