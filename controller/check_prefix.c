/* SPDX-License-Identifier: Apache-2.0 */
/* Prefixes: each by itself, and which lies in which.  For the latter all prefixes are sorted, so
 * that an enclosing one comes before what it encloses, and passed once with the stack of those that
 * are still open: n log n however they overlap. */
#include <stdlib.h>
#include <string.h>

#include "controller/check_internal.h"

/* Where links have their addresses unless the lock says otherwise; so LANs are compared with it
 * where the lock is known (pool.h). */
#define DEFAULT_POOL "172.19.0.0/16"

/* Shorter ones swallow whole address plans, longer ones have no room for a host and a gateway. */
static const struct {
    uint8_t shortest, longest, longest_pool;
} limits[2] = {{8, 30, 31}, {16, 126, 127}};

struct span {
    struct prefix prefix;             /* without host bits */
    uint32_t lan;                     /* MESH_NONE: link addresses */
    uint32_t gateway;                 /* MESH_NONE: not the endpoint of a gateway */
    const struct document_node *node; /* NULL: the default link addresses */
};

/* False: it is nothing to compare with others. */
static bool check_one(const struct check *c, const struct mesh_prefix_place *place)
{
    const struct prefix *p = &place->prefix;
    bool v6 = p->family == FAMILY_IPV6, lan = place->lan != MESH_NONE;
    struct prefix network = prefix_network(p);
    char text[PREFIX_TEXT_MAX], other[PREFIX_TEXT_MAX];

    prefix_format(p, text);
    if (prefix_has_host_bits(p))
        check_report(c, c->err, place->node, NULL,
                     "%s has bits set behind its length; write %s, or correct the length", text,
                     prefix_format(&network, other));
    else if (lan && p->len < limits[v6].shortest)
        check_report(c, c->err, place->node, NULL,
                     "%s is too large for a LAN; write its real prefixes, the largest allowed is "
                     "a /%u",
                     text, limits[v6].shortest);
    else if (lan && p->len > limits[v6].longest)
        check_report(c, c->err, place->node, NULL,
                     "%s is too small for a LAN with a host and a gateway; write a prefix of /%u "
                     "or shorter",
                     text, limits[v6].longest);
    else if (!lan && p->len > limits[v6].longest_pool)
        check_report(c, c->err, place->node, NULL,
                     "%s is too small for the two addresses of a link; write a prefix of /%u or "
                     "shorter",
                     text, limits[v6].longest_pool);
    else if (prefix_is_special(p))
        check_report(c, c->err, place->node, NULL,
                     "%s is loopback, link-local, multicast or reserved space, which is not "
                     "routed; choose another prefix",
                     text);
    else if (!v6 && !c->mesh->allow_public_prefix && !prefix_is_private(p))
        check_report(c, c->err, place->node, NULL,
                     "%s is not in private space (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16); "
                     "correct it, or set addressing/allow-public-prefix to true if it is yours",
                     text);
    return !lan || p->len >= limits[v6].shortest;
}

static void owner_text(const struct check *c, const struct span *s, struct buf *ret)
{
    if (s->lan != MESH_NONE)
        buf_printf(ret, "of lan '%s'", c->mesh->lans[s->lan].name);
    else
        buf_str(ret, "of the link addresses");
    buf_printf(ret, " (line %u)", s->node->line);
}

/* Reported where it was written later. */
static void report_overlap(const struct check *c, const struct span *outer,
                           const struct span *inner)
{
    const struct span *late = inner, *early = outer;
    char text[PREFIX_TEXT_MAX], other[PREFIX_TEXT_MAX];
    _cleanup_buf_ struct buf owner = BUF_INIT;

    if (outer->node->line > inner->node->line) {
        late = outer;
        early = inner;
    }
    prefix_format(&late->prefix, text);
    prefix_format(&early->prefix, other);
    owner_text(c, early, &owner);
    if (prefix_compare(&late->prefix, &early->prefix) == 0)
        check_report(c, c->err, late->node, NULL,
                     "%s is also a prefix %s; no address can be in two places, change one of them",
                     text, buf_cstr(&owner));
    else if (late->lan == early->lan)
        check_report(c, c->err, late->node, NULL,
                     "%s overlaps %s %s, the same one; remove the one that is inside the other",
                     text, other, buf_cstr(&owner));
    else
        check_report(c, c->err, late->node, NULL,
                     "%s overlaps %s %s; no address can be in two places, change one of them", text,
                     other, buf_cstr(&owner));
}

static void report_endpoint(const struct check *c, const struct span *outer,
                            const struct span *inner)
{
    char text[PREFIX_TEXT_MAX], other[PREFIX_TEXT_MAX];
    _cleanup_buf_ struct buf owner = BUF_INIT;

    prefix_format_address(&inner->prefix, text);
    prefix_format(&outer->prefix, other);
    if (outer->node)
        owner_text(c, outer, &owner);
    else
        buf_str(&owner, "of the default link addresses");
    check_report(c, c->err, inner->node, NULL,
                 "%s lies in %s %s, so the tunnel would be routed through itself; write the "
                 "address that the gateway has outside of the mesh",
                 text, other, buf_cstr(&owner));
}

static int compare_spans(const void *pa, const void *pb)
{
    const struct span *a = pa, *b = pb;
    int r = prefix_compare(&a->prefix, &b->prefix);

    if (r)
        return r;
    if ((a->gateway != MESH_NONE) != (b->gateway != MESH_NONE))
        return a->gateway != MESH_NONE ? 1 : -1; /* behind the prefix that encloses it */
    if (!a->node || !b->node)
        return a->node ? 1 : b->node ? -1 : 0;
    if (a->node->line != b->node->line)
        return a->node->line < b->node->line ? -1 : 1;
    return a->lan < b->lan ? -1 : a->lan > b->lan;
}

static void sweep(const struct check *c, struct span *spans, size_t n)
{
    const struct span **open = xreallocarray(NULL, n, sizeof(*open));
    size_t depth = 0;

    qsort(spans, n, sizeof(*spans), compare_spans);
    for (size_t i = 0; i < n; i++) {
        while (depth && !prefix_contains(&open[depth - 1]->prefix, &spans[i].prefix))
            depth--;
        if (spans[i].gateway != MESH_NONE) {
            if (depth)
                report_endpoint(c, open[depth - 1], &spans[i]);
            continue;
        }
        if (spans[i].node) {
            size_t outer = depth;

            while (outer && !open[outer - 1]->node)
                outer--;
            if (outer)
                report_overlap(c, open[outer - 1], &spans[i]);
        }
        open[depth++] = &spans[i];
    }
    free(open);
}

void check_prefixes(const struct check *c)
{
    const struct mesh *m = c->mesh;
    bool pool_v4 = false;
    struct span *spans =
        xreallocarray(NULL, c->places->n_prefixes + m->n_gateways + 1, sizeof(*spans));
    size_t n = 0;

    for (size_t i = 0; i < c->places->n_prefixes; i++) {
        const struct mesh_prefix_place *place = &c->places->prefixes[i];

        pool_v4 |= place->lan == MESH_NONE && place->prefix.family == FAMILY_IPV4;
        if (!check_one(c, place))
            continue;
        spans[n++] = (struct span){.prefix = prefix_network(&place->prefix),
                                   .lan = place->lan,
                                   .gateway = MESH_NONE,
                                   .node = place->node};
    }
    if (m->has_ipv4 && !pool_v4) {
        spans[n] = (struct span){.lan = MESH_NONE, .gateway = MESH_NONE};
        if (prefix_parse(DEFAULT_POOL, &spans[n].prefix))
            n++;
    }
    for (uint32_t i = 0; i < m->n_gateways; i++) {
        const char *endpoint = m->gateways[i].endpoint;

        if (!endpoint || m->gateways[i].endpoint_family == FAMILY_NONE)
            continue;
        spans[n] = (struct span){.lan = MESH_NONE,
                                 .gateway = i,
                                 .node = document_child(c->places->gateways[i], "endpoint")};
        if (prefix_parse(endpoint, &spans[n].prefix))
            n++;
    }
    if (n)
        sweep(c, spans, n);
    free(spans);
}
