/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh as a drawing for Graphviz. */
#include <string.h>

#include "common/buf.h"
#include "controller/export.h"
#include "controller/export_parts.h"
#include "controller/topology.h"

/* Above so many gateways a node shows its name only, and above so many more it is a dot. */
#define DETAILED_MAX 40
#define NAMED_MAX 400
#define PREFIXES_SHOWN 3
/* In layers, as far as a page goes. */
#define LAYERED_MAX 60
#define ROW_MAX 16

/* --- text ------------------------------------------------------------------------------------- */

/* In quotes, as an identifier: only a quote ends it, and a backslash before one would not let it.
 * Graphviz takes nothing else in it for more than it is. */
static void add_id(struct buf *b, const char *s)
{
    buf_char(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_char(b, '\\');
        buf_char(b, *s);
    }
    buf_char(b, '"');
}

/* Within the quotes of a label: \N, \G, &lt; and the like would be replaced, and a control
 * character makes an SVG that no reader takes. */
static void add_label(struct buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_char(b, '\\');
        if (*s == '&')
            buf_str(b, "&amp;");
        else
            buf_char(b, (unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
    }
}

/* --- what is drawn ---------------------------------------------------------------------------- */

static void add_tooltip(struct buf *b, const struct network *net, uint32_t self)
{
    const struct network_gateway *gateway = &net->gateways[self];
    const struct mesh_gateway *g = &net->mesh->gateways[self];

    buf_str(b, "tooltip=\"");
    add_label(b, g->name);
    buf_printf(b, ", number %u, AS %u, ", gateway->number, gateway->asn);
    add_label(b, gateway->transit ? "gives transit" : "a leaf");
    buf_printf(b, ", %u tunnel%s", gateway->n_peers, gateway->n_peers == 1 ? "" : "s");
    buf_str(b, g->endpoint ? "\\nendpoint " : "\\nonly calls out");
    add_label(b, g->endpoint ? g->endpoint : "");
    if (g->description) {
        buf_str(b, "\\n");
        add_label(b, g->description);
    }
    buf_char(b, '"');
}

static void add_detail(struct buf *b, const struct network *net, uint32_t self)
{
    const struct mesh_lan *lan = &net->mesh->lans[net->mesh->gateways[self].lan];
    char text[PREFIX_TEXT_MAX];

    if (strcmp(lan->name, net->mesh->gateways[self].name) != 0) {
        buf_str(b, "\\n");
        add_label(b, lan->name);
    }
    for (size_t i = 0; i < lan->n_prefixes && i < PREFIXES_SHOWN; i++) {
        buf_str(b, "\\n");
        add_label(b, prefix_format(&lan->prefixes[i], text));
    }
    if (lan->n_prefixes > PREFIXES_SHOWN)
        buf_printf(b, "\\nand %zu more", lan->n_prefixes - PREFIXES_SHOWN);
    buf_printf(b, "\\nAS %u", net->gateways[self].asn);
}

static void add_node(struct buf *b, const struct network *net, uint32_t self, const char *indent)
{
    size_t n = net->mesh->n_gateways;

    buf_str(b, indent);
    add_id(b, net->mesh->gateways[self].name);
    buf_str(b, " [");
    if (n <= NAMED_MAX) {
        buf_str(b, "label=\"");
        add_label(b, net->mesh->gateways[self].name);
        if (n <= DETAILED_MAX)
            add_detail(b, net, self);
        buf_str(b, "\", ");
    }
    if (net->gateways[self].transit)
        buf_str(b, "class=\"transit\", fillcolor=\"#9fc0e8\", penwidth=2, ");
    add_tooltip(b, net, self);
    buf_str(b, "];\n");
}

static bool same_pair(const struct network_link *x, const struct network_link *y)
{
    return x->a == y->a && x->b == y->b;
}

size_t export_dot_edges(const struct network *net)
{
    size_t n = 0;

    for (size_t i = 0; i < net->n_links; i++)
        n += i == 0 || !same_pair(&net->links[i - 1], &net->links[i]);
    return n;
}

/* In layers, the end that is written first stands above: the one that gives transit.  Where both do
 * or none does, they stand side by side. */
static void add_edge(struct buf *b, const struct network *net, const struct network_link *link,
                     size_t tunnels, bool layered)
{
    bool a = net->gateways[link->a].transit, z = net->gateways[link->b].transit;
    uint32_t first = !a && z ? link->b : link->a, second = first == link->a ? link->b : link->a;
    const char *separator = " [";

    buf_str(b, "  ");
    add_id(b, net->mesh->gateways[first].name);
    buf_str(b, " -- ");
    add_id(b, net->mesh->gateways[second].name);
    if (tunnels > 1) {
        buf_printf(b, "%slabel=\"×%zu\", penwidth=%zu", separator, tunnels, tunnels);
        separator = ", ";
    }
    if (layered && a == z) {
        buf_printf(b, "%sconstraint=false", separator);
        separator = ", ";
    }
    buf_str(b, separator[0] == ',' ? "];\n" : ";\n");
}

static void add_edges(struct buf *b, const struct network *net, bool layered)
{
    for (size_t i = 0, tunnels; i < net->n_links; i += tunnels) {
        const struct network_link *link = &net->links[i];

        for (tunnels = 1; i + tunnels < net->n_links; tunnels++)
            if (!same_pair(link, &net->links[i + tunnels]))
                break;
        add_edge(b, net, link, tunnels, layered);
    }
}

/* --- groups ----------------------------------------------------------------------------------- */

static size_t members(const struct mesh *mesh, const char *group)
{
    size_t n = 0;

    for (size_t i = 0; i < mesh->n_gateways; i++)
        n += topology_in_groups(&mesh->gateways[i], &group, 1);
    return n;
}

/* A frame can be drawn where each gateway is in one: its smallest group, which says most about it;
 * of equal ones the first. */
static const char *frame_of(const struct mesh *mesh, uint32_t i)
{
    const struct mesh_gateway *g = &mesh->gateways[i];
    size_t best = SIZE_MAX;
    const char *ret = NULL;

    for (size_t k = 0; k < g->n_groups; k++) {
        size_t n = members(mesh, g->groups[k]);

        if (n < best) {
            best = n;
            ret = g->groups[k];
        }
    }
    return ret;
}

static bool is_first(const struct mesh *mesh, uint32_t self)
{
    for (uint32_t i = 0; i < self; i++)
        if (frame_of(mesh, i) && strcmp(frame_of(mesh, i), frame_of(mesh, self)) == 0)
            return false;
    return true;
}

static void add_nodes(struct buf *b, const struct network *net, bool framed)
{
    const struct mesh *mesh = net->mesh;

    for (uint32_t i = 0; framed && i < mesh->n_gateways; i++) {
        if (!frame_of(mesh, i) || !is_first(mesh, i))
            continue;
        /* Graphviz draws a frame around what is called so; which one it is, is of no importance. */
        buf_printf(b, "  subgraph cluster%u {\n    labeljust=l;\n    label=\"", i);
        add_label(b, frame_of(mesh, i));
        buf_str(b, "\";\n");
        for (uint32_t k = i; k < mesh->n_gateways; k++)
            if (frame_of(mesh, k) && strcmp(frame_of(mesh, i), frame_of(mesh, k)) == 0)
                add_node(b, net, k, "    ");
        buf_str(b, "  }\n");
    }
    for (uint32_t i = 0; i < mesh->n_gateways; i++)
        if (!framed || !frame_of(mesh, i))
            add_node(b, net, i, "  ");
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Whether to draw hubs in a row above their spokes: not if the row would be longer than a page. */
static bool has_layers(const struct network *net)
{
    const struct mesh *mesh = net->mesh;
    size_t transit = 0;
    bool hubs = false;

    for (size_t i = 0; i < mesh->n_gateways; i++)
        transit += net->gateways[i].transit;
    for (size_t i = 0; i < mesh->n_segments; i++)
        hubs |= mesh->segments[i].kind == SEGMENT_HUB_AND_SPOKE;
    return hubs && mesh->n_gateways <= LAYERED_MAX && transit <= ROW_MAX;
}

/* Straight lines below the nodes: to lead them around takes minutes for a hundred gateways. */
static const char *layout(size_t n, bool layered)
{
    return layered             ? "layout=dot, ranksep=1"
           : n <= DETAILED_MAX ? "layout=neato, overlap=false, start=1, outputorder=edgesfirst"
           : n <= NAMED_MAX    ? "layout=sfdp, overlap=prism, start=1, outputorder=edgesfirst"
                               : "layout=sfdp, overlap=true, start=1, outputorder=edgesfirst";
}

void export_dot(const struct network *net, struct buf *ret)
{
    size_t n = net->mesh->n_gateways;
    bool layered = has_layers(net);

    buf_str(ret, "graph ");
    add_id(ret, net->mesh->name);
    buf_str(ret, " {\n  graph [label=\"");
    add_label(ret, net->mesh->name);
    buf_printf(ret, ": %zu gateway%s, %zu link%s\", fontname=\"sans-serif\", color=\"#bbbbbb\", %s",
               n, n == 1 ? "" : "s", net->n_links, net->n_links == 1 ? "" : "s",
               layout(n, layered));
    buf_str(ret, "];\n  node [fontname=\"sans-serif\", style=filled, fillcolor=\"#eef3fa\", "
                 "color=\"#4a78b0\", ");
    buf_str(ret, n <= NAMED_MAX ? "shape=box" : "shape=point, width=0.1");
    buf_str(ret, "];\n  edge [color=\"#4a78b0\", fontname=\"sans-serif\"];\n");
    add_nodes(ret, net, layered);
    add_edges(ret, net, layered);
    buf_str(ret, "}\n");
}
