/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl cost`: what the mesh asks of its gateways, for a person or as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/cli.h"
#include "controller/compiled.h"
#include "controller/cost.h"
#include "controller/locate.h"
#include "controller/network.h"

#define LARGEST_SHOWN 5

/* --- for a person ----------------------------------------------------------------------------- */

static void add_version(struct buf *b, struct frr_version frr)
{
    for (unsigned i = 0; i < 3 && frr.part[i] != UINT_MAX; i++)
        buf_printf(b, "%s%u", i ? "." : "", frr.part[i]);
}

static void add_row(struct buf *b, const char *what, const struct cost_figures *f)
{
    _cleanup_buf_ struct buf size = BUF_INIT;

    buf_size(&size, cost_value(f, COST_MEMORY));
    buf_printf(b, "%-32.32s %10" PRIu64 " %10" PRIu64 " %11" PRIu64 " %9.0f %9s\n", what,
               f->tunnels, f->sessions, f->paths, f->bfd, buf_cstr(&size));
}

static void add_class(struct buf *b, const struct cost *cost, const struct cost_class *class,
                      const char *what)
{
    _cleanup_free_ char *title = xasprintf("%" PRIu32 " %s, at most", class->gateways, what);
    struct cost_figures most;

    if (class->gateways == 0)
        return;
    most = cost_most(cost, class);
    add_row(b, title, &most);
}

static const struct cost *sorted_cost; /* qsort() hands nothing to its function */

static int compare_gateways(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    double mx = cost_value(&sorted_cost->gateways[x], COST_MEMORY);
    double my = cost_value(&sorted_cost->gateways[y], COST_MEMORY);

    if (mx != my)
        return mx > my ? -1 : 1;
    return (x > y) - (x < y);
}

static void add_largest(struct buf *b, const struct cost *cost)
{
    const struct mesh *mesh = cost->net->mesh;
    uint32_t *order = xcalloc(mesh->n_gateways + 1, sizeof(*order));

    for (uint32_t i = 0; i < mesh->n_gateways; i++)
        order[i] = i;
    sorted_cost = cost;
    qsort(order, mesh->n_gateways, sizeof(*order), compare_gateways);
    for (size_t i = 0; i < mesh->n_gateways && i < LARGEST_SHOWN; i++)
        add_row(b, mesh->gateways[order[i]].name, &cost->gateways[order[i]]);
    free(order);
}

static void add_updates(struct buf *b, uint64_t n, bool more)
{
    buf_printf(b, "%s %" PRIu64, more ? "more than" : "about", n);
}

static void add_pools(struct buf *b, const struct cost *cost)
{
    for (unsigned f = 0; f < 2; f++) {
        const struct cost_pool *p = &cost->pool[f];

        double share = p->size ? 100 * (double)p->used / (double)p->size : 0;

        if (!p->size)
            continue;
        buf_printf(b, "IPv%u link addresses: %" PRIu64 " of %" PRIu64 " pairs", f ? 6 : 4, p->used,
                   p->size);
        if (share >= 0.1)
            buf_printf(b, " (%.1f %%)", share);
        buf_char(b, '\n');
    }
}

static void add_mesh(struct buf *b, const struct cost *cost)
{
    const struct mesh *mesh = cost->net->mesh;
    size_t n = mesh->n_gateways;

    buf_printf(b, "mesh %s: %zu gateway%s, %zu link%s, FRR ", mesh->name, n, n == 1 ? "" : "s",
               cost->net->n_links, cost->net->n_links == 1 ? "" : "s");
    add_version(b, cost->frr);
    buf_printf(b, "\n\n%-32s %10s %10s %11s %9s %9s\n", "", "OpenVPN", "BGP", "BGP paths", "BFD",
               "memory");
    buf_printf(b, "%-32s %10s %10s %11s %9s\n", "", "processes", "sessions", "at most",
               "packets/s");
    add_row(b, "in sum", &cost->all.sum);
    add_class(b, cost, &cost->transit, "that give transit");
    add_class(b, cost, &cost->leaf, "leaves");
    buf_str(b, "\nthe largest:\n");
    add_largest(b, cost);
    buf_char(b, '\n');
    add_pools(b, cost);
    if (n == 0)
        return;
    buf_printf(b, "a prefix of '%s' is withdrawn: ", mesh->gateways[cost->origin].name);
    add_updates(b, cost->updates, cost->updates_more);
    buf_printf(b, " update message%s;\n  if every gateway gave transit, without a bound: ",
               cost->updates == 1 ? "" : "s");
    add_updates(b, cost->updates_unbounded, cost->updates_unbounded_more);
    buf_char(b, '\n');
}

static void add_gateway(struct buf *b, const struct cost *cost, uint32_t self)
{
    const struct network_gateway *gateway = &cost->net->gateways[self];
    const struct cost_figures *f = &cost->gateways[self];
    uint16_t low, high;
    bool measured;
    double session = frr_session_bytes(cost->frr, &measured);

    cost_ports(cost->net, self, &low, &high);
    buf_printf(b, "gateway %s: number %" PRIu32 ", AS %" PRIu32 ", %s\n\n",
               cost->net->mesh->gateways[self].name, gateway->number, gateway->asn,
               gateway->transit ? "gives transit" : "a leaf");
    buf_printf(b, "OpenVPN processes  %" PRIu64 ", ", f->tunnels);
    buf_size(b, f->openvpn);
    buf_printf(b, "\ntun interfaces     %" PRIu64, f->tunnels);
    buf_printf(b, "\nUDP ports          %" PRIu64, f->tunnels);
    if (f->tunnels)
        buf_printf(b, ", from %u to %u", low, high);
    buf_printf(
        b, "\nlink addresses     %" PRIu64 "\nBGP sessions       %" PRIu64 "\nbgpd               ",
        f->tunnels * cost->families, f->sessions);
    buf_size(b, f->bgpd);
    buf_str(b, " with FRR ");
    add_version(b, cost->frr);
    buf_str(b, ", each session ");
    buf_size(b, session);
    buf_printf(b, " (%s)\n", measured ? "measured" : "derived from its source");
    buf_printf(b, "BGP paths          %" PRIu64 " at most\n", f->paths);
    buf_printf(b, "BFD                %.0f packets/s sent, as many received\n", f->bfd);
}

/* --- as JSON ---------------------------------------------------------------------------------- */

void cli_add_figures(struct buf *b, const struct cost_figures *f)
{
    buf_printf(b,
               "\"openvpn-processes\": %" PRIu64 ", \"bgp-sessions\": %" PRIu64
               ", \"bgp-paths\": %" PRIu64 ", \"bfd-packets-sent\": %.1f, "
               "\"openvpn-bytes\": %.0f, \"bgpd-bytes\": %.0f",
               f->tunnels, f->sessions, f->paths, f->bfd, f->openvpn, f->bgpd);
}

static void add_json_class(struct buf *b, const struct cost *cost, const struct cost_class *class,
                           const char *member)
{
    struct cost_figures most = {0};

    if (class->gateways)
        most = cost_most(cost, class);
    buf_printf(b, "  \"%s\": {\"gateways\": %" PRIu32 ", \"sum\": {", member, class->gateways);
    cli_add_figures(b, &class->sum);
    buf_str(b, "}, \"most\": {");
    cli_add_figures(b, &most);
    buf_str(b, "}},\n");
}

static void add_json_gateway(struct buf *b, const struct cost *cost, uint32_t self)
{
    uint16_t low, high;

    cost_ports(cost->net, self, &low, &high);
    buf_str(b, "{\"name\": ");
    buf_json(b, cost->net->mesh->gateways[self].name);
    buf_printf(b, ", \"transit\": %s, ", cost->net->gateways[self].transit ? "true" : "false");
    cli_add_figures(b, &cost->gateways[self]);
    buf_printf(b, ", \"udp-port-low\": %u, \"udp-port-high\": %u}", low, high);
}

static void add_json(struct buf *b, const struct cost *cost, uint32_t only,
                     const struct error_list *warnings)
{
    const struct mesh *mesh = cost->net->mesh;
    bool measured, first = true;
    double session = frr_session_bytes(cost->frr, &measured);

    buf_str(b, "{\n  \"mesh\": ");
    buf_json(b, mesh->name);
    buf_str(b, ",\n  \"frr\": \"");
    add_version(b, cost->frr);
    buf_printf(b, "\",\n  \"bgp-session-bytes\": %.0f,\n  \"bgp-session-bytes-measured\": %s,\n",
               session, measured ? "true" : "false");
    buf_printf(b, "  \"links\": %zu,\n", cost->net->n_links);
    add_json_class(b, cost, &cost->all, "all");
    add_json_class(b, cost, &cost->transit, "transit");
    add_json_class(b, cost, &cost->leaf, "leaf");
    buf_str(b, "  \"link-addresses\": [");
    for (unsigned f = 0; f < 2; f++) {
        if (!cost->pool[f].size)
            continue;
        buf_printf(b, "%s{\"family\": \"ipv%u\", \"used\": %" PRIu64 ", \"size\": %" PRIu64 "}",
                   first ? "" : ", ", f ? 6 : 4, cost->pool[f].used, cost->pool[f].size);
        first = false;
    }
    buf_str(b, "],\n  \"withdrawal\": {\"origin\": ");
    buf_json(b, mesh->n_gateways ? mesh->gateways[cost->origin].name : "");
    buf_printf(b,
               ", \"updates\": %" PRIu64 ", \"more\": %s, \"unbounded-updates\": %" PRIu64
               ", \"unbounded-more\": %s},\n  \"gateways\": [",
               cost->updates, cost->updates_more ? "true" : "false", cost->updates_unbounded,
               cost->updates_unbounded_more ? "true" : "false");
    first = true;
    for (uint32_t i = 0; i < mesh->n_gateways; i++) {
        if (only != MESH_NONE && only != i)
            continue;
        buf_str(b, first ? "\n    " : ",\n    ");
        add_json_gateway(b, cost, i);
        first = false;
    }
    buf_str(b, "\n  ],\n  \"warnings\": [");
    cli_add_warnings(b, warnings);
    buf_str(b, "]\n}\n");
}

/* --- the command ------------------------------------------------------------------------------ */

static int find_gateway(const struct mesh *mesh, const char *name, uint32_t *ret,
                        struct error_list *err)
{
    *ret = MESH_NONE;
    for (uint32_t i = 0; name && i < mesh->n_gateways; i++)
        if (strcmp(mesh->gateways[i].name, name) == 0)
            *ret = i;
    if (name && *ret == MESH_NONE)
        return error_add(err, mesh->file, 0, NULL,
                         "there is no gateway '%s'; correct --gateway, or leave it out", name);
    return 0;
}

static int report(const struct network *net, const struct cli_args *args, struct frr_version frr,
                  struct error_list *warnings, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct cost cost;
    uint32_t only;
    int r = find_gateway(net->mesh, args->gateway, &only, err);

    if (r < 0)
        return r;
    cost_compute(net, frr, &cost);
    cost_warn(&cost, warnings);
    locate(args->argument, warnings);
    cli_print_warnings(warnings);
    if (args->json)
        add_json(&text, &cost, only, warnings);
    else if (only != MESH_NONE)
        add_gateway(&text, &cost, only);
    else
        add_mesh(&text, &cost);
    fputs(buf_cstr(&text), stdout);
    cost_clear(&cost);
    return 0;
}

int cli_cost(const struct cli_args *args)
{
    struct error_list warnings = ERROR_LIST_INIT, err = ERROR_LIST_INIT;
    struct frr_version frr = FRR_DEFAULT;
    struct compiled compiled = {0};
    int r = 0;

    if (args->frr && !frr_version_read(args->frr, &frr))
        r = error_add(
            &err, NULL, 0, NULL,
            "--frr '%s' is no version of FRR from 8.4 on; write for instance 8.4 or 10.5.2",
            args->frr);
    if (r == 0)
        r = compiled_load(args->argument, args->lock, &compiled, &warnings, &err);
    if (r == 0)
        r = report(compiled.net, args, frr, &warnings, &err);
    error_print(&err, stderr);
    compiled_clear(&compiled);
    error_clear(&warnings);
    error_clear(&err);
    return error_exit_code(r);
}
