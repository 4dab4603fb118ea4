/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh as JSON of our own: p2pvpn-ctl(1) says what its members are. */
#include "common/buf.h"
#include "controller/export.h"
#include "controller/export_parts.h"

static void add_text(struct buf *b, const char *text)
{
    if (text)
        buf_json(b, text);
    else
        buf_str(b, "null");
}

static void add_router_id(struct buf *b, uint32_t id)
{
    buf_printf(b, "\"%u.%u.%u.%u\"", id >> 24, id >> 16 & 255, id >> 8 & 255, id & 255);
}

static void add_gateway(struct buf *b, const struct network *net, uint32_t self)
{
    const struct network_gateway *gateway = &net->gateways[self];
    const struct mesh_gateway *g = &net->mesh->gateways[self];
    const struct mesh_lan *lan = &net->mesh->lans[g->lan];

    buf_str(b, "{\"name\": ");
    buf_json(b, g->name);
    buf_printf(b, ", \"number\": %u, \"asn\": %u, \"router-id\": ", gateway->number, gateway->asn);
    add_router_id(b, gateway->router_id);
    buf_printf(b, ", \"transit\": %s, \"endpoint\": ", gateway->transit ? "true" : "false");
    add_text(b, g->endpoint);
    buf_str(b, ", \"lan\": ");
    buf_json(b, lan->name);
    buf_str(b, ", \"prefixes\": [");
    export_prefixes(b, lan->prefixes, lan->n_prefixes);
    buf_str(b, "], \"groups\": [");
    for (size_t i = 0; i < g->n_groups; i++) {
        if (i)
            buf_str(b, ", ");
        buf_json(b, g->groups[i]);
    }
    buf_str(b, "], \"description\": ");
    add_text(b, g->description);
    buf_char(b, '}');
}

static void add_end(struct buf *b, const struct network *net, uint32_t self, size_t link)
{
    struct prefix addresses[2];
    struct export_end e;
    size_t n = 0;

    export_end(net, self, link, &e);
    for (unsigned f = 0; f < 2; f++)
        if (e.end.address[f].family)
            addresses[n++] = e.end.address[f];
    buf_str(b, "{\"gateway\": ");
    buf_json(b, net->mesh->gateways[self].name);
    buf_str(b, ", \"interface\": ");
    buf_json(b, e.interface);
    buf_str(b, ", \"alias\": ");
    buf_json(b, e.alias);
    buf_str(b, ", \"addresses\": [");
    export_prefixes(b, addresses, n);
    buf_printf(b, "], \"port\": %u, \"role\": \"%s\"}", e.end.local_port,
               e.end.role == LINK_ROLE_SERVER ? "server" : "client");
}

void export_json(const struct network *net, struct buf *ret)
{
    const struct mesh *mesh = net->mesh;

    buf_str(ret, "{\n  \"mesh\": ");
    buf_json(ret, mesh->name);
    buf_str(ret, ",\n  \"description\": ");
    add_text(ret, mesh->description);
    buf_str(ret, ",\n  \"gateways\": [");
    for (uint32_t i = 0; i < mesh->n_gateways; i++) {
        buf_str(ret, i ? ",\n    " : "\n    ");
        add_gateway(ret, net, i);
    }
    buf_str(ret, "\n  ],\n  \"links\": [");
    for (size_t i = 0; i < net->n_links; i++) {
        const struct network_link *link = &net->links[i];

        buf_str(ret, i ? ",\n    " : "\n    ");
        buf_printf(ret, "{\"tunnel\": %u, \"a\": ", link->tunnel + 1u);
        add_end(ret, net, link->a, i);
        buf_str(ret, ", \"b\": ");
        add_end(ret, net, link->b, i);
        buf_char(ret, '}');
    }
    buf_str(ret, "\n  ]\n}\n");
}
