/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/path_bound.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "controller/network.h"
#include "controller/path_search.h"

#define WHOLE 256     /* up to so many gateways each is a vertex, */
#define CLASSES 1024u /* and up to so many where equal ones are left out */

/* Gateways without transit, each class of equal ones once: it is linked to `homes` of those that
 * give transit, and what else it is linked to does not matter. */
struct leaves {
    uint32_t *homes;   /* of all classes, one behind the other; by class, ascending */
    uint32_t *first;   /* by class; n + 1 of them */
    uint32_t *members; /* how many gateways a class has */
    uint32_t n, n_homes;
    uint32_t *at,
        *at_first; /* by vertex of the core: classes with a home there, fewest homes first */
};

static uint32_t class_size(const struct leaves *l, uint32_t class)
{
    return l->first[class + 1] - l->first[class];
}

/* The vertex of every gateway that gives transit, in the order of the gateways; returns how many.
 */
static uint32_t core_vertices(const struct network *net, uint32_t *vertex)
{
    uint32_t n = 0;

    for (size_t g = 0; g < net->mesh->n_gateways; g++)
        vertex[g] = net->gateways[g].transit ? n++ : PATH_NOBODY;
    return n;
}

static int compare_homes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* Appends the homes of a gateway to `ret`; tunnels of one pair stand side by side. */
static uint32_t find_homes(const struct network *net, uint32_t g, const uint32_t *vertex,
                           uint32_t *ret)
{
    const struct network_peer *peers = net->peers + net->gateways[g].first_peer;
    uint32_t n = 0;

    for (uint32_t i = 0; i < net->gateways[g].n_peers; i++) {
        uint32_t v = vertex[peers[i].gateway];

        if (v != PATH_NOBODY && (n == 0 || ret[n - 1] != v))
            ret[n++] = v;
    }
    if (n > 1)
        qsort(ret, n, sizeof(*ret), compare_homes);
    return n;
}

static uint32_t hash(const uint32_t *homes, uint32_t n)
{
    uint64_t h = n;

    for (uint32_t i = 0; i < n; i++)
        h = (h ^ homes[i]) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 29;
    return (uint32_t)(h ^ h >> 32);
}

static void leaves_init(struct leaves *l, const struct network *net, const uint32_t *vertex)
{
    size_t n = net->mesh->n_gateways, slots = 16, cap = 0;
    uint32_t *table;

    *l = (struct leaves){.n = 0};
    for (size_t g = 0; g < n; g++)
        if (vertex[g] == PATH_NOBODY)
            for (uint32_t i = 0; i < net->gateways[g].n_peers; i++)
                cap += vertex[net->peers[net->gateways[g].first_peer + i].gateway] != PATH_NOBODY;
    while (slots < 2 * n)
        slots *= 2;
    table = xmalloc(slots * sizeof(*table));
    memset(table, 0xff, slots * sizeof(*table));
    l->homes = xcalloc(cap, sizeof(*l->homes));
    l->first = xcalloc(n + 1, sizeof(*l->first));
    l->members = xcalloc(n, sizeof(*l->members));
    for (uint32_t g = 0; g < n; g++) {
        uint32_t *homes = l->homes + l->n_homes, count, at;

        if (vertex[g] != PATH_NOBODY || (count = find_homes(net, g, vertex, homes)) == 0)
            continue;
        at = hash(homes, count) & (uint32_t)(slots - 1);
        while (table[at] != PATH_NOBODY &&
               (class_size(l, table[at]) != count ||
                memcmp(l->homes + l->first[table[at]], homes, count * sizeof(*homes)) != 0))
            at = (at + 1) & (uint32_t)(slots - 1);
        if (table[at] == PATH_NOBODY) {
            table[at] = l->n;
            l->n_homes += count;
            l->first[++l->n] = l->n_homes;
        }
        l->members[table[at]]++;
    }
    free(table);
}

static void leaves_free(struct leaves *l)
{
    free(l->homes);
    free(l->first);
    free(l->members);
    free(l->at);
    free(l->at_first);
}

/* --- graphs ----------------------------------------------------------------------------------- */

static void add_links_among(struct path_graph *graph, const struct network *net,
                            const uint32_t *vertex)
{
    for (uint32_t g = 0; g < net->mesh->n_gateways; g++) {
        const struct network_peer *peers = net->peers + net->gateways[g].first_peer;

        for (uint32_t i = 0; i < net->gateways[g].n_peers && vertex[g] != PATH_NOBODY; i++) {
            bool again = i > 0 && peers[i - 1].gateway == peers[i].gateway;

            if (!again && peers[i].gateway > g && vertex[peers[i].gateway] != PATH_NOBODY)
                path_graph_edge(graph, vertex[g], vertex[peers[i].gateway]);
        }
    }
}

static unsigned bound_of_whole(const struct network *net, uint32_t *vertex)
{
    uint32_t n = (uint32_t)net->mesh->n_gateways;
    struct path_graph *graph = path_graph_new(n, (uint32_t)net->n_links);
    unsigned bound;

    for (uint32_t g = 0; g < n; g++) {
        vertex[g] = g;
        if (net->gateways[g].transit)
            path_graph_forwards(graph, g);
    }
    add_links_among(graph, net, vertex);
    bound = path_search(graph, NULL);
    path_graph_free(graph);
    return bound;
}

static struct path_graph *core_graph(const struct network *net, const uint32_t *vertex,
                                     uint32_t n_core, uint32_t more, uint32_t more_edges)
{
    struct path_graph *graph = path_graph_new(n_core + more, (uint32_t)net->n_links + more_edges);

    for (uint32_t v = 0; v < n_core; v++)
        path_graph_forwards(graph, v);
    add_links_among(graph, net, vertex);
    return graph;
}

/* Gateways of one class are interchangeable and never on the way of anybody, so two of each show
 * every distance that there is.  Links between leaves are left out: where one is up it is the
 * shorter way, and its failure leaves what is measured here. */
static unsigned bound_of_classes(const struct network *net, const uint32_t *vertex, uint32_t n_core,
                                 const struct leaves *l)
{
    struct path_graph *graph = core_graph(net, vertex, n_core, 2 * l->n, 2 * l->n_homes);
    uint32_t next = n_core;
    unsigned bound;

    for (uint32_t c = 0; c < l->n; c++)
        for (uint32_t k = 0; k < 2 && k < l->members[c]; k++, next++)
            for (uint32_t i = l->first[c]; i < l->first[c + 1]; i++)
                path_graph_edge(graph, next, l->homes[i]);
    bound = path_search(graph, NULL);
    path_graph_free(graph);
    return bound;
}

/* --- the core, and who is linked to it -------------------------------------------------------- */

/* For each vertex of the core the classes that have a home there, those with the fewest first. */
static void index_homes(struct leaves *l, uint32_t n_core)
{
    uint32_t most = 0, *filled = xcalloc(n_core + 1, sizeof(*filled));

    l->at_first = xcalloc(n_core + 1, sizeof(*l->at_first));
    l->at = xcalloc(l->n_homes, sizeof(*l->at));
    for (uint32_t i = 0; i < l->n_homes; i++)
        l->at_first[l->homes[i] + 1]++;
    for (uint32_t v = 0; v < n_core; v++)
        l->at_first[v + 1] += l->at_first[v];
    for (uint32_t c = 0; c < l->n; c++)
        most = class_size(l, c) > most ? class_size(l, c) : most;
    for (uint32_t size = 1; size <= most; size++) {
        uint32_t larger = UINT32_MAX;

        for (uint32_t c = 0; c < l->n; c++) {
            if (class_size(l, c) > size && class_size(l, c) < larger)
                larger = class_size(l, c);
            for (uint32_t i = l->first[c]; class_size(l, c) == size && i < l->first[c + 1]; i++)
                l->at[l->at_first[l->homes[i]] + filled[l->homes[i]]++] = c;
        }
        if (larger != UINT32_MAX)
            size = larger - 1;
    }
    free(filled);
}

static bool has_leaves(const struct leaves *l, uint32_t v)
{
    return l->at_first[v] < l->at_first[v + 1];
}

static bool has_single_homed(const struct leaves *l, uint32_t v)
{
    return has_leaves(l, v) && class_size(l, l->at[l->at_first[v]]) == 1;
}

struct judge {
    const struct leaves *leaves;
    uint32_t n_leaves;
    unsigned bound;
};

static void raise(struct judge *j, unsigned length)
{
    j->bound = length > j->bound ? length : j->bound;
}

/* Everything is up, or a leaf has lost one of its links: from `from` to each leaf, and from each
 * leaf at `from` to each other. */
static void judge_reached(void *userdata, const struct path_view *view)
{
    struct judge *j = userdata;

    for (uint32_t i = 0; i < view->n_reached; i++) {
        uint32_t v = view->reached[i];

        if (!has_leaves(j->leaves, v))
            continue;
        raise(j, view->distance[v] + 1);
        if (j->n_leaves > 1 && has_leaves(j->leaves, view->from))
            raise(j, view->distance[v] + 2);
    }
}

/* The distance to a leaf of this class whose every home that is left is concerned; 0: it has
 * another, or is cut off. */
static unsigned concerned_class(const struct path_view *view, const struct leaves *l, uint32_t c)
{
    unsigned nearest = 0;

    for (uint32_t i = l->first[c]; i < l->first[c + 1]; i++) {
        uint32_t home = l->homes[i];

        if (home == view->gone)
            continue;
        if (!path_concerned(view, home))
            return 0;
        if (view->longer[home] && (!nearest || view->longer[home] < nearest))
            nearest = view->longer[home];
    }
    return nearest ? nearest + 1 : 0;
}

/* A link or a vertex of the core is down, and the way from `from` to some others became longer.
 * That makes it longer to a leaf only if all its homes are among them. */
static void judge_failure(void *userdata, const struct path_view *view)
{
    struct judge *j = userdata;
    const struct leaves *l = j->leaves;
    uint32_t most = view->n_concerned + (view->gone != PATH_NOBODY);
    bool more = has_leaves(l, view->from) && (!view->own_link || has_single_homed(l, view->from)) &&
                j->n_leaves > 1;

    for (uint32_t i = 0; i < view->n_concerned; i++) {
        uint32_t v = view->concerned[i];

        /* What it could add at most. */
        if (!view->longer[v] || view->longer[v] + 1 + more <= j->bound)
            continue;
        for (uint32_t k = l->at_first[v]; k < l->at_first[v + 1]; k++) {
            unsigned length;

            if (class_size(l, l->at[k]) > most)
                break;
            length = concerned_class(view, l, l->at[k]);
            if (length)
                raise(j, length + more);
        }
    }
}

static unsigned bound_of_core(const struct network *net, const uint32_t *vertex, uint32_t n_core,
                              struct leaves *l)
{
    struct path_graph *graph = core_graph(net, vertex, n_core, 0, 0);
    struct judge judge = {.leaves = l, .bound = 1};
    const struct path_visitor visitor = {judge_reached, judge_failure, &judge};
    unsigned bound;

    for (uint32_t c = 0; c < l->n; c++)
        judge.n_leaves += l->members[c];
    index_homes(l, n_core);
    bound = path_search(graph, judge.n_leaves ? &visitor : NULL);
    path_graph_free(graph);
    if (bound == PATH_UNKNOWN)
        return PATH_UNKNOWN;
    return bound > judge.bound ? bound : judge.bound;
}

unsigned path_bound(const struct network *net, enum path_bound_way way)
{
    uint32_t n = (uint32_t)net->mesh->n_gateways, n_core, *vertex = xcalloc(n, sizeof(*vertex));
    struct leaves leaves;
    unsigned bound;

    if (way == PATH_BOUND_BEST && n <= WHOLE)
        way = PATH_BOUND_WHOLE;
    n_core = core_vertices(net, vertex);
    leaves_init(&leaves, net, vertex);
    if (way == PATH_BOUND_BEST)
        way = n_core + 2 * leaves.n <= CLASSES ? PATH_BOUND_CLASSES : PATH_BOUND_CORE;
    if (way == PATH_BOUND_WHOLE)
        bound = bound_of_whole(net, vertex);
    else if (way == PATH_BOUND_CLASSES)
        bound = bound_of_classes(net, vertex, n_core, &leaves);
    else
        bound = bound_of_core(net, vertex, n_core, &leaves);
    leaves_free(&leaves);
    free(vertex);
    /* No path crosses a gateway twice. */
    if (bound == PATH_UNKNOWN)
        bound = n_core + 1;
    if (bound > n - 1 && n > 1)
        bound = n - 1;
    return bound ? bound : 1;
}
