/* SPDX-License-Identifier: Apache-2.0 */
/* What is more than gateways bear, and what would be better.
 *
 * One warning for each kind of thing, for the whole mesh: a thousand gateways with the same trouble
 * have one cause.  A mesh that is comfortable gets none. */
#include <float.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/cost.h"
#include "controller/network.h"

/* Where a gateway stops being comfortable.
 * Processes: 1,560 of them, with as many sessions, kept two cores busy with nothing to carry.
 * BFD, sent: one bfdd answers for all sessions from one thread, and a packet that is late by two
 * intervals takes a link down; with 5,200 a second two cores were overloaded.
 * Sessions: frr.service lets a daemon open 1,024 files.
 * Neighbors: net.ipv4.neigh.default.gc_thresh3 is 1,024 by default; a tunnel needs an entry of each
 * family, and the LAN needs some. */
static const double limits[COST_KINDS] = {
    [COST_TUNNELS] = 500, [COST_SESSIONS] = 1000, [COST_PATHS] = 0, /* counted as memory */
    [COST_BFD] = 2500,    [COST_MEMORY] = 4e9,
};
#define NEIGHBORS 1000
#define POOL_SHARE 0.8

#define HUBS_PER_SPOKE 2
#define CORE_HUBS 2 /* of a region, that join the others' */

/* --- a better topology ------------------------------------------------------------------------ */

struct shape {
    uint32_t regions, members, hubs; /* of each region; 1 region: a plain hub-and-spoke */
    struct cost_figures hub;
    double load; /* the worst share of a limit */
};

static double larger(double x, double y)
{
    return x > y ? x : y;
}

static double load_of(const struct cost_figures *f, enum cost_kind kind)
{
    return limits[kind] > 0 ? cost_value(f, kind) / limits[kind] : 0;
}

/* What a hub would carry.  All hubs of a region are linked to each other, two of each region to all
 * of those; a hub is believed to have every prefix from every other hub, as in cost.c. */
static void weigh(const struct cost *cost, struct shape *s)
{
    uint32_t spokes = s->members - s->hubs;
    uint64_t hubs = s->hubs - 1u + (uint64_t)CORE_HUBS * (s->regions - 1);
    double interval = cost->net->mesh->defaults.bfd_interval;

    s->hub = (struct cost_figures){0};
    s->hub.tunnels = hubs + ((uint64_t)HUBS_PER_SPOKE * spokes + s->hubs - 1) / s->hubs;
    s->hub.sessions = s->hub.tunnels * cost->families;
    s->hub.paths = (hubs + 1) * cost->prefixes;
    s->hub.bfd = (double)s->hub.sessions * 1000 / interval;
    cost_set_memory(&s->hub, cost->prefixes, cost->frr);
    s->load = 0;
    for (enum cost_kind k = 0; k < COST_KINDS; k++)
        s->load = larger(s->load, load_of(&s->hub, k));
}

/* The best number of hubs for so many regions.  `load` falls with the number of hubs, then rises.
 */
static struct shape best_hubs(const struct cost *cost, uint32_t regions)
{
    uint32_t n = (uint32_t)cost->net->mesh->n_gateways;
    struct shape best = {.load = DBL_MAX}, s = {.regions = regions};

    s.members = (n + regions - 1) / regions;
    for (s.hubs = HUBS_PER_SPOKE; s.hubs < s.members && s.hubs < 1000; s.hubs++) {
        weigh(cost, &s);
        if (s.load < best.load)
            best = s;
    }
    return best;
}

static struct shape best_shape(const struct cost *cost)
{
    uint32_t n = (uint32_t)cost->net->mesh->n_gateways;
    struct shape best = best_hubs(cost, 1);

    for (uint32_t regions = 2; best.load > 1 && regions < 200 && regions < n / 8; regions++) {
        struct shape s = best_hubs(cost, regions);

        if (s.load < best.load)
            best = s;
    }
    return best;
}

/* Nothing if it would be no better than what there is. */
static void add_advice(struct buf *b, const struct cost *cost)
{
    const struct cost_figures *g = cost->gateways;
    struct shape s = best_shape(cost);
    double load = 0;

    for (enum cost_kind k = 0; k < COST_KINDS; k++)
        load = larger(load, load_of(&g[cost->all.most[k]], k));
    if (s.load > 0.8 * load)
        return;
    if (s.regions == 1)
        buf_printf(b, "; hub-and-spoke with %u hubs", s.hubs);
    else
        buf_printf(b,
                   "; %u regions of %u gateways, each hub-and-spoke with %u hubs, %u of which join "
                   "the full mesh of all regions,",
                   s.regions, s.members, s.hubs, CORE_HUBS);
    buf_printf(b,
               " and hubs-per-spoke %u would need %u processes on a spoke, and on a hub at most "
               "%" PRIu64 " processes and ",
               HUBS_PER_SPOKE, HUBS_PER_SPOKE, s.hub.tunnels);
    buf_size(b, cost_value(&s.hub, COST_MEMORY));
}

/* --- the warnings ----------------------------------------------------------------------------- */

struct advisor {
    const struct cost *cost;
    struct error_list *warnings;
    const char *path;
    bool advised; /* the better topology was named: once is enough */
};

static size_t count_over(const struct cost *cost, enum cost_kind kind, double limit)
{
    size_t n = 0;

    for (size_t i = 0; i < cost->net->mesh->n_gateways; i++)
        n += cost_value(&cost->gateways[i], kind) > limit;
    return n;
}

static void advise(struct advisor *a, struct buf *b, bool topology)
{
    if (topology && !a->advised) {
        add_advice(b, a->cost);
        a->advised = true;
    }
    error_add(a->warnings, a->cost->net->mesh->file, 0, a->path, "%s", buf_cstr(b));
    buf_reset(b);
}

/* "238 gateways have more than 500 OpenVPN processes, the most 'x' with 999".  False: none has. */
static bool begin(const struct advisor *a, struct buf *b, enum cost_kind kind, double limit,
                  const char *what)
{
    const struct cost *cost = a->cost;
    uint32_t worst = cost->all.most[kind];
    double value = cost_value(&cost->gateways[worst], kind);
    size_t n = count_over(cost, kind, limit);

    if (n == 0)
        return false;
    buf_printf(b, "%zu gateway%s", n, n == 1 ? " has" : "s have");
    buf_str(b, " more than ");
    if (kind == COST_MEMORY)
        buf_size(b, limit);
    else
        buf_printf(b, "%.0f", limit);
    buf_printf(b, " %s, %s'%s' with ", what, n == 1 ? "" : "the most ",
               cost->net->mesh->gateways[worst].name);
    if (kind == COST_MEMORY)
        buf_size(b, value);
    else
        buf_printf(b, "%.0f", value);
    return true;
}

static void warn_links(struct advisor *a, struct buf *b)
{
    const struct cost *cost = a->cost;
    const struct cost_figures *g = cost->gateways;
    const uint32_t *most = cost->all.most;

    if (begin(a, b, COST_TUNNELS, limits[COST_TUNNELS], "OpenVPN processes"))
        advise(a, b, true);
    if (begin(a, b, COST_MEMORY, limits[COST_MEMORY], "of memory for OpenVPN and bgpd")) {
        const struct cost_figures *f = &g[most[COST_MEMORY]];

        buf_printf(
            b, ": %" PRIu64 " processes, %" PRIu64 " BGP sessions and up to %" PRIu64 " BGP paths",
            f->tunnels, f->sessions, f->paths);
        advise(a, b, true);
    }
    if (begin(a, b, COST_SESSIONS, limits[COST_SESSIONS], "BGP sessions")) {
        buf_printf(b,
                   ", but frr.service lets bgpd open 1024 files; there, set LimitNOFILE and in "
                   "/etc/frr/daemons MAX_FDS to at least %.0f",
                   cost_value(&g[most[COST_SESSIONS]], COST_SESSIONS) * 2);
        advise(a, b, true);
    }
    if (begin(a, b, COST_BFD, limits[COST_BFD], "BFD packets to send a second")) {
        uint64_t sessions = g[most[COST_BFD]].sessions;
        uint64_t seconds = sessions / (uint64_t)limits[COST_BFD] + 1;

        buf_printf(b,
                   ", and a link goes down when bfdd sends too late; a bfd interval of %" PRIu64
                   " ms would make it %" PRIu64,
                   1000 * seconds, sessions / seconds);
        advise(a, b, true);
    }
    if (begin(a, b, COST_TUNNELS, NEIGHBORS, "tunnels")) {
        buf_str(b, ", but a kernel has room for 1024 neighbors of a family; there, set "
                   "net.ipv4.neigh.default.gc_thresh3 and net.ipv6.neigh.default.gc_thresh3 to "
                   "at least 8192");
        advise(a, b, true);
    }
}

static void warn_pools(struct advisor *a, struct buf *b)
{
    const struct cost *cost = a->cost;

    for (unsigned f = 0; f < 2; f++) {
        const struct cost_pool *p = &cost->pool[f];
        double share = p->size ? (double)p->used / (double)p->size : 0;

        if (share <= POOL_SHARE)
            continue;
        buf_printf(b,
                   "%" PRIu64 " of the %" PRIu64 " IPv%u link addresses are in use (%.0f %%); "
                   "append a link-prefix before there is no room for a new link",
                   p->used, p->size, f ? 6 : 4, share * 100);
        advise(a, b, false);
    }
}

void cost_warn(const struct cost *cost, struct error_list *warnings)
{
    const struct mesh *mesh = cost->net->mesh;
    struct advisor a = {.cost = cost, .warnings = warnings};
    _cleanup_buf_ struct buf b = BUF_INIT;

    a.path = mesh->full_mesh ? "/p2pvpn-mesh:mesh" : "/p2pvpn-mesh:mesh/topology";
    warn_links(&a, &b);
    a.path = mesh->n_link_prefixes ? "/p2pvpn-mesh:mesh/addressing" : "/p2pvpn-mesh:mesh";
    warn_pools(&a, &b);
}
