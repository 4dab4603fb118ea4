/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/cost.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "controller/hunt.h"
#include "controller/network.h"

/* Measured on Debian 12 (OpenVPN 2.6.14): 8.1 MB resident, of which 1.7 MB are a process's own. */
#define OPENVPN_OWN 1.7e6
#define OPENVPN_SHARED 6.4e6

/* Measured with FRR 8.4.4: bgpd without a session; with each session (365 MB with 500); what each
 * has more where there are many, whose connections are made at the same time and have buffers
 * twice (2.2 GB with 2,000). */
#define BGPD 17e6
#define SESSION 0.72e6
#define MANY_SESSIONS 500
#define SESSION_OF_MANY 1.22e6
/* Measured with FRR 8.4.4 and 10,000 to 80,000 paths, each with an AS path of its own: a prefix,
 * and each path to it. */
#define BGP_PREFIX 1.2e3
#define BGP_PATH 0.75e3

/* The part of a session's memory that is its input buffer: ten messages of 65,535 bytes, wiped and
 * thus resident from the beginning (bgpd.c, bgp_fsm.c); later one message and a half; since 10.7
 * there is none while nothing arrives. */
#define BUFFER 655350.0
#define SMALL_BUFFER 98302.0

bool frr_version_read(const char *text, struct frr_version *ret)
{
    struct frr_version v = {{UINT_MAX, UINT_MAX, UINT_MAX}};

    for (unsigned i = 0; i < 3; i++) {
        char *end;

        if (text[0] < '0' || text[0] > '9' || strspn(text, "0123456789") > 4)
            return false;
        v.part[i] = (unsigned)strtoul(text, &end, 10);
        if (!*end) {
            bool known = v.part[0] > 8 || (v.part[0] == 8 && v.part[1] >= 4);

            if (known)
                *ret = v;
            return known;
        }
        if (*end != '.')
            return false;
        text = end + 1;
    }
    return false;
}

/* The small buffer came with 9.0, was lost in 9.1 and came back in these releases. */
static double buffer_of(struct frr_version frr)
{
    static const unsigned small_from[] = {5, 5, 6, 4, 3, 2}; /* 10.0.5, 10.1.5, ... 10.5.2 */
    unsigned major = frr.part[0], minor = frr.part[1], patch = frr.part[2];

    if (major < 9 || (major == 9 && minor > 0))
        return BUFFER;
    if (major == 9)
        return SMALL_BUFFER;
    if (major > 10 || minor >= 7)
        return 0;
    return minor == 6 || patch >= small_from[minor] ? SMALL_BUFFER : BUFFER;
}

double frr_session_bytes(struct frr_version frr, bool *measured)
{
    double buffer = buffer_of(frr);

    *measured = frr.part[0] == 8;
    return SESSION - BUFFER + buffer;
}

void cost_set_memory(struct cost_figures *f, uint64_t prefixes, struct frr_version frr)
{
    bool measured;
    double session = frr_session_bytes(frr, &measured);
    double sessions = (double)f->sessions;

    f->openvpn = f->tunnels ? OPENVPN_SHARED + OPENVPN_OWN * (double)f->tunnels : 0;
    f->bgpd =
        BGPD + session * sessions + BGP_PREFIX * (double)prefixes + BGP_PATH * (double)f->paths;
    if (f->sessions > MANY_SESSIONS)
        f->bgpd += (SESSION_OF_MANY / SESSION - 1) * session * (sessions - MANY_SESSIONS);
}

/* --- one gateway ------------------------------------------------------------------------------ */

/* How many prefixes each LAN has, if it has a gateway. */
static uint32_t *prefixes_of_lans(const struct network *net, uint64_t *ret_sum)
{
    const struct mesh *mesh = net->mesh;
    uint32_t *n = xcalloc(mesh->n_lans + 1, sizeof(*n));
    uint64_t sum = 0;

    for (size_t i = 0; i < mesh->n_gateways; i++) {
        uint32_t lan = mesh->gateways[i].lan;

        if (!n[lan])
            sum += n[lan] = (uint32_t)mesh->lans[lan].n_prefixes;
    }
    *ret_sum = sum;
    return n;
}

/* Whether a link's interval may be another than the mesh's. */
static bool own_intervals(const struct mesh *mesh)
{
    for (size_t i = 0; i < mesh->n_gateways; i++)
        if (mesh->gateways[i].settings.bfd_interval)
            return true;
    for (size_t i = 0; i < mesh->n_links; i++)
        if (mesh->links[i].settings.bfd_interval)
            return true;
    return false;
}

/* frr-templates/: a session of BGP and one of BFD for each tunnel and family.  A sender of BFD
 * takes up to a quarter off each interval (RFC 5880, 6.8.7); that is not counted. */
static void compute_gateway(struct cost *cost, uint32_t self, const uint32_t *of_lan, bool own_bfd)
{
    const struct network *net = cost->net;
    const struct mesh *mesh = net->mesh;
    const struct network_gateway *gateway = &net->gateways[self];
    struct cost_figures *f = &cost->gateways[self];
    uint64_t own = of_lan[mesh->gateways[self].lan], known = own;
    bool transit = false;

    f->tunnels = gateway->n_peers;
    f->sessions = f->tunnels * cost->families;
    f->bfd = (double)f->sessions * 1000 / mesh->defaults.bfd_interval;
    if (own_bfd)
        f->bfd = 0;
    f->paths = own;
    for (uint32_t i = 0; i < gateway->n_peers; i++) {
        const struct network_peer *peer = &net->peers[gateway->first_peer + i];

        if (own_bfd)
            f->bfd += cost->families * 1000.0 /
                      network_link_settings(mesh, &net->links[peer->link]).bfd_interval;
        if (net->gateways[peer->gateway].transit) {
            transit = true;
            f->paths += cost->prefixes - own;
        } else {
            uint64_t given = of_lan[mesh->gateways[peer->gateway].lan];

            f->paths += given;
            known += given;
        }
    }
    if (transit || known > cost->prefixes)
        known = cost->prefixes;
    cost_set_memory(f, known, cost->frr);
}

void cost_ports(const struct network *net, uint32_t self, uint16_t *low, uint16_t *high)
{
    const struct network_gateway *gateway = &net->gateways[self];

    *low = *high = 0;
    for (uint32_t i = 0; i < gateway->n_peers; i++) {
        struct link_end end;

        network_link_end(net, self, &net->peers[gateway->first_peer + i], &end);
        if (i == 0 || end.local_port < *low)
            *low = end.local_port;
        if (end.local_port > *high)
            *high = end.local_port;
    }
}

/* --- the mesh --------------------------------------------------------------------------------- */

double cost_value(const struct cost_figures *f, enum cost_kind kind)
{
    switch (kind) {
    case COST_TUNNELS:
        return (double)f->tunnels;
    case COST_SESSIONS:
        return (double)f->sessions;
    case COST_PATHS:
        return (double)f->paths;
    case COST_BFD:
        return f->bfd;
    default:
        return f->openvpn + f->bgpd;
    }
}

static void add_to_class(struct cost_class *class, const struct cost *cost, uint32_t self)
{
    const struct cost_figures *f = &cost->gateways[self];

    for (enum cost_kind k = 0; k < COST_KINDS; k++)
        if (class->gateways == 0 ||
            cost_value(f, k) > cost_value(&cost->gateways[class->most[k]], k))
            class->most[k] = self;
    class->gateways++;
    class->sum.tunnels += f->tunnels;
    class->sum.sessions += f->sessions;
    class->sum.paths += f->paths;
    class->sum.bfd += f->bfd;
    class->sum.openvpn += f->openvpn;
    class->sum.bgpd += f->bgpd;
}

struct cost_figures cost_most(const struct cost *cost, const struct cost_class *class)
{
    const struct cost_figures *g = cost->gateways;
    const struct cost_figures *memory = &g[class->most[COST_MEMORY]];

    return (struct cost_figures){
        .tunnels = g[class->most[COST_TUNNELS]].tunnels,
        .sessions = g[class->most[COST_SESSIONS]].sessions,
        .paths = g[class->most[COST_PATHS]].paths,
        .bfd = g[class->most[COST_BFD]].bfd,
        .openvpn = memory->openvpn,
        .bgpd = memory->bgpd,
    };
}

static void compute_pools(struct cost *cost)
{
    const struct network *net = cost->net;

    for (unsigned f = 0; f < 2; f++) {
        struct cost_pool *pool = &cost->pool[f];

        for (size_t i = 0; i < net->n_pool[f]; i++) {
            uint64_t more = prefix_count(&net->pool[f][i], f ? 127 : 31);

            pool->size = pool->size + more < more ? UINT64_MAX : pool->size + more;
        }
        if (net->n_pool[f])
            pool->used = net->n_links;
    }
}

static void compute_updates(struct cost *cost)
{
    const struct hunt_policy compiled = hunt_policy_of(cost->net), unbounded = {.everybody = true};
    const struct cost_class *classes[] = {&cost->leaf, &cost->transit};
    struct hunt_result r;

    for (unsigned i = 0; i < 2; i++) {
        if (!classes[i]->gateways)
            continue;
        r = hunt_withdrawal(cost->net, classes[i]->most[COST_TUNNELS], &compiled);
        if (r.updates < cost->updates)
            continue;
        cost->origin = classes[i]->most[COST_TUNNELS];
        cost->updates = r.updates;
        cost->updates_more = r.more;
    }
    r = hunt_withdrawal(cost->net, cost->origin, &unbounded);
    cost->updates_unbounded = r.updates;
    cost->updates_unbounded_more = r.more;
}

void cost_compute(const struct network *net, struct frr_version frr, struct cost *ret)
{
    uint32_t n = (uint32_t)net->mesh->n_gateways, *of_lan;
    bool own_bfd = own_intervals(net->mesh);

    *ret = (struct cost){.net = net, .frr = frr};
    ret->families = (unsigned)net->mesh->has_ipv4 + (unsigned)net->mesh->has_ipv6;
    ret->gateways = xcalloc(n + 1u, sizeof(*ret->gateways));
    of_lan = prefixes_of_lans(net, &ret->prefixes);
    for (uint32_t i = 0; i < n; i++) {
        compute_gateway(ret, i, of_lan, own_bfd);
        add_to_class(&ret->all, ret, i);
        add_to_class(net->gateways[i].transit ? &ret->transit : &ret->leaf, ret, i);
    }
    free(of_lan);
    compute_pools(ret);
    if (n)
        compute_updates(ret);
}

void cost_clear(struct cost *cost)
{
    free(cost->gateways);
    *cost = (struct cost){0};
}
