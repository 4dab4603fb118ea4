/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mesh as a layer 3 topology of the IETF: RFC 8345 and RFC 8346, encoded as RFC 7951 says.
 *
 * All ids are URIs, as the modules want it, and stay the same as long as the lock does:
 * p2pvpn:MESH of the network, p2pvpn:MESH/GATEWAY of a node, and p2pvpn:MESH/GATEWAY/INTERFACE of a
 * termination point and of the link that begins there; a link has a direction, so a tunnel is two.
 * There are no metrics: BGP counts the gateways on the way and nothing else.
 */
#include <ctype.h>
#include <string.h>

#include "common/buf.h"
#include "controller/export.h"
#include "controller/export_parts.h"

#define L3 "ietf-l3-unicast-topology:"
#define NT "ietf-network-topology:"

/* "p2pvpn:MESH/GATEWAY/INTERFACE", or the beginning of it. */
static void add_id(struct buf *b, const struct network *net, const char *gateway,
                   const char *interface)
{
    const char *parts[] = {net->mesh->name, gateway, interface};

    buf_str(b, "\"p2pvpn:");
    for (size_t i = 0; i < 3 && parts[i]; i++) {
        if (i)
            buf_char(b, '/');
        for (const char *s = parts[i]; *s; s++) /* RFC 3986, 2.1 and 2.3 */
            if (isalnum((unsigned char)*s) || strchr("-._~", *s))
                buf_char(b, *s);
            else
                buf_printf(b, "%%%02X", (unsigned)(unsigned char)*s);
    }
    buf_char(b, '"');
}

static void add_termination_point(struct buf *b, const struct network *net, const char *gateway,
                                  const struct export_end *e)
{
    char text[PREFIX_TEXT_MAX];
    bool first = true;

    buf_str(b, "{\"tp-id\": ");
    add_id(b, net, gateway, e->interface);
    buf_str(b, ", \"" L3 "l3-termination-point-attributes\": {\"ip-address\": [");
    for (unsigned f = 0; f < 2; f++) {
        if (!e->end.address[f].family)
            continue;
        buf_str(b, first ? "\"" : ", \"");
        buf_str(b, prefix_format_address(&e->end.address[f], text));
        buf_char(b, '"');
        first = false;
    }
    buf_str(b, "]}}");
}

static void add_node(struct buf *b, const struct network *net, uint32_t self)
{
    const struct network_gateway *gateway = &net->gateways[self];
    const struct mesh_gateway *g = &net->mesh->gateways[self];
    const struct mesh_lan *lan = &net->mesh->lans[g->lan];
    uint32_t id = gateway->router_id;

    buf_str(b, "{\n            \"node-id\": ");
    add_id(b, net, g->name, NULL);
    buf_str(b, ",\n            \"" L3 "l3-node-attributes\": {");
    if (export_is_domain_name(g->name)) {
        buf_str(b, "\"name\": ");
        buf_json(b, g->name);
        buf_str(b, ", ");
    }
    buf_printf(b, "\"router-id\": [\"%u.%u.%u.%u\"], \"prefix\": [", id >> 24, id >> 16 & 255,
               id >> 8 & 255, id & 255);
    for (size_t i = 0; i < lan->n_prefixes; i++) {
        buf_str(b, i ? ", {\"prefix\": " : "{\"prefix\": ");
        export_prefixes(b, &lan->prefixes[i], 1);
        buf_char(b, '}');
    }
    buf_str(b, "]},\n            \"" NT "termination-point\": [");
    for (uint32_t i = 0; i < gateway->n_peers; i++) {
        struct export_end e;

        export_end(net, self, net->peers[gateway->first_peer + i].link, &e);
        buf_str(b, i ? ",\n              " : "\n              ");
        add_termination_point(b, net, g->name, &e);
    }
    buf_str(b, "\n            ]\n          }");
}

static void add_link(struct buf *b, const struct network *net, uint32_t from, size_t link)
{
    const struct network_link *l = &net->links[link];
    uint32_t to = l->a == from ? l->b : l->a;
    const char *from_name = net->mesh->gateways[from].name;
    const char *to_name = net->mesh->gateways[to].name;
    struct export_end source, destination;

    export_end(net, from, link, &source);
    export_end(net, to, link, &destination);
    buf_str(b, "{\"link-id\": ");
    add_id(b, net, from_name, source.interface);
    buf_str(b, ", \"source\": {\"source-node\": ");
    add_id(b, net, from_name, NULL);
    buf_str(b, ", \"source-tp\": ");
    add_id(b, net, from_name, source.interface);
    buf_str(b, "}, \"destination\": {\"dest-node\": ");
    add_id(b, net, to_name, NULL);
    buf_str(b, ", \"dest-tp\": ");
    add_id(b, net, to_name, destination.interface);
    buf_str(b, "}, \"" L3 "l3-link-attributes\": {\"name\": ");
    buf_json(b, source.alias);
    buf_str(b, "}}");
}

void export_ietf(const struct network *net, struct buf *ret)
{
    const struct mesh *mesh = net->mesh;

    buf_str(ret, "{\n  \"ietf-network:networks\": {\n    \"network\": [\n      {\n"
                 "        \"network-id\": ");
    add_id(ret, net, NULL, NULL);
    buf_str(ret, ",\n        \"network-types\": {\"" L3 "l3-unicast-topology\": {}},\n"
                 "        \"" L3 "l3-topology-attributes\": {\"name\": ");
    buf_json(ret, mesh->name);
    buf_str(ret, "},\n        \"node\": [\n          ");
    for (uint32_t i = 0; i < mesh->n_gateways; i++) {
        buf_str(ret, i ? ", " : "");
        add_node(ret, net, i);
    }
    buf_str(ret, "\n        ],\n        \"" NT "link\": [");
    for (size_t i = 0; i < net->n_links; i++) {
        buf_str(ret, i ? ",\n          " : "\n          ");
        add_link(ret, net, net->links[i].a, i);
        buf_str(ret, ",\n          ");
        add_link(ret, net, net->links[i].b, i);
    }
    buf_str(ret, "\n        ]\n      }\n    ]\n  }\n}\n");
}
