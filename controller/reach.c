/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/reach.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/network.h"

#define WORD 64
#define BUDGET (UINT64_C(1) << 28) /* words looked at before the bound becomes an estimate */
#define NAMED 4                    /* gateways named on each side of an error */

typedef uint64_t word;

/* The network as bit sets of gateways. */
struct graph {
    const struct network *net;
    uint32_t n;
    size_t words;
    word *adjacent; /* n rows */
    word *transit;  /* one row */
    word *rows;     /* scratch: visited, frontier, next, once, twice */
    uint64_t work;
};

static bool has(const word *set, uint32_t i)
{
    return set[i / WORD] >> i % WORD & 1;
}

static void put(word *set, uint32_t i)
{
    set[i / WORD] |= (word)1 << i % WORD;
}

static void drop(word *set, uint32_t i)
{
    set[i / WORD] &= ~((word)1 << i % WORD);
}

static word *row(const struct graph *g, uint32_t i)
{
    return g->adjacent + i * g->words;
}

static void graph_init(struct graph *g, const struct network *net)
{
    uint32_t n = (uint32_t)net->mesh->n_gateways;

    *g = (struct graph){.net = net, .n = n, .words = (n + WORD - 1) / WORD};
    g->adjacent = xcalloc(n * g->words, sizeof(word));
    g->transit = xcalloc(g->words, sizeof(word));
    g->rows = xcalloc(5 * g->words, sizeof(word));
    for (size_t i = 0; i < net->n_links; i++) {
        put(row(g, net->links[i].a), net->links[i].b);
        put(row(g, net->links[i].b), net->links[i].a);
    }
    for (uint32_t i = 0; i < n; i++)
        if (net->gateways[i].transit)
            put(g->transit, i);
}

static void graph_free(struct graph *g)
{
    free(g->adjacent);
    free(g->transit);
    free(g->rows);
}

/* --- who reaches whom ------------------------------------------------------------------------- */

/* All that `from` reaches, itself included; with `forward_all`, as if every gateway gave transit.
 * Into visited (g->rows). */
static const word *reachable(struct graph *g, uint32_t from, bool forward_all)
{
    word *visited = g->rows;
    uint32_t *queue = xcalloc(g->n, sizeof(*queue)), n = 0;

    memset(visited, 0, g->words * sizeof(word));
    put(visited, from);
    queue[n++] = from;
    for (uint32_t i = 0; i < n; i++) {
        const struct network_gateway *gateway = &g->net->gateways[queue[i]];

        if (queue[i] != from && !forward_all && !gateway->transit)
            continue;
        for (uint32_t k = 0; k < gateway->n_peers; k++) {
            uint32_t next = g->net->peers[gateway->first_peer + k].gateway;

            if (!has(visited, next)) {
                put(visited, next);
                queue[n++] = next;
            }
        }
    }
    free(queue);
    return visited;
}

/* One set of transit gateways linked to each other, and every other gateway with a link into it:
 * the usual case, seen in one walk over the links. */
static bool all_on_one_core(const struct network *net)
{
    uint32_t n = (uint32_t)net->mesh->n_gateways, start = 0, reached = 0, count = 0;
    uint32_t *queue = xcalloc(n, sizeof(*queue));
    bool *seen = xcalloc(n, sizeof(*seen));

    while (start < n && !net->gateways[start].transit)
        start++;
    if (start < n) {
        queue[count++] = start;
        seen[start] = true;
        reached++;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct network_gateway *g = &net->gateways[queue[i]];

        for (uint32_t k = 0; k < g->n_peers; k++) {
            uint32_t next = net->peers[g->first_peer + k].gateway;

            if (seen[next])
                continue;
            seen[next] = true;
            reached++;
            if (net->gateways[next].transit)
                queue[count++] = next;
        }
    }
    free(queue);
    free(seen);
    return reached == n;
}

static void name_side(const struct graph *g, const word *set, struct buf *ret)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < g->n; i++) {
        if (!has(set, i))
            continue;
        if (n < NAMED)
            buf_printf(ret, "%s'%s'", n ? ", " : "", g->net->mesh->gateways[i].name);
        n++;
    }
    if (n > NAMED)
        buf_printf(ret, " and %u more", n - NAMED);
}

/* Somebody on the way from one side to the other who only had to forward; the number of gateways if
 * there is nobody. */
static uint32_t silent_gateway(struct graph *g, uint32_t from, const word *lost)
{
    word *near = xcalloc(g->words, sizeof(word));
    uint32_t found = g->n;

    memcpy(near, reachable(g, from, false), g->words * sizeof(word));
    for (uint32_t i = 0; i < g->n && found == g->n; i++) {
        const struct network_gateway *gateway = &g->net->gateways[i];

        if (!has(near, i) || gateway->transit || i == from)
            continue;
        for (uint32_t k = 0; k < gateway->n_peers && found == g->n; k++)
            if (has(lost, g->net->peers[gateway->first_peer + k].gateway))
                found = i;
    }
    free(near);
    return found;
}

static void report(struct graph *g, uint32_t from, const word *lost, struct error_list *err)
{
    const struct mesh *mesh = g->net->mesh;
    word *side = xcalloc(g->words, sizeof(word));
    _cleanup_buf_ struct buf text = BUF_INIT;
    uint32_t silent, to = 0;

    while (!has(lost, to))
        to++;
    for (uint32_t i = 0; i < g->n; i++) {
        const word *reached;
        bool apart = true;

        if (has(lost, i))
            continue;
        reached = reachable(g, i, false);
        for (size_t w = 0; w < g->words; w++)
            apart &= (reached[w] & lost[w]) == 0;
        if (apart)
            put(side, i);
    }
    name_side(g, side, &text);
    buf_str(&text, " cannot reach ");
    name_side(g, lost, &text);
    buf_str(&text, ": no link joins them over gateways that give transit; ");
    silent = silent_gateway(g, from, lost);
    if (silent < g->n)
        buf_printf(&text, "set 'transit' of '%s' to true (it lies between them), or ",
                   mesh->gateways[silent].name);
    if (mesh->gateways[from].endpoint || mesh->gateways[to].endpoint)
        buf_printf(&text, "add a link, for instance of '%s' and '%s'", mesh->gateways[from].name,
                   mesh->gateways[to].name);
    else
        buf_printf(&text, "give '%s' or '%s' an endpoint and link them", mesh->gateways[from].name,
                   mesh->gateways[to].name);
    error_add(err, mesh->file, 0, "/p2pvpn-mesh:mesh/topology", "%s", buf_cstr(&text));
    free(side);
}

int reach_check(const struct network *net, struct error_list *err)
{
    const struct mesh *mesh = net->mesh;
    uint32_t n = (uint32_t)mesh->n_gateways, worst = n, most = 0;
    struct graph g;
    word *lost;

    if (all_on_one_core(net))
        return 0;
    graph_init(&g, net);
    lost = xcalloc(g.words, sizeof(word));
    /* The side that is cut off from the most is the one to name; of equal ones the first. */
    for (uint32_t i = 0; i < n; i++) {
        const word *reached = reachable(&g, i, false);
        uint32_t count = 0;

        for (uint32_t k = 0; k < n; k++)
            count += !has(reached, k) && mesh->gateways[k].lan != mesh->gateways[i].lan;
        if (count > most) {
            most = count;
            worst = i;
        }
    }
    if (worst < n) {
        const word *reached = reachable(&g, worst, false);

        for (uint32_t k = 0; k < n; k++)
            if (!has(reached, k) && mesh->gateways[k].lan != mesh->gateways[worst].lan)
                put(lost, k);
        report(&g, worst, lost, err);
    }
    free(lost);
    graph_free(&g);
    return worst < n ? -EINVAL : 0;
}

/* --- how far ---------------------------------------------------------------------------------- */

#define NOBODY UINT32_MAX

/* How far the furthest gateway is that `from` reaches while the link x-y is down, or, with y ==
 * NOBODY, the gateway x (both NOBODY: everything is up).  `goal`: all that it reaches when
 * everything is up, so that the walk can end as soon as it has them. */
static unsigned furthest(struct graph *g, uint32_t from, uint32_t x, uint32_t y, const word *goal)
{
    word *visited = g->rows, *frontier = visited + g->words, *next = frontier + g->words;
    unsigned distance = 0;

    memset(visited, 0, g->words * sizeof(word));
    put(visited, from);
    if (y == NOBODY && x != NOBODY)
        put(visited, x); /* never walked to, never walked on from */
    memcpy(frontier, visited, g->words * sizeof(word));
    if (y == NOBODY && x != NOBODY)
        drop(frontier, x);
    for (;;) {
        word any = 0, open = ~(word)0;

        memset(next, 0, g->words * sizeof(word));
        for (size_t w = 0; w < g->words && open; w++) {
            word on = distance ? frontier[w] & g->transit[w] : frontier[w];

            for (; on && open; on &= on - 1) {
                uint32_t t = (uint32_t)(w * WORD) + (uint32_t)__builtin_ctzll(on);
                const word *r = row(g, t);

                open = 0;
                for (size_t i = 0; i < g->words; i++) {
                    word reached = r[i];

                    if (y != NOBODY && t == x && i == y / WORD)
                        reached &= ~((word)1 << y % WORD);
                    if (y != NOBODY && t == y && i == x / WORD)
                        reached &= ~((word)1 << x % WORD);
                    next[i] |= reached & ~visited[i];
                    open |= goal[i] & ~visited[i] & ~next[i];
                }
                g->work += g->words;
            }
        }
        for (size_t i = 0; i < g->words; i++) {
            any |= next[i];
            visited[i] |= next[i];
            frontier[i] = next[i];
        }
        g->work += g->words;
        if (!any)
            return distance;
        distance++;
        if (!open)
            return distance;
    }
}

/* Walks from `from` with everything up and notes for each gateway the one before it, when only one
 * can be (only then a failure there makes its way longer); NOBODY otherwise.  *goal: all reached.
 */
static unsigned walk(struct graph *g, uint32_t from, uint32_t *before, word *goal)
{
    word *frontier = g->rows + g->words, *once = g->rows + 3 * g->words, *twice = once + g->words;
    unsigned distance = 0;

    memset(goal, 0, g->words * sizeof(word));
    put(goal, from);
    memcpy(frontier, goal, g->words * sizeof(word));
    for (uint32_t i = 0; i < g->n; i++)
        before[i] = NOBODY;
    for (;; distance++) {
        word any = 0;

        memset(once, 0, 2 * g->words * sizeof(word));
        for (size_t w = 0; w < g->words; w++) {
            word on = distance ? frontier[w] & g->transit[w] : frontier[w];

            for (; on; on &= on - 1) {
                uint32_t t = (uint32_t)(w * WORD) + (uint32_t)__builtin_ctzll(on);
                const word *r = row(g, t);

                for (size_t i = 0; i < g->words; i++) {
                    word new = r[i] & ~goal[i], first = new & ~once[i];

                    twice[i] |= new &once[i];
                    once[i] |= new;
                    for (; first; first &= first - 1)
                        before[i * WORD + (size_t)__builtin_ctzll(first)] = t;
                }
                g->work += g->words;
            }
        }
        for (size_t i = 0; i < g->words; i++) {
            any |= once[i];
            goal[i] |= once[i];
            frontier[i] = once[i];
            for (word both = twice[i]; both; both &= both - 1)
                before[i * WORD + (size_t)__builtin_ctzll(both)] = NOBODY;
        }
        if (!any)
            return distance;
    }
}

/* Whether both have a link to one and the same transit gateway. */
static bool two_steps(struct graph *g, uint32_t x, uint32_t y)
{
    const word *rx = row(g, x), *ry = row(g, y);

    for (size_t i = 0; i < g->words; i++) {
        g->work++;
        if (rx[i] & ry[i] & g->transit[i])
            return true;
    }
    return false;
}

/* The bound as seen from one gateway. */
static unsigned bound_from(struct graph *g, uint32_t from, uint32_t *before, bool *needed,
                           bool *failed, word *goal)
{
    unsigned bound = walk(g, from, before, goal);

    memset(failed, 0, g->n * sizeof(*failed));
    memset(needed, 0, g->n * sizeof(*needed));
    for (uint32_t y = 0; y < g->n; y++)
        if (before[y] != NOBODY)
            needed[before[y]] = true;
    for (uint32_t y = 0; y < g->n && g->work < BUDGET; y++) {
        uint32_t x = before[y];
        unsigned distance;

        if (x == NOBODY)
            continue;
        if (x == from && !needed[y] && two_steps(g, from, y)) {
            /* Nobody else's way leads over this link: what a full mesh has almost only of. */
            bound = bound > 2 ? bound : 2;
            continue;
        }
        distance = furthest(g, from, x, y, goal);
        bound = distance > bound ? distance : bound;
        if (x == from || failed[x])
            continue;
        failed[x] = true;
        distance = furthest(g, from, x, NOBODY, goal);
        bound = distance > bound ? distance : bound;
    }
    return bound;
}

unsigned reach_path_bound(const struct network *net)
{
    unsigned bound = 1, transit = 0;
    uint32_t *before;
    struct graph g;
    bool *failed, *needed;
    word *goal;

    for (size_t i = 0; i < net->mesh->n_gateways; i++)
        transit += net->gateways[i].transit;
    graph_init(&g, net);
    before = xcalloc(g.n, sizeof(*before));
    failed = xcalloc(g.n, sizeof(*failed));
    needed = xcalloc(g.n, sizeof(*needed));
    goal = xcalloc(g.words, sizeof(*goal));
    for (uint32_t i = 0; i < g.n && g.work < BUDGET; i++) {
        unsigned distance = bound_from(&g, i, before, needed, failed, goal);

        bound = distance > bound ? distance : bound;
    }
    if (g.work >= BUDGET)
        bound = transit + 1 > g.n - 1 ? g.n - 1 : transit + 1;
    free(before);
    free(failed);
    free(needed);
    free(goal);
    graph_free(&g);
    return bound;
}
