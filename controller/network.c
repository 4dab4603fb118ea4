/* SPDX-License-Identifier: Apache-2.0 */
/* One end of one link: what follows from the numbers, the lock's overrides and the settings. */
#include "controller/network.h"

/* What OpenVPN adds to a packet with AES-256-GCM over UDP: IP header, UDP 8, opcode and peer id 4,
 * packet id 4, tag 16. */
#define OVERHEAD_IPV4 52
#define OVERHEAD_IPV6 72

static uint32_t smaller(uint32_t x, uint32_t y)
{
    return !x || (y && y < x) ? y : x;
}

static uint32_t larger(uint32_t x, uint32_t y)
{
    return x > y ? x : y;
}

static uint32_t first_set(uint32_t own, uint32_t gateways, uint32_t fallback)
{
    return own ? own : gateways ? gateways : fallback;
}

/* The careful one of two gateways: smaller packets, shorter queues and buffers, slower detection.
 */
struct mesh_settings network_link_settings(const struct mesh *mesh, const struct network_link *link)
{
    static const struct mesh_settings none;
    const struct mesh_settings *x = &mesh->gateways[link->a].settings,
                               *y = &mesh->gateways[link->b].settings, *d = &mesh->defaults,
                               *own = link->settings ? &mesh->links[link->settings - 1].settings
                                                     : &none;

    return (struct mesh_settings){
        .underlay_mtu = (uint16_t)first_set(
            own->underlay_mtu, smaller(x->underlay_mtu, y->underlay_mtu), d->underlay_mtu),
        .bfd_interval =
            first_set(own->bfd_interval, larger(x->bfd_interval, y->bfd_interval), d->bfd_interval),
        .bfd_multiplier = (uint8_t)first_set(
            own->bfd_multiplier, larger(x->bfd_multiplier, y->bfd_multiplier), d->bfd_multiplier),
        .queue_length = first_set(own->queue_length, smaller(x->queue_length, y->queue_length),
                                  d->queue_length),
        .socket_buffer = first_set(own->socket_buffer, smaller(x->socket_buffer, y->socket_buffer),
                                   d->socket_buffer),
    };
}

/* Both ends must come to the same figure, so it looks at both endpoints: the small overhead only
 * where no end can be reached over anything but IPv4. */
static unsigned overhead(const struct mesh *mesh, const struct network_link *link)
{
    const uint32_t ends[] = {link->a, link->b};

    for (unsigned i = 0; i < 2; i++) {
        const struct mesh_gateway *g = &mesh->gateways[ends[i]];

        if (g->endpoint && g->endpoint_family != FAMILY_IPV4)
            return OVERHEAD_IPV6;
    }
    return OVERHEAD_IPV4;
}

/* The lower address of link `index` in a pool; family 0 when the pool is not that large
 * (allocate_network() has made sure that it is). */
static struct prefix pool_address(const struct prefix *pool, size_t n, uint64_t index)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t len = pool[i].family == FAMILY_IPV4 ? 31 : 127;
        uint64_t count = prefix_count(&pool[i], len);
        struct prefix ret = pool[i];
        uint64_t sum = 2 * index;

        if (index >= count) {
            index -= count;
            continue;
        }
        /* prefix_nth() without its checks: this is called for every end of every link. */
        for (int k = len / 8; k >= 0 && sum; k--) {
            sum += ret.addr[k];
            ret.addr[k] = (uint8_t)sum;
            sum >>= 8;
        }
        ret.len = len;
        return ret;
    }
    return (struct prefix){0};
}

static struct prefix host(struct prefix p)
{
    p.len = p.family == FAMILY_IPV4 ? 32 : 128;
    return p;
}

/* Both endpoints are addresses, of different families. */
static bool families_differ(const struct mesh *mesh, uint32_t a, uint32_t b)
{
    unsigned x = mesh->gateways[a].endpoint_family, y = mesh->gateways[b].endpoint_family;

    return x != FAMILY_NONE && y != FAMILY_NONE && x != y;
}

/* What base-port is raised by at the peers of a gateway, for one of their tunnels to it. */
static uint32_t port_number(const struct network_gateway *g, unsigned tunnel)
{
    return tunnel ? g->extra[tunnel - 1] : g->number;
}

void network_link_end(const struct network *net, uint32_t self, const struct network_peer *peer,
                      struct link_end *ret)
{
    const struct mesh *mesh = net->mesh;
    const struct network_link *link = &net->links[peer->link];
    const struct link_override *o = link->override;
    uint32_t number = net->gateways[self].number, other = net->gateways[peer->gateway].number;
    bool low = number < other, we_listen = mesh->gateways[self].endpoint;
    bool they_listen = mesh->gateways[peer->gateway].endpoint;
    uint16_t remote_port;

    *ret = (struct link_end){
        .self = self,
        .peer = peer->gateway,
        .link = link,
        .remote_host = mesh->gateways[peer->gateway].endpoint,
        .role = (we_listen == they_listen ? low : we_listen) ? LINK_ROLE_SERVER : LINK_ROLE_CLIENT,
        .settings = network_link_settings(mesh, link),
    };
    for (unsigned f = 0; f < 2; f++) {
        if (!net->n_pool[f])
            continue;
        ret->address[f] = pool_address(net->pool[f], net->n_pool[f], link->index);
        ret->peer_address[f] = host(ret->address[f]);
        (low ? &ret->peer_address : &ret->address)[0][f].addr[f ? 15 : 3] |= 1;
    }
    ret->local_port =
        (uint16_t)(mesh->base_port + port_number(&net->gateways[peer->gateway], link->tunnel));
    remote_port = (uint16_t)(mesh->base_port + port_number(&net->gateways[self], link->tunnel));
    if (o && o->address_a.family && mesh->has_ipv4) {
        ret->address[0] = host(low ? o->address_a : o->address_b);
        ret->peer_address[0] = host(low ? o->address_b : o->address_a);
    }
    if (o && (low ? o->port_a : o->port_b))
        ret->local_port = low ? o->port_a : o->port_b;
    if (o && (low ? o->port_b : o->port_a))
        remote_port = low ? o->port_b : o->port_a;
    if (ret->role == LINK_ROLE_SERVER && families_differ(mesh, self, peer->gateway))
        ret->remote_host = NULL;
    ret->remote_port = ret->remote_host ? remote_port : 0;
    ret->tun_mtu = (uint16_t)(ret->settings.underlay_mtu - overhead(mesh, link));
}
