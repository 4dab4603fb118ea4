/* SPDX-License-Identifier: Apache-2.0 */
/* Change, by two locks alone: gateways and links that come and go, and with them processes and
 * sessions. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "controller/change_internal.h"
#include "controller/lock.h"
#include "controller/network.h"

/* A link by the names of its ends. */
struct named {
    const char *a, *b; /* a before b */
    const struct lock_gateway *end_a, *end_b;
    uint8_t tunnel;
};

struct names {
    const struct lock_gateway **by_number; /* GATEWAY_MAX_NUMBER + 1 of them */
    const struct lock_gateway **by_name;   /* in order */
    struct named *links;                   /* in order */
    const struct lock *lock;
};

static int compare_gateways(const void *pa, const void *pb)
{
    const struct lock_gateway *const *a = pa, *const *b = pb;

    return strcmp((*a)->name, (*b)->name);
}

static int compare_named(const void *pa, const void *pb)
{
    const struct named *a = pa, *b = pb;
    int order = strcmp(a->a, b->a);

    if (order == 0)
        order = strcmp(a->b, b->b);
    return order ? order : a->tunnel - b->tunnel;
}

static struct names names_of(const struct lock *lock)
{
    struct names n = {.lock = lock};

    n.by_number = xcalloc(GATEWAY_MAX_NUMBER + 1, sizeof(*n.by_number));
    n.by_name = xcalloc(lock->n_gateways + 1, sizeof(*n.by_name));
    n.links = xcalloc(lock->n_links + 1, sizeof(*n.links));
    for (size_t i = 0; i < lock->n_gateways; i++)
        n.by_number[lock->gateways[i].number] = n.by_name[i] = &lock->gateways[i];
    qsort(n.by_name, lock->n_gateways, sizeof(*n.by_name), compare_gateways);
    for (size_t i = 0; i < lock->n_links; i++) {
        const struct lock_gateway *a = n.by_number[lock->links[i].a],
                                  *b = n.by_number[lock->links[i].b];
        bool first = strcmp(a->name, b->name) < 0;

        n.links[i] = (struct named){
            .end_a = first ? a : b,
            .end_b = first ? b : a,
            .tunnel = lock->links[i].tunnel,
        };
        n.links[i].a = n.links[i].end_a->name;
        n.links[i].b = n.links[i].end_b->name;
    }
    qsort(n.links, lock->n_links, sizeof(*n.links), compare_named);
    return n;
}

static void names_free(struct names *n)
{
    free(n->by_number);
    free(n->by_name);
    free(n->links);
}

/* --- links ------------------------------------------------------------------------------------ */

/* One end of a link that came or went. */
struct end {
    const struct lock_gateway *self, *peer;
    uint8_t tunnel;
    enum change_what what;
};

struct comparison {
    struct change *change;
    struct end *ends;
    size_t n_ends, cap_ends;
    unsigned families[2]; /* sessions of a link: before, now */
};

static void add_end(struct comparison *c, const struct lock_gateway *self,
                    const struct lock_gateway *peer, uint8_t tunnel, enum change_what what)
{
    if (c->n_ends == c->cap_ends) {
        c->cap_ends = c->cap_ends ? c->cap_ends * 2 : 64;
        c->ends = xreallocarray(c->ends, c->cap_ends, sizeof(*c->ends));
    }
    c->ends[c->n_ends++] = (struct end){self, peer, tunnel, what};
}

static void add_link(struct comparison *c, const struct named *l, enum change_what what)
{
    struct change *out = c->change;

    out->link[out->n_links++] = (struct change_link){
        .a = arena_strdup(&out->arena, l->a),
        .b = arena_strdup(&out->arena, l->b),
        .tunnel = l->tunnel + 1u,
        .what = what,
    };
    add_end(c, l->end_a, l->end_b, l->tunnel, what);
    add_end(c, l->end_b, l->end_a, l->tunnel, what);
}

static void compare_all_links(struct comparison *c, const struct names *was, const struct names *is)
{
    size_t n = was->lock->n_links, m = is->lock->n_links;

    c->change->link = xcalloc(n + m + 1, sizeof(*c->change->link));
    for (size_t i = 0, k = 0; i < n || k < m;) {
        int order = i == n ? 1 : k == m ? -1 : compare_named(&was->links[i], &is->links[k]);

        if (order < 0)
            add_link(c, &was->links[i], CHANGE_REMOVED);
        else if (order > 0)
            add_link(c, &is->links[k], CHANGE_ADDED);
        i += order <= 0;
        k += order >= 0;
    }
}

static int compare_ends(const void *pa, const void *pb)
{
    const struct end *a = pa, *b = pb;
    int order = strcmp(a->self->name, b->self->name);

    if (order == 0)
        order = strcmp(a->peer->name, b->peer->name);
    if (order == 0)
        order = a->tunnel - b->tunnel;
    return order;
}

/* --- gateways --------------------------------------------------------------------------------- */

static const char *interface_of(struct change *c, const struct end *e)
{
    return e->tunnel ? arena_printf(&c->arena, "pv%" PRIu32 "-%u", e->peer->number, e->tunnel + 1u)
                     : arena_printf(&c->arena, "pv%" PRIu32, e->peer->number);
}

static void fill(struct comparison *c, struct change_gateway *g, const struct end *ends, size_t n)
{
    struct arena *a = &c->change->arena;

    g->processes = arena_alloc(a, n + 1, sizeof(*g->processes));
    g->sessions = arena_alloc(a, 2 * n + 1, sizeof(*g->sessions));
    for (size_t i = 0; i < n; i++) {
        const char *interface = interface_of(c->change, &ends[i]);
        const char *peer = arena_strdup(a, ends[i].peer->name);

        g->processes[g->n_processes++] =
            (struct change_process){.interface = interface, .peer = peer, .what = ends[i].what};
        for (unsigned f = 0; f < c->families[ends[i].what == CHANGE_ADDED]; f++)
            g->sessions[g->n_sessions++] =
                (struct change_session){.interface = interface, .peer = peer, .what = ends[i].what};
    }
}

static bool same_numbers(const struct lock_gateway *a, const struct lock_gateway *b)
{
    return a->number == b->number && a->asn == b->asn && a->router_id == b->router_id &&
           a->generation == b->generation;
}

static void compare_all_gateways(struct comparison *c, const struct names *was,
                                 const struct names *is)
{
    size_t n = was->lock->n_gateways, m = is->lock->n_gateways, at = 0;
    struct change *out = c->change;

    out->gateway = xcalloc(n + m + 1, sizeof(*out->gateway));
    for (size_t i = 0, k = 0; i < n || k < m;) {
        int order = i == n ? 1 : k == m ? -1 : strcmp(was->by_name[i]->name, is->by_name[k]->name);
        const struct lock_gateway *o = order <= 0 ? was->by_name[i++] : NULL;
        const struct lock_gateway *g = order >= 0 ? is->by_name[k++] : NULL;
        const char *name = order >= 0 ? is->by_name[k - 1]->name : was->by_name[i - 1]->name;
        size_t first = at;

        while (at < c->n_ends && strcmp(c->ends[at].self->name, name) == 0)
            at++;
        if (o && g && at == first && same_numbers(o, g))
            continue;
        out->gateway[out->n_gateways] = (struct change_gateway){
            .name = arena_strdup(&out->arena, name),
            .bundle = true,
            .what = !o   ? CHANGE_ADDED
                    : !g ? CHANGE_REMOVED
                         : CHANGE_CHANGED,
            .unknown = o && g && !same_numbers(o, g) ? "it has other numbers" : NULL,
        };
        fill(c, &out->gateway[out->n_gateways++], &c->ends[first], at - first);
    }
}

static unsigned families_of(const struct lock *lock)
{
    bool has[2] = {false, false};

    for (size_t i = 0; i < lock->n_link_prefixes; i++)
        has[lock->link_prefixes[i].family == FAMILY_IPV6] = true;
    return (unsigned)has[0] + has[1];
}

struct change *change_of_locks(const struct lock *old, const struct lock *now)
{
    struct names was = names_of(old), is = names_of(now);
    struct comparison c = {.change = xcalloc(1, sizeof(*c.change)),
                           .families = {families_of(old), families_of(now)}};

    c.change->mesh = arena_strdup(&c.change->arena, now->mesh);
    compare_all_links(&c, &was, &is);
    if (c.n_ends)
        qsort(c.ends, c.n_ends, sizeof(*c.ends), compare_ends);
    compare_all_gateways(&c, &was, &is);
    c.change->gateways.now = now->n_gateways;
    c.change->links.now = now->n_links;
    change_settle(c.change);
    names_free(&was);
    names_free(&is);
    free(c.ends);
    return c.change;
}
