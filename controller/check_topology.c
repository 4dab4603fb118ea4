/* SPDX-License-Identifier: Apache-2.0 */
/* Segments and single links as they are written; what comes of them is topology.h's. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "controller/check_internal.h"
#include "controller/topology.h"

/* All groups that a gateway is in, sorted, each once. */
struct groups {
    const char **names;
    size_t n;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void groups_collect(const struct mesh *m, struct groups *ret)
{
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < m->n_gateways; i++)
        n += m->gateways[i].n_groups;
    ret->names = xreallocarray(NULL, n, sizeof(*ret->names));
    n = 0;
    for (size_t i = 0; i < m->n_gateways; i++)
        for (size_t k = 0; k < m->gateways[i].n_groups; k++)
            ret->names[n++] = m->gateways[i].groups[k];
    if (n)
        qsort(ret->names, n, sizeof(*ret->names), compare_names);
    for (size_t i = 0; i < n; i++)
        if (!kept || strcmp(ret->names[kept - 1], ret->names[i]) != 0)
            ret->names[kept++] = ret->names[i];
    ret->n = kept;
}

static void groups_free(struct groups *g)
{
    free(g->names);
}

/* Each group in a leaf-list of a segment has somebody in it. */
static void check_groups(const struct check *c, const struct groups *groups,
                         const struct document_node *node, const char *leaf)
{
    for (const struct document_node *n = node->children; n; n = n->next) {
        if (!document_named(n, leaf) || n->bad || !n->canonical)
            continue;
        if (!groups->n || !bsearch(&n->canonical, groups->names, groups->n, sizeof(*groups->names),
                                   compare_names))
            check_report(c, c->err, n, NULL,
                         "no gateway is in group '%s'; correct it, or add the group to a gateway",
                         n->canonical);
    }
}

static void check_segment(const struct check *c, const struct groups *groups, size_t i)
{
    const struct mesh *m = c->mesh;
    const struct mesh_segment *s = &m->segments[i];
    const struct document_node *node = c->places->segments[i];
    const struct document_node *kind = document_child(node, "kind");
    static const char *const hub_leaves[] = {"hub-group", "hubs-per-spoke"};
    uint32_t n_hubs = 0;

    check_groups(c, groups, node, "group");
    check_groups(c, groups, node, "hub-group");
    if (!kind || kind->bad)
        return; /* told; the rest depends on it */
    if (s->kind != SEGMENT_HUB_AND_SPOKE) {
        for (unsigned k = 0; k < 2; k++)
            if (document_child(node, hub_leaves[k]))
                check_report(c, c->err, node, hub_leaves[k],
                             "only a hub-and-spoke segment has hubs, and this is a %s; remove it, "
                             "or change the kind",
                             kind->canonical);
    } else if (!document_child(node, "hub-group")) {
        check_report(c, c->err, node, NULL,
                     "a hub-and-spoke segment needs hubs; name their group in 'hub-group'");
    } else if (s->hubs_per_spoke) {
        for (size_t k = 0; k < m->n_gateways; k++)
            n_hubs += topology_in_groups(&m->gateways[k], s->hub_groups, s->n_hub_groups);
        if (n_hubs && s->hubs_per_spoke > n_hubs)
            check_report(c, c->err, node, "hubs-per-spoke",
                         "%" PRIu32 " is more than there are gateways in the hub groups, %" PRIu32
                         "; lower it, or add hubs",
                         s->hubs_per_spoke, n_hubs);
    }
    if (s->kind != SEGMENT_FULL_MESH && document_child(node, "transit-members"))
        check_report(c, c->err, node, "transit-members",
                     "only a full-mesh segment has it, and this is a %s; remove it, or change the "
                     "kind",
                     kind->canonical);
}

static void check_links(const struct check *c)
{
    const struct mesh *m = c->mesh;
    size_t first = 0;

    for (size_t i = 0; i < m->n_links; i++) {
        const struct mesh_link *l = &m->links[i];
        const struct document_node *node = c->places->links[i];

        if (i && m->links[first].a == l->a && m->links[first].b == l->b)
            check_report(c, c->err, node, NULL,
                         "the link between '%s' and '%s' is there twice, the other is on line "
                         "%" PRIu32 "; remove one",
                         m->gateways[l->a].name, m->gateways[l->b].name, m->links[first].line);
        else
            first = i;
        if (l->a == l->b)
            check_report(c, c->err, node, NULL,
                         "a gateway cannot have a link to itself; name two different ones");
        else if (first == i && !document_child(c->places->gateways[l->a], "endpoint") &&
                 !document_child(c->places->gateways[l->b], "endpoint"))
            check_report(c, c->err, node, NULL,
                         "neither '%s' nor '%s' has an endpoint, so neither could call the other; "
                         "give one of them an endpoint, or remove the link",
                         m->gateways[l->a].name, m->gateways[l->b].name);
    }
}

void check_topology(const struct check *c)
{
    struct groups groups;

    groups_collect(c->mesh, &groups);
    for (size_t i = 0; i < c->mesh->n_segments; i++)
        check_segment(c, &groups, i);
    groups_free(&groups);
    check_links(c);
}
