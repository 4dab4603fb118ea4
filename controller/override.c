/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/override.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "controller/network.h"

struct checker {
    const struct network *net;
    const struct mesh *mesh;
    const char *lock_file;
    struct error_list *err;
    struct span *taken; /* sorted; they do not overlap each other */
    size_t n_taken;
};

/* --- addresses ----------------------------------------------------------------------------------
 */

/* IPv4 space that somebody has. */
struct span {
    struct prefix prefix;
    const char *lan; /* NULL: it is a link prefix */
};

static int compare_spans(const void *pa, const void *pb)
{
    const struct span *a = pa, *b = pb;

    return prefix_compare(&a->prefix, &b->prefix);
}

static void collect_taken(struct checker *c)
{
    const struct mesh *mesh = c->mesh;
    size_t n = c->net->n_pool[0];

    for (size_t i = 0; i < mesh->n_lans; i++)
        n += mesh->lans[i].n_prefixes;
    c->taken = xcalloc(n, sizeof(*c->taken));
    for (size_t i = 0; i < c->net->n_pool[0]; i++)
        c->taken[c->n_taken++].prefix = c->net->pool[0][i];
    for (size_t i = 0; i < mesh->n_lans; i++)
        for (size_t k = 0; k < mesh->lans[i].n_prefixes; k++)
            if (mesh->lans[i].prefixes[k].family == FAMILY_IPV4)
                c->taken[c->n_taken++] =
                    (struct span){mesh->lans[i].prefixes[k], mesh->lans[i].name};
    if (c->n_taken)
        qsort(c->taken, c->n_taken, sizeof(*c->taken), compare_spans);
}

/* The one that the address lies in; NULL: none. */
static const struct span *containing(const struct checker *c, const struct prefix *address)
{
    size_t low = 0, high = c->n_taken;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (prefix_compare(&c->taken[middle].prefix, address) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && prefix_contains(&c->taken[low - 1].prefix, address) ? &c->taken[low - 1]
                                                                          : NULL;
}

static void check_address(struct checker *c, const struct network_link *l,
                          const struct prefix *address)
{
    const struct span *by = address->family ? containing(c, address) : NULL;
    char x[PREFIX_TEXT_MAX], y[PREFIX_TEXT_MAX];
    _cleanup_free_ char *path = NULL;

    if (!by)
        return;
    path = by->lan ? xasprintf("/p2pvpn-mesh:mesh/lan[name='%s']/prefix", by->lan)
                   : xstrdup("/p2pvpn-mesh:mesh/addressing/link-prefix");
    error_add(c->err, c->mesh->file, 0, path,
              "%s contains %s, which %s: /p2pvpn-lock:lock/link[index='%" PRIu32
              "'] gives to the link of '%s' and '%s'; choose another prefix here, or take the "
              "addresses out of that record: the link then gets new ones",
              prefix_format(&by->prefix, x), prefix_format_address(address, y), c->lock_file,
              l->index, c->mesh->gateways[l->a].name, c->mesh->gateways[l->b].name);
}

/* --- ports --------------------------------------------------------------------------------------
 */

struct used_port {
    uint16_t port;
    uint32_t index, peer;
};

static int compare_ports(const void *pa, const void *pb)
{
    const struct used_port *a = pa, *b = pb;

    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Two links of one gateway cannot listen on one UDP port. */
static void check_ports(struct checker *c, uint32_t g)
{
    const struct network_gateway *gateway = &c->net->gateways[g];
    struct used_port *ports = xcalloc(gateway->n_peers, sizeof(*ports));

    for (uint32_t i = 0; i < gateway->n_peers; i++) {
        const struct network_peer *peer = &c->net->peers[gateway->first_peer + i];
        struct link_end end;

        network_link_end(c->net, g, peer, &end);
        ports[i] = (struct used_port){end.local_port, end.link->index, peer->gateway};
    }
    qsort(ports, gateway->n_peers, sizeof(*ports), compare_ports);
    for (uint32_t i = 1; i < gateway->n_peers; i++)
        if (ports[i - 1].port == ports[i].port)
            error_add(c->err, c->mesh->file, 0, "/p2pvpn-mesh:mesh/addressing/base-port",
                      "gateway '%s' would use UDP port %u for its links to '%s' and '%s': one of "
                      "them has it from %s: /p2pvpn-lock:lock/link; set base-port so that "
                      "base-port plus number keeps clear of the ports there",
                      c->mesh->gateways[g].name, ports[i].port,
                      c->mesh->gateways[ports[i - 1].peer].name,
                      c->mesh->gateways[ports[i].peer].name, c->lock_file);
    free(ports);
}

int override_check(const struct network *net, const char *lock_file, struct error_list *err)
{
    struct checker c = {.net = net, .mesh = net->mesh, .lock_file = lock_file, .err = err};
    size_t n = net->mesh->n_gateways, errors = err->n;
    bool *concerned = xcalloc(n, sizeof(*concerned));

    for (size_t i = 0; i < net->n_links; i++) {
        const struct network_link *l = &net->links[i];

        if (!l->override)
            continue;
        if (!c.taken)
            collect_taken(&c);
        concerned[l->a] = concerned[l->b] = true;
        check_address(&c, l, &l->override->address_a);
        check_address(&c, l, &l->override->address_b);
    }
    for (uint32_t g = 0; g < n; g++)
        if (concerned[g])
            check_ports(&c, g);
    free(concerned);
    free(c.taken);
    return err->n == errors ? 0 : -EINVAL;
}
