/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path search: the shortest ways of a graph, and how long they become when one thing fails.  Pure.
 *
 * Vertices are walked on from where they forward, or where the walk began; all edges have length 1
 * and both directions.  A failure concerns a vertex only if every shortest way to it leads over
 * what failed: over a vertex that dominates it, or an edge that is the only last step to it or to
 * one that dominates it.  So for each start one walk finds the dominators, and each failure is a
 * small walk among those that it concerns.
 */
#ifndef P2PVPN_CONTROLLER_PATH_SEARCH_H
#define P2PVPN_CONTROLLER_PATH_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#define PATH_NOBODY UINT32_MAX
#define PATH_UNKNOWN UINT32_MAX

struct path_graph;

/* What a visitor sees, all by vertex; distances from `from`. */
struct path_view {
    uint32_t from;
    const uint32_t *distance; /* with everything up; of `reached` only */
    const uint32_t *reached;  /* nearest first, `from` itself included */
    uint32_t n_reached;
    /* Of a failure only: */
    uint32_t gone;          /* the vertex that is down; PATH_NOBODY: it is an edge */
    bool own_link;          /* an edge of `from` */
    const uint32_t *longer; /* the new distance of those concerned; 0: cut off */
    const uint32_t *concerned;
    uint32_t n_concerned;
    const uint32_t *stamps, *stamp; /* of path_concerned() */
};

static inline bool path_concerned(const struct path_view *view, uint32_t v)
{
    return view->stamps[v] == *view->stamp;
}

struct path_visitor {
    void (*reached)(void *userdata, const struct path_view *view); /* once for each start */
    void (*failure)(void *userdata, const struct path_view *view);
    void *userdata;
};

/* At most `edges` may be added; free with path_graph_free(). */
struct path_graph *path_graph_new(uint32_t vertices, uint32_t edges);
void path_graph_forwards(struct path_graph *g, uint32_t v);
/* Each pair once. */
void path_graph_edge(struct path_graph *g, uint32_t a, uint32_t b);
struct path_graph *path_graph_free(struct path_graph *g); /* returns NULL */

/* The longest of all shortest ways between any two vertices, with everything up, one edge down, or
 * one other vertex down; what is cut off does not count.  Only vertices that forward are starts if
 * there is a visitor (NULL ok), which is told of everything on the way.  PATH_UNKNOWN: that takes
 * more than a fraction of a second. */
uint32_t path_search(struct path_graph *g, const struct path_visitor *visitor);

#endif
