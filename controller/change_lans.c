/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/origins.h"
#include "common/sorted.h"
#include "controller/change_internal.h"
#include "controller/mesh.h"

/* --- LANs ------------------------------------------------------------------------------------- */

static int compare_members(const void *pa, const void *pb)
{
    const struct change_member *a = pa, *b = pb;
    int order = strcmp(a->lan, b->lan);

    if (order == 0)
        order = a->now - b->now;
    return order ? order : strcmp(a->gateway, b->gateway);
}

static void add_member(struct change_members *m, const struct change_member *member)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->members = xreallocarray(m->members, m->cap, sizeof(*m->members));
    }
    m->members[m->n++] = *member;
}

/* The gateways that are as before belong to their LANs before and now. */
static void add_same(struct change_members *m, const struct mesh *mesh, const bool *same)
{
    bool *wanted = xcalloc(mesh->n_lans + 1, sizeof(*wanted));
    size_t n = m->n;

    for (size_t i = 0, k = 0; i < n; i++) {
        while (k < mesh->n_lans && strcmp(mesh->lans[k].name, m->members[i].lan) < 0)
            k++;
        if (k < mesh->n_lans && strcmp(mesh->lans[k].name, m->members[i].lan) == 0)
            wanted[k] = true;
    }
    for (size_t g = 0; g < mesh->n_gateways; g++) {
        const struct mesh_lan *lan = &mesh->lans[mesh->gateways[g].lan];

        for (int now = 0; same[g] && wanted[mesh->gateways[g].lan] && now < 2; now++)
            add_member(m, &(struct change_member){lan->name, mesh->gateways[g].name, now == 1,
                                                  lan->prefixes, lan->n_prefixes});
    }
    free(wanted);
}

static bool same_names(const char *const *a, const char *const *b)
{
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return !*a && !*b;
}

static bool same_prefixes(const struct change_lan *lan)
{
    if (lan->n_prefixes[0] != lan->n_prefixes[1])
        return false;
    for (size_t i = 0; i < lan->n_prefixes[0]; i++)
        if (prefix_compare(&lan->prefixes[0][i], &lan->prefixes[1][i]) != 0)
            return false;
    return true;
}

static struct prefix *copy_prefixes(struct change *c, const struct change_member *m)
{
    struct prefix *copy = arena_alloc(&c->arena, m->n_prefixes + 1, sizeof(*copy));

    for (size_t i = 0; i < m->n_prefixes; i++)
        copy[i] = m->prefixes[i];
    return copy;
}

/* The members of one LAN: n of them from m on. */
static void one_lan(struct change *c, const struct change_member *m, size_t n)
{
    struct change_lan lan = {.name = arena_strdup(&c->arena, m->lan)};
    size_t count[2] = {0, 0};

    for (unsigned now = 0; now < 2; now++)
        lan.gateways[now] = arena_alloc(&c->arena, n + 1, sizeof(*lan.gateways[now]));
    for (size_t i = 0; i < n; i++) {
        unsigned now = m[i].now;

        lan.gateways[now][count[now]++] = arena_strdup(&c->arena, m[i].gateway);
        if (!lan.prefixes[now]) {
            lan.prefixes[now] = copy_prefixes(c, &m[i]);
            lan.n_prefixes[now] = m[i].n_prefixes;
        }
    }
    if (count[0] == 0)
        lan.what = CHANGE_ADDED;
    else if (count[1] == 0)
        lan.what = CHANGE_REMOVED;
    else if (!same_prefixes(&lan) || !same_names(lan.gateways[0], lan.gateways[1]))
        lan.what = CHANGE_CHANGED;
    c->lans.n[lan.what]++;
    if (lan.what != CHANGE_NONE)
        c->lan[c->n_lans++] = lan;
}

void change_lans(struct change *c, struct change_members *m, const struct mesh *mesh,
                 const bool *same)
{
    if (m->n)
        qsort(m->members, m->n, sizeof(*m->members), compare_members);
    add_same(m, mesh, same);
    if (m->n)
        qsort(m->members, m->n, sizeof(*m->members), compare_members);
    c->lan = arena_alloc(&c->arena, m->n + 1, sizeof(*c->lan));
    for (size_t i = 0, n; i < m->n; i += n) {
        for (n = 1; i + n < m->n && strcmp(m->members[i].lan, m->members[i + n].lan) == 0;)
            n++;
        one_lan(c, &m->members[i], n);
    }
    c->lans.now = mesh->n_lans;
    c->lans.n[CHANGE_NONE] = c->lans.now - c->lans.n[CHANGE_ADDED] - c->lans.n[CHANGE_CHANGED];
    c->lans.before = c->lans.now - c->lans.n[CHANGE_ADDED] + c->lans.n[CHANGE_REMOVED];
    c->lans_known = true;
}

/* --- routes ----------------------------------------------------------------------------------- */

static bool same_origin(const struct origin *a, const struct origin *b)
{
    return a->n_asns == b->n_asns && memcmp(a->asns, b->asns, a->n_asns * sizeof(*a->asns)) == 0;
}

static const char *keep(struct change *c, const struct origin *o)
{
    return o ? arena_strdup(&c->arena, o->lan) : NULL;
}

/* Both tables side by side. */
static void find_routes(struct change *c, const struct origins *old, const struct origins *now)
{
    c->route = arena_alloc(&c->arena, old->n + now->n + 1, sizeof(*c->route));
    for (size_t i = 0, k = 0; i < old->n || k < now->n;) {
        const struct origin *a = i < old->n ? &old->entries[i] : NULL;
        const struct origin *b = k < now->n ? &now->entries[k] : NULL;
        int order = !a ? 1 : !b ? -1 : prefix_compare(&a->prefix, &b->prefix);

        a = order <= 0 ? a : NULL;
        b = order >= 0 ? b : NULL;
        i += a != NULL;
        k += b != NULL;
        if (a && b && same_origin(a, b))
            continue;
        c->route[c->n_routes++] = (struct change_route){
            .prefix = (a ? a : b)->prefix,
            .what = !a   ? CHANGE_ADDED
                    : !b ? CHANGE_REMOVED
                         : CHANGE_CHANGED,
            .lan_before = keep(c, a),
            .lan_now = keep(c, b),
        };
    }
}

enum change_what change_route_at(const struct change_route *route, const char *lan_before,
                                 const char *lan_now)
{
    bool had = route->lan_before && lan_before && strcmp(route->lan_before, lan_before) != 0;
    bool has = route->lan_now && lan_now && strcmp(route->lan_now, lan_now) != 0;

    return had && has ? CHANGE_CHANGED : had ? CHANGE_REMOVED : has ? CHANGE_ADDED : CHANGE_NONE;
}

/* The routes of one LAN, before or now: for a gateway of that LAN they are none. */
struct of_lan {
    const char *lan;
    size_t route;
};

static int compare_of_lan(const void *pa, const void *pb)
{
    const struct of_lan *a = pa, *b = pb;
    int order = strcmp(a->lan, b->lan);

    return order ? order : (a->route > b->route) - (a->route < b->route);
}

struct lan_index {
    struct of_lan *entries;
    size_t n;
};

static struct lan_index index_lans(const struct change *c)
{
    struct lan_index x = {xcalloc(2 * c->n_routes + 1, sizeof(struct of_lan)), 0};

    for (size_t i = 0; i < c->n_routes; i++) {
        const struct change_route *r = &c->route[i];

        if (r->lan_before)
            x.entries[x.n++] = (struct of_lan){r->lan_before, i};
        if (r->lan_now && (!r->lan_before || strcmp(r->lan_now, r->lan_before) != 0))
            x.entries[x.n++] = (struct of_lan){r->lan_now, i};
    }
    if (x.n)
        qsort(x.entries, x.n, sizeof(*x.entries), compare_of_lan);
    return x;
}

/* What is otherwise for a gateway with these LANs than for one that has none of the routes' LANs,
 * by the routes of `lan`; those that also are of `but` were looked at already. */
static void correct(const struct change *c, const struct lan_index *x, const char *lan,
                    const char *but, const char *before, const char *now, struct change_routes *ret)
{
    size_t size = sizeof(*x->entries);

    for (size_t i = sorted_place(x->entries, x->n, size, lan);
         sorted_is_at(x->entries, x->n, size, i, lan); i++) {
        const struct change_route *r = &c->route[x->entries[i].route];

        if (but && ((r->lan_before && strcmp(r->lan_before, but) == 0) ||
                    (r->lan_now && strcmp(r->lan_now, but) == 0)))
            continue;
        ret->n[r->what]--;
        ret->n[change_route_at(r, before, now)]++;
    }
}

/* What happens to routes at a gateway with these LANs. */
static struct change_routes routes_at(const struct change *c, const struct lan_index *x,
                                      const struct change_routes *outside, const char *before,
                                      const char *now)
{
    struct change_routes r = *outside;

    correct(c, x, before, NULL, before, now, &r);
    if (strcmp(before, now) != 0)
        correct(c, x, now, before, before, now, &r);
    r.n[CHANGE_NONE] = 0;
    return r;
}

/* How many entries the sorted names have that are `lan`. */
static size_t count_of(const char *const *names, size_t n, const char *lan)
{
    size_t first = sorted_place(names, n, sizeof(*names), lan), end = first;

    while (sorted_is_at(names, n, sizeof(*names), end, lan))
        end++;
    return end - first;
}

void change_routes(struct change *c, const struct origins *old, const struct origins *now)
{
    struct change_routes outside = {{0}};
    const char **lans = xcalloc(now->n + 1, sizeof(*lans));
    struct lan_index x;

    for (size_t i = 0; i < now->n; i++)
        lans[i] = now->entries[i].lan;
    qsort(lans, now->n, sizeof(*lans), change_compare_names);
    find_routes(c, old, now);
    x = index_lans(c);
    for (size_t i = 0; i < c->n_routes; i++)
        outside.n[c->route[i].what]++;
    for (size_t i = 0; i < c->n_gateways; i++) {
        struct change_gateway *g = &c->gateway[i];

        if (g->what == CHANGE_REMOVED || !g->lan_now)
            continue;
        if (g->what == CHANGE_ADDED) { /* everything but its own */
            g->routes.n[CHANGE_ADDED] = now->n - count_of(lans, now->n, g->lan_now);
            continue;
        }
        if (g->lan_before)
            g->routes = routes_at(c, &x, &outside, g->lan_before, g->lan_now);
    }
    for (size_t i = 0; i < c->n_quiet; i++) {
        struct change_quiet *q = &c->quiet[i];

        q->routes = routes_at(c, &x, &outside, q->lan, q->lan);
        c->rerouted +=
            q->routes.n[CHANGE_ADDED] || q->routes.n[CHANGE_CHANGED] || q->routes.n[CHANGE_REMOVED];
    }
    free(x.entries);
    free(lans);
    c->routes_known = true;
}
