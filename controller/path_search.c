/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/path_search.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define BUDGET (UINT64_C(1) << 28) /* edges looked at */

struct edge {
    uint32_t a, b;
};

struct path_graph {
    uint32_t n, n_edges;
    bool *forwards;
    struct edge *edges;
    /* From here on made by prepare().  The neighbors that forward come first. */
    uint32_t *first, *first_leaf;
    uint32_t *neighbors;
    uint64_t work;
};

/* One start and one failure at a time; everything by vertex, unless it says otherwise. */
struct walk {
    struct path_graph *g;
    const struct path_visitor *visitor;
    uint32_t *distance, *order; /* order: the vertices reached, nearest first */
    uint32_t n_reached;
    uint32_t *dominator, *depth;             /* the nearest vertex that no shortest way avoids */
    bool *only;                              /* the dominator is the only last step */
    uint32_t *size, *start, *next, *subtree; /* the tree of dominators, laid out in `subtree` */
    uint32_t *longer, *stamps, stamp;
    uint32_t *bucket;          /* by distance: the first one that waits with this estimate */
    uint32_t *waiting, *found; /* the one behind, in a bucket and among those just found */
    uint32_t bound;
};

struct path_graph *path_graph_new(uint32_t vertices, uint32_t edges)
{
    struct path_graph *g = xcalloc(1, sizeof(*g));

    g->n = vertices;
    g->forwards = xcalloc(vertices, sizeof(*g->forwards));
    g->edges = xcalloc(edges, sizeof(*g->edges));
    return g;
}

void path_graph_forwards(struct path_graph *g, uint32_t v)
{
    g->forwards[v] = true;
}

void path_graph_edge(struct path_graph *g, uint32_t a, uint32_t b)
{
    g->edges[g->n_edges++] = (struct edge){a, b};
}

struct path_graph *path_graph_free(struct path_graph *g)
{
    if (g) {
        free(g->forwards);
        free(g->edges);
        free(g->first);
        free(g->first_leaf);
        free(g->neighbors);
        free(g);
    }
    return NULL;
}

static void prepare(struct path_graph *g)
{
    uint32_t *at = xcalloc(g->n, sizeof(*at));

    g->first = xcalloc(g->n + 1u, sizeof(*g->first));
    g->first_leaf = xcalloc(g->n, sizeof(*g->first_leaf));
    g->neighbors = xcalloc(2 * (size_t)g->n_edges, sizeof(*g->neighbors));
    for (uint32_t i = 0; i < g->n_edges; i++) {
        const struct edge *e = &g->edges[i];

        g->first[e->a + 1]++;
        g->first[e->b + 1]++;
        at[e->a] += g->forwards[e->b];
        at[e->b] += g->forwards[e->a];
    }
    for (uint32_t v = 0; v < g->n; v++) {
        g->first[v + 1] += g->first[v];
        g->first_leaf[v] = g->first[v] + at[v];
    }
    memcpy(at, g->first_leaf, g->n * sizeof(*at));
    for (uint32_t i = 0; i < g->n_edges; i++) {
        const struct edge *e = &g->edges[i];
        const uint32_t ends[2][2] = {{e->a, e->b}, {e->b, e->a}};

        for (unsigned k = 0; k < 2; k++) {
            uint32_t v = ends[k][0], other = ends[k][1];
            uint32_t place = g->forwards[other] ? g->first[v]++ : at[v]++;

            g->neighbors[place] = other;
        }
    }
    /* Each `first` has moved on to where the leaves begin, so it is put back. */
    for (uint32_t v = g->n; v > 0; v--)
        g->first[v] = at[v - 1];
    if (g->n)
        g->first[0] = 0;
    free(at);
}

/* --- everything up ---------------------------------------------------------------------------- */

static uint32_t common_dominator(struct walk *w, uint32_t a, uint32_t b)
{
    while (a != b) {
        w->g->work++;
        if (w->depth[a] >= w->depth[b])
            a = w->dominator[a];
        else
            b = w->dominator[b];
    }
    return a;
}

static void walk_from(struct walk *w, uint32_t from)
{
    struct path_graph *g = w->g;
    uint32_t level_end = 1;

    memset(w->distance, 0xff, g->n * sizeof(*w->distance));
    w->distance[from] = 0;
    w->dominator[from] = from;
    w->depth[from] = 0;
    w->order[0] = from;
    w->n_reached = 1;
    for (uint32_t i = 0; i < w->n_reached; i++) {
        uint32_t v = w->order[i];

        if (i == level_end) {
            /* All who lead to this level are known. */
            level_end = w->n_reached;
            for (uint32_t k = i; k < level_end; k++)
                w->depth[w->order[k]] = w->depth[w->dominator[w->order[k]]] + 1;
        }
        if (!g->forwards[v] && v != from)
            continue;
        /* Nobody is left for the next level. */
        if (w->n_reached == g->n && level_end == g->n)
            continue;
        g->work += g->first[v + 1] - g->first[v];
        for (uint32_t k = g->first[v]; k < g->first[v + 1]; k++) {
            uint32_t other = g->neighbors[k];

            if (w->distance[other] == PATH_NOBODY) {
                w->distance[other] = w->distance[v] + 1;
                w->dominator[other] = v;
                w->only[other] = true;
                w->order[w->n_reached++] = other;
            } else if (w->distance[other] == w->distance[v] + 1) {
                w->only[other] = false;
                w->dominator[other] = common_dominator(w, w->dominator[other], v);
            }
        }
    }
}

/* The tree of dominators in one array: each vertex, then all that it dominates. */
static void lay_out(struct walk *w)
{
    for (uint32_t i = 0; i < w->n_reached; i++)
        w->size[w->order[i]] = 1;
    for (uint32_t i = w->n_reached; i-- > 1;)
        w->size[w->dominator[w->order[i]]] += w->size[w->order[i]];
    for (uint32_t i = 0; i < w->n_reached; i++) {
        uint32_t v = w->order[i];

        if (i == 0) {
            w->start[v] = 0;
        } else {
            w->start[v] = w->next[w->dominator[v]];
            w->next[w->dominator[v]] += w->size[v];
        }
        w->next[v] = w->start[v] + 1;
        w->subtree[w->start[v]] = v;
    }
}

/* --- one thing down --------------------------------------------------------------------------- */

/* The first estimate of one that is concerned: over a neighbor that is not.  `gone` is a vertex, or
 * the edge from it to `end`. */
static uint32_t around(struct walk *w, uint32_t v, uint32_t gone, uint32_t end)
{
    struct path_graph *g = w->g;
    uint32_t best = PATH_NOBODY, k;

    for (k = g->first[v]; k < g->first_leaf[v]; k++) {
        uint32_t u = g->neighbors[k];

        if (w->distance[u] >= best || w->stamps[u] == w->stamp ||
            (u == gone && (end == PATH_NOBODY || end == v)))
            continue;
        best = w->distance[u] + 1;
        if (best <= w->distance[v] + 1) /* it has become longer, so this is the least */
            break;
    }
    g->work += k - g->first[v] + 1;
    return best;
}

/* The new distances among `n` that are concerned, which may lead over each other: nearest first,
 * those that wait with an estimate and those that were just found in one wave. */
static void settle(struct walk *w, const uint32_t *concerned, uint32_t n, uint32_t gone,
                   uint32_t end)
{
    struct path_graph *g = w->g;
    uint32_t low = PATH_NOBODY, high = 0, wave = PATH_NOBODY;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t v = concerned[i], d = around(w, v, gone, end);

        w->longer[v] = d == PATH_NOBODY ? 0 : d;
        if (d == PATH_NOBODY || n == 1)
            continue;
        w->waiting[v] = w->bucket[d];
        w->bucket[d] = v;
        low = d < low ? d : low;
        high = d > high ? d : high;
    }
    for (uint32_t d = low; low != PATH_NOBODY && (d <= high || wave != PATH_NOBODY); d++) {
        uint32_t found = PATH_NOBODY;

        for (unsigned pass = 0; pass < 2; pass++) {
            uint32_t *behind = pass ? w->found : w->waiting;

            for (uint32_t v = pass ? wave : w->bucket[d]; v != PATH_NOBODY; v = behind[v]) {
                g->work++;
                if (w->longer[v] != d || !g->forwards[v]) /* a shorter way was found since */
                    continue;
                g->work += g->first[v + 1] - g->first[v];
                for (uint32_t k = g->first[v]; k < g->first[v + 1]; k++) {
                    uint32_t u = g->neighbors[k];

                    if (w->stamps[u] != w->stamp || (w->longer[u] && w->longer[u] <= d + 1))
                        continue;
                    w->longer[u] = d + 1;
                    w->found[u] = found;
                    found = u;
                }
            }
        }
        w->bucket[d] = PATH_NOBODY;
        wave = found;
    }
}

static void fail(struct walk *w, struct path_view *view, uint32_t first, uint32_t n, uint32_t gone,
                 uint32_t end)
{
    const uint32_t *concerned = w->subtree + first;

    w->stamp++;
    for (uint32_t i = 0; i < n; i++)
        w->stamps[concerned[i]] = w->stamp;
    settle(w, concerned, n, gone, end);
    for (uint32_t i = 0; i < n; i++)
        if (w->longer[concerned[i]] > w->bound)
            w->bound = w->longer[concerned[i]];
    if (!w->visitor)
        return;
    view->gone = end == PATH_NOBODY ? gone : PATH_NOBODY;
    view->own_link = end != PATH_NOBODY && gone == view->from;
    view->concerned = concerned;
    view->n_concerned = n;
    w->visitor->failure(w->visitor->userdata, view);
}

/* Nobody is farther away than n - 1, which a ring finds out at once; who watches sees everything.
 */
static bool settled(const struct walk *w)
{
    return w->g->work >= BUDGET || (!w->visitor && w->bound + 1 >= w->g->n);
}

static void search_from(struct walk *w, uint32_t from)
{
    struct path_view view = {
        .from = from,
        .distance = w->distance,
        .reached = w->order,
        .longer = w->longer,
        .stamps = w->stamps,
        .stamp = &w->stamp,
    };

    walk_from(w, from);
    view.n_reached = w->n_reached;
    if (w->distance[w->order[w->n_reached - 1]] > w->bound)
        w->bound = w->distance[w->order[w->n_reached - 1]];
    if (w->visitor)
        w->visitor->reached(w->visitor->userdata, &view);
    lay_out(w);
    for (uint32_t i = 1; i < w->n_reached && !settled(w); i++) {
        uint32_t v = w->order[i];

        if (w->only[v])
            fail(w, &view, w->start[v], w->size[v], w->dominator[v], v);
        if (w->size[v] > 1)
            fail(w, &view, w->start[v] + 1, w->size[v] - 1, v, PATH_NOBODY);
    }
}

uint32_t path_search(struct path_graph *g, const struct path_visitor *visitor)
{
    struct walk w = {.g = g, .visitor = visitor};
    uint32_t **all[] = {&w.distance, &w.order, &w.dominator, &w.depth,  &w.size,
                        &w.start,    &w.next,  &w.subtree,   &w.longer, &w.stamps,
                        &w.waiting,  &w.found, &w.bucket};
    size_t n_all = sizeof(all) / sizeof(*all);

    prepare(g);
    for (size_t i = 0; i < n_all; i++)
        *all[i] = xcalloc(g->n + 2u, sizeof(uint32_t));
    w.only = xcalloc(g->n, sizeof(*w.only));
    memset(w.bucket, 0xff, (g->n + 2u) * sizeof(*w.bucket));
    for (uint32_t v = 0; v < g->n && !settled(&w); v++)
        if (!visitor || g->forwards[v])
            search_from(&w, v);
    for (size_t i = 0; i < n_all; i++)
        free(*all[i]);
    free(w.only);
    return g->work < BUDGET ? w.bound : PATH_UNKNOWN;
}
